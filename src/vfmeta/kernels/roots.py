"""Many bracketed roots at once."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from vfmeta.core.messages import ConvergenceError

__all__ = ["EPS", "ConvergenceError", "bracketed_roots"]

EPS = float(np.finfo(float).eps)


def bracketed_roots(
    f: Callable[[np.ndarray, np.ndarray], np.ndarray],
    a: np.ndarray,
    b: np.ndarray,
    xtol: np.ndarray | float = 0.0,
    max_iter: int = 250,
) -> np.ndarray:
    """Roots of ``n`` scalar functions, each inside its own bracket.

    Inverse quadratic interpolation guarded by bisection (Chandrupatla 1997, Advances in Engineering Software 28:145-149).

    Parameters
    ----------
    f : callable
        ``f(x, index)`` gives the functions numbered ``index`` at ``x``; both of shape ``(m,)`` with m <= n.
    a, b : ndarray of shape (n,)
        Ends of the brackets; the functions have opposite signs there, or are zero.
    xtol : ndarray of shape (n,) or float
        Absolute tolerance in ``x``, beside a relative one of four rounding units.
    max_iter : int
        Evaluations after which the search is called a failure.

    Returns
    -------
    ndarray of shape (n,)
        The roots.

    Raises
    ------
    ConvergenceError
        When a bracket holds no sign change or the search does not settle.
    """
    a, b = np.array(a, dtype=float), np.array(b, dtype=float)
    n = a.size
    root = np.empty(n)
    if n == 0:
        return root
    index = np.arange(n)
    tol = np.broadcast_to(np.asarray(xtol, dtype=float), (n,))
    fa, fb = f(a, index), f(b, index)
    if np.any(~np.isfinite(fa) | ~np.isfinite(fb)) or np.any(np.sign(fa) * np.sign(fb) > 0):
        raise ConvergenceError("A root was looked for in a bracket without a sign change.")
    t = np.full(n, 0.5)
    for _ in range(max_iter):
        best_a = np.abs(fa) < np.abs(fb)
        best, fbest = np.where(best_a, a, b), np.where(best_a, fa, fb)
        width = np.abs(b - a)
        limit = 2 * EPS * np.abs(best) + 0.5 * tol[index]
        done = (fbest == 0) | (width <= 2 * limit)
        if done.any():
            root[index[done]] = best[done]
            keep = ~done
            if not keep.any():
                return root
            a, b, fa, fb, t, index, width, limit = (x[keep] for x in (a, b, fa, fb, t, index, width, limit))
        t = np.clip(t, limit / width, 1 - limit / width)
        x = a + t * (b - a)
        fx = f(x, index)
        if np.any(np.isnan(fx)):
            raise ConvergenceError("The function whose root is looked for is not a number inside its bracket.")
        same = np.sign(fx) == np.sign(fa)
        c, fc = np.where(same, a, b), np.where(same, fa, fb)
        b, fb = np.where(same, b, a), np.where(same, fb, fa)
        a, fa = x, fx
        with np.errstate(all="ignore"):
            xi, phi = (a - b) / (c - b), (fa - fb) / (fc - fb)
            smooth = (phi**2 < xi) & ((1 - phi) ** 2 < 1 - xi)
            step = fa / (fb - fa) * (fc / (fb - fc)) + (c - a) / (b - a) * (fa / (fc - fa)) * (fb / (fc - fb))
        t = np.where(smooth & np.isfinite(step), step, 0.5)
    raise ConvergenceError(f"No convergence within {max_iter} steps.")

"""The compiled kernel fed with priors: one meta-analysis, or very many side by side."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from vfmeta.priors import MuPrior, TauPrior

_NONE = np.empty(0)
_HEAD = ("log_mass", "tau_mean", "tau_sd", "mu_mean", "mu_sd", "next_mean", "next_sd", "tau_mode", "mu_mode", "next_mode",
         "prior_share", "tau_below")  # fmt: skip


@dataclass(frozen=True)
class Solved:
    """What the kernel found for ``B`` meta-analyses that hold ``N`` studies in all.

    ``head`` (B, 12) in the order of ``names``; ``limits`` (B, 3, n): quantiles of tau, mu and the next trial; ``below``
    (B, 2, m): P(mu < x) and P(next < x); ``study`` (6, N): share of weight, mean, SD, lowest and highest quantile, and
    P(theta < x), or no rows; ``grid`` (2, points); ``solved`` (B,).
    """

    head: np.ndarray
    limits: np.ndarray
    below: np.ndarray
    study: np.ndarray
    grid: np.ndarray
    solved: np.ndarray
    names = _HEAD

    def __getitem__(self, name: str) -> np.ndarray:
        return np.asarray(self.head[:, _HEAD.index(name)])


def one(
    y: np.ndarray, v: np.ndarray, tau: TauPrior, mu: MuPrior, prob: np.ndarray, at: np.ndarray, points: int,
    shortest: float = 0.0,
) -> Solved | None:  # fmt: skip
    """One posterior with studies, traced density and modes; None where the kernel does not serve or did not settle.

    Where ``shortest`` is a probability, the first and the last quantile give way to the ends of the shortest intervals.
    """
    prior = tau.coded(v)
    if prior is None:
        return None
    from vfmeta.kernels import normal_normal as kernel

    logw, mean, precision = mu.components(y, v)
    head, limits, below = np.zeros(12), np.empty((3, len(prob))), np.zeros((2, len(at)))
    study, grid = np.zeros((6, len(y))), np.empty((2, points))
    status = kernel.solve(
        y, v, prior, logw, mean, precision, float(tau.size or 0), float(tau.high), float(tau.tail + len(y) - (not mu.proper)),
        prob, float(shortest), at, 0.0, _NONE, head, limits, below, study, grid,
    )  # fmt: skip
    if status != kernel.SOLVED:
        return None
    return Solved(head[None], limits[None], below[None], study, grid, np.ones(1, dtype=bool))


def many(
    start: np.ndarray,
    y: np.ndarray,
    v: np.ndarray,
    tau: Sequence[TauPrior],
    mu: Sequence[MuPrior],
    prob: np.ndarray,
    at: np.ndarray,
    *,
    at_tau: np.ndarray | None = None,
    at_theta: np.ndarray | None = None,
    studies: bool = True,
    shortest: float = 0.0,
    threads: int | None = None,
) -> Solved:
    """Very many posteriors.

    Parameters
    ----------
    start : ndarray of shape (B + 1,)
        The studies of row b are ``start[b]:start[b + 1]`` of ``y`` and ``v``.
    tau, mu : B priors, or one for all
    prob : ndarray of shape (n,)
        Probabilities of the quantiles; the first and the last make the studies' intervals.
    at : ndarray of shape (B, m)
        Where P(mu < x) and P(next < x) are wanted.
    at_tau : ndarray of shape (B,), at_theta : ndarray of shape (N,), optional
        Where P(tau < x) and P(theta < x) are wanted.
    shortest : float
        See `one`.
    """
    from vfmeta.kernels import normal_normal as kernel

    b = len(start) - 1
    taus, mus = (list(tau) * b if len(tau) == 1 else list(tau)), (list(mu) * b if len(mu) == 1 else list(mu))
    prior, size, end, tail = np.empty((b, 5)), np.empty(b), np.empty(b), np.empty(b)
    parts: list[Any] = []
    shared: dict[int, Any] = {}  # a prior that many rows share is coded once, unless it looks at the data
    for i, (t, m) in enumerate(zip(taus, mus, strict=True)):
        rows = slice(start[i], start[i + 1])
        key = id(t)
        if key not in shared or t.uses_v:
            shared[key] = (t.coded(v[rows]), t.size or 0.0, t.high, t.tail)
        found, size[i], end[i], tail[i] = shared[key]
        prior[i] = 0.0 if found is None else found
        tail[i] += start[i + 1] - start[i] - (not m.proper)
        if id(m) not in shared or m.uses_y:
            shared[id(m)] = m.components(y[rows], v[rows])
        parts.append(shared[id(m)])
    widest = max(len(p[0]) for p in parts)
    logw, mean, precision = np.full((b, widest), -np.inf), np.zeros((b, widest)), np.ones((b, widest))
    for i, (a, c, d) in enumerate(parts):
        logw[i, : len(a)], mean[i, : len(a)], precision[i, : len(a)] = a, c, d
        if len(a) < widest:
            mean[i, len(a) :], precision[i, len(a) :] = c[0], d[0]
    head, limits, below = np.zeros((b, 12)), np.empty((b, 3, len(prob))), np.zeros((b, 2, at.shape[1]))
    study = np.zeros((6, len(y) if studies else 0))
    status = np.full(b, kernel.UNSOLVED)
    aim = np.zeros(b) if at_tau is None else at_tau
    theta = _NONE if at_theta is None else at_theta

    def work(edges: tuple[int, int]) -> None:
        kernel.solve_rows(
            *edges, start, y, v, prior, logw, mean, precision, size, end, tail, prob, shortest, at, aim, theta, studies, head,
            limits, below, study, status,
        )  # fmt: skip

    chunks = max(1, min(threads or os.cpu_count() or 1, b // 50))
    if chunks == 1:
        work((0, b))
    else:
        from concurrent.futures import ThreadPoolExecutor

        steps = np.linspace(0, b, 4 * chunks + 1).astype(int)
        with ThreadPoolExecutor(chunks) as pool:
            list(pool.map(work, zip(steps[:-1].tolist(), steps[1:].tolist(), strict=True)))
    return Solved(head, limits, below, study, np.empty((2, 0)), status == kernel.SOLVED)


def log_evidence(log_mass: Any, k: Any, tau: TauPrior, mu: MuPrior) -> Any:
    """Log marginal likelihood from the kernel's log mass; NaN when a prior is improper."""
    return log_mass - 0.5 * k * math.log(2 * math.pi) if tau.proper and mu.proper else math.nan * log_mass


def warm() -> None:
    """Compile the kernel once and for all (kept on disk), so that the first analysis need not wait for it."""
    from vfmeta.priors import Flat, HalfNormal

    y, v, prob = np.array([0.0, 1.0]), np.ones(2), np.array([0.025, 0.5, 0.975])
    one(y, v, HalfNormal(1.0), Flat(), prob, np.zeros(1), 11)
    many(np.array([0, 2]), y, v, [HalfNormal(1.0)], [Flat()], prob, np.zeros((1, 1)))

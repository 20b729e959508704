"""Likelihood of effects given whether each is significant: mu and tau2 of p-uniform*.

    y_i ~ N(mu, s_i^2), s_i^2 = v_i + tau2, given that y_i is above its cut c_i = z sqrt(v_i), or below it.

With d = 1 above the cut and -1 below, and A = d (mu - c) / s, a study adds log N(y; mu, s^2) - log Phi(A).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from vfmeta.kernels.roots import ConvergenceError

ROUNDS = 200
FAR = 12.0  # of the spread of effects and errors: a mean beyond is no estimate


@dataclass(frozen=True)
class Conditional:
    """Effects ``y`` (k,) towards the favoured side, their variances, cuts, and on which side of these they lie."""

    y: np.ndarray
    v: np.ndarray
    z: float

    @property
    def cut(self) -> np.ndarray:
        return self.z * np.sqrt(self.v)

    @property
    def side(self) -> np.ndarray:
        return np.where(self.y > self.cut, 1.0, -1.0)

    @property
    def unit(self) -> float:
        """The size of what is looked for."""
        return float(np.ptp(self.y) + np.sqrt(self.v).max())

    def height(self, mu: np.ndarray, tau2: np.ndarray) -> np.ndarray:
        """Log-likelihood with all constants, for arrays of both that broadcast."""
        from scipy.special import log_ndtr

        u = self.v + np.asarray(tau2)[..., None]
        m = np.asarray(mu)[..., None]
        s = np.sqrt(u)
        each = -0.5 * np.log(2 * math.pi * u) - (self.y - m) ** 2 / (2 * u) - log_ndtr(self.side * (m - self.cut) / s)
        return each.sum(axis=-1)

    def slopes(self, mu: float, tau2: float) -> tuple[np.ndarray, np.ndarray]:
        """Gradient (2,) and Hessian (2, 2) in (mu, tau2)."""
        from scipy.special import log_ndtr

        u = self.v + tau2
        s, d, r = np.sqrt(u), self.side, self.y - mu
        a = d * (mu - self.cut) / s
        h = np.exp(-0.5 * a * a - 0.5 * math.log(2 * math.pi) - log_ndtr(a))
        bend = -h * (a + h)
        g = np.array([(r / u - h * d / s).sum(), (-1 / (2 * u) + r * r / (2 * u * u) + h * a / (2 * u)).sum()])
        both = (-r / (u * u) + d / (2 * u * s) * (a * bend + h)).sum()
        last = (1 / (2 * u * u) - r * r / u**3 - (bend * a + h) * a / (4 * u * u) - h * a / (2 * u * u)).sum()
        return g, np.array([[(-1 / u - bend / u).sum(), both], [both, last]])

    def best_tau2(self, mu: float) -> float:
        """tau2 >= 0 at which the likelihood of this mean is highest, of all its maxima."""
        grid = self._tau2_grid()
        heights = self.height(np.full(len(grid), mu), grid)
        peaks = [i for i in range(len(grid)) if heights[i] >= max(heights[max(i - 1, 0)], heights[min(i + 1, len(grid) - 1)])]
        found = [self._climb_tau2(mu, grid[max(i - 1, 0)], grid[min(i + 1, len(grid) - 1)]) for i in peaks]
        return max(found, key=lambda t: float(self.height(np.array(mu), np.array(t))))

    def _climb_tau2(self, mu: float, low: float, high: float) -> float:
        from scipy.optimize import brentq

        def slope(t: float) -> float:
            return float(self.slopes(mu, t)[0][1])

        if slope(low) <= 0:
            return low
        return high if slope(high) >= 0 else float(brentq(slope, low, high, xtol=1e-14 * high, rtol=1e-14))

    def _tau2_grid(self) -> np.ndarray:
        least = float(self.v.min())
        return np.concatenate([[0.0], np.geomspace(1e-4 * least, 4 * self.unit**2, 48)])


def maximum(model: Conditional) -> tuple[float, float]:
    """Mu and tau2 at the highest point.

    Raises
    ------
    ConvergenceError
        The likelihood rises without end: studies just beyond their cuts say that the mean is as far below as one likes.
    """
    centre, reach = float(np.median(model.y)), FAR * model.unit
    means = np.concatenate([centre + reach * np.sinh(np.linspace(-4, 4, 81)) / math.sinh(4), model.y])
    grid = model._tau2_grid()
    heights = model.height(means[:, None], grid[None, :])
    starts = np.argsort(heights, axis=None)[::-1]
    seen: list[tuple[float, float, float]] = []
    for at in starts[:1].tolist() + starts[[20, 100, 400]].tolist():
        i, j = np.unravel_index(at, heights.shape)
        mu, tau2 = _newton(model, float(means[i]), float(grid[j]))
        seen.append((float(model.height(np.array(mu), np.array(tau2))), mu, tau2))
    _, mu, tau2 = max(seen)
    g, _ = model.slopes(mu, tau2)
    flat = abs(g[0]) * model.unit < 1e-6 and (abs(g[1]) * model.unit**2 < 1e-6 or (tau2 == 0 and g[1] <= 0))
    if not flat or abs(mu - centre) > reach:
        raise ConvergenceError(
            "The likelihood of p-uniform* has no highest point: the studies lie so close to their cuts that the mean may be as "
            "far away as one likes."
        )
    return mu, tau2


def _newton(model: Conditional, mu: float, tau2: float) -> tuple[float, float]:
    """Uphill to the nearest maximum with tau2 >= 0."""
    height = float(model.height(np.array(mu), np.array(tau2)))
    for _ in range(ROUNDS):
        g, bend = model.slopes(mu, tau2)
        held = tau2 == 0 and g[1] <= 0
        scale = np.array([1.0, model.unit])
        if held:
            step = np.array([g[0] / -bend[0, 0] if bend[0, 0] < 0 else np.sign(g[0]) * model.unit, 0.0])
        else:
            values, axes = np.linalg.eigh(bend * np.outer(scale, scale))
            step = scale * (axes @ ((axes.T @ (g * scale)) / np.maximum(np.abs(values), 1e-12)))
        size = 1.0
        for _ in range(60):
            new = mu + size * float(step[0]), max(tau2 + size * float(step[1]), 0.0)
            there = float(model.height(np.array(new[0]), np.array(new[1])))
            if there >= height:
                break
            size /= 2
        else:
            return mu, tau2
        done = abs(new[0] - mu) < 1e-13 * model.unit and abs(new[1] - tau2) < 1e-13 * model.unit**2
        (mu, tau2), height = new, there
        if done:
            break
    return mu, tau2


def profile_limits(model: Conditional, mu: float, top: float, drop: float) -> tuple[float, float]:
    """Where the profile likelihood of the mean has fallen by ``drop``; infinite where it never does."""
    from scipy.optimize import brentq

    def above(x: float) -> float:
        return float(model.height(np.array(x), np.array(model.best_tau2(x)))) - top + drop

    ends = []
    for way in (-1, 1):
        near, step = mu, 0.1 * model.unit
        far = mu + way * step
        while above(far) > 0 and step < 1e4 * model.unit:
            near, step = far, 1.5 * step
            far = far + way * step
        ends.append(way * math.inf if above(far) > 0 else float(_between(brentq, above, near, far)))
    return ends[0], ends[1]


def _between(root: Callable[..., float], f: Callable[[float], float], a: float, b: float) -> float:
    return root(f, min(a, b), max(a, b), xtol=1e-15 * max(abs(a), abs(b)), rtol=1e-13)

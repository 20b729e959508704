"""The exact posterior where some trials print only a part of their result: two dimensions, mean and tau, by quadrature.

    y_i ~ N(theta_i, v_i),  theta_i ~ N(mu, tau^2);  of some trials it is known only that low_i < y_i < high_i.

Over log tau run the panels of every exact posterior here; inside, the mean is integrated on panels of its own.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.polynomial import Chebyshev

from vfmeta.bayes.marginals import MarginalPosterior, solve_tau
from vfmeta.core.messages import ConvergenceError, InputError
from vfmeta.kernels import mean_panels, normal_mixture, reports
from vfmeta.kernels.mixtures import ORDER, W, X
from vfmeta.priors import MuPrior, TauPrior

_LEAST = 1e-14  # share of a panel in the mass of its tau below which it is left out
_STILL = 2.5e-3  # share of the smallest variance of a mean below which all is a cubic in tau^2
_Both = tuple[np.ndarray, np.ndarray]


class PanelMarginal(MarginalPosterior):
    """A marginal from a compiled function that gives P(X < x) and the density at many x, counted from ``centre``."""

    def __init__(
        self, at: Callable[[np.ndarray], _Both], centre: float, mean: float, sd: float, ends: tuple[float, float]
    ) -> None:
        self._at, self._centre, self._ends = at, centre, ends
        self.mean, self.sd = mean, sd

    def cdf(self, x: np.ndarray | float) -> np.ndarray:
        x = np.asarray(x, dtype=float)
        return np.clip(self._at(x.ravel() - self._centre)[0], 0, 1).reshape(x.shape)

    def density(self, x: np.ndarray | float) -> np.ndarray:
        x = np.asarray(x, dtype=float)
        return np.maximum(self._at(x.ravel() - self._centre)[1], 0).reshape(x.shape)

    def _quantile(self, p: np.ndarray) -> np.ndarray:
        a, b = (np.full(len(p), end) for end in self._ends)
        x = np.clip(self.mean - self._centre + (p - 0.5) * 4 * min(self.sd, b[0] - a[0]), a, b)
        for _ in range(60):  # Newton's step, kept inside a bracket that closes
            below, density = self._at(x)
            miss = below - p
            a, b = np.where(miss < 0, x, a), np.where(miss > 0, x, b)
            with np.errstate(divide="ignore", invalid="ignore"):
                new = x - miss / density
            new = np.where((new > a) & (new < b), new, (a + b) / 2)
            if np.all((np.abs(new - x) < 1e-13 * (self._ends[1] - self._ends[0])) | (miss == 0)):
                break
            x = np.where(miss == 0, x, new)
        return self._centre + x

    @property
    def mode(self) -> float:  # type: ignore[override]
        """Highest point of the density: two scans, then the root of the slope of a polynomial through it."""
        low, high = self.quantile(np.array([0.0005, 0.9995]))
        for points in (65, 33):
            x = np.linspace(low, high, points)
            best = int(np.argmax(self.density(x)))
            low, high = float(x[max(best - 1, 0)]), float(x[min(best + 1, points - 1)])
        through = Chebyshev.interpolate(self.density, 8, (low, high))
        roots = through.deriv().roots()
        inside = np.concatenate([[x[best]], np.clip(roots[np.abs(roots.imag) < 1e-9].real, low, high)])
        return float(inside[np.argmax(through(inside))])


class _Given:
    """Log integral over mu, and mean and SD of mu, given tau; (m,) to (3, m).

    Up to tau = ``still`` all three are cubics in tau^2 through four points; what was asked before is kept.
    """

    def __init__(self, data: tuple[np.ndarray, ...], still: float) -> None:
        self._data, self.still = data, still
        self._kept: dict[float, tuple[float, ...]] = {}
        at = (0.5 - 0.5 * np.cos(np.pi * (np.arange(4) + 0.5) / 4)) * still**2
        self._cubic = np.linalg.solve(np.vander(at / still**2), self._solve(np.sqrt(at)).T)

    def __call__(self, tau: np.ndarray) -> np.ndarray:
        out = np.vander(np.minimum(tau / self.still, 1) ** 2, 4) @ self._cubic
        far = np.flatnonzero(tau > self.still)
        new = np.array([t for t in tau[far].tolist() if t not in self._kept])
        if len(new):
            self._kept.update(zip(new.tolist(), self._solve(new).T.tolist(), strict=True))
        if len(far):
            out[far] = [self._kept[t] for t in tau[far].tolist()]
        return out.T

    def _solve(self, tau: np.ndarray) -> np.ndarray:
        out = np.empty((3, len(tau)))
        reports.given_tau(tau, *self._data, out)
        if np.isnan(out[0]).any():
            raise ConvergenceError("The posterior density of the mean has no end within reach; name a tighter prior of mu.")
        return out


def _fewer(nodes: np.ndarray, mass: np.ndarray, still: float, second: bool) -> _Both:
    """Nodes of tau that count; those up to ``still`` become two, of the same first moments in tau^2 (Gauss)."""
    keep = mass > 1e-12
    if second:
        keep |= mass * nodes**2 > 1e-12 * (mass * nodes**2).sum()
    small = nodes <= still
    far = keep & ~small
    nodes, mass, t2, p = nodes[far], mass[far], nodes[small] ** 2, mass[small]
    if p.sum() > 1e-14:
        total = p.sum()
        one = (p @ t2) / total
        two, three = (p @ (t2 - one) ** 2) / total, (p @ (t2 - one) ** 3) / total
        skew = three / two / 2
        reach = math.sqrt(skew**2 + two)
        low, high = skew - reach, skew + reach
        share = high / (high - low)
        nodes = np.concatenate([np.sqrt(np.maximum([one + low, one + high], 0)), nodes])
        mass = np.concatenate([[total * share, total * (1 - share)], mass])
    return nodes, mass / mass.sum()


class PartialPosterior:
    """Posterior of the normal-normal model where estimates are known or lie between limits.

    Parameters
    ----------
    y, v : ndarray of shape (k,)
        Printed estimates, NaN where there is none, and all sampling variances.
    low, high : ndarray of shape (k,)
        Limits between which an estimate that is not printed lay.
    tau, mu : priors

    Attributes
    ----------
    mu, next_trial : PanelMarginal
        Mean effect, and the true effect of a further trial.
    tau : TauMarginal
    weights : ndarray of shape (k,)
        Posterior mean of the trials' shares in the information on mu (the prior left aside), percent.
    shrunken_mean, shrunken_sd : ndarray of shape (k,)
        True effects of the trials given all the evidence.
    prior_share : float
        The share of the prior of mu beside them (0-1).
    log_marginal_likelihood : float or None
        Log of the joint density and probability of what was reported; None when a prior is improper.
    """

    def __init__(self, y: np.ndarray, v: np.ndarray, low: np.ndarray, high: np.ndarray, tau: TauPrior, mu: MuPrior) -> None:
        printed = ~np.isnan(y)
        tail = tau.tail + _bounded(y, low, high) - (not mu.proper)
        refuse_one_sided(y, low, high, tail, tau, mu)
        self._centre = float(y[printed][np.argmin(v[printed])]) if printed.any() else 0.0
        logw, mean, precision = mu.components(y[printed] if printed.any() else np.zeros(1), v)
        mean = mean - self._centre if mu.proper else mean
        here = y - self._centre, low - self._centre, high - self._centre
        data = (
            here[0][printed], v[printed], here[1][~printed], here[2][~printed], v[~printed], logw, mean, precision,
        )  # fmt: skip
        given = _Given(data, math.sqrt(_STILL * v.min() / len(v)))

        def log_density(t: np.ndarray) -> np.ndarray:
            return tau.log_density(t, v) + given(t)[0]

        def wobble(t: np.ndarray) -> np.ndarray:
            m, s = given(t.ravel())[1:].reshape(2, *t.shape)
            return np.ptp(m, axis=1) / s.min(axis=1)

        ends = np.concatenate([here[0][printed], mean if mu.proper else [], *(x[np.isfinite(x)] for x in here[1:])])
        spread = float(np.ptp(ends)) if len(ends) else 0.0
        self.tau, nodes, mass, self.log_mass = solve_tau(
            tau, log_density, wobble, [math.sqrt(v.min()), math.sqrt(v.max()), spread], tail
        )
        nodes, mass = _fewer(nodes, mass, given.still, tail > 2)
        self._hold(nodes, mass, data)
        runs = self._tau
        proper = tau.proper and mu.proper
        self.log_marginal_likelihood = self.log_mass if proper else None
        self._marginals(tail, mu.proper)
        k = len(y)
        mean_of, sd_of, mass, share = np.empty((len(runs), k)), np.empty((len(runs), k)), np.empty(len(runs)), np.zeros(k)
        self.prior_share = mean_panels.own_effects(
            runs, self._start, self._left, self._width, self._held, self._part, precision, *here, v, mean_of, sd_of, mass, share
        )
        mass /= mass.sum()
        self._mass, self._study_mean, self._study_sd = mass, mean_of.T, sd_of.T
        self.weights = 100 * share / share.sum()
        self.shrunken_mean = self._study_mean @ mass
        scatter = (self._study_mean - self.shrunken_mean[:, None]) ** 2
        self.shrunken_sd = np.sqrt((self._study_sd**2 + scatter) @ mass)
        self.shrunken_mean = self.shrunken_mean + self._centre

    def shrunken_interval(self, level: float) -> _Both:
        """Central intervals of the trials' true effects, taken as normal given tau and a normal of mu's prior; (k,) each."""
        k = len(self._study_mean)
        prob = np.repeat([0.5 - level / 2, 0.5 + level / 2], k)
        both = normal_mixture.quantiles(prob, self._mass, np.tile(self._study_mean, (2, 1)), np.tile(self._study_sd, (2, 1)))
        return both[:k] + self._centre, both[k:] + self._centre

    def _hold(self, nodes: np.ndarray, mass: np.ndarray, data: tuple[np.ndarray, ...]) -> None:
        """The posterior of mu on panels for every node of tau, in order."""
        log_mass = np.empty((3, len(nodes)))
        reports.given_tau(nodes, *data, log_mass)
        room = 24 * len(nodes)
        while True:
            left, width, held = np.empty(room), np.empty(room), np.empty((room, ORDER))
            node, part = np.empty(room, dtype=np.int64), np.empty(room, dtype=np.int64)
            n = reports.posterior_panels(nodes, mass, *data, log_mass[0], _LEAST, left, width, node, part, held)
            if n >= 0:
                break
            room *= 4
        self._left, self._width, self._part, self._held = left[:n], width[:n], part[:n], held[:n]
        new = np.flatnonzero(np.diff(node[:n], prepend=-1) | np.diff(part[:n], prepend=-1))
        self._start, self._tau = np.append(new, n), nodes[node[new]]
        self._series = np.empty((n, ORDER))
        mean_panels.coefficients(self._held, self._series)

    def _marginals(self, tail: float, bounded: bool) -> None:
        left, width, held, series = self._left, self._width, self._held, self._series
        p = held * W * width[:, None] / 2
        x = left[:, None] + width[:, None] * (X + 1) / 2
        mean = float((p * x).sum())
        second = (p * (x - mean) ** 2).sum(1)
        nodes = self._tau
        t2 = np.repeat(nodes**2, np.diff(self._start))
        ahead = float((second + p.sum(1) * t2).sum())
        sd = math.sqrt(second.sum()) if tail > 2 or bounded else math.inf

        def of_mu(at: np.ndarray) -> _Both:
            below, density = np.empty(len(at)), np.empty(len(at))
            mean_panels.mean_at(at, left, width, series, below, density)
            return below, density

        def of_next(at: np.ndarray) -> _Both:
            below, density = np.empty(len(at)), np.empty(len(at))
            mean_panels.next_at(at, nodes, self._start, left, width, held, series, below, density)
            return below, density

        ends = float(left.min()), float((left + width).max())
        reach = 9 * float(nodes.max())
        centre = self._centre
        self.mu = PanelMarginal(of_mu, centre, centre + mean, sd, ends)
        self.next_trial = PanelMarginal(
            of_next, centre, centre + mean, math.sqrt(ahead) if tail > 2 else math.inf, (ends[0] - reach, ends[1] + reach)
        )


def _bounded(y: np.ndarray, low: np.ndarray, high: np.ndarray) -> int:
    """How many reports rule out large effects on both sides."""
    return int((~np.isnan(y) | (np.isfinite(low) & np.isfinite(high))).sum())


def refuse_one_sided(y: np.ndarray, low: np.ndarray, high: np.ndarray, tail: float, tau: TauPrior, mu: MuPrior) -> None:
    """Raise where the posterior has no finite total.

    A flat mean needs a report that bounds it above and one that bounds it below. Where tau is large, reports with an estimate
    or with two limits count as studies do in any pool; of one-sided ones the probability tends to one half.
    """
    printed = ~np.isnan(y)
    above, below = (printed | np.isfinite(high)).any(), (printed | np.isfinite(low)).any()
    if not mu.proper and not (above and below):
        side = "below" if below else "above"
        raise InputError(
            f"The posterior is improper: mu is flat, and every report bounds the effect from {side} only, so that however "
            "far it lies on the other side the reports fit as well and the posterior of mu has no finite total. Name a proper "
            "prior of mu, such as mu=vf.priors.Normal(0, 2)."
        )
    if tail <= 0:
        raise InputError(
            f"The posterior is improper, or cannot be told from an improper one: with {_bounded(y, low, high)} reports that "
            f"bound the effect on both sides, {mu} and {tau}, large values of tau are not ruled out. Name a prior of tau with "
            "a lighter tail, such as vf.priors.HalfNormal(scale), or a proper prior of mu."
        )

"""The exact posterior where some trials print only a part of their result: two dimensions, mean and tau, by quadrature.

    y_i ~ N(theta_i, v_i),  theta_i ~ N(mu, tau^2);  of some trials it is known only that low_i < y_i < high_i.

Where v_i is unknown, it is summed over with the SD of the instrument (`instrument_sd`). Over log tau run the panels of every
exact posterior here; inside, the mean is integrated on an even grid.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.polynomial import Chebyshev

from vfmeta.bayes.instrument_sd import Hidden
from vfmeta.bayes.marginals import MarginalPosterior, solve_tau
from vfmeta.bayes.partial_refusals import refuse_far, refuse_one_sided, two_sided
from vfmeta.core.messages import ConvergenceError, InputError
from vfmeta.kernels import mean_panels, normal_mixture, reports
from vfmeta.kernels.mixtures import ORDER, W, X
from vfmeta.kernels.quadrature import gauss
from vfmeta.priors import MuPrior, TauPrior

_LEAST = 1e-14  # share of a panel in the mass of its tau below which it is left out
_FORM = 5  # place of the forms of reports among the data
_NIL = 60.0  # log units below the top at which a density of tau need not be told well
_HEAVY = 0.5  # power of the tail of tau that panels can follow
_MISSED = 1e-4  # by which the probabilities of mu may miss 1
_NODES = 36  # of tau, at which the posterior of the mean is held
_PANELS = 300  # of log tau that are tried: smooth posteriors take tens, one that is all but rough some 160
_STILL = 2.5e-3  # share of the smallest variance of a mean below which all is a cubic in tau^2
_POINTS = np.cos(np.pi * (np.arange(16) + 0.5) / 16)
_TO_SERIES = np.linalg.inv(np.polynomial.chebyshev.chebvander(_POINTS, 15))
_FEW = np.cos(np.pi * (np.arange(4) + 0.5) / 4)
_FEW_TO_SERIES = np.linalg.inv(np.polynomial.chebyshev.chebvander(_FEW, 3))
_NO_SERIES = np.empty((0, 0))
_Both = tuple[np.ndarray, np.ndarray]


class PanelMarginal(MarginalPosterior):
    """A marginal from compiled functions, counted from ``centre``.

    ``at`` gives P(X < x) and the density at many x, ``find`` quantiles by Newton's steps from given values in a bracket.
    """

    def __init__(
        self, at: Callable[[np.ndarray], _Both], find: Callable[..., np.ndarray], centre: float, mean: float, sd: float,
        ends: tuple[float, float], grain: float,
    ) -> None:  # fmt: skip
        self._at, self._find, self._centre, self._ends, self._grain = at, find, centre, ends, grain
        self.mean, self.sd = mean, sd

    def cdf(self, x: np.ndarray | float) -> np.ndarray:
        x = np.asarray(x, dtype=float)
        return np.clip(self._at(x.ravel() - self._centre)[0], 0, 1).reshape(x.shape)

    def density(self, x: np.ndarray | float) -> np.ndarray:
        x = np.asarray(x, dtype=float)
        return np.maximum(self._at(x.ravel() - self._centre)[1], 0).reshape(x.shape)

    def _quantile(self, p: np.ndarray) -> np.ndarray:
        low, high = self._ends
        begin = np.clip(self.mean - self._centre + (p - 0.5) * 4 * min(self.sd, high - low), low, high)
        return self._centre + self._find(p, begin, low, high, self._grain)

    @property
    def mode(self) -> float:  # type: ignore[override]
        """Highest point of the density: two scans, then the root of the slope of a polynomial through it."""
        low, high = self.quantile(np.array([0.0005, 0.9995]))
        for points in (65, 33):
            x = np.linspace(low, high, points)
            best = int(np.argmax(self.density(x)))
            low, high = float(x[max(best - 1, 0)]), float(x[min(best + 1, points - 1)])
        through = Chebyshev.interpolate(self.density, 8, (low, high))
        if not np.isfinite(through.coef).all():
            raise ConvergenceError("The posterior density of the mean has no top within reach; name a tighter prior of mu.")
        # terms that are rounding would be the leading ones of the equation
        roots = through.deriv().trim(1e-13 * np.abs(through.coef).max()).roots()
        inside = np.concatenate([[x[best]], np.clip(roots[np.abs(roots.imag) < 1e-9].real, low, high)])
        return float(inside[np.argmax(through(inside))])


class _Given:
    """Log integral over mu, mean and SD of mu, and the ends of what counts, given tau; (m,) to (5, m).

    All are smooth in log tau: they are held as Chebyshev series of sixteen terms on panels, halved until the last terms vanish,
    from tau = ``still`` on, up to as far as is asked. Up to there all are cubics in tau^2 through four points.
    """

    def __init__(self, data: tuple[np.ndarray, ...], still: float, prior: Callable[[np.ndarray], np.ndarray]) -> None:
        self._data, self.still, self._prior, self._top, self._highest = data, still, prior, -math.inf, -math.inf
        self._deepest = 8 if data[_FORM].size == 0 else 2
        self._wide = 1.5 if data[_FORM].size == 0 else 2.0
        self._fine = 1e-9 if data[_FORM].size == 0 else 1e-6
        at = (0.5 - 0.5 * np.cos(np.pi * (np.arange(4) + 0.5) / 4)) * still**2
        self._cubic = np.linalg.solve(np.vander(at / still**2), self.solve(np.sqrt(at)).T)
        self._ends = [math.log(still)]
        self._series: list[np.ndarray] = []
        self._tried = 0

    def __call__(self, tau: np.ndarray) -> np.ndarray:
        far = np.flatnonzero(tau > self.still)
        if len(far) == 0:
            return (np.vander((tau / self.still) ** 2, 4) @ self._cubic).T
        out = np.empty((5, len(tau)))
        u = np.log(tau[far])
        top = u.max()
        while self._ends[-1] < top:
            self._hold(self._ends[-1], self._wide, 0)
        out[:, far] = reports.series_at(u, np.array(self._ends), np.array(self._series))
        if len(far) < len(tau):
            near = tau <= self.still
            out[:, near] = (np.vander((tau[near] / self.still) ** 2, 4) @ self._cubic).T
        return out

    def _hold(self, left: float, width: float, depth: int) -> None:
        if self._passed(left, width):
            return
        tau = np.exp(left + width * (_POINTS + 1) / 2)
        self._tried += 1
        if self._tried > _PANELS:
            raise ConvergenceError(
                "The posterior of the mean changes too roughly with tau to be held; name a prior of mu with lighter tails."
            )
        found = self.solve(tau)
        height = (found[0] + self._prior(tau) + np.log(tau)).max()
        self._top = max(self._top, height)
        self._highest = max(self._highest, (self._prior(tau) + np.log(tau)).max())
        series = _TO_SERIES @ found.T
        last = np.abs(series[-2:]).sum(0)
        rough = last[0] > self._fine + 1e-14 * abs(series[0, 0]) or max(last[1:3]) > self._fine * found[2].min()
        if rough and depth < self._deepest and height > self._top - _NIL:
            self._hold(left, width / 2, depth + 1)
            self._hold(left + width / 2, width / 2, depth + 1)
        else:
            self._ends.append(left + width)
            self._series.append(series)

    def _passed(self, left: float, width: float) -> bool:
        """Whether a prior that falls faster than any power leaves no tau there: four points tell enough, and are held."""
        ends = np.exp([left, left + width])
        first, last = self._prior(ends) + np.log(ends)
        if first > self._highest - _NIL or not -math.inf < last < first - 2 * _NIL:
            return False
        tau = np.exp(left + width * (_FEW + 1) / 2)
        found = self.solve(tau)
        if (found[0] + self._prior(tau) + np.log(tau)).max() > self._top - _NIL:
            return False
        self._ends.append(left + width)
        self._series.append(np.vstack([_FEW_TO_SERIES @ found.T, np.zeros((12, 5))]))
        return True

    def near(self, tau: np.ndarray) -> _Both:
        """The same, with ends between which the posterior of mu can be held, and the series of the kernel where they serve."""
        if self._data[_FORM].size == 0:
            return _widened(self(tau)), _NO_SERIES
        kept = np.empty((len(tau), 1 + reports.LONGEST)) if len(self._data[-1]) == 1 else _NO_SERIES
        return self.solve(tau, kept), kept

    def solve(self, tau: np.ndarray, kept: np.ndarray = _NO_SERIES) -> np.ndarray:
        out = np.empty((5, len(tau)))
        reports.given_tau(tau, *self._data, out, kept)
        if np.isnan(out[0]).any():
            raise ConvergenceError("The posterior density of the mean has no end within reach; name a tighter prior of mu.")
        return out


def _fewer(nodes: np.ndarray, mass: np.ndarray, v: np.ndarray) -> _Both:
    """Few nodes of tau for many, with the same moments of log(1 + tau^2 / v), v typical (Gauss)."""
    keep = mass > 1e-15
    typical = float(np.exp(np.log(v).mean()))
    x, p = gauss(np.log1p(nodes[keep] ** 2 / typical), mass[keep] / mass[keep].sum(), _NODES)
    return np.sqrt(typical * np.maximum(np.expm1(x), 0)), p


class PartialPosterior:
    """Posterior of the normal-normal model where estimates are known or lie between limits.

    Parameters
    ----------
    y, v : ndarray of shape (k,)
        Printed estimates, NaN where there is none, and all sampling variances.
    low, high : ndarray of shape (k,)
        Limits between which an estimate that is not printed lay.
    tau, mu : priors
    hidden : Hidden, optional
        Reports whose sampling variance is unknown; ``v`` and limits that hang on it then stand for a typical one.

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

    def __init__(
        self, y: np.ndarray, v: np.ndarray, low: np.ndarray, high: np.ndarray, tau: TauPrior, mu: MuPrior,
        hidden: Hidden | None = None,
    ) -> None:  # fmt: skip
        hidden = hidden or Hidden.none()
        self.y, self.v, self.tau_prior, self.mu_prior = y, v, tau, mu
        self._low, self._high, self._hidden = low, high, hidden
        known = np.ones(len(y), dtype=bool)
        known[hidden.places] = False
        self.printed = printed = ~np.isnan(y) & known
        bounded = np.isnan(y) & known
        tail = tau.tail + two_sided(y, low, high) - (not mu.proper)
        refuse_one_sided(y, low, high, tail, tau, mu)
        if tail < _HEAVY:
            raise InputError(
                f"The posterior has tails too heavy to be integrated here (like a power of {tail:.2g}): with so few reports "
                f"name a prior of tau with a lighter tail than {tau}, or a proper prior of mu."
            )
        # standard errors that are summed over count in units of no difference
        self._centre = float(y[printed][np.argmin(v[printed])]) if printed.any() and known.all() else 0.0
        logw, mean, precision = mu.components(y[printed] if printed.any() else np.zeros(1), v)
        if mu.proper:
            refuse_far(mu, logw, mean, precision, np.concatenate([y, low, high]), v)
            mean = mean - self._centre
        here = y - self._centre, low - self._centre, high - self._centre
        data = (
            here[0][printed], v[printed], here[1][bounded], here[2][bounded], v[bounded], *hidden.arrays, logw, mean, precision,
        )  # fmt: skip
        ends = np.concatenate([here[0][printed], mean if mu.proper else [], *(x[np.isfinite(x)] for x in here[1:])])
        spread = float(np.ptp(ends)) if len(ends) else 0.0
        scales = [math.sqrt(v.min()), math.sqrt(v.max()), spread]
        given = _Given(data, math.sqrt(_STILL * v.min() / len(v)), lambda t: tau.log_density(t, v))

        def log_density(t: np.ndarray) -> np.ndarray:
            return tau.log_density(t, v) + given(t)[0]

        def wobble(t: np.ndarray) -> np.ndarray:
            m, s = given(t.ravel())[1:3].reshape(2, *t.shape)
            return np.ptp(m, axis=1) / np.maximum(s.min(axis=1), np.finfo(float).tiny)  # a prior may leave mu no room

        self._data, self._given = data, given
        self.tau, nodes, mass, self.log_mass = solve_tau(tau, log_density, wobble, scales, tail)
        nodes, mass = _fewer(nodes, mass, v)
        self._hold(nodes, mass, data, *given.near(nodes))
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

    def _hold(
        self, nodes: np.ndarray, mass: np.ndarray, data: tuple[np.ndarray, ...], given: np.ndarray, kept: np.ndarray
    ) -> None:  # fmt: skip
        """The posterior of mu on panels for every node of tau, in order."""
        node, part, self._left, self._width, self._held = _panels(nodes, mass, data, given, kept)
        n, self._part = len(node), part
        new = np.flatnonzero(np.diff(node, prepend=-1) | np.diff(part, prepend=-1))
        self._start, self._tau = np.append(new, n), nodes[node[new]]
        self._series = np.empty((n, ORDER))
        mean_panels.coefficients(self._held, self._series)

    def given(self, tau: np.ndarray, p: np.ndarray) -> np.ndarray:
        """Quantiles of mu given tau: at probabilities ``p`` (n,) for every tau (m,); shape (m, n)."""
        return np.stack([one.quantile(p) for one in self._mean_given(tau)])

    def log_likelihood(self, tau: np.ndarray, mu: np.ndarray) -> np.ndarray:
        """Log likelihood, constants aside, at ``mu`` (m, n), a row for every ``tau`` (m,); shape (m, n)."""
        with np.errstate(divide="ignore"):
            given = np.log([one.density(x) for one, x in zip(self._mean_given(tau), mu, strict=True)])
        return self._given(tau)[0][:, None] + given - self.mu_prior.log_density(mu)

    def _mean_given(self, tau: np.ndarray) -> list[PanelMarginal]:
        """The posterior of mu at every tau (m,)."""
        order = np.argsort(tau)
        node, _, left, width, held = _panels(tau[order], np.ones(len(tau)), self._data, *self._given.near(tau[order]))
        out: list[PanelMarginal] = [None] * len(tau)  # type: ignore[list-item]
        for j, i in enumerate(order.tolist()):
            own = node == j
            total = float((held[own] @ W * width[own]).sum() / 2)
            out[i] = _marginal(left[own], width[own], held[own] / total, self._centre)
        return out

    def without(self, i: int, tau: TauPrior) -> tuple[float, PartialPosterior]:
        """Log probability of what trial ``i`` reports given the others, and the posterior of these under a prior of tau."""
        y, v, low, high = (np.delete(x, i) for x in (self.y, self.v, self._low, self._high))
        rest = PartialPosterior(y, v, low, high, tau, self.mu_prior, self._hidden.without(i))
        return self.log_mass - rest.log_mass, rest

    def _marginals(self, tail: float, bounded: bool) -> None:
        p = self._held * W * self._width[:, None] / 2
        if abs(p.sum() - 1) > _MISSED:
            raise ConvergenceError(
                f"The posterior of the mean could not be integrated: its probabilities add up to {p.sum():.4f}. Name a tighter "
                "prior of mu, or leave out the report that says least."
            )
        self.mu = _marginal(self._left, self._width, self._held, self._centre, bounded or tail > 2)
        self._ahead = float(((self.mu.mean - self._centre - self._points()) ** 2 * p).sum()), p.sum(1)
        self._tailed = tail > 2
        self.next_trial = self.ahead(0.0)

    def _points(self) -> np.ndarray:
        return self._left[:, None] + self._width[:, None] * (X + 1) / 2

    def ahead(self, v: float) -> PanelMarginal:
        """Distribution of the true effect of a further trial; of its estimate where ``v``, its sampling variance, is not 0."""
        nodes = np.sqrt(self._tau**2 + v)
        second, share = self._ahead
        variance = second + float(share @ np.repeat(nodes**2, np.diff(self._start)))

        panels = nodes, self._start, self._left, self._width, self._held, self._series

        def at(x: np.ndarray) -> _Both:
            below, density = np.empty(len(x)), np.empty(len(x))
            mean_panels.next_at(x, *panels, below, density)
            return below, density

        def find(*asked: Any) -> np.ndarray:
            return mean_panels.quantiles(*asked, *panels)

        reach = 9 * float(nodes.max())
        ends = float(self._left.min()) - reach, float((self._left + self._width).max()) + reach
        sd = math.sqrt(variance) if self._tailed else math.inf
        return PanelMarginal(at, find, self._centre, self.mu.mean, sd, ends, max(float(self._width.min()), float(nodes.min())))


def _widened(given: np.ndarray) -> np.ndarray:
    """With room at the ends, which are on a grid and no smooth function of tau."""
    spare = 0.05 * (given[4] - given[3])
    given[3] -= spare
    given[4] += spare
    return given


def _panels(
    tau: np.ndarray, mass: np.ndarray, data: tuple[np.ndarray, ...], given: np.ndarray, kept: np.ndarray
) -> tuple[np.ndarray, ...]:
    """The posterior of mu on panels for every tau (m,) of probability ``mass``, in order.

    Returns number of the tau, part of the prior of mu, left end and width of each panel, (n,), and densities (n, 16).
    """
    room = 24 * len(tau)
    while True:
        left, width, held = np.empty(room), np.empty(room), np.empty((room, ORDER))
        node, part = np.empty(room, dtype=np.int64), np.empty(room, dtype=np.int64)
        n = reports.posterior_panels(tau, mass, *data, given, kept, _LEAST, left, width, node, part, held)
        if n >= 0:
            return node[:n], part[:n], left[:n], width[:n], held[:n]
        room *= 4


def _marginal(left: np.ndarray, width: np.ndarray, held: np.ndarray, centre: float, finite: bool = True) -> PanelMarginal:
    """The marginal that panels hold together; ``finite``: whether it has an SD."""
    series = np.empty_like(held)
    mean_panels.coefficients(held, series)
    p = held * W * width[:, None] / 2
    x = left[:, None] + width[:, None] * (X + 1) / 2
    mean = float((p * x).sum())
    sd = math.sqrt((p * (x - mean) ** 2).sum()) if finite else math.inf

    def at(x: np.ndarray) -> _Both:
        below, density = np.empty(len(x)), np.empty(len(x))
        mean_panels.mean_at(x, left, width, series, below, density)
        return below, density

    def find(*asked: Any) -> np.ndarray:
        return mean_panels.quantiles(*asked, np.empty(0), np.empty(0, dtype=np.int64), left, width, held, series)

    ends = float(left.min()), float((left + width).max())
    return PanelMarginal(at, find, centre, centre + mean, sd, ends, float(width.min()))

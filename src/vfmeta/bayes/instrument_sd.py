"""What the SD of a trial may be, from the SDs that trials print of an instrument: a fixed grid, summed over.

The log SD of a trial is N(m, s^2); df times a printed squared SD over the true one is chi-square on df degrees of freedom; m
and s have the prior `vf.priors.InstrumentSD`.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass, replace

import numpy as np

from vfmeta.kernels import normal_mixture
from vfmeta.kernels.quadrature import gauss
from vfmeta.kernels.report_factors import ABOVE, AT, AT_Z, BELOW, BETWEEN
from vfmeta.priors.instrument_sd import InstrumentSD

ENOUGH = 3  # printed SDs from which on the SD of a further trial is not called assumed
_S, _M = 32, 41  # points of the grid of s, and of m at each s
_RULE = 5  # points that stand for each grid, of the same moments up to the ninth
_S_RULE, _PIECE = 7, 8  # the same for s, and for m on either side of a bound on an SD, where a small s makes a step
_BEND, _DENSE = 0.4, 6  # width of the middle of an SD, in logs, and nodes to a unit of what it is bent to
_REACH = 7.0  # of the grid of m, in its SDs
_TAIL = 1e-7  # probability on either side beyond which an SD is left aside
Printed = tuple[tuple[float, float], ...]  # SD and its degrees of freedom


@dataclass(frozen=True, eq=False)
class Spread:
    """Distribution of the log SD of a further trial: normals ``m``, ``s`` of probability ``share``, (G,) each.

    ``quantiles`` are those of the SD at 10, 50 and 90%; ``low`` and ``high`` the ends of the log SD; ``k`` the SDs printed, by
    which, and by the ``prior``, it is known.
    """

    prior: InstrumentSD
    printed: Printed

    m: np.ndarray
    s: np.ndarray
    share: np.ndarray
    quantiles: tuple[float, float, float]
    low: float
    high: float
    k: int

    @property
    def assumed(self) -> bool:
        return self.k < ENOUGH

    def split(self, ends: tuple[float, ...]) -> Spread:
        """The same told by normals that do not step over the bounds ``ends`` on a log SD."""
        return spread_of(self.prior, self.printed, ends) if ends else self

    @functools.lru_cache(maxsize=256)  # noqa: B019 - few bounds, and the spreads themselves are kept
    def rule(self, low: float = -math.inf, high: float = math.inf) -> tuple[np.ndarray, np.ndarray]:
        """Nodes (Q,) of the log SD between two bounds, and the weights (G, Q) of the integral over each normal.

        The nodes are Chebyshev's of the inverse hyperbolic sine of the log SD about its median: close where the weight is, and
        far apart in the long tails.
        """
        low, high = max(low, self.low), min(high, self.high)
        low, high = (low, high) if low < high else (high - 0.1, high)  # bounds beyond all SDs: next to no weight
        centre = math.log(self.quantiles[1])

        def bent(x: np.ndarray) -> np.ndarray:
            return np.arcsinh((x - centre) / _BEND)

        ends = bent(np.array([low, high]))
        middle, half = ends.mean(), np.ptp(ends) / 2
        count = max(12, math.ceil(_DENSE * 2 * half))
        t = np.cos(np.pi * (np.arange(count) + 0.5) / count)
        x = centre + _BEND * np.sinh(middle + half * t)
        a, b = np.maximum(self.m - _REACH * self.s, low), np.minimum(self.m + _REACH * self.s, high)
        a = np.minimum(a, high)
        b = np.maximum(a, b)
        u, w = np.polynomial.legendre.leggauss(64)
        at = a[:, None] + (b - a)[:, None] * (u + 1) / 2
        density = np.exp(-0.5 * ((at - self.m[:, None]) / self.s[:, None]) ** 2) / (self.s[:, None] * math.sqrt(2 * math.pi))
        to_series = np.linalg.inv(np.polynomial.chebyshev.chebvander(t, count - 1))
        basis = np.polynomial.chebyshev.chebvander((bent(at) - middle) / half, count - 1) @ to_series
        return x, np.einsum("gu,guq->gq", density * w * (b - a)[:, None] / 2, basis)


@functools.lru_cache(maxsize=64)
def spread_of(prior: InstrumentSD, printed: Printed, ends: tuple[float, ...] = ()) -> Spread:
    """What the printed SDs of an instrument say of the SD of a further trial, on which there may be bounds."""
    u, w = np.polynomial.legendre.leggauss(_S)
    s = 2.5 * prior.between * (u + 1)
    centre, sd = _middle(prior, printed, s)
    m = centre[:, None] + sd[:, None] * np.linspace(-_REACH, _REACH, _M)
    mass = _density(prior, printed, m, s) * (sd * w)[:, None]
    total = mass.sum()
    quantiles = normal_mixture.quantile(
        np.array([_TAIL, 0.1, 0.5, 0.9, 1 - _TAIL]), (mass / total).ravel(), m.ravel(), np.repeat(s, _M)
    )
    low, tenth, middle, ninetieth, high = quantiles.tolist()
    at, share = gauss(s, mass.sum(1) / total, _S_RULE if ends else _RULE)
    rules = [_rule_of_m(prior, printed, one, tuple(x for x in ends if low < x < high)) for one in at.tolist()]
    return Spread(
        prior, printed, np.concatenate([x for x, _ in rules]), np.repeat(at, [len(x) for x, _ in rules]),
        np.concatenate([q * y for q, (_, y) in zip(share, rules, strict=True)]),
        (math.exp(tenth), math.exp(middle), math.exp(ninetieth)), low, high, len(printed),
    )  # fmt: skip


def _rule_of_m(prior: InstrumentSD, printed: Printed, s: float, ends: tuple[float, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Few values of m and their probabilities given s; with bounds, some on either side of each, close to it as well."""
    at = np.array([s])
    centre, sd = (x.item() for x in _middle(prior, printed, at))
    if not ends:
        m = centre + sd * np.linspace(-_REACH, _REACH, _M)
        mass = _density(prior, printed, m[None], at)[0]
        return gauss(m, mass / mass.sum(), _RULE)
    edges = np.unique(np.clip([centre - _REACH * sd, *ends, centre + _REACH * sd], centre - _REACH * sd, centre + _REACH * sd))
    u, w = np.polynomial.legendre.leggauss(_M)
    m = edges[:-1, None] + np.diff(edges)[:, None] * (u + 1) / 2
    mass = _density(prior, printed, m.ravel()[None], at).reshape(m.shape) * w * np.diff(edges)[:, None]
    mass /= mass.sum()
    pieces = [(x, y) for x, y in zip(m, mass, strict=True) if y.sum() > _TAIL]
    few = [gauss(x, y / y.sum(), _PIECE) for x, y in pieces]
    share = [y.sum() * q for (_, y), (_, q) in zip(pieces, few, strict=True)]
    return np.concatenate([x for x, _ in few]), np.concatenate(share)


def _middle(prior: InstrumentSD, printed: Printed, s: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and SD of m given s (S,), were the log of a printed SD normal, of variance 1 / (2 df)."""
    logs, df = np.log([x for x, _ in printed]), np.array([d for _, d in printed])
    worth = 1 / (s[:, None] ** 2 + 1 / (2 * df)) if len(printed) else np.zeros((len(s), 1))
    precision = worth.sum(1) + 1 / prior.spread**2
    centre = (worth @ logs if len(printed) else 0.0) + prior.centre / prior.spread**2
    return centre / precision, 1 / np.sqrt(precision)


def _density(prior: InstrumentSD, printed: Printed, m: np.ndarray, s: np.ndarray) -> np.ndarray:
    """Posterior density of m (S, M) and s (S,), of which the highest is 1."""
    log = -0.5 * ((m - prior.centre) / prior.spread) ** 2 - 0.5 * (s[:, None] / prior.between) ** 2
    for x, d in printed:
        log = log + _log_printed(math.log(x), d, m, s[:, None])
    return np.asarray(np.exp(log - log.max()))


def _log_printed(x: float, df: float, m: np.ndarray, s: np.ndarray) -> np.ndarray:
    """Log density of the log of a printed SD, its true log SD integrated out about where the two factors meet."""
    z, w = np.polynomial.hermite_e.hermegauss(15)
    precision = 2 * df + 1 / s**2
    centre, sd = (2 * df * x + m / s**2) / precision, 1 / np.sqrt(precision)
    true = centre[..., None] + np.broadcast_to(sd, centre.shape)[..., None] * z
    u = x - true
    half = df / 2
    chi = math.log(2) + half * math.log(half) - math.lgamma(half) + df * u - half * np.exp(2 * u)
    normal = -0.5 * ((true - m[..., None]) / s[..., None]) ** 2 - np.log(s[..., None]) - 0.5 * math.log(2 * math.pi)
    total = chi + normal + 0.5 * z**2
    top = total.max(-1)
    return top + np.log(np.exp(total - top[..., None]) @ w) + np.log(sd)


@dataclass(frozen=True)
class Hidden:
    """Reports whose standard error is unknown, in the order of the kernel; ``places`` (U,) among all reports.

    The rest as in `vfmeta.kernels.report_factors.unknown`.
    """

    places: np.ndarray
    form: np.ndarray
    a: np.ndarray
    b: np.ndarray
    se: np.ndarray
    start: np.ndarray
    weight: np.ndarray
    share: np.ndarray

    @property
    def arrays(self) -> tuple[np.ndarray, ...]:
        return self.form, self.a, self.b, self.se, self.start, self.weight, self.share

    def without(self, i: int) -> Hidden:
        """The same when report ``i`` of all is left out."""
        places = self.places - (self.places > i)
        at = np.flatnonzero(self.places == i)
        if not len(at):
            return replace(self, places=places)
        j = int(at[0])
        start = self.start - (self.start > j)
        asked = np.diff(start) > 0  # an instrument of which no report is left
        return Hidden(
            np.delete(places, j), np.delete(self.form, j), np.delete(self.a, j), np.delete(self.b, j),
            np.delete(self.se, j, axis=0), np.append(start[:-1][asked], start[-1]), np.delete(self.weight, j, axis=0),
            self.share[asked],
        )  # fmt: skip

    @classmethod
    def none(cls) -> Hidden:
        whole, real = np.empty(0, dtype=np.int64), np.empty(0)
        return cls(
            whole, whole, real, real, np.empty((0, 0)), np.zeros(1, dtype=np.int64), np.empty((0, 0, 0)), np.empty((0, 0))
        )  # fmt: skip


def hidden(
    kinds: tuple[str, ...], y: np.ndarray, low: np.ndarray, high: np.ndarray, se: np.ndarray, unit: np.ndarray, cut: np.ndarray,
    names: tuple[str, ...], spreads: dict[str, Spread],
) -> Hidden:  # fmt: skip
    """Reports without a standard error, made ready.

    Parameters
    ----------
    y, low, high : ndarray of shape (k,)
        As they would be if the standard error were ``se`` (k,).
    unit : ndarray of shape (k,)
        Standard error per SD, NaN where the standard error is known.
    cut : ndarray of shape (k,)
        Bound on the standard error that estimate and words make: an upper one if positive, a lower one if negative, NaN: none.
    names : k instruments
    spreads : dict
        Of the SD of each instrument.
    """
    every = [i for i in range(len(y)) if not math.isnan(unit[i])]
    if not every:
        return Hidden.none()
    asked = list(dict.fromkeys(names[i] for i in every))
    places = np.array([i for name in asked for i in every if names[i] == name])
    start = np.concatenate([[0], np.cumsum([sum(names[i] == name for i in every) for name in asked])])
    ends = {i: math.log(abs(cut[i]) / unit[i]) if not math.isnan(cut[i]) else math.nan for i in every}
    spreads = {
        name: spreads[name].split(tuple(sorted({ends[i] for i in every if names[i] == name and not math.isnan(ends[i])})))
        for name in asked
    }
    rules = []
    for i in places.tolist():
        end = ends[i]
        spread = spreads[names[i]]
        rules.append(spread.rule() if math.isnan(end) else spread.rule(high=end) if cut[i] > 0 else spread.rule(low=end))
    count, most, normals = len(places), max(len(x) for x, _ in rules), max(len(spreads[n].m) for n in asked)
    form, a, b = np.empty(count, dtype=np.int64), np.zeros(count), np.zeros(count)
    errors, weight, share = np.zeros((count, most)), np.zeros((count, normals, most)), np.zeros((len(asked), normals))
    for g, name in enumerate(asked):
        share[g, : len(spreads[name].share)] = spreads[name].share
    for j, (i, (nodes, own)) in enumerate(zip(places.tolist(), rules, strict=True)):
        errors[j, : len(nodes)] = unit[i] * np.exp(nodes)
        weight[j, : len(own), : len(nodes)] = own
        if not math.isnan(y[i]):
            form[j], a[j] = (AT_Z, y[i] / se[i]) if kinds[i] == "p_exact" else (AT, y[i])
        else:
            a[j], b[j] = low[i] / se[i], high[i] / se[i]
            form[j] = ABOVE if math.isinf(b[j]) else BELOW if math.isinf(a[j]) else BETWEEN
            a[j], b[j] = (x if math.isfinite(x) else 0.0 for x in (a[j], b[j]))
    return Hidden(places, form, a, b, errors, start, weight, share)

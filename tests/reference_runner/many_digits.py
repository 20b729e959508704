"""Likelihoods of selection models from their definition, with 40 digits of `decimal`: slow, and independent of the package."""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import Decimal, localcontext
from functools import cache

import numpy as np

D = Decimal
_PRECISION = 44
_NODES = 20
_REACH = 13.5  # standard deviations: the density has fallen by exp(-91)


def log_likelihood(
    kind: str, y: Sequence[float], v: Sequence[float], mu: float, tau2: float, delta: Sequence[float], *,
    cuts: Sequence[float] = (), two_sided: bool = False, cut: float = 0.0, under: Sequence[bool] = (), power: float = math.nan,
) -> Decimal:  # fmt: skip
    """Sum of log w(p) + log N(y; mu, v + tau2) - log A, where large effects are favoured.

    ``kind`` is that of metafor: stepfun (``cuts`` of p), trunc (``cut`` of y, ``under`` says which studies have weight delta),
    beta, halfnorm, negexp, negexppow (``power`` of p where its deltas are infinite), logistic, power.
    """
    with localcontext() as context:
        context.prec = _PRECISION
        m, t2 = D(float(mu)), D(float(tau2))
        d = [D(float(x)) for x in delta]
        ys, se = [D(float(x)) for x in y], [D(float(x)).sqrt() for x in v]
        total = D(0)
        for yi, s in zip(ys, se, strict=True):
            variance = s * s + t2
            total += -(2 * _pi() * variance).ln() / 2 - (yi - m) ** 2 / (2 * variance)
        if kind in ("stepfun", "trunc"):
            for i, (yi, s) in enumerate(zip(ys, se, strict=True)):
                sd = (s * s + t2).sqrt()
                if kind == "trunc":
                    below = cdf((D(float(cut)) - m) / sd)
                    own, mass = d[0] if under[i] else D(1), d[0] * below + 1 - below
                else:
                    own, mass = _stepped(yi, s, m, sd, d, [D(repr(float(c))) for c in cuts if c < 1], two_sided)
                total += own.ln() - mass.ln()
            return +total
        means, spreads = [m / s for s in se], [(1 + t2 / (s * s)).sqrt() for s in se]
        ends = [_ends(kind, d, float(a), float(b)) for a, b in zip(means, spreads, strict=True)]
        low, high = min(x for x, _ in ends), max(x for _, x in ends)
        weighed = [(z, w * weight(kind, cdf(-z), cdf(z), d, power)) for z, w in _panels(math.floor(low), math.ceil(high))]
        for yi, s, a, b, (lower, upper) in zip(ys, se, means, spreads, ends, strict=True):
            mass = sum((w * (-(((z - a) / b) ** 2) / 2).exp() for z, w in weighed if lower < z < upper), D(0))
            own = yi / s
            total += weight(kind, cdf(-own), cdf(own), d, power).ln() - (mass / (b * (2 * _pi()).sqrt())).ln()
        return +total


def weight(kind: str, p: Decimal, rest: Decimal, d: Sequence[Decimal], power: float = math.nan) -> Decimal:
    """Weight at a one-sided p, ``rest`` being 1 - p."""
    if kind == "beta":
        return ((d[0] - 1) * p.ln() + (d[1] - 1) * rest.ln()).exp()
    if kind == "power":
        return (d[0] * rest.ln()).exp()
    if kind == "negexppow":
        return (D(float(power)) * p.ln()).exp() if d[1].is_infinite() else (-d[0] * (p.ln() / d[1]).exp()).exp()
    if kind == "logistic":
        e = (-d[0] * p).exp()
        return 2 * e / (1 + e)
    return (-d[0] * (p * p if kind == "halfnorm" else p)).exp()


def _ends(kind: str, d: Sequence[Decimal], a: float, b: float) -> tuple[float, float]:
    """Where a normal density (mean a, SD b) of z times the weight has fallen to nothing.

    A beta weight grows as p^(delta - 1) does, as exp((1 - delta) z^2 / 2), and leaves a far wider density than the normal.
    """
    grows = [max(0.0, 1 - float(x)) for x in d] if kind == "beta" else [0.0, 0.0]
    ends = []
    for side, grown in zip((1, -1), grows, strict=True):
        left = 1 / b**2 - grown
        if left <= 0:
            raise ValueError("the integral diverges")
        top = max(side * a, side * a / (b**2 * left))
        ends.append(side * (top + _REACH / math.sqrt(left) + 12))  # other weights may shift the mass
    return ends[1], ends[0]


def _stepped(
    y: Decimal, s: Decimal, mu: Decimal, sd: Decimal, d: Sequence[Decimal], cuts: Sequence[Decimal], two: bool
) -> tuple[Decimal, Decimal]:
    """Own weight and mass A of a study."""
    p = 2 * cdf(-abs(y / s)) if two else cdf(-y / s)
    limits = [s * _upper_point(c / 2 if two else c) for c in cuts]
    beyond = [1 - cdf((b - mu) / sd) + (cdf((-b - mu) / sd) if two else 0) for b in limits]
    shares = [b - a for a, b in zip([D(0), *beyond], [*beyond, D(1)], strict=True)]
    own = next((i for i, c in enumerate(cuts) if p <= c), len(cuts))
    return d[own], sum((w * x for w, x in zip(d, shares, strict=True)), D(0))


@cache
def _pi() -> Decimal:
    """Machin's formula."""
    with localcontext() as context:
        context.prec = _PRECISION + 6

        def arctan(n: int) -> Decimal:
            total, term, k = D(0), D(1) / n, 1
            while abs(term) > D(10) ** -(_PRECISION + 6):
                total += term / k if k % 4 == 1 else -term / k
                term /= n * n
                k += 2
            return total

        return 4 * (4 * arctan(5) - arctan(239))


@cache
def cdf(x: Decimal) -> Decimal:
    """Normal distribution function: a series near 0, a continued fraction in the lower tail."""
    density = (-x * x / 2).exp() / (2 * _pi()).sqrt()
    if x < -8:
        below = D(0)
        for n in range(120, 0, -1):
            below = n / (-x + below)
        return density / (-x + below)
    if x > 8:
        return 1 - cdf(-x)
    with localcontext() as context:
        context.prec = _PRECISION + 20
        total = term = x
        n = 1
        while abs(term) > D(10) ** -(_PRECISION + 18):
            n += 2
            term *= x * x / n
            total += term
        wide = (-x * x / 2).exp() / (2 * _pi()).sqrt()
        return D("0.5") + wide * total


@cache
def _upper_point(p: Decimal) -> Decimal:
    """The z above which lies p, by Newton steps."""
    from statistics import NormalDist

    z = D(-NormalDist().inv_cdf(float(p)))
    for _ in range(4):
        z += (cdf(-z) - p) / ((-z * z / 2).exp() / (2 * _pi()).sqrt())
    return z


@cache
def _panels(low: int, high: int) -> list[tuple[Decimal, Decimal]]:
    """Nodes and weights of Gauss-Legendre on panels of half a unit."""
    rule = _legendre(_NODES)
    return [(D(low) + (2 * n + 1) * D("0.25") + x * D("0.25"), w * D("0.25")) for n in range(2 * (high - low)) for x, w in rule]


def _legendre(n: int) -> list[tuple[Decimal, Decimal]]:
    """Nodes and weights to all digits: numpy's nodes, refined by Newton steps."""
    out = []
    for start in np.polynomial.legendre.leggauss(n)[0].tolist():
        x = D(start)
        for _ in range(4):
            before, here = D(1), x
            for k in range(2, n + 1):
                before, here = here, ((2 * k - 1) * x * here - (k - 1) * before) / k
            slope = n * (x * here - before) / (x * x - 1)
            x -= here / slope
        out.append((x, 2 / ((1 - x * x) * slope * slope)))
    return out

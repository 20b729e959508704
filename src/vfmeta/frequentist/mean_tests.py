"""Tests of a pooled mean that make their interval from the studies, not from an estimate and its standard error."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from vfmeta.core.messages import InputError
from vfmeta.core.params import generator
from vfmeta.core.question import Pair
from vfmeta.frequentist.choices import Choices
from vfmeta.kernels import estimators
from vfmeta.kernels.distributions import quantile
from vfmeta.results.wald import quantile as any_quantile
from vfmeta.results.wald import two_sided

_FEWEST_TO_TURN = 6
_ROUNDS = 40


class Made(NamedTuple):
    """An interval with its test; ``df`` is None where the test has none."""

    interval: Pair
    p_value: float
    se: float
    df: float | None = None


@dataclass(frozen=True)
class Mean:
    """A pooled mean: effects and variances (k,), tau2, the standard error given it, Hartung-Knapp's factor, "no difference"."""

    y: np.ndarray
    v: np.ndarray
    tau2: float
    estimate: float
    se: float
    factor: float
    null: float


def made(mean: Mean, c: Choices) -> Made:
    """What the test of ``c`` makes of a mean of at least two studies."""
    if c.weights is not None:
        raise InputError(f'test="{c.made_by}" takes the mean by inverse variance; leave weights= out, or use test="HKSJ".')
    if c.prediction == "fitted" and c.made_by != "KR":
        raise InputError(
            f'prediction="fitted" takes the quantile of the interval, and test="{c.made_by}" has none; use prediction="HTS".'
        )
    return TESTS[c.made_by](mean, c)


def _exact(m: Mean, c: Choices) -> Made:
    from vfmeta.kernels.exact_mean import exact_interval, exact_p_value

    p = math.nan if math.isnan(m.null) else exact_p_value(m.y, m.v, m.null)
    return Made(exact_interval(m.y, m.v, c.level), p, m.se)


def _kenward_roger(m: Mean, c: Choices) -> Made:
    """Kenward & Roger 1997, of a mean alone: the standard error with the uncertainty of tau2, and Satterthwaite's df."""
    from vfmeta.kernels.kenward_roger import adjusted_covariance, degrees_of_freedom

    if c.method != "REML":
        raise InputError('test="KR" is of a fit by REML; use method="REML", or another test.')
    x, w = np.ones((len(m.y), 1)), 1 / (m.v + m.tau2)
    s1, s2, s3 = (float((w**n).sum()) for n in (1, 2, 3))
    phi, spread = np.array([[1 / s1]]), 2 / (s2 - 2 * s3 / s1 + (s2 / s1) ** 2)
    se = math.sqrt(float(adjusted_covariance(x[None], w[None], phi[None], np.array([spread]))[0, 0, 0]))
    df = degrees_of_freedom(x, w, phi, spread, np.ones((1, 1)))[0]
    half = float(any_quantile(c.level, df)) * se
    return Made((m.estimate - half, m.estimate + half), float(two_sided(np.asarray((m.estimate - m.null) / se), df)), se, df)


def _bootstrap(m: Mean, c: Choices) -> Made:
    """Hartung-Knapp's t, held against its distribution in sets of effects drawn from the fitted model."""
    k = len(m.y)
    se = m.se * math.sqrt(m.factor)
    drawn = generator(c.seed).standard_normal((c.draws, k)) * np.sqrt(m.v + m.tau2)
    t = np.abs(_knapp(drawn, m.v, c.fitted))
    half = float(np.quantile(t, c.level, method="higher")) * se
    seen = abs(m.estimate - m.null) / se if se > 0 else math.inf
    p = math.nan if math.isnan(m.null) else (1 + int((t >= seen).sum())) / (1 + c.draws)
    return Made((m.estimate - half, m.estimate + half), p, se)


def _permutation(m: Mean, c: Choices) -> Made:
    """All means that the test by turning signs does not reject (Follmann & Proschan 1999, Biometrics 55:732-737)."""
    k = len(m.y)
    if k < _FEWEST_TO_TURN:
        raise InputError(
            f'test="permutation" turns the signs of the effects: {k} studies have {2 ** (k - 1)} different '
            f'arrangements, and no p value below {tiny(k):.2g}. Six studies or more have a 95% interval; use test="exact" here.'
        )
    if 2 ** (1 - k) > 1 - c.level:
        raise InputError(f'{k} studies have no permutation interval at level {c.level:g}; use test="exact".')
    signs = _signs(k, c)
    whole = len(signs) == 2 ** (k - 1)

    def p_at(mean: float) -> float:
        t = np.abs(_knapp(signs * (m.y - mean), m.v, c.fitted))
        beyond = t >= t[0] * (1 - 1e-9)  # the first arrangement is the one seen
        return float(beyond.mean()) if whole else (1 + int(beyond[1:].sum())) / len(signs)

    step = quantile(c.level, k - 1) * m.se * math.sqrt(max(m.factor, 1e-12))
    ends = []
    for side in (-1, 1):
        inside, outside, width = m.estimate, m.estimate, step or m.se
        while p_at(outside) > 1 - c.level:
            inside, outside, width = outside, outside + side * width, 2 * width
        for _ in range(_ROUNDS):
            middle = (inside + outside) / 2
            if p_at(middle) > 1 - c.level:
                inside = middle
            else:
                outside = middle
            if abs(outside - inside) < 1e-7 * m.se:
                break
        ends.append(outside)
    p = math.nan if math.isnan(m.null) else p_at(m.null)
    return Made((ends[0], ends[1]), p, m.se * math.sqrt(m.factor))


def tiny(k: int) -> float:
    """The smallest p value of ``k`` signs that may turn."""
    return 2.0 ** (1 - k)


def _signs(k: int, c: Choices) -> np.ndarray:
    """Arrangements of signs (n, k), that of the data first; a set and its opposite are one."""
    if 2 ** (k - 1) <= c.draws:
        codes = np.arange(2 ** (k - 1))[:, None]
        return 1.0 - 2.0 * (codes >> np.arange(k) & 1)
    drawn = generator(c.seed).choice([1.0, -1.0], size=(c.draws, k))
    drawn[0] = 1.0
    return drawn


def _knapp(sets: np.ndarray, v: np.ndarray, method: str | float) -> np.ndarray:
    """Hartung-Knapp's t about zero of many sets of effects (n, k) with the same variances."""
    n, k = sets.shape
    out = estimators.fit_ragged(
        np.ascontiguousarray(sets).ravel(), np.tile(v, n), np.arange(n * k), np.arange(0, n * k + 1, k), method
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        t = out[:, 2] / (out[:, 3] * np.sqrt(out[:, 4]))
    return np.where(np.isnan(t), 0.0, t)


TESTS: dict[str, Callable[[Mean, Choices], Made]] = {
    "exact": _exact, "KR": _kenward_roger, "bootstrap": _bootstrap, "permutation": _permutation,
}  # fmt: skip

"""Limits of a single study from what it counted or measured, not from a normal distribution of its effect.

Each function of `LIMITS` takes the columns of its measure, the effects ``y`` and sampling variances ``v``, the level and the
value of no difference, all arrays of shape (k,) but the last two, and gives low and high limits, the statistic at no
difference and its degrees of freedom (infinite: normal), all on the analysis scale. NaN where the columns have no such limits,
as a ratio of a study with an empty cell: its limits are those of the corrected table.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from vfmeta.kernels.two_arms import constrained, score

Columns = Mapping[str, np.ndarray]


class Limits(NamedTuple):
    """Limits, the statistic at no difference (NaN where there is none) and its degrees of freedom."""

    low: np.ndarray
    high: np.ndarray
    statistic: np.ndarray
    df: np.ndarray


class Way(NamedTuple):
    """The columns a measure's limits need, the function, and what they are called."""

    columns: tuple[str, ...]
    limits: Callable[[Columns, np.ndarray, np.ndarray, float, float], Limits]
    name: str


def welch_df(v1: float | np.ndarray, df1: float | np.ndarray, v2: float | np.ndarray, df2: float | np.ndarray) -> np.ndarray:
    """Degrees of freedom of the sum of two estimated variances (Satterthwaite 1946, Biometrics Bull 2:110-114)."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray((v1 + v2) ** 2 / (v1**2 / df1 + v2**2 / df2), dtype=float)


def _z(level: float) -> float:
    from scipy.special import ndtri

    return float(-ndtri((1 - level) / 2))


def _signed(p_above: np.ndarray) -> np.ndarray:
    """The normal deviate of a one-sided p value."""
    from scipy.special import ndtri

    return -ndtri(np.clip(p_above, 1e-300, 1 - 1e-16))


def _root(f: Callable[[np.ndarray], np.ndarray], low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Where a falling function changes its sign, by halving."""
    low, high = (np.array(x, dtype=float) for x in (low, high))
    for _ in range(70):
        middle = (low + high) / 2
        if not np.any((low < middle) & (middle < high)):
            break
        above = f(middle) > 0
        low, high = np.where(above, middle, low), np.where(above, high, middle)
    return (low + high) / 2


def _t(c: Columns, y: np.ndarray, v: np.ndarray, level: float, null: float) -> Limits:
    from scipy.special import stdtrit

    half = -stdtrit(c["df"], (1 - level) / 2) * np.sqrt(v)
    with np.errstate(divide="ignore", invalid="ignore"):
        return Limits(y - half, y + half, (y - null) / np.sqrt(v), c["df"])


def _two_arms(measure: str, to: Callable[[np.ndarray], np.ndarray] = lambda x: x) -> Callable[..., Limits]:
    def limits(c: Columns, y: np.ndarray, v: np.ndarray, level: float, null: float) -> Limits:
        cells = [np.asarray(c[x], dtype=float) for x in ("events1", "n1", "events2", "n2")]
        return _score(measure, cells, level, null, to)

    return limits


def _score(measure: str, cells: list[np.ndarray], level: float, null: float, to: Callable[[np.ndarray], np.ndarray]) -> Limits:
    a, n1, c, n2 = cells
    there = np.ones(a.shape, dtype=bool)
    if measure not in ("RD", "IRD"):
        there = (a > 0) & (c > 0) & ((measure != "OR") | ((a < n1) & (c < n2)))
    low, high = _ends(measure, level, *(tuple(x.tolist()) for x in cells))
    statistic = score(measure, np.full(a.shape, null), a, n1, c, n2)
    none = np.where(there, 0.0, np.nan)
    return Limits(to(low) + none, to(high) + none, statistic + none, np.full(a.shape, np.inf))


@lru_cache(maxsize=512)  # a page, a figure and its table ask for the limits of the same studies
def _ends(measure: str, level: float, *cells: tuple[float, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Where the score statistic of each study reaches the level; not to be written to."""
    a, n1, c, n2 = (np.array(x, dtype=float) for x in cells)
    z = _z(level)
    if measure == "RD":
        start, low, high = a / n1 - c / n2, np.full(a.shape, -1 + 1e-12), np.full(a.shape, 1 - 1e-12)
    elif measure == "IRD":
        start, reach = a / n1 - c / n2, z * z + 10
        low, high = (
            start - (c + reach + 5 * np.sqrt(c)) / n2 - reach / n1,
            start + (a + reach + 5 * np.sqrt(a)) / n1 + reach / n2,
        )
    else:
        there = (a > 0) & (c > 0) & ((measure != "OR") | ((a < n1) & (c < n2)))
        with np.errstate(divide="ignore", invalid="ignore"):
            start = np.log(a / n1) - np.log(c / n2) - (np.log1p(-a / n1) - np.log1p(-c / n2) if measure == "OR" else 0.0)
        start = np.where(there, start, 0.0)
        low, high = start - 30, start + 30
    twice, level_of = [np.concatenate([x, x]) for x in (a, n1, c, n2)], np.repeat([z, -z], len(a))
    starts, stops = np.concatenate([low, start]), np.concatenate([start, high])
    found = _root(lambda t: score(measure, t, *twice) - level_of, starts, stops)  # both ends at once
    return found[: len(a)], found[len(a) :]


def _rate_ratio(c: Columns, y: np.ndarray, v: np.ndarray, level: float, null: float) -> Limits:
    """Given the events of both arms, those of one are binomial; mid-P limits of its share."""
    a, t1, b, t2 = (c[x] for x in ("events1", "time1", "events2", "time2"))
    low, high = _binomial(a, a + b, level)
    none = np.where((a > 0) & (b > 0), 0.0, np.nan)
    with np.errstate(divide="ignore", invalid="ignore"):
        ends = [np.log(p) - np.log1p(-p) + np.log(t2 / t1) + none for p in (low, high)]
        share = np.exp(null) * t1 / (np.exp(null) * t1 + t2)
    return Limits(ends[0], ends[1], _signed(_mid_binomial(a, a + b, share)) + none, np.full(a.shape, np.inf))


def _rate_difference(c: Columns, y: np.ndarray, v: np.ndarray, level: float, null: float) -> Limits:
    return _score("IRD", [c[x] for x in ("events1", "time1", "events2", "time2")], level, null, lambda x: x)


def _mid_binomial(x: np.ndarray, n: np.ndarray, p: np.ndarray) -> np.ndarray:
    """Probability of more events than x, and half that of x."""
    from scipy.special import betainc

    with np.errstate(invalid="ignore"):
        above = np.where(x >= n, 0.0, betainc(x + 1, np.maximum(n - x, 1e-300), p))
        from_x = np.where(x <= 0, 1.0, betainc(np.maximum(x, 1e-300), n - x + 1, p))
    return (above + from_x) / 2


def _mid_poisson(x: np.ndarray, mean: np.ndarray) -> np.ndarray:
    from scipy.special import gammainc

    return (gammainc(x + 1, mean) + np.where(x <= 0, 1.0, gammainc(np.maximum(x, 1e-300), mean))) / 2


def _binomial(x: np.ndarray, n: np.ndarray, level: float) -> tuple[np.ndarray, np.ndarray]:
    """Mid-P limits of a proportion (Lancaster 1961, J Am Stat Assoc 56:223-234)."""
    tail, nothing, everything = (1 - level) / 2, np.zeros(x.shape), np.ones(x.shape)
    low = _root(lambda p: tail - _mid_binomial(x, n, p), nothing, everything)
    high = _root(lambda p: 1 - tail - _mid_binomial(x, n, p), nothing, everything)
    return np.where(x <= 0, 0.0, low), np.where(x >= n, 1.0, high)


def _poisson(x: np.ndarray, level: float) -> tuple[np.ndarray, np.ndarray]:
    """Mid-P limits of an expected count."""
    tail, z = (1 - level) / 2, _z(level)
    most = x + z * z + 5 * z * np.sqrt(x + 1) + 10
    low = _root(lambda m: tail - _mid_poisson(x, m), np.zeros(x.shape), most)
    return np.where(x <= 0, 0.0, low), _root(lambda m: 1 - tail - _mid_poisson(x, m), np.zeros(x.shape), most)


def _one_group(kind: str, to: Callable[..., np.ndarray], ends: tuple[bool, bool] = (True, True)) -> Callable[..., Limits]:
    """Limits of a proportion or rate on a scale; ``ends`` says whether it has a place for 0 and for 1."""

    def limits(c: Columns, y: np.ndarray, v: np.ndarray, level: float, null: float) -> Limits:
        x, size = c["events"], c["n" if kind == "n" else "time"]
        low, high = _binomial(x, size, level) if kind == "n" else (m / size for m in _poisson(x, level))
        gone = ((x <= 0) & (not ends[0])) | ((x >= size) & (kind == "n") & (not ends[1]))
        none = np.where(gone, np.nan, 0.0)
        with np.errstate(divide="ignore", invalid="ignore"):
            return Limits(to(low, size) + none, to(high, size) + none, np.full(x.shape, np.nan), np.full(x.shape, np.inf))

    return limits


def _apart(kind: str, to: Callable[[np.ndarray], np.ndarray]) -> Callable[..., Limits]:
    """Difference of two proportions or rates on a scale: each arm's limits squared and added (Newcombe 1998, method 10)."""

    def limits(c: Columns, y: np.ndarray, v: np.ndarray, level: float, null: float) -> Limits:
        arms = []
        for i in ("1", "2"):
            x, size = c[f"events{i}"], c[("n" if kind == "n" else "time") + i]
            low, high = _binomial(x, size, level) if kind == "n" else (m / size for m in _poisson(x, level))
            arms.append([to(p) for p in (x / size, low, high)])
        (f1, l1, u1), (f2, l2, u2) = arms
        down, up = np.hypot(f1 - l1, u2 - f2), np.hypot(u1 - f1, f2 - l2)
        away = f1 - f2 - null
        with np.errstate(divide="ignore", invalid="ignore"):
            statistic = _z(level) * away / np.where(away > 0, down, up)
        return Limits(f1 - f2 - down, f1 - f2 + up, np.where(away == 0, 0.0, statistic), np.full(f1.shape, np.inf))

    return limits


def _phi(c: Columns, y: np.ndarray, v: np.ndarray, level: float, null: float) -> Limits:
    """Phi at the score limits of the risk difference, with the risks that go with them."""
    cells = [c[x] for x in ("events1", "n1", "events2", "n2")]
    of = _score("RD", cells, level, 0.0, lambda x: x)
    n1, n2 = cells[1], cells[3]

    def phi(difference: np.ndarray) -> np.ndarray:
        one, two = constrained("RD", difference, *cells)
        mean = (n1 * one + n2 * two) / (n1 + n2)
        return difference * np.sqrt(n1 * n2) / (n1 + n2) / np.sqrt(mean * (1 - mean))

    return of._replace(low=np.clip(phi(of.low), -1, 1), high=np.clip(phi(of.high), -1, 1))


def _correlation(c: Columns, y: np.ndarray, v: np.ndarray, level: float, null: float) -> Limits:
    half, centre = _z(level) / np.sqrt(c["n"] - 3), np.arctanh(c["r"])
    return Limits(np.tanh(centre - half), np.tanh(centre + half), centre * np.sqrt(c["n"] - 3), np.full(y.shape, np.inf))


def _sd_ratio(c: Columns, y: np.ndarray, v: np.ndarray, level: float, null: float) -> Limits:
    """By the F distribution of the ratio of two variances."""
    from scipy.special import fdtrc, fdtri

    one, two = c["n1"] - 1, c["n2"] - 1
    ratio, tail = 2 * (np.log(c["sd1"]) - np.log(c["sd2"])), (1 - level) / 2
    low, high = (np.log(fdtri(one, two, p)) for p in (1 - tail, tail))
    statistic = _signed(fdtrc(one, two, np.exp(ratio - 2 * null)))
    return Limits((ratio - low) / 2, (ratio - high) / 2, statistic, np.full(y.shape, np.inf))


def _sd(c: Columns, y: np.ndarray, v: np.ndarray, level: float, null: float) -> Limits:
    """By the chi-squared distribution of a variance."""
    from scipy.special import chdtri

    df, tail = c["n"] - 1, (1 - level) / 2
    low, high = (np.log(c["sd"]) + np.log(df / chdtri(df, p)) / 2 for p in (tail, 1 - tail))
    return Limits(low, high, np.full(y.shape, np.nan), np.full(y.shape, np.inf))


def _plain(x: np.ndarray, size: np.ndarray) -> np.ndarray:
    return x


def _log(x: np.ndarray, size: np.ndarray) -> np.ndarray:
    return np.log(x)


def _arcsine(p: np.ndarray) -> np.ndarray:
    return np.arcsin(np.sqrt(p))


def _double_arcsine(p: np.ndarray, n: np.ndarray) -> np.ndarray:
    return (_arcsine(p * n / (n + 1)) + _arcsine((p * n + 1) / (n + 1))) / 2


_EVENTS, _TIMES = ("events1", "n1", "events2", "n2"), ("events1", "time1", "events2", "time2")
_T, _SCORE, _MID = "t", "score (Miettinen-Nurminen)", "mid-P exact"
_LOGISTIC, _COX = math.pi / math.sqrt(3), 1.65
LIMITS: dict[str, Way] = {
    **{code: Way(("df",), _t, _T) for code in ("MD", "ROM", "MN", "MNLN", "MC")},
    "OR": Way(_EVENTS, _two_arms("OR"), _SCORE),
    "RR": Way(_EVENTS, _two_arms("RR"), _SCORE),
    "RD": Way(_EVENTS, _two_arms("RD"), _SCORE),
    "OR2D": Way(_EVENTS, _two_arms("OR", lambda x: x / _LOGISTIC), _SCORE),
    "OR2DN": Way(_EVENTS, _two_arms("OR", lambda x: x / _COX), _SCORE),
    "PHI": Way(_EVENTS, _phi, _SCORE),
    "AS": Way(_EVENTS, _apart("n", _arcsine), "mid-P exact, arms squared and added (Newcombe)"),
    "IRR": Way(_TIMES, _rate_ratio, "mid-P exact given the events"),
    "IRD": Way(_TIMES, _rate_difference, "score"),
    "IRSD": Way(_TIMES, _apart("time", np.sqrt), "mid-P exact, arms squared and added (Newcombe)"),
    "PR": Way(("events", "n"), _one_group("n", _plain), _MID),
    "PLN": Way(("events", "n"), _one_group("n", _log, (False, True)), _MID),
    "PLO": Way(("events", "n"), _one_group("n", lambda p, n: np.log(p) - np.log1p(-p), (False, False)), _MID),
    "PAS": Way(("events", "n"), _one_group("n", lambda p, n: _arcsine(p)), _MID),
    "PFT": Way(("events", "n"), _one_group("n", _double_arcsine), _MID),
    "IR": Way(("events", "time"), _one_group("time", _plain), _MID),
    "IRLN": Way(("events", "time"), _one_group("time", _log, (False, True)), _MID),
    "IRS": Way(("events", "time"), _one_group("time", lambda x, t: np.sqrt(x)), _MID),
    "IRFT": Way(("events", "time"), _one_group("time", lambda x, t: (np.sqrt(x) + np.sqrt(x + 1 / t)) / 2), _MID),
    "COR": Way(("r", "n"), _correlation, "Fisher's z"),
    "UCOR": Way(("r", "n"), _correlation, "Fisher's z"),
    "VR": Way(("sd1", "n1", "sd2", "n2"), _sd_ratio, "F"),
    "SDLN": Way(("sd", "n"), _sd, "chi-squared"),
}


def single_limits(
    measure: str, columns: Mapping[str, np.ndarray], y: np.ndarray, v: np.ndarray, level: float, null: float | None
) -> tuple[Limits, np.ndarray]:
    """Limits of each study and what they are called (k,); normal, ``"Wald"``, where nothing but y and v is known.

    Parameters
    ----------
    measure : str
        Its code.
    columns : mapping of str to numpy.ndarray (k,)
        What the studies counted or measured, NaN where that is not known: the columns of `vfmeta.effect_size`, and ``df``, the
        degrees of freedom of ``v``.
    y, v : numpy.ndarray (k,)
        Effects and sampling variances on the analysis scale.
    level : float
        Confidence level.
    null : float or None
        No difference, on the analysis scale.
    """
    z, centre = _z(level), np.nan if null is None else null
    se = np.sqrt(v)
    with np.errstate(divide="ignore", invalid="ignore"):
        out = [y - z * se, y + z * se, (y - centre) / se, np.full(y.shape, np.inf)]
    how = np.full(y.shape, "Wald", dtype=object)
    way = LIMITS.get(measure)
    if way is not None and all(name in columns for name in way.columns):
        at = np.flatnonzero(np.isfinite([columns[name] for name in way.columns]).all(axis=0))
        if len(at):
            part = way.limits({name: columns[name][at] for name in way.columns}, y[at], v[at], level, centre)
            good = np.isfinite(part.low) & np.isfinite(part.high)
            for whole, own in zip(out, part, strict=True):
                whole[at[good]] = own[good]
            how[at[good]] = way.name
    return Limits(*out), how

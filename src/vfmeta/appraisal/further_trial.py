"""What a further trial would have to find to change the conclusion of a pool, and how large a next trial should be."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from functools import partial
from statistics import NormalDist
from typing import Any

import numpy as np

from vfmeta.appraisal.favoured import no_difference
from vfmeta.appraisal.refits import enlarged_of
from vfmeta.appraisal.taken import take
from vfmeta.core.messages import InputError, VfmetaWarning, warn
from vfmeta.core.params import is_finite, proportion
from vfmeta.core.question import Question
from vfmeta.results.next_trial import NextTrial

_STEPS = np.sinh(np.linspace(-6.0, 6.0, 49)) / math.sinh(1.0)  # dense around the estimate, out to 170 standard deviations


def next_trial(fit: Any, *, n: Any = None, power: float = 0.8) -> NextTrial:
    """What a further trial would change, and how many people a next trial needs.

    Parameters
    ----------
    fit : fit or posterior
        A pool of two studies or more, of ``vf.random_effects``, ``vf.common_effect`` or ``vf.bayes.random_effects``.
    n : number or sequence of numbers, optional
        People in the further trial; as many as in the median trial of the pool when left out.
    power : float
        Probability with which the next trial is to exclude no difference by itself.

    Returns
    -------
    NextTrial

    Notes
    -----
    The conclusion is what the interval says: it excludes no difference, or lies within the smallest important difference on
    both sides, or neither. For each size the same model is fitted with one more study over a grid of findings, and the ends of
    the findings that lead to another conclusion are roots, found by the same engine. A trial of n people is as precise as those
    of the pool: its variance is the median of variance times people, over n.

    How likely such findings are, and how large a trial should be, follows from the predictive distribution of its estimate
    (mean, its uncertainty, heterogeneity and the sampling error together): of a posterior the exact one; of a fit a t (or a
    normal) distribution around the estimate, with variance se^2 + tau^2 + v (Higgins, Thompson & Spiegelhalter 2009, JRSS A
    172:137-159). The trial that is needed is the smallest whose own 95% interval (at the fit's level) excludes no difference on
    the side of the estimate with probability ``power``, averaged over that distribution: the assurance of O'Hagan, Stevens &
    Campbell 2005 (Pharm Stat 4:187-201), which no size may bring to ``power``.

    Examples
    --------
    >>> import vfmeta as vf
    >>> table = vf.effect_size("MD", mean1=[2, 3], sd1=[2, 2], n1=[40, 60], mean2=[3, 3.5], sd2=[2, 2], n2=[40, 60])
    >>> found = vf.appraisal.next_trial(vf.common_effect(table), n=200)
    >>> found.conclusion, found.after  # from the lowest findings on
    ('lower', ('unclear', 'higher'))
    """
    taken = take("next_trial", fit, None)
    q, null = taken.studies.question, no_difference("next_trial", taken.studies.question)
    again = enlarged_of(fit)
    if fit.k < 2:
        raise InputError("One study only: no pool whose conclusion a further trial could change; give a pool of two or more.")
    proportion("power", power)
    unit = float(np.nanmedian(taken.sizes * fit.v)) if np.isfinite(taken.sizes).any() else math.nan
    people = _people(n, taken.sizes, unit)
    spread = np.sqrt(unit / people) if n is not None or math.isfinite(unit) else np.array([math.sqrt(float(np.median(fit.v)))])
    ahead = _ahead(fit)
    now = conclusion(fit, q, null)
    which, ranges, after, chances = [], [], [], []
    for i, se in enumerate(spread.tolist()):
        for low, high, then in _changes(fit, again, q, null, now, se):
            which.append(i)
            ranges.append((low, high))
            after.append(then)
            below = ahead(se)
            chances.append(below(high) - below(low))
    needed_se, ceiling = _needed(fit, ahead, null, power)
    needed = math.inf if needed_se == 0 else unit / needed_se**2
    notes = taken.studies.notes
    if not math.isfinite(unit):
        notes = (*notes, warn("The sizes of the studies are unknown, so a further trial is told by its standard error."))
    return NextTrial(
        question=q, level=fit.level, labels=fit.labels, y=fit.y, v=fit.v, estimate=float(fit.estimate),
        interval=fit.wider_interval, conclusion=now, n=people, trial_se=spread, which=np.array(which, dtype=float),
        ranges=np.array(ranges, dtype=float).reshape(-1, 2), after=tuple(after), chances=np.array(chances, dtype=float),
        power=float(power), needed=math.ceil(needed) if math.isfinite(needed) else needed, needed_se=needed_se, ceiling=ceiling,
        warnings=notes, call=taken.record("next_trial", n=None if n is None else people.tolist(), power=float(power)),
        origin=fit.origin,
    )  # fmt: skip


def _people(n: Any, sizes: np.ndarray, unit: float) -> np.ndarray:
    if n is None:
        return np.array([float(round(float(np.nanmedian(sizes))))]) if math.isfinite(unit) else np.array([math.nan])
    asked = list(n) if isinstance(n, (list, tuple, np.ndarray, range)) else [n]
    if not asked or not all(is_finite(x) and x >= 2 for x in asked):
        raise InputError(f"n={n!r} must be people of a further trial: a number of 2 or more, or several.")
    if not math.isfinite(unit):
        raise InputError("n= cannot be used: the pool does not know how many people its studies had. Leave n out.")
    return np.array(asked, dtype=float)


def _margins(fit: Any, q: Question, null: float) -> dict[str, float]:
    """How far each conclusion is from failing; above 0 where it holds."""
    low, high = fit.wider_interval
    ends = [x for harm in (False, True) if (x := q.mid_effect(harm=harm)) is not None]
    little = min(low - min(ends), max(ends) - high) if len(ends) == 2 else -math.inf
    return {"lower": null - high, "higher": low - null, "little": little}


def conclusion(fit: Any, q: Question, null: float) -> str:
    """What an interval says, by the rule of three states on its limits as they are."""
    return next((name for name, margin in _margins(fit, q, null).items() if margin > 0), "unclear")


def _stays(fit: Any, q: Question, null: float, now: str) -> float:
    """Above 0 while the conclusion is the one of now, continuous in the limits."""
    m = _margins(fit, q, null)
    sides = max(m["lower"], m["higher"])
    return {"lower": m["lower"], "higher": m["higher"], "little": min(m["little"], -sides)}.get(now, -max(sides, m["little"]))


def _changes(
    fit: Any, again: Callable[[float, float], Any], q: Question, null: float, now: str, se: float
) -> list[tuple[float, float, str]]:
    """Ranges of findings that lead to another conclusion, from low to high, each with that conclusion."""
    from scipy.optimize import brentq

    def with_one(d: float) -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", VfmetaWarning)
            return again(d, se * se)

    def stays(d: float) -> float:
        return _stays(with_one(d), q, null, now)

    def says(what: str, d: float) -> bool:
        return conclusion(with_one(d), q, null) == what

    grid = float(fit.estimate) + math.sqrt(fit.se**2 + (fit.tau2 or 0.0) + se * se) * _STEPS
    fits = [with_one(d) for d in grid.tolist()]
    held, said = [_stays(x, q, null, now) > 0 for x in fits], [conclusion(x, q, null) for x in fits]
    found: list[tuple[float, float, str]] = []
    start = -math.inf
    for i in range(1, len(grid) + 1):
        last = i == len(grid)
        if not last and said[i] == said[i - 1]:
            continue
        if last:
            end = math.inf
        elif held[i] != held[i - 1]:
            end = float(brentq(stays, grid[i - 1], grid[i], xtol=1e-10 * (1 + abs(grid[i])), rtol=1e-12))
        else:  # from one changed conclusion straight to another
            end = _between(partial(says, said[i - 1]), float(grid[i - 1]), float(grid[i]))
        if not held[i - 1]:
            found.append((start, end, said[i - 1]))
        start = end
    return found


def _between(same: Callable[[float], bool], a: float, b: float) -> float:
    for _ in range(50):
        middle = (a + b) / 2
        a, b = (middle, b) if same(middle) else (a, middle)
    return float((a + b) / 2)


def _ahead(fit: Any) -> Callable[[float], Callable[[float], float]]:
    """Distribution function of the estimate of a further trial, by its standard error."""
    if type(fit).__name__ == "BayesianResult":
        from vfmeta.bayes.exact_posterior import behind

        post = behind(fit)[0]

        def exactly(se: float) -> Callable[[float], float]:
            law = post.ahead(se * se)
            return lambda x: float(law.cdf(x)) if math.isfinite(x) else float(x > 0)

        return exactly
    from scipy.special import ndtr, stdtr

    spread2 = max(fit.se**2 + (fit.tau2 or 0.0), 1e-200)  # 0 where all effects are identical

    def of(se: float) -> Callable[[float], float]:
        scale = math.sqrt(spread2 + se * se)

        def below(x: float) -> float:
            z = (x - fit.estimate) / scale
            return float(ndtr(z) if fit.df is None else stdtr(fit.df, z))

        return below

    return of


def _needed(fit: Any, ahead: Callable[[float], Callable[[float], float]], null: float, power: float) -> tuple[float, float]:
    """The largest standard error at which the trial does what is asked (0 where none does), and the chance of the largest."""
    from scipy.optimize import brentq

    z, sign = NormalDist().inv_cdf((1 + fit.level) / 2), 1.0 if fit.estimate > null else -1.0

    def chance(se: float) -> float:
        below = ahead(se)(null + sign * z * se)
        return 1 - below if sign > 0 else below

    ceiling = chance(0.0)
    if ceiling <= power:
        return 0.0, ceiling
    high = math.sqrt(float(np.min(fit.v)))
    while chance(high) > power:  # the less a trial tells, the lower it falls
        high *= 2
    return float(brentq(lambda se: chance(se) - power, 0.0, high, xtol=1e-13 * high, rtol=1e-12)), ceiling

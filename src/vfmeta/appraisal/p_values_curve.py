"""The p-curve: the distribution of p values below 0.05."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from vfmeta.appraisal.favoured import no_difference
from vfmeta.appraisal.taken import take
from vfmeta.core.messages import InputError, warn_each
from vfmeta.core.params import Missing
from vfmeta.core.question import Question
from vfmeta.results.doubted import PCurve

CUT, HALF, POWER = 0.05, 0.025, 1 / 3
TERMS = (
    "right-skew, count below 0.025", "right-skew, full curve", "right-skew, half curve", "flatter than a third, count",
    "flatter than a third, full curve", "flatter than a third, half curve",
)  # fmt: skip
_SURE = 2.2e-16  # within which a probability is kept from 0 and 1


def p_curve(
    data: Any = None,
    *,
    y: Any = None,
    v: Any = None,
    se: Any = None,
    ci: Any = None,
    study: Any = None,
    level: float | None = None,
    question: Question | None = None,
    missing: Missing = "raise",
) -> PCurve:
    """The p-curve: are p values below 0.05 skewed as of true effects, and which power do they seem to come from.

    How often its tests reject and its intervals hold: ``reports/levels.md#p_curve``.

    Parameters
    ----------
    data, y, v, se, ci, study, question, missing
        As of `egger`.
    level : float, optional
        Of the interval of the power; that of the fit, or 0.95 (and then 0.90 for the power, as in the paper), when left out.

    Returns
    -------
    PCurve

    Raises
    ------
    InputError
        No study is significant at 0.05.

    Notes
    -----
    Simonsohn, Nelson & Simmons 2014, J Exp Psychol Gen 143:534-547; 2015, J Exp Psychol Gen 144:1146-1152 (half curve). Wald
    tests, two-sided. Each p below 0.05 (or 0.025) is turned to its probability given that it is, under no effect and under the
    noncentrality with a power of a third, and these are combined by Stouffer; the count is binomial. The power is that under
    which the combined z is 0, its interval where z is at the quantiles. The terms are uniform under
    either.

    Examples
    --------
    >>> import vfmeta as vf
    >>> found = vf.appraisal.p_curve(y=[0.5, 0.4, 0.6, 0.3, 0.1], se=[0.15, 0.15, 0.2, 0.14, 0.1])
    >>> found.significant
    4
    """
    from scipy.optimize import brentq
    from scipy.special import bdtr, bdtrc, ndtr, ndtri

    taken = take("p_curve", data, level, y=y, v=v, se=se, ci=ci, study=study, question=question, missing=missing)
    s = taken.studies
    x = np.abs(s.y - no_difference("p_curve", s.question)) / np.sqrt(s.v)
    p = 2 * ndtr(-x)
    full, half = p < CUT, p < HALF
    n, low = int(full.sum()), int(half.sum())
    if not n:
        raise InputError("p_curve: no study is significant at 0.05, so that there is no curve.")
    edge, inner = (float(-ndtri(c / 2)) for c in (CUT, HALF))

    def power(d: float, cut: float) -> float:
        return float(ndtr(d - cut) + ndtr(-cut - d))

    def shift(target: float) -> float:
        return float(brentq(lambda d: power(d, edge) - target, 0.0, 45.0, xtol=1e-13))

    def below(values: np.ndarray, d: float) -> np.ndarray:
        return np.asarray(ndtr(values - d) - ndtr(-values - d))

    def combined(pp: np.ndarray) -> float:
        return float(ndtri(np.clip(pp, _SURE, 1 - _SURE)).sum() / math.sqrt(len(pp))) if len(pp) else math.nan

    third = shift(POWER)
    at = power(third, inner)
    z = [math.nan, combined(p[full] / CUT), combined(p[half] / HALF)]
    z += [math.nan, combined((below(x[full], third) - (1 - POWER)) / POWER), combined((below(x[half], third) - (1 - at)) / at)]
    tests = [float(bdtrc(low - 1, n, 0.5)) if low else 1.0, *(float(ndtr(a)) for a in z[1:3])]
    tests += [float(bdtr(low, n, at / POWER)), *(float(ndtr(a)) for a in z[4:])]

    def of_power(target: float) -> float:
        return combined((below(x[full], shift(target)) - (1 - target)) / target)

    def solved(aim: float) -> float:
        least, most = CUT + 1e-6, 1 - 1e-6
        # the combined z falls as the power grows
        signs = of_power(least) - aim, of_power(most) - aim
        if signs[0] * signs[1] > 0:
            return CUT if abs(signs[0]) < abs(signs[1]) else 1.0
        return float(brentq(lambda w: of_power(w) - aim, least, most, xtol=1e-10))

    reach = float(ndtri(0.95 if level is None and taken.fit is None else 0.5 + taken.level / 2))
    ends = sorted((solved(reach), solved(-reach)))
    notes = s.notes if low else (*s.notes, f"No p value lies below {HALF:g}: there is no half curve to test.")
    warn_each(notes[len(s.notes) :])
    return PCurve(
        question=s.question, level=taken.level, labels=s.labels, y=s.y, v=s.v, p=p, terms=TERMS, statistic=np.array(z),
        p_value=np.array(tests), power=solved(0.0), power_interval=(ends[0], ends[1]), warnings=notes,
        call=taken.record("p_curve"), origin=s.origin,
    )  # fmt: skip

"""PET, PEESE and the two by turns: the effect where the line of a funnel has no standard error."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from vfmeta.appraisal.favoured import favoured_side, no_difference
from vfmeta.appraisal.lines import flat
from vfmeta.appraisal.taken import Taken, take
from vfmeta.core.messages import warn_each
from vfmeta.core.params import Favoured, Missing
from vfmeta.core.question import Question
from vfmeta.kernels.distributions import quantile, t_outside
from vfmeta.kernels.estimators import fit_ragged
from vfmeta.kernels.small_studies import lines
from vfmeta.results.adjusted import PrecisionEffect
from vfmeta.results.small_studies import few_studies

CUT = 0.05  # one-sided p of PET, below which PEESE is taken (Stanley 2017)


def pet(
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
) -> PrecisionEffect:
    """Precision-effect test: the line of effects over standard errors, where the standard error is 0.

    How often its tests reject and its intervals hold: ``reports/levels.md#pet``.

    Parameters
    ----------
    data, y, v, se, ci, study, level, question, missing
        As of `egger`.

    Returns
    -------
    PrecisionEffect

    Notes
    -----
    Stanley & Doucouliagos 2014, Res Synth Methods 5:60-78: Egger's weighted regression, of which it is the other coefficient.

    Examples
    --------
    >>> import vfmeta as vf
    >>> y = [-0.9, -0.2, -0.6, -0.1, -0.4, -0.3, -0.7, -0.2, -0.5, -0.1]
    >>> se = [0.5, 0.1, 0.4, 0.12, 0.2, 0.2, 0.35, 0.15, 0.3, 0.1]
    >>> vf.appraisal.pet(y=y, se=se).estimate > vf.common_effect(y=y, se=se).estimate
    True
    """
    return _one("pet", "SE", take("pet", data, level, y=y, v=v, se=se, ci=ci, study=study, question=question, missing=missing))


def peese(
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
) -> PrecisionEffect:
    """Precision-effect estimate with standard error: the line of effects over variances, where the variance is 0.

    How often its tests reject and its intervals hold: ``reports/levels.md#peese``.

    Parameters
    ----------
    data, y, v, se, ci, study, level, question, missing
        As of `egger`.

    Returns
    -------
    PrecisionEffect

    Notes
    -----
    Stanley & Doucouliagos 2014, Res Synth Methods 5:60-78.

    Examples
    --------
    >>> import vfmeta as vf
    >>> y = [-0.9, -0.2, -0.6, -0.1, -0.4, -0.3, -0.7, -0.2, -0.5, -0.1]
    >>> se = [0.5, 0.1, 0.4, 0.12, 0.2, 0.2, 0.35, 0.15, 0.3, 0.1]
    >>> vf.appraisal.peese(y=y, se=se).predictor
    'variance'
    """
    taken = take("peese", data, level, y=y, v=v, se=se, ci=ci, study=study, question=question, missing=missing)
    return _one("peese", "variance", taken)


def pet_peese(
    data: Any = None,
    *,
    y: Any = None,
    v: Any = None,
    se: Any = None,
    ci: Any = None,
    study: Any = None,
    favoured: Favoured | None = None,
    level: float | None = None,
    question: Question | None = None,
    missing: Missing = "raise",
) -> PrecisionEffect:
    """PET-PEESE: PEESE where PET finds an effect in the favoured direction (one-sided p below 0.05), else PET.

    How often its tests reject and its intervals hold: ``reports/levels.md#pet_peese``.

    Parameters
    ----------
    data, y, v, se, ci, study, level, question, missing
        As of `egger`.
    favoured : {"higher", "lower"}, optional
        Which effects, on the analysis scale, are published more easily: by default those of the better side of the question, or
        else where the REML pool lies, with a note.

    Returns
    -------
    PrecisionEffect

    Notes
    -----
    Stanley 2017, Soc Psychol Personal Sci 8:581-591. Which of the two is taken can turn round with the favoured direction.

    Examples
    --------
    >>> import vfmeta as vf
    >>> y = [-0.9, -0.2, -0.6, -0.1, -0.4, -0.3, -0.7, -0.2, -0.5, -0.1]
    >>> se = [0.5, 0.1, 0.4, 0.12, 0.2, 0.2, 0.35, 0.15, 0.3, 0.1]
    >>> vf.appraisal.pet_peese(y=y, se=se, favoured="lower").chosen
    'PET'
    """
    taken = take("pet_peese", data, level, y=y, v=v, se=se, ci=ci, study=study, question=question, missing=missing)
    s = taken.studies
    few_studies(s.k)
    null = no_difference("pet_peese", s.question)
    side = favoured_side(favoured, s.question, s.y, s.v)
    found = _line("SE", s.y, s.v, "PET")
    statistic = side.sign * (found["limit"] - null) / found["limit_se"] if found["limit_se"] > 0 else math.inf
    tail = t_outside(statistic, s.k - 2) / 2 if math.isfinite(statistic) else 0.0
    p = tail if statistic > 0 else 1 - tail
    chosen = ("PEESE", "variance") if p < CUT else ("PET", "SE")
    notes = (side.note,) if side.note else ()
    return _one("pet_peese", chosen[1], taken, notes, favoured=side.name, p=p)


def _one(
    verb: str, predictor: str, taken: Taken, notes: tuple[str, ...] = (), *, favoured: str = "", p: float = math.nan
) -> PrecisionEffect:
    s = taken.studies
    chosen = "PET" if predictor == "SE" else "PEESE"
    named = {"pet": "PET", "peese": "PEESE", "pet_peese": f"PET-PEESE ({chosen})"}[verb]
    notes = (*few_studies(s.k), *notes)
    found, df = _line(predictor, s.y, s.v, named), s.k - 2
    estimate, se = found["limit"], found["limit_se"]
    null = s.question.null_effect
    statistic = math.nan if null is None else (estimate - null) / se if se > 0 else math.inf
    half = quantile(taken.level, df) * se
    warn_each(notes)
    w = 1 / s.v
    return PrecisionEffect(
        question=s.question, name=named, method="weighted least squares", level=taken.level, labels=s.labels, y=s.y, v=s.v,
        unadjusted=float(fit_ragged(s.y, s.v, None, np.array([0, s.k]), "REML")[0, 2]), estimate=estimate, se=se,
        interval=(estimate - half, estimate + half), favoured=favoured, statistic=statistic, df=float(df),
        p_value=math.nan if math.isnan(statistic) else t_outside(statistic, df) if math.isfinite(statistic) else 0.0, test="t",
        predictor=predictor, x=np.sqrt(s.v) if predictor == "SE" else s.v, weights=100 * w / w.sum(), slope=found["slope"],
        slope_se=found["slope_se"], chosen=chosen, conditional_p=p, warnings=(*s.notes, *notes),
        call=taken.record(verb, favoured=favoured or None), origin=s.origin,
    )  # fmt: skip


def _line(predictor: str, y: np.ndarray, v: np.ndarray, name: str) -> dict[str, float]:
    x = np.sqrt(v) if predictor == "SE" else v
    found = {n: float(a[0]) for n, a in lines(y, x, 1 / v, np.array([0, len(y)])).items()}
    if math.isnan(found["slope"]):
        raise flat(name, predictor)
    return found


def pet_peese_groups(
    y: np.ndarray, v: np.ndarray, start: np.ndarray, sign: int, null: float | None, level: float
) -> dict[str, np.ndarray]:
    """`pet_peese` of studies ``start[b]`` to ``start[b + 1]``: estimate, se, ci_low, ci_high, statistic, df and p_value.

    NaN where the standard errors of a group are all the same, or where it has fewer than three studies.
    """
    from scipy.special import stdtr

    k = np.diff(start)
    df = np.maximum(k - 2, 1)
    pet, peese = (lines(y, x, 1 / v, start) for x in (np.sqrt(v), v))
    with np.errstate(divide="ignore", invalid="ignore"):
        towards = sign * (pet["limit"] - (null or 0.0)) / pet["limit_se"]
        taken = stdtr(df, -towards) < CUT
        estimate, se = (np.where(taken, peese[n], pet[n]) for n in ("limit", "limit_se"))
        statistic = np.full(len(k), np.nan) if null is None else (estimate - null) / se
    reach = np.zeros(int(df.max()) + 1)
    reach[np.unique(df)] = [quantile(level, int(n)) for n in np.unique(df).tolist()]
    half = reach[df] * se
    return {
        "estimate": estimate, "se": se, "ci_low": estimate - half, "ci_high": estimate + half, "statistic": statistic,
        "df": df.astype(float), "p_value": 2 * stdtr(df, -np.abs(statistic)),
    }  # fmt: skip

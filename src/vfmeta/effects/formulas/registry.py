"""Which function makes which measure from which columns; all other facts of a measure stand in `vfmeta.core.measures`."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from vfmeta.core.measures import Measure, add
from vfmeta.effects.formulas import (
    change,
    correlations,
    hazards,
    proportions,
    rates,
    single_means,
    two_events,
    two_means,
    variability,
)
from vfmeta.effects.formulas.common import Column, Effects, ZeroRule

Formula = Callable[..., Effects]


def _smd_from_t(t: np.ndarray, n1: np.ndarray, n2: np.ndarray, **options: object) -> Effects:
    return two_means.from_d(two_means.d_from_t(t, n1, n2), n1, n2, **options)  # type: ignore[arg-type]


def _smd_from_p(p: np.ndarray, n1: np.ndarray, n2: np.ndarray, **options: object) -> Effects:
    return _smd_from_t(two_means.t_from_p(p, n1, n2), n1, n2, **options)


def _smcc_from_t(t: np.ndarray, n: np.ndarray, *, correct: bool = True) -> Effects:
    return change.change_score_standardised(t / np.sqrt(n), np.ones_like(n), n, correct=correct)


def _of_means(make: Formula) -> Formula:
    """A function of Cohen's d and the sizes, as one of means, SDs and sizes."""

    def made(m1: Column, sd1: Column, n1: Column, m2: Column, sd2: Column, n2: Column) -> Effects:
        return make(np.subtract(m1, m2) / two_means.pooled_sd(sd1, n1, sd2, n2), n1, n2)

    return made


def _of_both(make: Formula) -> Formula:
    """A function of the mean change, its SD and n, as one of both measurements and their correlation."""

    def made(post: Column, sd_post: Column, pre: Column, sd_pre: Column, n: Column, r: Column, **options: object) -> Effects:
        return make(np.subtract(post, pre), change.sd_of_change(sd_pre, sd_post, r), n, **options)

    return made


_D2ORN = partial(two_means.d_as_log_odds_ratio, factor=two_means.COX)
#: functions by measure, one for each of its sets of columns
FORMULAS: dict[str, tuple[Formula, ...]] = {
    "MD": (two_means.mean_difference,),
    "SMD": (two_means.standardised_mean_difference, two_means.from_d, _smd_from_t, _smd_from_p),
    "SMDH": (two_means.smd_unequal_variances,),
    "SMD1": (two_means.glass_delta,),
    "SMD1H": (two_means.glass_delta_unequal_variances,),
    "ROM": (two_means.log_ratio_of_means,),
    "VR": (variability.log_sd_ratio,),
    "CVR": (variability.log_cv_ratio,),
    "CLES": (two_means.probability_of_superiority,),
    "AUC": (two_means.probability_of_superiority,),
    "D2OR": (_of_means(two_means.d_as_log_odds_ratio), two_means.d_as_log_odds_ratio),
    "D2ORN": (_of_means(_D2ORN), _D2ORN),
    "RR": (two_events.log_risk_ratio,),
    "OR": (two_events.log_odds_ratio,),
    "RD": (two_events.risk_difference,),
    "AS": (two_events.arcsine_difference,),
    "PETO": (two_events.peto_log_odds_ratio,),
    "PHI": (two_events.phi_coefficient,),
    "OR2D": (two_events.odds_ratio_as_d,),
    "OR2DN": (partial(two_events.odds_ratio_as_d, factor=two_means.COX),),
    "HR": (hazards.from_interval, hazards.from_log_rank, hazards.from_p_and_events, hazards.from_p_and_sizes),
    "IRR": (rates.log_rate_ratio,),
    "IRD": (rates.rate_difference,),
    "IRSD": (rates.root_rate_difference,),
    "COR": (correlations.correlation,),
    "UCOR": (partial(correlations.correlation, unbiased=True),),
    "ZCOR": (correlations.fisher_z,),
    "PR": (proportions.proportion,),
    "PLN": (proportions.log_proportion,),
    "PLO": (proportions.logit_proportion,),
    "PAS": (proportions.arcsine_proportion,),
    "PFT": (proportions.double_arcsine,),
    "IR": (rates.rate,),
    "IRLN": (rates.log_rate,),
    "IRS": (rates.root_rate,),
    "IRFT": (rates.freeman_tukey_rate,),
    "MN": (single_means.mean,),
    "SMN": (single_means.standardised_mean,),
    "MNLN": (single_means.log_mean,),
    "CVLN": (variability.log_cv,),
    "SDLN": (variability.log_sd,),
    "MC": (_of_both(change.mean_change), change.mean_change),
    "SMCC": (_of_both(change.change_score_standardised), change.change_score_standardised, _smcc_from_t),
    "SMCR": (change.baseline_standardised,),
    "SMCRH": (change.baseline_standardised_unequal,),
    "SMCRP": (change.average_standardised,),
    "SMCRPH": (partial(change.average_standardised, unequal=True),),
    "ROMC": (change.log_ratio_of_means,),
    "VRC": (change.log_sd_ratio,),
    "CVRC": (change.log_cv_ratio,),
}


def register(measure: Measure, *formulas: Formula) -> None:
    """Enter a new measure with its functions, one for each of ``measure.inputs``."""
    if len(formulas) != len(measure.inputs):
        raise ValueError(f"{measure.code} has {len(measure.inputs)} sets of columns and {len(formulas)} functions.")
    add(measure)
    FORMULAS[measure.code] = formulas


def compute(measure: Measure, columns: dict[str, np.ndarray], *, vtype: str, correct: bool, zero: ZeroRule) -> Effects:
    """``y`` and ``v`` of shape (k,); NaN or infinite where the measure does not exist."""
    names = measure.layout(set(columns))
    options: dict = {}
    if len(measure.vtypes) > 1:
        options["vtype"] = vtype
    if measure.corrected:
        options["correct"] = correct
    if measure.zero is not None:
        options["zero"] = zero
    formula = FORMULAS[measure.code][measure.inputs.index(names)]
    with np.errstate(all="ignore"):  # what does not exist is named by the caller
        y, v = formula(*(columns[x] for x in names), **options)
    return np.asarray(y, float), np.asarray(v, float)

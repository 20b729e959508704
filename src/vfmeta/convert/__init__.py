"""Conversions: one effect into another, test statistics and intervals into effects, medians into means, groups into one.

Arrays (or single numbers) in, arrays out. Ratios are on the log scale wherever a ``y`` and ``v`` pair is meant.
"""

from vfmeta.convert.combine import combine_effects, combine_events, combine_groups
from vfmeta.convert.measures import (
    d_to_log_odds_ratio,
    d_to_overlap,
    d_to_r,
    log_odds_ratio_to_d,
    log_odds_ratio_to_log_risk_ratio,
    log_odds_ratio_to_tetrachoric,
    log_risk_ratio_to_log_odds_ratio,
    r_to_d,
    risk_from_ratio,
)
from vfmeta.convert.quantiles import mean_sd_from_quantiles
from vfmeta.convert.statistics import correlation_of_change, d_from_f, d_from_p, d_from_t, r_from_t, two_by_two, wald
from vfmeta.convert.transformations import (
    arcsine,
    back_transform,
    double_arcsine,
    expit,
    inverse_arcsine,
    inverse_double_arcsine,
    logit,
    mean_back_transform,
    r_to_z,
    z_to_r,
)

__all__ = [
    "arcsine",
    "back_transform",
    "combine_effects",
    "combine_events",
    "combine_groups",
    "correlation_of_change",
    "d_from_f",
    "d_from_p",
    "d_from_t",
    "d_to_log_odds_ratio",
    "d_to_overlap",
    "d_to_r",
    "double_arcsine",
    "expit",
    "inverse_arcsine",
    "inverse_double_arcsine",
    "log_odds_ratio_to_d",
    "log_odds_ratio_to_log_risk_ratio",
    "log_odds_ratio_to_tetrachoric",
    "log_risk_ratio_to_log_odds_ratio",
    "logit",
    "mean_back_transform",
    "mean_sd_from_quantiles",
    "r_from_t",
    "r_to_d",
    "r_to_z",
    "risk_from_ratio",
    "two_by_two",
    "wald",
    "z_to_r",
]

"""Frequentist engine: common-effect and random-effects pooling."""

from __future__ import annotations

from vfmeta.frequentist.after_fit import baujat, blups, influence, profile_likelihood, residuals
from vfmeta.frequentist.count_models import glmm
from vfmeta.frequentist.count_result import CountRegressionResult, CountResult
from vfmeta.frequentist.dependent import (
    MultivariateResult,
    RobustResult,
    che,
    component_intervals,
    multivariate,
    robust,
    sampling_covariance,
)
from vfmeta.frequentist.location_scale import LocationScaleResult, location_scale
from vfmeta.frequentist.many import random_effects_many
from vfmeta.frequentist.metaregression import meta_regression
from vfmeta.frequentist.model_comparison import likelihood_ratio
from vfmeta.frequentist.overdispersed import beta_binomial
from vfmeta.frequentist.permutation import permutation_test
from vfmeta.frequentist.pooled_tables import mantel_haenszel, peto
from vfmeta.frequentist.regression_result import RegressionResult
from vfmeta.frequentist.resampling import bootstrap
from vfmeta.frequentist.subgroups import SubgroupResult, subgroups
from vfmeta.frequentist.subsets import all_subsets, cumulative, leave_one_out
from vfmeta.frequentist.univariate import common_effect, random_effects

__all__ = [
    "CountRegressionResult",
    "CountResult",
    "LocationScaleResult",
    "MultivariateResult",
    "RegressionResult",
    "RobustResult",
    "SubgroupResult",
    "all_subsets",
    "baujat",
    "beta_binomial",
    "blups",
    "bootstrap",
    "che",
    "common_effect",
    "component_intervals",
    "cumulative",
    "glmm",
    "influence",
    "leave_one_out",
    "likelihood_ratio",
    "location_scale",
    "mantel_haenszel",
    "meta_regression",
    "multivariate",
    "permutation_test",
    "peto",
    "profile_likelihood",
    "random_effects",
    "random_effects_many",
    "residuals",
    "robust",
    "sampling_covariance",
    "subgroups",
]

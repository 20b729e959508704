"""Prior distributions for the mean effect (mu) and the between-study standard deviation (tau), stated in words.

All scales are on the analysis scale of the effects: points for an MD, log units for ratios. The families live in
`tau`, `log_tau`, `reference` and `mu`, those read in papers in `published`, those made from a statement in `elicited`.
"""

from __future__ import annotations

from vfmeta.priors.defaults import default_mu, default_tau
from vfmeta.priors.elicited import mu_within, tau_below, trials_within
from vfmeta.priors.log_tau import LogNormal, LogT
from vfmeta.priors.mu import Flat, Mixture, MuPrior, Normal, StudentT
from vfmeta.priors.published import rhodes2015, turner2015
from vfmeta.priors.reference import Conventional, DuMouchel, Jeffreys, Shrinkage
from vfmeta.priors.tau import Exponential, HalfCauchy, HalfNormal, HalfT, InverseGamma, TauPrior, Uniform

__all__ = [
    "Conventional", "DuMouchel", "Exponential", "Flat", "HalfCauchy", "HalfNormal", "HalfT", "InverseGamma", "Jeffreys",
    "LogNormal", "LogT", "Mixture", "MuPrior", "Normal", "Shrinkage", "StudentT", "TauPrior", "Uniform", "default_mu",
    "default_tau", "mu_within", "rhodes2015", "tau_below", "trials_within", "turner2015",
]  # fmt: skip

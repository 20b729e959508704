"""Prior distributions for the mean effect (mu) and the between-study standard deviation (tau), stated in words.

All scales are on the analysis scale of the effects: points for an MD, log units for ratios. A family is one file with all its
faces (`family` says what they are); the priors read in papers are in `published`, those made from a statement in `elicited`.
"""

from __future__ import annotations

import importlib
import pkgutil

from vfmeta.priors.conventional import Conventional
from vfmeta.priors.defaults import default_mu, default_tau
from vfmeta.priors.dumouchel import DuMouchel
from vfmeta.priors.elicited import mu_within, tau_below, trials_within
from vfmeta.priors.exponential import Exponential
from vfmeta.priors.family import MuPrior, TauPrior, families, from_dict
from vfmeta.priors.flat import Flat
from vfmeta.priors.half_cauchy import HalfCauchy
from vfmeta.priors.half_normal import HalfNormal
from vfmeta.priors.half_t import HalfT
from vfmeta.priors.instrument_sd import InstrumentSD
from vfmeta.priors.inverse_gamma import InverseGamma
from vfmeta.priors.jeffreys import Jeffreys
from vfmeta.priors.log_normal import LogNormal
from vfmeta.priors.log_t import LogT
from vfmeta.priors.mixture import Mixture
from vfmeta.priors.normal import Normal
from vfmeta.priors.published import rhodes2015, turner2015
from vfmeta.priors.shrinkage import Shrinkage
from vfmeta.priors.student_t import StudentT
from vfmeta.priors.uniform import Uniform

__all__ = [
    "Conventional", "DuMouchel", "Exponential", "Flat", "HalfCauchy", "HalfNormal", "HalfT", "InstrumentSD", "InverseGamma",
    "Jeffreys", "LogNormal", "LogT", "Mixture", "MuPrior", "Normal", "Shrinkage", "StudentT", "TauPrior", "Uniform",
    "default_mu", "default_tau", "families", "from_dict", "mu_within", "rhodes2015", "tau_below", "trials_within", "turner2015",
]  # fmt: skip

for _file in pkgutil.iter_modules(__path__):  # a family of its own is known by its name to plans and JSON
    importlib.import_module(f"{__name__}.{_file.name}")

"""Arrays in, arrays out: batched meta-analysis kernels. A single fit is a batch of one."""

from __future__ import annotations

from vfmeta.kernels.estimators import ESTIMATORS
from vfmeta.kernels.heterogeneity import (
    TAU2,
    cochran_q,
    i2,
    i2_from_q,
    q_profile,
    tau2_dl,
    tau2_pm,
    tau2_reml,
    typical_variance,
)
from vfmeta.kernels.pooling import hartung_knapp_q, pool
from vfmeta.kernels.roots import ConvergenceError, bracketed_roots

__all__ = [
    "ESTIMATORS",
    "TAU2",
    "ConvergenceError",
    "bracketed_roots",
    "cochran_q",
    "hartung_knapp_q",
    "i2",
    "i2_from_q",
    "pool",
    "q_profile",
    "tau2_dl",
    "tau2_pm",
    "tau2_reml",
    "typical_variance",
]

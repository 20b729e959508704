"""Arrays in, arrays out: batched meta-analysis kernels. A single fit is a batch of one."""

from __future__ import annotations

from vfmeta.kernels.estimators import ESTIMATORS
from vfmeta.kernels.roots import ConvergenceError, bracketed_roots

__all__ = ["ESTIMATORS", "ConvergenceError", "bracketed_roots"]

"""The one place that knows which PyMC and ArviZ are installed (PyMC 5 with ArviZ 0.23, or PyMC 6 with ArviZ 1).

Nothing here relies on a default that differs between them: interval kinds and probabilities are always passed or computed.
"""

from __future__ import annotations

import os
import sys
import warnings
from typing import Any

import numpy as np


def load() -> tuple[Any, Any]:
    """PyMC and nutpie, imported without a search for a C compiler (the numba backend needs none).

    PyTensor reads ``PYTENSOR_FLAGS`` once, when it is first imported; the variable is put back afterwards.
    """
    if "pytensor" not in sys.modules:
        before = os.environ.get("PYTENSOR_FLAGS")
        if "cxx=" not in (before or ""):
            os.environ["PYTENSOR_FLAGS"] = f"{before},cxx=" if before else "cxx="
        try:
            return _import()
        finally:
            if before is None:
                os.environ.pop("PYTENSOR_FLAGS", None)
            else:
                os.environ["PYTENSOR_FLAGS"] = before
    return _import()


def _import() -> tuple[Any, Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        warnings.simplefilter("ignore", DeprecationWarning)
        import nutpie
        import pymc
    return pymc, nutpie


def draws_of(trace: Any, *names: str) -> list[np.ndarray]:
    """Draws of named variables from an InferenceData or DataTree; each of shape (chains, draws, ...)."""
    return [np.asarray(trace["posterior"][name].values, dtype=float) for name in names]


def sampler_stats(trace: Any) -> tuple[np.ndarray, np.ndarray]:
    """Which transitions diverged, and the energy of every draw; both of shape (chains, draws)."""
    stats = trace["sample_stats"]
    return np.asarray(stats["diverging"].values, dtype=bool), np.asarray(stats["energy"].values, dtype=float)


def rhat(x: np.ndarray) -> float:
    """Rank-normalised split R-hat (Vehtari et al. 2021, Bayesian Analysis 16:667-718) of draws (chains, draws)."""
    import arviz as az

    return float(np.squeeze(az.rhat(x, method="rank")))


def ess(x: np.ndarray, kind: str = "bulk") -> float:
    """Effective sample size: "bulk", "tail" (the worse of the 5% and 95% quantiles) or "mean" (Vehtari et al. 2021)."""
    import arviz as az

    if kind == "tail":
        return min(float(np.squeeze(az.ess(x, method="quantile", prob=p))) for p in (0.05, 0.95))
    return float(np.squeeze(az.ess(x, method=kind)))


def to_arviz(groups: dict[str, dict[str, np.ndarray]], coords: dict[str, Any], dims: dict[str, list[str]]) -> Any:
    """ArviZ's own container with the groups given: a DataTree with ArviZ 1, an InferenceData before."""
    import arviz as az

    if int(az.__version__.split(".")[0]) >= 1:
        return az.from_dict(groups, coords=coords, dims=dims)
    return az.from_dict(**groups, coords=coords, dims=dims)

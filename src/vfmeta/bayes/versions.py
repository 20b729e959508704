"""The one place that knows which PyMC and ArviZ are installed (PyMC 5 with ArviZ 0.23, or PyMC 6 with ArviZ 1).

Nothing here relies on a default that differs between them: interval kinds and probabilities are always passed or computed.
"""

from __future__ import annotations

import importlib
import logging
import os
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np


def load() -> tuple[Any, Any]:
    """PyMC and nutpie; see `load_pymc`."""
    pymc = load_pymc()
    return pymc, load_nutpie()


def load_pymc() -> Any:
    """PyMC, imported without a search for a C compiler (the numba backend needs none).

    PyTensor reads ``PYTENSOR_FLAGS`` once, when it is first imported; the variable is put back afterwards.
    """
    if "pytensor" in sys.modules:
        return _quietly("pymc")
    before = os.environ.get("PYTENSOR_FLAGS")
    if "cxx=" not in (before or ""):
        os.environ["PYTENSOR_FLAGS"] = f"{before},cxx=" if before else "cxx="
    try:
        return _quietly("pymc")
    finally:
        if before is None:
            os.environ.pop("PYTENSOR_FLAGS", None)
        else:
            os.environ["PYTENSOR_FLAGS"] = before


def load_nutpie() -> Any:
    """The sampler nutpie; raises ImportError where it is not installed. PyMC has to be loaded first."""
    return _quietly("nutpie")


def _quietly(name: str) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        warnings.simplefilter("ignore", DeprecationWarning)
        return importlib.import_module(name)


@contextmanager
def hushed() -> Iterator[None]:
    """PyMC without its own lines on the terminal; what there is to say is said by the gate."""
    log = logging.getLogger("pymc")
    before = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        log.setLevel(before)


@contextmanager
def strict() -> Iterator[None]:
    """Models compiled here add and multiply in the order in which they were written.

    PyTensor lets the compiler reorder sums as it likes, and what it likes hangs on which parts of a model it finds compiled
    already, in this process or on disk: the same seed then gives other last digits. The PyTensor of PyMC 5 is worse: a model
    compiled after another with the same data names can be given a part of that one, and its draws are of neither.
    """
    import pymc
    import pytensor

    flags = {"numba__fastmath": False}
    if int(pymc.__version__.split(".")[0]) < 6:
        flags["numba__cache"] = False
    with pytensor.config.change_flags(**flags):
        yield


def draws_of(trace: Any, *names: str) -> list[np.ndarray]:
    """Draws of named variables from an InferenceData or DataTree; each of shape (chains, draws, ...)."""
    return [np.asarray(trace["posterior"][name].values, dtype=float) for name in names]


def sampler_stats(trace: Any) -> tuple[np.ndarray, np.ndarray]:
    """Which transitions diverged, and the energy of every draw; both of shape (chains, draws)."""
    stats = trace["sample_stats"]
    return np.asarray(stats["diverging"].values, dtype=bool), np.asarray(stats["energy"].values, dtype=float)


def containers_of(compiled: Any) -> set[str]:
    """Names of the data containers that a model compiled by nutpie reads."""
    keys = getattr(compiled, "shared_var_keys", None)
    return set(compiled.shared_data) if keys is None else {variable.name for variable in keys}


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


def quantile_error(x: np.ndarray, p: float) -> float:
    """Monte Carlo standard error of a quantile of draws (chains, draws) (Vehtari et al. 2021)."""
    import arviz as az

    return float(np.squeeze(az.mcse(x, method="quantile", prob=p)))


def to_arviz(
    groups: Mapping[str, Mapping[str, np.ndarray]], coords: Mapping[str, Any], dims: Mapping[str, Sequence[str]]
) -> Any:
    """ArviZ's own container with the groups given: a DataTree with ArviZ 1, an InferenceData before."""
    import arviz as az

    given = {group: dict(values) for group, values in groups.items() if values}
    names, places = dict(coords), {name: list(d) for name, d in dims.items()}
    if is_tree():
        return az.from_dict(given, coords=names, dims=places)
    late = {group: given.pop(group) for group in ("log_prior",) if group in given}
    made = az.from_dict(**given, coords=names, dims=places)
    for group, values in late.items():
        made.add_groups({group: values}, coords=names, dims=places)
    return made


def is_tree() -> bool:
    """Whether ArviZ's container is a DataTree (ArviZ 1 and later)."""
    import arviz as az

    return int(az.__version__.split(".")[0]) >= 1


def loo(container: Any, variable: str) -> Any:
    """PSIS-LOO of one observed variable, pointwise (Vehtari, Gelman & Gabry 2017, Stat Comput 27:1413-1432)."""
    import arviz as az

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what it warns of is said in words by the caller
        if is_tree():
            return az.loo(container, pointwise=True, var_name=variable)
        return az.loo(container, pointwise=True, var_name=variable, scale="log")


def power_sensitivity(container: Any, variables: Sequence[str], component: str) -> dict[str, np.ndarray]:
    """Power-scaling sensitivity to "prior" or "likelihood" of every variable, in the shape of the variable.

    Kallioinen, Paananen, Bürkner & Vehtari 2024, Stat Comput 34:57.
    """
    import arviz as az

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if is_tree():
            found = az.psense(container, var_names=list(variables), group=component, alphas=(0.99, 1.01))
            found = found["posterior"] if "posterior" in getattr(found, "children", ()) else found
        else:
            found = az.psens(container, component=component, var_names=list(variables))
    return {name: np.asarray(found[name].values, dtype=float) for name in variables}

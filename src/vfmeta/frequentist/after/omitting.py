"""The same pool on part of its studies: each left out in turn, added one by one, every subset."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from vfmeta.core.messages import InputError, kind_of
from vfmeta.core.params import Test, choices, generator, whole
from vfmeta.frequentist.tidy import fit_columns
from vfmeta.kernels import estimators
from vfmeta.results.fit import FrequentistResult
from vfmeta.results.frames import noted, one_scale
from vfmeta.results.single_studies import alone

if TYPE_CHECKING:
    import pandas as pd

_MOST_STUDIES = 62  # bits of a mask
_MOST_SUBSETS = 1 << 24


def serves(fit: Any) -> bool:
    """Whether this is a pool of effects, which the compiled kernels fit on parts of its studies."""
    return _is_pool(fit) and fit.test in choices(Test)


def _is_pool(fit: Any) -> bool:
    return isinstance(fit, FrequentistResult) and fit.call.get("function") in ("random_effects", "common_effect")


def leave_out(fit: FrequentistResult) -> dict[str, Any]:
    """Columns of the pool without each study in turn; see `vfmeta.leave_one_out`."""
    tau2, weights = _choices(fit)
    out = estimators.fit_leaving_one_out(fit.y, fit.v, tau2, weights=weights)
    return {"study": list(fit.labels), **_columns(fit, out, np.full(fit.k, fit.k - 1), np.arange(fit.k)[::-1])}


def cumulate(fit: FrequentistResult, steps: np.ndarray) -> dict[str, Any]:
    """Columns of the pool of the first study of ``steps`` (k,), of the first two, ...; see `vfmeta.cumulative`."""
    tau2, weights = _choices(fit)
    out = estimators.fit_cumulating(fit.y, fit.v, steps, tau2, weights=weights)
    return {"study": [fit.labels[i] for i in steps], **_columns(fit, out, np.arange(1, fit.k + 1), steps)}


def all_subsets(fit: FrequentistResult, *, draws: int | None = None, seed: int = 1) -> pd.DataFrame:
    """The pool of every non-empty subset of the studies (GOSH: Olkin, Dahabreh & Trikalinos 2012, Res Synth Methods 3:214-223).

    Parameters
    ----------
    fit : FrequentistResult
        From `random_effects` or `common_effect`, of at most 62 studies; its model and estimator of tau2 are kept.
    draws : int, optional
        So many subsets drawn at random (each equally likely, with replacement) instead of all 2^k - 1; needed above 24 studies.
    seed : int
        Makes the draw repeatable.

    Returns
    -------
    DataFrame
        One row a subset: ``mask`` (bit i set: study i takes part), k, estimate, se (1 / sqrt(sum w), or that of user weights),
        tau2, i2, q, and ``scale`` that names what the estimates are on. tau2 and i2 of a single study are NaN.

    Examples
    --------
    >>> import vfmeta as vf
    >>> fit = vf.common_effect(y=[-0.5, -0.3, -0.8], se=[0.2, 0.15, 0.3])
    >>> vf.all_subsets(fit)["k"].tolist()
    [1, 1, 2, 1, 2, 2, 3]
    """
    import pandas as pd

    tau2, weights = _choices(fit)
    k = fit.k
    if k > _MOST_STUDIES:
        raise InputError(f"{k} studies are more than the {_MOST_STUDIES} that the subsets of a pool are counted for.")
    if draws is None:
        if 1 << k > _MOST_SUBSETS:
            raise InputError(
                f"{k} studies have {2**k - 1:.2g} subsets; pass draws=, such as draws=1_000_000, for a random part."
            )
        masks = np.arange(1, 1 << k, dtype=np.int64)
    else:
        whole("draws", draws, 1)
        masks = generator(seed).integers(1, 1 << k, draws, dtype=np.int64)
    out = estimators.fit_subsets(fit.y, fit.v, masks, tau2, weights=weights)
    sizes = np.bitwise_count(masks).astype(np.int64)
    q, found = out[:, 5], out[:, 0]
    with np.errstate(invalid="ignore", divide="ignore"):
        if _model(fit) == "common":
            i2 = np.where(sizes > 1, np.maximum(100 * (1 - (sizes - 1) / q), 0.0), np.nan)
            i2[(sizes > 1) & (q == 0)] = 0.0
        else:
            i2 = 100 * (found / (found + out[:, 6]))
    columns = {"mask": masks, "k": sizes, "estimate": out[:, 2], "se": out[:, 3], "tau2": found, "i2": i2, "q": q}
    return noted(pd.DataFrame(columns | {"scale": one_scale(fit.question, len(masks))}, copy=False))


def _choices(fit: Any) -> tuple[str | float, np.ndarray | None]:
    """Estimator and user weights of a fit."""
    if not _is_pool(fit):
        raise InputError(f"fit is {kind_of(fit)}; it must be what random_effects or common_effect returned.")
    return fit.call.get("tau2", fit.call.get("method", "common")), fit.weights if "weights" in fit.call else None


def _model(fit: FrequentistResult) -> str:
    return "common" if fit.call["function"] == "common_effect" else "random"


def _columns(fit: FrequentistResult, out: np.ndarray, k: np.ndarray, study: np.ndarray) -> dict[str, np.ndarray]:
    """Of the pools of ``k`` studies; one of a single study is that of ``study``, with its own limits and test."""
    found = fit_columns(out, k, _model(fit), fit.call["test"], fit.level, _null(fit))
    for row in np.flatnonzero(k == 1).tolist():
        i = int(study[row])
        own = alone(fit.question, fit.labels[i], fit.y[i : i + 1], fit.v[i : i + 1], fit.details[i : i + 1], fit.level)
        found["ci_low"][row], found["ci_high"][row] = own.interval
        if own.test != "Wald":
            found["statistic"][row], found["p_value"][row] = own.statistic, own.p_value
            found["df"][row] = np.nan if own.df is None else own.df
    return found


def _null(fit: FrequentistResult) -> float:
    null = fit.question.null_effect
    return math.nan if null is None else null

"""The same pool on part of its studies: each left out in turn, added one by one, every subset."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from vfmeta.core.messages import InputError
from vfmeta.core.params import OnScale, whole
from vfmeta.frequentist.multivariate import deletion
from vfmeta.frequentist.multivariate.result import MultivariateResult
from vfmeta.frequentist.tidy import fit_columns
from vfmeta.kernels import estimators
from vfmeta.results.fit import FrequentistResult
from vfmeta.results.frames import scaled

if TYPE_CHECKING:
    import pandas as pd

_MOST_STUDIES = 62  # bits of a mask
_MOST_SUBSETS = 1 << 24


def leave_one_out(
    fit: FrequentistResult | MultivariateResult, cluster: Any = None, *, on: OnScale = "analysis"
) -> pd.DataFrame:
    """The pool without each study in turn.

    Parameters
    ----------
    fit : FrequentistResult or MultivariateResult
        From `random_effects` or `common_effect`, of at least two studies, or from `multivariate`. Its choices (tau2, interval,
        level, weights) are kept.
    cluster : column name or sequence of k values, optional
        For `multivariate`: what is left out together, such as a trial with all its effects; single effects when left out.
    on : {"analysis", "read"}
        Scale of the effects: that of the analysis, or the one people read (ratios as ratios).

    Returns
    -------
    DataFrame
        One row a study, in the order of the fit: ``study`` (the one left out), k, estimate, se, ci_low, ci_high, statistic, df,
        p_value, tau2, i2, h2, q, q_df, q_p_value, as in `random_effects_many`, and scale. From `multivariate` a row a
        coefficient: study, term, k, estimate, se, ci_low, ci_high, statistic, p_value, every variance and correlation, scale.
    """
    if isinstance(fit, MultivariateResult):
        found = deletion.leave_out(fit, cluster)
        return scaled(found, fit.question, on, slopes=fit.terms != ("Intercept",))
    if cluster is not None:
        raise InputError("cluster= is for fits of vf.multivariate; a study here is one effect.")
    tau2, weights = _choices(fit)
    if fit.k < 2:
        raise InputError("One study only: leaving it out leaves nothing to pool.")
    out = estimators.fit_leaving_one_out(fit.y, fit.v, tau2, weights=weights)
    columns = _columns(fit, out, np.full(fit.k, fit.k - 1))
    return scaled({"study": list(fit.labels), **columns}, fit.question, on)


def cumulative(fit: FrequentistResult, order: Sequence[Any] | None = None, *, on: OnScale = "analysis") -> pd.DataFrame:
    """The pool of the first study, the first two, ... (Lau et al. 1992, NEJM 327:248-254).

    Parameters
    ----------
    fit : FrequentistResult
        From `random_effects` or `common_effect`; its choices are kept.
    order : sequence of k labels or of k positions (from 0), optional
        Every study once, in the order they are added, as ``np.argsort(year)`` gives it; the order of the fit when left out.
    on : {"analysis", "read"}
        Scale of the effects, as of `leave_one_out`.

    Returns
    -------
    DataFrame
        ``study`` (the one added) and the columns of `leave_one_out`. The first row is the first study itself.
    """
    tau2, weights = _choices(fit)
    steps = _order(fit, order)
    out = estimators.fit_cumulating(fit.y, fit.v, steps, tau2, weights=weights)
    columns = _columns(fit, out, np.arange(1, fit.k + 1))
    return scaled({"study": [fit.labels[i] for i in steps], **columns}, fit.question, on)


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
        tau2, i2, q. tau2 and i2 of a single study are NaN.
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
        masks = np.random.default_rng(seed).integers(1, 1 << k, draws, dtype=np.int64)
    out = estimators.fit_subsets(fit.y, fit.v, masks, tau2, weights=weights)
    sizes = np.bitwise_count(masks).astype(np.int64)
    q, found = out[:, 5], out[:, 0]
    with np.errstate(invalid="ignore", divide="ignore"):
        if _model(fit) == "common":
            i2 = np.where(sizes > 1, np.maximum(100 * (1 - (sizes - 1) / q), 0.0), np.nan)
            i2[(sizes > 1) & (q == 0)] = 0.0
        else:
            i2 = 100 * (found / (found + out[:, 6]))
    return pd.DataFrame(
        {"mask": masks, "k": sizes, "estimate": out[:, 2], "se": out[:, 3], "tau2": found, "i2": i2, "q": q}, copy=False
    )


def _choices(fit: Any) -> tuple[str | float, np.ndarray | None]:
    """Estimator and user weights of a fit."""
    if not isinstance(fit, FrequentistResult) or fit.call.get("function") not in ("random_effects", "common_effect"):
        raise InputError(f"fit is a {type(fit).__name__}; it must be what random_effects or common_effect returned.")
    return fit.call.get("tau2", fit.call.get("method", "common")), fit.weights if "weights" in fit.call else None


def _model(fit: FrequentistResult) -> str:
    return "common" if fit.call["function"] == "common_effect" else "random"


def _columns(fit: FrequentistResult, out: np.ndarray, k: np.ndarray) -> dict[str, np.ndarray]:
    return fit_columns(out, k, _model(fit), fit.call["test"], fit.level, fit.question.null_effect or 0.0)


def _order(fit: FrequentistResult, order: Sequence[Any] | None) -> np.ndarray:
    if order is None:
        return np.arange(fit.k)
    given = list(order)
    if given and all(isinstance(x, str) for x in given):
        unknown = sorted({x for x in given if x not in fit.labels})
        if unknown:
            raise InputError(
                f"order names {', '.join(unknown)}, which the fit does not hold; its studies are {', '.join(fit.labels)}."
            )
        given = [fit.labels.index(x) for x in given]
    try:
        steps = [operator.index(x) for x in given]
    except TypeError:
        raise InputError("order must hold study labels, or positions counted from 0.") from None
    if sorted(steps) != list(range(fit.k)):
        raise InputError(f"order must hold each of the {fit.k} studies once (positions 0 to {fit.k - 1}, or labels).")
    return np.array(steps)

"""Correlated and hierarchical effects: the working model for dependent effects whose correlations are not known."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from vfmeta.core.messages import InputError
from vfmeta.core.params import Likelihood, Missing, Robust
from vfmeta.core.question import Question
from vfmeta.frequentist.multivariate.model import multivariate
from vfmeta.frequentist.multivariate.robust import RobustResult, robust
from vfmeta.frequentist.multivariate.rows import known_vcov
from vfmeta.frequentist.multivariate.sampling import constant_correlation


def che(
    effects: Any = None,
    *,
    y: Any = None,
    v: Any = None,
    cluster: Any,
    rho: float | None = None,
    formula: str | None = None,
    x: Any = None,
    names: Sequence[str] | None = None,
    data: Any = None,
    method: Likelihood = "REML",
    kind: Robust = "CR2",
    level: float = 0.95,
    study: Sequence[Any] | None = None,
    question: Question | None = None,
    missing: Missing = "raise",
) -> RobustResult:
    """Correlated and hierarchical effects model with cluster-robust inference, in one call.

    Sampling errors inside a cluster all correlate by ``rho``; true effects vary between clusters and between the effects of a
    cluster; standard errors are robust against all of that being wrong. Repeat with other ``rho``: answers should hardly move.

    Parameters
    ----------
    effects : effect table, optional
        Or ``y`` and ``v``, array-like of shape (k,).
    cluster : column name or sequence of k values
        Trial or cohort that the effects belong to.
    rho : float, optional
        Assumed correlation of sampling errors inside a cluster, between 0 and 1. When left out, what the effect table itself
        knows of its covariance (``EffectTable.correlated``), or else 0.6.
    formula, x, names, data, method, level, labels, question, missing
        As in `multivariate`.
    kind : str
        As in `robust`; degrees of freedom are Satterthwaite's.

    Returns
    -------
    RobustResult
        Its ``model`` is the fitted working model, with the variances.

    References
    ----------
    Pustejovsky & Tipton 2022, Prev Sci 23:425-438.
    """
    import pandas as pd

    own = known_vcov(effects) if effects is not None and rho is None else None
    rho = 0.6 if rho is None else rho
    if isinstance(rho, bool) or not 0 <= rho < 1:
        raise InputError(f"rho={rho!r} must be at least 0 and below 1.")
    if effects is not None:
        if y is not None or v is not None or study is not None:
            raise InputError("Both an effect table and raw arrays (y, v, labels) were given; give one of the two.")
        y, v, study = effects.y, effects.v, effects.labels
        data = effects.frame if data is None else data
        question = question or getattr(effects, "question", None)
    if y is None or v is None:
        raise InputError("Give an effect table, or both y= (effects) and v= (their sampling variances).")
    frame = pd.DataFrame(data).reset_index(drop=True) if data is not None else pd.DataFrame(index=range(len(y)))
    if isinstance(cluster, str):
        if cluster not in frame:
            raise InputError(
                f"cluster={cluster!r} is no column of the data; it has {', '.join(map(str, frame.columns)) or 'none'}."
            )
        cluster = frame[cluster]
    if not len(y) == len(v) == len(cluster) == len(frame):
        raise InputError(
            f"y, v, cluster and data have {len(y)}, {len(v)}, {len(cluster)} and {len(frame)} rows; they must match."
        )
    frame["cluster"], frame["effect"] = list(cluster), np.arange(len(y))
    # rows that will be left out for a missing value, or refused by name, only need a place here
    known = np.array([float(s) if _is_number(s) else np.nan for s in v], dtype=float)
    place = frame["cluster"].where(frame["cluster"].notna(), "(missing)")
    bad = known <= 0
    V: Any = constant_correlation(np.where(bad, 1.0, known), list(place), float(rho)) if own is None else own
    if own is None and bad.any():
        V.setdiag(known)
    fit = multivariate(
        y=y, V=V, random="1 | cluster/effect", formula=formula, x=x, names=names, data=frame, method=method,
        level=level, study=study, question=question, missing=missing,
    )  # fmt: skip
    return robust(fit, "cluster", kind=kind)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float, np.number)) and not isinstance(value, bool)

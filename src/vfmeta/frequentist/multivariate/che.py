"""Correlated and hierarchical effects: the working model for dependent effects whose correlations are not known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from vfmeta.core.messages import InputError
from vfmeta.core.params import Likelihood, Missing, Robust
from vfmeta.core.question import Question
from vfmeta.effects import cells, covariance
from vfmeta.effects.given import given, is_table
from vfmeta.frequentist.multivariate.model import multivariate
from vfmeta.frequentist.multivariate.robust import RobustResult, robust
from vfmeta.frequentist.multivariate.sampling import constant_correlation


def che(
    data: Any = None,
    *,
    formula: str | None = None,
    y: Any = None,
    v: Any = None,
    se: Any = None,
    ci: Any = None,
    study: Any = None,
    cluster: Any,
    x: Any = None,
    names: Sequence[str] | None = None,
    rho: float | None = None,
    method: Likelihood = "REML",
    kind: Robust = "CR2",
    level: float = 0.95,
    question: Question | None = None,
    missing: Missing = "raise",
) -> RobustResult:
    """Correlated and hierarchical effects model with cluster-robust inference, in one call.

    Sampling errors inside a cluster all correlate by ``rho``; true effects vary between clusters and between the effects of a
    cluster; standard errors are robust against all of that being wrong. Repeat with other ``rho``: answers should hardly move.

    How often its tests reject and its intervals hold: ``reports/levels.md#che``.

    Parameters
    ----------
    data, y, v, se, ci, study
        As in `multivariate`.
    cluster : column name or sequence of k values
        Trial or cohort that the effects belong to.
    rho : float, optional
        Assumed correlation of sampling errors inside a cluster, between 0 and 1. When left out, what the effect table itself
        knows of its covariance (``EffectTable.correlated``), or else 0.6.
    formula, x, names, method, level, question, missing
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

    Examples
    --------
    >>> import vfmeta as vf
    >>> frame = {"y": [-1.2, -0.6, -0.3, -0.1, -0.9, -0.8], "v": [0.1] * 6, "trial": ["A", "A", "B", "B", "C", "C"]}
    >>> vf.che(frame, cluster="trial").clusters
    3
    """
    import pandas as pd

    own = covariance.known(data) if is_table(data) and rho is None else None
    rho = 0.6 if rho is None else rho
    if isinstance(rho, bool) or not isinstance(rho, (int, float, np.number)) or not 0 <= rho < 1:
        raise InputError(f"rho={rho!r} must be at least 0 and below 1.")
    g = given(data, y=y, v=v, se=se, ci=ci, study=study, question=question, once=False)
    found = g.rows.column(cluster, "cluster", np.arange(len(g.y)))
    frame = pd.DataFrame(index=range(len(g.y))) if g.rows.frame is None else g.rows.frame.reset_index(drop=True)
    values, gone = list(found.values), cells.empty(found.values)
    # columns of the data that happen to have these names stay what they are
    c, e = (n if n not in frame.columns or n == cluster else f"{n} of che" for n in ("cluster", "effect"))
    frame[c], frame[e] = [None if empty else x for x, empty in zip(values, gone, strict=True)], range(len(g.y))
    keep, _ = g.complete({found.shown: gone}, missing)
    if len(set(frame[c].iloc[keep])) == 1:
        raise InputError(
            f"There is one cluster only ({frame[c].iloc[keep[0]]}); errors robust to dependence within clusters need several."
        )
    # rows that will be left out for a missing value only need a place here
    known = np.full(len(g.y), np.nan)
    known[keep] = g.v[keep]
    place = frame[c].where(frame[c].notna(), "(missing)")
    V: Any = constant_correlation(known, list(place), float(rho)) if own is None else own
    fit = multivariate(
        frame, y=g.y, V=V, study=g.labels, random=f"1 | {c}/{e}", formula=formula, x=x, names=names, method=method,
        level=level, question=g.question, missing=missing,
    )  # fmt: skip
    # what lacks a value here lacks its place in V there
    own_gaps = dict(zip(np.setdiff1d(np.arange(len(g.y)), keep).tolist(), g.lost({found.shown: gone}), strict=True))
    gaps = zip(np.setdiff1d(np.arange(len(g.y)), fit.origin.places).tolist(), fit.origin.left_out, strict=True)
    fit = replace(fit, origin=g.rows.origin(fit.origin.places, tuple(own_gaps.get(i, x) for i, x in gaps)))
    return robust(fit, c, kind=kind)

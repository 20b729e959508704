"""Henmi and Copas' interval."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from vfmeta.appraisal.taken import take
from vfmeta.core.messages import InputError
from vfmeta.core.params import Missing
from vfmeta.core.question import Question
from vfmeta.kernels.estimators import fit_ragged
from vfmeta.kernels.henmi_copas import factor
from vfmeta.results.adjusted import HenmiCopas


def henmi_copas(
    data: Any = None,
    *,
    y: Any = None,
    v: Any = None,
    se: Any = None,
    ci: Any = None,
    study: Any = None,
    level: float | None = None,
    question: Question | None = None,
    missing: Missing = "raise",
) -> HenmiCopas:
    """Henmi and Copas' interval: the common-effect mean, which small studies move little, with heterogeneity in its error.

    How often its tests reject and its intervals hold: ``reports/levels.md#henmi_copas``.

    Parameters
    ----------
    data, y, v, se, ci, study, level, question, missing
        As of `egger`.

    Returns
    -------
    HenmiCopas

    Raises
    ------
    InputError
        One study only.

    Notes
    -----
    Henmi & Copas 2010, Stat Med 29:2969-2983: the mean and DerSimonian and Laird's tau2 are judged together, with Q given the
    mean taken as a gamma variable of the same mean and variance, which are exact here.

    Examples
    --------
    >>> import vfmeta as vf
    >>> found = vf.appraisal.henmi_copas(y=[-0.9, -0.2, -0.6, 0.1, -0.4], se=[0.4, 0.1, 0.3, 0.12, 0.2])
    >>> found.interval[0] < found.estimate < found.interval[1]
    True
    """
    taken = take("henmi_copas", data, level, y=y, v=v, se=se, ci=ci, study=study, question=question, missing=missing)
    s = taken.studies
    if s.k < 2:
        raise InputError("henmi_copas: one study has no heterogeneity to mind; it needs two.")
    batch = np.array([0, s.k])
    tau2 = float(fit_ragged(s.y, s.v, None, batch, "DL")[0, 0])
    pool = fit_ragged(s.y, s.v, None, batch, "REML")[0]
    w = 1 / s.v
    total = float(w.sum())
    mean, error = float(w @ s.y) / total, math.sqrt((1 + tau2 * float(w @ w) / total) / total)
    half = factor(s.v, tau2, taken.level) * error
    return HenmiCopas(
        question=s.question, name="Henmi and Copas' interval", method="common-effect mean, DL", level=taken.level,
        labels=s.labels, y=s.y, v=s.v, unadjusted=float(pool[2]), estimate=mean, se=error, interval=(mean - half, mean + half),
        tau2=tau2, warnings=s.notes, call=taken.record("henmi_copas"), origin=s.origin,
    )  # fmt: skip

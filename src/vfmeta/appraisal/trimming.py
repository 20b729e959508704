"""Duval and Tweedie's trim and fill."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np

from vfmeta.appraisal.taken import take
from vfmeta.core.messages import ConvergenceError, InputError, warn_each
from vfmeta.core.params import FunnelSide, MethodOrCommon, Missing, Test, TrimEstimator, choice
from vfmeta.core.question import Question
from vfmeta.effects.reading import Studies
from vfmeta.frequentist.choices import check_choices
from vfmeta.frequentist.pool import pool
from vfmeta.kernels.estimators import outside
from vfmeta.kernels.tau2 import ESTIMATORS
from vfmeta.kernels.trim_and_fill import error_of_lacking, trim
from vfmeta.results.small_studies import few_studies
from vfmeta.results.trim_and_fill import TrimAndFill


def trim_and_fill(
    data: Any = None,
    *,
    y: Any = None,
    v: Any = None,
    se: Any = None,
    ci: Any = None,
    study: Any = None,
    estimator: TrimEstimator = "L0",
    side: FunnelSide | None = None,
    method: MethodOrCommon | None = None,
    test: Test | None = None,
    level: float | None = None,
    question: Question | None = None,
    missing: Missing = "raise",
) -> TrimAndFill:
    """Trim and fill: how many studies a funnel lacks on one side, and the pool with mirror images in their place.

    How often its tests reject and its intervals hold: ``reports/levels.md#trim_and_fill``.

    Parameters
    ----------
    data, y, v, se, ci, study, level, question, missing
        As of `egger`.
    estimator : {"L0", "R0", "Q0"}
        Of the number of studies missing.
    side : {"left", "right"}, optional
        Where studies are missing, on the analysis scale; by default the side from which Egger's line leans away, so the left
        where effects rise with their standard errors.
    method, test : str, optional
        Of the pools, as of `vfmeta.random_effects`, or ``method="common"``; those of the fit when left out.

    Returns
    -------
    TrimAndFill
        With both pools, ``before`` and ``after``.

    Raises
    ------
    InputError
        Fewer than three studies; an estimator of tau2 that needs weights.
    ConvergenceError
        The number of missing studies goes round in a circle.

    Notes
    -----
    Duval & Tweedie 2000, Biometrics 56:455-463, and J Am Stat Assoc 95:89-98. Centre and tau2 are estimated anew, by the same
    method, whenever studies are trimmed; ranks of tied deviations follow the order of the effects. It is a sensitivity
    analysis, not a correction: where effects differ between studies it imputes some that never were.

    Examples
    --------
    >>> import vfmeta as vf
    >>> y = [-0.9, -0.2, -0.6, -0.1, -0.4, -0.3, -0.7, -0.2, -0.5, -0.1]
    >>> se = [0.5, 0.1, 0.4, 0.12, 0.2, 0.2, 0.35, 0.15, 0.3, 0.1]
    >>> found = vf.appraisal.trim_and_fill(y=y, se=se, method="common")
    >>> found.lacking, found.side
    (4, 'right')
    """
    estimator = choice("estimator", estimator, TrimEstimator)
    side = None if side is None else choice("side", side, FunnelSide)
    taken = take("trim_and_fill", data, level, y=y, v=v, se=se, ci=ci, study=study, question=question, missing=missing)
    s, kind = taken.studies, taken.method(method)
    if outside(kind) or (isinstance(kind, str) and kind in ESTIMATORS and ESTIMATORS[kind].weighted):
        raise InputError(f"trim_and_fill: method={kind!r} is not one that studies are trimmed by; use REML, DL or another.")
    if "weights" in getattr(taken.fit, "call", {}):
        raise InputError("trim_and_fill: the fit has weights of its own, and an imputed study has none; fit it without.")
    few = few_studies(s.k)
    sign = None if side is None else np.array([1.0 if side == "left" else -1.0])
    t = trim(s.y, s.v, np.array([0, s.k]), estimator, kind, sign)
    lacking = int(t.lacking[0])
    if lacking < 0:
        raise ConvergenceError(
            f"trim and fill by {estimator}: no number of missing studies agrees with itself; try another estimator."
        )
    of = tuple(s.labels[i] for i in t.of.tolist())
    means = taken.test(test, "Wald" if kind == "common" else "HKSJ")
    tau2 = None if isinstance(kind, str) else kind
    choices = check_choices("common" if kind == "common" else "random", kind, tau2, means, taken.level)
    before = after = pool(replace(s, notes=()), choices, None)
    if lacking:
        names = (*s.labels, *(f"imputed, across from {name}" for name in of))
        after = pool(Studies(np.append(s.y, t.y), np.append(s.v, t.v), names, s.question, (), ()), choices, None)
    warn_each(few)
    return TrimAndFill(
        question=s.question, estimator=estimator, side="left" if t.sign[0] > 0 else "right",
        rule="side asked for" if side is not None else "from which Egger's line leans away", lacking=lacking,
        lacking_se=float(error_of_lacking(estimator, s.k, t.raw[0])),
        lacking_p=0.5 ** (lacking + 1) if estimator == "R0" else math.nan, filled_y=t.y, filled_v=t.v, filled_of=of,
        before=before, after=after, warnings=(*s.notes, *few), origin=s.origin,
        call=taken.record("trim_and_fill", estimator=estimator, side=side, method=kind, test=choices.test),
    )  # fmt: skip

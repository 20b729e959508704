"""Fail-safe numbers: how many studies without an effect would overturn a pool."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from vfmeta.appraisal.favoured import no_difference
from vfmeta.appraisal.taken import take
from vfmeta.core.messages import InputError
from vfmeta.core.params import Missing, is_finite
from vfmeta.core.question import Question
from vfmeta.kernels.estimators import fit_ragged, outside
from vfmeta.results.file_drawer import FailSafe


def fail_safe(
    data: Any = None,
    *,
    y: Any = None,
    v: Any = None,
    se: Any = None,
    ci: Any = None,
    study: Any = None,
    level: float | None = None,
    target: float | None = None,
    question: Question | None = None,
    missing: Missing = "raise",
) -> FailSafe:
    """Fail-safe numbers of Rosenthal, Orwin, Rosenberg and of any pool, which should not be used to say that a result is safe.

    Parameters
    ----------
    data, y, v, se, ci, study, question, missing
        As of `egger`.
    level : float, optional
        1 less the level of significance; that of the fit, or 0.95, when left out.
    target : float, optional
        The mean, as far from "no difference" on the analysis scale, that Orwin's number brings the pool to; half of the
        observed one when left out.

    Returns
    -------
    FailSafe

    Notes
    -----
    Rosenthal 1979, Psychol Bull 86:638-641: studies with z = 0 that bring Stouffer's z to one-sided significance at 0.05. Orwin
    1983, J Educ Stat 8:157-159: studies of no effect that bring the plain or weighted mean to the target. Rosenberg 2005,
    Evolution 59:464-468: studies of no effect and mean weight that bring the common-effect pool to two-sided significance.
    General: the same of the pool by the fit's method (or REML), tau2 from the mean squares within and between both groups of
    studies. All take unpublished studies to show no effect on average, where selection would leave out those of the other side,
    and none but General minds heterogeneity; the Cochrane Handbook advises against them.

    Examples
    --------
    >>> import vfmeta as vf
    >>> found = vf.appraisal.fail_safe(y=[-0.9, -0.2, -0.6, 0.1, -0.4], se=[0.4, 0.1, 0.3, 0.12, 0.2])
    >>> found.numbers["Orwin, weighted"]
    5.0
    """
    taken = take("fail_safe", data, level, y=y, v=v, se=se, ci=ci, study=study, question=question, missing=missing)
    s = taken.studies
    null = no_difference("fail_safe", s.question)
    if taken.level <= 0.5:
        raise InputError(f"level={taken.level:g}: a one-sided test of fail_safe needs a level above 0.5.")
    if target is not None and not (is_finite(target) and target > 0):
        raise InputError(f"target={target!r} must be a number above 0: how far the mean may be from no difference.")
    from scipy.special import ndtri

    y0, w, k = s.y - null, 1 / s.v, s.k
    alpha = 1 - taken.level
    one, two = float(-ndtri(alpha)), float(-ndtri(alpha / 2))
    means = {"Orwin, plain": float(y0.mean()), "Orwin, weighted": float(w @ y0 / w.sum())}
    numbers = {"Rosenthal": max((float((y0 / np.sqrt(s.v)).sum()) / one) ** 2 - k, 0.0)}
    for name, mean in means.items():
        aim = abs(mean) / 2 if target is None else target
        numbers[name] = max(k * (abs(mean) - aim) / aim, 0.0) if aim else math.nan
    numbers["Rosenberg"] = max(k / float(w.sum()) * ((float(w @ y0) / two) ** 2 - float(w.sum())), 0.0)
    kind = taken.method(None)
    if not outside(kind) and k > 1:
        numbers["General"] = _general(y0, s.v, kind, two)
    return FailSafe(
        question=s.question, level=taken.level, labels=s.labels, y=s.y, v=s.v, numbers=numbers,
        estimate=float(fit_ragged(s.y, s.v, None, np.array([0, k]), "common")[0, 2]),
        target=math.nan if target is None else float(target), warnings=s.notes, call=taken.record("fail_safe", target=target),
        origin=s.origin,
    )  # fmt: skip


def _general(y: np.ndarray, v: np.ndarray, kind: str | float, z: float) -> float:
    """As Rosenberg's, with the heterogeneity of both groups of studies together: mean squares within and between them."""
    from scipy.optimize import brentq

    k = len(y)
    tau2, mean = (float(x) for x in fit_ragged(y, v, None, np.array([0, k]), kind)[0, [0, 2]])
    typical = 1 / float((1 / v).mean())

    def off(n: float) -> float:
        spread = 0.0
        if kind != "common":
            within, between = (k - 1 + max(n - 1, 0)) * tau2, k * n / (k + n) * mean**2
            spread = (within + between) / (k + n - 1)
        w = 1 / (v + spread)
        return abs(float(w @ y)) / math.sqrt(float(w.sum()) + n / (typical + spread)) - z

    if off(0.0) <= 0:
        return 0.0
    high = float(k)
    while off(high) > 0:
        if high > 1e12:
            return math.inf
        high *= 2
    return float(brentq(off, 0.0, high, xtol=1e-12, rtol=1e-14))

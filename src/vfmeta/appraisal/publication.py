"""Mathur and VanderWeele's bounds: the worst case, and how strong selection must be."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from vfmeta.appraisal.favoured import favoured_side, no_difference
from vfmeta.appraisal.taken import take
from vfmeta.core.messages import InputError, warn_each
from vfmeta.core.params import Favoured, MethodOrCommon, Missing
from vfmeta.core.question import Question
from vfmeta.kernels.distributions import quantile
from vfmeta.kernels.estimators import fit_ragged, outside
from vfmeta.results.adjusted import WorstCase


def worst_case(
    data: Any = None,
    *,
    y: Any = None,
    v: Any = None,
    se: Any = None,
    ci: Any = None,
    study: Any = None,
    favoured: Favoured | None = None,
    method: MethodOrCommon | None = None,
    level: float | None = None,
    question: Question | None = None,
    missing: Missing = "raise",
) -> WorstCase:
    """The pool under the worst publication bias, and the s-value: how strong bias must be to explain the pool away.

    How often its tests reject and its intervals hold: ``reports/levels.md#worst_case``.

    Parameters
    ----------
    data, y, v, se, ci, study, level, question, missing
        As of `egger`.
    favoured : {"higher", "lower"}, optional
        The side towards which significance helps publication, on the analysis scale: by default the better side of the
        question, or else where the REML pool lies, with a note.
    method : str, optional
        Estimator of tau2, or "common"; that of the fit, or "REML", when left out.

    Returns
    -------
    WorstCase

    Raises
    ------
    InputError
        Every study is significant towards the favoured side: then no bound is known.

    Notes
    -----
    Mathur & VanderWeele 2020, JRSS C 69:1091-1119. Studies are affirmative where z towards the favoured side is above that of
    the level. The worst case pools the others alone, with a normal interval. For the s-values weights are 1 / v, or 1 / (v +
    tau2) with tau2 of all studies, and the weights of studies that are not affirmative are multiplied by how many times
    likelier the others are to be published (``corrected(times)`` of the result).

    Examples
    --------
    >>> import vfmeta as vf
    >>> y = [0.9, 0.2, 0.8, 0.15, 0.45, 0.3, 0.75, 0.05, 0.65, 0.1]
    >>> se = [0.4, 0.1, 0.35, 0.12, 0.2, 0.2, 0.35, 0.15, 0.3, 0.1]
    >>> found = vf.appraisal.worst_case(y=y, se=se, favoured="higher")
    >>> int(found.affirmative.sum()), found.s_value
    (6, inf)
    """
    taken = take("worst_case", data, level, y=y, v=v, se=se, ci=ci, study=study, question=question, missing=missing)
    s, kind = taken.studies, taken.method(method)
    if outside(kind):
        raise InputError(f"worst_case: method={kind!r} needs weights, which studies here have none of.")
    null = no_difference("worst_case", s.question)
    side = favoured_side(favoured, s.question, s.y, s.v)
    z = quantile(taken.level, None)
    y0 = side.sign * (s.y - null)
    yes = y0 / np.sqrt(s.v) > z
    if yes.all():
        raise InputError(
            f"worst_case: every study is significant towards {side.name} effects, so the worst case has no study to stand on."
        )
    rest = int((~yes).sum())
    found = fit_ragged(s.y[~yes], s.v[~yes], None, np.array([0, rest]), kind)[0]
    whole = fit_ragged(s.y, s.v, None, np.array([0, s.k]), "REML" if kind == "common" else kind)[0]
    estimate, error = float(found[2]), float(found[3])
    statistic = (estimate - null) / error
    values: dict[str, float] = {}
    for name, tau2 in (("common", 0.0), ("random", 0.0 if s.k == 1 else float(whole[0]))):
        point, limit = _s_values(y0, 1 / (s.v + tau2), yes, z)
        values |= {f"{name}, mean": point, f"{name}, interval": limit}
    notes = (side.note,) if side.note else ()
    warn_each(notes)
    common = kind == "common"
    return WorstCase(
        question=s.question, name="worst case of publication bias", method=kind if isinstance(kind, str) else "tau2 given",
        level=taken.level, labels=s.labels, y=s.y, v=s.v, estimate=estimate, se=error,
        unadjusted=float(fit_ragged(s.y, s.v, None, np.array([0, s.k]), kind)[0, 2]),
        interval=(estimate - z * error, estimate + z * error), favoured=side.name, statistic=statistic, df=None,
        p_value=math.erfc(abs(statistic) / math.sqrt(2)), test="common" if common else "Wald",
        tau2=None if rest == 1 else float(found[0]), affirmative=yes.astype(float), s_values=values, warnings=(*s.notes,
        *notes), call=taken.record("worst_case", favoured=side.name, method=kind), origin=s.origin,
    )  # fmt: skip


def _s_values(y: np.ndarray, w: np.ndarray, yes: np.ndarray, z: float) -> tuple[float, float]:
    """How much likelier affirmative studies must be published for the mean, and its lower limit, to be 0."""
    n, a = float((w * y)[~yes].sum()), float((w * y)[yes].sum())
    wn, wa = float(w[~yes].sum()), float(w[yes].sum())
    if n + a <= 0:
        return 1.0, 1.0
    point = -a / n if n < 0 else math.inf
    if n + a <= z * math.sqrt(wn + wa):
        return point, 1.0
    # (eta n + a)^2 = z^2 (eta^2 wn + wa), with eta n + a above 0
    two, one, none = n * n - z * z * wn, 2 * n * a, a * a - z * z * wa
    roots = np.roots([two, one, none]) if two else np.array([-none / one])
    real = [
        float(x.real)
        for x in np.atleast_1d(roots)
        if abs(x.imag) < 1e-12 * max(abs(x), 1) and x.real >= 1 and n * x.real + a > 0
    ]
    return point, min(real, default=math.inf)

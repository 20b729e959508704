"""From studies and a predictor to the test of a line through their funnel; what every such test shares."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from vfmeta.appraisal.taken import Taken
from vfmeta.core.messages import InputError, warn_each
from vfmeta.core.params import Test, choice
from vfmeta.frequentist.choices import said
from vfmeta.kernels.distributions import quantile, t_outside
from vfmeta.kernels.least_squares import CollinearError
from vfmeta.kernels.regression import fit as regress
from vfmeta.kernels.small_studies import lines
from vfmeta.results.small_studies import PREDICTORS, AsymmetryTest, few_studies


def weighted(
    taken: Taken, name: str, verb: str, predictor: str, x: np.ndarray, w: np.ndarray | None = None, *,
    y: np.ndarray | None = None, v: np.ndarray | None = None, reason: str = "", notes: tuple[str, ...] = (),
    asked: dict[str, Any] | None = None,
) -> AsymmetryTest:  # fmt: skip
    """Weighted least squares of effects on ``x``, the residual variance estimated, t with k - 2 degrees of freedom."""
    s = taken.studies
    y, v = s.y if y is None else y, s.v if v is None else v
    w = 1 / v if w is None else w
    few = few_studies(len(y))
    found = {n: float(a[0]) for n, a in lines(y, x, w, np.array([0, len(y)])).items()}
    if math.isnan(found["slope"]):
        raise flat(name, predictor)
    df = len(y) - 2
    return _made(
        taken, name, verb, "weighted", predictor, x, w, y, v, (found["slope"], found["slope_se"]),
        (math.nan, math.nan) if predictor == "N" else (found["limit"], found["limit_se"]), df, "least squares", "t", None,
        reason, (*few, *notes), asked or {},
    )  # fmt: skip


def mixed(
    taken: Taken, name: str, verb: str, predictor: str, x: np.ndarray, method: str | float, test: Any, *,
    reason: str = "", notes: tuple[str, ...] = (),
    asked: dict[str, Any] | None = None,
) -> AsymmetryTest:  # fmt: skip
    """Mixed-effects regression on ``x``, beside the moderators of a regression that was given."""
    s = taken.studies
    test = choice("test", test, Test)
    few = few_studies(s.k)
    design = getattr(taken.fit, "design", None)
    other = np.ones((s.k, 1)) if design is None else design.x
    unit = float(np.abs(x).max())  # the predictor may be thousands of patients
    try:
        found = regress(s.y, s.v, np.column_stack([other, x / unit]), method, test)
    except CollinearError:
        raise flat(name, predictor) from None
    se = np.sqrt(np.diag(found.vb))
    if found.df < 1:
        raise InputError(f"{name}: {s.k} studies leave no degree of freedom beside the moderators.")
    known = predictor != "N" and other.shape[1] == 1
    limit = (float(found.beta[0]), float(se[0])) if known else (math.nan, math.nan)
    return _made(
        taken, name, verb, "mixed", predictor, x, found.w, s.y, s.v,
        (float(found.beta[-1]) / unit, float(se[-1]) / unit), limit,
        None if test == "Wald" else found.df, method if isinstance(method, str) else said(method), test, float(found.tau2),
        reason, (*few, *notes), asked or {},
    )  # fmt: skip


def flat(name: str, predictor: str) -> InputError:
    """The refusal where there are no small and large studies to compare."""
    return InputError(f"{name}: {PREDICTORS[predictor]} is the same in all studies, so there are no small and large ones.")


def _made(
    taken: Taken, name: str, verb: str, model: str, predictor: str, x: np.ndarray, w: np.ndarray, y: np.ndarray, v: np.ndarray,
    slope: tuple[float, float], limit: tuple[float, float], df: float | None, method: str, test: str, tau2: float | None,
    reason: str, notes: tuple[str, ...], asked: dict[str, Any],
) -> AsymmetryTest:  # fmt: skip
    s = taken.studies
    t = quantile(taken.level, None if df is None else int(df))
    statistic = slope[0] / slope[1] if slope[1] > 0 else math.copysign(math.inf, slope[0]) if slope[0] else 0.0
    p = (
        math.erfc(abs(statistic) / math.sqrt(2))
        if df is None
        else 0.0
        if math.isinf(statistic)
        else t_outside(statistic, int(df))
    )
    warn_each(notes)
    return AsymmetryTest(
        question=s.question, name=name, model=model, predictor=predictor, method=method, test=test, level=taken.level,
        labels=s.labels, y=y, v=v, x=x, weights=100 * w / w.sum(), centre=float((y / v).sum() / (1 / v).sum()),
        estimate=slope[0], se=slope[1], statistic=statistic, df=None if df is None else float(df), p_value=p,
        interval=(slope[0] - t * slope[1], slope[0] + t * slope[1]), limit=limit[0], limit_se=limit[1],
        limit_interval=(limit[0] - t * limit[1], limit[0] + t * limit[1]), tau2=tau2, reason=reason,
        moderators=tuple(t for t in getattr(taken.fit, "terms", ()) if t != "Intercept") if model == "mixed" else (),
        warnings=(*s.notes, *notes), call=taken.record(verb, **asked), origin=s.origin,
    )  # fmt: skip

"""Meta-regression: how the effect depends on what the studies differ in."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from vfmeta.core.messages import ConvergenceError, InputError, warn_each
from vfmeta.core.params import MethodOrCommon, Missing, RegressionTest, choice
from vfmeta.core.question import Question
from vfmeta.effects import design as designs
from vfmeta.effects.design import Design
from vfmeta.effects.reading import Studies, read
from vfmeta.frequentist.choices import IDENTICAL, asked_for, check_method, row_weights
from vfmeta.frequentist.regression_result import RegressionResult, degrees, joint, selected
from vfmeta.kernels.distributions import chi2_above
from vfmeta.kernels.least_squares import CollinearError
from vfmeta.kernels.regression import Fit, fit
from vfmeta.kernels.tau2 import ESTIMATORS
from vfmeta.results.wald import TestResult, quantile, ratio, two_sided
from vfmeta.text.notes import TOO_WIDE
from vfmeta.text.turned_back import unequal_sizes


def meta_regression(
    data: Any = None,
    formula: str | None = None,
    *,
    y: Any = None,
    v: Any = None,
    se: Any = None,
    V: Any = None,
    ci: Any = None,
    study: Any = None,
    x: Any = None,
    names: Sequence[str] | None = None,
    method: MethodOrCommon = "REML",
    tau2: float | None = None,
    test: RegressionTest = "HKSJ",
    level: float = 0.95,
    omnibus: Any = None,
    weights: Any = None,
    question: Question | None = None,
    missing: Missing = "raise",
) -> RegressionResult:
    """Mixed-effects meta-regression y_i = x_i b + u_i + e_i with Var(u_i) = tau2 and Var(e_i) = v_i.

    How often its tests reject and its intervals hold: ``reports/levels.md#meta_regression``.

    Parameters
    ----------
    data : effect table, data frame or mapping of columns, optional
        Effects, as in `random_effects`, and moderators: the formula reads the columns of the table (`EffectTable.frame`, with
        those that ride along) or of the frame. Beside arrays ``y`` and ``v`` a frame may hold the moderators alone.
    formula : str, optional
        Right side of a formula, such as ``"~ dose + blinding"``, ``"~ dose * blinding"`` (interaction), ``"~ bs(dose, df=4)"``
        or ``"~ cr(dose, df=3, constraints='center')"`` (splines), ``"~ center(year)"``, ``"~ 0 + blinding"`` (a mean per
        group). Text, true/false and categorical columns are factors, their first level the reference. The intercept is
        called ``Intercept``.
    y, v, se, V, ci, study : array-like of shape (k,), or column name
        As in `random_effects`.
    x : array-like of shape (k, p), optional
        Instead of a formula: the design itself, its column of ones included; ``names`` names the columns.
    method : str
        Estimator of the residual between-study variance: REML, ML, DL, DL2 (two-step), DLIT (iterated), PM, PMM (median), EB,
        HE, HS, HSk, SJ, SJIT, GENQ and GENQM (with ``weights``), or common (effects without tau2).
    tau2 : float, optional
        A value that holds the residual between-study variance, in squared units of ``y``.
    test : {"HKSJ", "HKSJ-adhoc", "Wald", "t", "KR"}
        Knapp & Hartung 2003 (Stat Med 22:2693-2710) with k - p df, the same with its factor at least 1, normal, t with k - p
        df, or Kenward & Roger 1997 (Biometrics 53:983-997), which is defined for REML.
    level : float
        Confidence level of every interval.
    omnibus : str, int or sequence of them, optional
        Coefficients of the omnibus test, by name or number from 0; all but the intercept when left out.
    weights : array-like of shape (k,) or column name, optional
        User weights instead of 1 / (v + tau2), with the variance that follows (not with Kenward-Roger).
    question : Question, optional
        What is compared; taken from the table when there is one.
    missing : {"raise", "drop"}
        What to do about rows in which ``y``, ``v`` or a moderator is missing.

    Returns
    -------
    RegressionResult
        R2 is the share of the total between-study variance (the same estimator without moderators) that the moderators explain
        (Raudenbush 2009); for ``method="common"`` the adjusted R2 of weighted least squares. It is None where the design does
        not contain the model without moderators, or where tau2 was given.

    Raises
    ------
    InputError
        For input that cannot be used, collinear moderators (named), or too few studies.
    ConvergenceError
        When an estimator of tau2 does not settle.

    Examples
    --------
    >>> import vfmeta as vf
    >>> frame = {"trial": list("ABCD"), "d": [-0.5, -0.3, -0.8, -0.1], "se": [0.2, 0.15, 0.3, 0.2], "dose": [2, 1, 3, 1]}
    >>> fit = vf.meta_regression(frame, "~ dose", y="d", se="se", study="trial", test="Wald")
    >>> fit.terms
    ('Intercept', 'dose')
    """
    estimator = _check(method, tau2, test, weights)
    studies = read(data, y=y, v=v, se=se, V=V, ci=ci, study=study, question=question, missing=missing, level=level)
    part = designs.part(formula, x, names, studies)
    gone = {name: part.gone[:, j] for j, name in enumerate(part.columns)}
    given = None
    if weights is not None:
        problems: list[str] = []
        given = row_weights(weights, "weights", studies, problems)
        if problems:
            raise InputError(problems)
    studies, keep = designs.complete(studies, gone, missing)
    given = None if given is None else given[keep]
    design = part.design(keep, studies.labels, studies.kept.tolist())
    result = fitted(studies, design, estimator, test, float(level), omnibus, given)
    warn_each(result.warnings)
    return result


def fitted(
    studies: Studies,
    design: Design,
    method: str | float,
    test: str,
    level: float,
    omnibus: Any = None,
    weights: np.ndarray | None = None,
) -> RegressionResult:
    """The result for checked studies and their design."""
    s, k, p = studies, studies.k, design.x.shape[1]
    estimated = isinstance(method, str) and method != "common"
    if k <= p and (estimated or test != "Wald") and k >= 1:
        raise InputError(
            f"{k} {'study' if k == 1 else 'studies'} cannot estimate {p} coefficients ({', '.join(design.names)}) and the "
            'heterogeneity beside them; leave moderators out (or use method="common" with test="Wald" where k = p).'
        )
    try:
        f = fit(s.y, s.v, design.x, method, test, weights)
    except CollinearError as error:
        raise designs.name_collinear(error.groups, design, s.labels) from error
    notes = list(s.notes)
    if not (np.diag(f.vb) >= 0).all():
        raise ConvergenceError(
            "The adjusted covariance of Kenward and Roger is no covariance here: the variances lie too many orders of "
            'magnitude apart; use test="HKSJ".'
        )
    df = degrees(f, test, np.eye(p))
    se = np.sqrt(np.diag(f.vb))
    t = ratio(f.beta, se)
    p_values = two_sided(t, df)
    half = quantile(level, df) * se
    chosen = selected(design.names, design.intercept, omnibus)
    residual_df = k - p
    typical = residual_df / f.trace if residual_df and f.trace > 0 else math.nan
    if method == "common":
        h2 = f.q / residual_df if residual_df else 1.0
        i2 = max(0.0, 100 * (f.q - residual_df) / f.q) if residual_df and f.q > 0 else 0.0
    else:
        h2, i2 = (1 + f.tau2 / typical, 100 * f.tau2 / (f.tau2 + typical)) if residual_df else (1.0, 0.0)
    if test == "HKSJ" and f.factor < 1 - 1e-9:
        notes.append(
            f"The Hartung-Knapp factor q = {f.factor:.6g} is below 1, so the intervals are narrower than the studies' own "
            'precision supports; the ad hoc intervals (test="HKSJ-adhoc", q = 1) stand beside them.'
        )
    if test == "HKSJ" and f.factor < IDENTICAL:
        notes.append("The studies fit the model without any residual: the interval has width zero and is no certainty.")
    if p == 1 and design.spans_constant:
        notes += unequal_sizes(
            s.question, s.details, float(f.beta[0]), (float(f.beta[0] - half[0]), float(f.beta[0] + half[0]))
        )
    if residual_df == 1:
        notes.append("One degree of freedom is left: the residual heterogeneity is all but unknown.")
    alone = np.flatnonzero(f.hat > 1 - 1e-9)
    if len(alone) and residual_df:
        notes.append(f"A coefficient rests on one study alone: {', '.join(s.labels[i] for i in alone)}.")
    result = RegressionResult(
        question=s.question, terms=design.names, estimate=f.beta, se=se, statistic=t, p_value=p_values,
        interval=np.column_stack([f.beta - half, f.beta + half]), level=level,
        df=None if df is None else np.broadcast_to(np.asarray(df, dtype=float), (p,)).copy(), vb=f.vb, tau2=f.tau2,
        tau2_se=f.tau2_se if estimated else None, i2=i2, h2=h2, r2=_r2(s, design, f, method, weights),
        q=TestResult(f.q if residual_df else 0.0, residual_df, None, chi2_above(f.q, residual_df)),
        omnibus=joint(f, test, np.eye(p)[chosen]), omnibus_of=tuple(design.names[j] for j in chosen),
        method=method if isinstance(method, str) else "given", test=test, labels=s.labels, y=s.y, v=s.v,
        weights=_percent(f.w if weights is None else weights), details=s.details, origin=s.origin, warnings=tuple(notes),
        call={
            "function": "meta_regression", "formula": design.formula, **asked_for(method), "test": test, "level": level,
        },
        design=design, fit=f, user_weights=weights, fixed_tau2=None if isinstance(method, str) else method,
    )  # fmt: skip
    scalars = [result.tau2, f.tau2_se, f.q, i2, h2]
    numbers = np.concatenate([result.estimate, result.se, p_values, result.interval.ravel(), scalars])
    if not np.all(np.isfinite(numbers)):
        raise InputError(TOO_WIDE)
    return result


def _r2(s: Studies, design: Design, f: Fit, method: str | float, weights: np.ndarray | None) -> float | None:
    if not isinstance(method, str) or not design.spans_constant or design.x.shape[1] < 2:
        return None
    empty = fit(s.y, s.v, np.ones((s.k, 1)), method, "Wald", weights)
    if method == "common":
        if s.k <= design.x.shape[1] or empty.q == 0:
            return None
        return max(0.0, 100 * (1 - f.q / f.df / (empty.q / empty.df)))
    if empty.tau2 == 0:
        return None  # no heterogeneity that anything could explain
    return max(0.0, 100 * (empty.tau2 - f.tau2) / empty.tau2)


def _percent(w: np.ndarray) -> np.ndarray:
    return 100 * w / w.sum()


def _check(method: Any, tau2: Any, test: Any, weights: Any) -> str | float:
    found = check_method(method, tau2)
    test = choice("test", test, RegressionTest)
    if test == "KR" and found != "REML":
        raise InputError('Kenward-Roger intervals are defined for method="REML" only.')
    if isinstance(found, str) and found in ESTIMATORS and ESTIMATORS[found].weighted and weights is None:
        raise InputError(f"method={found!r} needs weights=, one per study.")
    if weights is not None and test == "KR":
        raise InputError('test="KR" is defined for inverse-variance weights; leave weights= out or use another test.')
    return found

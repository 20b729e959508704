"""Egger's regression and Thompson and Sharp's: effects over a measure of how small their studies are."""

from __future__ import annotations

from typing import Any

import numpy as np

from vfmeta.appraisal.lines import mixed, weighted
from vfmeta.appraisal.taken import Taken, take
from vfmeta.appraisal.which_test import advice
from vfmeta.core.messages import InputError
from vfmeta.core.params import FunnelModel, MethodOrCommon, Missing, Predictor, Test, choice
from vfmeta.core.question import Question
from vfmeta.effects import cells
from vfmeta.results.small_studies import AsymmetryTest


def egger(
    data: Any = None,
    *,
    y: Any = None,
    v: Any = None,
    se: Any = None,
    ci: Any = None,
    n: Any = None,
    study: Any = None,
    predictor: Predictor = "SE",
    model: FunnelModel = "weighted",
    method: MethodOrCommon | None = None,
    test: Test | None = None,
    level: float | None = None,
    question: Question | None = None,
    missing: Missing = "raise",
) -> AsymmetryTest:
    """Egger's test of small-study effects: a line through the funnel, and whether it leans.

    How often its tests reject and its intervals hold: ``reports/levels.md#egger``.

    Parameters
    ----------
    data : fit, effect table, data frame or mapping of columns, optional
        A pool of effects (a meta-regression for ``model="mixed"``: the predictor is added to its moderators), or what
        `vfmeta.random_effects` takes, with the arguments below.
    y, v, se, ci, study, question, missing
        As of `vfmeta.random_effects`.
    n : array-like of shape (k,) or column name, optional
        Patients of each study, for predictors made of them; known to a table of `vfmeta.effect_size`.
    predictor : {"SE", "variance", "N", "1/N", "1/sqrt(N)"}
        What effects are regressed on.
    model : {"weighted", "mixed"}
        Least squares weighted by 1 / v with the residual variance estimated and t with k - 2 df (Egger et al. 1997, BMJ
        315:629-634); or a mixed-effects regression (Sterne & Egger 2005, in Rothstein et al., Publication Bias, ch. 6).
    method, test : str, optional
        Of the mixed model, as of `vfmeta.random_effects`; those of the fit, or "REML" and "Wald", when left out.
    level : float, optional
        That of the fit, or 0.95, when left out.

    Returns
    -------
    AsymmetryTest

    Raises
    ------
    InputError
        Fewer than three studies, a predictor that does not differ between studies or is not known.

    Notes
    -----
    Below ten studies the test has hardly any power, and a warning says so. The standard error of a log odds ratio or of a
    standardised mean difference hangs on the effect itself, which makes a trend where there is none: a warning names the test
    made for it, and `small_study_test` takes it at once.

    Examples
    --------
    >>> import vfmeta as vf
    >>> y = [-0.9, -0.2, -0.6, -0.1, -0.4, -0.3, -0.7, -0.2, -0.5, -0.1]
    >>> se = [0.5, 0.1, 0.4, 0.12, 0.2, 0.2, 0.35, 0.15, 0.3, 0.1]
    >>> found = vf.appraisal.egger(y=y, se=se)
    >>> round(found.estimate, 2), found.p_value < 0.01
    (-1.91, True)
    """
    predictor, model = choice("predictor", predictor, Predictor), choice("model", model, FunnelModel)
    if model == "weighted" and (method is not None or test is not None):
        raise InputError('method= and test= are of the mixed model; use model="mixed", or leave them out.')
    taken = take(
        "egger",
        data,
        level,
        moderators=model == "mixed",
        y=y,
        v=v,
        se=se,
        ci=ci,
        study=study,
        question=question,
        missing=missing,
    )
    x = values_of(predictor, taken, n)
    asked = {"predictor": predictor, "model": model}
    named = "Egger's test"
    if model == "weighted":
        return weighted(taken, named, "egger", predictor, x, notes=_better(taken, predictor), asked=asked)
    found = taken.method(method)
    return mixed(
        taken, named, "egger", predictor, x, found, taken.test(test, "Wald"), notes=_better(taken, predictor),
        asked=asked | {"method": found, "test": test},
    )  # fmt: skip


def thompson(
    data: Any = None,
    *,
    y: Any = None,
    v: Any = None,
    se: Any = None,
    ci: Any = None,
    study: Any = None,
    test: Test = "t",
    level: float | None = None,
    question: Question | None = None,
    missing: Missing = "raise",
) -> AsymmetryTest:
    """Thompson and Sharp's test: the line of Egger with heterogeneity about it, by the method of moments.

    How often its tests reject and its intervals hold: ``reports/levels.md#thompson``.

    Parameters
    ----------
    data, y, v, se, ci, study, level, question, missing
        As of `egger`.
    test : {"HKSJ", "HKSJ-adhoc", "Wald", "t"}
        t with k - 2 degrees of freedom, or another of `vfmeta.meta_regression`.

    Returns
    -------
    AsymmetryTest

    Notes
    -----
    Method 3a of Thompson & Sharp 1999, Stat Med 18:2693-2708: weights 1 / (v + tau2), tau2 the moment estimate of the residual
    heterogeneity. It is Egger's mixed model with ``method="DL"``.

    Examples
    --------
    >>> import vfmeta as vf
    >>> y = [-0.9, -0.2, -0.6, -0.1, -0.4, -0.3, -0.7, -0.2, -0.5, -0.1]
    >>> se = [0.5, 0.1, 0.4, 0.12, 0.2, 0.2, 0.35, 0.15, 0.3, 0.1]
    >>> vf.appraisal.thompson(y=y, se=se).tau2
    0.0
    """
    taken = take("thompson", data, level, y=y, v=v, se=se, ci=ci, study=study, question=question, missing=missing)
    notes = _better(taken, "SE")
    x = np.sqrt(taken.studies.v)
    return mixed(taken, "Thompson and Sharp's test", "thompson", "SE", x, "DL", test, notes=notes, asked={"test": test})


def values_of(predictor: str, taken: Taken, n: Any = None) -> np.ndarray:
    """The predictor of each study, shape (k,)."""
    s = taken.studies
    if predictor == "SE":
        return np.sqrt(s.v)
    if predictor == "variance":
        return s.v
    if n is None:
        sizes = taken.sizes
    else:
        problems: list[str] = []
        found = s.column(n, "n")
        sizes = cells.numbers(
            cells.column(found.values, found.shown), found.shown, s.labels, problems, "size", s.kept.tolist(), cells.FILL
        )
        if problems:
            raise InputError(problems)
    unknown = [name for name, size in zip(s.labels, sizes.tolist(), strict=True) if np.isnan(size)]
    if unknown:
        raise InputError(
            f"predictor={predictor!r} needs the patients of each study, and {', '.join(unknown)} has none; give n=."
        )
    return {"N": sizes, "1/N": 1 / sizes, "1/sqrt(N)": 1 / np.sqrt(sizes)}[predictor]


def _better(taken: Taken, predictor: str) -> tuple[str, ...]:
    """What is said where the predictor hangs on the effect itself."""
    advised = advice(taken.studies.question)
    if not advised.needs or predictor not in ("SE", "variance"):
        return ()
    verb = 'egger with predictor="1/sqrt(N)"' if advised.verb == "egger" else advised.verb
    return (f"{advised.why[:1].upper()}{advised.why[1:]}: use vf.appraisal.{verb}.",)

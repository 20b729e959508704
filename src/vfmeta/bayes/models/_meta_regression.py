"""Bayesian meta-regression in PyMC, by formula."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from vfmeta.bayes.exact import choose_priors
from vfmeta.bayes.exact_regression import refuse_improper
from vfmeta.bayes.models._normal_normal import shrunken
from vfmeta.bayes.models.engine import Model
from vfmeta.bayes.models.vectorised import Draws
from vfmeta.bayes.regression import coefficient_priors, refuse_dependent, said
from vfmeta.core.params import Missing
from vfmeta.core.question import Question
from vfmeta.effects import design as designs
from vfmeta.effects.design import Design
from vfmeta.effects.reading import Studies, read
from vfmeta.priors import Flat, Normal, TauPrior

Beta = Normal | Flat


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
    tau: TauPrior | None = None,
    beta: Beta | Mapping[str, Beta] | None = None,
    question: Question | None = None,
    missing: Missing = "raise",
) -> Model:
    """Meta-regression y_i ~ N(x_i beta, v_i + tau^2) with the priors of `vf.bayes.meta_regression`, which solves it exactly.

    Parameters
    ----------
    data, y, v, se, V, ci, study, question, missing
        As in `vf.bayes.random_effects`.
    formula, x, names
        As in `vf.meta_regression`: the right side of a formula over the columns of ``data``, or the design matrix itself. The
        intercept is called ``Intercept``.
    tau : prior, optional
        Of the heterogeneity left over; the default follows the measure.
    beta : prior, or mapping of coefficient names to priors, optional
        Normal or flat, on the scale of each coefficient; flat where nothing is said.

    Returns
    -------
    Model
        Variables beta (coefficient), tau, fitted (study): x_i beta, theta (study); observed: effect (study).

    Raises
    ------
    InputError
        Faulty input, moderators that cannot be told apart, an improper posterior, or a prior that PyMC does not know.

    Examples
    --------
    >>> import vfmeta as vf
    >>> data = {"y": [-0.5, -0.3, -0.8, -0.1], "se": [0.2, 0.15, 0.3, 0.2], "dose": [2, 1, 3, 1]}
    >>> model = vf.bayes.models.meta_regression(data, "~ dose", tau=vf.priors.HalfNormal(0.5))
    >>> model.coords["coefficient"]
    ['Intercept', 'dose']
    """
    studies = read(data, y=y, v=v, se=se, V=V, ci=ci, study=study, question=question, missing=missing)
    studies, design = designs.prepared(studies, [designs.part(formula, x, names, studies)], missing)
    tau, _ = choose_priors(studies.question, tau, Flat())
    chosen = coefficient_priors(design.names, beta)
    mean, precision = np.array([b.normal for b in chosen]).T
    _refuse(studies, design, tau, precision)
    centre, root = _units(studies, design.x, mean, precision)
    given = {"beta_centre": centre, "beta_root": root, "beta_mean": mean, "beta_precision": precision}
    sizes = tau.data("tau", studies.v)
    values = {"y": studies.y, "v": studies.v, "x": design.x, **given, **sizes}

    def make(pm: Any) -> None:
        seen, variance = pm.Data("y", studies.y, dims="study"), pm.Data("v", studies.v, dims="study")
        matrix = pm.Data("x", design.x, dims=("study", "coefficient"))
        known = [pm.Data(name, value) for name, value in given.items()]
        # sampled in the units of its own least-squares error, so that correlated or oddly scaled moderators cost nothing
        step = pm.CustomDist(
            "beta_step", *known, logp=_log_prior, random=_draw, support_point=_start, dtype="float64",
            signature="(p),(p,p),(p),(p)->(p)", shape=(len(design.names),),
        )  # fmt: skip
        coefficients = pm.Deterministic("beta", known[0] + pm.math.dot(known[1], step), dims="coefficient")
        sd = tau.pymc("tau", studies.v)
        fitted = pm.Deterministic("fitted", pm.math.dot(matrix, coefficients), dims="study")
        pm.Normal("effect", fitted, pm.math.sqrt(variance + sd**2), observed=seen, dims="study")

    def extend(draws: Draws, data: Mapping[str, np.ndarray], rng: np.random.Generator) -> Draws:
        return {"theta": shrunken(draws["fitted"], draws["tau"][:, None] ** 2, data["y"], data["v"], rng)}

    return Model(
        "meta_regression", (len(chosen), tau.graph), make, values,
        {"study": list(studies.labels), "coefficient": list(design.names)}, ("beta", "tau"), question=studies.question,
        priors=said(design.names, tau, chosen), prior_objects={"tau": tau, **dict(zip(design.names, chosen, strict=True))},
        notes=tuple(studies.notes), elastic=True, extend=extend, dims={"theta": ("study",)},
    )  # fmt: skip


def _refuse(s: Studies, design: Design, tau: TauPrior, precision: np.ndarray) -> None:
    free = design.x[:, precision == 0]
    refuse_dependent(free, [n for n, p in zip(design.names, precision, strict=True) if p == 0])
    refuse_improper(s.k, free.shape[1], tau)


def _units(s: Studies, x: np.ndarray, mean: np.ndarray, precision: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Centre and triangular root of the covariance of the coefficients, at a heterogeneity as large as the residuals."""
    rest = s.y - x @ np.linalg.lstsq(x, s.y, rcond=None)[0]
    w = 1 / (s.v + float(np.mean(rest**2)))
    information = (x.T * w) @ x + np.diag(precision)
    # to unit diagonal before inverting, so that units of moderators cost no digits
    size = np.sqrt(np.diag(information))
    cov = np.linalg.inv(information / np.outer(size, size)) / np.outer(size, size)
    return cov @ (x.T @ (w * s.y) + precision * mean), np.linalg.cholesky((cov + cov.T) / 2)


def _log_prior(value: Any, centre: Any, root: Any, mean: Any, precision: Any) -> Any:
    """Log density of the coefficients that ``value`` stands for; a precision of 0 is flat."""
    import pytensor.tensor as pt

    off = centre + pt.dot(root, value) - mean
    own = pt.switch(precision > 0, 0.5 * pt.log(pt.maximum(precision, 1e-300) / (2 * np.pi)), 0.0)
    return (own - 0.5 * precision * off**2).sum(axis=-1) + pt.log(pt.diagonal(root, axis1=-2, axis2=-1)).sum(axis=-1)


def _start(variable: Any, size: Any, centre: Any, *others: Any) -> Any:
    """At the least-squares coefficients."""
    return 0.0 * centre


def _draw(
    centre: np.ndarray, root: np.ndarray, mean: np.ndarray, precision: np.ndarray, rng: np.random.Generator, size: Any
) -> np.ndarray:
    if np.any(precision == 0):
        raise NotImplementedError("a flat prior has no draws")
    lead = tuple(size) if size is not None else ()
    off = mean - centre + rng.standard_normal((*lead, mean.shape[-1])) / np.sqrt(precision)
    return np.linalg.solve(root, off[..., None])[..., 0]

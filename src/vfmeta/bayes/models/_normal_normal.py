"""The normal-normal model in PyMC, with its study effects and everything ArviZ can do with a model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from vfmeta.bayes.exact import effect_priors, study_notes
from vfmeta.bayes.models.engine import Model
from vfmeta.bayes.models.vectorised import Draws
from vfmeta.bayes.monte_carlo import tails_of
from vfmeta.core.params import Missing, StudyEffects, choice
from vfmeta.core.question import Question
from vfmeta.effects.reading import read
from vfmeta.priors import MuPrior, TauPrior


def normal_normal(
    data: Any = None,
    *,
    y: Any = None,
    v: Any = None,
    se: Any = None,
    V: Any = None,
    ci: Any = None,
    study: Any = None,
    study_effects: StudyEffects = "integrated",
    tau: TauPrior | None = None,
    mu: MuPrior | None = None,
    question: Question | None = None,
    missing: Missing = "raise",
) -> Model:
    """Random-effects model y_i ~ N(theta_i, v_i), theta_i ~ N(mu, tau^2), of known sampling variances.

    `vf.bayes.random_effects` solves the same model exactly and `vf.bayes.sample` samples it fastest; this one is for going on
    with, in PyMC and ArviZ.

    Parameters
    ----------
    data, y, v, se, V, ci, study, question, missing
        As in `vf.bayes.random_effects`.
    tau, mu : priors, optional
        Defaults follow the measure.
    study_effects : {"integrated", "sampled"}
        Integrated out of the likelihood, y_i ~ N(mu, v_i + tau^2), and drawn afterwards given mu and tau, which is the same
        posterior without its funnel; or sampled along, non-centred. Leave-one-out then asks for a new trial in the first case
        and for a further result of the same trial in the second.

    Returns
    -------
    Model
        Variables mu, tau, theta (study), next_trial; observed: effect (study).

    Raises
    ------
    InputError
        Faulty input, priors that leave the posterior improper, or that PyMC does not know.

    Examples
    --------
    >>> import vfmeta as vf
    >>> model = vf.bayes.models.normal_normal(y=[-0.5, -0.3], v=[0.1, 0.1], tau=vf.priors.HalfNormal(1.0))
    >>> model.watch
    ('mu', 'tau')
    """
    study_effects = choice("study_effects", study_effects, StudyEffects)
    studies = read(data, y=y, v=v, se=se, V=V, ci=ci, study=study, question=question, missing=missing)
    tau, mu = effect_priors(studies, tau, mu)
    integrated = study_effects == "integrated"
    values = {"y": studies.y, "v": studies.v, **mu.data("mu"), **tau.data("tau", studies.v)}

    def make(pm: Any) -> None:
        seen, variance = pm.Data("y", studies.y, dims="study"), pm.Data("v", studies.v, dims="study")
        mean, sd = mu.pymc("mu"), tau.pymc("tau", studies.v)
        if integrated:
            pm.Normal("effect", mean, pm.math.sqrt(variance + sd**2), observed=seen, dims="study")
        else:
            theta = pm.Deterministic("theta", mean + sd * pm.Normal("theta_raw", 0.0, 1.0, dims="study"), dims="study")
            pm.Normal("effect", theta, pm.math.sqrt(variance), observed=seen, dims="study")

    def extend(draws: Draws, data: Mapping[str, np.ndarray], rng: np.random.Generator) -> Draws:
        mean, sd = draws["mu"], draws["tau"]
        given = {} if not integrated else {"theta": shrunken(mean[:, None], sd[:, None] ** 2, data["y"], data["v"], rng)}
        return {**given, "next_trial": mean + sd * rng.standard_normal(mean.shape)}

    return Model(
        "normal_normal", (study_effects, tau.graph, mu.graph), make, values, {"study": list(studies.labels)}, ("mu", "tau"),
        question=studies.question, priors=(str(tau), str(mu)), notes=tuple(study_notes(studies, tau, mu)), elastic=integrated,
        extend=extend, dims={"theta": ("study",)}, studies=studies, tails=tails_of(tau, mu, studies.k),
        prior_objects={"tau": tau, "mu": mu},
    )  # fmt: skip


def shrunken(mean: np.ndarray, t2: np.ndarray, y: np.ndarray, v: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Study effects drawn given their mean and variance ``t2``, both of shapes that broadcast to (S, k)."""
    pull = v / (v + t2)
    return mean * pull + y * (1 - pull) + np.sqrt(t2 * pull) * rng.standard_normal(pull.shape)

"""Mean differences of trials some of which report no standard deviation: its uncertainty is carried, not filled in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from vfmeta.bayes.exact import effect_priors, study_notes
from vfmeta.bayes.models._normal_normal import shrunken
from vfmeta.bayes.models.arm_means import Means, read_means
from vfmeta.bayes.models.engine import Model
from vfmeta.bayes.models.vectorised import Draws
from vfmeta.bayes.monte_carlo import tails_of
from vfmeta.core.messages import InputError
from vfmeta.core.question import Question
from vfmeta.effects import cells
from vfmeta.effects.reading import Studies
from vfmeta.priors import HalfNormal, MuPrior, TauPrior


def missing_sd(
    data: Any,
    *,
    arm: str = "arm",
    mean: str = "mean",
    sd: str = "sd",
    n: str = "n",
    reference: Any,
    study: str = "study",
    tau: TauPrior | None = None,
    mu: MuPrior | None = None,
    between_trials: TauPrior | None = None,
    between_arms: TauPrior | None = None,
    question: Question | None = None,
) -> Model:
    """Random-effects model of mean differences in which an unreported SD has the distribution the other trials give it.

    A hierarchical model of the SDs beside that of the effects (Weir et al. 2018, BMC Med Res Methodol 18:25, on such models).
    The effects follow y_i ~ N(mu, v_i + tau^2), v_i = sd_1^2 / n_1 + sd_2^2 / n_2. The log SD of arm j of trial i is N(m + a_i,
    kappa^2) with a_i ~ N(0, omega^2); the log of a reported SD is normal around it, with the mean and variance of the log of a
    chi variable on n - 1 degrees of freedom (Bartlett & Kendall 1946, Suppl J R Stat Soc 8:128-138). An unreported SD is a
    parameter, given all reported ones (that of the other arm of its trial above all) and, faintly, the effects themselves. A
    reported SD enters v_i as it stands, as everywhere in a normal-normal model: with none missing the posterior of the effects
    is that of `vf.bayes.random_effects` on MD and its variances.

    Parameters
    ----------
    data : data frame or mapping of columns
        A row an arm, two arms a trial, all on one scale.
    reference : label
        The control arm, in column ``arm``; effects are the other arm minus it.
    study, arm, mean, n, sd : str
        Names of the columns; ``sd`` (points of the scale) is empty where it was not reported.
    tau, mu : priors, optional
        In points of the scale; defaults follow the scale of the question.
    between_trials, between_arms : priors, optional
        Of omega and kappa, on the log scale: half-normal(0.5) (SDs of trials mostly within a factor 2.7 of each other) and
        half-normal(0.25) (arms of a trial mostly within a factor 2).
    question : Question, optional
        Its measure must be "MD".

    Returns
    -------
    Model
        Variables mu, tau, theta (study), next_trial, variance (study), sd_unreported (unreported), log_sd_mean,
        sd_between_trials, sd_between_arms; observed: effect (study), log_sd (first reported SD of a trial) and log_sd_second.

    Raises
    ------
    InputError
        Faulty rows, trials without exactly two arms, no SD reported at all, or another measure: a standardised difference
        divides by the very SD that is missing.

    Examples
    --------
    >>> import vfmeta as vf
    >>> arms = {"study": ["A", "A", "B", "B", "C", "C"], "arm": ["drug", "placebo"] * 3, "mean": [3.1, 4.0, 2.8, 3.9, 3.0, 3.6],
    ...      "n": [30, 31, 40, 42, 25, 25], "sd": [2.1, 2.0, None, None, 1.9, 2.2]}
    >>> model = vf.bayes.models.missing_sd(arms, reference="placebo", tau=vf.priors.HalfNormal(1.0), mu=vf.priors.Normal(0, 5))
    >>> model.question.measure
    'MD'
    """
    cells.check_question(question)
    if question is not None and question.measure != "MD":
        raise InputError(
            f"The measure of the question is {question.measure!r}; an unreported SD can be carried for a mean difference (MD) "
            "on one scale only. A standardised mean difference divides by the SD, so without it there is no effect to pool."
        )
    means = read_means(data, reference, {"study": study, "arm": arm, "mean": mean, "n": n, "sd": sd}, question)
    sds = _Sds.of(means)
    studies = Studies(means.y, sds.shown, means.studies, means.question, (), ())
    tau, mu = effect_priors(studies, tau, mu)
    omega, kappa = between_trials or HalfNormal(0.5), between_arms or HalfNormal(0.25)
    middle = float(sds.reported.mean())
    values = {
        "y": means.y, **sds.data, "log_sd_middle": np.array(middle), **mu.data("mu"), **tau.data("tau"),
        **omega.data("sd_between_trials"), **kappa.data("sd_between_arms"),
    }  # fmt: skip
    count = len(sds.names)

    def make(pm: Any) -> None:
        seen = pm.Data("y", means.y, dims="study")
        given = {name: pm.Data(name, x) for name, x in sds.data.items()}
        centre, spread = mu.pymc("mu"), tau.pymc("tau")
        level = pm.Normal("log_sd_mean", pm.Data("log_sd_middle", np.array(middle)), 2.5)
        trials, arms = omega.pymc("sd_between_trials") ** 2, kappa.pymc("sd_between_arms") ** 2
        total = trials + arms + given["first_error"]
        pm.Normal("log_sd", level, pm.math.sqrt(total), observed=given["first"], dims="reporting")
        told = trials / (trials + arms + given["pair_error"])
        rest = trials + arms + given["second_error"] - trials * told
        expected = level + told * (given["pair"] - level)
        pm.Normal("log_sd_second", expected, pm.math.sqrt(rest), observed=given["second"], dims="reporting_both")
        variance = given["known_variance"]
        if count:
            z = pm.Normal("log_sd_raw", 0.0, 1.0, dims="unreported")
            logs = _unreported(pm, sds, given, z, level, trials, arms)
            pm.Deterministic("sd_unreported", pm.math.exp(logs), dims="unreported")
            variance = variance + pm.math.dot(given["share"], pm.math.exp(2 * logs))
        variance = pm.Deterministic("variance", 1.0 * variance, dims="study")
        pm.Normal("effect", centre, pm.math.sqrt(variance + spread**2), observed=seen, dims="study")

    def extend(draws: Draws, data: Mapping[str, np.ndarray], rng: np.random.Generator) -> Draws:
        m, t, v = draws["mu"], draws["tau"], draws["variance"]
        theta = shrunken(m[:, None], t[:, None] ** 2, data["y"], v, rng)
        return {"theta": theta, "weight": 1 / (v + t[:, None] ** 2), "next_trial": m + t * rng.standard_normal(m.shape)}

    kinds = (len(sds.alone), len(sds.both), tau.graph, mu.graph, omega.graph, kappa.graph)
    return Model(
        "missing_sd", kinds, make, values,
        {"study": list(means.studies), "unreported": list(sds.names), "reporting": list(sds.reporting),
         "reporting_both": list(sds.reporting[: len(sds.data["second"])])},
        ("mu", "tau", *(("sd_unreported",) if count else ()), "log_sd_mean", "sd_between_trials", "sd_between_arms"),
        question=means.question, notes=(*study_notes(studies, tau, mu), *sds.notes), elastic=True, extend=extend,
        priors=(
            str(tau), str(mu), f"mean log SD ~ N({middle:.3g}, 2.5), around the mean of those reported",
            str(omega).replace("tau", "log SD between trials", 1), str(kappa).replace("tau", "log SD between arms", 1),
        ),
        dims={"theta": ("study",), "weight": ("study",)}, studies=studies, tails=tails_of(tau, mu, studies.k),
        prior_objects={"tau": tau, "mu": mu, "sd_between_trials": omega, "sd_between_arms": kappa},
    )  # fmt: skip


@dataclass(frozen=True)
class _Sds:
    """The SDs as the model reads them.

    ``data`` are its containers, ``reported`` the logs of all reported SDs (freed of their small-sample bias), ``alone`` the
    trials that lack one SD and ``both`` those that lack two, ``names`` those of the unreported SDs in the order of their
    parameters, ``reporting`` the trials with a reported SD, those with two first, ``shown`` variances in which a typical SD
    stands for each of the unreported.
    """

    data: dict[str, np.ndarray]
    reported: np.ndarray
    alone: np.ndarray
    both: np.ndarray
    names: tuple[str, ...]
    reporting: tuple[str, ...]
    shown: np.ndarray
    notes: tuple[str, ...]

    @classmethod
    def of(cls, m: Means) -> _Sds:
        from scipy.special import digamma, polygamma

        known = np.isfinite(m.sd)
        if not known.any():
            raise InputError("No arm reports an SD, so nothing tells what the unreported ones may be; at least one is needed.")
        half = (m.n - 1) / 2
        log = np.log(np.where(known, m.sd, 1.0)) - 0.5 * (digamma(half) - np.log(half))
        error = polygamma(1, half) / 4
        count = known.sum(axis=1)
        full, alone, both = (np.flatnonzero(count == c) for c in (2, 1, 0))
        there = np.argmax(known, axis=1)  # of a trial that reports one SD, the arm that does
        first = np.concatenate([log[full, 0], log[alone, there[alone]]])
        # one parameter each: the lacking arm of `alone`, then the reference arms of `both`, then their other arms
        trial = np.concatenate([alone, both, both])
        side = np.concatenate([1 - there[alone], np.zeros(len(both), int), np.ones(len(both), int)])
        share = np.zeros((len(m.y), len(trial)))
        share[trial, np.arange(len(trial))] = 1 / m.n[trial, side]
        squares = np.where(known, m.sd, 0.0) ** 2 / m.n
        data = {
            "first": first, "first_error": np.concatenate([error[full, 0], error[alone, there[alone]]]),
            "pair": log[full, 0], "pair_error": error[full, 0], "second": log[full, 1], "second_error": error[full, 1],
            "known_variance": squares.sum(axis=1),
        }  # fmt: skip
        if len(trial):
            data |= {"share": share, "partner": log[alone, there[alone]], "partner_error": error[alone, there[alone]]}
        typical = float(np.exp(log[known].mean()))
        names = tuple(f"{m.studies[i]}: {m.arms[i][j]}" for i, j in zip(trial, side, strict=True))
        notes = []
        if names:
            notes.append(
                f"No SD is reported for {', '.join(names)}; theirs are estimated from the other arms, on the assumption that "
                "trials which do not report it vary as those do that report it."
            )
            if np.count_nonzero(count) < 2:
                notes.append("SDs are reported in one trial only: how they differ between trials comes from its prior alone.")
        reporting = tuple(m.studies[i] for i in [*full, *alone])
        shown = squares.sum(axis=1) + typical**2 * share.sum(axis=1)
        return cls(data, log[known], alone, both, names, reporting, shown, tuple(notes))


def _unreported(pm: Any, sds: _Sds, given: Mapping[str, Any], z: Any, level: Any, trials: Any, arms: Any) -> Any:
    """Logs of the unreported SDs from standard normal parameters, given the SD of the other arm where there is one."""
    one, two = len(sds.alone), len(sds.both)
    told = trials / (trials + arms + given["partner_error"])
    beside = level + told * (given["partner"] - level) + pm.math.sqrt(trials + arms - trials * told) * z[:one]
    both = trials + arms
    reference = level + pm.math.sqrt(both) * z[one : one + two]
    like = trials / both
    other = level + like * (reference - level) + pm.math.sqrt(both * (1 - like**2)) * z[one + two :]
    return pm.math.concatenate([beside, reference, other])

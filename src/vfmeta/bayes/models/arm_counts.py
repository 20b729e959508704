"""What the models of arm-level counts share: contrasts of the arms, baselines, random effects, and how they are sampled.

The linear predictor (log odds or log rate) of an arm is the baseline of its trial plus the coded effects of the trial's arms.
Effects against the reference arm are normal(mu, tau), those of one trial correlated by 1/2 (Higgins & Whitehead 1996, Stat Med
15:2733-2749). Baselines and effects are sampled partly centred, each trial as far as its counts tell (Papaspiliopoulos,
Roberts & Sköld 2007, Statist Sci 22:59-73): that moves the sampler and leaves the posterior as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from vfmeta.bayes.models.arms import Arms
from vfmeta.bayes.models.engine import Model
from vfmeta.bayes.models.vectorised import Draws
from vfmeta.core.messages import InputError
from vfmeta.core.params import Baseline, Coding, choice
from vfmeta.effects.reading import Studies
from vfmeta.priors import HalfNormal, MuPrior, Normal, TauPrior
from vfmeta.text.notes import one_trial


@dataclass(frozen=True)
class Scheme:
    """Linear maps of arms and effects.

    ``share`` (r, c) carries the effects of c contrasts to the predictors of r arms, ``root`` (c, c) independent deviations to
    correlated effects, ``ones`` (c,) is what ``root`` carries to effects of one.
    """

    share: np.ndarray
    root: np.ndarray
    ones: np.ndarray


def scheme(arms: Arms, coding: str) -> Scheme:
    """Contrasts of every trial's arms with its reference arm.

    With ``coding="half"`` the baseline is the mean of the trial's arms (two arms lie half an effect below and above it), with
    "reference" it is that of the reference arm.
    """
    r, c = len(arms.names), len(arms.names) - len(arms.studies)
    share, root = np.zeros((r, c)), np.zeros((c, c))
    column = 0
    for i in range(len(arms.studies)):
        rows = np.flatnonzero(arms.study == i)
        m = len(rows) - 1
        mine = slice(column, column + m)
        share[rows, mine] = np.vstack([np.zeros(m), np.eye(m)]) - (1 / (m + 1) if coding == "half" else 0.0)
        root[mine, mine] = np.linalg.cholesky(0.5 * (np.eye(m) + 1))
        column += m
    return Scheme(share, root, np.linalg.solve(root, np.ones(c)))


@dataclass(frozen=True)
class Crude:
    """Predictors and variances of the arms as counted (with a half added), which only set how the sampler moves."""

    value: np.ndarray
    variance: np.ndarray


def centring(value: np.ndarray, variance: np.ndarray, prior: TauPrior) -> np.ndarray:
    """How far each of k effects is sampled centred, between 0 and 1, from how well its own counts tell it.

    Centred effects make a funnel where their SD may be near zero, others where counts leave them no room. So the reliability
    is taken at low values of the variance between trials: its moment estimate with the 95% point of Q under no heterogeneity
    in place of the mean, and, at half weight, half the prior median of the SD. The bounds were found by trying sets of 2 to 13
    trials with 0 to 6,000 events an arm.
    """
    from scipy.special import chdtri

    k, typical = len(value), float(prior.quantile(0.5)) / 2
    least = 0.5 * typical**2 / (typical**2 + variance)
    if k < 2:
        return least
    w = 1 / variance
    q = float(w @ (value - w @ value / w.sum()) ** 2)
    tau2 = max(0.0, (q - float(chdtri(k - 1, 0.05))) / float(w.sum() - (w @ w) / w.sum()))
    tau2 = min(tau2, float(prior.quantile(0.9)) ** 2)
    return np.maximum(least, (1 - 1 / k) * tau2 / (tau2 + variance))


def check(measure: str, baseline: str, coding: str, mu: MuPrior, tau: TauPrior, level: Any, spread: Any) -> None:
    """Options and priors a model of counts can use."""
    baseline = choice("baseline", baseline, Baseline)
    coding = choice("coding", coding, Coding)
    refuse_spread(baseline, spread)
    if spread is not None and not isinstance(spread, TauPrior):
        raise InputError(f"baseline_sd={spread!r} is not a prior of a standard deviation; use one such as HalfNormal(1.5).")
    if level is not None and not isinstance(level, Normal):
        raise InputError(f"baseline_prior={level!r} must be a vf.priors.Normal(mean, sd) on the scale of the predictor.")
    for prior in (mu, tau, spread):
        if prior is not None and not prior.proper:
            raise InputError(
                f"{prior} is improper. Trials without events cannot hold such a prior in, nor can it be drawn from; name a "
                "proper one, however wide."
            )


def assemble(
    name: str,
    arms: Arms,
    *,
    baseline: str,
    coding: str,
    mu: MuPrior,
    tau: TauPrior,
    level: Normal,
    spread: TauPrior | None,
    unit: str,
    crude: Crude,
    size: dict[str, np.ndarray],
    studies: Studies | None,
    likelihood: Callable[[Any, Any, Any, dict[str, Any]], Any],
    predictor: Callable[[Any, Any, dict[str, Any]], Any] | None = None,
    notes: tuple[str, ...] = (),
) -> Model:
    """The model around a likelihood.

    ``unit`` says what the predictor is ("log odds"), ``size`` holds what the likelihood reads beside the counts.
    ``likelihood(pm, eta, count, given)`` declares the counts, ``predictor(baselines, effects, given)`` replaces the linear
    predictor where the measure asks for another.
    """
    plan, given_priors = scheme(arms, coding), mu.data("mu") | tau.data("tau")
    spread = (spread or HalfNormal(1.5)) if baseline == "random" else None
    first = {i: int(np.flatnonzero((arms.study == i) & arms.reference)[0]) for i in range(len(arms.studies))}
    others = np.flatnonzero(~arms.reference)
    base = np.array([first[i] for i in arms.study[others]])
    data: dict[str, np.ndarray] = {
        "count": arms.events.astype("int64"), "trial": arms.study.astype("int64"), "share": plan.share @ plan.root,
        "root": plan.root, "ones": plan.ones,
        "pull": centring(crude.value[others] - crude.value[base], crude.variance[others] + crude.variance[base], tau),
        "level_mean": np.array(level.mean), "level_sd": np.array(level.sd), "sign": np.where(arms.reference, -1.0, 1.0),
        **size, **given_priors,
    }  # fmt: skip
    if spread is not None:
        weight = (np.eye(len(arms.studies))[arms.study]).T
        if coding == "reference":
            weight = weight * arms.reference
        weight = weight / weight.sum(1, keepdims=True)
        own = centring(weight @ crude.value, weight**2 @ crude.variance, spread)
        data |= {"pull_base": own, **spread.data("baseline_sd")}
    dims = "study" if arms.two_armed else "contrast"

    def make(pm: Any) -> None:
        given = {key: pm.Data(key, value) for key, value in data.items()}
        mean, sd = mu.pymc("mu"), tau.pymc("tau")
        part = given["pull"]
        expected = given["ones"] * mean
        raw = pm.Normal("effect_raw", part * expected, sd**part, dims=dims)
        deviate = expected + sd ** (1 - part) * (raw - part * expected)
        theta = pm.Deterministic("theta", pm.math.dot(given["root"], deviate), dims=dims)
        if spread is None:
            levels = pm.Normal("baseline", given["level_mean"], given["level_sd"], dims="study")
        else:
            middle = pm.Normal("baseline_mean", given["level_mean"], given["level_sd"])
            apart = spread.pymc("baseline_sd")
            own = given["pull_base"]
            moved = pm.Normal("baseline_raw", own * middle, apart**own, dims="study")
            levels = pm.Deterministic("baseline", middle + apart ** (1 - own) * (moved - own * middle), dims="study")
        at = levels[given["trial"]]
        eta = at + pm.math.dot(given["share"], deviate) if predictor is None else predictor(at, theta, given)
        likelihood(pm, eta, given["count"], given)

    coords = {"study": list(arms.studies), "arm": list(arms.names)}
    if dims == "contrast":
        coords["contrast"] = list(arms.contrast_names)
    where = "the mean of a trial's arms" if coding == "half" else "its reference arm"
    told = [
        f"baseline ({unit} of {where}) ~ N({level.mean:g}, {level.sd:g}), each trial on its own" if spread is None else
        f"baseline ({unit} of {where}) ~ N(m, s), m ~ N({level.mean:g}, {level.sd:g}), "
        + str(spread).replace("tau ~", "s ~", 1)
    ]  # fmt: skip
    return Model(
        name=name,
        key=(name, arms.question.measure, baseline, mu.graph, tau.graph, None if spread is None else spread.graph),
        make=make, data=data, coords=coords,
        watch=("mu", "tau", *(() if spread is None else ("baseline_mean", "baseline_sd"))),
        question=arms.question, priors=(str(tau), str(mu), *told),
        notes=(*arms.notes, *_alone(arms), *said_of_silence(arms, baseline), *notes), extend=_next_trial, studies=studies,
        prior_objects={"tau": tau, "mu": mu, "baseline": level} | ({} if spread is None else {"baseline_sd": spread}),
    )  # fmt: skip


def _next_trial(draws: Draws, data: Mapping[str, np.ndarray], rng: np.random.Generator) -> Draws:
    """The true effect of a further trial."""
    return {"next_trial": draws["mu"] + draws["tau"] * rng.standard_normal(draws["mu"].shape)}


def shown_beside(arms: Arms, make: Callable[..., tuple[np.ndarray, np.ndarray]]) -> Studies | None:
    """Effects and variances of the trials as a two-stage analysis has them, for figures; the model does not use them.

    ``make(events1, size1, events2, size2)`` adds a half where there is a zero.
    """
    if not arms.two_armed:
        return None
    (x2, x1), (n2, n1) = arms.events.reshape(-1, 2).T, arms.size.reshape(-1, 2).T
    y, v = make(x1, n1, x2, n2)
    return Studies(y, v, arms.studies, arms.question, (), ())


def _alone(arms: Arms) -> tuple[str, ...]:
    if len(arms.studies) > 1:
        return ()
    return (one_trial(arms.studies[0]),)


def said_of_silence(arms: Arms, baseline: str) -> tuple[str, ...]:
    """What trials without events contribute, in words."""
    quiet = arms.silent
    if not quiet:
        return ()
    which = f"No event in any arm of {', '.join(quiet)}"
    if len(quiet) == len(arms.studies):
        return (f"{which}: there is no event at all, so the effect is known by its prior alone.",)
    ratio = arms.question.measure
    if baseline == "fixed":
        return (
            f"{which}: kept. With a baseline of its own such a trial says next to nothing of the {ratio}; what little it "
            "says comes through the prior of its baseline.",
        )
    return (
        f"{which}: kept. With exchangeable baselines such a trial says that risks are low, and of the {ratio} a little: it "
        "speaks for the arm with more patients, and with equal arms for no difference.",
    )


def refuse_spread(baseline: str, spread: Any) -> None:
    """An error where baselines that are free of each other are given a spread."""
    if baseline == "fixed" and spread is not None:
        raise InputError('baseline_sd= is the spread of exchangeable baselines; it goes with baseline="random".')

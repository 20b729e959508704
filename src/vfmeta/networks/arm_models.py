"""Bayesian network meta-analysis with a likelihood of its own for every arm: the verb, and the model in PyMC."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from vfmeta.bayes.exact import choose_priors
from vfmeta.bayes.models.arm_counts import centring
from vfmeta.bayes.regression import coefficient_priors
from vfmeta.core.messages import InputError
from vfmeta.core.params import Baseline, Consistency, Heterogeneity, Missing, Parametrisation, choice
from vfmeta.core.question import Question
from vfmeta.networks.arms import NetworkArms, read_network_arms
from vfmeta.networks.compared import coded
from vfmeta.networks.sampled import NetworkModel
from vfmeta.networks.unrelated import labels, unrelated
from vfmeta.priors import Flat, HalfNormal, Normal, TauPrior, default_mu


def arm_model(
    data: Any = None,
    *,
    measure: str | None = None,
    mean: Any = None,
    sd: Any = None,
    events: Any = None,
    n: Any = None,
    time: Any = None,
    reference: str | None = None,
    study: Any = None,
    treatment: Any = None,
    heterogeneity: Heterogeneity = "random",
    consistency: Consistency = "consistency",
    parametrisation: Parametrisation = "contrast-based",
    baseline: Baseline | None = None,
    tau: TauPrior | None = None,
    beta: Normal | Mapping[str, Normal] | None = None,
    baseline_prior: Normal | None = None,
    baseline_sd: TauPrior | None = None,
    question: Question | None = None,
    missing: Missing = "raise",
) -> NetworkModel:
    """Bayesian network meta-analysis of arms by their own likelihood, to be sampled in PyMC: no cell is corrected.

    The linear predictor of an arm is the baseline of its trial plus the effect of its treatment in that trial. Effects of one
    trial vary around the mean effects d with standard deviation tau and are correlated by 1/2 (Higgins & Whitehead 1996, Stat
    Med 15:2733-2749), trials of any number of arms. Models are those of Dias et al. 2011 (NICE DSU Technical Support Documents
    2 and 4).

    Parameters
    ----------
    data : data frame or mapping of columns, optional
        Where the names below are looked up; columns called as the arguments are found by themselves.
    study, treatment : column name or array-like
        One row an arm.
    mean, sd, n, events, time : column name or array-like, optional
        What the measure takes of an arm.
    measure : {"OR", "HR", "IRR", "MD"}, optional
        "OR": events of n patients, binomial, logit link. "HR": events of n patients within a follow-up of ``time``, binomial,
        complementary log-log link (hazards constant over the follow-up). "IRR": events over person-``time``, Poisson, log link.
        "MD": mean, sd, n, normal with known error. The one that suits the columns when left out and there is only one.
    reference : str, optional
        What every treatment is compared with; the treatment of most trials when left out.
    heterogeneity : {"random", "common"}
        Whether effects vary between trials, or each comparison has one effect in all.
    consistency : {"consistency", "UME"}
        Whether the effects of all comparisons follow from those against the reference, or each comparison with direct evidence
        has a mean effect of its own (unrelated mean effects, TSD 4). A trial of several arms then informs the comparisons with
        its first treatment, the reference or else the first by name.
    parametrisation : {"contrast-based", "arm-based"}
        "arm-based": each treatment has a mean level, and trials deviate from all of theirs alike, N(0, baseline_sd), and from
        each on its own (equal variances and correlations: Hong et al. 2016, Res Synth Methods 7:6-22). It lets levels inform
        effects, as exchangeable baselines do (White et al. 2019, Stat Med 38:5197-5213).
    baseline : {"fixed", "random"}, optional
        Of the contrast-based model: whether each trial has a baseline of its own (the mean of its arms; the default) or the
        levels under the reference are exchangeable normal.
    tau : prior, optional
        Of the SD of any contrast between trials; the default of the measure when left out.
    beta : Normal, or mapping of terms to Normal, optional
        Of the effects against the reference, or of the comparisons ("B v A") of unrelated mean effects; the default of the
        measure where nothing is said, of an MD without ``question.points`` one ten times as wide as the data.
    baseline_prior : Normal, optional
        Of every trial's baseline, of the mean of exchangeable ones, or of the levels of treatments, on the scale of the
        predictor: by default N(0, 5) in log odds, SD 5 around the overall log rate or log hazard, and ten times the spread of
        means.
    baseline_sd : prior of a standard deviation, optional
        Of exchangeable baselines and of the arm-based model; default half-normal(1.5), of means half their spread.
    question : Question, optional
        Outcome, unit and direction of the effects.
    missing : {"raise", "drop"}
        Whether a row with an empty cell is an error or is left out with a warning that names it.

    Returns
    -------
    NetworkModel
        ``.sample(seed=1)`` samples it (compiled once for all data of one shape) and looks at the draws (`SampledNetwork`).
        Variables ``d``, ``tau``, ``theta`` (contrast), ``baseline`` (study) or ``level`` (treatment), and the risk, rate or
        mean of every arm.

    Raises
    ------
    InputError
        Faulty cells, a network in several parts (all named), improper priors, options that do not go together.

    Examples
    --------
    >>> import vfmeta as vf
    >>> arms = {
    ...     "study": ["a", "a", "b", "b", "c", "c", "c"], "treatment": ["drug", "sham", "brace", "sham", "drug", "brace", "sham"],
    ...     "events": [4, 9, 6, 8, 3, 5, 7], "n": [40, 42, 50, 48, 30, 31, 29],
    ... }
    >>> model = vf.networks.arm_model(arms, reference="sham")
    >>> model.terms, model.priors[0]
    (('brace', 'drug'), 'tau ~ half-normal(0.5)')
    """
    given = {"study": study, "treatment": treatment, "mean": mean, "sd": sd, "n": n, "events": events, "time": time}
    arms = read_network_arms(data, given, measure, reference, question, missing)
    heterogeneity = choice("heterogeneity", heterogeneity, Heterogeneity)
    consistency = choice("consistency", consistency, Consistency)
    parametrisation = choice("parametrisation", parametrisation, Parametrisation)
    by_arm = parametrisation == "arm-based"
    if by_arm and (baseline is not None or beta is not None or consistency == "UME"):
        raise InputError(
            'The arm-based model has levels of treatments instead of baselines and effects: leave out baseline=, beta= and '
            'consistency="UME"; baseline_prior= is the prior of the levels.'
        )
    baseline = "random" if by_arm else choice("baseline", baseline or "fixed", Baseline)
    if consistency == "UME" and baseline == "random":
        raise InputError(
            'consistency="UME" goes with baseline="fixed": where effects do not follow from those against the reference, a '
            "trial without it has no level under it."
        )
    if baseline == "fixed" and baseline_sd is not None:
        raise InputError('baseline_sd= is the spread of exchangeable baselines; it goes with baseline="random".')
    if heterogeneity == "common" and tau is not None:
        raise InputError('tau= is the heterogeneity of effects, which heterogeneity="common" has none of; leave one out.')
    spread = _spread(arms) if baseline_sd is None else baseline_sd
    chosen = choose_priors(arms.question, tau, Flat())[0] if heterogeneity == "random" else None
    for name, prior in (("tau", chosen), ("baseline_sd", spread if baseline == "random" else None)):
        if prior is not None and not (isinstance(prior, TauPrior) and prior.proper):
            raise InputError(f"{name}={prior!r} must be a proper prior of a standard deviation, such as HalfNormal(0.5).")
    if baseline_prior is not None and not isinstance(baseline_prior, Normal):
        raise InputError(f"baseline_prior={baseline_prior!r} must be a vf.priors.Normal(mean, sd) on the predictor's scale.")
    level = arms.likelihood.level(arms.columns) if baseline_prior is None else baseline_prior
    plan = Plan(arms, consistency, parametrisation, chosen, spread if baseline == "random" else None, level)
    terms = arms.net.others if consistency == "consistency" else labels(plan.direct)
    return plan.model(terms, plan.effect_priors(terms, beta), plan.design)


def _spread(arms: NetworkArms) -> TauPrior:
    if arms.question.measure != "MD":
        return HalfNormal(1.5)
    means = arms.columns["mean"]
    return HalfNormal(float(f"{(float(np.ptp(means)) or float(np.median(arms.columns['sd']))) / 2:.3g}"))


@dataclass(frozen=True)
class Plan:
    """Everything of a model but its effects: split and unrelated effects are other designs over the same plan.

    ``tau`` is None of common effects, ``spread`` of fixed baselines. With exchangeable baselines, and in the
    arm-based model, the mean of the arms of a trial varies around what its treatments make of the level under the reference,
    independently of their contrasts: the arm-based model is that with variance spread^2 + tau^2 / (2 arms).
    """

    arms: NetworkArms
    consistency: str
    parametrisation: str
    tau: TauPrior | None
    spread: TauPrior | None
    level: Normal

    @cached_property
    def direct(self) -> tuple[tuple[str, str], ...]:
        """Comparisons that have an effect of their own where mean effects are unrelated."""
        return unrelated(self.arms.net)[0]

    @cached_property
    def half(self) -> np.ndarray:
        """What contrasts with the first arm are to the arms of a trial, whose mean is its baseline; shape (r, c)."""
        r = len(self.arms.names)
        out, column, row = np.zeros((r, r - len(self.arms.studies))), 0, 0
        for t in self.arms.net.trials:
            m = len(t.arms) - 1
            out[row : row + m + 1, column : column + m] = np.vstack([np.zeros(m), np.eye(m)]) - 1 / (m + 1)
            row, column = row + m + 1, column + m
        return out

    @cached_property
    def root(self) -> np.ndarray:
        """Triangular root of the correlation of the contrasts of each trial, shape (c, c)."""
        sizes = [len(t.arms) - 1 for t in self.arms.net.trials]
        out, at = np.zeros((sum(sizes),) * 2), 0
        for m in sizes:
            out[at : at + m, at : at + m] = np.linalg.cholesky(0.5 * (np.eye(m) + 1))
            at += m
        return out

    @cached_property
    def design(self) -> np.ndarray:
        """The effects in the contrasts, shape (c, q)."""
        net = self.arms.net
        if self.consistency == "UME":
            return np.vstack(unrelated(net)[1])
        return np.vstack([net.coding(t) for t in net.trials])

    @cached_property
    def mean(self) -> np.ndarray:
        """Mean over the arms of each trial, shape (studies, r)."""
        weight = np.eye(len(self.arms.studies))[self.arms.trial].T
        return weight / weight.sum(1, keepdims=True)

    @cached_property
    def default(self) -> Normal:
        """Prior of an effect of which nothing is said."""
        q, columns = self.arms.question, self.arms.columns
        if q.measure == "MD" and q.points is None:
            return Normal(0.0, self.arms.likelihood.level(columns).sd)
        usual = default_mu(q)
        assert isinstance(usual, Normal)  # of every measure that has a likelihood here
        return usual

    def effect_priors(self, terms: tuple[str, ...], beta: Any) -> tuple[Normal, ...]:
        """A proper prior for every effect."""
        stated = beta if isinstance(beta, Mapping) else {} if beta is None else dict.fromkeys(terms, beta)
        chosen = coefficient_priors(terms, {**dict.fromkeys(terms, self.default), **stated})
        for term, prior in zip(terms, chosen, strict=True):
            if not isinstance(prior, Normal):
                raise InputError(
                    f"beta[{term!r}]={prior!r} is improper: trials without events cannot hold such a prior in; take a wide "
                    "vf.priors.Normal(0, sd)."
                )
        return tuple(x for x in chosen if isinstance(x, Normal))

    def model(self, terms: tuple[str, ...], beta: tuple[Normal, ...], x: np.ndarray) -> NetworkModel:
        """The PyMC model with these effects, whose part in the contrasts is ``x`` (c, q)."""
        arms = self.arms
        data = arms.likelihood.data(arms.columns) | self._data(x, beta)
        for name, prior in (("tau", self.tau), ("baseline_sd", self.spread)):
            data |= {} if prior is None else prior.data(name)
        by_arm = self.parametrisation == "arm-based"
        coords = {
            "study": list(arms.studies), "arm": list(arms.names), "contrast": list(arms.contrast_names), "term": list(terms)
        }  # fmt: skip
        hyper = () if self.spread is None else ("level" if by_arm else "baseline_mean", "baseline_sd")
        kinds = tuple(None if p is None else p.graph for p in (self.tau, self.spread))
        objects: dict[str, Any] = {"tau": self.tau, "baseline_sd": self.spread, "baseline": self.level}
        objects |= {} if by_arm else dict(zip(terms, beta, strict=True))
        return NetworkModel(
            name="network", key=("network", arms.question.measure, self.parametrisation, *kinds), make=self._make(data),
            data=data, coords=coords | ({"treatment": list(arms.net.treatments)} if by_arm else {}),
            watch=("d", *(("tau",) if self.tau else ()), *hyper), question=arms.question, priors=self._said(terms, beta),
            notes=arms.net.notes, prior_objects={k: p for k, p in objects.items() if p is not None}, plan=self, terms=terms,
        )  # fmt: skip

    def _data(self, x: np.ndarray, beta: tuple[Normal, ...]) -> dict[str, np.ndarray]:
        arms, net = self.arms, self.arms.net
        data = {
            "trial": arms.trial.astype("int64"), "level_mean": np.array(self.level.mean), "level_sd": np.array(self.level.sd),
            "mix": self.half @ x, "design": x,
        }  # fmt: skip
        if self.parametrisation == "arm-based":
            minus = coded(net.treatments, net.others).T - [float(t == net.reference) for t in net.treatments]
            data |= {"minus": minus, "base": np.array(net.treatments.index(net.reference)), "size": 1 / self.mean.max(axis=1)}
        else:
            data |= {"beta_mean": np.array([b.mean for b in beta]), "beta_sd": np.array([b.sd for b in beta])}
        value, variance = arms.crude
        y = np.concatenate([t.y for t in net.trials])
        v = np.concatenate([np.diag(t.V) for t in net.trials])
        effects = np.linalg.lstsq(x / np.sqrt(v)[:, None], y / np.sqrt(v), rcond=None)[0]
        if self.tau is not None:
            data |= {
                "root": self.root, "deviate": self.half @ self.root, "lead": np.linalg.solve(self.root, x),
                "pull": centring(y - x @ effects, v, self.tau),
            }  # fmt: skip
        if self.spread is not None:
            tilt = np.zeros((len(arms.studies), x.shape[1]))  # a split column stays within its trials
            tilt[:, : len(net.others)] = self.mean @ coded(net.treatments, net.others)[arms.treatment]
            own = centring(self.mean @ value - tilt @ effects, self.mean**2 @ variance, self.spread)
            data |= {"tilt": tilt, "pull_base": own}
        return data

    def _make(self, data: Mapping[str, np.ndarray]) -> Any:
        tau, spread, declare = self.tau, self.spread, self.arms.likelihood.declare
        by_arm = self.parametrisation == "arm-based"

        # effects and levels are partly centred, each trial as far as its figures tell: that moves the sampler and no posterior
        def make(pm: Any) -> None:
            given = {key: pm.Data(key, value) for key, value in data.items()}
            sd = None if tau is None else tau.pymc("tau")
            if by_arm:
                levels = pm.Normal("level", given["level_mean"], given["level_sd"], dims="treatment")
                middle, d = levels[given["base"]], pm.Deterministic("d", pm.math.dot(given["minus"], levels), dims="term")
            else:
                d = pm.Normal("d", given["beta_mean"], given["beta_sd"], dims="term")
            if spread is None:
                means = pm.Normal("baseline", given["level_mean"], given["level_sd"], dims="study")
            else:
                if not by_arm:
                    middle = pm.Normal("baseline_mean", given["level_mean"], given["level_sd"])
                apart, own = spread.pymc("baseline_sd"), given["pull_base"]
                if by_arm and sd is not None:  # the mean of arms that vary on their own, with half of tau2 each
                    apart = pm.math.sqrt(apart**2 + sd**2 / (2 * given["size"]))
                tilt = pm.math.dot(given["tilt"], d)
                expected = middle + tilt
                raw = pm.Normal("baseline_raw", own * expected, apart**own, dims="study")
                means = expected + apart ** (1 - own) * (raw - own * expected)
                pm.Deterministic("baseline", means - tilt, dims="study")
            eta, mean = means[given["trial"]] + pm.math.dot(given["mix"], d), pm.math.dot(given["design"], d)
            if sd is None:
                pm.Deterministic("theta", mean, dims="contrast")
            else:
                part, lead = given["pull"], pm.math.dot(given["lead"], d)
                raw = pm.Normal("effect_raw", part * lead, sd**part, dims="contrast")
                off = sd ** (1 - part) * (raw - part * lead)
                pm.Deterministic("theta", mean + pm.math.dot(given["root"], off), dims="contrast")
                eta = eta + pm.math.dot(given["deviate"], off)
            declare(pm, eta, given)

        return make

    def _said(self, terms: tuple[str, ...], beta: tuple[Normal, ...]) -> tuple[str, ...]:
        unit, level = self.arms.likelihood.unit, f"N({self.level.mean:g}, {self.level.sd:g})"
        told = [] if self.tau is None else [str(self.tau)]
        if self.parametrisation == "arm-based":
            told.append(f"level ({unit}) of every treatment ~ {level}")
            return (*told, str(self.spread).replace("tau ~", "SD of trials around all their levels ~", 1))
        kinds = {str(b).replace("mu", "d", 1) for b in beta}
        told += [f"every effect: {kinds.pop()}"] if len(kinds) == 1 else [
            f"{n}: {str(b).replace('mu', 'd', 1)}" for n, b in zip(terms, beta, strict=True)
        ]  # fmt: skip
        if self.spread is None:
            return (*told, f"baseline ({unit} of the mean of a trial's arms) ~ {level}, each trial on its own")
        return (
            *told,
            f"baseline ({unit} under {self.arms.net.reference}) ~ N(m, s), m ~ {level}, "
            + str(self.spread).replace("tau ~", "s ~", 1),
        )



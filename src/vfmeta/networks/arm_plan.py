"""What a network model of arms is made of: designs, data, priors in words, and the variables in PyMC."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from vfmeta.bayes.models.arm_counts import centring
from vfmeta.bayes.regression import coefficient_priors
from vfmeta.core.messages import InputError
from vfmeta.networks.arms import NetworkArms
from vfmeta.networks.compared import coded
from vfmeta.networks.unrelated import unrelated
from vfmeta.priors import HalfNormal, Normal, TauPrior, default_mu


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

    def data(self, x: np.ndarray, beta: tuple[Normal, ...]) -> dict[str, np.ndarray]:
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
                "pull": _pull(y - x @ effects, v, self.tau),
            }  # fmt: skip
        if self.spread is not None:
            tilt = np.zeros((len(arms.studies), x.shape[1]))  # a split column stays within its trials
            tilt[:, : len(net.others)] = self.mean @ coded(net.treatments, net.others)[arms.treatment]
            own = _pull(self.mean @ value - tilt @ effects, self.mean**2 @ variance, self.spread)
            data |= {"tilt": tilt, "pull_base": own}
        return data

    def make(self, data: Mapping[str, np.ndarray]) -> Any:
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

    def said(self, terms: tuple[str, ...], beta: tuple[Normal, ...]) -> tuple[str, ...]:
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


def _pull(value: np.ndarray, variance: np.ndarray, prior: TauPrior) -> np.ndarray:
    """How far each is sampled centred: as `centring` has it, a vague prior held to what the data leave possible.

    Its median stands for a typical SD there; the moment estimate with the 5% point of Q under no heterogeneity bounds it.
    """
    from scipy.special import chdtri

    k, middle = len(value), float(prior.quantile(0.5))
    if k > 1:
        w = 1 / variance
        q = float(w @ (value - w @ value / w.sum()) ** 2)
        most = max(q - float(chdtri(k - 1, 0.95)), 0.0) / float(w.sum() - (w @ w) / w.sum())
        middle = min(middle, math.sqrt(most) or middle)
    return centring(value, variance, HalfNormal(middle / 0.6745))

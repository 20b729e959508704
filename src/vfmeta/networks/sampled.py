"""Network models with likelihoods of arms, and what sampling them answers with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from vfmeta.bayes.models.answer import Sampled
from vfmeta.bayes.models.engine import Model
from vfmeta.core.messages import InputError
from vfmeta.core.params import OnScale, Sampler, confidence
from vfmeta.networks.arm_plan import Plan
from vfmeta.networks.compared import coded, pairs_of, side
from vfmeta.networks.ranking import NO_ORDER, distance, rank_table
from vfmeta.results import verbs
from vfmeta.results.frames import scaled
from vfmeta.results.model_fit import Dic
from vfmeta.text import numbers as tx

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, repr=False)
class SampledNetwork(Sampled):
    """Posterior draws of a network model: comparisons, ranks, fit, and all of `vfmeta.bayes.models.Sampled`.

    Examples
    --------
    >>> import vfmeta as vf
    >>> arms = {"study": list("aabb"), "treatment": list("BABA"), "events": [4, 9, 6, 8], "n": [40, 42, 50, 48]}
    >>> model = vf.networks.arm_model(arms, reference="A")
    >>> post = model.sample(seed=1)  # doctest: +SKIP
    >>> post.comparisons(on="read")  # doctest: +SKIP
    """

    model: NetworkModel

    @property
    def question(self) -> Any:
        """Outcome, measure and direction."""
        return self.model.plan.arms.question

    @property
    def reference(self) -> str:
        """What every treatment is compared with."""
        return self.model.plan.arms.net.reference

    @property
    def treatments(self) -> tuple[str, ...]:
        """All treatments, by name."""
        return self.model.plan.arms.net.treatments

    def _pairs(self) -> tuple[list[tuple[str, str]], np.ndarray]:
        plan = self.model.plan
        if plan.consistency == "UME":
            return list(plan.direct), np.eye(len(self.model.terms))
        return pairs_of(self.treatments, self.reference, coded(self.treatments, self.model.terms))

    def comparisons(self, *, level: float = 0.95, on: OnScale = "analysis") -> pd.DataFrame:
        """Every pair, or of unrelated mean effects every one with direct evidence: treatment, control, estimate (median), se
        (posterior SD), ci_low, ci_high, p_above_0, prediction_low and prediction_high (the effect in a further trial), scale.
        """
        import pandas as pd

        level = confidence(level)
        pairs, matrix = self._pairs()
        x = self.draws("d").reshape(-1, len(self.model.terms)) @ matrix.T
        ends = [0.5 - level / 2, 0.5, 0.5 + level / 2]
        low, middle, high = np.quantile(x, ends, axis=0)
        columns = {
            "treatment": [a for a, _ in pairs], "control": [b for _, b in pairs], "estimate": middle, "se": x.std(0, ddof=1),
            "ci_low": low, "ci_high": high, "p_above_0": (x > 0).mean(0),
        }  # fmt: skip
        if self.model.plan.tau is not None:
            # the same standard deviates for every comparison: none is set apart from another by chance
            away = np.random.default_rng([self.settings["seed"], 21]).standard_normal((len(x), 1))
            ahead = x + self.draws("tau").reshape(-1, 1) * away
            columns["prediction_low"], _, columns["prediction_high"] = np.quantile(ahead, ends, axis=0)
        return scaled(pd.DataFrame(columns), self.question, on)

    def ranks(self, better: str | None = None) -> pd.DataFrame:
        """Probability of each rank (columns 1, 2, ...; 1 is best), ``sucra`` and ``mean_rank`` by treatment.

        Parameters
        ----------
        better : {"low", "high"}, optional
            Which effects are better; that of ``question.higher_is_worse`` when left out.
        """
        sign = side(better, self.question.higher_is_worse)
        effects = sign * self._effects("ranks")
        beats = (effects[:, :, None] > effects[:, None, :]).mean(axis=0)
        return rank_table(self.treatments, effects, beats)

    def beyond(self, size: float, better: str | None = None) -> pd.Series:
        """Probability that each treatment is better than the reference by at least ``size``.

        Parameters
        ----------
        size : float
            At least 0, on the scale people read: points of a difference, or for ratios a ratio such as 0.8 (1.25 is the same).
        better : {"low", "high"}, optional
            Which effects are better; that of ``question.higher_is_worse`` when left out.
        """
        import pandas as pd

        sign, apart = side(better, self.question.higher_is_worse), distance(size, self.question)
        found = (sign * self._effects("beyond") > apart).mean(axis=0)
        return pd.Series(found, index=list(self.treatments), name="beyond").drop(self.reference)

    def deviances(self) -> pd.DataFrame:
        """A row an arm: term, deviance (posterior mean of its residual deviance), leverage (its share of the parameters: that
        less the deviance at the posterior mean of what is fitted) and points (1).
        """
        import pandas as pd

        arms = self.model.plan.arms
        fitted = self.draws(arms.likelihood.fitted).reshape(-1, len(arms.names))
        mean = arms.likelihood.deviance(fitted, arms.columns).mean(axis=0)
        at = arms.likelihood.deviance(fitted.mean(axis=0), arms.columns)
        return pd.DataFrame({"term": list(arms.names), "deviance": mean, "leverage": mean - at, "points": 1})

    def dic(self) -> Dic:
        """Residual deviance, effective number of parameters and DIC, as in NICE DSU Technical Support Document 2."""
        return Dic.of(self.deviances())

    def plot(self, *args: Any, **choices: Any) -> Any:
        """Forest plot against the reference; arguments as of `vfmeta.plots.treatment_effects`."""
        return verbs.call(self, "plot", *args, **choices)

    def sentence(self) -> str:
        """Which comparisons leave out no difference, and how well the model fits."""
        frame = self.comparisons(on="read")
        raw = self.comparisons()
        clear = ((raw["ci_low"] > 0) | (raw["ci_high"] < 0)).to_numpy()
        rows = [
            f"{r.treatment} v {r.control} {tx.short(r.estimate)} ({tx.span_text((r.ci_low, r.ci_high))})"
            for r in frame[clear].itertuples()
        ]
        count = f"{len(frame)} comparison{'s' if len(frame) > 1 else ''}"
        apart = f"the 95% interval leaves out no difference in {len(rows)} of {count}"
        return f"{self.question.shown}: {apart}{': ' + '; '.join(rows) if rows else ''}. {self.dic()}."

    def _effects(self, what: str) -> np.ndarray:
        """Draws of the effects of all treatments against the reference, shape (draws, treatments)."""
        if self.model.plan.consistency == "UME":
            raise InputError(f"{what}: {NO_ORDER}")
        return self.draws("d").reshape(-1, len(self.model.terms)) @ coded(self.treatments, self.model.terms).T

    def __repr__(self) -> str:
        plan = self.model.plan
        kind = "random" if plan.tau is not None else "common"
        how = "unrelated mean effects" if plan.consistency == "UME" else f"{plan.parametrisation} model"
        net = plan.arms.net
        head = (
            f"{how} of {len(net.treatments)} treatments in {len(net.trials)} trials, {kind} effects, "
            f"{plan.arms.likelihood.words}, {self.question.facts.analysis_name} against {net.reference}"
        )
        return "\n".join([head, super().__repr__(), self.sentence()])


@dataclass(frozen=True, kw_only=True)
class NetworkModel(Model):
    """A model of the arms of a network, from `vfmeta.networks.arm_model`; ``terms`` are its effects ``d``.

    Examples
    --------
    >>> import vfmeta as vf
    >>> arms = {"study": list("aabb"), "treatment": list("BABA"), "events": [4, 9, 6, 8], "n": [40, 42, 50, 48]}
    >>> model = vf.networks.arm_model(arms, reference="A")
    >>> isinstance(model, vf.networks.NetworkModel)
    True
    >>> post = model.sample(seed=1)  # doctest: +SKIP
    """

    plan: Plan
    terms: tuple[str, ...]

    answer: ClassVar[type[Sampled]] = SampledNetwork

    if TYPE_CHECKING:

        def sample(
            self, *, seed: int = 1, draws: int = 1000, tune: int = 1000, chains: int = 4, target_accept: float = 0.95,
            sampler: Sampler = "nutpie", progress: bool = False,
        ) -> SampledNetwork: ...  # fmt: skip

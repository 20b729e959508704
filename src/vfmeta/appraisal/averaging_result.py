"""What robust Bayesian averaging returns: probabilities of models, and effect, heterogeneity and bias over all of them."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from vfmeta.bayes.averaging import SpikeAndMixture
from vfmeta.core.question import Pair, Question
from vfmeta.results.codec import Recorded, array, plain
from vfmeta.results.panels import PanelDensity
from vfmeta.text import numbers as tx

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class RobustAverage(Recorded):
    """Posterior of models with and without an effect, heterogeneity and a bias, and what they say together.

    ``effects``, ``heterogeneities`` (booleans) and ``biases`` (names) tell the models apart; ``prior_probabilities``,
    ``probabilities``, ``log_evidence`` (of effects on ``scale``) and ``means`` (of the effect, each model's own) are in their
    order. ``bf_effect``, ``bf_heterogeneity`` and ``bf_bias`` are inclusion Bayes factors (above 1 speaks for it).

    ``mu`` is the mean effect averaged over all models, on the analysis scale: ``estimate`` is its mean, ``se`` its SD and
    ``interval`` the central one. ``terms`` are the mean, tau, weights by interval of p, and slopes: ``averaged`` (terms, 4) are
    mean, median and limits over all models, in which what a model does not have is 0 (a weight: 1), ``conditional`` (terms, 4)
    the same over the models that have it, ``shares`` (terms,) how probable these are together.
    """

    engine: ClassVar[str] = "appraisal"
    packed: ClassVar[frozenset[str]] = frozenset({"mu"})
    absent: ClassVar[dict[str, str]] = {"": "it averages over models; estimates() has what they say of each parameter."}

    question: Question
    labels: tuple[str, ...]
    y: np.ndarray
    v: np.ndarray
    favoured: str
    scale: str
    effects: tuple[bool, ...]
    heterogeneities: tuple[bool, ...]
    biases: tuple[str, ...]
    prior_probabilities: np.ndarray
    probabilities: np.ndarray
    log_evidence: np.ndarray
    means: np.ndarray
    bf_effect: float
    bf_heterogeneity: float
    bf_bias: float
    estimate: float
    se: float
    interval: Pair
    level: float
    mu: SpikeAndMixture
    mu_prior_sd: float
    terms: tuple[str, ...]
    averaged: np.ndarray
    conditional: np.ndarray
    shares: np.ndarray
    priors: tuple[str, ...]
    method: str = "quadrature"
    warnings: tuple[str, ...] = ()
    call: dict[str, Any] = field(default_factory=dict)

    @property
    def k(self) -> int:
        return len(self.y)

    @property
    def models(self) -> tuple[str, ...]:
        """Each model in words."""
        parts = zip(self.effects, self.heterogeneities, self.biases, strict=True)
        return tuple(
            f"{'effect' if e else 'no effect'}, {'heterogeneity' if h else 'no heterogeneity'}, {_bias(b)}" for e, h, b in parts
        )

    @property
    def mu_given_effect(self) -> Any:
        """The mean effect averaged over the models that have one."""
        return self.mu.rest

    @property
    def p_effect(self) -> float:
        """Posterior probability that there is an effect."""
        return float(self.probabilities[np.array(self.effects)].sum())

    @property
    def p_heterogeneity(self) -> float:
        """Posterior probability that true effects differ."""
        return float(self.probabilities[np.array(self.heterogeneities)].sum())

    @property
    def p_bias(self) -> float:
        """Posterior probability of a bias."""
        return float(self.probabilities[np.array(self.biases) != "none"].sum())

    def to_frame(self) -> pd.DataFrame:
        """One row a model: model, effect, heterogeneity, bias, prior and posterior probability, bayes_factor, log_evidence.

        The Bayes factor is that of the model against all others together.
        """
        import pandas as pd

        before, after = self.prior_probabilities, self.probabilities
        with np.errstate(divide="ignore"):
            factor = after / (1 - after) * (1 - before) / before
        return pd.DataFrame({
            "model": self.models, "effects": self.effects, "heterogeneity": self.heterogeneities, "bias": self.biases,
            "prior": before, "posterior": after, "bayes_factor": factor, "log_evidence": self.log_evidence,
        })  # fmt: skip

    def estimates(self) -> pd.DataFrame:
        """A row a parameter: term, estimate (mean), median, ci_low, ci_high, those given it, its probability, scale.

        The slope of PET is in units of the effect per unit of standard error, that of PEESE per unit of variance; weights are
        relative to that of the most favoured p.
        """
        import pandas as pd

        names = ("estimate", "median", "ci_low", "ci_high")
        whole = dict(zip(names, self.averaged.T, strict=True))
        given = {f"given_{n}": x for n, x in zip(names, self.conditional.T, strict=True)}
        analysis = self.question.facts.analysis_name
        scale = [analysis if t in ("mean", "tau") else "weight" if t.startswith("weight") else "slope" for t in self.terms]
        return pd.DataFrame({"term": self.terms, **whole, **given, "probability": self.shares, "scale": scale})

    def sentence(self) -> str:
        """How the trials move the odds of an effect, of heterogeneity and of a bias, and the averaged effect."""
        q = self.question
        return (
            f"The odds of an effect are {tx.short(self.bf_effect)} times, those of heterogeneity "
            f"{tx.short(self.bf_heterogeneity)} times and those of publication bias {tx.short(self.bf_bias)} times what they "
            f"were before the trials; averaged over {len(self.biases)} models, {tx.measure_text(q).lower()} "
            f"{tx.effect_text(q, self.estimate, self.interval)} ({tx.level_text(self.level)} interval)."
        )

    def __str__(self) -> str:
        q = self.question
        lines = [f"robust Bayesian averaging over {len(self.biases)} models, k = {self.k} ({self.favoured} effects favoured)"]
        for name, before, after, factor in (
            ("effect", self.effects, self.p_effect, self.bf_effect),
            ("heterogeneity", self.heterogeneities, self.p_heterogeneity, self.bf_heterogeneity),
            ("bias", np.array(self.biases) != "none", self.p_bias, self.bf_bias),
        ):
            prior = float(self.prior_probabilities[np.array(before)].sum())
            lines.append(f"  {name:<14} {tx.fixed(prior, 3)} -> {tx.fixed(after, 3)}  Bayes factor {tx.short(factor)}")
        given = self.conditional[0]
        lines.append(
            f"averaged effect {tx.effect_text(q, self.estimate, self.interval)} ({tx.level_text(self.level)} interval), if "
            f"there is one {tx.effect_text(q, float(given[0]), (float(given[2]), float(given[3])))}"
        )
        for j, term in enumerate(self.terms[1:], 1):
            mean, _, low, high = self.averaged[j].tolist()
            lines.append(f"  {term:<26} {tx.short(mean)} ({tx.short(low)} to {tx.short(high)})")
        return "\n".join([*lines, *(f"prior: {p}" for p in self.priors), self.sentence(), *self.warnings])

    def _pack(self) -> dict[str, Any]:
        rest = self.mu.rest
        held = {"left": plain(rest.left), "width": plain(rest.width), "values": plain(rest.values)}
        return {"mu": {"null": plain(self.mu.null), "spike": plain(self.mu.spike), **held}}

    @classmethod
    def _unpack(cls, data: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
        kept = data["mu"]
        rest = PanelDensity(array(kept["left"]), array(kept["width"]), array(kept["values"]))
        return {"mu": SpikeAndMixture(kept["null"], kept["spike"], rest)}


def _bias(name: str) -> str:
    return "no bias" if name == "none" else f"selection by {name}" if "p 0" in name else name


def summarised(
    density: PanelDensity | None, share: float, absent: float, level: float, turn: Any = None, mean: float | None = None
) -> tuple[list[float], list[float]]:
    """Mean, median and limits of a parameter over all models and over those that have it, probable ``share`` together.

    ``absent`` is its value in the others, at one end of where it can lie; ``turn`` takes the density's variable to it.
    """
    if density is None or share <= 0:
        return [absent] * 4, [math.nan] * 4
    p = np.array([0.5, 0.5 - level / 2, 0.5 + level / 2])
    turn = turn or (lambda x: x)
    inner = density.mean if mean is None else mean
    inside = np.clip(np.concatenate([(p - (1 - share)) / share, p / share]), 1e-12, 1 - 1e-12)
    found = turn(density.quantile(np.concatenate([p, inside, [1e-9]])))
    given, above, below, first = found[:3], found[3:6], found[6:9], found[9]
    whole = np.where(p > 1 - share, above, absent) if absent <= first else np.where(p < share, below, absent)
    return [share * inner + (1 - share) * absent, *whole.tolist()], [inner, *given.tolist()]

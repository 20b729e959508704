"""Bayes factors and model averaging: effect or none, heterogeneity or none.

Four models, each with its exact marginal likelihood; their posterior probabilities weight what is said of the effect (Hoeting
et al. 1999, Stat Sci 14:382-417; Gronau et al. 2021, Adv Methods Pract Psychol Sci 4(3)). Bayes factors need proper priors on
what is tested (Kass & Raftery 1995, JASA 90:773-795, section 5).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from vfmeta.bayes.exact_posterior import ExactPosterior, behind
from vfmeta.bayes.marginals import NormalMixture
from vfmeta.core.messages import InputError
from vfmeta.core.params import REACH, confidence, proportion
from vfmeta.core.question import Pair, Question
from vfmeta.kernels.quadrature import integrate
from vfmeta.results.codec import Recorded, array, plain
from vfmeta.results.posterior import BayesianResult
from vfmeta.text import numbers as tx

if TYPE_CHECKING:
    import pandas as pd

MODELS = ("no effect, no heterogeneity", "effect, no heterogeneity", "no effect, heterogeneity", "effect, heterogeneity")


class SpikeAndMixture:
    """A distribution with probability ``spike`` at ``null`` and a continuous one, such as a mixture of normals, elsewhere."""

    def __init__(self, null: float, spike: float, rest: Any) -> None:
        self.null, self.spike, self.rest = null, spike, rest
        self.mean = spike * null + (1 - spike) * rest.mean
        second = spike * (null - self.mean) ** 2 + (1 - spike) * (rest.sd**2 + (rest.mean - self.mean) ** 2)
        self.sd = math.sqrt(second)

    def cdf(self, x: Any) -> np.ndarray:
        """P(mu <= x)."""
        x = np.asarray(x, dtype=float)
        return (1 - self.spike) * self.rest.cdf(x) + self.spike * (x >= self.null)

    def quantile(self, p: Any) -> np.ndarray:
        """The smallest x with P(mu <= x) >= p."""
        p = np.asarray(p, dtype=float)
        before = (1 - self.spike) * float(self.rest.cdf(self.null))
        above = np.where(p > before + self.spike, p - self.spike, p) / max(1 - self.spike, 1e-300)
        at = (p > before) & (p <= before + self.spike)
        if np.all(at):
            return np.full(p.shape, self.null)
        return np.where(at, self.null, self.rest.quantile(np.where(at, 0.5, np.clip(above, 1e-300, 1 - 1e-16))))

    def interval(self, level: float = 0.95) -> Pair:
        """Central interval; either limit may be the null value itself."""
        low, high = self.quantile(np.array([0.5 - level / 2, 0.5 + level / 2]))
        return float(low), float(high)


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class ModelAverage(Recorded):
    """Posterior of four models and of the effect averaged over them.

    ``probabilities``, ``prior_probabilities`` and ``log_evidence`` are in the order of ``models``; ``bf_effect`` and
    ``bf_heterogeneity`` are inclusion Bayes factors (above 1 speaks for the effect, or for heterogeneity); ``mu`` is the mean
    effect averaged over all four models, of which ``estimate`` is the median, ``se`` the SD and ``interval`` the central
    interval; ``mu_given_effect`` is averaged over those with an effect.
    """

    engine: ClassVar[str] = "bayesian"
    packed: ClassVar[frozenset[str]] = frozenset({"mu"})
    absent: ClassVar[dict[str, str]] = {"": "it averages over four models; the posterior it was made from has the rest."}

    question: Question
    k: int
    models: tuple[str, ...]
    prior_probabilities: np.ndarray
    probabilities: np.ndarray
    log_evidence: np.ndarray
    bf_effect: float
    bf_heterogeneity: float
    estimate: float
    se: float
    interval: Pair
    level: float
    mu: SpikeAndMixture
    priors: tuple[str, ...]
    method: str = "exact quadrature"
    warnings: tuple[str, ...] = ()
    call: dict[str, Any] = field(default_factory=dict)

    @property
    def mu_given_effect(self) -> NormalMixture:
        """The mean effect averaged over the models that have one."""
        return self.mu.rest

    @property
    def p_effect(self) -> float:
        """Posterior probability that there is an effect."""
        return float(self.probabilities[1] + self.probabilities[3])

    @property
    def p_heterogeneity(self) -> float:
        """Posterior probability that the trials' true effects differ."""
        return float(self.probabilities[2] + self.probabilities[3])

    def to_frame(self) -> pd.DataFrame:
        """One row a model: prior and posterior probability, log evidence."""
        import pandas as pd

        return pd.DataFrame({
            "model": self.models, "prior": self.prior_probabilities, "posterior": self.probabilities,
            "log_evidence": self.log_evidence,
        })  # fmt: skip

    def __str__(self) -> str:
        low, high = self.interval
        show = self.question.display
        rows = [
            f"  {m:<28} {tx.fixed(a, 3)} -> {tx.fixed(b, 3)}"
            for m, a, b in zip(self.models, self.prior_probabilities, self.probabilities, strict=True)
        ]
        span = tx.span_text((show(low), show(high)))
        return "\n".join([
            "model averaging, probability before -> after the trials", *rows,
            f"Bayes factor for an effect {tx.short(self.bf_effect)}, for heterogeneity {tx.short(self.bf_heterogeneity)}",
            f"averaged effect {tx.short(show(self.estimate))} ({tx.level_text(self.level)} {span})",
            *(f"prior: {p}" for p in self.priors),
        ])  # fmt: skip

    def _pack(self) -> dict[str, Any]:
        rest = self.mu.rest
        parts = {"p": plain(rest.p), "m": plain(rest.m), "s": plain(rest.s), "finite": math.isfinite(rest.sd)}
        return {"mu": {"null": plain(self.mu.null), "spike": plain(self.mu.spike), **parts}}

    @classmethod
    def _unpack(cls, data: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
        kept = data["mu"]
        rest = NormalMixture(array(kept["p"]), array(kept["m"]), array(kept["s"]), kept["finite"])
        return {"mu": SpikeAndMixture(kept["null"], kept["spike"], rest)}


def model_average(
    post: BayesianResult | ExactPosterior,
    *,
    level: float = 0.95,
    null: float | None = None,
    p_effect: float = 0.5,
    p_heterogeneity: float = 0.5,
) -> ModelAverage:
    """Bayes factors and the effect averaged over effect/no effect and heterogeneity/none.

    How often its intervals hold: ``reports/levels.md#bayesmodel_average``.

    Parameters
    ----------
    post : BayesianResult or ExactPosterior
        The model with effect and heterogeneity, from ``vf.bayes.random_effects``, ``vf.bayes.sample`` or
        ``vf.bayes.posterior``; both its priors must be proper.
    null : float, optional
        The effect under "no effect", on the analysis scale; the "no difference" of the question when left out.
    p_effect, p_heterogeneity : float
        Prior probabilities of an effect and of heterogeneity, independent of each other; between 0 and 1.
    level : float
        Credible level of the interval of the averaged effect.

    Raises
    ------
    InputError
        A prior is improper (a Bayes factor would then hang on an arbitrary constant), or a probability is not one.

    Examples
    --------
    >>> import vfmeta as vf
    >>> post = vf.bayes.random_effects(
    ...     y=[-0.5, -0.3, -0.8], se=[0.2, 0.15, 0.3], tau=vf.priors.HalfNormal(0.5), mu=vf.priors.Normal(0, 1)
    ... )
    >>> average = vf.bayes.model_average(post)
    >>> average.p_effect > 0.5, average.bf_effect > 1
    (True, True)
    """
    confidence(level)
    full, _, question, origin = behind(post)
    tau, mu = full.tau_prior, full.mu_prior
    for prior, name, what in ((mu, "mu", "effect"), (tau, "tau", "heterogeneity")):
        if not prior.proper:
            raise InputError(
                f"A Bayes factor for {what} needs a proper prior of {name}; {prior} has no finite total, and the factor would "
                f"hang on an arbitrary constant (Kass & Raftery 1995, JASA 90:773-795, section 5). Name one, such as "
                f"{'mu=vf.priors.Normal(0, sd)' if name == 'mu' else 'tau=vf.priors.HalfNormal(scale)'}."
            )
    for name, p in (("p_effect", p_effect), ("p_heterogeneity", p_heterogeneity)):
        proportion(name, p)
    if null is None:
        null = question.null_effect
    if null is None:
        what = question.facts.words.lower()
        raise InputError(f"No value of a {what} means no effect; name one in Question(no_difference=...).")
    if isinstance(null, bool) or not isinstance(null, (int, float, np.number)) or not abs(null) <= REACH:
        raise InputError(f"null={null!r} must be a finite number.")
    fixed, common = _common(full)
    assert full.log_marginal_likelihood is not None
    evidence = np.array(
        [_likelihood(full, null, np.zeros(1))[0], fixed, _null_random(full, null), full.log_marginal_likelihood]
    )
    before = np.array([
        (1 - p_effect) * (1 - p_heterogeneity), p_effect * (1 - p_heterogeneity), (1 - p_effect) * p_heterogeneity,
        p_effect * p_heterogeneity,
    ])  # fmt: skip
    after = before * np.exp(evidence - evidence.max())
    after /= after.sum()
    share = after[[1, 3]] / after[[1, 3]].sum()
    given = NormalMixture(
        np.concatenate([share[0] * common[0], share[1] * full.mu.p]), np.concatenate([common[1], full.mu.m]),
        np.concatenate([common[2], full.mu.s]),
    )  # fmt: skip
    # odds straight from evidences: a probability that rounds to one keeps its factor
    log_after = np.log(before) + evidence
    averaged = SpikeAndMixture(null, float(after[0] + after[2]), given)
    return ModelAverage(
        question=question, k=len(full.y), models=MODELS, prior_probabilities=before, probabilities=after, log_evidence=evidence,
        bf_effect=_factor(log_after, [1, 3], p_effect), bf_heterogeneity=_factor(log_after, [2, 3], p_heterogeneity),
        estimate=float(averaged.quantile(0.5)), se=averaged.sd, interval=averaged.interval(level), level=float(level),
        mu=averaged, priors=(str(tau), str(mu)), origin=origin,
        call={
            "function": "bayes.model_average", "null": float(null), "p_effect": float(p_effect),
            "p_heterogeneity": float(p_heterogeneity), "level": float(level), "tau": str(tau), "mu": str(mu),
        },
    )  # fmt: skip


def _factor(log_after: np.ndarray, inside: list[int], prior: float) -> float:
    outside = [i for i in range(4) if i not in inside]
    log_odds = np.logaddexp(*log_after[inside]) - np.logaddexp(*log_after[outside])
    return float(np.exp(np.clip(log_odds - math.log(prior / (1 - prior)), -700, 700)))


def _likelihood(s: ExactPosterior, mean: float, tau: np.ndarray) -> np.ndarray:
    """Log density of the data at a mean and every tau (m,)."""
    total = s.v + tau[:, None] ** 2
    return -0.5 * (np.log(2 * math.pi * total) + (s.y - mean) ** 2 / total).sum(1)


def _null_random(s: ExactPosterior, null: float) -> float:
    tau = s.tau_prior

    def log_density(t: np.ndarray) -> np.ndarray:
        return tau.log_density(t, s.v) + _likelihood(s, null, t)

    far = float(np.abs(s.y - null).max())
    scales = [math.sqrt(s.v.min()), math.sqrt(s.v.max()), *([far] if far else []), *([tau.size] if tau.size else [])]
    return integrate(log_density, lambda t: np.zeros(len(t)), scales, tau.high).log_mass


def _common(s: ExactPosterior) -> tuple[float, tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Log evidence of the common-effect model, and the posterior of its effect as weights, means and SDs."""
    logw, mean, precision = s.mu_prior.components(s.y, s.v)
    w = 1 / s.v
    total = w.sum()
    pooled = float(s.y[np.argmin(s.v)])
    pooled += float(w @ (s.y - pooled) / total)
    both = total + precision
    parts = logw + 0.5 * np.log(precision / both) - 0.5 * (pooled - mean) ** 2 * total * (precision / both)
    best = parts.max()
    p = np.exp(parts - best)
    log_evidence = -0.5 * float(np.log(2 * math.pi * s.v).sum() + w @ (s.y - pooled) ** 2) + best + math.log(p.sum())
    return float(log_evidence), (p / p.sum(), (total * pooled + precision * mean) / both, 1 / np.sqrt(both))


__all__ = ["MODELS", "ModelAverage", "SpikeAndMixture", "model_average"]

"""How much the prior decides: power-scaling of prior and likelihood (Kallioinen et al. 2024, Stat Comput 34:57).

Prior or likelihood is raised to a power a little off one; how far the posterior moves, per doubling of the power, is measured
by the cumulative Jensen-Shannon distance (Nguyen & Vreeken 2015, ECML PKDD). Here the posterior is held exactly, as a grid of
its own quantiles, so that nothing is sampled.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from vfmeta.bayesian.exact import ExactPosterior, choose_priors
from vfmeta.bayesian.priors import MuPrior, TauPrior
from vfmeta.frequentist.intake import read
from vfmeta.results import Question

if TYPE_CHECKING:
    import pandas as pd

THRESHOLD = 0.05  # the paper's rule of thumb, to be read with judgement
_STEP = 1.01


@dataclass(frozen=True)
class PowerScaling:
    """Sensitivities of mu and tau to the prior and to the likelihood (0: none), and what follows in words.

    ``conflict`` is the prior predictive probability of a pooled effect as far from the prior mean as the one seen (Box 1980,
    JRSS A 143:383-430), with tau from its posterior; None when the prior of mu is flat.
    """

    prior: dict[str, float]
    likelihood: dict[str, float]
    conflict: float | None

    def diagnosis(self, name: str) -> str:
        """What the sensitivities say of mu or tau: "conflict", "strong prior" or nothing."""
        if self.prior[name] < THRESHOLD:
            return ""
        return "conflict" if self.likelihood[name] >= THRESHOLD else "strong prior"

    @property
    def verdict(self) -> str:
        """One or two sentences."""
        said = []
        for name, what in (("mu", "the mean effect"), ("tau", "the heterogeneity")):
            found = self.diagnosis(name)
            if found == "conflict":
                said.append(f"Prior and trials both move {what}: they may disagree, or the prior be more telling than meant.")
            elif found:
                said.append(f"The prior decides much of {what} and the trials little.")
        if self.conflict is not None and self.conflict < 0.05:
            said.append(f"The trials lie where the prior of the mean effect hardly expected them (p = {self.conflict:.2g}).")
        return " ".join(said) or "Prior and trials do not disagree, and the prior decides little."

    def to_frame(self) -> pd.DataFrame:
        """Rows mu and tau: prior, likelihood, diagnosis."""
        import pandas as pd

        return pd.DataFrame([
            {"parameter": n, "prior": self.prior[n], "likelihood": self.likelihood[n], "diagnosis": self.diagnosis(n)}
            for n in ("mu", "tau")
        ])  # fmt: skip


def power_scaling(
    effects: Any = None,
    *,
    y: Any = None,
    v: Any = None,
    tau: TauPrior | None = None,
    mu: MuPrior | None = None,
    question: Question | None = None,
    missing: str = "raise",
) -> PowerScaling:
    """Power-scaling sensitivity and prior-data conflict of an analysis; arguments as in `random_effects`."""
    s = read(effects, y, v, None, question, missing, 0.95)
    tau, mu = choose_priors(s.question, tau, mu)
    post = ExactPosterior(s.y, s.v, tau, mu)
    draws, log_prior, log_likelihood = _grid(post, s.y, s.v, tau, mu)
    base = np.full(draws.shape[1], 1 / draws.shape[1])
    found = []
    for target in (log_prior, log_likelihood):
        moved = np.zeros(2)
        for power in (1 / _STEP, _STEP):
            log_w = (power - 1) * target
            w = np.exp(log_w - log_w.max())
            w /= w.sum()
            moved += [_distance(x, base, w) for x in draws]
        found.append({n: float(x) for n, x in zip(("mu", "tau"), moved / (2 * math.log2(_STEP)), strict=True)})
    return PowerScaling(found[0], found[1], _conflict(s.y, s.v, tau, mu) if mu.proper else None)


def _grid(
    post: ExactPosterior, y: np.ndarray, v: np.ndarray, tau: TauPrior, mu: MuPrior
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Equally probable points of the joint posterior (2, n * n), with log prior and log likelihood of each."""
    n = 160
    p = (np.arange(n) + 0.5) / n
    t = post.tau.quantile(p)
    x = post.given(t, p)  # quantiles of mu given tau, (n, n)
    both = np.stack([x.ravel(), np.repeat(t, n)])
    logw, mean, precision = mu.components(y, v)
    log_mu = np.zeros(n * n)
    if mu.proper:
        parts = logw + 0.5 * np.log(precision) - 0.5 * (both[0][:, None] - mean) ** 2 * precision
        top = parts.max(1)
        log_mu = top + np.log(np.exp(parts - top[:, None]).sum(1))
    total = v + t[:, None] ** 2
    w = 1 / total
    log_l = -0.5 * np.log(total).sum(1)[:, None] - 0.5 * ((w[:, None, :] * (y - x[:, :, None]) ** 2).sum(-1))
    return both, np.repeat(tau.log_density(t, v), n) + log_mu, log_l.ravel()


def _distance(x: np.ndarray, p: np.ndarray, q: np.ndarray) -> float:
    """Cumulative Jensen-Shannon distance between two weightings of the same points; the larger of both directions of x."""
    order = np.argsort(x, kind="stable")
    return max(_one_way(x[order], p[order], q[order]), _one_way(-x[order][::-1], p[order][::-1], q[order][::-1]))


def _one_way(x: np.ndarray, p: np.ndarray, q: np.ndarray) -> float:
    width = np.diff(x)
    a, b = np.cumsum(p)[:-1], np.cumsum(q)[:-1]
    half = (a + b) / 2
    # both directions of the divergence: their linear terms cancel
    with np.errstate(divide="ignore", invalid="ignore"):
        parts = np.where(a > 0, a * np.log2(a / half), 0.0) + np.where(b > 0, b * np.log2(b / half), 0.0)
    bound = float(width @ (a + b))
    return math.sqrt(max(float(width @ parts), 0.0) / bound) if bound > 0 else 0.0


def _conflict(y: np.ndarray, v: np.ndarray, tau: TauPrior, mu: MuPrior) -> float:
    """Two-sided prior predictive probability of the pooled effect, averaged over the posterior of tau."""
    from scipy.special import ndtr

    post = ExactPosterior(y, v, tau, mu)
    n = 200
    t = post.tau.quantile((np.arange(n) + 0.5) / n)
    w = 1 / (v + t[:, None] ** 2)
    pooled, se2 = (w * y).sum(1) / w.sum(1), 1 / w.sum(1)
    logw, mean, precision = mu.components(y, v)
    sd = np.sqrt(se2[:, None] + 1 / precision)
    below = (np.exp(logw) * ndtr((pooled[:, None] - mean) / sd)).sum(1) / np.exp(logw).sum()
    return float(np.mean(2 * np.minimum(below, 1 - below)))

"""How much the prior decides: power-scaling of prior and likelihood (Kallioinen et al. 2024, Stat Comput 34:57).

Prior or likelihood is raised to a power a little off one; how far the posterior moves, per doubling of the power, is measured
by the cumulative Jensen-Shannon distance (Nguyen & Vreeken 2015, ECML PKDD). Here the posterior is held exactly, as a grid of
its own quantiles, so that nothing is sampled. The distance grows or shrinks with the range it is taken over; that range is the
one 4,000 draws would span, so that the numbers are those of ArviZ's ``psense`` on a usual sample, without its noise.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from vfmeta.bayes.exact_posterior import ExactPosterior, behind
from vfmeta.core.question import Question
from vfmeta.kernels.quadratic_form import q_distribution
from vfmeta.priors import MuPrior, TauPrior
from vfmeta.results.codec import Recorded
from vfmeta.results.posterior import BayesianResult
from vfmeta.text import numbers as tx

if TYPE_CHECKING:
    import pandas as pd

THRESHOLD = 0.05  # the paper's rule of thumb, to be read with judgement
_SURPRISE = 0.05
_SHARE = {"": "little", "conflict": "part", "strong prior": "much"}
_STEP = 1.01
_ENDS = 0.5 ** (1 / 4000)  # the median of the largest of 4,000 uniform numbers


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class PowerScaling(Recorded):
    """Sensitivities of mu and tau to the prior and to the likelihood (0: none), and what follows in words.

    ``conflict`` holds prior predictive probabilities (Box 1980, JRSS A 143:383-430), two-sided: under "mu" that of a pooled
    effect as far from the prior mean as the one seen, with tau from its posterior; under "tau" that of a Cochran's Q as extreme
    as the one seen, both among the trials that print an estimate with its standard error. None where the prior in question is
    improper, or no trial (mu) or a single one (tau) prints that.
    """

    engine: ClassVar[str] = "bayesian"
    absent: ClassVar[dict[str, str]] = {"": "it tells how the prior weighs; the posterior it was made from has the rest."}

    question: Question
    k: int
    prior: dict[str, float]
    likelihood: dict[str, float]
    conflict: dict[str, float | None]
    warnings: tuple[str, ...] = ()
    call: dict[str, Any] = field(default_factory=dict)

    def diagnosis(self, name: str) -> str:
        """What the sensitivities say of mu or tau: "conflict" (a possible one), "strong prior" or nothing."""
        if self.prior[name] < THRESHOLD:
            return ""
        return "conflict" if self.likelihood[name] >= THRESHOLD else "strong prior"

    @property
    def verdict(self) -> str:
        """How much the prior decides, and whether the trials contradict it; one to three sentences."""
        mu, tau = (_SHARE[self.diagnosis(name)] for name in ("mu", "tau"))
        of_tau = "of the spread between the trials"
        said = [f"The prior decides {mu} of the mean effect and {'' if mu == tau else tau + ' '}{of_tau}."]
        if (p := self.conflict["mu"]) is not None and p < _SURPRISE:
            said.append(f"The mean effect lies where its prior hardly expected it (p = {tx.short(p, 2)}): they disagree.")
        if (p := self.conflict["tau"]) is not None and p < _SURPRISE:
            said.append(f"The trials scatter as their prior hardly expected (p = {tx.short(p, 2)}): they disagree.")
        if len(said) == 1 and None not in self.conflict.values():
            said.append("Prior and trials do not contradict each other.")
        return " ".join(said)

    def to_frame(self) -> pd.DataFrame:
        """Rows mu and tau: term, prior, likelihood, diagnosis, conflict."""
        import pandas as pd

        return pd.DataFrame([
            {
                "term": n, "prior": self.prior[n], "likelihood": self.likelihood[n], "diagnosis": self.diagnosis(n),
                "conflict": math.nan if self.conflict[n] is None else self.conflict[n],
            }
            for n in ("mu", "tau")
        ])  # fmt: skip

    def __str__(self) -> str:
        return f"power scaling, k = {self.k}\n{self.verdict}"


def power_scaling(post: BayesianResult | ExactPosterior) -> PowerScaling:
    """Power-scaling sensitivity and prior-data conflict of an analysis.

    Parameters
    ----------
    post : BayesianResult or ExactPosterior
        From ``vf.bayes.random_effects``, ``vf.bayes.sample`` or ``vf.bayes.posterior``; it keeps its data and its priors.

    Examples
    --------
    >>> import vfmeta as vf
    >>> post = vf.bayes.random_effects(y=[-1.0, -0.4, -0.8], v=[0.2, 0.1, 0.3], tau=vf.priors.HalfNormal(1.0))
    >>> vf.bayes.power_scaling(post).diagnosis("mu")
    ''
    """
    exact, _, question, origin = behind(post)
    tau, mu = exact.tau_prior, exact.mu_prior
    y, v = exact.y[exact.printed], exact.v[exact.printed]
    t, x, base, log_prior, log_likelihood = _grid(exact)
    order = np.argsort(x, axis=None)
    ends = np.array([1 - _ENDS, _ENDS])
    widths = [np.diff(np.clip(q, *m.quantile(ends))) for q, m in ((x.ravel()[order], exact.mu), (t, exact.tau))]
    found = []
    for target in (log_prior, log_likelihood):
        moved = np.zeros(2)
        for power in (1 / _STEP, _STEP):
            log_w = (power - 1) * target
            w = base * np.exp(log_w - log_w.max())
            w /= w.sum()
            moved += [
                _distance(widths[0], base.ravel()[order], w.ravel()[order]), _distance(widths[1], base.sum(1), w.sum(1))
            ]  # fmt: skip
        found.append({n: float(m) for n, m in zip(("mu", "tau"), moved / (2 * math.log2(_STEP)), strict=True)})
    conflict = {"mu": _conflict(exact, y, v, mu) if mu.proper and len(y) else None, "tau": _scatter(y, v, tau)}
    return PowerScaling(
        question=question, k=len(exact.y), prior=found[0], likelihood=found[1], conflict=conflict, origin=origin,
        call={"function": "bayes.power_scaling", "tau": str(tau), "mu": str(mu)},
    )  # fmt: skip


def _grid(post: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Points of the joint posterior: tau (n,), mu (n, n), their probabilities, log prior and log likelihood (n, n)."""
    p, mass = quantile_levels()
    t = post.tau.quantile(p)
    x = post.given(t, p)  # a row of quantiles of mu for each tau
    log_prior = post.tau_prior.log_density(t, post.v)[:, None] + post.mu_prior.log_density(x)
    return t, x, mass[:, None] * mass, log_prior, post.log_likelihood(t, x)


def quantile_levels() -> tuple[np.ndarray, np.ndarray]:
    """Probabilities at equal steps of their logit, which reach far into both tails, and the mass each stands for."""
    from scipy.special import expit

    p = expit(np.linspace(-12, 12, 100))
    mass = p * (1 - p)
    return p, mass / mass.sum()


def _distance(width: np.ndarray, p: np.ndarray, q: np.ndarray) -> float:
    """Cumulative Jensen-Shannon distance between two weightings of the same ordered points; the larger of both directions."""
    return max(_one_way(width, p, q), _one_way(width[::-1], p[::-1], q[::-1]))


def _one_way(width: np.ndarray, p: np.ndarray, q: np.ndarray) -> float:
    a, b = np.cumsum(p)[:-1], np.cumsum(q)[:-1]
    half = (a + b) / 2
    # both directions of the divergence: their linear terms cancel
    with np.errstate(divide="ignore", invalid="ignore"):
        parts = np.where(a > 0, a * np.log2(a / half), 0.0) + np.where(b > 0, b * np.log2(b / half), 0.0)
    bound = float(width @ (a + b))
    return math.sqrt(max(float(width @ parts), 0.0) / bound) if bound > 0 else 0.0


def _conflict(post: Any, y: np.ndarray, v: np.ndarray, mu: MuPrior) -> float:
    """Two-sided prior predictive probability of the pooled effect, averaged over the posterior of tau."""
    from scipy.special import ndtr

    n = 200
    t = post.tau.quantile((np.arange(n) + 0.5) / n)
    w = 1 / (v + t[:, None] ** 2)
    pooled, se2 = (w * y).sum(1) / w.sum(1), 1 / w.sum(1)
    logw, mean, precision = mu.components(y, v)
    sd = np.sqrt(se2[:, None] + 1 / precision)
    below = (np.exp(logw) * ndtr((pooled[:, None] - mean) / sd)).sum(1) / np.exp(logw).sum()
    return float(np.mean(2 * np.minimum(below, 1 - below)))


def _scatter(y: np.ndarray, v: np.ndarray, tau: TauPrior) -> float | None:
    """Two-sided prior predictive probability of Cochran's Q, whose distribution given tau is known."""
    if len(y) < 2 or not tau.proper:
        return None
    p, mass = quantile_levels()
    below = float(mass @ q_below(y, v, tau.quantile(p, v)))
    return 2 * min(below, 1 - below)


def q_below(y: np.ndarray, v: np.ndarray, tau: np.ndarray) -> np.ndarray:
    """Probability of a Cochran's Q below the one of the effects ``y``, at every ``tau`` (n,)."""
    w = 1 / v
    q = float(w @ (y - w @ y / w.sum()) ** 2)
    return q_distribution(q, v, w, tau**2) if q > 0 else np.zeros(len(tau))

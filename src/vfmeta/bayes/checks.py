"""Does the model predict its own trials? Each trial left out in turn, exactly, and trials replicated from the posterior."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from vfmeta.bayes.exact_posterior import ExactPosterior, behind
from vfmeta.bayes.scaling import q_below, quantile_levels
from vfmeta.core.messages import InputError, warn_each
from vfmeta.core.params import OnScale, whole
from vfmeta.core.question import Pair, Question
from vfmeta.priors import TauPrior
from vfmeta.results.codec import Recorded
from vfmeta.results.frames import scaled
from vfmeta.results.posterior import BayesianResult
from vfmeta.text import numbers as tx
from vfmeta.text.notes import closing_lines

if TYPE_CHECKING:
    import pandas as pd

FEW = 10  # below so many trials the checks carry their warnings
_SURPRISE = 0.05


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class LeaveOneOut(Recorded):
    """Each trial as the others predict it.

    ``log_density`` is the log predictive density of each trial's effect given the other trials, ``pit`` the predictive
    probability of a smaller effect, ``prediction_low`` and ``prediction_high`` the 95% predictive interval (k of each, on the
    analysis scale); ``elpd`` is the sum of the log densities and ``elpd_se`` its standard error. Of a trial that prints no
    estimate with its standard error (`vf.bayes.reports`) the log density is that of what it reports, ``pit`` is NaN, and the
    interval is that of its estimate.
    """

    engine: ClassVar[str] = "bayesian"
    absent: ClassVar[dict[str, str]] = {"": "it holds predictions of each trial; the posterior it was made from has the rest."}

    question: Question
    k: int
    labels: tuple[str, ...]
    log_density: tuple[float, ...]
    pit: tuple[float, ...]
    prediction_low: tuple[float, ...]
    prediction_high: tuple[float, ...]
    elpd: float
    elpd_se: float
    warnings: tuple[str, ...] = ()
    call: dict[str, Any] = field(default_factory=dict)

    @property
    def p_value(self) -> tuple[float, ...]:
        """Two-sided predictive p value of each trial against the others; small: conflict."""
        return tuple(2 * min(p, 1 - p) for p in self.pit)

    @property
    def verdict(self) -> str:
        """One sentence; several p values are looked at, so the smallest is held to a limit divided by their number."""
        told = [i for i, x in enumerate(self.pit) if not math.isnan(x)]
        if not told:
            return "No trial prints an estimate that could be held against the other trials."
        p = [self.p_value[i] for i in told]
        k, worst = len(p), int(np.argmin(p))
        if k == 2 == len(self.labels):
            apart = "further apart than the model expects" if min(p) < _SURPRISE else "no further apart than the model expects"
            return f"Predicted from each other, the two trials lie {apart} (p {_sized(min(p))})."
        if p[worst] < _SURPRISE / k:
            who, size = self.labels[told[worst]], f"p {_sized(p[worst])}, the smallest of {k}"
            return f"{who} lies where the other trials hardly expect it ({size}): look for what sets it apart."
        if k == 1:
            return f"{self.labels[told[0]]} lies where the others expect it (predictive p value {_sized(p[0])})."
        whose = "Every trial" if k == len(self.labels) else f"Each of the {k} trials that print an estimate"
        return f"{whose} lies where the others expect it (smallest of {k} predictive p values {_sized(p[worst])})."

    def to_frame(self, *, on: OnScale = "analysis") -> pd.DataFrame:
        """A row for each trial: study, log_density, pit, p_value, prediction_low, prediction_high, scale."""
        import pandas as pd

        frame = pd.DataFrame({
            "study": list(self.labels), "log_density": self.log_density, "pit": self.pit, "p_value": self.p_value,
            "prediction_low": self.prediction_low, "prediction_high": self.prediction_high,
        })  # fmt: skip
        return scaled(frame, self.question, on)

    def __str__(self) -> str:
        head = f"leave-one-out: elpd {tx.fixed(self.elpd, 2)} (SE {tx.fixed(self.elpd_se, 2)}), k = {self.k}"
        return "\n".join([head, self.verdict, *closing_lines(self)])


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class PredictiveCheck(Recorded):
    """What replicated trials look like beside the real ones.

    ``observed`` holds the statistics of the trials (the largest deviation: its posterior mean), ``replicated`` their central
    95% interval among replicates, ``p_value`` the probability of a replicate at least as large; ``draws`` replicates were
    made, so the p value of the range has a Monte Carlo standard error of at most 0.5 / sqrt(draws).
    """

    engine: ClassVar[str] = "bayesian"
    absent: ClassVar[dict[str, str]] = {"": "it checks a model; the posterior it was made from has the rest."}

    question: Question
    k: int
    observed: dict[str, float]
    replicated: dict[str, Pair]
    p_value: dict[str, float]
    draws: int
    warnings: tuple[str, ...] = ()
    call: dict[str, Any] = field(default_factory=dict)

    @property
    def verdict(self) -> str:
        """One sentence; the limit is divided by the number of statistics."""
        p, limit = self.p_value, _SURPRISE / len(_NAMES)
        said = ", ".join(f"{_NAMES[name]} {_sized(p[name])}" for name in _NAMES)
        if min(p.values()) < limit:
            return f"The trials scatter more than the model expects of trials like these (posterior predictive p of {said})."
        if max(p.values()) > 1 - limit:
            return f"The trials scatter less than the model expects of trials like these (posterior predictive p of {said})."
        return f"The trials scatter as the model expects of trials like these (posterior predictive p of {said})."

    def to_frame(self) -> pd.DataFrame:
        """A row for each statistic of the trials: term, observed, replicated_low, replicated_high, p_value."""
        import pandas as pd

        rows = [(n, self.observed[n], *self.replicated[n], self.p_value[n]) for n in _NAMES]
        return pd.DataFrame(rows, columns=["term", "observed", "replicated_low", "replicated_high", "p_value"])

    def __str__(self) -> str:
        head = f"posterior predictive check, k = {self.k}, {self.draws} replicates"
        return "\n".join([head, self.verdict, *closing_lines(self)])


_NAMES = {"q": "Cochran's Q", "range": "range", "largest_z": "largest deviation"}


def leave_one_out(post: BayesianResult | ExactPosterior) -> LeaveOneOut:
    """Predict each trial from the others: the exact posterior refitted without it, once for every trial.

    The predictive distribution of trial i is that of a new trial with its sampling variance,
    N(mu, tau^2 + v_i) over the posterior of the others; its tail area is the cross-validatory p value of Marshall &
    Spiegelhalter 2007, Bayesian Analysis 2:409-444. elpd and its standard error follow Vehtari, Gelman & Gabry 2017, Stat
    Comput 27:1413-1432, without their approximation. A prior that rests on the sampling variances keeps all of them: it is
    part of the model and not refitted.

    Parameters
    ----------
    post : BayesianResult or ExactPosterior
        From ``vf.bayes.random_effects``, ``vf.bayes.sample`` or ``vf.bayes.posterior``; it keeps its data and its priors.

    Returns
    -------
    LeaveOneOut

    Raises
    ------
    InputError
        A single trial, or priors with which a posterior without one of the trials does not exist.

    Examples
    --------
    >>> import vfmeta as vf
    >>> post = vf.bayes.random_effects(y=[-1.0, -0.4, -0.8], v=[0.2, 0.1, 0.3], tau=vf.priors.HalfNormal(1.0))
    >>> loo = vf.bayes.leave_one_out(post)
    >>> loo.verdict
    'Every trial lies where the others expect it (smallest of 3 predictive p values = 0.50).'
    """
    post, names, question, origin = behind(post)
    k = len(post.y)
    if k < 2:
        raise InputError(f"Leaving a trial out takes two trials at least; there is one only ({names[0]}).")
    rows = np.array([_without(i, names[i], post) for i in range(k)])
    notes = []
    if k < FEW:
        notes.append(
            f"With {k} trials elpd and its standard error are rough (the standard error tends to be too small when units are "
            "few; Sivula et al., arXiv:2008.10296), and no choice between models should rest on them."
        )
    warn_each(notes)
    density, pit, low, high = (tuple(column.tolist()) for column in rows.T)
    se = math.sqrt(k * float(rows[:, 0].var(ddof=1)))
    return LeaveOneOut(
        question=question, k=k, labels=names, log_density=density, pit=pit, prediction_low=low, prediction_high=high,
        elpd=float(rows[:, 0].sum()), elpd_se=se, origin=origin, warnings=tuple(notes),
        call={"function": "bayes.leave_one_out", "tau": str(post.tau_prior), "mu": str(post.mu_prior)},
    )  # fmt: skip


def _without(i: int, name: str, post: Any) -> tuple[float, float, float, float]:
    """Log predictive density, PIT and 95% predictive limits of trial ``i`` given the others."""
    tau = post.tau_prior
    try:
        log_density, rest = post.without(i, AsOfAll(tau, post.v) if tau.uses_v else tau)
    except InputError as error:
        raise InputError(f"Without {name}: {error}") from error
    ahead = rest.ahead(float(post.v[i]))
    pit = float(ahead.cdf(post.y[i])) if post.printed[i] else math.nan
    return log_density, pit, *ahead.interval(0.95)


def predictive_check(post: BayesianResult | ExactPosterior, *, draws: int = 10_000, seed: int = 1) -> PredictiveCheck:
    """Replicate the trials from the posterior, each with a new true effect, and compare their scatter with that seen.

    Of trials that print only a part of their result (`vf.bayes.reports`) only those with an estimate and its standard error are
    checked, against the posterior of all.

    Statistics: Cochran's Q, the range of the effects, and the largest standardised deviation from the mean effect,
    max |y - mu| / sqrt(v + tau^2), which depends on the parameters and is compared draw by draw (Gelman, Meng & Stern
    1996, Stat Sinica 6:733-807).

    Parameters
    ----------
    post : BayesianResult or ExactPosterior
        From ``vf.bayes.random_effects``, ``vf.bayes.sample`` or ``vf.bayes.posterior``; it keeps its data and its priors.
    draws, seed : int
        Number of replicates, from which the limits and the p value of the range come; the other two p values are integrated
        (errors below 1e-3). Same seed, same replicates.

    Returns
    -------
    PredictiveCheck

    Raises
    ------
    InputError
        A single trial, which has no scatter, or an improper posterior.

    Examples
    --------
    >>> import vfmeta as vf
    >>> post = vf.bayes.random_effects(y=[-1.0, -0.4, -0.8], v=[0.2, 0.1, 0.3], tau=vf.priors.HalfNormal(1.0))
    >>> check = vf.bayes.predictive_check(post, draws=200)
    >>> check.to_frame()["term"].tolist()
    ['q', 'range', 'largest_z']
    """
    from scipy.special import ndtr

    for name, value, least in (("draws", draws, 1), ("seed", seed, 0)):
        whole(name, value, least)
    exact, names, question, origin = behind(post)
    y, v = exact.y[exact.printed], exact.v[exact.printed]
    k = len(y)
    if k < 2:
        one = f"One trial only ({names[0]})" if len(names) == 1 else f"Of {len(names)} trials {k or 'none'} with an estimate"
        raise InputError(f"{one}: {'it has' if len(names) == 1 else 'there is'} no scatter to check.")
    p, mass = quantile_levels()
    t = exact.tau.quantile(p)
    # given the parameters the deviations of a replicate are k standard normals, whose largest has a distribution of its own
    largest = (np.abs(y - exact.given(t, p)[..., None]) / np.hypot(np.sqrt(v), t[:, None])[:, None, :]).max(-1)
    beyond = -np.expm1(k * np.log1p(-2 * ndtr(-largest)))
    copies = _replicates(exact, v, draws, seed)
    seen = {
        "q": float(_q(y, v)), "range": float(np.ptp(y)), "largest_z": float(mass @ largest @ mass),
    }  # fmt: skip
    chance = {
        "q": 1 - float(mass @ q_below(y, v, t)), "range": float(np.mean(copies["range"] >= seen["range"])),
        "largest_z": float(mass @ beyond @ mass),
    }  # fmt: skip
    limits = {name: _limits(x) for name, x in copies.items()}
    notes = []
    if k < len(names):
        others = ", ".join(name for name, own in zip(names, exact.printed.tolist(), strict=True) if not own)
        notes.append(f"The check is of the {k} trials that print an estimate with its standard error; not of {others}.")
    if k < FEW:
        notes.append(
            f"A posterior predictive check of {k} trials sees little: it uses the trials twice, and misfit between trials "
            "shows only when it is huge (Sinharay & Stern 2003, J Stat Plan Inference 111:209-221). A p value in the middle is "
            "no proof that the model fits."
        )
    warn_each(notes)
    return PredictiveCheck(
        question=question, k=k, observed=seen, replicated=limits, p_value=chance, draws=int(draws), origin=origin,
        warnings=tuple(notes),
        call={
            "function": "bayes.predictive_check", "tau": str(exact.tau_prior), "mu": str(exact.mu_prior), "draws": int(draws),
            "seed": int(seed),
        },
    )  # fmt: skip


def _replicates(post: Any, v: np.ndarray, draws: int, seed: int) -> dict[str, np.ndarray]:
    """Statistics of sets of trials made anew. Neither Q nor the range asks where the mean effect lies, so it is zero."""
    levels = min(draws, 200)
    tau = post.tau.quantile((np.arange(levels) + 0.5) / levels)
    z = np.random.default_rng([seed, 7]).standard_normal((draws, len(v)))
    again = z * np.hypot(np.sqrt(v), np.resize(tau, draws)[:, None])
    return {"q": _q(again, v), "range": np.ptp(again, axis=1), "largest_z": np.abs(z).max(1)}


def _q(y: np.ndarray, v: np.ndarray) -> Any:
    """Cochran's Q of one set (k,) or of many (n, k)."""
    w = 1 / v
    return (w * (y - (y @ w / w.sum())[..., None]) ** 2).sum(-1)


def _limits(x: np.ndarray) -> Pair:
    low, high = np.quantile(x, [0.025, 0.975])
    return float(low), float(high)


def _sized(p: float) -> str:
    return "< 0.001" if p < 0.001 else f"= {p:.{3 if p < 0.01 or p > 0.99 else 2}f}"


class AsOfAll(TauPrior):
    """A prior that rests on the sampling variances, as all trials make it."""

    def __init__(self, prior: TauPrior, v: np.ndarray) -> None:
        self._of, self._all = prior, v

    @property
    def proper(self) -> bool:  # type: ignore[override]
        return self._of.proper

    @property
    def tail(self) -> float:
        return self._of.tail

    @property
    def high(self) -> float:
        return self._of.high

    @property
    def size(self) -> float | None:
        return self._of.size

    def log_density(self, x: Any, v: np.ndarray | None = None) -> np.ndarray:
        return self._of.log_density(x, self._all)

    @property
    def words(self) -> str:
        return str(self._of)

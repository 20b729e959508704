"""Trials that print only a part of their result, pooled by what their words allow (``vf.bayes.reports``)."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from vfmeta.bayes.chances import chances, prior_median
from vfmeta.bayes.exact import choose_priors
from vfmeta.bayes.partial_posterior import PartialPosterior
from vfmeta.core.messages import InputError, warn
from vfmeta.core.params import confidence
from vfmeta.core.question import Question
from vfmeta.effects.reports import Reports, read_reports
from vfmeta.priors import MuPrior, TauPrior
from vfmeta.results.marginal import Marginal
from vfmeta.results.posterior import BayesianResult
from vfmeta.text import reports as words

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["ReportsResult", "again", "reports"]

_POINTS = 201  # of the traced density


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class ReportsResult(BayesianResult):
    """A Bayesian pool of trials of which some print only a part of their result.

    As a `BayesianResult`, with for every trial its ``kinds`` and ``says``, what it reports in words. ``y`` is its printed
    estimate (or the one that its p value and standard error make), NaN where there is none: then it is known that the
    estimate lay between ``low`` and ``high``. ``weights`` are the shares in the information on the mean effect, that of a trial
    being the curvature of its log likelihood. The intervals of the trials' own effects take these as normal given tau.
    """

    kinds: tuple[str, ...] = ()
    says: tuple[str, ...] = ()
    low: np.ndarray = field(default_factory=lambda: np.empty(0))
    high: np.ndarray = field(default_factory=lambda: np.empty(0))

    engine: ClassVar[str] = "bayesian"

    @property
    def partial(self) -> np.ndarray:
        """Which trials print no estimate with its standard error, (k,)."""
        return np.array([kind != "full" for kind in self.kinds])

    def reach(self, i: int) -> tuple[float, float, float] | None:
        return (float(self.low[i]), float(self.high[i]), float(self.v[i]) ** 0.5) if np.isnan(self.y[i]) else None

    @property
    def studies(self) -> pd.DataFrame:
        """A row a report: that of every pool, with ``kind`` and ``says``; estimates that are not printed are missing."""
        return super().studies.assign(kind=list(self.kinds), says=list(self.says))

    def rests_on(self) -> pd.DataFrame:
        """How much the answer rests on the partial reports and on the prior of the mean.

        Returns
        -------
        DataFrame
            A row each for all reports, for the full ones only, without each partial one, and for a normal prior of mu of half
            and of double width: ``term``, k, estimate, se, ci_low, ci_high, p_benefit, p_benefit_mid and scale. A row is empty
            where nothing is left, or where its posterior is improper.
        """
        import pandas as pd

        from vfmeta.results.frames import scaled

        every, hidden = np.arange(self.k), np.flatnonzero(self.partial)
        rows: list[tuple[str, np.ndarray, Any]] = [("all reports", every, self.mu_prior)]
        if len(hidden):
            rows.append(("full reports only", np.flatnonzero(~self.partial), self.mu_prior))
            rows += [(f"without {self.labels[i]}", np.delete(every, i), self.mu_prior) for i in hidden.tolist()]
        sd = getattr(self.mu_prior, "sd", None)
        if sd is not None:
            rows.append(("prior of mu half as wide", every, replace(self.mu_prior, sd=sd / 2)))  # type: ignore[type-var]
            rows.append(("prior of mu twice as wide", every, replace(self.mu_prior, sd=sd * 2)))  # type: ignore[type-var]
        out = []
        for name, keep, mu in rows:
            found: dict[str, Any] = {"term": name, "k": len(keep)}
            try:
                fit = self if mu is self.mu_prior and len(keep) == self.k else again(self, keep, self.tau_prior, mu)
            except InputError:
                found |= dict.fromkeys(("estimate", "se", "ci_low", "ci_high", "p_benefit", "p_benefit_mid"), np.nan)
            else:
                found |= {
                    "estimate": fit.estimate, "se": fit.se, "ci_low": fit.interval[0], "ci_high": fit.interval[1],
                    "p_benefit": fit.p_benefit, "p_benefit_mid": fit.p_benefit_mid,
                }  # fmt: skip
            out.append(found)
        return scaled(pd.DataFrame(out), self.question)

    def __str__(self) -> str:
        return words.console_text(self, super().__str__())


def reports(
    data: Any = None,
    *,
    y: Any = None,
    se: Any = None,
    n1: Any = None,
    n2: Any = None,
    study: Any = None,
    p: Any = None,
    direction: Any = None,
    tau: TauPrior | None = None,
    mu: MuPrior | None = None,
    kind: Any = None,
    level: float = 0.95,
    question: Question | None = None,
) -> ReportsResult:
    """Bayesian random-effects meta-analysis of trials of which some print only a part of their result.

    Every report enters with the probability of what was printed, given the trial's effect and its standard error; mean effect
    and tau are then integrated exactly by quadrature. It takes for granted that a trial would have printed its words whichever
    way they fell. With full reports only it is `random_effects`.

    Parameters
    ----------
    data : effect table, data frame or mapping of columns, optional
        One row a trial; the arguments below then name its columns, and columns of their names are found by themselves. The
        rows of an effect table are full reports unless a column ``kind`` says otherwise.
    y : array-like of shape (k,), or column name
        Printed estimates on the analysis scale, experimental minus control; empty where none is printed.
    se : array-like of shape (k,), or column name
        Standard errors of the estimates.
    n1, n2 : array-like of shape (k,), or column name
        Patients of the experimental and the control arm, where known.
    study : sequence of k names, or column name
    p : array-like of shape (k,), or column name
        Two-sided p value: as printed ("p_exact"), the bound ("p_bound": 0.001 of p < 0.001), or the level that "significant"
        and "not significant" refer to, 0.05 where empty.
    direction : array-like of shape (k,), or column name
        -1 or 1, the sign of the estimate; or "experimental" or "control", the arm that did better, where the question says
        which way is better.
    tau, mu : priors, optional
        As of `random_effects`. A flat mu is refused where every report bounds the effect on the same side only.
    kind : sequence of k kinds, or column name
        "full" (estimate and standard error), "p_exact" (p value with direction, or with the estimate in place of the standard
        error), "p_bound" and "significant" (beyond the z of that p, in a direction), "not_significant" (within it, with or
        without a direction), "direction" (its sign alone).
    level : float
        Credible level of every interval; a level of significance belongs in ``p``.
    question : Question, optional
        What is compared; taken from the table when there is one.

    Returns
    -------
    ReportsResult

    Raises
    ------
    InputError
        Every fault with its row and column: what a kind needs and a row lacks, a direction against the estimate's sign, a p
        value outside 0 to 1; or an improper posterior.

    Notes
    -----
    The likelihood of a bound is Handbook chapter 12 made exact: with y ~ N(mu, se^2 + tau^2), P(direction y / se > z) for a
    significant result, P(abs(y / se) < z) for one that is not, P(direction y > 0) for a direction.

    Examples
    --------
    >>> import vfmeta as vf
    >>> fit = vf.bayes.reports(
    ...     kind=["full", "full", "not_significant", "direction"], y=[-0.8, -0.4, None, None], se=[0.3, 0.2, 0.4, 0.5],
    ...     direction=[None, None, None, -1], tau=vf.priors.HalfNormal(0.5), mu=vf.priors.Normal(0, 2),
    ... )
    >>> fit.k, fit.interval[0] < fit.estimate < fit.interval[1]
    (4, True)
    >>> fit.studies["says"].tolist()[2:]
    ['not significant (p > 0.05)', 'lower']
    """
    confidence(level)
    found = read_reports(data, question=question, study=study, kind=kind, y=y, se=se, n1=n1, n2=n2, p=p, direction=direction)
    tau, mu = choose_priors(found.question, tau, mu)
    result = _answer(found, tau, mu, float(level))
    for note in result.warnings:
        warn(note)
    return result


def _answer(r: Reports, tau: TauPrior, mu: MuPrior, level: float) -> ReportsResult:
    says = tuple(
        words.says(kind, r.question, *(float(r.given[name][i]) for name in ("y", "se", "p", "direction")))
        for i, kind in enumerate(r.kinds)
    )
    return _solved(
        r.y, r.se**2, r.low, r.high, tau, mu, level,
        question=r.question, labels=r.labels, details=r.details, origin=r.origin, kinds=r.kinds, says=says,
        warnings=tuple(words.notes(r.labels, r.kinds, tau, mu)),
    )  # fmt: skip


def _solved(
    y: np.ndarray, v: np.ndarray, low: np.ndarray, high: np.ndarray, tau: TauPrior, mu: MuPrior, level: float, **known: Any
) -> ReportsResult:
    post = PartialPosterior(y, v, low, high, tau, mu)
    prob = np.array([0.5 - level / 2, 0.5, 0.5 + level / 2])

    def marginal(part: Any, mode: float | None) -> Marginal:
        a, middle, b = (float(x) for x in part.quantile(prob))
        return Marginal(mean=part.mean, sd=part.sd, median=middle, interval=(a, b), mode=mode)

    mean_effect, between = marginal(post.mu, post.mu.mode), marginal(post.tau, post.tau.mode)
    further = marginal(post.next_trial, None)
    ends = post.mu.quantile(np.array([0.0005, 0.9995]))
    grid = np.linspace(ends[0], ends[1], _POINTS)
    odds: dict[str, Any] = chances(known["question"], post.mu.cdf, post.next_trial.cdf)
    own_low, own_high = post.shrunken_interval(level)
    return ReportsResult(
        model="random", k=len(y), estimate=mean_effect.median, se=mean_effect.sd, interval=mean_effect.interval, level=level,
        prediction=further.interval, tau2=between.median**2, y=y, v=v, weights=post.weights,
        call={"function": "bayes.reports", "tau": str(tau), "mu": str(mu), "level": level},
        mu=mean_effect, tau=between, next_trial=further, shrunken_mean=post.shrunken_mean, shrunken_sd=post.shrunken_sd,
        shrunken_low=own_low, shrunken_high=own_high, **odds,
        priors=(str(tau), str(mu)), tau_prior=tau, mu_prior=mu, method="exact quadrature in two dimensions", grid=grid,
        density=post.mu.density(grid), prior_share=post.prior_share, log_evidence=post.log_marginal_likelihood,
        tau_prior_median=prior_median(tau, v), low=low, high=high, **known,
    )  # fmt: skip


def again(fit: ReportsResult, keep: np.ndarray, tau: Any, mu: Any) -> ReportsResult:
    """The same pool of the trials at the places ``keep`` (m,), under these priors."""
    if not len(keep):
        raise InputError("No report is left.")

    def part(values: tuple[Any, ...]) -> tuple[Any, ...]:
        return tuple(values[i] for i in keep.tolist()) if values else ()

    return _solved(
        fit.y[keep], fit.v[keep], fit.low[keep], fit.high[keep], tau, mu, fit.level,
        question=fit.question, labels=part(fit.labels), details=part(fit.details), kinds=part(fit.kinds), says=part(fit.says),
    )  # fmt: skip

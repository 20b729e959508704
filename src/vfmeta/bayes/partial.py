"""Trials that print only a part of their result, pooled by what their words allow (``vf.bayes.reports``)."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from vfmeta.bayes.chances import chances, prior_median
from vfmeta.bayes.exact import choose_priors
from vfmeta.core.messages import InputError, warn_each
from vfmeta.core.params import confidence
from vfmeta.core.question import Question
from vfmeta.effects.reports import Reports, read_reports, read_sds, sds_of
from vfmeta.priors import InstrumentSD, Mixture, MuPrior, TauPrior
from vfmeta.results.marginal import Marginal
from vfmeta.results.posterior import BayesianResult
from vfmeta.text import reports as words

if TYPE_CHECKING:
    import pandas as pd

    from vfmeta.bayes.instrument_sd import Spread
    from vfmeta.bayes.partial_posterior import PartialPosterior

__all__ = ["ReportsResult", "again", "reports"]

_POINTS = 201  # of the traced density
_TOO_LITTLE = 2 / 3  # share of the SD of the prior of mu beyond which the posterior SD says too little for a number


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class ReportsResult(BayesianResult):
    """A Bayesian pool of trials of which some print only a part of their result.

    As a `BayesianResult`, with for every trial its ``kinds`` and ``says``, what it reports in words. ``y`` is its printed
    estimate (or the one that its p value and standard error make), NaN where there is none: then it is known that the
    estimate lay between ``low`` and ``high``. ``weights`` are the shares in the information on the mean effect, that of a trial
    being the curvature of its log likelihood. The intervals of the trials' own effects take these as normal given tau.

    Where the standard error is unknown it is integrated out with the SD of the instrument: ``unit`` is the standard error of an
    SD of 1 (NaN where it is known), ``instruments`` names what the SD is of, ``sds`` holds the printed SDs and ``sd_prior``
    their prior. ``v``, the limits, the weight and the own effect of such a trial stand for the median SD. ``sd_assumed`` lists
    instruments of which fewer than three trials print an SD.
    """

    kinds: tuple[str, ...] = ()
    says: tuple[str, ...] = ()
    low: np.ndarray = field(default_factory=lambda: np.empty(0))
    high: np.ndarray = field(default_factory=lambda: np.empty(0))
    unit: np.ndarray = field(default_factory=lambda: np.empty(0))
    instruments: tuple[str, ...] = ()
    cut: np.ndarray = field(default_factory=lambda: np.empty(0))
    sds: tuple[dict[str, Any], ...] = ()
    sd_prior: dict[str, float] = field(default_factory=dict)

    engine: ClassVar[str] = "bayesian"

    @property
    def partial(self) -> np.ndarray:
        """Which trials print no estimate with its standard error, (k,)."""
        return np.array([kind != "full" for kind in self.kinds])

    @property
    def too_little(self) -> bool:
        """Whether the reports move the prior of the mean so little that a number would be the prior's."""
        prior = getattr(self.mu_prior, "sd", None)
        return prior is not None and self.mu.sd > _TOO_LITTLE * prior

    @property
    def stands_alone(self) -> bool:
        return bool(self.partial.any()) and not self.too_little

    @property
    def sd_assumed(self) -> tuple[str, ...]:
        """Instruments whose SD is needed and printed by fewer than three trials."""
        return tuple(name for name, spread in self._spreads().items() if spread.assumed)

    def _spreads(self) -> dict[str, Spread]:
        """What the SD of a trial may be, by instrument that some report needs it of."""
        return _spreads(self.instruments, self.unit, self.sds, self.sd_prior)

    def instrument_sds(self) -> pd.DataFrame:
        """The SD of a further trial by instrument: ``term``, k (SDs printed), q10, q50, q90 and whether it is ``assumed``."""
        import pandas as pd

        rows = [(name, x.k, *x.quantiles, x.assumed) for name, x in self._spreads().items()]
        return pd.DataFrame(rows, columns=["term", "k", "q10", "q50", "q90", "assumed"])

    def by_sd(self) -> pd.DataFrame:
        """The answer at the 10%, 50% and 90% quantile of every SD that is assumed; columns as of `rests_on`.

        Raises
        ------
        InputError
            No SD is assumed.
        """
        spreads = self._spreads()
        assumed = self.sd_assumed
        if not assumed:
            raise InputError("No SD is assumed: every one needed is printed by at least three trials, or known.")
        rows = []
        for j, share in enumerate(("10%", "50%", "90%")):
            fixed = {name: spreads[name].quantiles[j] for name in assumed}
            said = ", ".join(f"{name or 'SD'} {sd:.2g}" for name, sd in fixed.items())
            rows.append(_row(f"{said} ({share} quantile)", _at_sd(self, fixed)))
        return _tabled(rows, self.question)

    def exact_posterior(self) -> PartialPosterior:
        """The posterior of the reports and priors kept here, for what the result itself does not hold."""
        # loaded when it is asked for, as pages read results back and have no use for its kernels
        from vfmeta.bayes.instrument_sd import hidden
        from vfmeta.bayes.partial_posterior import PartialPosterior

        unknown = hidden(
            self.kinds, self.y, self.low, self.high, np.sqrt(self.v), self.unit, self.cut, self.instruments, self._spreads()
        )
        tau: Any = self.tau_prior
        mu: Any = self.mu_prior
        return PartialPosterior(self.y, self.v, self.low, self.high, tau, mu, unknown)

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
        every, hidden = np.arange(self.k), np.flatnonzero(self.partial)
        rows: list[tuple[str, np.ndarray, Any]] = [("all reports", every, self.mu_prior)]
        if len(hidden):
            rows.append(("full reports only", np.flatnonzero(~self.partial), self.mu_prior))
            rows += [(f"without {self.labels[i]}", np.delete(every, i), self.mu_prior) for i in hidden.tolist()]
        sd = getattr(self.mu_prior, "sd", None)
        if sd is not None and not isinstance(self.mu_prior, Mixture):  # which has several
            rows.append(("prior of mu half as wide", every, replace(self.mu_prior, sd=sd / 2)))  # type: ignore[type-var]
            rows.append(("prior of mu twice as wide", every, replace(self.mu_prior, sd=sd * 2)))  # type: ignore[type-var]
        out = []
        for name, keep, mu in rows:
            try:
                fit = self if mu is self.mu_prior and len(keep) == self.k else again(self, keep, self.tau_prior, mu)
            except InputError:
                fit = None
            out.append(_row(name, fit) | {"k": len(keep)})
        return _tabled(out, self.question)

    def __str__(self) -> str:
        return words.console_text(self, super().__str__())


def _row(name: str, fit: ReportsResult | None) -> dict[str, Any]:
    """One line on an answer, empty where there is none."""
    if fit is None:
        return {"term": name} | dict.fromkeys(
            ("k", "estimate", "se", "ci_low", "ci_high", "p_benefit", "p_benefit_mid"), np.nan
        )
    return {
        "term": name, "k": fit.k, "estimate": fit.estimate, "se": fit.se, "ci_low": fit.interval[0], "ci_high": fit.interval[1],
        "p_benefit": fit.p_benefit, "p_benefit_mid": fit.p_benefit_mid,
    }  # fmt: skip


def _tabled(rows: list[dict[str, Any]], question: Question) -> pd.DataFrame:
    import pandas as pd

    from vfmeta.results.frames import scaled

    return scaled(pd.DataFrame(rows), question)


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
    instrument: Any = None,
    score: Any = None,
    sds: Any = None,
    sd_prior: InstrumentSD | None = None,
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
        rows of an effect table are full reports unless a column ``kind`` says otherwise; one of ``vf.compare(...,
        reports="all")`` brings what other trials say in words, and the SDs that trials print.
    y : array-like of shape (k,), or column name
        Printed estimates on the analysis scale, experimental minus control; empty where none is printed.
    se : array-like of shape (k,), or column name
        Standard errors of the estimates; empty where unknown.
    n1, n2 : array-like of shape (k,), or column name
        Patients of the experimental and the control arm. Where a standard error is not known it comes from them and the SD of
        the instrument (mean differences), or from them alone (standardised mean differences); a trial of which neither is known
        is left out, and listed.
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
        "full" (estimate and standard error), "estimate_only" (estimate without any spread), "p_exact" (p value with direction,
        or with the estimate in place of the standard error), "p_bound" and "significant" (beyond the z of that p, in a
        direction), "not_significant" (within it, with or without a direction), "direction" (its sign alone). The last four may
        print an estimate without its standard error, on which the words then are a bound.
    instrument, score : sequence of k names, or column name, optional
        What the SD of a trial without a standard error is of: the instrument, and the kind of score (final or change).
    sds : data frame or mapping of columns, optional
        SDs that trials print, on the scale of y, of this pool or any other: ``sd`` and ``n`` (patients), with ``instrument``
        and ``score`` as above; rows of one ``study`` are its arms.
    sd_prior : InstrumentSD, optional
        Prior of the SD, on the scale of y; `vf.priors.InstrumentSD` on the question's ``points`` when left out.
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
    significant result, P(abs(y / se) < z) for one that is not, P(direction y > 0) for a direction. A standard error that is not
    known is SD (1 / n1 + 1 / n2)^(1/2), the log of a trial's SD N(m, s^2) for each instrument and score; m and s have the prior
    and what the printed SDs say, each with its own chi-square error. They are summed over a grid, each trial's SD inside by
    quadrature of its own; a p value is then the density of its z. With fewer than three printed SDs of an instrument the answer
    is marked "SD assumed".

    A standardised mean difference has an SD of 1: its standard error is (1 / n1 + 1 / n2 + y^2 / (2 (n1 + n2)))^(1/2) (Hedges
    1982), without the last term where no estimate is printed; y is the printed estimate, or of an exact p value direction
    z(p) (1 / n1 + 1 / n2)^(1/2).

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
    found = read_reports(
        data, question=question, study=study, kind=kind, y=y, se=se, n1=n1, n2=n2, p=p, direction=direction,
        instrument=instrument, score=score,
    )  # fmt: skip
    tau, mu = choose_priors(found.question, tau, mu)
    result = _answer(found, tau, mu, float(level), read_sds(sds_of(data) if sds is None else sds), sd_prior)
    warn_each(result.warnings)
    return result


def _answer(
    r: Reports, tau: TauPrior, mu: MuPrior, level: float, sds: tuple[dict[str, Any], ...], prior: InstrumentSD | None
) -> ReportsResult:
    says = tuple(
        words.says(kind, r.question, *(float(r.given[name][i]) for name in ("y", "se", "p", "direction")))
        for i, kind in enumerate(r.kinds)
    )
    sd_prior = dict[str, float]()
    se, y, low, high = r.se.copy(), r.y.copy(), r.low.copy(), r.high.copy()
    unknown = ~np.isnan(r.unit)
    if unknown.any():
        sd_prior = asdict(prior or _usual_prior(r.question))
        spreads = _spreads(r.instruments, r.unit, sds, sd_prior)
        for i in np.flatnonzero(unknown).tolist():
            se[i] = r.unit[i] * spreads[r.instruments[i]].quantiles[1]
            if np.isnan(r.given["y"][i]):
                y[i] *= se[i]
                low[i], high[i] = (x * se[i] if x else 0.0 for x in (low[i], high[i]))
    else:
        sds = ()
    result = _solved(
        y, se**2, low, high, tau, mu, level,
        question=r.question, labels=r.labels, details=r.details, origin=r.origin, kinds=r.kinds, says=says, unit=r.unit,
        instruments=r.instruments, cut=r.cut, sds=sds, sd_prior=sd_prior,
    )  # fmt: skip
    return replace(result, warnings=tuple(words.notes(r.labels, r.kinds, result.sd_assumed)))


def _usual_prior(question: Question) -> InstrumentSD:
    if question.points is None:
        raise InputError(
            "A standard error is to come from the SD of the instrument, and its scale is not known: give "
            "question=vf.Question(measure='MD', points=(0, 10)), or the prior of the SD, sd_prior=vf.priors.InstrumentSD(...)."
        )
    return InstrumentSD().scaled(abs(question.points[1] - question.points[0]) / 10)


def _spreads(
    names: tuple[str, ...], unit: np.ndarray, sds: tuple[dict[str, Any], ...], prior: dict[str, float]
) -> dict[str, Spread]:
    from vfmeta.bayes.instrument_sd import spread_of

    asked = dict.fromkeys(name for name, x in zip(names, unit.tolist(), strict=True) if not np.isnan(x))
    return {
        name: spread_of(InstrumentSD(**prior), tuple((s["sd"], s["df"]) for s in sds if s["instrument"] == name))
        for name in asked
    }


def _solved(
    y: np.ndarray, v: np.ndarray, low: np.ndarray, high: np.ndarray, tau: TauPrior, mu: MuPrior, level: float, **known: Any
) -> ReportsResult:
    from vfmeta.bayes.instrument_sd import hidden
    from vfmeta.bayes.partial_posterior import PartialPosterior

    spreads = _spreads(known["instruments"], known["unit"], known["sds"], known["sd_prior"])
    unknown = hidden(
        known["kinds"], y, low, high, np.sqrt(v), known["unit"], known["cut"], known["instruments"], spreads,
    )  # fmt: skip
    post = PartialPosterior(y, v, low, high, tau, mu, unknown)
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
        priors=(str(tau), str(mu), *((str(InstrumentSD(**known["sd_prior"])),) if spreads else ())), tau_prior=tau, mu_prior=mu,
        method="exact quadrature over mean, tau and SD of the instrument" if spreads else "exact quadrature in two dimensions",
        grid=grid, density=post.mu.density(grid), prior_share=post.prior_share, log_evidence=post.log_marginal_likelihood,
        tau_prior_median=prior_median(tau, v), low=low, high=high, **known,
    )  # fmt: skip


def again(fit: ReportsResult, keep: np.ndarray, tau: Any, mu: Any) -> ReportsResult:
    """The same pool of the trials at the places ``keep`` (m,), under these priors."""
    if not len(keep):
        raise InputError("No report is left.")
    return _solved(
        fit.y[keep], fit.v[keep], fit.low[keep], fit.high[keep], tau, mu, fit.level, **_part(fit, keep), unit=fit.unit[keep],
        cut=fit.cut[keep],
    )  # fmt: skip


def _part(fit: ReportsResult, keep: np.ndarray) -> dict[str, Any]:
    def part(values: tuple[Any, ...]) -> tuple[Any, ...]:
        return tuple(values[i] for i in keep.tolist()) if values else ()

    return {
        "question": fit.question, "sds": fit.sds, "sd_prior": fit.sd_prior, "labels": part(fit.labels),
        "details": part(fit.details), "kinds": part(fit.kinds), "says": part(fit.says), "instruments": part(fit.instruments),
    }  # fmt: skip


def _at_sd(fit: ReportsResult, fixed: dict[str, float]) -> ReportsResult:
    """The same pool with the SD of some instruments held, where words that no SD of this size allows say nothing."""
    se = np.array([u * fixed.get(name, np.nan) for u, name in zip(fit.unit.tolist(), fit.instruments, strict=True)])
    held = ~np.isnan(se)
    by = np.where(held, se / np.sqrt(fit.v), 1.0)
    # what hangs on the standard error moves with it; a printed estimate stays
    moves = held & np.array([kind == "p_exact" or np.isnan(y) for kind, y in zip(fit.kinds, fit.y.tolist(), strict=True)])
    y, low, high = (np.where(moves, x * np.where(np.isinf(x), 1.0, by), x) for x in (fit.y, fit.low, fit.high))
    return _solved(
        y, np.where(held, se**2, fit.v), low, high, fit.tau_prior, fit.mu_prior, fit.level,  # type: ignore[arg-type]
        **_part(fit, np.arange(fit.k)), unit=np.where(held, np.nan, fit.unit), cut=fit.cut,
    )  # fmt: skip

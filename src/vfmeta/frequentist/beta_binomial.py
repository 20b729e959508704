"""The beta-binomial model: event risks vary between studies by a beta distribution, so that double-zero studies count too."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from vfmeta.core.measures import row
from vfmeta.core.messages import ConvergenceError, InputError, warn_each
from vfmeta.core.params import Missing, WaldTest, choice
from vfmeta.core.question import Pair, Question
from vfmeta.effects.counts import Counts, read_counts, refuse_unknown
from vfmeta.frequentist.single_tables import each_study
from vfmeta.kernels.arrow import maximise
from vfmeta.kernels.betabinomial import log_density
from vfmeta.kernels.distributions import chi2_above
from vfmeta.results.fit import FrequentistResult
from vfmeta.results.information import information
from vfmeta.results.wald import TestResult, quantile, two_sided
from vfmeta.text import numbers as tx

MEASURES = ("OR", "RR", "RD", "PLO")
STARTS = (0.02, 0.3)
Count = Any  # a column name (with data=) or an array-like of shape (k,)


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class BetaBinomialResult(FrequentistResult):
    """A beta-binomial fit.

    ``icc`` is the correlation of two patients of the same arm of the same study (0 where the arms vary no more than chance),
    ``risks`` and ``risk_intervals`` are the mean risks of the experimental and the control arm (one for a single arm). ``q`` is
    the likelihood ratio test of ``icc`` = 0, whose p value is halved because 0 is the end of its range (Self & Liang 1987, JASA
    82:605-610). There is no tau2. ``y``, ``v`` and ``weights`` are for figures only (0.5 added where a cell is empty).
    """

    icc: float
    icc_se: float | None
    risks: tuple[float, ...]
    risk_intervals: tuple[Pair, ...]

    def __str__(self) -> str:
        text = super().__str__().splitlines()
        shown = [line for line in text if not line.startswith("tau2 ")]
        at = next((i for i, line in enumerate(shown) if line.startswith("p  ")), len(shown) - 1) + 1
        test = f"likelihood ratio {tx.fixed(self.q.statistic, 2)}, p = {tx.short(self.q.p_value)}"
        shown.insert(at, f"icc        {tx.short(self.icc)}  ({test})")
        return "\n".join(shown)


def beta_binomial(
    measure: str = "OR",
    *,
    data: Any = None,
    events: Count = None,
    n: Count = None,
    events1: Count = None,
    n1: Count = None,
    events2: Count = None,
    n2: Count = None,
    study: Any = None,
    test: WaldTest = "Wald",
    level: float = 0.95,
    question: Question | None = None,
    missing: Missing = "raise",
) -> BetaBinomialResult:
    """Beta-binomial meta-analysis of risks (Kuss 2015, Stat Med 34:1097-1116).

    The risk of each arm of each study is drawn from a beta distribution with the mean of its group and one intraclass
    correlation. Studies without events in both arms are evidence that risks are low and stay in; nothing is added to a cell.
    The pairing of the arms within a study is not used: an imbalance of baseline risks between groups is not adjusted for.

    How often its tests reject and its intervals hold: ``reports/levels.md#beta_binomial``.

    Parameters
    ----------
    measure : {"OR", "RR", "RD", "PLO"}
        What the mean risks of the groups are turned into: log odds ratio, log risk ratio, risk difference, or, for one arm, the
        logit of the risk.
    data, events1, n1, events2, n2, events, n
        Column names with ``data`` (or an effect table of events alone), else array-likes of shape (k,), whole numbers;
        ``events, n`` for PLO. Arm 1 is experimental.
    study : str or sequence of k names, optional
        Column of study names, or the names.
    test : {"Wald", "t"}
        Normal quantiles, or t with k - 1 degrees of freedom.
    level : float
        Confidence level.
    missing : {"raise", "drop"}
        What to do about rows with a missing value.
    question : Question, optional
        Names and direction, for printing and plotting.

    Returns
    -------
    BetaBinomialResult

    Raises
    ------
    InputError
        Input that cannot be used, every fault with row and column; fewer than 2 studies.
    ConvergenceError
        No event, or nothing but events, in one arm of all studies: the mean risk is at the end of its range and has no
        standard error.

    Examples
    --------
    >>> import vfmeta as vf
    >>> counts = {"events1": [4, 6, 3], "n1": [40, 55, 38], "events2": [9, 8, 6], "n2": [41, 50, 40]}
    >>> fit = vf.beta_binomial("OR", data=counts, events1="events1", n1="n1", events2="events2", n2="n2")
    >>> fit.k, fit.estimate < 0
    (3, True)
    """
    refuse_unknown(measure, MEASURES)
    test = choice("test", test, WaldTest)
    given = {"events1": events1, "n1": n1, "events2": events2, "n2": n2, "events": events, "n": n}
    counts = read_counts(measure, row(measure).columns, given, data=data, study=study, missing=missing, level=level, whole=True)
    if counts.k < 2:
        raise InputError("The beta-binomial model needs at least 2 studies: one shows nothing of how risks vary.")
    for name, always in counts.certain:
        what = "nothing but events" if always else "no event"
        raise ConvergenceError(
            f"There is {what} in the {name} arm of all studies: its mean risk has no standard error. Use a Bayesian model."
        )
    fit = _fit([(x, m) for _, x, m in counts.arms])
    call = {"function": "beta_binomial", "measure": measure, "test": test, "level": level}
    result = _result(measure, counts, fit, test, float(level), call, question)
    warn_each(result.warnings)
    return result


@dataclass(frozen=True)
class _Fit:
    """Logits of the mean risks, their covariance, ``gamma`` and its standard error on the log scale, and log likelihoods."""

    logits: np.ndarray
    covariance: np.ndarray
    gamma: float
    se_log_gamma: float | None
    log_likelihood: float
    binomial: float


def _fit(arms: list[tuple[np.ndarray, np.ndarray]]) -> _Fit:
    def likelihood(_: np.ndarray, phi: np.ndarray) -> np.ndarray:
        means = 1 / (1 + np.exp(-phi[: len(arms)]))
        gamma = np.exp(phi[-1])
        return sum((log_density(x, m, means[j], gamma) for j, (x, m) in enumerate(arms)), np.zeros(len(arms[0][0])))

    pooled = np.array([x.sum() / m.sum() for x, m in arms])
    binomial = float(sum(log_density(x, m, pooled[j], 0.0).sum() for j, (x, m) in enumerate(arms)))
    logits = np.log(pooled / (1 - pooled))
    found = []
    for start in STARTS:
        try:
            found.append(maximise(likelihood, np.zeros(len(arms[0][0])), np.append(logits, math.log(start)), own=False))
        except ConvergenceError:  # runs off to no overdispersion, which is judged below
            continue
    best = max(found, key=lambda f: f.log_likelihood, default=None)
    if best is not None and best.log_likelihood > binomial + 1e-9:
        p = len(arms)
        return _Fit(
            best.phi[:p], best.covariance[:p, :p], math.exp(best.phi[-1]), math.sqrt(best.covariance[-1, -1]),
            best.log_likelihood, binomial,
        )  # fmt: skip
    if _slope_at_binomial(arms, pooled) > 1e-9:
        raise ConvergenceError("The beta-binomial likelihood has a maximum that was not found.")
    variance = [1 / (m.sum() * q * (1 - q)) for (_, m), q in zip(arms, pooled, strict=True)]
    return _Fit(logits, np.diag(variance), 0.0, None, binomial, binomial)


def _slope_at_binomial(arms: list[tuple[np.ndarray, np.ndarray]], risk: np.ndarray) -> float:
    """Derivative of the log likelihood by gamma where there is no overdispersion."""
    slope = 0.0
    for (x, m), q in zip(arms, risk, strict=True):
        slope += float((x * (x - 1) / (2 * q) + (m - x) * (m - x - 1) / (2 * (1 - q)) - m * (m - 1) / 2).sum())
    return slope / sum(float((m * m).sum()) for _, m in arms)


def _result(
    measure: str,
    counts: Counts,
    fit: _Fit,
    interval: str,
    level: float,
    call: dict[str, Any],
    question: Question | None,
) -> BetaBinomialResult:
    df = float(counts.k - 1) if interval == "t" else None
    reach = float(quantile(level, df))
    risk = 1 / (1 + np.exp(-fit.logits))
    estimate, gradient = _contrast(measure, fit.logits, risk)
    se = math.sqrt(gradient @ fit.covariance @ gradient)
    statistic = estimate / se
    half = reach * np.sqrt(np.diag(fit.covariance))
    lows, highs = (1 / (1 + np.exp(-(fit.logits + sign * half))) for sign in (-1, 1))
    y, v = each_study(measure, counts.columns)
    q = max(0.0, 2 * (fit.log_likelihood - fit.binomial))
    notes = list(counts.notes)
    if fit.gamma == 0:
        notes.append("The risks vary between studies no more than chance: the intraclass correlation is estimated as 0.")
    icc = fit.gamma / (1 + fit.gamma)
    return BetaBinomialResult(
        question=counts.question(question, measure), model="beta-binomial", k=counts.k, estimate=estimate, se=se,
        interval=(estimate - reach * se, estimate + reach * se), level=level, prediction=None, tau2=None,
        labels=counts.labels, details=counts.details, origin=counts.origin, y=y, v=v, weights=100 / v / (1 / v).sum(),
        warnings=tuple(notes), call=call, statistic=statistic, p_value=float(two_sided(np.asarray(statistic), df)), df=df,
        q=TestResult(q, 1, None, chi2_above(q, 1) / 2 if q > 0 else 1.0), i2=None, tau2_interval=None, method="beta-binomial",
        test=interval, icc=icc, icc_se=None if fit.se_log_gamma is None else icc * (1 - icc) * fit.se_log_gamma,
        risks=tuple(map(float, risk)), risk_intervals=tuple((float(a), float(b)) for a, b in zip(lows, highs, strict=True)),
        likelihoods=(information("ML", fit.log_likelihood, len(risk) + 1, counts.k),),
    )  # fmt: skip


def _contrast(measure: str, logits: np.ndarray, risk: np.ndarray) -> tuple[float, np.ndarray]:
    """The measure, and its derivatives by the logits of the mean risks."""
    if measure == "PLO":
        return float(logits[0]), np.ones(1)
    if measure == "OR":
        return float(logits[0] - logits[1]), np.array([1.0, -1.0])
    if measure == "RR":
        return float(np.log(risk[0] / risk[1])), np.array([1 - risk[0], risk[1] - 1])
    return float(risk[0] - risk[1]), np.array([risk[0] * (1 - risk[0]), -risk[1] * (1 - risk[1])])

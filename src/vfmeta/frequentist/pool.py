"""From checked studies and choices to a result."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np

from vfmeta.core.messages import ConvergenceError, InputError
from vfmeta.core.question import Pair
from vfmeta.effects.reading import Studies
from vfmeta.frequentist.choices import IDENTICAL, Choices
from vfmeta.frequentist.mean_tests import Mean, made
from vfmeta.kernels import estimators
from vfmeta.kernels.distributions import chi2_above, quantile, t_outside
from vfmeta.kernels.least_squares import regression
from vfmeta.kernels.regression import generalised_q
from vfmeta.results.fit import FrequentistResult
from vfmeta.results.information import Information, information, saturated
from vfmeta.results.single_studies import alone
from vfmeta.results.wald import TestResult
from vfmeta.results.wald import quantile as any_quantile
from vfmeta.text.turned_back import unequal_sizes

_TOO_WIDE = "The effects and variances span more orders of magnitude than double precision holds; rescale y and v."


def pool(s: Studies, c: Choices, weights: Any) -> FrequentistResult:
    """The pool of one set of studies; ``weights`` is what the user passed, for the record."""
    call = c.call(weights)
    with np.errstate(over="ignore", invalid="ignore"):  # what overflows is caught, in words, by the last gate
        return _single(s, call, c.level) if s.k == 1 else _pool(s, c, call)


def _pool(s: Studies, c: Choices, call: dict[str, Any]) -> FrequentistResult:
    notes = list(s.notes)
    kind = c.tau2_interval_method
    wants = estimators.LIKELIHOOD | estimators.TAU2_SE
    wants |= {"Q-profile": estimators.PROFILE, "profile-likelihood": estimators.PROFILE_LIKELIHOOD}.get(kind, 0)
    order, start = _one_batch(s.k)
    try:
        row = estimators.fit_ragged(s.y, s.v, order, start, c.fitted, weights=c.weights, level=c.level, wants=wants)[0].tolist()
    except ConvergenceError:
        if np.ptp(np.log10(s.v)) > 30 or not math.isfinite(float(np.square(np.ptp(s.y)))):
            raise InputError(_TOO_WIDE) from None
        raise
    tau2, tau2_se, estimate, se0, factor, q, typical, lower, upper, ll_ml, ll_reml = row
    if c.of_tables is not None:
        tau2_se = math.nan  # the estimator has none
    df = s.k - 1
    knapp, ddf = c.test.startswith("HKSJ"), None if c.test == "Wald" or c.own else df
    se = se0
    if knapp:
        se *= math.sqrt(max(1.0, factor) if c.test == "HKSJ-adhoc" else factor)
    found = None
    if c.own:
        null = s.question.null_effect
        found = made(Mean(s.y, s.v, tau2, estimate, se0, factor, math.nan if null is None else null), c)
        se = found.se
    t = quantile(c.level, ddf) if found is None or found.df is None else float(any_quantile(c.level, found.df))
    # Paule-Mandel makes q one by definition: a last bit below is not a narrower interval
    adhoc = _around(estimate, t * se0) if c.test == "HKSJ" and factor < 1 - 1e-9 else None
    off = estimate - (s.question.null_effect or 0.0) if found is not None else estimate
    statistic = off / se if se > 0 else (math.copysign(math.inf, off) if off else 0.0)
    i2 = 100 * (tau2 / (tau2 + typical)) if c.model == "random" else (100 * (q - df) / q if q > df else 0.0)
    if kind == "generalised-Q":
        a = c.weights if c.weights is not None else 1 / s.v
        lower, upper = generalised_q(regression(s.y, s.v, np.ones((s.k, 1))), c.level, a)
    profile = None if math.isnan(lower) else (lower, upper)

    if s.k == 2:
        notes.append(
            "Only two studies: the heterogeneity is all but unknown and the interval says little about it; "
            "no prediction interval is shown. Prefer the Bayesian result."
            if c.prediction == "auto"
            else "Only two studies: the heterogeneity is all but unknown and the intervals say little about it. "
            "Prefer the Bayesian result."
        )
    if profile is None:
        notes.append(
            f"The Q-profile interval of tau2 is empty: the studies agree more closely (Q = {q:.3g} on {df} df) than chance "
            "leads one to expect even without heterogeneity."
        )
    elif isinstance(c.method, str) and c.model == "random" and not profile[0] <= tau2 <= profile[1]:
        notes.append(
            f"The {c.method} estimate of tau2 ({tau2:.3g}) lies outside its {kind} interval "
            f"({profile[0]:.3g} to {profile[1]:.3g}): the two weigh the studies differently and do not agree here."
        )
    if adhoc is not None:
        notes.append(
            f"The Hartung-Knapp factor q = {factor:.6g} is below 1, so the interval is narrower than the studies' own "
            "precision supports; the ad hoc interval (q = 1) stands beside it."
        )
    bare = found is not None and found.df is None and s.k > 2  # no quantile to predict with
    ahead_by = "HTS" if bare and c.prediction == "auto" else c.prediction
    ahead = _prediction(s, c, ahead_by, estimate, se, se0, factor, tau2, t)
    interval = _around(estimate, t * se) if found is None else found.interval
    wider = adhoc or interval
    if ahead is not None and c.prediction not in ("auto", "fitted") and ahead[1] - ahead[0] < wider[1] - wider[0]:
        notes.append(
            f"The {c.prediction} prediction interval is narrower than the confidence interval, whose standard error it does "
            "not use; it is no certainty about a next trial."
        )
    if ahead is None and c.model == "random" and c.prediction in ("HTS", "Partlett-Riley"):
        notes.append(f"The {c.prediction} prediction interval is undefined: {s.k} studies leave no degree of freedom for it.")
    if c.test == "HKSJ" and factor < IDENTICAL:
        what = "interval has" if ahead is None or ahead[1] > ahead[0] else "interval and the prediction interval have"
        notes.append(f"All effects are identical: the Hartung-Knapp {what} width zero and must not be read as certainty.")
    elif ahead is not None and ahead[1] == ahead[0]:
        notes.append("The prediction interval has width zero and must not be read as certainty.")
    notes += unequal_sizes(s.question, s.details, estimate, wider)
    weight = c.weights if c.weights is not None else (s.v.min() + tau2) / (s.v + tau2)
    result = FrequentistResult(
        question=s.question, model=c.model, k=s.k, estimate=estimate, se=se, interval=interval, level=c.level,
        prediction=ahead, tau2=tau2, labels=s.labels, y=s.y, v=s.v,
        weights=100 * weight / weight.sum(), details=s.details, origin=s.origin, warnings=tuple(notes), call=call,
        statistic=statistic, p_value=p_value(statistic, ddf) if found is None else found.p_value,
        df=found.df if found is not None else None if ddf is None else float(ddf),
        q=TestResult(q, df, None, chi2_above(q, df)), i2=i2, tau2_interval=profile,
        method=c.method_name, test=c.made_by, adhoc_interval=adhoc, tau2_se=None if math.isnan(tau2_se) else tau2_se,
        typical_variance=typical, tau2_interval_method=kind, prediction_method="fitted" if ahead_by == "auto" else ahead_by,
        likelihoods=_likelihoods(s, ll_ml, ll_reml, 1 + (c.model == "random" and isinstance(c.method, str))),
    )  # fmt: skip
    return _finite(result)


def _prediction(
    s: Studies, c: Choices, kind: str, estimate: float, se: float, se0: float, factor: float, tau2: float, t: float
) -> Pair | None:
    if c.model != "random" or (kind == "auto" and s.k < 3):
        return None
    if kind in ("auto", "fitted"):
        return _around(estimate, t * math.hypot(se, math.sqrt(tau2)))
    if kind == "bootstrap":
        from vfmeta.kernels.prediction import bootstrap_prediction

        return bootstrap_prediction(s.y, s.v, c.level, c.draws, c.seed)
    ddf = s.k - 1 - isinstance(c.method, str)
    if ddf < 1:
        return None
    knapp = se if c.test.startswith("HKSJ") else se0 * math.sqrt(factor)
    used = se0 if kind == "HTS" else knapp
    return _around(estimate, quantile(c.level, ddf) * math.hypot(used, math.sqrt(tau2)))


def _likelihoods(s: Studies, ll_ml: float, ll_reml: float, parameters: int) -> tuple[Information, ...]:
    """Criteria of both likelihoods: the deviance of ML is against each study its own effect, the n of REML is k - 1."""
    return information("ML", ll_ml, parameters, s.k, saturated(s.v)), information("REML", ll_reml, parameters, s.k - 1)


def _single(s: Studies, call: dict[str, Any], level: float) -> FrequentistResult:
    """The one trial as it stands."""
    own = alone(s.question, s.labels[0], s.y, s.v, s.details, level)
    return _finite(FrequentistResult(
        question=s.question, model="single trial", k=1, estimate=float(s.y[0]), se=math.sqrt(s.v[0]),
        interval=own.interval, level=level, prediction=None, tau2=None, labels=s.labels,
        y=s.y, v=s.v, weights=np.array([100.0]), details=s.details, origin=s.origin, warnings=(*s.notes, own.note), call=call,
        statistic=own.statistic, p_value=own.p_value, q=TestResult(0.0, 0, None, 1.0), i2=None,
        df=own.df, tau2_interval=None, method="not estimable", test=own.test,
    ))  # fmt: skip


@lru_cache(maxsize=32)
def _one_batch(k: int) -> tuple[np.ndarray, np.ndarray]:
    return np.arange(k), np.array([0, k])


def _around(centre: float, half: float) -> Pair:
    return float(centre - half), float(centre + half)


def p_value(statistic: float, df: int | None) -> float:
    """Two-sided p value of a normal, or t, statistic."""
    return math.erfc(abs(statistic) / math.sqrt(2)) if df is None else t_outside(statistic, df)


def _finite(result: FrequentistResult) -> FrequentistResult:
    """The last gate: no result leaves with an undefined number in it."""
    numbers = [result.estimate, result.se, *result.interval, result.q.statistic, result.q.p_value]
    numbers += [] if result.question.null is None else [result.p_value]
    for pair in (result.prediction, result.tau2_interval, result.adhoc_interval):
        numbers += pair or ()
    numbers += [x for x in (result.tau2, result.i2, result.tau2_se, result.typical_variance) if x is not None]
    numbers += [x for i in result.likelihoods for x in (i.log_likelihood, i.deviance, i.aic, i.aicc, i.bic)]
    if not (all(map(math.isfinite, numbers)) and np.isfinite(result.weights).all()):
        raise InputError(_TOO_WIDE)
    return result

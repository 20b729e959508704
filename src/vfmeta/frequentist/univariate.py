"""Common-effect and random-effects pooling of one effect per study."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from vfmeta import kernels
from vfmeta.frequentist.intake import Studies, read
from vfmeta.messages import InputError, warn
from vfmeta.results import FrequentistResult, Pair, Question

INTERVALS = ("HKSJ", "HKSJ-adhoc", "Wald")


def random_effects(
    effects: Any = None,
    *,
    y: Any = None,
    v: Any = None,
    labels: Sequence[Any] | None = None,
    tau2: str = "REML",
    interval: str = "HKSJ",
    level: float = 0.95,
    question: Question | None = None,
    missing: str = "raise",
) -> FrequentistResult:
    """Random-effects meta-analysis.

    Parameters
    ----------
    effects : effect table, optional
        What ``vf.compare`` or ``vf.effect_size`` returned.
    y, v : array-like of shape (k,)
        Instead of a table: effects on the analysis scale (log for ratios) and their sampling variances.
    labels : sequence of k names, optional
        Study names for raw arrays.
    tau2 : {"REML", "DL", "PM"}
        Estimator of the between-study variance.
    interval : {"HKSJ", "HKSJ-adhoc", "Wald"}
        Hartung-Knapp-Sidik-Jonkman with q as is and t with k - 1 df; the same with q = max(1, q) (Knapp & Hartung 2003,
        Stat Med 22:2693-2710); or the normal interval.
    level : float
        Confidence level of every interval.
    question : Question, optional
        What is compared; taken from the table when there is one.
    missing : {"raise", "drop"}
        What to do about rows without ``y`` or ``v``.

    Returns
    -------
    FrequentistResult
        With a single study: that study's own Wald interval, model "single trial". The prediction interval (k >= 3) is
        estimate -+ quantile * sqrt(se^2 + tau2), with the distribution and standard error of the interval chosen
        (Higgins, Thompson & Spiegelhalter 2009, JRSS A 172:137-159, with k - 1 df).

    Raises
    ------
    InputError
        For input that cannot be pooled; every fault is listed with its row and column.
    """
    if tau2 not in kernels.TAU2:
        raise InputError(f"tau2={tau2!r} is unknown; use one of {', '.join(map(repr, kernels.TAU2))}.")
    _check_interval(interval)
    studies = read(effects, y, v, labels, question, missing, level)
    with np.errstate(over="ignore", invalid="ignore"):  # what overflows is caught, in words, by the last gate
        result = _fit(studies, "random", tau2, interval, float(level))
    for note in result.warnings:
        warn(note)
    return result


def common_effect(
    effects: Any = None,
    *,
    y: Any = None,
    v: Any = None,
    labels: Sequence[Any] | None = None,
    interval: str = "Wald",
    level: float = 0.95,
    question: Question | None = None,
    missing: str = "raise",
) -> FrequentistResult:
    """Common-effect (fixed-effect) meta-analysis: every study estimates the same effect, tau2 = 0.

    Parameters and errors are those of `random_effects`, without ``tau2``. I2 is max(0, (Q - df) / Q); there is no
    prediction interval, and the Q-profile interval of tau2 shows how far the model may be from the data.
    """
    _check_interval(interval)
    studies = read(effects, y, v, labels, question, missing, level)
    with np.errstate(over="ignore", invalid="ignore"):  # what overflows is caught, in words, by the last gate
        result = _fit(studies, "common", "common effect", interval, float(level))
    for note in result.warnings:
        warn(note)
    return result


def _check_interval(interval: str) -> None:
    if interval not in INTERVALS:
        raise InputError(f"interval={interval!r} is unknown; use one of {', '.join(map(repr, INTERVALS))}.")


def _fit(s: Studies, model: str, tau2_method: str, interval: str, level: float) -> FrequentistResult:
    call = {"function": f"{model}_effect{'s' if model == 'random' else ''}", "interval": interval, "level": level}
    if model == "random":
        call["tau2"] = tau2_method
    if s.k == 1:
        return _single(s, call, level)
    notes = list(s.notes)
    tau2 = float(kernels.TAU2[tau2_method](s.y, s.v)[0]) if model == "random" else 0.0
    estimate, se0, weights = (x[0] for x in kernels.pool(s.y, s.v, tau2))
    q = float(kernels.cochran_q(s.y, s.v)[0])
    df = s.k - 1
    knapp = interval != "Wald"
    factor = float(kernels.hartung_knapp_q(s.y, s.v, tau2)[0]) if knapp else 1.0
    se = float(se0) * math.sqrt(max(1.0, factor) if interval == "HKSJ-adhoc" else factor)
    t = _quantile(level, df if knapp else None)
    low, high = _around(estimate, t * se)
    # Paule-Mandel makes q one by definition: a last bit below is not a narrower interval
    adhoc = _around(estimate, t * float(se0)) if interval == "HKSJ" and factor < 1 - 1e-9 else None
    statistic = float(estimate) / se if se > 0 else (math.copysign(math.inf, estimate) if estimate else 0.0)
    if model == "random":
        i2 = float(kernels.i2(np.array(tau2), kernels.typical_variance(s.v)[0]))
    else:
        i2 = float(kernels.i2_from_q(np.array(q), np.array(df)))
    lower, upper = (float(x[0]) for x in kernels.q_profile(s.y, s.v, level))
    profile = None if math.isnan(lower) else (lower, upper)

    if s.k == 2:
        notes.append(
            "Only two studies: the heterogeneity is all but unknown and the interval says little about it; "
            "no prediction interval is shown. Prefer the Bayesian result."
        )
    if profile is None:
        notes.append(
            f"The Q-profile interval of tau2 is empty: the studies agree more closely (Q = {q:.3g} on {df} df) than chance "
            "leads one to expect even without heterogeneity."
        )
    elif model == "random" and not profile[0] <= tau2 <= profile[1]:
        notes.append(
            f"The {tau2_method} estimate of tau2 ({tau2:.3g}) lies outside its Q-profile interval "
            f"({profile[0]:.3g} to {profile[1]:.3g}): the two weigh the studies differently and do not agree here."
        )
    if adhoc is not None:
        notes.append(
            f"The Hartung-Knapp factor q = {factor:.6g} is below 1, so the interval is narrower than the studies' own "
            "precision supports; the ad hoc interval (q = 1) stands beside it."
        )
    if knapp and se == 0:
        notes.append("All effects are identical: the Hartung-Knapp interval has width zero and must not be read as certainty.")
    prediction = None
    if model == "random" and s.k >= 3:
        prediction = _around(estimate, t * math.hypot(se, math.sqrt(tau2)))
    return _finite(FrequentistResult(
        question=s.question, model=model, k=s.k, estimate=float(estimate), se=se, interval=(low, high), level=level,
        prediction=prediction, tau2=tau2, labels=s.labels, y=s.y, v=s.v, weights=weights, details=s.details,
        warnings=tuple(notes), call=call, statistic=statistic, p_value=_p_value(statistic, df if knapp else None),
        df=float(df) if knapp else None, q=q, q_df=df, q_p=_chi2_tail(q, df), i2=i2, tau2_interval=profile,
        tau2_method=tau2_method, interval_method=interval, adhoc_interval=adhoc,
    ))  # fmt: skip


def _single(s: Studies, call: dict[str, Any], level: float) -> FrequentistResult:
    """The one trial as it stands, with its normal interval."""
    estimate, se = float(s.y[0]), math.sqrt(s.v[0])
    statistic = estimate / se
    note = f"One study only ({s.labels[0]}): nothing was pooled; the numbers are that trial's own, with its Wald interval."
    return _finite(FrequentistResult(
        question=s.question, model="single trial", k=1, estimate=estimate, se=se,
        interval=_around(estimate, _quantile(level, None) * se), level=level, prediction=None, tau2=None, labels=s.labels,
        y=s.y, v=s.v, weights=np.array([100.0]), details=s.details, warnings=(*s.notes, note), call=call,
        statistic=statistic, p_value=_p_value(statistic, None), df=None, q=0.0, q_df=0, q_p=1.0, i2=None,
        tau2_interval=None, tau2_method="not estimable", interval_method="Wald",
    ))  # fmt: skip


def _around(centre: float, half: float) -> Pair:
    return float(centre - half), float(centre + half)


def _quantile(level: float, df: int | None) -> float:
    from scipy.special import ndtri, stdtrit

    upper = 0.5 - level / 2
    return float(-ndtri(upper) if df is None else -stdtrit(df, upper))


def _p_value(statistic: float, df: int | None) -> float:
    from scipy.special import ndtr, stdtr

    if math.isinf(statistic):
        return 0.0
    return float(2 * (ndtr(-abs(statistic)) if df is None else stdtr(df, -abs(statistic))))


def _chi2_tail(q: float, df: int) -> float:
    from scipy.special import chdtrc

    return float(chdtrc(df, q))


def _finite(result: FrequentistResult) -> FrequentistResult:
    """The last gate: no result leaves with an undefined number in it."""
    numbers = [result.estimate, result.se, *result.interval, result.p_value, result.q, result.q_p, *result.weights]
    for pair in (result.prediction, result.tau2_interval, result.adhoc_interval):
        numbers += pair or ()
    numbers += [x for x in (result.tau2, result.i2) if x is not None]
    if not all(map(math.isfinite, numbers)):
        raise InputError(
            "The effects and variances span more orders of magnitude than double precision holds; rescale y and v."
        )
    return result

"""Mantel-Haenszel and Peto pools of two-arm counts: no normal approximation of the single study, tau2 = 0."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from vfmeta.core.measures import row
from vfmeta.core.messages import InputError, warn_each
from vfmeta.core.params import Missing, ZeroCells
from vfmeta.core.question import Question
from vfmeta.effects.counts import Counts, read_counts, refuse_unknown
from vfmeta.effects.formulas.common import ZeroRule, has_contrast
from vfmeta.frequentist.single_tables import each_study, one_effect, typical_variance
from vfmeta.kernels import tables
from vfmeta.kernels.distributions import chi2_above
from vfmeta.results.fit import FrequentistResult
from vfmeta.results.single_studies import MADE, alone
from vfmeta.results.wald import TestResult, quantile, two_sided

POOLS = {
    "OR": tables.odds_ratio,
    "RR": tables.risk_ratio,
    "RD": tables.risk_difference,
    "IRR": tables.rate_ratio,
    "IRD": tables.rate_difference,
}
Count = Any  # a column name (with data=) or an array-like of shape (k,)


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class TablesResult(FrequentistResult):
    """A pool of 2 x 2 tables or of rates.

    ``k_pooled`` studies entered the pool; ``k``, ``y``, ``v``, ``weights`` and Cochran's Q cover those that have an estimate of
    their own (the weights are percent of the whole pool). ``cmh`` is the Cochran-Mantel-Haenszel chi-squared (of rates for the
    IRR), ``cochran`` Cochran's, both on 1 degree of freedom; ``breslow_day`` and ``tarone`` test whether the studies share one
    odds ratio, on ``homogeneity_df`` degrees of freedom. What a measure does not have is None. ``homogeneity`` tests whether
    the studies share one effect, of any of the measures (`vfmeta.kernels.homogeneity`; None for one informative study), and is
    what is printed, with ``homogeneity_i2``, the I2 of its statistic; ``q`` and ``i2`` are Cochran's.
    """

    k_pooled: int
    cmh: float | None = None
    cmh_p: float | None = None
    cochran: float | None = None
    cochran_p: float | None = None
    breslow_day: float | None = None
    breslow_day_p: float | None = None
    tarone: float | None = None
    tarone_p: float | None = None
    homogeneity_df: int | None = None
    homogeneity: TestResult | None = None

    @property
    def homogeneity_i2(self) -> float | None:
        """I2 (percent) of the statistic of ``homogeneity``: what lies above its expectation where the effects are the same."""
        test = self.homogeneity
        if test is None:
            return None
        return 100 * max(0.0, (test.statistic - test.df) / test.statistic) if test.statistic > 0 else 0.0


def mantel_haenszel(
    measure: str = "OR",
    *,
    data: Any = None,
    events1: Count = None,
    n1: Count = None,
    events2: Count = None,
    n2: Count = None,
    time1: Count = None,
    time2: Count = None,
    study: Any = None,
    to: ZeroCells = "only0",
    add: float = 0.5,
    drop00: bool | None = None,
    add_to_estimate: bool | None = None,
    correct: bool = True,
    pool_add: float = 0.0,
    level: float = 0.95,
    question: Question | None = None,
    missing: Missing = "raise",
) -> TablesResult:
    """Mantel-Haenszel pool of odds ratios, risk ratios, risk differences, rate ratios or rate differences.

    A common-effect method that stays right when events are rare, because tables are added up before a ratio is formed. For that
    reason nothing is added to the cells of the pool: a constant added to empty cells pulls the estimate towards no effect and,
    with arms of unequal size, away from the truth (Sweeting, Sutton & Lambert 2004, Stat Med 23:1351-1375; Bradburn et al.
    2007, Stat Med 26:53-77). Studies without events in both arms carry no information on a ratio: the Mantel-Haenszel weights
    leave them out by themselves. They do enter a difference, where they show that the risks are equally low.

    Whether the studies share one effect is tested, and printed, by a score test given the events of each study, which holds
    its level on sparse tables (at a risk of 2% it rejects 3 to 5% at 5%). Cochran's Q, ``fit.q``, rejects next to nothing there
    for ratios and 7 to 8% for differences (``reports/levels.md#mantel_haenszel``).

    Parameters
    ----------
    measure : {"OR", "RR", "RD", "IRR", "IRD"}
        Odds ratio, risk ratio, risk difference, incidence rate ratio, incidence rate difference (events per unit of time).
    data : data frame, mapping of columns or EffectTable, optional
        One row a study (pandas, polars, pyarrow, ...); the arguments below then name its columns. Without it they are
        array-likes of shape (k,). An effect table of events (from
        ``vf.compare`` or ``vf.effect_size``) needs no other argument; a table of ratios has left out the studies without
        events.
    events1, n1, events2, n2
        Events and patients of the experimental (1) and the control arm (2), for OR, RR, RD.
    events1, time1, events2, time2
        Events and time at risk, for IRR and IRD.
    study : str or sequence of k names, optional
        Column of study names, or the names.
    level : float
        Confidence level.
    correct : bool
        Whether the Cochran-Mantel-Haenszel test takes half an event from the difference (never more than there is).
    add, to : float, {"only0", "all", "if0all", "none"}
        For the estimates of the single studies only (forest plot, Cochran's Q): what is added to the cells, and to which
        tables.
    add_to_estimate : bool, optional
        Whether what is added enters those estimates as well as their variances; by default as in ``vf.effect_size``: not for
        differences, which exist as counted.
    drop00 : bool, optional
        Whether studies without events (or with events in everybody) in both arms are left out of the single-study estimates
        and of Cochran's Q. By default they are for ratios, and are not for differences.
    pool_add : float
        Added to the cells of the pool too, by the rule ``to``. 0, for the reason above.
    missing : {"raise", "drop"}
        What to do about rows with a missing value.
    question : Question, optional
        Names and direction, for printing and plotting.

    Returns
    -------
    TablesResult

    Raises
    ------
    InputError
        Input that cannot be pooled, every fault with row and column; or a pool that is not defined, such as an odds ratio when
        one arm has no event in any study.

    Examples
    --------
    >>> import vfmeta as vf
    >>> # of one study: its own odds ratio, 4 * 32 / (36 * 9)
    >>> fit = vf.mantel_haenszel("OR", events1=[4], n1=[40], events2=[9], n2=[41])
    >>> round(float(fit.question.display(fit.estimate)), 3)
    0.395
    """
    refuse_unknown(measure, POOLS)
    facts = row(measure)
    given = {"events1": events1, "n1": n1, "events2": events2, "n2": n2, "time1": time1, "time2": time2}
    counts = read_counts(measure, facts.columns, given, data=data, study=study, missing=missing, level=level)
    inside = facts.in_estimate if add_to_estimate is None else add_to_estimate
    shown, pooled = ZeroRule(add, to, inside), ZeroRule(pool_add, to, name="pool_add")
    drop = facts.drop00 if drop00 is None else drop00
    call = {"function": "mantel_haenszel", "measure": measure, "level": level, "add": add, "to": to, "pool_add": pool_add,
            "correct": correct, "drop00": drop, "add_to_estimate": inside}  # fmt: skip
    cells = pooled.counts(counts.columns, counts.rates)
    pool = POOLS[measure](*cells)
    _require_defined(measure, pool, counts)
    y, v = each_study(measure, counts.columns, shown)
    use = np.isfinite(y) & np.isfinite(v) & (v > 0)
    if drop:
        use &= has_contrast(counts.columns, counts.rates)
    tests = _tests(measure, cells, pool, correct) | _homogeneity(measure, cells, pool)
    result = _result(measure, "Mantel-Haenszel", counts, pool, y, v, use, level, call, question, tests)
    warn_each(result.warnings)
    return result


def peto(
    *,
    data: Any = None,
    events1: Count = None,
    n1: Count = None,
    events2: Count = None,
    n2: Count = None,
    study: Any = None,
    level: float = 0.95,
    question: Question | None = None,
    missing: Missing = "raise",
) -> TablesResult:
    """Peto's one-step pool of odds ratios (Yusuf et al. 1985, Prog Cardiovasc Dis 27:335-371).

    Good for rare events, arms of about equal size and small effects (Bradburn et al. 2007, Stat Med 26:53-77); biased for
    large effects and very unequal arms (Greenland & Salvan 1990, Stat Med 9:247-252), where `mantel_haenszel` or `glmm` is the
    better choice. Nothing is ever added to a cell. Studies without events in both arms have no variance and carry no weight.

    Parameters and errors are those of `mantel_haenszel`. Cochran's Q is about the one-step estimates of the studies.

    How often its tests reject and its intervals hold: ``reports/levels.md#peto``.

    Returns
    -------
    TablesResult

    Examples
    --------
    >>> import vfmeta as vf
    >>> fit = vf.peto(events1=[4, 6], n1=[40, 55], events2=[9, 8], n2=[41, 50])
    >>> fit.k, fit.estimate < 0
    (2, True)
    """
    given = {"events1": events1, "n1": n1, "events2": events2, "n2": n2}
    counts = read_counts("Peto", row("PETO").columns, given, data=data, study=study, missing=missing, level=level)
    pool = tables.peto(*counts.columns)
    _require_defined("OR", pool, counts)
    y, v = tables.peto_each(*counts.columns)
    use = np.isfinite(y) & np.isfinite(v)
    result = _result("OR", "Peto", counts, pool, y, v, use, level, {"function": "peto", "level": level}, question,
                     _homogeneity("OR", counts.columns, pool))  # fmt: skip
    warn_each(result.warnings)
    return result


def _require_defined(measure: str, pool: tables.Pool, counts: Counts) -> None:
    if np.isfinite(pool.estimate) and np.isfinite(pool.variance) and pool.variance > 0:
        return
    a, c = counts.columns[0].sum(), counts.columns[2].sum()
    if a == 0 or c == 0:
        where = "either arm" if a == c else "the experimental arm" if a == 0 else "the control arm"
        why = f"no study has an event in {where}"
    else:
        why = "no study tells its arms apart on this measure (empty cells everywhere)"
    other = "Use a difference (RD, IRD), the" if row(measure).is_ratio else "Use the"
    raise InputError(f"The {measure} cannot be pooled: {why}. {other} beta-binomial model, or a Bayesian model.")


def _tests(measure: str, cells: tuple[np.ndarray, ...], pool: tables.Pool, correct: bool) -> dict[str, Any]:
    if measure == "IRR":
        return _chi2("cmh", float(tables.rate_score(*cells, correct=correct).chi2), 1)
    if measure != "OR":
        return {}
    both = {
        "cmh": tables.cochran_mantel_haenszel(*cells, correct=correct).chi2,
        "cochran": tables.cochran_mantel_haenszel(*cells, correct=correct, cochran=True).chi2,
    }
    found: dict[str, Any] = {}
    for name, value in both.items():
        found |= _chi2(name, float(value), 1)
    same = tables.homogeneity(pool.estimate, *cells)
    if same.df > 0:
        found |= _chi2("breslow_day", float(same.breslow_day), int(same.df))
        found |= _chi2("tarone", float(same.tarone), int(same.df))
        found["homogeneity_df"] = int(same.df)
    return found


def _homogeneity(measure: str, cells: tuple[np.ndarray, ...], pool: tables.Pool) -> dict[str, Any]:
    found = one_effect(measure, pool.estimate, cells)
    return {} if found is None else {"homogeneity": found}


def _chi2(name: str, value: float, df: int) -> dict[str, float]:
    return {name: value, f"{name}_p": chi2_above(value, df)} if math.isfinite(value) else {}


def _result(
    measure: str,
    method: str,
    counts: Counts,
    pool: tables.Pool,
    y: np.ndarray,
    v: np.ndarray,
    use: np.ndarray,
    level: float,
    call: dict[str, Any],
    question: Question | None,
    tests: dict[str, Any],
) -> TablesResult:
    estimate, se = float(pool.estimate), math.sqrt(pool.variance)
    half = float(quantile(level, None)) * se
    notes, share = list(counts.notes), 0.0
    if not use.all():
        left = ", ".join(label for label, u in zip(counts.labels, use, strict=True) if not u)
        share = float(pool.weights[~use].sum() / pool.weights.sum())
        weigh = "carry no weight in the pool" if share == 0 else f"have {share:.1%} of the weight of the pool"
        notes.append(
            f"Studies without an estimate of their own (no events, or only events, in both arms), which {weigh}: {left}."
        )
    if not use.any():
        raise InputError("No study has an estimate of its own; nothing can be shown beside the pool.")
    k = int(use.sum())
    q = float(((y[use] - estimate) ** 2 / v[use]).sum())
    about, labels = counts.question(question, measure), tuple(x for x, u in zip(counts.labels, use, strict=True) if u)
    details = counts.keep(use).details
    if method == "Peto":  # the limits of its single studies are those of one-step estimates, not of the odds ratios of counts
        details = tuple({x: n for x, n in d.items() if x != MADE} for d in details)
    interval, statistic, df, test = (estimate - half, estimate + half), estimate / se, None, "Wald"
    p_value = float(two_sided(np.asarray(statistic), None))
    if k == 1 and share == 0:
        interval, statistic, p_value, df, test, note = alone(about, labels[0], y[use], v[use], details, float(level))
        notes.append(note)
    return TablesResult(
        question=about, model="common", k=k, k_pooled=counts.k, estimate=estimate, se=se,
        interval=interval, level=float(level), prediction=None, tau2=0.0 if k > 1 else None,
        labels=labels, y=y[use], v=v[use],
        weights=100 * pool.weights[use] / pool.weights.sum(), details=details, origin=counts.origin,
        warnings=tuple(notes), call=call, statistic=statistic, df=df, p_value=p_value,
        q=TestResult(q, k - 1, None, chi2_above(q, k - 1)),
        i2=None if k == 1 else 100 * max(0.0, (q - (k - 1)) / q) if q > 0 else 0.0,
        typical_variance=typical_variance(v[use]),
        tau2_interval=None, method=method, test=test, **tests,
    )  # fmt: skip

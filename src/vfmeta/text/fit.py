"""A pool in words: its model, its heterogeneity, and how the console shows it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol

from vfmeta.text import numbers as tx
from vfmeta.text.levels import few_patients, level_note
from vfmeta.text.notes import Left, closing_lines

if TYPE_CHECKING:
    from vfmeta.core.question import Pair, Question


class Pooled(Protocol):
    """What sentences need to know of any pool; numbers on the analysis scale."""

    @property
    def question(self) -> Question: ...
    @property
    def k(self) -> int: ...
    @property
    def estimate(self) -> float: ...
    @property
    def interval(self) -> Pair: ...
    @property
    def level(self) -> float: ...
    @property
    def model(self) -> str: ...
    @property
    def engine(self) -> str: ...
    @property
    def left_out(self) -> Sequence[Left]: ...
    @property
    def warnings(self) -> Sequence[str]: ...
    @property
    def favours(self) -> str | None: ...
    @property
    def excludes_null(self) -> bool: ...
    @property
    def wider_interval(self) -> Pair: ...


class Test(Protocol):
    """What sentences need to know of a test."""

    @property
    def statistic(self) -> float: ...
    @property
    def df(self) -> int: ...
    @property
    def df_residual(self) -> float | None: ...
    @property
    def p_value(self) -> float: ...


class Fit(Pooled, Protocol):
    """A frequentist pool."""

    @property
    def statistic(self) -> float: ...
    @property
    def df(self) -> float | None: ...
    @property
    def p_value(self) -> float: ...
    @property
    def adhoc_interval(self) -> Pair | None: ...
    @property
    def shown_prediction(self) -> Pair | None: ...
    @property
    def tau2(self) -> float | None: ...
    @property
    def tau2_interval(self) -> Pair | None: ...
    @property
    def tau2_interval_method(self) -> str: ...
    @property
    def method(self) -> str: ...
    @property
    def test(self) -> str: ...
    @property
    def i2(self) -> float | None: ...
    @property
    def q(self) -> Test: ...


def model_text(result: Pooled) -> str:
    """The model and how its interval was made, in a few words."""
    if result.engine == "bayesian":
        return "Bayesian"
    name = result.model[:1].upper() + result.model[1:]
    if name in {"Random", "Common", "Fixed"}:
        name += " effects" if name == "Random" else " effect"
    # Without heterogeneity in the model the name of its "estimator" says nothing.
    methods = [getattr(result, "method", "") if result.model == "random" else "", getattr(result, "test", "")]
    methods = [m for m in methods if m]
    return f"{name} ({', '.join(methods)})" if methods else name


def prose_text(result: Any) -> str:
    """A pool in one line for prose, with what tells its heterogeneity."""
    q = result.question
    bayesian = result.engine == "bayesian"
    parts = [
        f"{tx.level_text(result.level)} {'CrI' if bayesian else 'CI'} {tx.interval_text(q, result.interval)}",
        f"k = {result.k}",
    ]
    if bayesian:
        parts.append(f"tau = {tx.spread_text(result.tau.median, q)}" if result.k > 1 else "")
    elif (share := _of_one_effect(result)[0]) is not None:
        parts.append(f"I2 = {tx.fixed(share, 0)}%")
    width = (result.interval[1] - result.interval[0]) / 2
    return f"{q.shown} {tx.value_text(q, result.estimate, width=width)} ({'; '.join(p for p in parts if p)})"


def one_trial_text() -> str:
    """What stands where a pooled result would."""
    return "One trial: nothing was pooled"


def heterogeneity_text(fit: Fit) -> str:
    """tau2 with its interval, I2 and Cochran's test in one line."""
    if fit.k < 2:
        return one_trial_text()
    parts = []
    if fit.tau2 is not None:
        span = ""
        if fit.tau2_interval is not None:
            low, high = (tx.spread_text(x, fit.question) for x in fit.tau2_interval)
            span = f"{tx.level_text(fit.level)} CI {low} to {high}"
        if fit.model == "common":  # an assumption, not an estimate
            parts.append("τ² taken as 0" + (f" ({span})" if span else ""))
        else:
            parts.append(tx.with_span("τ²", tx.spread_text(fit.tau2, fit.question), span))
    share, test, name = _of_one_effect(fit)
    if share is not None:
        parts.append(f"I² = {tx.fixed(share, 0)}%")
    parts.append(chance_text(test, name))
    return f"Heterogeneity {tx.spread_of(fit.question)}".rstrip() + ": " + ", ".join(parts)


def _of_one_effect(fit: Any) -> tuple[float | None, Any, str]:
    """I2, the test of one common effect, and its name: the score test of a pool of tables, else Cochran's."""
    test = getattr(fit, "homogeneity", None)
    return (fit.i2, fit.q, "Q") if test is None else (fit.homogeneity_i2, test, "score χ²")


def chance_text(test: Test, name: str = "χ²") -> str:
    """A chi-squared or F test in a line; ``name`` is what a chi-squared one is called."""
    if test.df_residual is None:
        return f"{name} = {tx.number(test.statistic, 2)} on {test.df} df, {tx.p_text(test.p_value)}"
    held = f"{test.df} and {tx.number(test.df_residual, 1).removesuffix('.0')} df"
    return f"F = {tx.number(test.statistic, 2)} on {held}, {tx.p_text(test.p_value)}"


def overall_test_text(fit: Fit) -> str:
    """The test of the pooled effect against no difference; empty where nothing means that."""
    if fit.question.null is None or fit.k < 2:
        return ""
    held = "z" if fit.df is None else "t"
    against = "" if fit.df is None else f" on {tx.short(fit.df)} df"
    return f"Test of the overall effect: {held} = {tx.number(fit.statistic, 2)}{against}, {tx.p_text(fit.p_value)}"


def few_trials_text(k: int, *, bayesian: bool) -> str:
    """Why a reader should not lean on the frequentist interval of a handful of trials; empty from five on.

    Parameters
    ----------
    k : int
        Number of trials pooled.
    bayesian : bool
        Whether a Bayesian result stands beside.
    """
    count = {2: "Two", 3: "Three", 4: "Four"}.get(k)
    if count is None or not (bayesian or k == 2):
        return ""
    lead = "the Bayesian result leads." if bayesian else "do not lean on the interval."
    return f"{count} trials: heterogeneity can hardly be estimated; {lead}"


def read_span(question: Question, pair: Pair) -> str:
    """``low to high`` in three digits, from the analysis scale to the one people read."""
    return tx.span_text((question.display(pair[0]), question.display(pair[1])))


def console_text(fit: Fit) -> str:
    """A frequentist pool as the console shows it."""
    q = fit.question
    lines = [
        f"{fit.model} effects, k = {fit.k}, {q.shown} ({fit.method}, {fit.test})",
        tx.compared(q),
        f"estimate   {tx.short(q.display(fit.estimate))}  ({tx.level_text(fit.level)} CI {read_span(q, fit.interval)})",
    ]
    if q.null is not None:
        lines.append(f"p          {tx.short(fit.p_value)}" + ("" if q.no_difference is None else f" (of {q.null:g})"))
    else:
        lines.append(f"not tested: {tx.NO_NULL}")
    if fit.adhoc_interval is not None:
        lines.append(f"ad hoc HK  {read_span(q, fit.adhoc_interval)}  (q was below 1)")
    if fit.shown_prediction is not None:
        lines.append(f"true effect in a next trial {read_span(q, fit.shown_prediction)}")
    if fit.tau2 is None:
        lines.append("tau2       not estimable")
    else:
        span = f" ({fit.tau2_interval_method} {tx.span_text(fit.tau2_interval)})" if fit.tau2_interval else ""
        share, found, name = _of_one_effect(fit)
        i2 = "" if share is None else f", I2 = {tx.fixed(share, 0)}%"
        test = f"{name} = {tx.fixed(found.statistic, 2)} on {found.df} df, p = {tx.short(found.p_value)}"
        test += f" ({found.note})" if found.note else ""
        of = f" {tx.spread_of(q)}".rstrip()
        lines.append(f"tau2       {tx.short(fit.tau2)}{of}{span}{i2}, {test}")
    if fit.favours:
        side = f"rules out no difference and favours {fit.favours}"
        which = "ad hoc interval" if fit.adhoc_interval is not None else "interval"
        lines.append(f"the {which} {side if fit.excludes_null else 'includes no difference: neither side is favoured'}")
    differ = fit.model == "random" and bool(fit.tau2)
    said = level_note("random_effects", differ and fit.test == "Wald" and fit.k <= 10)
    profile = fit.tau2_interval is not None and fit.tau2_interval_method == "profile-likelihood"
    said += level_note("random_effects: profile by ML", profile and fit.method == "ML" and fit.k <= 20)
    said += level_note("glmm: tau2", profile and fit.method.startswith("ML, ") and fit.k <= 20)
    said += level_note("common_effect: few patients", fit.k > 1 and few_patients(q, getattr(fit, "details", ())))
    return "\n".join([*lines, *closing_lines(fit), *said])


def study_cells(fit: Any, studies: Any) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
    """Heads and rows of the table of a pool: its studies with their arms, effects and weights, and the pool last.

    ``studies`` is the table of `Result.studies`; arms are left out where no study tells their size.
    """
    q, half = fit.question, (fit.interval[1] - fit.interval[0]) / 2
    details: Sequence[dict[str, Any]] = fit.details or ({},) * len(studies)
    arms = [[tx.arm_text(d.get(f"n_{side}"), d.get(f"events_{side}")) for side in ("experimental", "control")] for d in details]
    told = any(x != tx.MISSING for row in arms for x in row)
    rows = []
    for row, own, d in zip(studies.itertuples(), arms, details, strict=True):
        sized = replace(q, size=d["size"]) if "size" in d else q
        effect = tx.effect_text(sized, row.estimate, (row.ci_low, row.ci_high), width=half)
        rows.append((row.study, *(own if told else ()), effect, tx.weight_text(row.weight)))
    pooled = tx.effect_text(q, fit.estimate, fit.interval, width=half)
    rows.append((f"pooled ({fit.model})", *(("", "") if told else ()), pooled, ""))
    sides = (q.experimental, q.control) if told else ()
    return ("study", *sides, f"{q.shown} ({tx.level_text(fit.level)} CI)", "weight"), tuple(rows)

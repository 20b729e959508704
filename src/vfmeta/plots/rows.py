"""From results to the rows of a forest plot: what each row says and draws, before anything is drawn."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from vfmeta.core.messages import InputError
from vfmeta.core.question import Pair, Question
from vfmeta.results.fit import FrequentistResult, Result
from vfmeta.results.leading import leading
from vfmeta.results.posterior import BayesianResult
from vfmeta.text import numbers as tx
from vfmeta.text.fit import few_trials_text, heterogeneity_text, model_text, one_trial_text
from vfmeta.text.posterior import bayes_text

if TYPE_CHECKING:
    from collections.abc import Callable

DAGGER, DOUBLE_DAGGER = "†", "‡"
SINGLE_NOTE = f"{DAGGER} read once at its source"


@dataclass(frozen=True)
class Section:
    """One block of a forest plot: trials with their own diamonds."""

    heading: str
    fit: FrequentistResult | None
    posterior: BayesianResult | None

    @property
    def lead(self) -> Result | None:
        """The result whose rows and weights are shown."""
        return self.fit if self.fit is not None else self.posterior


@dataclass(frozen=True)
class Row:
    """One line of the figure, on the analysis scale.

    ``kind`` is ``heading``, ``study``, ``pooled`` (frequentist), ``adhoc``, ``bayes``, ``prediction``,
    ``bayes_prediction``, ``words`` or ``gap``. ``weight`` is in percent, NaN where the row takes no part in the pool. ``reach``
    stands for the estimate of a trial that prints none: the limits between which it lay, and its standard error.
    """

    kind: str
    label: str = ""
    effect: str = ""
    arms: tuple[str, str] = ("", "")
    weight: float = math.nan
    estimate: float = math.nan
    interval: Pair | None = None
    reach: tuple[float, float, float] | None = None
    hollow: bool = False
    marks: str = ""
    flag: str = ""
    section: int = 0
    lines: tuple[str, ...] = field(default=())


def artist_label(row: Row) -> str:
    """The label of whatever a figure draws for a row; like all that begin with "_", legends leave it out."""
    return f"_row {row.section} {row.kind} {row.label}"


def checked_sections(fit: Any, posterior: Any, sections: Any) -> list[Section]:
    """The blocks of a figure, or an `InputError` that lists everything wrong with them."""
    if sections is None:
        blocks = [Section("", fit, posterior)]
    else:
        if fit is not None or posterior is not None:
            raise InputError("Give either fit and posterior or sections, not both; the first pair can be a section of its own.")
        if isinstance(sections, (str, Mapping)) or not isinstance(sections, Sequence):
            raise InputError(f"sections is a {type(sections).__name__}; give a list of (heading, fit, posterior).")
        blocks = []
        for i, item in enumerate(sections, start=1):
            if isinstance(item, str) or not isinstance(item, Sequence) or len(item) != 3:
                raise InputError(f"Section {i} is not (heading, fit, posterior); put None where one of them is missing.")
            blocks.append(Section(str(item[0]), item[1], item[2]))
    problems = [p for block in blocks for p in _problems(block)]
    results = [r for b in blocks for r in (b.fit, b.posterior) if isinstance(r, Result)]
    if not problems and not results:
        problems.append("There is nothing to draw: give a FrequentistResult, a BayesianResult or sections that hold one.")
    if not problems:
        measures, levels = {r.question.measure for r in results}, {r.level for r in results}
        if len(measures) > 1:
            problems.append(f"One axis cannot show {' and '.join(sorted(measures))}; draw one figure for each measure.")
        if len(levels) > 1:
            shown = " and ".join(tx.level_text(x) for x in sorted(levels))
            problems.append(f"Intervals of {shown} stand side by side; fit everything at one level.")
        if len({(r.question.experimental, r.question.control) for r in results}) > 1:
            problems.append("The results compare different arms; draw one figure for each comparison.")
        if len({r.question.higher_is_worse for r in results}) > 1:
            problems.append("The results disagree on whether higher is worse, so no side of the axis has one meaning.")
    if problems:
        raise InputError(problems)
    return blocks


def checked_result(result: Any, kind: type[Result], where: str) -> list[str]:
    """What is wrong with one result: its type, an empty table, columns of unlike length."""
    if not isinstance(result, kind):
        return [f"{where}: got a {type(result).__name__}, needs a {kind.__name__} such as random_effects returns, or None."]
    n = len(result.labels)
    if n == 0:
        return [f"{where}: the result holds no studies; leave it out or give None."]
    lengths = {"y": np.size(result.y), "v": np.size(result.v), "weights": np.size(result.weights)}
    if result.details:
        lengths["details"] = len(result.details)
    wrong = [f"{name} has {size}" for name, size in lengths.items() if size != n]
    if wrong:
        return [f"{where}: {n} labels, but {', '.join(wrong)}; every study needs one entry in each."]
    if not any(pooled(result)):
        return [f"{where}: every study is marked as not pooled; leave the result out or give None."]
    return []


def _problems(block: Section) -> list[str]:
    where = f"Section {block.heading!r}" if block.heading else "forest"
    out = []
    if block.fit is not None:
        out += checked_result(block.fit, FrequentistResult, f"{where}, fit")
    if block.posterior is not None:
        out += checked_result(block.posterior, BayesianResult, f"{where}, posterior")
    if not out and block.fit is not None and block.posterior is not None:
        a, b = ([name for name, used in zip(r.labels, pooled(r), strict=True) if used] for r in (block.fit, block.posterior))
        if a != b:
            out.append(
                f"{where}: fit pools {len(a)} studies ({', '.join(a)}) and posterior {len(b)} ({', '.join(b)}); "
                "fit both on the same effects in the same order."
            )
    return out


def detail(result: Result, i: int) -> Mapping[str, Any]:
    """What is known of study ``i`` beside its effect."""
    return result.details[i] if result.details else {}


def pooled(result: Result) -> list[bool]:
    """Per study, whether it takes part in the pool."""
    return [detail(result, i).get("pooled") is not False for i in range(len(result.labels))]


def study_label(result: Result, i: int) -> str:
    """Name of a study with its year."""
    label, year = " ".join(str(result.labels[i]).split()), detail(result, i).get("year")  # in one line
    year_text = tx.arm_text(year) if year is not None else ""
    return label if not year_text or year_text == tx.MISSING or year_text in label else f"{label} {year_text}"


def study_rows(result: Result, section: int = 0) -> list[Row]:
    """One row for each study, in the order of the result."""
    frame, digits_by, q = result.studies, typical_width(result), result.question
    used, counts = pooled(result), has_counts(result)
    rows = []
    for i in range(len(result.labels)):
        info = detail(result, i)
        interval = (float(frame["ci_low"].iloc[i]), float(frame["ci_high"].iloc[i]))
        estimate = float(frame["estimate"].iloc[i])
        own = detail(result, i).get("size")
        if own is not None and q.size is not None:  # each study is turned back with its own size
            alone = replace(q, size=own)
            estimate, low, high = (q.analysis(alone.display(x)) for x in (estimate, *interval))
            interval = (low, high)
        reach = result.reach(i) if isinstance(result, BayesianResult) else None
        shown = str(frame["says"].iloc[i]) if reach else tx.effect_text(q, estimate, interval, width=digits_by)
        arms = (_arm(info, "experimental", counts), _arm(info, "control", counts))
        flag = info.get("flag")
        flag = "" if flag is None or flag is False or (isinstance(flag, float) and math.isnan(flag)) else str(flag).strip()
        marks = (DAGGER if info.get("reading") == "single" else "") + (DOUBLE_DAGGER if flag else "")
        rows.append(
            Row(
                kind="study", label=study_label(result, i),
                effect=shown, arms=arms, reach=reach,
                weight=float(frame["weight"].iloc[i]) if used[i] and result.k > 1 else math.nan,  # alone it weighs nothing
                estimate=estimate, interval=None if reach else interval, hollow=not used[i], marks=marks, flag=flag,
                section=section,
            )
        )  # fmt: skip
    return rows


def typical_width(result: Result) -> float:
    """Median half width of the studies' intervals: it sets the digits of a whole column of raw effects."""
    return 1.96 * math.sqrt(float(np.median(result.v)))


def has_counts(result: Result) -> bool:
    """Whether arms are shown as events out of patients."""
    return any(d.get(f"events_{side}") is not None for d in result.details for side in ("experimental", "control"))


def _arm(info: Mapping[str, Any], side: str, counts: bool) -> str:
    size, events = info.get(f"n_{side}"), info.get(f"events_{side}")
    if not counts:
        return tx.arm_text(size)
    shown = tx.arm_text(size, tx.MISSING if events is None else events)
    return tx.MISSING if shown == f"{tx.MISSING}/{tx.MISSING}" else shown


def section_rows(block: Section, index: int, wrap: Callable[[str], list[str]], *, show_prediction: bool = True) -> list[Row]:
    """All rows of a block: heading, studies, diamonds, prediction intervals and the lines of words under them."""
    rows = [Row("heading", block.heading, section=index)] if block.heading else []

    def words(sentence: str) -> list[Row]:
        return [Row("words", lines=tuple(wrap(sentence)), section=index)] if sentence else []

    if block.lead is None:
        return rows + words("No trial with usable figures")
    rows += study_rows(block.lead, index)
    k = block.lead.k
    if k < 2:
        return rows + words(one_trial_text())
    engines = [_bayesian_rows(block.posterior, index, show_prediction), _frequentist_rows(block.fit, index, show_prediction)]
    if leading(block.fit, block.posterior) is block.fit:
        engines.reverse()
    rows += engines[0] + engines[1]
    if block.fit is not None:
        rows += words(heterogeneity_text(block.fit))
    if block.posterior is not None:
        rows += words(bayes_text(block.posterior))
    if block.fit is not None:
        rows += words(few_trials_text(k, bayesian=block.posterior is not None))
    return rows


def _frequentist_rows(fit: FrequentistResult | None, index: int, show_prediction: bool) -> list[Row]:
    if fit is None:
        return []
    q, digits_by = fit.question, typical_width(fit)
    rows = [
        Row("pooled", model_text(fit), tx.effect_text(q, fit.estimate, fit.interval, width=digits_by), _totals(fit), 100.0,
            fit.estimate, fit.interval, section=index)
    ]  # fmt: skip
    if fit.adhoc_interval is not None:
        label, shown = "with the ad hoc correction (q < 1)", f"({tx.interval_text(q, fit.adhoc_interval, width=digits_by)})"
        rows.append(Row("adhoc", label, shown, estimate=fit.estimate, interval=fit.adhoc_interval, section=index))
    if show_prediction and fit.shown_prediction is not None:
        rows.append(_prediction("prediction", q, fit.shown_prediction, index, digits_by))
    return rows


def _bayesian_rows(post: BayesianResult | None, index: int, show_prediction: bool) -> list[Row]:
    if post is None:
        return []
    q, digits_by = post.question, typical_width(post)
    label = f"Bayesian ({tx.level_text(post.level)} CrI)"
    rows = [
        Row("bayes", label, tx.effect_text(q, post.estimate, post.interval, width=digits_by), estimate=post.estimate,
            interval=post.interval, section=index)
    ]  # fmt: skip
    if show_prediction:
        rows.append(_prediction("bayes_prediction", q, post.next_trial.interval, index, digits_by))
    return rows


def _prediction(kind: str, question: Question, interval: Pair, index: int, digits_by: float) -> Row:
    words = f"({tx.interval_text(question, interval, width=digits_by)})"
    return Row(kind, "Prediction interval", words, interval=interval, section=index)


def _totals(result: Result) -> tuple[str, str]:
    """Patients (and events) in the pooled trials; nothing where one trial does not say."""

    def total(side: str, name: str) -> float | None:
        values = [detail(result, i).get(f"{name}_{side}") for i, used in enumerate(pooled(result)) if used]
        shown = [tx.arm_text(x) for x in values]
        return None if tx.MISSING in shown else sum(float(x) for x in values if x is not None)

    counts = has_counts(result)
    out = []
    for side in ("experimental", "control"):
        n, events = total(side, "n"), total(side, "events") if counts else None
        out.append("" if n is None or (counts and events is None) else tx.arm_text(n, events))
    return out[0], out[1]

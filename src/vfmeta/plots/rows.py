"""From results to the rows of a forest plot: what each row says and draws, before anything is drawn."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from vfmeta.core.messages import InputError, kind_of
from vfmeta.core.question import Pair
from vfmeta.results.fit import FrequentistResult, Result
from vfmeta.results.posterior import BayesianResult
from vfmeta.text import numbers as tx

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

    ``kind`` is ``heading``, ``study``, ``step`` (an answer to part of the studies), ``pooled`` (frequentist), ``adhoc``,
    ``bayes``, ``prediction``, ``bayes_prediction`` or ``words``. ``key`` is the study's name in the result and ``info`` what is
    known of it, ``cells`` what stands in the columns by their names. ``weight`` is in percent, NaN where the row takes no part
    in the pool. ``reach`` stands for the estimate of a trial that prints none: the limits between which it lay, and its
    standard error. ``fitted`` is the mean that a regression gives a study: low, estimate, high.
    """

    kind: str
    label: str = ""
    effect: str = ""
    cells: Mapping[str, str] = field(default_factory=dict)
    weight: float = math.nan
    estimate: float = math.nan
    interval: Pair | None = None
    reach: tuple[float, float, float] | None = None
    fitted: tuple[float, float, float] | None = None
    through: Pair | None = None
    hollow: bool = False
    marks: str = ""
    flag: str = ""
    section: int = 0
    key: str = ""
    info: Mapping[str, Any] = field(default_factory=dict)


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
            raise InputError(f"sections is {kind_of(sections)}; give a list of (heading, fit, posterior).")
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
        return [f"{where}: got {kind_of(result)}, needs a {kind.__name__} such as random_effects returns, or None."]
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


def study_rows(result: Result, section: int = 0, digits: int | None = None) -> list[Row]:
    """One row for each study, in the order of the result."""
    digits_by, q = typical_width(result), result.question
    used, counts = pooled(result), has_counts(result)
    rows = []
    for i in range(len(result.labels)):
        info = detail(result, i)
        interval, estimate = result.study_interval(i), float(result.y[i])
        own = detail(result, i).get("size")
        if own is not None and q.size is not None:  # each study is turned back with its own size
            alone = replace(q, size=own)
            estimate, low, high = (q.analysis(alone.display(x)) for x in (estimate, *interval))
            interval = (low, high)
        reach = result.reach(i) if isinstance(result, BayesianResult) else None
        shown = tx.effect_text(q, estimate, interval, width=digits_by, digits=digits)
        if reach:
            shown = str(result.studies["says"].iloc[i])
        flag, marks = flagged(info)
        rows.append(
            Row(
                kind="study", label=study_label(result, i), effect=shown, cells=arm_cells(info, counts), reach=reach,
                weight=float(result.weights[i]) if used[i] and result.k > 1 else math.nan,  # alone it weighs nothing
                estimate=estimate, interval=None if reach else interval, hollow=not used[i], marks=marks, flag=flag,
                section=section, key=str(result.labels[i]), info=info,
            )
        )  # fmt: skip
    return rows


def flagged(info: Mapping[str, Any]) -> tuple[str, str]:
    """What is flagged of a study, and the daggers behind its name."""
    flag = info.get("flag")
    flag = "" if flag is None or flag is False or (isinstance(flag, float) and math.isnan(flag)) else str(flag).strip()
    return flag, (DAGGER if info.get("reading") == "single" else "") + (DOUBLE_DAGGER if flag else "")


def typical_width(result: Result) -> float:
    """Median half width of the studies' intervals: it sets the digits of a whole column of raw effects."""
    return 1.96 * math.sqrt(float(np.median(result.v)))


def has_counts(result: Result) -> bool:
    """Whether arms are shown as events out of patients."""
    return any(d.get(f"events_{side}") is not None for d in result.details for side in ("experimental", "control"))


def arm_cells(info: Mapping[str, Any], counts: bool) -> dict[str, str]:
    """Size and events of both arms: together as ``arm0`` and ``arm1``, apart as ``n0``, ``events0``, ..."""
    cells = {}
    for i, side in enumerate(("experimental", "control")):
        size, events = info.get(f"n_{side}"), info.get(f"events_{side}")
        cells[f"n{i}"], cells[f"events{i}"] = tx.arm_text(size), tx.arm_text(events)
        shown = tx.arm_text(size, tx.MISSING if events is None else events) if counts else cells[f"n{i}"]
        cells[f"arm{i}"] = tx.MISSING if shown == f"{tx.MISSING}/{tx.MISSING}" else shown
    return cells


def total_cells(result: Result) -> dict[str, str]:
    """Patients (and events) in the pooled trials; nothing where one trial does not say."""

    def total(name: str) -> float | None:
        values = [detail(result, i).get(name) for i, used in enumerate(pooled(result)) if used]
        return None if tx.MISSING in map(tx.arm_text, values) else sum(float(x) for x in values if x is not None)

    counts, cells = has_counts(result), {}
    for i, side in enumerate(("experimental", "control")):
        n, events = total(f"n_{side}"), total(f"events_{side}") if counts else None
        cells[f"n{i}"] = "" if n is None else tx.arm_text(n)
        cells[f"events{i}"] = "" if events is None else tx.arm_text(events)
        cells[f"arm{i}"] = "" if n is None or (counts and events is None) else tx.arm_text(n, events)
    return cells

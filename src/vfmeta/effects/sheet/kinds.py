"""What a row gives, and which measures can be made of it."""

from __future__ import annotations

from vfmeta.core.measures import (
    CHANGE,
    CORRELATED,
    EVENTS,
    MEANS,
    MEASURES,
    ONE_EVENTS,
    ONE_MEAN,
    ONE_TIME,
    PREPOST,
    TIMES,
    D,
    Measure,
    row,
)  # fmt: skip
from vfmeta.effects.sheet import estimates
from vfmeta.effects.sheet.arms import has_end
from vfmeta.effects.sheet.names import MEASURES as HEADED
from vfmeta.effects.sheet.names import Parts
from vfmeta.effects.sheet.sheet import Sheet

#: kinds of data as sentences name them
WORDS = {
    "means": "means of both groups", "changes": "changes of both groups", "events": "counts of both groups",
    "rates": "events and time at risk of both groups", "estimate": "an estimate", "d": "Cohen's d and both sizes",
    "t": "a t statistic and both sizes", "oe": "O-E and its variance", "logrank": "a log-rank p value and the events",
    "r": "a correlation and the size", "mean": "the mean of one group", "count": "the count of one group",
    "rate": "events and time at risk of one group", "change": "the change of one group",
}  # fmt: skip
_INPUTS = {
    "means": (MEANS,), "changes": (MEANS, PREPOST, CHANGE), "events": (EVENTS,), "rates": (TIMES,), "r": (CORRELATED,),
    "d": (D,), "t": (("t", "n1", "n2"),), "mean": (ONE_MEAN, ("sd", "n")), "count": (ONE_EVENTS,), "rate": (ONE_TIME,),
    "change": (PREPOST, CHANGE),
}  # fmt: skip


def kinds_of(sheet: Sheet, i: int) -> tuple[str, ...]:
    """Kinds of data a row gives, those nearer to what was counted first."""
    both = ("1", "2")
    mean = {g: has_end(sheet, i, g) or sheet.has(i, f"median{g}") for g in (*both, "")}
    change = {
        g: sheet.has(i, f"mean_change{g}") or (sheet.has(i, f"mean_pre{g}") and has_end(sheet, i, g)) for g in (*both, "")
    }
    two = sheet.roles.any("mean", "median", "mean_post", "mean_change", "events")
    found = {
        "means": all(mean[g] for g in both),
        "changes": all(change[g] for g in both),
        "rates": sheet.has(i, "events1", "time1", "events2", "time2"),
        "events": sheet.has(i, "events1", "n1", "events2", "n2"),
        "oe": sheet.has(i, "oe", "oe_v"),
        "r": sheet.has(i, "r", "n") and not two and not change[""],
        "estimate": estimates.is_given(sheet, i) and not (mean[""] and not two and "y" not in sheet.roles),
        "logrank": sheet.has(i, "p", "events1", "events2"),
        "d": sheet.has(i, "d"),
        "t": sheet.has(i, "t", "n1", "n2"),
        "change": change[""] and not two,
        "mean": mean[""] and sheet.has(i, "n") and not two,
        "rate": sheet.has(i, "events", "time") and not two,
        "count": sheet.has(i, "events", "n") and not two,
    }
    return tuple(kind for kind, there in found.items() if there)


def measure_named(text: str) -> str:
    """The code of a measure that a cell names ("OR", "log hazard ratio", "Hedges g"); "" where it names none that is known."""
    if not text:
        return ""
    if text.upper() in MEASURES:
        return text.upper()
    found = row(text.upper())
    if found.code in MEASURES:
        return found.code
    return Parts(text).estimate[1] or next((m for m in HEADED if row(m).words.casefold() == text.casefold()), "")


def own_measure(sheet: Sheet, i: int) -> str:
    """The measure that a row, or the heading of its estimate, names; "" where nothing does."""
    return measure_named(sheet.text("measure", i)) or (sheet.roles.measure if estimates.is_given(sheet, i) else "")


def serves(kind: str, facts: Measure, own: str) -> bool:
    """Whether a kind of data can be turned into a measure; ``own`` is the measure of an estimate."""
    if kind == "estimate":
        return own in ("", facts.code)
    if kind in ("oe", "logrank"):
        return facts.code == "HR" or (kind == "oe" and facts.code == "PETO")
    if kind == "means":
        return facts.kind == "means" and not facts.one_group and any(set(x) & {"mean1", "sd1"} for x in facts.inputs)
    if kind == "changes":
        return facts.code in ("MD", "SMD") or facts.kind == "before and after"
    return any(x in facts.inputs for x in _INPUTS[kind])


def usable(sheet: Sheet, i: int, facts: Measure) -> tuple[str, ...]:
    """The kinds of data of a row that give a measure."""
    own = own_measure(sheet, i)
    return tuple(k for k in kinds_of(sheet, i) if serves(k, facts, own))

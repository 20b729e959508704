"""What a schema cannot say: rules across the columns and tables of the trial data."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd

from vfmeta.core.measures import MEASURES
from vfmeta.core.messages import did_you_mean
from vfmeta.trials import bias_rules, context_rules, report_rules, schema
from vfmeta.trials.instruments import scale_ends
from vfmeta.trials.problem import Problem
from vfmeta.trials.reporter import (
    SLACK,
    Reporter,
    above_zero,
    counts,
    flagged,
    floats,
    level_beside_limits,
    ordered,
    printed,
    settled,
)

CHANGES = ("change", "adjusted_change", "percent_change")


def broken_rules(text: dict[str, pd.DataFrame], frames: dict[str, pd.DataFrame]) -> list[Problem]:
    """All broken rules of tables that already fit the schema, given as text and assembled."""
    a = frames["arms"]
    arms = dict(zip(zip(a.study_id, a.arm_id, strict=True), floats(a.n_randomised), strict=True))
    design = dict(zip(frames["studies"].study_id, frames["studies"].design, strict=True))
    checks: dict[str, Callable[[Reporter], None]] = {
        "studies": lambda r: _studies(r, arms),
        "outcomes_continuous": lambda r: _continuous(r, frames, arms),
        "outcomes_binary": lambda r: _binary(r, frames, arms),
        "contrasts": lambda r: _contrasts(r, frames),
        "instruments": _instruments,
        "row_flags": lambda r: _flags(r, frames),
        "published_pools": _pools,
        "context": context_rules.check,
        "risk_of_bias": bias_rules.check,
    }
    found: list[Problem] = []
    for table, check in checks.items():
        if frames[table].empty:
            continue
        reporter = Reporter(table, frames[table], text[table])
        check(reporter)
        if table in schema.FIGURE_TABLES:
            _every_figure(reporter, design, frames["outcomes"])
        found += reporter.found
    return [*found, *_shared_row_ids(frames)]


def _studies(r: Reporter, arms: dict[tuple[str, str], float]) -> None:
    s = r.frame
    sizes: dict[str, list[float]] = {}
    for (study, _), n in arms.items():
        sizes.setdefault(study, []).append(n)
    r.where(~s.study_id.isin(list(sizes)), "study_id", "The study has no arm.", "Add its arms to arms.csv.")
    total = [sum(sizes.get(study, [np.nan])) for study in s.study_id]
    more = np.array(total, dtype=float) > floats(s.n_randomised)
    r.where(more, "n_randomised", "The arms add up to more than were randomised.",
            "Correct the study or its arms, or leave empty what is not printed.")  # fmt: skip


def _continuous(r: Reporter, frames: dict[str, pd.DataFrame], arms: dict[tuple[str, str], float]) -> None:
    c = r.frame
    for column in ("sd", "se"):
        r.where(
            c[column] <= 0,
            column,
            "A spread must be greater than 0.",
            "Read it again; leave the cell empty if it is not printed.",
        )
    r.where(
        c["mean"].isna() & c["median"].isna(),
        "mean",
        "Neither a mean nor a median is given.",
        "Add the figure or remove the row.",
    )
    ordered(r, ("ci_low", "mean", "ci_high"))
    ordered(r, ("range_low", "q1", "median", "q3", "range_high"))
    level_beside_limits(r)
    change = c.value_type.isin(CHANGES).to_numpy(dtype=bool)
    signed = (c.change_sign != "").to_numpy(dtype=bool)
    r.where(change & ~signed, "change_sign", "A change needs its printed sign.",
            "Write post_minus_pre or improvement_positive, as the source has it.")  # fmt: skip
    r.where(~change & signed, "change_sign", "Only a change has a change sign.", "Leave the cell empty.")
    low, high = _ends(c, frames["instruments"])
    scores = (c.value_type != "percent_change").to_numpy(dtype=bool)
    for column in ("mean", "median", "q1", "q3", "range_low", "range_high"):
        x = floats(c[column])
        outside = np.where(change, np.abs(x) > high - low + SLACK, (x < low - SLACK) | (x > high + SLACK))
        r.where(outside & scores, column, "The value lies outside the range of its instrument.",
                "Check the value, the instrument and the printed scale ends.")  # fmt: skip
    n, sd = floats(c.n), floats(c.sd)
    # No spread inside two ends is larger than that of half the patients at each end.
    widest = np.where(change, high - low, (high - low) / 2) * np.sqrt(np.where(n > 1, n / np.maximum(n - 1, 1), 2.0))
    r.where((sd > widest + SLACK) & scores, "sd", "No SD can be this large on its instrument.",
            "Check the value, the instrument and the printed scale ends.")  # fmt: skip
    apart = np.abs(sd / np.sqrt(above_zero(n)) / above_zero(floats(c.se)) - 1) > 0.15
    r.where(apart & settled(c), "se", "SD, SE and n contradict each other.",
            "Read all three again; flag the row disagreement in row_flags.csv if the source prints it so.")  # fmt: skip
    r.where(n > _arm_sizes(c, arms), "n", "More patients than were randomised to the arm.",
            "Correct n here or n_randomised in arms.csv.")  # fmt: skip
    r.where((c.use != "no") & ~scores, "use", "A per cent change is never pooled with scale points.", "Write no.")
    _scales(r, frames["instruments"])
    _one_figure_per_key(
        r,
        [
            "study_id",
            "arm_id",
            "outcome_id",
            "definition",
            "instrument_id",
            "time_value",
            "time_unit",
            "time_kind",
            "value_type",
            "analysis_set",
        ],
    )


def _binary(r: Reporter, frames: dict[str, pd.DataFrame], arms: dict[tuple[str, str], float]) -> None:
    b = r.frame
    events, total, percent = floats(b.events), floats(b.total), floats(b.percent)
    patient = (b.unit == "patient").to_numpy(dtype=bool)
    # An event may happen twice to a patient; a patient, a vertebra or a level is counted once.
    r.where(
        (events > total) & (b.unit != "event").to_numpy(dtype=bool), "events", "More events than the total.", "Read both again."
    )
    r.where(patient & (total > _arm_sizes(b, arms)), "total", "More patients than were randomised to the arm.",
            "Correct total here or n_randomised in arms.csv, or the unit.")  # fmt: skip
    r.where(patient & (events > _arm_sizes(b, arms)), "events", "More patients than were randomised to the arm.",
            "Correct events here or n_randomised in arms.csv, or the unit.")  # fmt: skip
    r.where(
        np.isnan(events) & np.isnan(percent) & np.isnan(total),
        "events",
        "No figure at all.",
        "Add the figure or remove the row.",
    )
    counts(r)
    outcomes = frames["outcomes"]
    disposition = set(outcomes.outcome_id[outcomes.domain == "disposition"])
    r.where(b.outcome_id.isin(disposition) & (b.use != "no"), "use", "A denominator is never an outcome.", "Write no.")
    r.where(
        (b.use == "pool") & b.events.isna(), "use", "A percentage without a count is not pooled.", "Write sensitivity or no."
    )
    _one_figure_per_key(
        r, ["study_id", "arm_id", "outcome_id", "definition", "unit", "time_value", "time_unit", "time_kind", "analysis_set"]
    )


def _contrasts(r: Reporter, frames: dict[str, pd.DataFrame]) -> None:
    c = r.frame
    estimate, low, high, se = (floats(c[x]) for x in ("estimate", "ci_low", "ci_high", "se"))
    r.where(c.arm_experimental == c.arm_control, "arm_control", "An arm cannot be compared with itself.", "Name the other arm.")
    r.where(
        c.se <= 0, "se", "A standard error must be greater than 0.", "Read it again; leave the cell empty if it is not printed."
    )
    ordered(r, ("ci_low", "estimate", "ci_high"))
    r.where(c.estimate.notna() & (c.measure == ""), "measure", "An estimate needs its measure.", "Name the measure as printed.")
    ratio = c.measure.isin([m.code for m in MEASURES.values() if m.is_ratio]).to_numpy(dtype=bool)
    for column in ("estimate", "ci_low", "ci_high"):
        r.where(ratio & (floats(c[column]) <= 0), column, "A ratio must be greater than 0.", "Read it again.")
        beyond = (c.measure == "RD") & (c[column].abs() > 100)
        r.where(beyond, column, "A risk difference lies between -100 and 100 percentage points.", "Read it again.")
        beyond = (c.measure == "RRR_percent") & (c[column] > 100)
        r.where(beyond, column, "A risk cannot be reduced by more than 100%.", "Read it again.")
    r.where(
        c.p_value.notna() & (c.p_operator == ""), "p_operator", "A p value needs its operator.", "Write =, < or > as printed."
    )
    score = c.measure.isin(("MD", "adjusted_MD")).to_numpy(dtype=bool)
    r.where(score & (c.instrument_id == ""), "instrument_id", "A mean difference needs its instrument.",
            "Name an instrument of instruments.csv.")  # fmt: skip
    bottom, top = _ends(c, frames["instruments"])
    r.where((np.abs(estimate) > top - bottom + SLACK) & score, "estimate", "The difference is wider than its instrument.",
            "Check the value, the instrument and the printed scale ends.")  # fmt: skip
    # A 95% half width is about two standard errors, four at t with 2 df: beyond that the two figures cannot belong together.
    width = (high - low) / 2 / above_zero(se)
    apart = ((width < 1.2) | (width > 4.5)) & score & settled(c)
    r.where(apart, "se", "The standard error and the interval contradict each other.",
            "Read both again; flag the row disagreement in row_flags.csv if the source prints it so.")  # fmt: skip
    r.where(
        (c.use != "no") & c.estimate.isna() & c.ci_low.isna(), "use", "Nothing is printed that could be pooled.", "Write no."
    )
    unstated = (c.use == "pool") & (c.printed_as == "not_stated")
    r.where(unstated, "printed_as", "A figure without a stated direction is not pooled.",
            "Read the direction in the source, or write sensitivity or no in use.")  # fmt: skip
    _scales(r, frames["instruments"])
    report_rules.check(r, frames)
    _one_figure_per_key(
        r, ["study_id", "arm_experimental", "arm_control", "outcome_id", "definition", "instrument_id", "unit", "time_value",
            "time_unit", "time_kind", "analysis_set", "measure"]
    )  # fmt: skip
    _same_arms_exchanged(r)


def _every_figure(r: Reporter, design: dict[str, str], outcomes: pd.DataFrame) -> None:
    """Rules that hold for scores, counts and contrasts alike."""
    f = r.frame
    ranged = _range_of_times(r)
    printed(r, ranged)
    kinds = np.array([design.get(study, "") for study in f.study_id], dtype=object)
    used, pooled = (f.use != "no").to_numpy(dtype=bool), (f.use == "pool").to_numpy(dtype=bool)
    r.where(
        (kinds == "post_hoc_pooled") & used, "use", "A pooled post-hoc report never stands beside its own trials.", "Write no."
    )
    r.where(pooled & flagged(f, "cluster_unadjusted"), "use",
            "A cluster or crossover figure without a design-adjusted standard error is not pooled.", "Write no.")  # fmt: skip
    # A cluster is never a patient, whatever is printed of its arms; the first period of a crossover is a parallel trial.
    if r.table == "contrasts":
        plain = np.isin(kinds, ("cluster_rct", "crossover_rct")) & (f.adjusted_for == "").to_numpy(dtype=bool)
        todo = "Say in adjusted_for what the standard error allows for, or write no in use."
    else:
        first = np.array(["first period" in text for text in f.definition], dtype=bool)
        plain = (kinds == "cluster_rct") | ((kinds == "crossover_rct") & ~first)
        todo = "Write no; name a 'first period' of a crossover in definition."
    r.where(pooled & plain, "use", "A cluster or crossover figure is pooled with a design-adjusted standard error only.", todo)
    if r.table != "contrasts":
        kind = "binary" if r.table == "outcomes_binary" else "continuous"
        other = set(outcomes.outcome_id[outcomes.kind != kind])
        r.where(f.outcome_id.isin(other) & used, "outcome_id", f"This outcome is not {kind}.",
                "Name an outcome of that kind, or correct its kind in outcomes.csv.")  # fmt: skip


def _range_of_times(r: Reporter) -> pd.Series:
    """Rows that print a range of times and no visit: both ends, the earlier first, with their unit."""
    f = r.frame
    if "time_low" not in f:
        return pd.Series(False, index=f.index)
    ranged = f.time_low.notna() | f.time_high.notna()
    r.where(f.time_low.notna() != f.time_high.notna(), "time_low", "One end of the range of times is missing.",
            "Write both ends, or the visit in time_value.")  # fmt: skip
    r.where(f.time_low >= f.time_high, "time_low", "A range of times runs from the earlier to the later.", "Correct the ends.")
    r.where(ranged & f.time_value.notna(), "time_value", "A figure is of a visit or of a range of times.",
            "Leave time_value empty, or time_low and time_high.")  # fmt: skip
    r.where(ranged & (f.time_unit == ""), "time_unit", "A time needs its unit.", "Write the unit as printed.")
    return ranged


def _instruments(r: Reporter) -> None:
    i = r.frame
    r.where(i.scale_min >= i.scale_max, "scale_min", "The lower end must lie below the upper end.", "Correct the ends.")
    for kind in ("mid_within", "mid_between"):
        r.where(
            i[kind].notna() & (i[f"{kind}_source_id"] == ""),
            f"{kind}_source_id",
            "A minimal important difference needs its source.",
            "Name the source.",
        )


def _pools(r: Reporter) -> None:
    ordered(r, ("ci_low", "estimate", "ci_high"))


def _flags(r: Reporter, frames: dict[str, pd.DataFrame]) -> None:
    known = {t: set(frames[t].row_id) for t in schema.FLAGGED_TABLES}
    for i, (t, row) in enumerate(zip(r.frame["table"], r.frame.row_id, strict=True)):
        if row not in known.get(t, ()):
            message = f"No such figure in that table.{did_you_mean(row, known.get(t, ()))}"
            r.where(np.arange(len(r.frame)) == i, "row_id", message, "Correct the row id or remove the flag.")


def _scales(r: Reporter, instruments: pd.DataFrame) -> None:
    """Scale ends stand in pairs, in order, and do not contradict the instrument."""
    f = r.frame
    r.where(
        f.scale_min.notna() != f.scale_max.notna(), "scale_min", "One end of the scale is missing.", "Write both ends or none."
    )
    r.where(f.scale_min >= f.scale_max, "scale_min", "The lower end must lie below the upper end.", "Correct the ends.")
    for column in ("scale_min", "scale_max"):
        listed = dict(zip(instruments.instrument_id, floats(instruments[column]), strict=True))
        ends = np.array([listed.get(i, np.nan) for i in f.instrument_id], dtype=float)
        r.where(np.abs(floats(f[column]) - ends) > SLACK, column, "The printed end contradicts the instrument.",
                "Name an instrument with these ends, adding it to instruments.csv if need be.")  # fmt: skip


def _ends(frame: pd.DataFrame, instruments: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Scale ends of each row; none where they stand upside down, which `_scales` and `_instruments` report."""
    low, high = scale_ends(frame, instruments)
    sound = low < high
    return np.where(sound, low, np.nan), np.where(sound, high, np.nan)


def _arm_sizes(frame: pd.DataFrame, arms: dict[tuple[str, str], float]) -> np.ndarray:
    """Number randomised to the arm of each row, NaN where it is not printed."""
    return np.array([arms.get(key, np.nan) for key in zip(frame.study_id, frame.arm_id, strict=True)], dtype=float)


def _same_arms_exchanged(r: Reporter) -> None:
    """Two usable rows that print one comparison, once each way round, are one figure."""
    f = r.frame
    seen: dict[tuple[Any, ...], int] = {}
    twice = np.zeros(len(f), dtype=bool)
    rest = [
        "outcome_id",
        "definition",
        "instrument_id",
        "unit",
        "time_value",
        "time_unit",
        "time_kind",
        "analysis_set",
        "measure",
    ]
    for i, (study, a, b, use, *key) in enumerate(
        zip(f.study_id, f.arm_experimental, f.arm_control, f.use, *(r.text[c] for c in rest), strict=True)
    ):
        if use != "no":
            seen[(study, a, b, *key)] = i
            twice[i] = (study, b, a, *key) in seen and a != b
    r.where(
        twice,
        "row_id",
        "Another usable row prints the same comparison the other way round.",
        "Keep one; give the other use = no.",
    )


def _one_figure_per_key(r: Reporter, key: list[str]) -> None:
    """Among usable rows one key holds one figure: a second is a duplicate or a contradiction.

    Times are compared in weeks, for 1 year is 12 months.
    """
    usable = (r.frame.use != "no").to_numpy(dtype=bool)
    keyed = r.frame.loc[usable, [k for k in key if not k.startswith("time_")] + ["time_kind"]]
    twice = np.zeros(len(usable), dtype=bool)
    times = {c: r.frame[c][usable].round(3) for c in ("week", "week_low", "week_high") if c in r.frame}
    twice[usable] = keyed.assign(**times).duplicated(keep="first").to_numpy(dtype=bool)
    r.where(twice, "row_id", f"Another usable row has the same {', '.join(key)}.",
            "Keep one; give the other use = no with a note, or a definition of its own.")  # fmt: skip


def _shared_row_ids(frames: dict[str, pd.DataFrame]) -> Iterator[Problem]:
    seen: dict[str, str] = {}
    for table in schema.FIGURE_TABLES:
        for i, row in enumerate(frames[table].row_id):
            if seen.setdefault(row, table) != table:
                yield Problem(
                    f"{table}.csv",
                    i + 2,
                    "row_id",
                    row,
                    f"The row id stands in {seen[row]}.csv too.",
                    "Give each figure its own id.",
                )

"""What a schema cannot say: rules across the columns and tables of the trial data."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pandas as pd

from vfmeta.trials import schema
from vfmeta.trials.checks import Problem
from vfmeta.trials.instruments import scale_ends

CHANGES = ("change", "adjusted_change", "percent_change")
RATIOS = ("RR", "OR", "HR")
_SLACK = 1e-9


class _Reporter:
    """Collects problems of one table from boolean masks."""

    def __init__(self, table: str, frame: pd.DataFrame, text: pd.DataFrame) -> None:
        self.table, self.frame, self.text = table, frame, text
        self.found: list[Problem] = []

    def where(self, mask: pd.Series | np.ndarray, column: str, message: str, todo: str) -> None:
        """Report each row of the mask; an undecidable comparison (a missing value) is no fault."""
        hits = np.flatnonzero(pd.array(mask, dtype="boolean").fillna(False).to_numpy(dtype=bool))
        path = schema.tables()[self.table]["path"]
        for i in hits:
            self.found.append(Problem(path, int(i) + 2, column, self.text[column].iat[i], message, todo))


def broken_rules(text: dict[str, pd.DataFrame]) -> list[Problem]:
    """All broken rules of tables that already fit the schema."""
    from vfmeta.trials.store import assemble

    frames = assemble(text)
    arms = frames["arms"].set_index(["study_id", "arm_id"])["n_randomised"]
    design = frames["studies"].set_index("study_id")["design"]
    checks: dict[str, Callable[[_Reporter], None]] = {
        "studies": lambda r: _studies(r, frames),
        "outcomes_continuous": lambda r: _continuous(r, frames, arms),
        "outcomes_binary": lambda r: _binary(r, frames, arms),
        "contrasts": lambda r: _contrasts(r, frames),
        "instruments": _instruments,
        "row_flags": lambda r: _flags(r, frames),
        "published_pools": _pools,
    }
    found: list[Problem] = []
    for table, check in checks.items():
        reporter = _Reporter(table, frames[table], text[table])
        check(reporter)
        if table in schema.FIGURE_TABLES:
            _every_figure(reporter, design)
        found += reporter.found
    return [*found, *_shared_row_ids(frames)]


def _studies(r: _Reporter, frames: dict[str, pd.DataFrame]) -> None:
    s = r.frame
    r.where(~s.study_id.isin(frames["arms"].study_id), "study_id", "The study has no arm.", "Add its arms to arms.csv.")
    arms = frames["arms"]
    complete = arms.groupby("study_id")["n_randomised"].agg(lambda n: n.sum() if n.notna().all() else pd.NA)
    total = s.study_id.map(complete).astype("Int64")
    r.where(total > s.n_randomised, "n_randomised", "The arms add up to more than were randomised.",
            "Correct the study or its arms, or leave empty what is not printed.")  # fmt: skip


def _continuous(r: _Reporter, frames: dict[str, pd.DataFrame], arms: pd.Series) -> None:
    c = r.frame
    for column in ("sd", "se"):
        r.where(c[column] <= 0, column, "A spread must be greater than 0.", "Read it again; leave the cell empty if it is not printed.")
    r.where(c["mean"].isna() & c["median"].isna(), "mean", "Neither a mean nor a median is given.", "Add the figure or remove the row.")
    _ordered(r, ("ci_low", "mean", "ci_high"))
    _ordered(r, ("range_low", "q1", "median", "q3", "range_high"))
    r.where((c.ci_low.notna() | c.ci_high.notna()) & c.ci_level.isna(), "ci_level", "An interval needs its level.", "Write 95 if the source says 95%.")
    change = c.value_type.isin(CHANGES)
    r.where(change & (c.change_sign == ""), "change_sign", "A change needs its printed sign.",
            "Write post_minus_pre or improvement_positive, as the source has it.")  # fmt: skip
    r.where(~change & (c.change_sign != ""), "change_sign", "Only a change has a change sign.", "Leave the cell empty.")
    low, high = scale_ends(c, frames["instruments"])
    scores = c.value_type != "percent_change"
    for column in ("mean", "median", "ci_low", "ci_high", "q1", "q3", "range_low", "range_high"):
        x = c[column].astype(float).to_numpy()
        outside = np.where(change, np.abs(x) > high - low + _SLACK, (x < low - _SLACK) | (x > high + _SLACK))
        if column in ("ci_low", "ci_high"):
            outside &= False
        r.where(outside & scores.to_numpy(), column, "The value lies outside the range of its instrument.",
                "Check the value, the instrument and the printed scale ends.")  # fmt: skip
    n_arm = pd.Series(pd.MultiIndex.from_frame(c[["study_id", "arm_id"]]).map(arms), index=c.index).astype("Int64")
    r.where(c.n > n_arm, "n", "More patients than were randomised to the arm.", "Correct n here or n_randomised in arms.csv.")
    r.where((c.use != "no") & (c.value_type == "percent_change"), "use", "A per cent change is never pooled with scale points.", "Write no.")
    _one_figure_per_key(
        r, ["study_id", "arm_id", "outcome_id", "definition", "instrument_id", "time_value", "time_unit", "time_kind", "value_type", "analysis_set"]
    )


def _binary(r: _Reporter, frames: dict[str, pd.DataFrame], arms: pd.Series) -> None:
    b = r.frame
    r.where(b.events > b.total, "events", "More events than the total.", "Read both again.")
    n_arm = pd.Series(pd.MultiIndex.from_frame(b[["study_id", "arm_id"]]).map(arms), index=b.index).astype("Int64")
    r.where((b.unit == "patient") & (b.total > n_arm), "total", "More patients than were randomised to the arm.",
            "Correct total here or n_randomised in arms.csv, or the unit.")  # fmt: skip
    r.where(b.events.isna() & b.percent.isna() & b.total.isna(), "events", "No figure at all.", "Add the figure or remove the row.")
    r.where((b.total == 0), "total", "A denominator must be greater than 0.", "Read it again; leave the cell empty if it is not printed.")
    settled = ~b["flags"].map(lambda f: "disagreement" in f)
    gap = (100 * b.events.astype(float) / b.total.astype(float) - b.percent.astype(float)).abs()
    r.where((gap > 1.0) & settled, "percent", "The percentage contradicts events and total.",
            "Read all three again; flag the row disagreement in row_flags.csv if the source prints it so.")  # fmt: skip
    disposition = frames["outcomes"].set_index("outcome_id")["domain"] == "disposition"
    r.where(b.outcome_id.map(disposition) & (b.use != "no"), "use", "A denominator is never an outcome.", "Write no.")
    r.where((b.use == "pool") & b.events.isna(), "use", "A percentage without a count is not pooled.", "Write sensitivity or no.")
    _one_figure_per_key(
        r, ["study_id", "arm_id", "outcome_id", "definition", "unit", "time_value", "time_unit", "time_kind", "analysis_set"]
    )


def _contrasts(r: _Reporter, frames: dict[str, pd.DataFrame]) -> None:
    c = r.frame
    r.where(c.arm_experimental == c.arm_control, "arm_control", "An arm cannot be compared with itself.", "Name the other arm.")
    r.where(c.se <= 0, "se", "A standard error must be greater than 0.", "Read it again; leave the cell empty if it is not printed.")
    _ordered(r, ("ci_low", "estimate", "ci_high"))
    r.where(c.estimate.notna() & (c.measure == ""), "measure", "An estimate needs its measure.", "Name the measure as printed.")
    ratio = c.measure.isin(RATIOS)
    for column in ("estimate", "ci_low"):
        r.where(ratio & (c[column] <= 0), column, "A ratio must be greater than 0.", "Read it again.")
    r.where(c.p_value.notna() & (c.p_operator == ""), "p_operator", "A p value needs its operator.", "Write =, < or > as printed.")
    r.where(c.measure.isin(("MD", "adjusted_MD")) & (c.instrument_id == ""), "instrument_id", "A mean difference needs its instrument.",
            "Name an instrument of instruments.csv.")  # fmt: skip
    low, high = scale_ends(c, frames["instruments"])
    wide = (c.estimate.astype(float).abs().to_numpy() > high - low + _SLACK) & c.measure.isin(("MD", "adjusted_MD")).to_numpy()
    r.where(wide, "estimate", "The difference is wider than its instrument.", "Check the value, the instrument and the printed scale ends.")
    r.where((c.use != "no") & c.estimate.isna() & c.ci_low.isna(), "use", "Nothing is printed that could be pooled.", "Write no.")
    _one_figure_per_key(
        r, ["study_id", "arm_experimental", "arm_control", "outcome_id", "definition", "instrument_id", "unit", "time_value", "time_unit",
            "time_kind", "analysis_set", "measure"]
    )  # fmt: skip


def _every_figure(r: _Reporter, design: pd.Series) -> None:
    """Rules that hold for scores, counts and contrasts alike."""
    f = r.frame
    r.where(f.time_value.notna() & (f.time_unit == ""), "time_unit", "A time needs its unit.", "Write the unit as printed.")
    r.where(f.time_value.isna() & (f.time_unit != ""), "time_value", "A unit without a time.", "Write the time as printed, or empty both cells.")
    r.where((f.reading != "single") & (f.reading_source_id == ""), "reading_source_id", "A second reading needs its source.",
            "Name the source where the figure was read again.")  # fmt: skip
    r.where((f.use == "pool") & (f.reading == "single"), "reading", "A figure is read again at its source before it is pooled.",
            "Read it again, or write sensitivity or no in use.")  # fmt: skip
    kind = f.study_id.map(design)
    r.where((kind == "post_hoc_pooled") & (f.use != "no"), "use", "A pooled post-hoc report never stands beside its own trials.", "Write no.")
    r.where((f.use == "pool") & f["flags"].map(lambda x: "cluster_unadjusted" in x), "use",
            "A cluster or crossover figure without a design-adjusted standard error is not pooled.", "Write no.")  # fmt: skip


def _instruments(r: _Reporter) -> None:
    i = r.frame
    r.where(i.scale_min >= i.scale_max, "scale_min", "The lower end must lie below the upper end.", "Correct the ends.")
    r.where(i.mid.notna() & (i.mid_source_id == ""), "mid_source_id", "A minimal important difference needs its source.", "Name the source.")


def _pools(r: _Reporter) -> None:
    _ordered(r, ("ci_low", "estimate", "ci_high"))


def _flags(r: _Reporter, frames: dict[str, pd.DataFrame]) -> None:
    known = {(t, row) for t in schema.FIGURE_TABLES for row in frames[t].row_id}
    missing = [(t, row) not in known for t, row in zip(r.frame["table"], r.frame.row_id, strict=True)]
    r.where(np.array(missing, dtype=bool), "row_id", "No such figure in that table.", "Correct the row id or remove the flag.")


def _ordered(r: _Reporter, columns: tuple[str, ...]) -> None:
    """Each printed value must not lie above the next printed one."""
    for i, low in enumerate(columns):
        for high in columns[i + 1 :]:
            r.where(r.frame[low] > r.frame[high], low, f"{low} lies above {high}.", "Read both again; limits stand lower first.")


def _one_figure_per_key(r: _Reporter, key: list[str]) -> None:
    """Among usable rows one key holds one figure: a second is a duplicate or a contradiction."""
    usable = r.frame.use != "no"
    twice = r.text[key].where(usable).duplicated(keep="first") & usable
    r.where(twice, "row_id", f"Another usable row has the same {', '.join(key)}.",
            "Keep one; give the other use = no with a note, or a definition of its own.")  # fmt: skip


def _shared_row_ids(frames: dict[str, pd.DataFrame]) -> Iterator[Problem]:
    seen: dict[str, str] = {}
    for table in schema.FIGURE_TABLES:
        for i, row in enumerate(frames[table].row_id):
            if seen.setdefault(row, table) != table:
                yield Problem(f"{table}.csv", i + 2, "row_id", row, f"The row id stands in {seen[row]}.csv too.", "Give each figure its own id.")

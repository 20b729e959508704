"""The effects of a table as rows: of a data frame, beside other columns of the same studies, and as figures show them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from vfmeta.core.messages import InputError
from vfmeta.core.question import Question
from vfmeta.effects import cells
from vfmeta.effects.columns import as_frame, look_up
from vfmeta.effects.effect import Effect
from vfmeta.results.single_studies import MADE
from vfmeta.text.codes import flags_text

if TYPE_CHECKING:
    import pandas as pd

_OWN = ("study", "y", "v", "se")  # columns of a frame that are always the table's own


def frame(question: Question, effects: tuple[Effect, ...], extra: pd.DataFrame | None) -> pd.DataFrame:
    """One row an effect, with the columns of ``extra``; of those called as a column of the table, see `EffectTable.frame`."""
    import pandas as pd

    q = question
    y, v = (np.array(x, dtype=float) for x in ([e.y for e in effects], [e.v for e in effects]))
    own = pd.DataFrame(
        {
            "study": [e.label for e in effects], "study_id": [e.study_id for e in effects],
            "cohort_id": [e.cohort_id for e in effects],
            "arm_experimental": [e.arms[0] for e in effects], "arm_control": [e.arms[1] for e in effects],
            "outcome": [e.outcome or q.outcome for e in effects], "week": [e.week for e in effects],
            "target_week": [e.week if e.target_week is None else e.target_week for e in effects],
            "n_experimental": [e.n[0] for e in effects], "n_control": [e.n[1] for e in effects],
            "events_experimental": [e.events[0] for e in effects],
            "events_control": [e.events[1] for e in effects],
            "y": y, "v": v, "se": np.sqrt(v),
            "measure": q.measure, "scale": "" if q.points is None else f"{q.points[0]:g} to {q.points[1]:g}",
            "higher_is_worse": q.higher_is_worse, "reading": [e.reading for e in effects],
            "rows": [", ".join(e.rows) for e in effects], "steps": ["; ".join(e.steps) for e in effects],
        }
    )  # fmt: skip
    if any(e.interval for e in effects):  # as printed
        three = [e.interval or (math.nan,) * 3 for e in effects]
        own[["ci_low", "ci_high", "level"]] = three
    if extra is None:
        return own
    # what the user calls study, y, v and se may be something else in the data; the table's own are what was read
    kept = [name for name in own if name not in extra.columns or name in _OWN]
    more = extra[[c for c in extra.columns if c not in kept]]
    other = [c for c in _OWN if c in extra.columns and not _same(extra[c], own[c])]
    apart = extra[other].rename(columns={c: f"{c} (data)" for c in other})
    return pd.concat([own[kept], more, apart], axis=1)


def _same(given: pd.Series, own: pd.Series) -> bool:
    """Whether a column of the data is what the table read from it."""
    if own.dtype.kind == "f":
        values = [math.nan if cells.is_missing(x) or isinstance(x, str) else float(x) for x in given]
        return bool(np.allclose(values, own, rtol=1e-12, atol=0))
    return [cells.label(x) for x in given] == own.tolist()


def details(effects: tuple[Effect, ...]) -> tuple[dict[str, Any], ...]:
    """What tables and figures show beside each effect."""
    return tuple(
        {
            "study_id": e.study_id, "n_experimental": _whole(e.n[0]), "n_control": _whole(e.n[1]),
            "events_experimental": _whole(e.events[0]), "events_control": _whole(e.events[1]),
            "week": e.week, "reading": e.reading, "flag": flags_text(e.flags),
            "rows": list(e.rows),
            "sources": list(e.sources), "steps": list(e.steps), "unused": list(e.unused), "printed": list(e.printed),
        }
        | ({} if e.size is None else {"size": e.size})
        | ({MADE: dict(e.made)} if e.made else {})
        | ({} if e.interval is None else {"printed_interval": list(e.interval)})
        for e in effects
    )  # fmt: skip


def _whole(value: float | None) -> float | int | None:
    return int(value) if value is not None and float(value).is_integer() else value


def matched(own: pd.DataFrame, data: Any, on: str) -> pd.DataFrame:
    """The rows of other data for the studies of the rows ``own``, by the names in column ``on``, which is left out."""
    other = as_frame(data)
    mine = [cells.label(x) for x in look_up({on: on}, own)[on].values]
    theirs = [cells.label(x) for x in look_up({on: on}, other)[on].values]
    place: dict[str, int] = {}
    problems = []
    for i, name in enumerate(theirs):
        if not name:
            problems.append(f"row {i + 1}, column {on}: empty name; say which study it is.")
        elif name in place:
            problems.append(f"rows {place[name] + 1} and {i + 1}, column {on}: {name!r} stands twice; one row a study.")
        place.setdefault(name, i)
    lost = [name for name in dict.fromkeys(mine) if name not in place]
    if lost:
        more = ", ".join(name for name in place if name and name not in mine)
        problems.append(
            f"No row of the data is named {', '.join(map(repr, lost))} in column {on}"
            + (f"; rows of no study of the table: {more}." if more else ".")
        )
    twice = [name for name in other.columns if name != on and name in own.columns]
    if twice:
        problems.append(f"The table has {', '.join(map(repr, twice))} already; rename or leave out those columns.")
    if problems:
        raise InputError(problems)
    return other.iloc[[place[name] for name in mine]].drop(columns=on).reset_index(drop=True)

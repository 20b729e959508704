"""What the user asks of the rows of a forest plot: their order, other names, and the rows that a layout shows."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from vfmeta.core.messages import InputError, did_you_mean, kind_of
from vfmeta.text import numbers as tx

if TYPE_CHECKING:
    from vfmeta.core.question import Pair, Question
    from vfmeta.plots.columns import Beside
    from vfmeta.plots.contents import Contents
    from vfmeta.plots.looks import Look
    from vfmeta.plots.rows import Row

_OWN = ("estimate", "weight", "study", "se")


def for_look(made: Contents, look: Look) -> Contents:
    """The rows as a layout has them."""
    rows = []
    for row in made.rows:
        if look.through and row.kind in ("prediction", "bayes_prediction"):
            continue
        if not look.tested and row.kind == "words" and row.label.startswith("Test of the overall effect"):
            continue
        rows.append(row if look.through else replace(row, through=None))
    if look.totals and made.level is not None:
        name = f"Total ({tx.level_text(made.level)} CI)"
        rows = [replace(r, label=f"{name}: {r.label[:1].lower()}{r.label[1:]}") if r.kind == "pooled" else r for r in rows]
    return replace(made, rows=tuple(rows))


def ordered(made: Contents, order: Any, beside: Beside) -> Contents:
    """The studies of each section in the order asked for: by name of a column, or as listed."""
    if order is None:
        return made
    rows = made.studies
    if isinstance(order, str):
        rank = _by_column(rows, order, beside)
    elif isinstance(order, Sequence) or hasattr(order, "tolist"):
        rank = _as_listed(rows, order.tolist() if hasattr(order, "tolist") else list(order))
    else:
        raise InputError(f"order={order!r}: give the name of a column, or every study once.")
    out: list[Row] = []
    run: list[Row] = []
    for row in made.rows:
        if row.kind in ("study", "step"):
            run.append(row)
            continue
        out += [*sorted(run, key=lambda r: rank[id(r)]), row]
        run = []
    out += sorted(run, key=lambda r: rank[id(r)])
    return replace(made, rows=tuple(out))


def _by_column(rows: Sequence[Row], order: str, beside: Beside) -> dict[int, Any]:
    down, name = order.startswith("-"), order.removeprefix("-")
    if name == "study":
        names = sorted({r.label.casefold() for r in rows}, reverse=down)
        return {id(r): names.index(r.label.casefold()) for r in rows}
    if name == "estimate":
        values: list[Any] = [r.estimate for r in rows]
    elif name == "weight":
        values = [r.weight for r in rows]
    elif name == "se":
        values = [math.nan if r.interval is None else r.interval[1] - r.interval[0] for r in rows]
    else:
        values = beside.values(name, rows, f"order={order!r}", own=_OWN)
    numbers = all(isinstance(x, (int, float)) for x in values if x is not None)
    known = sorted({x if numbers else str(x) for x in values if x is not None and x == x}, reverse=down)
    # what has no value comes last, whichever way
    return {
        id(r): known.index(x if numbers else str(x)) if x is not None and x == x else len(known)
        for r, x in zip(rows, values, strict=True)
    }


def _as_listed(rows: Sequence[Row], listed: list[Any]) -> dict[int, Any]:
    if listed and all(isinstance(x, int) and not isinstance(x, bool) for x in listed):
        if sorted(listed) != list(range(len(rows))):
            raise InputError(f"order lists positions; give each of 0 to {len(rows) - 1} once.")
        return {id(rows[at]): place for place, at in enumerate(listed)}
    names, keys = [str(x) for x in listed], [r.key for r in rows]
    lost, strange = [k for k in dict.fromkeys(keys) if k not in names], [x for x in names if x not in keys]
    if lost or strange or len(set(names)) < len(names):
        said = [f"missing: {', '.join(lost)}"] if lost else []
        said += [f"no study here: {', '.join(strange)}"] if strange else []
        said += ["a name stands twice"] if len(set(names)) < len(names) else []
        raise InputError(f"order lists every study once; {'; '.join(said)}.")
    return {id(r): names.index(r.key) for r in rows}


def named(made: Contents, labels: Any) -> Contents:
    """Other names for studies."""
    if labels is None:
        return made
    if not isinstance(labels, Mapping):
        raise InputError(f"labels is {kind_of(labels)}; give a mapping, such as {{'Smith 2001': 'Smith et al. 2001'}}.")
    keys = {x for r in made.studies for x in (r.key, r.label)}
    strange = [str(x) for x in labels if str(x) not in keys]
    if strange:
        raise InputError([f"labels: there is no study {x!r} here.{did_you_mean(x, keys)}" for x in strange])
    new = {str(k): " ".join(str(v).split()) for k, v in labels.items()}
    rows = [
        replace(r, label=new.get(r.key, new.get(r.label, r.label))) if r.kind in ("study", "step") else r for r in made.rows
    ]
    return replace(made, rows=tuple(rows))


def region_of(question: Question, region: Any) -> Pair | None:
    """Ends of what is too small to matter, on the analysis scale."""
    if region is None or region is False:
        return None
    if region is True:
        ends = question.mid_effect(), question.mid_effect(harm=True)
        if ends[0] is None or ends[1] is None:
            raise InputError(
                "region=True shades what is smaller than the minimal important difference; the question has none (mid=), or no "
                "direction (higher_is_worse=). Give the two ends, such as region=(-1, 1)."
            )
        return min(ends[0], ends[1]), max(ends[0], ends[1])
    try:
        low, high = (float(x) for x in region)
    except (TypeError, ValueError):
        raise InputError(f"region={region!r}; give True, or the two ends on the scale people read.") from None
    if not (math.isfinite(low) and math.isfinite(high) and low < high) or (question.is_ratio and low <= 0):
        above = ", both above 0" if question.is_ratio else ""
        raise InputError(f"region=({low:g}, {high:g}): give two finite numbers, the smaller first{above}.")
    return question.analysis(low), question.analysis(high)


def sides_of(question: Question, sides: Any) -> tuple[str, str] | None:
    """What is written left and right of "no difference"."""
    if sides is None:
        return tx.favours_text(question)
    if isinstance(sides, str) or not isinstance(sides, Sequence) or len(sides) != 2:
        raise InputError(f"sides={sides!r}; give the words for the left and the right side.")
    return str(sides[0]), str(sides[1])

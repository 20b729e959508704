"""Columns of text in a forest plot: which stand where, their heads, and what is written in them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from vfmeta.core.messages import InputError, did_you_mean
from vfmeta.plots.layout import width, wrap
from vfmeta.text import numbers as tx

if TYPE_CHECKING:
    from vfmeta.plots.contents import Contents
    from vfmeta.plots.looks import Look
    from vfmeta.plots.rows import Row
    from vfmeta.results.risk_of_bias import RiskOfBias

_ARM = 1.15  # inches of an arm's name
_OTHER = 1.9
_LIGHT = 0.2
_OWN = ("study", "arms", "n", "events", "weight", "effect", "plot")


@dataclass(frozen=True)
class Spec:
    """A column before it has a place: ``wide`` in inches, ``group`` a head over neighbours, ``cells`` by study row."""

    name: str
    head: tuple[str, ...]
    wide: float
    align: str
    group: str = ""
    cells: dict[int, str] = field(default_factory=dict)  # by position among the studies
    light: bool = False


@dataclass(frozen=True)
class Beside:
    """What stands beside the studies: a table of the user's, matched by name, and what the fit knows."""

    frame: Any = None
    names: tuple[str, ...] = ()

    @classmethod
    def of(cls, data: Any) -> Beside:
        if data is None:
            return cls()
        import pandas as pd

        frame = getattr(data, "frame", data)
        frame = frame if isinstance(frame, pd.DataFrame) else pd.DataFrame(frame)
        at = next((c for c in ("study", "study_id", "label") if c in frame), None)
        if at is None:
            raise InputError(f"data= needs a column study to match its rows by; it has {', '.join(map(str, frame.columns))}.")
        return cls(frame.reset_index(drop=True), tuple(str(x) for x in frame[at]))

    def values(self, name: str, rows: Sequence[Row], where: str, own: Sequence[str] = _OWN) -> list[Any]:
        """One value a study row, None where nothing is known."""
        if self.frame is not None and name in self.frame:
            column = self.frame[name].tolist()
            if [r.key for r in rows] == list(self.names):
                return [_scalar(x) for x in column]
            twice = sorted({n for n in self.names if self.names.count(n) > 1})
            if twice:
                raise InputError(f"{where}: data has several rows of {', '.join(twice)}, in another order than the figure.")
            found = dict(zip(self.names, column, strict=True))
            lost = [r.key for r in rows if r.key not in found and str(r.info.get("study_id")) not in found]
            if lost:
                raise InputError(f"{where}: data has no row of {', '.join(lost)}.")
            return [_scalar(found.get(r.key, found.get(str(r.info.get("study_id"))))) for r in rows]
        if any(name in r.info for r in rows):
            return [_scalar(r.info.get(name)) for r in rows]
        known = [*own, *(self.frame.columns if self.frame is not None else ()), *{k: 0 for r in rows for k in r.info}]
        more = "" if self.frame is not None else " Columns of your table come with data=."
        raise InputError(f"{where}: there is no column {name!r}.{did_you_mean(name, [str(x) for x in known])}{more}")


def _scalar(value: Any) -> Any:
    value = value.item() if hasattr(value, "item") else value
    return value if isinstance(value, (str, int, float)) or value is None else str(value)


def specs(made: Contents, look: Look, columns: Any, beside: Beside, bias: RiskOfBias | None) -> tuple[list[Spec], list[Spec]]:
    """The columns left and right of the axis, without the names of the studies."""
    items: list[Any] = list(look.columns) if columns is None else _listed(columns)
    plain = [x if isinstance(x, str) else "" for x in items]
    if "plot" not in plain:
        items.append("plot")
        plain.append("plot")
    sides: tuple[list[Spec], list[Spec]] = ([], [])
    right, rows = False, made.studies
    for item, name in zip(items, plain, strict=True):
        if name == "plot":
            right = True
        elif name != "study":
            sides[right].extend(_specs_of(item, made, look, beside, rows, asked=columns is not None))
    if bias is not None:
        sides[1].extend(_lights(bias, rows, look))
    return sides


def _listed(columns: Any) -> list[Any]:
    if isinstance(columns, str) or not isinstance(columns, Sequence):
        raise InputError(f"columns={columns!r}; give a list of names, such as ['study', 'arms', 'plot', 'effect'].")
    problems = [
        f"columns: {x!r} is neither a name nor a pair (head, name)." for x in columns
        if not isinstance(x, str) and not (isinstance(x, tuple) and len(x) == 2 and all(isinstance(y, str) for y in x))
    ]  # fmt: skip
    if problems:
        raise InputError(problems)
    return list(columns)


def _specs_of(item: Any, made: Contents, look: Look, beside: Beside, rows: Sequence[Row], *, asked: bool) -> list[Spec]:
    head, name = ("", item) if isinstance(item, str) else item
    if name == "arms":
        return _arms(made, look, rows, split=look.split)
    if name in ("n", "events"):
        return _arms(made, look, rows, only=name)
    if name == "weight":
        if not asked and not any(math.isfinite(r.weight) for r in rows):
            return [] if any(r.kind == "step" for r in rows) else [_weight(look, head)]
        return [_weight(look, head)]
    if name == "effect":
        return [_effect(made, look, head)]
    values = beside.values(name, rows, f"columns, {name!r}")
    cells, align = _texts(values)
    group, lines = "", wrap(head or name.replace("_", " "), _ARM, look.text, bold=True, most=3, font=look.font)
    if "\n" in head:
        group, _, below = head.partition("\n")
        lines = wrap(below, _ARM, look.text, bold=True, most=3, font=look.font)
    wide = max([width(x, look.text, True, look.font) for x in lines] + [width(x, look.text, False, look.font) for x in cells])
    return [Spec(f"column-{name}", tuple(lines), min(wide, _OTHER), align, group, dict(enumerate(cells)))]


def _weight(look: Look, head: str) -> Spec:
    lines = (head or "Weight",)
    wide = max(width(x, look.text, True, look.font) for x in (*lines, "100.0%"))
    return Spec("weight", lines, wide, "right")


def _effect(made: Contents, look: Look, head: str) -> Spec:
    word = "interval" if made.plain else "CI"
    level = f"({tx.level_text(made.level)} {word})" if made.level is not None else f"({word})"
    lines = (*wrap(head or tx.measure_text(made.question), 1.5, look.text, bold=True, most=2, font=look.font), level)
    wide = max([width(h, look.text, True, look.font) for h in lines]
               + [width(r.effect, look.text, r.kind in ("pooled", "bayes"), look.font) for r in made.rows])  # fmt: skip
    return Spec("effect", lines, wide, "right")


def _arms(made: Contents, look: Look, rows: Sequence[Row], *, split: bool = False, only: str = "") -> list[Spec]:
    q, font = made.question, look.font
    counts = any(
        r.cells.get("events0", tx.MISSING) != tx.MISSING or r.cells.get("events1", tx.MISSING) != tx.MISSING for r in rows
    )
    if not any(r.cells.get(f"arm{i}", "") not in ("", tx.MISSING) for r in rows for i in (0, 1)):
        return []
    sized = any(r.cells.get(f"n{i}", tx.MISSING) != tx.MISSING for r in rows for i in (0, 1))
    timed = q.facts.kind == "rates" and counts and not sized  # events of person-time are out of no number of patients
    out = []
    for side, name in enumerate((q.experimental, q.control)[: 1 if q.facts.one_group else 2]):
        unnamed = q.facts.one_group and name == type(q).experimental
        shown = "" if unnamed else name[:1].upper() + name[1:]
        names = wrap(shown, _ARM, look.text, bold=True, most=3, font=font) if shown else []
        if only or (split and counts):
            parts = [(only, only.capitalize() if only == "events" else "n")] if only else [("events", "Events"), ("n", "Total")]
            for part, word in parts:
                key = f"{part}{side}"
                texts = [r.cells.get(key, "") for r in made.rows]
                wide = max([width(word, look.text, True, font)] + [width(x, look.text, True, font) for x in texts])
                out.append(Spec(key, (word,), wide, "right", group=shown))
            continue
        key, word = (f"events{side}", "events") if timed else (f"arm{side}", "events/n" if counts else "n")
        head = (*names, word)
        texts = [r.cells.get(key, "") for r in made.rows]
        wide = max([width(h, look.text, True, font) for h in head] + [width(x, look.text, True, font) for x in texts])
        out.append(Spec(key, head, wide, "center"))
    return out


def _texts(values: Sequence[Any]) -> tuple[list[str], str]:
    """Cells of a column, numbers with as many decimals as the column needs (two at most)."""
    numbers = [float(x) for x in values if isinstance(x, (int, float)) and not isinstance(x, bool)]
    finite = [x for x in numbers if math.isfinite(x)]
    digits = next((d for d in range(2) if all(np.isclose(round(x, d), x, rtol=0, atol=1e-9) for x in finite)), 2)

    def text(x: Any) -> str:
        if x is None or x == "" or (isinstance(x, float) and math.isnan(x)):
            return tx.MISSING
        return tx.number(float(x), digits) if isinstance(x, (int, float)) else " ".join(str(x).split())

    return [text(x) for x in values], "right" if numbers else "left"


def _lights(bias: RiskOfBias, rows: Sequence[Row], look: Look) -> list[Spec]:
    """A column a domain, and one of the overall judgement; a study that nobody judged has dots."""
    place = {name: i for i, name in enumerate(bias.labels)}
    at = [place.get(r.key, place.get(str(r.info.get("study_id")), place.get(r.label))) for r in rows]
    if all(x is None for x in at):
        raise InputError(f"bias judges {', '.join(bias.labels)}; none of them is in the figure.")
    columns = [(f"D{j + 1}", [bias.judgements[x][j] if x is not None else "" for x in at]) for j in range(len(bias.terms))]
    if any(bias.overall):
        columns.append(("All", [bias.overall[x] if x is not None else "" for x in at]))
    return [
        Spec(f"bias{j}", (head,), max(_LIGHT, width(head, look.small, True, look.font)), "center", "Risk of bias",
             dict(enumerate(words)), light=True)
        for j, (head, words) in enumerate(columns)
    ]  # fmt: skip


def lights_note(bias: RiskOfBias) -> str:
    """What the lights and the numbers of the domains mean."""
    signs = "; ".join(f"{x.sign} {x.word}" for x in bias.instrument.levels)
    domains = "; ".join(f"D{j + 1} {name}" for j, name in enumerate(bias.terms))
    overall = "; All: overall judgement" if any(bias.overall) else ""
    return f"Risk of bias ({bias.tool}): {signs}; · not judged. {domains}{overall}."

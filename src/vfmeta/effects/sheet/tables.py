"""Effect tables of a sheet, one an outcome."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from vfmeta.core.measures import Measure, row
from vfmeta.core.messages import InputError, did_you_mean, warn_each
from vfmeta.core.origin import LeftOut
from vfmeta.core.question import Question
from vfmeta.effects.compare.published import Unusable
from vfmeta.effects.effect import Effect
from vfmeta.effects.sheet import arms, estimates
from vfmeta.effects.sheet.doubts import FLAG, doubts
from vfmeta.effects.sheet.kinds import WORDS, kinds_of, measure_named, own_measure, usable
from vfmeta.effects.sheet.made import Made, Options, make
from vfmeta.effects.sheet.measure import measure_of
from vfmeta.effects.sheet.names import STATISTICS
from vfmeta.effects.sheet.recognise import paste
from vfmeta.effects.sheet.sheet import Sheet, sheet_of
from vfmeta.effects.table import EffectTable
from vfmeta.text.notes import MISSING

_YES = {
    "true": True,
    "yes": True,
    "1": True,
    "1.0": True,
    "t": True,
    "false": False,
    "no": False,
    "0": False,
    "0.0": False,
    "f": False,
}


#: what a mapping to paste shows where no figures were recognised
_EXAMPLE = ("study", "mean1", "sd1", "n1", "mean2", "sd2", "n2")


def tables_of(
    frame: pd.DataFrame,
    *,
    columns: Mapping[str, Any] | None = None,
    measure: str | Mapping[str, str] | None = None,
    outcome: str | None = None,
    sides: tuple[str, str] | None = None,
    higher_is_worse: bool | None = None,
    points: tuple[float, float] | None = None,
    mid: float | None = None,
    options: Options | None = None,
    level: float | None = None,
    decimal: str | None = None,
    missing: str = "raise",
) -> dict[str, EffectTable]:
    """The effect table of each outcome of a sheet, or of the one that is asked for; parameters as in `vfmeta.read`."""
    asked = measure if isinstance(measure, str) else None
    sheet = sheet_of(frame, columns=columns, sides=sides, measure=asked, decimal=decimal, level=level)
    if not any(kinds_of(sheet, i) for i in range(sheet.k)):
        free = [x for x in frame.columns if x not in sheet.roles.column.values()]
        raise InputError(
            "No figures of an effect were recognised in any row. Say what the columns are, such as "
            + paste(dict.fromkeys(_EXAMPLE, "...") | sheet.roles.column)
            + f"\nNot recognised: {', '.join(map(repr, map(str, free))) or 'none'}."
        )
    groups = _outcomes(sheet, outcome)
    options = options or Options()
    tables, problems, notes = {}, list[str](), list[str]()
    for name, rows in groups.items():
        own = measure.get(name) if isinstance(measure, Mapping) else measure
        try:
            tables[name] = _table(sheet, rows, name, own, (higher_is_worse, points, mid), options, missing, notes)
        except InputError as error:
            problems += error.problems
    if problems:
        raise InputError(problems)
    warn_each(dict.fromkeys(notes))
    return tables


def _outcomes(sheet: Sheet, outcome: str | None) -> dict[str, list[int]]:
    if "outcome" not in sheet.texts:
        return {outcome or "": list(range(sheet.k))}
    groups: dict[str, list[int]] = {}
    nameless = [sheet.where(i) for i in range(sheet.k) if not sheet.text("outcome", i)]
    if nameless:
        raise InputError(
            f"Column {sheet.roles.column['outcome']!r} is empty in {', '.join(nameless[:6])}; say of which outcome the row is."
        )
    for i in range(sheet.k):
        groups.setdefault(sheet.text("outcome", i), []).append(i)
    if outcome is None:
        return groups
    if outcome not in groups:
        raise InputError(
            f"No outcome {outcome!r}.{did_you_mean(outcome, groups)} The outcomes are {', '.join(map(repr, groups))}."
        )
    return {outcome: groups[outcome]}


def _table(
    sheet: Sheet,
    rows: list[int],
    outcome: str,
    asked: str | None,
    stated: tuple[bool | None, tuple[float, float] | None, float | None],
    options: Options,
    missing: str,
    notes: list[str],
) -> EffectTable:
    _refuse_twice(sheet, rows, outcome)
    code, how = measure_of(sheet, rows, asked or _stated(sheet, rows), outcome)
    facts = row(code)
    made: dict[int, Made] = {}
    why: dict[int, str] = {}
    given = [i for i in rows if estimates.is_given(sheet, i) and own_measure(sheet, i) in ("", code)]
    scales = estimates.scales_of(sheet, given, code) if given else estimates.Scales(True, True)
    for i in rows:
        kinds = usable(sheet, i, facts)
        try:
            if not kinds:
                raise Unusable(_no_such(sheet, i, code))
            made[i] = make(sheet, i, kinds, code, scales, options)
        except Unusable as error:
            why[i] = str(error)
    where = f"{outcome}, " if outcome else ""
    if why and (missing != "drop" or not made):
        fix = "" if missing == "drop" else ' Correct the row, or pass missing="drop" to leave it out.'
        raise InputError([f"{where}{sheet.where(i)}: {said}.{fix}" for i, said in why.items()])
    _refuse_changes(sheet, made, code, where)
    if why:
        notes.append(
            f"{where}{MISSING} no effect follows from them: "
            + "; ".join(f"{sheet.where(i)}: {x}" for i, x in why.items())
            + "."
        )
    odd = doubts(sheet, made)
    notes += [f"{where}{x}" for x in odd.values()]
    ids = _ids(sheet, rows)
    effects = tuple(_effect(sheet, i, ids[i], one, (FLAG,) if i in odd else ()) for i, one in made.items())
    kept = list(made)
    question = Question(
        measure=code, outcome=outcome or "effect", experimental=sheet.roles.sides[0], control=sheet.roles.sides[1],
        higher_is_worse=_direction(sheet, rows, stated[0]), **_scale(sheet, rows, stated[1], stated[2], facts),
    )  # fmt: skip
    places = np.array([sheet.places[i][0] for i in kept])
    return EffectTable(
        question, effects, tuple(LeftOut(study_id=ids[i], label=sheet.labels[i], reason=x) for i, x in why.items()),
        notes=(*sheet.notes, *odd.values()), extra=sheet.frame.iloc[kept].reset_index(drop=True), places=places,
        rows_read=len(sheet.frame), taken=_taken(sheet, how, made, facts.one_group or facts.kind == "correlations"),
    )  # fmt: skip


def _refuse_twice(sheet: Sheet, rows: list[int], outcome: str) -> None:
    first: dict[str, int] = {}
    problems = []
    for i in rows:
        name = sheet.labels[i]
        if name in first:
            problems.append(
                f"{f'{outcome}, ' if outcome else ''}rows {sheet.places[first[name]][0] + 1} and {sheet.places[i][0] + 1} "
                f"({name}): a study stands twice. Put its groups together, tell two studies apart by name, or say which column "
                'tells outcomes apart: columns={"outcome": "..."}.'
            )
        first.setdefault(name, i)
    if problems:
        raise InputError(problems)


def _stated(sheet: Sheet, rows: list[int]) -> str | None:
    """The measure that the column of measures names in every row; an unknown one is a fault."""
    if "measure" not in sheet.texts:
        return None
    cells = {i: x for i in rows if (x := sheet.text("measure", i))}
    name = sheet.roles.column["measure"]
    strange = [
        f"{sheet.where(i)}, column {name}: {x!r} is no effect measure that is known."
        for i, x in cells.items()
        if not measure_named(x)
    ]
    if strange:
        raise InputError(strange)
    found = {measure_named(x) for x in cells.values()}
    return found.pop() if len(found) == 1 and len(cells) == len(rows) else None


def _no_such(sheet: Sheet, i: int, code: str) -> str:
    kinds, own = kinds_of(sheet, i), own_measure(sheet, i)
    if not kinds:
        there = sheet.roles.column
        alone = [r[:-1] + ("1" if r[-1] == "2" else "2") for r in there if r[-1] in "12" and sheet.has(i, r)]
        gaps = [repr(there[r]) for r in alone if r in there and not sheet.has(i, r)]
        return "it holds no figures of an effect" + (f": nothing stands in {', '.join(gaps)}" if gaps else "")
    if own and own != code and kinds[0] == "estimate":
        return f"it gives a {own}, which is never mixed with {code}"
    return f"it holds {WORDS[kinds[0]]}, from which no {code} follows"


def _refuse_changes(sheet: Sheet, made: dict[int, Made], code: str, where: str) -> None:
    """Standardised by different SDs, changes and final values are not alike; as mean differences they are."""
    if not row(code).within or row(code).kind != "means":
        return
    change = [i for i, x in made.items() if x.kind == "change"]
    final = [i for i, x in made.items() if x.kind == "final"]
    if change and final:
        raise InputError(
            f"{where}changes ({', '.join(sheet.where(i) for i in change[:6])}) and final values "
            f"({', '.join(sheet.where(i) for i in final[:6])}) have SDs of different things: a standardised difference never "
            'mixes them. Take measure="MD" where all are on one scale, or give changes an outcome of their own.'
        )


def _effect(sheet: Sheet, i: int, study_id: str, one: Made, flags: tuple[str, ...]) -> Effect:
    both = estimates.printed(sheet, i) if estimates.is_given(sheet, i) else ""
    own = one.kind == "estimate"
    single = one.n[1] is None and not both
    sides = [x for g in (("",) if single else ("1", "2")) if (x := arms.printed(sheet, i, g))]
    said = [both] if own and both else sides or ([both] if both else [])
    unused = [*sides] if own else [f"printed effect: {both}"] if both and sides else []
    return Effect(
        study_id=study_id, label=sheet.labels[i], y=one.y, v=one.v, n=one.n, events=one.events,
        instrument=sheet.text("instrument", i), value_type=one.kind, flags=flags,
        rows=tuple(f"row {p + 1}" for p in sheet.places[i]), steps=one.steps, printed=tuple(said), made=one.made,
        unused=tuple(f"{x} (another kind of data was taken)" for x in unused), size=one.size,
    )  # fmt: skip


def _ids(sheet: Sheet, rows: list[int]) -> dict[int, str]:
    """An identifier of each study: its name in plain letters, told apart by a number where two become alike."""
    found: dict[int, str] = {}
    seen: dict[str, int] = {}
    for i in rows:
        plain = re.sub(r"[^a-z0-9]+", "_", sheet.labels[i].casefold()).strip("_") or f"study_{i + 1}"
        seen[plain] = seen.get(plain, 0) + 1
        found[i] = plain if seen[plain] == 1 else f"{plain}_{seen[plain]}"
    return found


def _direction(sheet: Sheet, rows: list[int], asked: bool | None) -> bool | None:
    if asked is not None or "higher_is_worse" not in sheet.texts:
        return asked
    cells = {x.casefold() for i in rows if (x := sheet.text("higher_is_worse", i))}
    strange = sorted(cells - set(_YES))
    if strange or len({_YES[x] for x in cells}) > 1:
        raise InputError(
            f"Column {sheet.roles.column['higher_is_worse']!r} holds {', '.join(map(repr, sorted(cells)))} for one outcome; "
            "write yes or no, alike in all its rows."
        )
    return _YES[cells.pop()] if cells else None


def _scale(
    sheet: Sheet, rows: list[int], points: tuple[float, float] | None, mid: float | None, facts: Measure
) -> dict[str, Any]:
    """Ends of the scale of a mean difference and what matters on it, as the call or the sheet says."""
    found: dict[str, Any] = {}
    if facts.on_scale:
        own = (_one(sheet, rows, "scale_min"), _one(sheet, rows, "scale_max"))
        found["points"] = points or (own if None not in own else None)
    if (matters := mid if mid is not None else _one(sheet, rows, "mid")) is not None:
        found |= {"mid": matters, "mid_source": "the call" if mid is not None else "the sheet"}
    return found


def _one(sheet: Sheet, rows: list[int], role: str) -> float | None:
    """The one value that a column has for an outcome."""
    found = {x for i in rows if not math.isnan(x := sheet.get(role, i))}
    if len(found) > 1:
        raise InputError(f"Column {sheet.roles.column[role]!r} has several values for one outcome: {sorted(found)}.")
    return found.pop() if found else None


def _taken(sheet: Sheet, how: str, made: dict[int, Made], single: bool) -> tuple[str, ...]:
    """What each column was taken for, which group is experimental, and which measure."""
    lines = ["columns: " + ", ".join(f"{role} from {name!r}" for role, name in sheet.roles.column.items())]
    if not single:
        one, two = sheet.roles.sides
        grouped = any(role[-1] in "12" and role[:-1] in STATISTICS for role in sheet.numbers)
        first = f"group 1 is {one}, group 2 is {two}; " if grouped else "as they stand, "
        lines.append(f"groups: {first}effects are {one} against {two}")
    lines.append(f"measure: {how}")
    converted = sum(bool(x.steps) for x in made.values())
    if converted:
        lines.append(f"{converted} of {len(made)} rows converted; trace(study) says how")
    return (*lines, *(f"note: {x}" for x in sheet.notes))

"""Cells of a sheet as numbers or texts: what is read otherwise than it is written is said, what cannot be read is a fault."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from vfmeta.core.messages import InputError
from vfmeta.effects import cells

#: what people write where a number is missing; in a column of names it is a name
GAPS = {
    "",
    "na",
    "n/a",
    "n.a.",
    "nan",
    "none",
    "null",
    ".",
    "-",
    "–",
    "—",
    "nr",
    "n.r.",
    "not reported",
    "missing",
    "?",
    "#n/a",
    "nd",
}
_MINUS = str.maketrans({"−": "-", "\u2010": "-", "\u2011": "-", "\u00a0": "", "\u202f": "", "\u2009": ""})
_PLAIN = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")
_COMMA = re.compile(r"[+-]?\d+,\d+")
#: "05-Oct", "Oct-24", "5. Oct", "05/10/2024", "2024-10-05"
_MONTH = r"(?:jan|feb|mar|mär|apr|may|mai|jun|jul|aug|sep|oct|okt|nov|dec|dez)[a-z]*\.?"
_DATE = re.compile(
    rf"\d{{1,2}}[-. /]+{_MONTH}|{_MONTH}[-. /]+\d{{1,4}}|\d{{1,2}}[./]\d{{1,2}}[./]\d{{4}}|\d{{4}}-\d{{2}}-\d{{2}}",
    re.IGNORECASE,
)
_NUMBER = r"(?:(?<![\d.)\]])[-+])?(?:\d+\.?\d*|\.\d+)"


def is_gap(value: Any) -> bool:
    """Whether a cell of a column of numbers says that there is none."""
    return cells.is_missing(value) or (isinstance(value, str) and cells.bare(value).casefold() in GAPS)


def numbers(
    values: Sequence[Any], name: str, labels: Sequence[str], problems: list[str], notes: list[str], decimal: str | None = None
) -> np.ndarray:
    """Floats, NaN where nothing stands; texts that are numbers are read as such, and the notes say so.

    Parameters
    ----------
    values : sequence of k cells
    name : str
        The user's name of the column.
    labels : sequence of k names
        Names of the rows, for the messages.
    problems, notes : list of str
        Faults, and what was read otherwise than it is written.
    decimal : {".", ","}, optional
        What parts the decimals; by default a point, and a comma where no cell of the column can be read otherwise.
    """
    listed = list(values)
    texts = {i: cells.bare(x).translate(_MINUS) for i, x in enumerate(listed) if isinstance(x, str) and not is_gap(x)}
    commas = _commas(texts, name, labels, problems, decimal)
    if commas and decimal is None:
        notes.append(f"column {name}: decimal commas read as points ({next(listed[i] for i in commas)!r})")
    gaps = list(dict.fromkeys(str(x) for x in listed if isinstance(x, str) and cells.bare(x) and is_gap(x)))
    if gaps:
        notes.append(f"column {name}: {', '.join(map(repr, gaps))} read as missing")
    dated = {i: said for i, x in enumerate(listed) if not is_gap(x) and (said := _dated(x))}
    problems += [f"{cells.place(i, labels, name)}{said}" for i, said in dated.items()]
    out: list[Any] = []
    mixed = any(not isinstance(x, str) and not is_gap(x) for x in listed)
    for i, x in enumerate(listed):
        text = texts.get(i)
        if is_gap(x) or i in dated:
            out.append(math.nan)
        elif text is None:
            out.append(x)
        elif i in commas:
            out.append(float(text.replace(",", ".")))
        elif _PLAIN.fullmatch(text):
            if mixed:
                notes.append(f"{cells.place(i, labels, name)}the text {x!r} read as a number")
            out.append(float(text))
        else:
            out.append(_told(text, x, i, name, labels, problems))
    return cells.numbers(out, name, labels, problems)


def _commas(
    texts: dict[int, str], name: str, labels: Sequence[str], problems: list[str], decimal: str | None
) -> dict[int, str]:
    """Cells with a comma that parts decimals."""
    found = {i: x for i, x in texts.items() if _COMMA.fullmatch(x)}
    if not found or decimal == ".":
        return {}
    if decimal == ",":
        return found
    thousands = [i for i, x in found.items() if re.fullmatch(r"[+-]?[1-9]\d{0,2},\d{3}", x)]
    if len(thousands) == len(found) or any("." in x for x in texts.values()):
        i = next(iter(thousands or found))
        problems.append(
            f"{cells.place(i, labels, name)}{texts[i]!r} may be {float(texts[i].replace(',', '')):g} or "
            f"{float(texts[i].replace(',', '.')):g}; write it plainly, or say decimal=','."
        )
        return dict.fromkeys(found, "")  # told once
    return found


def _told(text: str, written: Any, i: int, name: str, labels: Sequence[str], problems: list[str]) -> float:
    """A fault of a text that is no number, in the words that help."""
    at = cells.place(i, labels, name)
    if text.endswith("%"):
        problems.append(f"{at}{written!r} is a percentage; write a number, or map the column as percent.")
    elif re.fullmatch(r"[+-]?\d{1,3}(,\d{3})+(\.\d+)?", text):
        problems.append(f"{at}{written!r} has commas between thousands; write {text.replace(',', '')}.")
    else:
        problems += cells_fault(written, at)
    return math.nan


def cells_fault(written: Any, at: str) -> list[str]:
    """What `cells.numbers` says of such a cell."""
    found: list[str] = []
    cells.numbers([written], "", None, found)
    return [at + x.partition(": ")[2] for x in found]


def several(
    values: Sequence[Any], name: str, labels: Sequence[str], problems: list[str], decimal: str | None = None
) -> list[tuple[float, ...]]:
    """All numbers of each cell, such as "5.1 (1.2)" or "0.8 [0.5; 1.2]", in the order they stand."""
    points = decimal == "." or any(isinstance(x, str) and re.search(r"\d\.\d", x) for x in values)
    out: list[tuple[float, ...]] = []
    for i, x in enumerate(values):
        if is_gap(x):
            out.append(())
            continue
        at = cells.place(i, labels, name)
        if not isinstance(x, str):
            known = isinstance(x, (int, float, np.number)) and not isinstance(x, bool)
            if not known:
                problems.append(f"{at}{_dated(x) or f'{x!r} is no number.'}")
            out.append((float(x),) if known else ())
            continue
        if dated := _dated(x):
            problems.append(f"{at}{dated}")
            out.append(())
            continue
        text = re.sub(r"(?<=[\d.])\s*[–—]\s*(?=[-+\d.])", " to ", x).replace("–", "-")  # between two numbers no minus
        text = re.sub(r"(\d)\s*-\s*(?=[\d.])", r"\1 to ", text.translate(_MINUS))
        if decimal == "," or ";" in text or (" to " in text and "." not in text):
            text = re.sub(r"(?<=\d),(?=\d)", ".", text)
        elif re.search(r"\d,\d", text) and not points:
            problems.append(
                f"{at}the commas of {x!r} may part decimals or numbers; say decimal=',' or decimal='.', or write \"; \" "
                "between numbers."
            )
            out.append(())
            continue
        found = tuple(float(m) for m in re.findall(_NUMBER, text))
        rest = re.sub(_NUMBER, "", text)
        if not found or re.search(r"[^\W\d_]", re.sub(r"\b(to|ci|sd|se|iqr|and|n|p|or)\b", "", rest.casefold())):
            problems.append(f"{at}{x!r} cannot be read as numbers; write them in columns of their own.")
            out.append(())
            continue
        out.append(found)
    return out


def _dated(x: Any) -> str:
    """What to say of a cell that a spreadsheet program turned into a date; empty where it is none."""
    if isinstance(x, str) and not _DATE.fullmatch(x.strip()):
        return ""
    if not isinstance(x, str) and not hasattr(x, "strftime"):
        return ""
    shown = x.strip() if isinstance(x, str) else f"{x:%Y-%m-%d}"
    return (
        f"{shown!r} is a date, into which spreadsheet programs turn entries such as '5-10'; type the range again in a cell "
        "that is formatted as text, or its two numbers into columns of their own."
    )


def typed(frame: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """Columns that ride along: numbers where all cells are plain ones, else as written, so that "007" and "None" stay texts."""
    out = {}
    for name in frame.columns:
        column = frame[name]
        listed = column.tolist()
        texts = [x for x in listed if isinstance(x, str)]
        if name in names or not texts or len(texts) < sum(not cells.is_missing(x) for x in listed):
            out[name] = column
            continue
        real = [cells.bare(x).translate(_MINUS) for x in texts if not is_gap(x)]
        plain = real and all(_PLAIN.fullmatch(x) and not re.match(r"[+-]?0\d", x) for x in real)
        if plain:
            out[name] = pd.Series([math.nan if is_gap(x) else float(cells.bare(x).translate(_MINUS)) for x in listed])
        else:
            out[name] = pd.Series([x if not cells.is_missing(x) else None for x in listed], dtype=object)
    return pd.DataFrame(out, index=frame.index)


def texts(values: Sequence[Any]) -> list[str]:
    """Cells as texts without the space around them; "" where nothing stands, and "None" stays a name."""
    out = []
    for x in values:
        if cells.is_missing(x):
            out.append("")
        elif isinstance(x, float) and x.is_integer():
            out.append(str(int(x)))  # a year or a number of a study that a gap made a float
        else:
            out.append(cells.label(x))
    return out


def level_of(level: float | None, stated: float | None) -> float:
    """The level of intervals: what the call says, else the headings, else 95%."""
    if level is not None and stated is not None and abs(level - stated) > 1e-9:
        raise InputError(
            f"The headings speak of {100 * stated:g}% intervals and level={level:g}; leave level= out, or correct it."
        )
    return level or stated or 0.95

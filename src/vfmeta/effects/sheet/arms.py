"""What the arms of a row give: size with mean and SD, or with events, each conversion in words."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from types import SimpleNamespace

from vfmeta.convert.printed import change_sd, sd_from_se
from vfmeta.core.messages import InputError
from vfmeta.effects.compare.armlevel import has_spread, mean_sd
from vfmeta.effects.compare.published import Unusable
from vfmeta.effects.sheet.sheet import Sheet
from vfmeta.text.numbers import short

_PRINTED = {
    "n": "n", "mean": "mean", "sd": "SD", "se": "SE", "ci_low": "interval from", "ci_high": "to", "median": "median",
    "q1_": "quartiles", "q3_": "to", "iqr": "interquartile range", "min": "range from", "max": "to", "events": "events",
    "_percent": "per cent with events", "time": "time at risk", "mean_pre": "mean before", "sd_pre": "SD before",
    "mean_post": "mean after", "sd_post": "SD after", "mean_change": "mean change", "sd_change": "SD of the change",
    "se_change": "SE of the change", "r": "correlation",
}  # fmt: skip


@dataclass(frozen=True)
class Arm:
    """One arm as numbers; ``kind`` is "final" or "change"."""

    n: float
    mean: float = math.nan
    sd: float = math.nan
    kind: str = "final"
    steps: tuple[str, ...] = ()


def name_of(sheet: Sheet, g: str) -> str:
    """What steps call an arm."""
    return {"1": sheet.roles.sides[0], "2": sheet.roles.sides[1]}.get(g, "of the study")


def printed(sheet: Sheet, i: int, g: str) -> str:
    """The figures of an arm as the sheet has them; "" where it has none."""
    said = [f"{word} {short(sheet.get(f'{stem}{g}', i), 6)}" for stem, word in _PRINTED.items() if sheet.has(i, f"{stem}{g}")]
    return f"{name_of(sheet, g)}: {', '.join(said)}" if said else ""


def size(sheet: Sheet, i: int, g: str) -> float:
    n = sheet.get(f"n{g}", i)
    if math.isnan(n):
        raise Unusable(f"the size of arm {name_of(sheet, g)} is not given")
    return n


def mean_arm(sheet: Sheet, i: int, g: str, change: bool, correlation: float | None) -> Arm:
    """Mean and SD of an arm: at the end, or of the change.

    Raises
    ------
    Unusable
        No mean, no size or no spread is given.
    """
    n = size(sheet, i, g)
    if n < 2:
        raise Unusable(f"fewer than 2 patients in arm {name_of(sheet, g)}")
    return _change_arm(sheet, i, g, n, correlation) if change else _final_arm(sheet, i, g, n)


def _final_arm(sheet: Sheet, i: int, g: str, n: float) -> Arm:
    name = name_of(sheet, g)
    row = _row(sheet, i, g)
    steps: list[str] = []
    wide = sheet.get(f"iqr{g}", i)
    if not has_spread(row) and not math.isnan(wide):
        centre = row.median if row.median is not None else row.mean
        if centre is not None:
            steps.append(f"arm {name}: only the width {short(wide, 4)} between the quartiles is given; they are taken as even")
            row.q1, row.q3 = centre - wide / 2, centre + wide / 2
    if row.mean is None and row.median is None:
        raise Unusable(f"no mean is given for arm {name}")
    try:
        mean, sd, more = mean_sd(row, n)
    except InputError as error:  # of one row, so that the number it names is none of the sheet's
        raise Unusable(f"arm {name}: {error.problems[0].removeprefix('row 1, ')}".rstrip(".")) from error
    return Arm(n, mean, sd, steps=(*steps, *more))


def _change_arm(sheet: Sheet, i: int, g: str, n: float, correlation: float | None) -> Arm:
    name, said = name_of(sheet, g), list[str]()
    r = next((x for x in (sheet.get(f"r{g}", i), sheet.get("r", i)) if not math.isnan(x)), correlation)
    change = sheet.get(f"mean_change{g}", i)
    if math.isnan(change):
        if not (has_end(sheet, i, g) and sheet.has(i, f"mean_pre{g}")):
            raise Unusable(f"no change is given for arm {name}, nor means before and after")
        change = _end(sheet, i, g, "mean") - sheet.get(f"mean_pre{g}", i)
        said.append(f"arm {name}: change {short(change, 4)} from the mean after less the mean before")
    sd = sheet.get(f"sd_change{g}", i)
    if math.isnan(sd) and sheet.has(i, f"se_change{g}"):
        sd = float(sd_from_se(sheet.get(f"se_change{g}", i), n))
        said.append(f"arm {name}: SD {short(sd, 4)} of the change from its standard error")
    if math.isnan(sd):
        before, after = sheet.get(f"sd_pre{g}", i), _end(sheet, i, g, "sd")
        if math.isnan(before) or math.isnan(after):
            raise Unusable(f"no SD of the change is given for arm {name}, nor SDs before and after")
        if r is None:
            raise Unusable(
                "the SD of a change needs the correlation of both measurements; say correlation=, or fill in a column r"
            )
        sd = float(change_sd(before, after, r))
        said.append(f"arm {name}: SD {short(sd, 4)} of the change from both SDs and the correlation {r:g}")
    return Arm(n, change, sd, "change", tuple(said))


def has_end(sheet: Sheet, i: int, g: str) -> bool:
    return sheet.has(i, f"mean_post{g}") or sheet.has(i, f"mean{g}")


def _end(sheet: Sheet, i: int, g: str, stem: str) -> float:
    return next((x for x in (sheet.get(f"{stem}_post{g}", i), sheet.get(f"{stem}{g}", i)) if not math.isnan(x)), math.nan)


def _row(sheet: Sheet, i: int, g: str) -> SimpleNamespace:
    """The figures of an arm as conversions take them."""

    def cell(role: str) -> float | None:
        x = sheet.get(f"{role}{g}", i)
        return None if math.isnan(x) else x

    mean = cell("mean") if cell("mean") is not None else cell("mean_post")
    sd = cell("sd") if cell("sd") is not None else cell("sd_post")
    return SimpleNamespace(
        arm_id=name_of(sheet, g), mean=mean, sd=sd, se=cell("se"), ci_low=cell("ci_low"), ci_high=cell("ci_high"),
        ci_level=100 * sheet.level, median=cell("median"), q1=cell("q1_"), q3=cell("q3_"), range_low=cell("min"),
        range_high=cell("max"),
    )  # fmt: skip


def shrunk(arm: Arm, effect: float) -> Arm:
    """An arm of clusters with its effective size."""
    return replace(arm, n=arm.n / effect)

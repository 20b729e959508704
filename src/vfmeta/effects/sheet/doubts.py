"""SDs of a sheet that are surely standard errors: too small beside the others, and of their size times the root of n."""

from __future__ import annotations

import math
from statistics import median

from vfmeta.effects.sheet.made import Made
from vfmeta.effects.sheet.sheet import Sheet
from vfmeta.trials.slips.book import far

FLAG = "sd_probably_se"
_ABSURD = 3.0  # standard deviations between two groups that no treatment sets apart
_BELIEVABLE = 1.5
_OTHERS = 3  # studies that say what is usual


def doubts(sheet: Sheet, made: dict[int, Made]) -> dict[int, str]:
    """Rows whose printed SDs read like standard errors, each with a sentence that says why and what to do."""
    spreads = {i: _printed(sheet, i) for i in made}
    by_unit: dict[str, list[float]] = {}
    for i, own in spreads.items():
        if own:
            by_unit.setdefault(sheet.text("instrument", i), []).append(_middle(own))
    usually = {unit: median(x) for unit, x in by_unit.items() if len(x) > _OTHERS}
    found = {}
    for i, own in spreads.items():
        if not own:
            continue
        unit = sheet.text("instrument", i)
        usual = usually.get(unit)
        sd, n = _middle(own), math.exp(sum(math.log(n) for _, n in own) / len(own))
        full = sd * math.sqrt(n)
        small = usual is not None and sd < usual and far(sd, usual) and usual / 2 <= full <= 2 * usual
        arms = made[i].arms
        d = abs(arms[0].mean - arms[1].mean) / sd if arms is not None else 0.0
        absurd = d > _ABSURD and d / math.sqrt(n) < _BELIEVABLE and (usual is None or full <= 2 * usual)
        if small or absurd:
            beside = f", where the others are about {usual:.3g}" if usual is not None and small else ""
            apart = f", which would set the groups {d:.1f} SDs apart" if absurd else ""
            found[i] = (
                f"{sheet.where(i)}: the SD of about {sd:.3g}{beside}{apart}, reads like a standard error of {n:.0f} patients "
                f"(SD {full:.3g}); if it is one, put it in a column SE."
            )
    return found


def _printed(sheet: Sheet, i: int) -> list[tuple[float, float]]:
    return [
        (sheet.get(f"sd{g}", i), sheet.get(f"n{g}", i))
        for g in ("1", "2")
        if sheet.get(f"sd{g}", i) > 0 and sheet.get(f"n{g}", i) > 1
    ]


def _middle(own: list[tuple[float, float]]) -> float:
    return math.exp(sum(math.log(sd) for sd, _ in own) / len(own))

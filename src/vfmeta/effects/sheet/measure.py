"""The one measure that all rows of an outcome share: named by the caller or the sheet, or the only one that fits."""

from __future__ import annotations

import math
from contextlib import suppress
from statistics import median

from vfmeta.core.measures import known, row
from vfmeta.core.messages import InputError
from vfmeta.effects.compare.published import Unusable
from vfmeta.effects.sheet.arms import Arm, mean_arm
from vfmeta.effects.sheet.kinds import WORDS, kinds_of, own_measure, usable
from vfmeta.effects.sheet.sheet import Sheet
from vfmeta.trials.slips.book import far

#: kind of data -> the measure that is taken, and what else it could be
_USUAL: dict[str, tuple[str, str]] = {
    "events": ("RR", "OR or RD"), "rates": ("IRR", "IRD"), "r": ("ZCOR", "COR"), "d": ("SMD", ""), "t": ("SMD", ""),
    "mean": ("MN", "MNLN"), "logrank": ("HR", ""),
}  # fmt: skip
_OPEN: dict[str, tuple[str, ...]] = {
    "count": ("PLO", "PR", "PFT"),
    "rate": ("IRLN", "IR"),
    "change": ("MC", "SMCC", "SMCR"),
    "oe": ("HR", "PETO"),
}
_LISTED = 6


def measure_of(sheet: Sheet, rows: list[int], asked: str | None, outcome: str) -> tuple[str, str]:
    """The measure of an outcome, and a sentence on how it was found.

    Raises
    ------
    InputError
        Rows give different measures, or several measures fit and nothing says which.
    """
    where = f"{outcome}: " if outcome else ""
    if asked is not None:
        return known(asked).code, f"{asked}, as asked for"
    named = {i: m for i in rows if (m := own_measure(sheet, i))}
    stated = list(dict.fromkeys(named.values()))
    if len(stated) > 1:
        raise InputError(
            f"{where}rows give different measures, which are never mixed: {_by_measure(sheet, named)}. Say which is meant, "
            f'such as measure={stated[0]!r} with missing="drop" to leave the others out, or give them an outcome of their own.'
        )
    kinds = {i: kinds_of(sheet, i) for i in rows}
    if stated:
        code = stated[0]
        strangers = [i for i in rows if kinds[i] and not usable(sheet, i, row(code))]
        if strangers:
            raise InputError(
                f"{where}{_rows(sheet, strangers)} {'give' if len(strangers) > 1 else 'gives'} {_of(kinds, strangers)}, from "
                f"which no {row(code).words.lower()} follows, and the other rows are {code}: never mixed. Leave them out "
                f'(measure={code!r}, missing="drop"), or give them an outcome of their own.'
            )
        return code, f"{code}, as the sheet says"
    found = {k for own in kinds.values() for k in own[:1]}
    if not found:
        return "GEN", "no row gives an effect"
    if found == {"estimate"}:
        return "GEN", "effects of no stated measure; measure= names it"
    if (
        found <= {"events", "rates", "estimate", "logrank"}
        and "rates" in found
        and all("events" in k for k in kinds.values() if k)
    ):
        found = (found - {"rates"}) | {"events"}
    if "estimate" in found:
        bare = [i for i in rows if kinds[i][:1] == ("estimate",)]
        others = [i for i in rows if kinds[i] and i not in bare]
        raise InputError(
            f"{where}{_rows(sheet, bare)} {'give' if len(bare) > 1 else 'gives'} an estimate without its measure, beside "
            f'{_of(kinds, others)} in {_rows(sheet, others)}. Name the measure of the estimates: measure="...", or a column '
            "measure."
        )
    if found <= {"means", "changes", "d", "t"}:
        return _of_means(sheet, rows, found, where)
    if len(found) == 1:
        kind = next(iter(found))
        if kind in _USUAL:
            code, other = _USUAL[kind]
            more = f"; measure= takes another ({other})" if other else ""
            return code, f"{code}, as all rows hold {WORDS[kind]}{more}"
        options = _OPEN[kind]
        raise InputError(
            f"{where}rows hold {WORDS[kind]}, which may become {', '.join(f'{m} ({row(m).words.lower()})' for m in options)}. "
            f"Say which: measure={options[0]!r}."
        )
    apart = {k: [i for i in rows if kinds[i][:1] == (k,)] for k in sorted(found)}
    said = "; ".join(f"{WORDS[k]} in {_rows(sheet, own)}" for k, own in apart.items())
    raise InputError(
        f"{where}rows hold data of different kinds, of which no one measure is made without an assumption: {said}. Give each "
        f'an outcome of its own, or name the measure and leave the others out (measure="...", missing="drop").'
    )


def _of_means(sheet: Sheet, rows: list[int], found: set[str], where: str) -> tuple[str, str]:
    """Mean difference where all is on one scale, standardised where it cannot be; a question where neither is sure."""
    if found & {"d", "t"}:
        return "SMD", "SMD, as some rows give d or t alone"
    units = list(dict.fromkeys(x for i in rows if (x := sheet.text("instrument", i))))
    name = repr(sheet.roles.column.get("instrument", ""))
    ways = 'measure="MD" (all on one scale) or measure="SMD" (in standard deviations)'
    if len(units) > 1:
        raise InputError(
            f"{where}column {name} names several scales ({', '.join(map(repr, units[:_LISTED]))}), so that a mean difference "
            f"would mix units. Say {ways}."
        )
    if units:
        return "MD", f"MD, as all rows are in {units[0]!r}; measure= takes another (SMD)"
    spreads = [(arm.sd, arm.n) for i in rows for arm in _arms(sheet, i)]
    if not spreads:
        return "MD", "MD, as on one scale; measure= takes another (SMD)"
    usual = median(sd for sd, _ in spreads)
    apart = [(sd, n) for sd, n in spreads if far(sd, usual)]
    if any(not usual / 2 <= sd * math.sqrt(n) <= 2 * usual for sd, n in apart):  # others read like standard errors
        low, high = (f(sd for sd, _ in spreads) for f in (min, max))
        raise InputError(f"{where}means may be on one scale or on several: SDs run from {low:.3g} to {high:.3g}. Say {ways}.")
    return "MD", f"MD, as SDs of about {usual:.3g} look like one scale; measure= takes another (SMD)"


def _arms(sheet: Sheet, i: int) -> list[Arm]:
    """The arms of a row with their SDs, given or converted."""
    found = []
    for g in ("1", "2"):
        with suppress(Unusable):
            found.append(mean_arm(sheet, i, g, False, None))
    return found


def _rows(sheet: Sheet, rows: list[int]) -> str:
    said = ", ".join(sheet.where(i) for i in rows[:_LISTED])
    return said + (f" and {len(rows) - _LISTED} more" if len(rows) > _LISTED else "")


def _of(kinds: dict[int, tuple[str, ...]], rows: list[int]) -> str:
    return " and ".join(dict.fromkeys(WORDS[kinds[i][0]] for i in rows))


def _by_measure(sheet: Sheet, named: dict[int, str]) -> str:
    return "; ".join(f"{m} in {_rows(sheet, [i for i, x in named.items() if x == m])}" for m in dict.fromkeys(named.values()))

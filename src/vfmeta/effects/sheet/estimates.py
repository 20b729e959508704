"""A row that gives an effect itself: estimate with standard error, variance, interval, p value or test statistic."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from vfmeta.core.measures import row as facts_of
from vfmeta.core.messages import InputError
from vfmeta.effects.compare.published import Published, Unusable, effect_of
from vfmeta.effects.sheet.sheet import Sheet
from vfmeta.text.numbers import short

_ROLES = ("estimate", "y", "d", "v", "se", "se_log", "ci_low", "ci_high", "p", "t", "oe", "oe_v")


@dataclass(frozen=True)
class Scales:
    """Whether estimates and limits of a ratio are logs, for all rows of one measure, and whether a risk is in per cent."""

    estimate: bool
    limits: bool
    percent: bool = False


def is_given(sheet: Sheet, i: int) -> bool:
    """Whether a row gives an estimate, or an interval that holds one."""
    return sheet.has(i, "estimate") or sheet.has(i, "y") or sheet.has(i, "ci_low", "ci_high")


def printed(sheet: Sheet, i: int) -> str:
    """The figures as the sheet has them."""
    words = {"estimate": "estimate", "y": "effect", "v": "variance", "se": "SE", "se_log": "SE of the log", "ci_low": "from",
             "ci_high": "to", "p": "p", "t": "test statistic", "d": "Cohen's d", "oe": "O-E",
             "oe_v": "its variance"}  # fmt: skip
    bound = f" {sheet.text('p_operator', i)}" if sheet.text("p_operator", i) in ("<", ">") else ""
    return ", ".join(
        f"{words[r]}{bound if r == 'p' else ''} {short(sheet.get(r, i), 6)}" for r in _ROLES if sheet.has(i, r)
    )  # fmt: skip


def scales_of(sheet: Sheet, rows: list[int], measure: str) -> Scales:
    """On which scale estimates and limits of a measure stand, told by their numbers.

    Raises
    ------
    InputError
        A ratio could be one or its log: the message says what to write.
    """
    facts = facts_of(measure)
    if facts.steps == 100.0:  # differences of risks: some write per cent
        most = max((abs(x) for i in rows for r in ("estimate", "y") if not math.isnan(x := sheet.get(r, i))), default=0.0)
        return Scales(True, True, percent=most > 1)
    if not facts.is_ratio:
        return Scales(True, True)
    plain = "estimate" in sheet.numbers and sheet.roles.measure != ""
    role = "estimate" if "estimate" in sheet.numbers else "y"
    centre, low, high = (np.array([sheet.get(r, i) for i in rows]) for r in (role, "ci_low", "ci_high"))
    logs = _logs(centre, low, high)
    name = sheet.roles.column.get(role, role)
    if role == "estimate" and plain:
        if (centre <= 0).any():
            bad = rows[int(np.flatnonzero(centre <= 0)[0])]
            raise InputError(
                f"{sheet.where(bad)}, column {name}: {sheet.get(role, bad):g} is no {facts.words.lower()}; ratios are above 0. "
                f'If the column holds logs, say columns={{"y": {name!r}}}.'
            )
        return Scales(False, bool((low <= 0).any() or (high <= 0).any()) or logs[1] is True)
    if sheet.roles.measure or (centre <= 0).any() or logs[0] is True:  # headed "log OR", or plainly logs
        return Scales(True, logs[1] is not False)
    if logs[0] is False:
        return Scales(False, False)
    if sheet.roles.column.get("y", "").casefold() in ("yi", "te", "y", "logor", "loghr"):
        return Scales(True, logs[1] is not False)
    raise InputError(
        f"Column {name!r} may hold the {facts.words.lower()} or its log, and nothing tells which. Say it: "
        f'columns={{"y": {name!r}}} for logs, or columns={{"estimate": {name!r}}} for the ratio with its interval.'
    )


def _logs(centre: np.ndarray, low: np.ndarray, high: np.ndarray) -> tuple[bool | None, bool | None]:
    """Whether estimates, and limits, are logs; None where the numbers do not tell."""
    known = ~np.isnan(centre + low + high) & (high > low)
    if not known.any():
        return None, None
    c, lo, hi = centre[known], low[known], high[known]
    if (lo <= 0).any():
        return True, True
    with np.errstate(all="ignore"):
        plain = np.median(np.abs((lo + hi) / 2 - c) / (hi - lo))  # estimate and limits on one scale, even about it
        both = np.median(np.abs((np.log(lo) + np.log(hi)) / 2 - np.log(c)) / np.log(hi / lo)) if (c > 0).all() else math.inf
        mixed = np.median(np.abs((np.log(lo) + np.log(hi)) / 2 - c) / np.log(hi / lo))
    best = min(plain, both, mixed)
    if best > 0.1 or sorted((plain, both, mixed))[1] < 2 * best + 0.005:
        return None, None
    return (True, True) if best == plain else (False, False) if best == both else (True, False)


def effect(sheet: Sheet, i: int, measure: str, scales: Scales, df: float | None = None) -> tuple[float, float, list[str]]:
    """Effect and variance on the analysis scale, with the steps.

    Raises
    ------
    Unusable
        No standard error follows from what the row gives.
    """
    ratio, steps = facts_of(measure).is_ratio, list[str]()
    y = sheet.get("estimate", i) if sheet.has(i, "estimate") else sheet.get("y", i)
    low, high, se = sheet.get("ci_low", i), sheet.get("ci_high", i), sheet.get("se", i)
    if not math.isnan(low + high) and low >= high:
        raise Unusable(f"the lower limit {low:g} is not below the upper one {high:g}")
    if ratio and not scales.estimate and not math.isnan(y):
        y = math.log(y)
        steps.append("logarithm of the ratio")
    if ratio and not scales.limits and not math.isnan(low + high):
        if min(low, high) <= 0:
            raise Unusable("a limit of a ratio is not above 0")
        low, high = math.log(low), math.log(high)
        steps.append("logarithms of the limits")
    if sheet.has(i, "se_log"):
        se = sheet.get("se_log", i)
    elif ratio and not scales.estimate and not math.isnan(se):
        if math.isnan(low + high):
            raise Unusable(
                "nothing says whether the standard error is of the ratio or of its log; give the interval, or map the "
                "column as se_log"
            )
        steps.append("the standard error is not used: nothing says whether it is of the ratio or of its log")
        se = math.nan
    if math.isnan(se) and sheet.has(i, "v"):
        if sheet.get("v", i) <= 0:
            raise Unusable("the variance is not above 0")
        se = math.sqrt(sheet.get("v", i))
        steps.append(f"standard error {short(se, 4)} from the variance")
    elif not math.isnan(se) and se <= 0:
        raise Unusable("the standard error is not above 0")
    if scales.percent:
        y, low, high, se = (x / 100 for x in (y, low, high, se))
        steps.append("percentage points to a proportion")
    if not math.isnan(low + high + y) and not low <= y <= high:
        raise Unusable("the estimate lies outside its own interval")
    if math.isnan(se) and math.isnan(low + high) and sheet.has(i, "t") and not math.isnan(y) and y != 0:
        if sheet.get("t", i) == 0:
            raise Unusable("a test statistic of 0 gives no standard error")
        se = abs(y / sheet.get("t", i))
        steps.append(f"standard error {short(se, 4)} from the test statistic {sheet.get('t', i):g}")
    operator = sheet.text("p_operator", i) or "="
    row = Published("GEN", "experimental_minus_control", y, low, high, sheet.level, se, sheet.get("p", i), operator)
    made, v, more = effect_of(row, None, df)
    return made, v, [*steps, *(x for x in more if not x.startswith("standard error as printed"))]

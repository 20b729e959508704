"""What the words of a register of trials mean: numbers and p values as they are typed, measures, spreads, directions."""

from __future__ import annotations

import re
from typing import NamedTuple

_NUMBER = re.compile(r"[-+−]?(?:\d{1,3}(?:,\d{3})+|\d+)?(?:\.\d+)?(?:[eE][-+]?\d+)?")
_P = re.compile(r"(?:p(?:-?\s?value)?)?\s*(<=|>=|[=<>≤≥])?\s*(0?\.\d+|[01](?:\.\d+)?|\d(?:\.\d+)?[eE]-\d+)\s*", re.IGNORECASE)
#: words in the name of an effect -> measure of the field; the first that fits
_MEASURES = (
    ("HR", r"hazard"), ("OR", r"\bodds\b"), ("IRR", r"\brate ratio|incidence.* ratio"), ("RR", r"\brisk ratio|relative risk"),
    ("RD", r"\brisk difference|difference in (?:percentage|proportion|rate)s?\b"),
    ("", r"median|geometric|log"), ("MD", r"mean difference|difference (?:of|in|between).*\bmeans?\b"),
)  # fmt: skip
#: words of a spread -> what it is
_SPREADS = (
    ("", r"geometric|coefficient"), ("sd", r"standard deviation"), ("se", r"standard error"), ("ci", r"confidence"),
    ("iqr", r"inter-?\s?quartile"), ("range", r"range"),
)  # fmt: skip
#: words of a value -> column of `vfmeta.read`, and what a reader must know
_VALUES = {
    "mean": ("mean", ""),
    "least squares mean": ("mean", "a mean adjusted by a model; the SD of its standard error is not that of the values"),
    "median": ("median", ""),
    "count of participants": ("events", ""),
}


class PValue(NamedTuple):
    """A p value: its number, and whether the text gives it ("=") or a bound of it ("<", ">"); None where it is none."""

    value: float | None
    sign: str


def number(text: object) -> float | None:
    """The number of a text such as "1,234" or "-0.5"; None for "NA", "<1", an empty text and whatever else is none."""
    found = _plain(text)
    if not found or not _NUMBER.fullmatch(found) or not any(x.isdigit() for x in found):
        return None
    return float(found.replace(",", "").replace("−", "-"))


def p_value(text: object) -> PValue:
    """The p value of a text such as "=0.020", "0.05" or "<0.0001"."""
    found = _P.fullmatch(_plain(text))
    if found is None or float(found.group(2)) > 1:
        return PValue(None, "")
    sign = {"": "=", "<=": "<", "≤": "<", ">=": ">", "≥": ">"}.get(found.group(1) or "", found.group(1))
    return PValue(float(found.group(2)), str(sign))


def measure(text: object) -> str:
    """The effect measure that an analysis names; empty where it is none that is pooled."""
    words = _words(text)
    return next((name for name, pattern in _MEASURES if re.search(pattern, words)), "")


def spread(text: object) -> str:
    """What a spread is: "sd", "se", "ci", "iqr" or "range"; empty for others and none."""
    words = _words(text)
    return next((name for name, pattern in _SPREADS if re.search(pattern, words)), "")


def statistic(text: object, unit: object) -> tuple[str, str, str]:
    """Column of `vfmeta.read` that a value belongs to, what to know of it, and why it belongs to none."""
    words, of = _words(text), _words(unit)
    if words == "number":
        if re.fullmatch(r"(?:number of )?(?:participants?|patients?|subjects?)", of):
            return "events", "", ""
        if re.match(r"(?:percent|%)", of):
            return "percent", "", ""
        return "", "", f"a number of {of or 'something'}: not of participants"
    if words in _VALUES:
        return *_VALUES[words], ""
    return "", "", f"{words or 'a value of no kind'}: nothing that is pooled as it stands"


def level(text: object) -> float | None:
    """The level of an interval in per cent, from words or a constant: "95% Confidence Interval", "CONFIDENCE_975"."""
    constant = re.fullmatch(r"confidence (\d\d)(\d?)", _words(text))
    if constant:
        return float(f"{constant[1]}.{constant[2] or 0}")
    found = re.search(r"(\d{2}(?:\.\d+)?)\s*%|^\s*(\d{2}(?:\.\d+)?)\s*$", str(text or ""))
    return float(found.group(1) or found.group(2)) if found else None


def direction(texts: tuple[str, ...], groups: tuple[str, ...]) -> tuple[str, str] | None:
    """Which of two groups is less or over the other, where a text says so with their full titles; otherwise None.

    "A versus B" and the order of the groups say nothing of the sign.
    """
    if len(groups) != 2 or not all(groups):
        return None
    found = set()
    text = " ".join(" ".join(texts).casefold().split())
    between = r"\)?\s*(?:minus|[-−–]|divided by|/|over)\s*\(?"
    for one, other in (groups, groups[::-1]):
        a, b = (re.escape(" ".join(x.casefold().split())) for x in (one, other))
        if re.search(rf"(?<!\w){a}{between}{b}(?!\w)", text):
            found.add((one, other))
    return found.pop() if len(found) == 1 else None


def _plain(text: object) -> str:
    return "" if text is None else " ".join(str(text).split())


def _words(text: object) -> str:
    """Words of a constant or of a text: "LEAST_SQUARES_MEAN" and "Least Squares Mean" are the same."""
    return _plain(str(text or "").replace("_", " ")).casefold()

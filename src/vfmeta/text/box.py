"""Sentences of an answer box: sizes in points and of 100 people, who is behind them, what is missing, what would settle it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from vfmeta.text import numbers as tx
from vfmeta.text.answer import State, trials

if TYPE_CHECKING:
    from vfmeta.core.question import Pair, Question


def points_text(q: Question, estimate: float, interval: Pair, ends: Pair, factor: float = 1.0) -> str:
    """A difference in points of a scale: 0.7 points lower with A than with B (0.1 to 1.4 lower), on 0 to 10.

    Parameters
    ----------
    q : Question
    estimate, interval : float, (float, float)
        On the analysis scale.
    ends : (float, float)
        Of the scale.
    factor : float
        Points in one unit of the analysis scale.
    """
    low_end, high_end = ends
    digits = 1 if high_end - low_end >= 10 else 2
    x, low, high = (factor * value for value in (estimate, *interval))
    size = f"{tx.fixed(abs(x), digits)} points {_way(x)} with {q.experimental} than with {q.control}"
    span = f"{tx.fixed(abs(low), digits)} {_way(low)} to {tx.fixed(abs(high), digits)} {_way(high)}"
    if (low < 0) == (high < 0):
        near, far = sorted((abs(low), abs(high)))
        span = f"{tx.fixed(near, digits)} to {tx.fixed(far, digits)} {_way(low)}"
    return f"{capital(q.outcome)}: {size} (95% interval {span}), on a scale of {low_end:g} to {high_end:g}."


def of_100_text(q: Question, base: float, treated: tuple[float, float, float]) -> str:
    """An event among 100 people, without and with the treatment; shares between 0 and 1."""
    without, (with_it, low, high) = _of_100(base), (_of_100(x) for x in treated)
    treated_text = f"{with_it} ({low} to {high}) of 100 with {q.experimental}"
    return f"{capital(q.outcome)}: {without} of 100 people with {q.control}, {treated_text}."


def baseline_text(
    names: Sequence[str], people: float, share: str, control: str, rebuilt: Sequence[str], missing: Sequence[str]
) -> str:
    """Which risk an "of 100 people" starts from, and where from."""
    where = _listed(names) if len(names) <= 3 else f"{trials(len(names))} ({', '.join(names[:3])} and others)"
    said = (
        f"The risk with {control} is that of the {people:,.0f} people in the control arms of {where}, {share}, taken as known"
    )
    said += f"; count made from a printed percentage: {', '.join(rebuilt)}" if rebuilt else ""
    return said + (f"; no count printed: {', '.join(missing)}." if missing else ".")


def treated_risk(measure: str, base: float, effect: float) -> float:
    """The risk that a ratio of risks, odds or hazards, or a difference of risks, makes of a risk without the treatment."""
    if measure == "RD":
        return min(max(base + effect, 0.0), 1.0)
    if measure == "RR":
        return min(base * effect, 1.0)
    if measure == "HR":  # proportional hazards up to the time at which the risk is told
        return -math.expm1(effect * math.log1p(-base))
    return base * effect / (1 - base + base * effect) if math.isfinite(effect) else 1.0


def behind_text(k: int, people: str, randomised: int) -> str:
    """How many trials and people stand behind a result; those randomised where no arm says how many were analysed."""
    size = (
        f"{people} people" if people else f"{randomised:,} people randomised" if randomised else "how many people is not known"
    )
    return f"{capital(trials(k))}, {size}."


def missing_text(out: int, known: int, of: str, largest: str = "", size: int = 0, everyone: int = 0, why: str = "") -> str:
    """What is left out: how many trials of all that are known, and the largest of them with its share of all people.

    Parameters
    ----------
    out, known : int
        Trials left out, and trials of the comparison.
    of : str
        The outcome.
    largest, size, everyone, why : str, int, int, str
        The largest trial left out, its people, all people randomised in trials of known size, and why it is out; empty where no
        size is known.
    """
    which = f"{capital(trials(out))} of {known}"
    if out == known:
        which = "The only trial known" if known == 1 else f"All {trials(known)} known"
    said = f"{which} on this comparison {'gives' if out == 1 else 'give'} no usable figure for {of}"
    if not largest:
        return f"{said}; how many people {'it' if out == 1 else 'they'} randomised is not known."
    name = f"it is {largest}" if out == 1 else f"the largest is {largest}"
    share = f"{size:,} people"
    if known > 1:
        share += f", {size / everyone:.0%} of the {everyone:,} randomised in trials of known size"
    return f"{said}; {name} ({share}). Why it is out: {why.rstrip('.')}."


def theirs_text(
    outcome: str, time: str, words: str, figures: tuple[float, float, float], side: str, citation: str, *, turned: bool
) -> str:
    """A pool of another review; ``figures`` have our sign where ``turned``, and a missing limit is NaN."""
    estimate, low, high = (f"{x:.4g}".replace("-", tx.MINUS) for x in figures)
    span = "no interval in the copy read" if "nan" in (low, high) else f"{low} to {high}"
    sign = "" if turned else "; as printed, for the copy read does not say which way it subtracts"
    found = f"{words} {estimate} ({span}{sign}){', in favour of ' + side if side else ''}"
    when = "" if time.startswith("not stated") else time
    return f"{capital(outcome)}{', ' if when else ''}{when}: {found}. {citation.rstrip('.')}."


def settles_text(
    state: State | None,
    k: int,
    size: str,
    hidden: str,
    *,
    possibly_more: bool = False,
    next_differs: bool = False,
    needed: float | None = None,
) -> str:
    """What would settle a question.

    Parameters
    ----------
    state : {"side", "little", "unclear"} or None
        Of the answer; None where there is none.
    k : int
        Trials behind it.
    size : str
        The smallest important difference in words; empty where it is unknown.
    hidden : str
        Who gives no figure, in words ("three trials with 400 people"); empty where all do.
    possibly_more : bool
        Whether a side is named and the interval reaches beyond the threshold on that side.
    next_differs : bool
        Whether the true effect in a next trial may be no difference, or one on the other side.
    needed : float, optional
        People in all with which the interval of a lone trial would be no wider than the threshold is far from no difference:
        it then cannot hold both.
    """
    figures = f"The figures of {hidden} left out, where it was measured, or " if hidden else ""
    if state is None:
        return capital(
            f"{figures}a randomised trial that prints mean, standard deviation and number (or the count) of each arm."
        )
    if state == "unclear":
        more = "" if needed is None else f" (about {needed:,.0f} in all, if they vary as those of this trial do)"
        until = f", or lies within {size} of it" if size else "; how small a difference still matters is not known here"
        return capital(f"{figures}more people randomised{more}, until the interval excludes no difference{until}.")
    if k == 1:
        return capital(f"{figures}a second trial that finds the same: this answer rests on one.")
    if possibly_more:
        return capital(f"{figures}more people randomised, until the interval lies on one side of {size}.")
    if state == "side" and next_differs:
        return (
            "On average there is a difference; whether a next trial would find it is open, for with these trials alone the "
            "true effect there may be none or the opposite."
        )
    if state == "side" and not size:
        return "By its interval there is a difference; how small a difference still matters is not known here."
    return "By its interval this is settled; new trials would have to contradict these."


def capital(text: str) -> str:
    """With a capital letter."""
    return text[:1].upper() + text[1:]


def _listed(names: Sequence[str]) -> str:
    return " and ".join(x for x in (", ".join(names[:-1]), *names[-1:]) if x)


def _way(x: float) -> str:
    return "lower" if x < 0 else "higher"


def _of_100(share: float) -> str:
    x = 100 * share
    return "fewer than 0.1" if 0 < x < 0.05 else tx.fixed(x, 0 if x >= 9.95 else 1).removesuffix(".0")

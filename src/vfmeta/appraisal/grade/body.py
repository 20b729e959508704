"""What the domains look at: trials with weights and people, and the thresholds that an effect is held against."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from vfmeta.appraisal.grade.thresholds import limit
from vfmeta.appraisal.taken import take
from vfmeta.core.messages import InputError
from vfmeta.core.params import is_finite
from vfmeta.core.question import Pair, Question
from vfmeta.results.fit import Result
from vfmeta.text import numbers as tx


@dataclass(frozen=True)
class Marks:
    """Where an effect begins to matter, on the analysis scale; None where nothing says so. ``basis`` says who does."""

    low: float | None
    null: float | None
    high: float | None
    basis: str
    keys: tuple[str, ...] = ()

    def place(self, value: float) -> int:
        """-1, 0 or 1: beyond the lower mark, between, or beyond the upper; without marks the side of no difference."""
        if self.low is not None and self.high is not None:
            return -1 if value <= self.low else 1 if value >= self.high else 0
        return 0 if self.null is None else int(np.sign(value - self.null))

    @property
    def every(self) -> list[float]:
        """All marks and no difference, in order."""
        return [x for x in (self.low, self.null, self.high) if x is not None]


@dataclass(frozen=True)
class Body:
    """A body of evidence: the fit, its trials, their shares of the weight (0-1) and people (NaN where unknown)."""

    fit: Result
    question: Question
    labels: tuple[str, ...]
    share: np.ndarray
    people: np.ndarray
    events: tuple[np.ndarray, np.ndarray]
    interval: Pair
    marks: Marks
    baseline: float | None
    baseline_from: str

    @property
    def k(self) -> int:
        return len(self.labels)

    def said(self, value: float) -> str:
        """An effect as people read it."""
        return tx.value_text(self.question, value, width=(self.interval[1] - self.interval[0]) / 2)

    def mark(self, value: float) -> str:
        """A threshold in words."""
        if value == self.marks.null:
            return "no difference"
        shown = self.said(value)
        better = self.question.higher_is_worse
        if better is None or self.marks.null is None:
            return f"the threshold {shown}"
        return f"the smallest important {'benefit' if (value < self.marks.null) == better else 'harm'} ({shown})"

    def weight(self, which: np.ndarray) -> str:
        """Trials by name with their share of the weight."""
        return f"{names([self.labels[i] for i in np.flatnonzero(which)])} ({percent(self.share[which].sum())} of the weight)"

    @property
    def sides(self) -> str:
        """The thresholds on whose sides effects lie, in words."""
        low, high = self.marks.low, self.marks.high
        return "no difference" if low is None or high is None else f"{self.mark(low)} and of {self.mark(high)}"


def body_of(fit: Any, baseline_risk: float | None, risk_difference: float | None, baseline_from: str = "") -> Body:
    """Read a fit or posterior, check what was stated, find the thresholds."""
    taken = take("certainty", fit, None)
    if taken.fit is None:
        raise InputError("certainty takes a fit, such as vf.random_effects or vf.bayes.random_effects return, not a table.")
    q, w = fit.question, np.asarray(fit.weights, dtype=float)
    if w.shape != (len(fit.labels),) or not np.isfinite(w).all() or w.sum() <= 0:
        raise InputError(
            f"This {type(fit).__name__} gives its trials no weights, by which domains are judged; give a pool by inverse "
            "variances."
        )
    column = taken.column
    events = column("events_control"), column("n_control")
    base, said = _baseline(q, baseline_risk, *events)
    said = baseline_from or said
    return Body(
        fit=fit, question=q, labels=fit.labels, share=w / w.sum(), people=taken.sizes, events=events,
        interval=fit.wider_interval, marks=_marks(q, base, risk_difference), baseline=base, baseline_from=said,
    )  # fmt: skip


def body_of_comparison(
    fit: Any, labels: tuple[str, ...], share: np.ndarray, interval: Pair, baseline_risk: float | None, difference: float | None
) -> Body:
    """One comparison of a network: the trials that inform it with their shares, and its interval."""
    nothing = np.full(len(labels), np.nan)
    base, said = _baseline(fit.question, baseline_risk, nothing, nothing)
    return Body(
        fit=fit, question=fit.question, labels=labels, share=share, people=nothing, events=(nothing, nothing),
        interval=interval, marks=_marks(fit.question, base, difference), baseline=base, baseline_from=said,
    )  # fmt: skip


def _baseline(q: Question, stated: float | None, events: np.ndarray, n: np.ndarray) -> tuple[float | None, str]:
    if stated is not None:
        if not is_finite(stated) or not 0 < stated < 1:
            raise InputError(f"baseline_risk={stated!r} must be a share between 0 and 1, such as 0.12.")
        return float(stated), "stated"
    known = np.isfinite(events) & np.isfinite(n) & (n > 0)
    if q.measure not in ("RR", "OR", "RD", "HR") or not known.any() or not 0 < events[known].sum() < n[known].sum():
        return None, ""
    return float(events[known].sum() / n[known].sum()), f"that of the {n[known].sum():,.0f} people in the control arms"


def _marks(q: Question, base: float | None, difference: float | None) -> Marks:
    null = q.null_effect
    if difference is not None:
        if not is_finite(difference) or not 0 < difference < 1:
            raise InputError(f"risk_difference={difference!r} must be a share between 0 and 1: 0.02 is 20 of 1,000 people.")
        if q.measure not in ("RR", "OR", "HR", "RD"):
            raise InputError(f"risk_difference= is of risks; the effect is a {q.facts.words.lower()}, whose threshold is mid=.")
        if base is None:
            raise InputError("risk_difference= needs the risk without the treatment: state baseline_risk=.")
        ends = [_effect(q, base, base + sign * difference) for sign in (-1, 1)]
        return Marks(ends[0], null, ends[1], f"{1000 * difference:g} of 1,000 people, stated")
    if q.mid is not None and null is not None:
        sure = q if q.higher_is_worse is not None else replace(q, higher_is_worse=True)
        pair = [sure.mid_effect(harm=x) for x in (False, True)]
        low, high = pair if sure.higher_is_worse else pair[::-1]
        return Marks(low, null, high, q.mid_source or "stated with the question")
    if q.compares_ratios and null is not None:
        keys = ("ratio_low", "ratio_high")
        low, high = (null + math.log(limit(x)) for x in keys)
        return Marks(low, null, high, "the rough guide of GRADE, as none is stated", keys)
    return Marks(None, null, None, "no smallest important difference is stated, so that only no difference is a threshold")


def _effect(q: Question, base: float, risk: float) -> float | None:
    """The effect that makes ``risk`` of a risk ``base``; None where no effect can."""
    if not 0 < risk < 1:
        return None
    if q.measure == "RD":
        return risk - base
    if q.measure == "RR":
        return math.log(risk / base)
    if q.measure == "HR":
        return math.log(math.log1p(-risk) / math.log1p(-base))
    return math.log(risk / (1 - risk)) - math.log(base / (1 - base))


def names(found: list[str]) -> str:
    """Trials by name, the first four of many."""
    return ", ".join(found) if len(found) <= 5 else f"{', '.join(found[:4])} and {len(found) - 4} others"


def percent(share: float) -> str:
    """A share in per cent."""
    return f"{100 * share:.0f}%"


def of_trials(n: int, k: int) -> str:
    """So many of all trials."""
    return f"{n} of {k} trial{'' if k == 1 else 's'}"

"""One analysis of a review of RevMan: its rows as entered, how it was to be pooled, and what the file says came out."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from vfmeta.core.measures import row as facts_of
from vfmeta.core.messages import InputError
from vfmeta.core.origin import LeftOut
from vfmeta.core.question import Question
from vfmeta.effects.effect import Effect
from vfmeta.effects.formulas import FORMULAS
from vfmeta.effects.formulas.common import has_contrast
from vfmeta.effects.formulas.two_means import approximate_g
from vfmeta.effects.table import EffectTable
from vfmeta.frequentist.single_tables import each_study
from vfmeta.kernels import tables

if TYPE_CHECKING:
    from vfmeta.results.fit import FrequentistResult

EVENTS = ("events1", "n1", "events2", "n2")
MEANS = ("mean1", "sd1", "n1", "mean2", "sd2", "n2")
#: what is entered for a row, by kind of data
DATA = {"events": EVENTS, "means": MEANS, "effects": ("y", "se", "n1", "n2"), "o-e": ("o_e", "variance", *EVENTS)}
#: measures by the words that RevMan or its users call them by, lower case and letters only
_MEASURES = {
    "rr": "RR", "riskratio": "RR", "relativerisk": "RR", "or": "OR", "oddsratio": "OR", "rd": "RD", "riskdifference": "RD",
    "petoor": "PETO", "petooddsratio": "PETO", "md": "MD", "meandifference": "MD", "weightedmeandifference": "MD", "smd": "SMD",
    "stdmeandifference": "SMD", "standardisedmeandifference": "SMD", "standardizedmeandifference": "SMD", "hr": "HR",
    "hazardratio": "HR", "rateratio": "IRR", "incidencerateratio": "IRR", "ratioofmeans": "ROM",
}  # fmt: skip


def measure_of(words: str) -> str:
    """The code of a measure by its words; "GEN" for one that vfmeta does not know."""
    return _MEASURES.get("".join(c for c in words.lower() if c.isalpha()), "GEN")


@dataclass(frozen=True)
class Study:
    """A study of the review, by the id that rows refer to it by."""

    study_id: str
    name: str
    year: str = ""
    data_source: str = ""
    included: bool = True


@dataclass(frozen=True)
class BiasJudgement:
    """A judgement ("low", "high", "unclear") of a study on a domain; ``group`` where outcomes are judged apart."""

    study: str
    domain: str
    judgement: str
    group: str = ""
    support: str = ""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A row: what was entered (``data``), and the numbers the file says came out of it (``stored``, as text).

    ``place`` says where in the file it stands, ``estimable`` what the file says of it.
    """

    study_id: str
    study: str
    subgroup: str
    place: str
    estimable: bool
    data: dict[str, float]
    stored: dict[str, str]


@dataclass(frozen=True, kw_only=True)
class Subgroup:
    """A subgroup by name, and what the file says came out of it."""

    name: str
    estimable: bool
    stored: dict[str, str]


@dataclass(frozen=True, kw_only=True)
class Analysis:
    """An analysis: ``number`` ("1.2"), what it compares, and how it is to be pooled.

    ``kind`` is "events", "means", "effects" (generic inverse variance) or "o-e"; ``method`` "MH", "IV" or "PETO"; ``estimator``
    that of tau2 where ``model`` is "random"; ``totals`` says whether the rows were pooled over all ("YES"), within subgroups
    only ("SUB") or not at all ("NO"). ``calculated`` is False where the file holds no results yet, ``stored`` are its results,
    as text, under vfmeta's names.
    """

    number: str
    comparison: str
    name: str
    kind: str
    measure: str
    measure_words: str
    method: str
    model: str
    estimator: str
    test: str = "Wald"
    level: float = 0.95
    study_level: float = 0.95
    sides: tuple[str, str] = ("experimental", "control")
    totals: str = "YES"
    swapped: bool = False
    estimable: bool = True
    calculated: bool = True
    subgroup_test: bool = False
    entries: tuple[Entry, ...] = ()
    subgroups: tuple[Subgroup, ...] = ()
    stored: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """Number and name, "1.2 Pain at three months"."""
        return f"{self.number} {self.name}"

    @cached_property
    def question(self) -> Question:
        return Question(measure=self.measure, experimental=self.sides[0], control=self.sides[1], outcome=self.name)

    def column(self, name: str) -> np.ndarray:
        """A number of every row, NaN where there is none."""
        return np.array([e.data.get(name, math.nan) for e in self.entries], dtype=float)

    @cached_property
    def cells(self) -> tuple[np.ndarray, ...]:
        """Events and patients of both arms, as they are analysed: the other way round where the file swaps events."""
        a, n1, c, n2 = (self.column(x) for x in EVENTS)
        return (n1 - a, n1, n2 - c, n2) if self.swapped else (a, n1, c, n2)

    @cached_property
    def effects(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Effects and variances of the rows by RevMan's formulas, and which of them exist: (k,), (k,), (k,).

        Deeks & Higgins 2010, Statistical algorithms in Review Manager 5: half a patient is added to every cell of a table with
        an empty one (in a risk difference for its variance only), and g has its approximate correction.
        """
        with np.errstate(all="ignore"):
            if self.kind == "events" and self.measure == "PETO":
                y, v = tables.peto_each(*self.cells)
            elif self.kind == "events":
                y, v = each_study(self.measure, self.cells)
                if self.measure != "RD":
                    v = np.where(has_contrast(self.cells, False), v, np.nan)
            elif self.kind == "means":
                six = [self.column(x) for x in MEANS]
                y, v = approximate_g(*six) if self.measure == "SMD" else FORMULAS["MD"][0](*six)
            elif self.kind == "o-e":
                y, v = self.column("o_e") / self.column("variance"), 1 / self.column("variance")
            else:
                y, v = self.column("y"), self.column("se") ** 2
        y, v = np.asarray(y, float), np.asarray(v, float)
        return y, v, np.isfinite(y) & np.isfinite(v) & (v > 0)

    @cached_property
    def table(self) -> EffectTable:
        """The estimable rows as an effect table; what was entered rides along, and the others are named in ``left_out``."""
        import pandas as pd

        y, v, there = self.effects
        kept = np.flatnonzero(there).tolist()
        names = _told_apart(self.entries)
        columns = {name: self.column(name) for name in DATA[self.kind]}
        effects = []
        for i in kept:
            e, d = self.entries[i], self.entries[i].data
            counts = tuple(float(x[i]) for x in self.cells) if self.kind in ("events", "o-e") and "events1" in d else None
            effects.append(Effect(
                study_id=e.study_id, label=names[i], y=float(y[i]), v=float(v[i]), rows=(e.place,), outcome=self.name,
                n=(counts[1], counts[3]) if counts else (d.get("n1"), d.get("n2")),
                events=(counts[0], counts[2]) if counts and self.kind == "events" else (None, None),
            ))  # fmt: skip
        lost = tuple(
            LeftOut(study_id=e.study_id, label=name, reason="not estimable: its effect or its standard error does not exist")
            for e, name, use in zip(self.entries, names, there, strict=True)
            if not use
        )
        extra = pd.DataFrame({"subgroup": [e.subgroup for e in self.entries], **columns}).iloc[kept].reset_index(drop=True)
        return EffectTable(
            self.question, tuple(effects), lost, self.notes, extra=extra, places=np.array(kept, dtype=int),
            rows_read=len(self.entries),
        )  # fmt: skip

    def fit(self, **choices: Any) -> FrequentistResult:
        """The analysis pooled as the file asks, by vfmeta's own verbs; ``choices`` go to the verb."""
        from vfmeta.frequentist.mantel_haenszel import mantel_haenszel, peto
        from vfmeta.frequentist.univariate import common_effect, random_effects

        table = self.table
        if not len(table):
            raise InputError(f"Analysis {self.key}: no row is estimable; there is nothing to pool.")
        if self.model == "random":
            usual: dict[str, Any] = {"method": self.estimator, "test": self.test, "level": self.level, **choices}
            return random_effects(table, **usual)
        if self.kind == "events" and self.method in ("MH", "PETO"):
            own: dict[str, Any] = {"data": table, "level": self.level, **choices}
            return mantel_haenszel(self.measure, **own) if self.method == "MH" else peto(**own)
        plain: dict[str, Any] = {"test": "Wald", "level": self.level, **choices}
        return common_effect(table, **plain)

    def within(self, subgroup: str) -> Analysis:
        """The rows of one subgroup alone."""
        return replace(self, entries=tuple(e for e in self.entries if e.subgroup == subgroup), subgroups=())

    @property
    def scale_name(self) -> str:
        """What the stored effects are: ratios of measures that are pooled on the log scale."""
        return facts_of(self.measure).read_name


def _told_apart(entries: tuple[Entry, ...]) -> list[str]:
    """Names of rows: a study in several rows is told apart by subgroup, or by number."""
    again = Counter(e.study for e in entries)
    names = [f"{e.study} [{e.subgroup}]" if again[e.study] > 1 and e.subgroup else e.study for e in entries]
    times, seen = Counter(names), Counter[str]()
    for i, name in enumerate(names):
        seen[name] += 1
        if times[name] > 1:
            names[i] = f"{name} ({seen[name]})"
    return names


def number(text: str | None) -> float | None:
    """A stored number; None where there is none ("NaN" and infinities are numbers)."""
    try:
        return float(text) if text else None
    except ValueError:
        return None


def log_effect(estimate: float | None, ratio: float | None, log: bool, where: str) -> float:
    """A generic effect of a ratio on the log scale, checked against the ratio the file shows beside it.

    Parameters
    ----------
    estimate : float or None
        As entered.
    ratio : float or None
        As the file shows it.
    log : bool
        Whether the file says that ``estimate`` is a log.
    where : str
        For the message.
    """
    shown = math.log(ratio) if ratio is not None and ratio > 0 and math.isfinite(ratio) else None
    if estimate is None:
        return math.nan if shown is None else shown
    if not log and estimate <= 0:
        raise InputError(f"{where}: the effect is entered as {estimate:g}, by what the file says a ratio, which is above 0.")
    own = estimate if log else math.log(estimate)
    # a ratio is shown with few digits at times
    if shown is not None and math.isfinite(own) and abs(own - shown) > 0.011 + 0.01 / (ratio or 1):
        raise InputError(
            f"{where}: the effect is entered as {estimate:g}, {'a log' if log else 'a ratio'} by what the file says, and shown "
            f"as the ratio {ratio:g}; the two are not the same. Say in the file which it is."
        )
    return own


__all__ = [
    "DATA", "EVENTS", "MEANS", "Analysis", "BiasJudgement", "Entry", "Study", "Subgroup", "log_effect", "measure_of", "number",
]  # fmt: skip

"""Counts of responders as a standardised mean difference, where a study prints no usable figure of the outcome itself."""

from __future__ import annotations

import math

from vfmeta.convert.measures import log_odds_ratio_to_d
from vfmeta.effects.compare.candidates import Finder
from vfmeta.effects.compare.choice import choose, distance
from vfmeta.effects.compare.options import PREFERENCES, Options
from vfmeta.effects.effect import Effect
from vfmeta.effects.words import Report
from vfmeta.text import numbers as tx


def from_responders(finder: Finder, study: str, ex: list[str], co: list[str]) -> Report | None:
    """The full report that counts of one of the ``responders`` make, of the visit nearest to the target week; None without one.

    The log odds ratio of a score cut in two is pi / sqrt(3) times the standardised mean difference behind it, where the score
    is logistic within the arms (Hasselblad and Hedges 1995; Cochrane Handbook 10.6).
    """
    trials, o = finder.trials, finder.options
    found: list[tuple[str, Effect]] = []
    for outcome in o.responders:
        counts = Options(
            outcome=outcome, measure="OR", week=o.week, window=o.window, design=o.design, prefer=PREFERENCES, unit=o.unit,
            analysis_set=o.analysis_set, time_kind=o.time_kind, use=o.use, zero=o.zero, n_missing=o.n_missing,
            counts_from_percent=o.counts_from_percent, drop_flags=o.drop_flags, exclude_rows=o.exclude_rows,
        )  # fmt: skip
        effects, _ = choose(Finder(trials, counts), study, ex, co)
        found += [(outcome, e) for e in effects if None not in e.n]
    entries = trials.entries("outcomes")
    found = [(outcome, e) for outcome, e in found if entries[outcome].higher_is_worse is not None]
    if not found or finder.worse is None:
        return None
    found.sort(key=lambda x: distance(math.nan if x[1].week is None else x[1].week, o))  # stable: ties by the order asked for
    (outcome, e), *later = found
    turned = bool(entries[outcome].higher_is_worse) != finder.worse
    y, v = (float(x) for x in log_odds_ratio_to_d(e.y, e.v) if x is not None)
    how = f"log odds ratio {tx.short(e.y, 4)} to a standardised mean difference: divided by pi/sqrt(3)"
    sign = [f"sign turned: more people with {entries[outcome].name} is less of the outcome"] if turned else []
    one, two = (float(n) for n in e.n if n is not None)
    return Report(
        study_id=e.study_id, label=e.label, kind="full", n=(one, two), y=-y if turned else y, se=math.sqrt(v),
        cohort_id=e.cohort_id, arms=e.arms, week=e.week, reading=e.reading, flags=e.flags, rows=e.rows, sources=e.sources,
        steps=(f"counts of {entries[outcome].name} stand for the outcome", *e.steps, how, *sign),
        unused=(*e.unused, *(f"{', '.join(x.rows)}: other responders, further from the target week or named later"
                             for _, x in later)),
        printed=e.printed,
    )  # fmt: skip

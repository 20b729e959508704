"""Indirectness: never computed; asked, or told by columns that people filled in."""

from __future__ import annotations

from typing import Any

import numpy as np

from vfmeta.appraisal.grade.body import Body, names, of_trials, percent
from vfmeta.appraisal.grade.thresholds import limit
from vfmeta.core.messages import InputError, did_you_mean
from vfmeta.effects import cells
from vfmeta.effects.columns import as_frame
from vfmeta.results.certainty import Domain

_NAME = "indirectness"
ASPECTS = ("population", "intervention", "comparison", "outcome")
_WORDS = ("direct", "indirect", "")


def directness(body: Body, eligibility: Any) -> Domain:
    """The domain of indirectness."""
    if eligibility is None:
        return Domain(
            name=_NAME, suggestion=None, short="asked, not answered",
            sentence="Asked: do these people, treatments, comparators and outcomes answer the question? No number tells.",
        )  # fmt: skip
    told = _read(body, eligibility)
    indirect = {a: np.array([w == "indirect" for w in words]) for a, words in told.items()}
    silent = np.array([any(not words[i] for words in told.values()) for i in range(body.k)])
    if silent.any():
        n = int(silent.sum())
        return Domain(
            name=_NAME, suggestion=None, short=f"not judged in {of_trials(n, body.k)}",
            sentence=f"Not said of {of_trials(n, body.k)}: {body.weight(silent)}.",
        )  # fmt: skip
    shares = {a: float(body.share[x].sum()) for a, x in indirect.items()}
    most = limit("indirect_most")
    heavy = [a for a, x in shares.items() if x > most]
    parts = [
        f"{a} indirect in {names([body.labels[i] for i in np.flatnonzero(indirect[a])])} ({percent(x)} of the weight)"
        for a, x in shares.items()
        if x
    ]
    any_one = np.any(list(indirect.values()), axis=0)
    down = -min(len(heavy), 2) or -int(body.share[any_one].sum() > most)
    said = f"As judged: {'; '.join(parts)}; more than {percent(most)} counts." if parts else "As judged: direct in every trial."
    return Domain(name=_NAME, suggestion=down, short="judged", sentence=said, thresholds=("indirect_most",))


def _read(body: Body, eligibility: Any) -> dict[str, list[str]]:
    frame = as_frame(eligibility)
    columns = {str(c).strip().lower(): c for c in frame.columns}
    there = [a for a in ASPECTS if a in columns]
    if "study" not in columns or not there:
        raise InputError(f"eligibility= takes a table with study and one or more of {', '.join(ASPECTS)}.")
    labels = [cells.label(x) for x in frame[columns["study"]].tolist()]
    problems = [f"eligibility: {x} stands in two rows; keep one." for x in dict.fromkeys(labels) if labels.count(x) > 1]
    found: dict[str, dict[str, str]] = {}
    for a in there:
        words = [cells.label(x).lower() for x in frame[columns[a]].tolist()]
        problems += [
            f"eligibility, row {i + 1} ({labels[i]}), column {a}: {w!r} is neither 'direct' nor 'indirect'; leave it empty "
            f"where nobody judged.{did_you_mean(w, _WORDS[:2])}"
            for i, w in enumerate(words)
            if w not in _WORDS
        ]
        found[a] = dict(zip(labels, words, strict=True))
    if problems:
        raise InputError(problems)
    return {a: [by.get(x, "") for x in body.labels] for a, by in found.items()}

"""What is said of a pool whose way back to what people read hangs on the size that it is taken with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from vfmeta.core.measures import row
from vfmeta.core.question import Pair, Question
from vfmeta.text import numbers as tx

UNEQUAL = 0.25  # of the interval, or of itself, by which a pool turned back with the smallest and the largest size may differ


def unequal_sizes(question: Question, details: Sequence[Mapping[str, Any]], estimate: float, interval: Pair) -> list[str]:
    """A sentence where the sizes of the studies (``size`` of their details) are so unequal that they decide what is read.

    Schwarzer et al. 2019, Res Synth Methods 10:476-483, on the double arcsine.
    """
    sizes = [d["size"] for d in details if d.get("size")]
    if not question.facts.scale.sized or question.size is None or not sizes or len(sizes) < len(details):
        return []
    ends = [replace(question, size=n).display(estimate) for n in (min(sizes), max(sizes))]
    low, high = (question.display(x) for x in interval)
    if abs(ends[1] - ends[0]) <= UNEQUAL * min(high - low, max(ends)):
        return []
    what = row(question.facts.read_name).words.lower()
    return [
        f"The sizes are very unequal, and what the pool is as a {what} hangs on the size that it is turned back with: "
        f"{tx.short(ends[0])} with that of the smallest study, {tx.short(ends[1])} with that of the largest. vf.glmm needs no "
        "such way."
    ]

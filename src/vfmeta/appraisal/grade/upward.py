"""Rating up: where the effect of studies that were not randomised is so large that GRADE knows a way up."""

from __future__ import annotations

import math
from collections.abc import Sequence

from vfmeta.appraisal.grade.body import Body
from vfmeta.appraisal.grade.thresholds import limit
from vfmeta.results.certainty import Domain
from vfmeta.text.box import treated_risk

UPWARD = ("up_once", "up_twice", "up_clean")


def upward(body: Body, design: str, domains: Sequence[Domain]) -> str:
    """Whether rating up could be considered, as a sentence; empty where it is no question. Nothing is rated up by it."""
    q = body.question
    if design == "randomised" or q.measure not in ("RR", "OR", "HR"):
        return ""
    ratio = q.display(body.fit.estimate)
    if q.measure == "OR":
        if body.baseline is None:
            return "Rating up: not asked; a ratio of odds is one of risks only at a known risk without the treatment."
        ratio = treated_risk(q.measure, body.baseline, ratio) / body.baseline
    fold = math.exp(abs(math.log(ratio)))
    step = 2 if fold >= limit("up_twice") else 1 if fold >= limit("up_once") else 0
    said = f"Rating up: the risk is changed {fold:.1f}-fold"
    if not step:
        return f"{said}, less than the {limit('up_once'):g}-fold from which on a large effect counts."
    levels = "one level" if step == 1 else "two levels"
    least = limit("up_twice" if step == 2 else "up_once")
    said += f", {least:g}-fold or more, for which GRADE considers {levels} up in methodologically rigorous studies"
    doubted = [d.name for d in domains if -(d.suggestion or 0) > limit("up_clean")]
    if doubted:
        return f"{said}; not here, as it is rated down for {' and '.join(doubted)}."
    return f"{said}; whether confounding explains it is for people to judge, and no level is added here."

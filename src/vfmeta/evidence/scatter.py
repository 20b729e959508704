"""Where trials disagree far beyond chance: what a page says beside the mean, so that nobody reads the mean alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vfmeta.evidence import points
from vfmeta.text import numbers as tx
from vfmeta.text.answer import count

if TYPE_CHECKING:
    from vfmeta.evidence.records import Record


def view(record: Record) -> dict[str, Any] | None:
    """Sentences and the table without each trial; None where the plan's rule does not find that the trials disagree."""
    found, fit, post, q = record.data["results"]["scattered"], record.frequentist, record.posterior, record.question
    if found is None or fit is None or post is None or fit.i2 is None:
        return None
    tails, rule = found["heavy_tails"], record.data["choices"]["scattered"]
    rows = sorted(found["without"], key=lambda row: row["estimate"])

    def said(estimate: float, interval: tuple[float, float]) -> str:
        carried = points.carried(record, estimate, interval)
        return tx.effect_text(q, estimate, interval) + (f", that is {carried}" if carried else "")

    first, last = rows[0], rows[-1]
    ends = [points.carried(record, row["estimate"]) or tx.value_text(q, row["estimate"]) for row in (first, last)]
    predicted = tx.interval_text(q, post.next_trial.interval)
    beside = (
        "" if fit.shown_prediction is None else f"; frequentist prediction interval {tx.interval_text(q, fit.shown_prediction)}"
    )
    low, high = tx.interval_text(q, (min(r["ci_low"] for r in rows), max(r["ci_high"] for r in rows))).split(" to ")
    spread, near = tx.interval_text(q, tails["prediction"]), said(tails["estimate"], tails["interval"])
    return {
        "title": f"{record.title} ({_lower(tx.measure_text(q))})",
        "lines": [
            f"{count(record.k)} trials disagree far more than chance explains. The mean of such trials "
            "stands for none of them.",
            f"True effect to expect in a next trial: {predicted}.",
            f"With a model that lets single trials lie far out the mean is {near}, and the effect to expect in a next trial "
            f"{spread}.",
            f"Leaving out one trial at a time, the mean runs from {ends[0]} (without {first['study']}) to {ends[1]} (without "
            f"{last['study']}), its intervals from {low} to {high}.",
        ],
        "rows": [{"study": r["study"], "effect": tx.effect_text(q, r["estimate"], (r["ci_low"], r["ci_high"]))} for r in rows],
        "rule": f"I² is {tx.fixed(fit.i2, 0)}%{beside}. Shown where {rule['k']:g} trials or more have an I² above "
        f"{rule['i2']:g}%. Between the trials the second model has a t distribution with {tails['df']:g} degrees of "
        "freedom, solved on a grid with the priors of the first. "
        "No trial is left out of a pool for its result; subsets are formed by what was known before, and one chosen "
        "afterwards says so.",
    }


def _lower(words: str) -> str:
    return words[:1].lower() + words[1:]

"""The answer of an analysis in one sentence, made from its numbers, with honest words where evidence is thin."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfmeta.evidence import points
from vfmeta.text import numbers as tx
from vfmeta.text.answer import count, state, trials

if TYPE_CHECKING:
    from vfmeta.evidence.records import Record


def answer(record: Record) -> str:
    """What the trials say and how sure that is, by the rule of `vfmeta.text.answer.state`."""
    lead, post = record.lead, record.posterior
    if lead is None:
        return _nothing(record)
    said = points.told(lead, record.data.get("points"), likely=lead is post)
    if record.k == 1:
        return f"Not enough to pool: one trial, {record.data['studies'][0]['label']}, found {said}"
    return f"{count(record.k)} trials give {said}"


def why(record: Record) -> str:
    """Why the Bayesian result leads, with what the frequentist one says; empty where it does not lead."""
    fit, post = record.frequentist, record.posterior
    if fit is None or post is None or record.lead is not post:
        return ""
    said, q = "excludes" if state(fit) == "side" else "includes", record.question
    shown = tx.interval_text(q, fit.interval)
    if fit.wider_interval != fit.interval:
        shown += f"; {tx.interval_text(q, fit.wider_interval)} with the ad hoc correction, which decides"
    return (
        "The Bayesian result leads, because it carries how little is known of the differences between trials; "
        f"the frequentist interval ({shown}) {said} “no difference”."
    )


def sampler(record: Record) -> tuple[str, tuple[str, ...]]:
    """What PyMC's draws say beside the exact result, and what speaks against them; empty where nothing was sampled."""
    from vfmeta.bayes.monte_carlo import agrees

    sampled = record.data["results"]["sampled"]
    if not sampled:
        return "", ()
    if "refused" in sampled:
        return f"Not checked by sampling: {sampled['refused'].rstrip('.')}", ()
    size, alarms = sampled["agreement"], []
    if sampled["warnings"]:
        alarms.append(f"PyMC's draws are not to be trusted and do not confirm this result. {' '.join(sampled['warnings'])}")
    if not agrees(size):
        alarms.append(
            f"PyMC and the exact result lie {size:.1f} Monte Carlo errors apart, more than chance explains: use neither before "
            "the reason is found."
        )
    return "" if alarms else f"PyMC agrees within {size:.1f} Monte Carlo errors", tuple(alarms)


def second_alarms(record: Record) -> tuple[str, ...]:
    """What statsmodels has against the frequentist pool; empty where it agrees or was not asked."""
    second = record.second
    if second is None or second.agrees:
        return ()
    worst = second.worst
    return (
        f"statsmodels and vfmeta disagree on the {worst.figure} of the frequentist pool ({tx.precise(worst.theirs)} and "
        f"{tx.precise(worst.ours)}): use neither before the reason is found.",
    )


def _nothing(record: Record) -> str:
    others = record.data["left_out"]
    same = [x for x in others if "not mixed with" not in x["reason"]]
    if not others:
        return "Not enough to pool: no trial of this comparison is known to the tables."
    if not same:
        return f"Not enough to pool: {trials(len(others))} of another design is all there is, and designs are never mixed."
    known = f"{trials(len(same))} of this comparison {'is' if len(same) == 1 else 'are'} known"
    unsettled = any(s.k for s in record.sensitivity)
    rest = "; figures that are not settled stand in the sensitivity analyses only" if unsettled else ""
    return f"Not enough to pool: {known}, none with a figure that can be used here{rest}."

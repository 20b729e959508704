"""How a synthesis without effect sizes was done: the nine items of SWiM (Campbell et al. 2020, BMJ 368:l6890)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vfmeta.text import numbers as tx
from vfmeta.text.answer import trials as trials_text

if TYPE_CHECKING:
    from vfmeta.evidence.plan import Plan
    from vfmeta.results.no_effects import CombinedPValues

_SHOWN = ("Stouffer, weighted", "Fisher", "Edgington")


def swim(plan: Plan, found: dict[str, Any], together: CombinedPValues | None) -> list[tuple[str, str]]:
    """Each item with its answer, from the plan and from what was found (`vfmeta.evidence.without_effects.synthesis`)."""
    outcomes = found["outcomes"]
    listed = "; ".join(o["name"] for o in outcomes)
    weeks = ["any time" if o["week"] is None else f"week {o['week']:g}" for o in outcomes]
    visits = "; ".join(f"{o['name']}: {week}" for o, week in zip(outcomes, weeks, strict=True))
    left = f" Left out by the plan: {', '.join(found['excluded'])}." if found["excluded"] else ""
    return [
        (
            "Grouping of the trials",
            f"{plan.names[0]} against {plan.names[1]}, {plan.design.replace('_', ' ')} trials; {plan.population.rstrip('.')}. "
            f"By outcome: {listed}.{left}",
        ),
        (
            "Common measure",
            "The direction of the effect: the sign of the difference between the arms (of a ratio: above or below 1), or the "
            "side that a printed comparison between the arms names. What is said of one arm alone is not used. Whether a trial "
            "called its result significant is not counted.",
        ),
        (
            "Methods",
            "Fewer than two trials print a figure that the plan can pool. By outcome: the share of trials that favour "
            f"{plan.names[0]}, with the exact binomial test of one half and the interval of Clopper and Pearson. p values are "
            "turned to one-sided ones and combined (Stouffer weighted by the root of the patients, Fisher, Edgington).",
        ),
        (
            "Which result of a trial",
            f"One for each outcome: the visit nearest to the one the plan asks for ({visits}), chosen before its result is "
            "read; there an effect with its standard error before an estimate alone, words, and figures of both arms. Figures "
            "for main and for sensitivity analyses count, words read once count, counts are rebuilt from percentages, and of "
            "reports on the same patients one counts.",
        ),
        (
            "Differences between trials",
            "Not examined: directions alone do not show them. Arms or instruments of one trial that point both ways are shown "
            "as such.",
        ),
        ("Certainty", "Not rated here."),
        (
            "Presentation",
            "Effect direction plot (all trials that compare the arms, by year) and albatross plot (those with a p value, a "
            "side and a number of patients), where two trials or more can be drawn; every trial stands in the table.",
        ),
        ("Results", _results(found, together)),
        (
            "Limits",
            "Says nothing of how large an effect is. Small and large trials count alike in the test, and it takes for granted "
            "that a trial would have printed its direction whichever way it fell.",
        ),
    ]


def _results(found: dict[str, Any], together: CombinedPValues | None) -> str:
    speaking = len({r["study_id"] for r in found["trials"]})
    said = f"Of {trials_text(found['known'])}, {speaking} compare the arms on one of these outcomes in a way that can be used."
    said += _without_selective(found["trials"])
    if together is None:
        return f"{said} Fewer than two print a p value with a side for one outcome: none are combined."
    ps = zip(together.terms, together.p_value.tolist(), strict=True)
    each = ", ".join(f"{term} {tx.p_text(p)}" for term, p in ps if term in _SHOWN)
    bounds = found["p_values"]["bounds"]
    bound = f" Printed as a bound and taken as equal to it: {', '.join(bounds)}." if bounds else ""
    return (
        f"{said} {found['p_values']['outcome'].capitalize()}: {trials_text(together.k)} with a p value and a side, one-sided "
        f"and combined: {each}. A small one says that at least one trial has an effect that way.{bound}"
    )


def _without_selective(rows: list[dict[str, Any]]) -> str:
    """The counts without trials whose source names only what was significant; empty where there are none."""
    out = []
    for outcome in dict.fromkeys(r["outcome"] for r in rows if r["selective"] and r["direction"]):
        own = [r for r in rows if r["outcome"] == outcome and r["direction"]]
        left = ", ".join(r["label"] for r in own if r["selective"])
        rest = [r["direction"] for r in own if not r["selective"]]
        named = f"{outcome.capitalize()} without trials of which only what was significant is known ({left})"
        out.append(f" {named}: {rest.count(1.0)} of {len(rest)} favour it.")
    return "".join(out)

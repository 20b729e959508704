"""What misses its level by more than three points in a setting of a report of simulations, in a line below the result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from vfmeta.core.question import Question

_SAID = {  # by verb, whose section or report it points to; what stands before a colon tells two lines of one verb apart
    "harbord": "where odds ratios differ between studies (tau2 0.15, 20 studies) the test rejects about 13% at 5%",
    "peese": "with 10 to 20 studies whose effects differ the interval holds the truth in about 90%",
    "trim_and_fill": "where effects differ and no study is missing the interval holds the truth in about 90%",
    "worst_case": "where effects differ and no study is missing the interval holds the truth in 86 to 89%, as the significant "
    "studies are left out",
    "excess_significance": "the test is cautious: with nothing to find it rejects 0 to 1% at 5%",
    "subgroups": "with groups as unequal as 3 and 10 studies, and unequal variances, the test between them rejects about 10% "
    "at 5%",
    "subgroups: several": "with three groups of 3 to 5 studies and unequal variances the test between them rejects 7 to 8% "
    "at 5%",
    "random_effects": "with 5 to 10 studies whose effects differ the Wald interval holds the truth in 86 to 91%",
    "random_effects: profile by ML": "with 5 to 20 studies and an I2 of 75% the profile-likelihood interval of tau2 by ML "
    "holds the truth in 87 to 94%, with skewed effects in 78 to 80%",
    "glmm: tau2": "with 5 to 15 trials, tau2 0.5 and a risk of 20% the interval of tau2 holds the truth in 90 to 93%",
    "common_effect: few patients": "with 8 patients an arm, whose SDs are estimated, Q rejects 8% (5 studies) to 14% (20 "
    "studies) at 5%, and the interval of a common effect holds the truth in 91%",
}
_HOMES = {"glmm": "glmm_levels.md"}  # of verbs with a report of their own


def level_note(verb: str, applies: bool = True) -> list[str]:
    """The line of a verb, pointing to its section or report; nothing where its setting does not apply."""
    name = verb.partition(":")[0]
    return [f"level: {_SAID[verb]} (reports/{_HOMES.get(name, f'levels.md#{name}')})"] if applies else []


def few_patients(question: Question, details: Sequence[Mapping[str, Any]]) -> bool:
    """Whether means are compared in arms so small that the error of their SDs matters."""
    arms = [d.get(f"n_{side}") for d in details for side in ("experimental", "control")]
    known = [n for n in arms if n is not None]
    return question.facts.kind == "means" and bool(known) and sum(known) / len(known) <= 10


def unequal_groups(sizes: Sequence[int]) -> bool:
    """Whether groups are so unequal that the test between them misses its level."""
    return len(sizes) > 1 and max(sizes) >= 3 * max(min(sizes), 1)


def several_groups(sizes: Sequence[int]) -> bool:
    """Whether there are three groups or more, one of them small, where the test between them is a little too quick."""
    return len(sizes) > 2 and min(sizes) <= 5 and not unequal_groups(sizes)

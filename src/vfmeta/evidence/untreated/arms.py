"""Arms that were given nothing that is under review: placebo, a sham, usual care, no treatment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vfmeta.text.codes import PHASES

if TYPE_CHECKING:
    from vfmeta.trials import Trials

CLASSES = {"placebo": "placebo", "sham": "sham", "usual_care": "usual care", "no_treatment": "no treatment"}
#: whose pain is that of a fracture which is not yet old; a chronic one has another course
FRESH = ("acute", "subacute", "mixed")


@dataclass(frozen=True)
class Untreated:
    """An untreated arm of a randomised trial, and why its pain is left out of the course of fresh fractures, if it is."""

    study: str
    arm: str
    given: str
    why_not: str


def untreated_arms(trials: Trials) -> list[Untreated]:
    """The untreated arms of randomised trials, in the order of the tables.

    An arm that adds nothing to a treatment which both arms were given (cement, a drug) is not untreated.
    """
    classes = dict(zip(trials.interventions.intervention_id, trials.interventions.intervention_class, strict=True))
    studies: dict[str, Any] = trials.entries("studies")
    found = []
    for row in trials.arms.itertuples():
        given, study = classes[row.intervention_id], studies[row.study_id]
        if row.role != "control" or given not in CLASSES or row.background_id or study.design != "parallel_rct":
            continue
        why = "" if study.phase in FRESH else PHASES[study.phase]
        found.append(Untreated(row.study_id, row.arm_id, CLASSES[given], why))
    return found

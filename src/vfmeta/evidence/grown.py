"""The leading pool of a plan as its trials came in: the cumulative and the sequential picture."""

from __future__ import annotations

import json
import warnings
from typing import Any

from vfmeta.core.messages import VfmetaWarning
from vfmeta.evidence.box import leader
from vfmeta.evidence.certain import graded
from vfmeta.evidence.records import Record

TITLES = {"cumulative": "the pool as the trials came in", "sequential": "whether it was enough as the trials came in"}
LEAST = 3  # two trials make one step, which the forest plot shows


def inputs_of(own: list[Record]) -> list[tuple[Record, str, str]]:
    """The leading record of a plan with the kind of each picture and what it is made from; none of a pool too small."""
    lead = leader(own)
    fit = graded(lead)
    if fit is None or lead.k < LEAST or fit.question.null_effect is None:
        return []
    kinds = [kind for kind in TITLES if kind == "cumulative" or fit.question.mid]
    held = fit.to_dict()  # its studies stand by year
    return [(lead, kind, json.dumps([kind, held], sort_keys=True, ensure_ascii=False)) for kind in kinds]


def drawn(given: str) -> Any:
    """Axes with a picture."""
    from vfmeta import plots
    from vfmeta.results.codec import read_result

    kind, result = json.loads(given)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", VfmetaWarning)  # of the first trials alone they say nothing new
        return getattr(plots, kind)(read_result(result))

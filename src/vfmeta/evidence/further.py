"""What a further trial would change of a pool of the review, remembered by what it was made from."""

from __future__ import annotations

import json
import warnings
from typing import TYPE_CHECKING, Any

from vfmeta.core.messages import InputError, VfmetaWarning
from vfmeta.evidence.cache import Cache, digest_of
from vfmeta.evidence.certain import graded, graded_data

if TYPE_CHECKING:
    from vfmeta.evidence.records import Record

_CODE = ("core", "frequentist", "bayes", "kernels", "priors", "appraisal", "text", "evidence/further.py")


def call(record: Record) -> tuple[Any, ...] | None:
    """What `Cache.get` is asked for the sentences; None where fewer than two trials stand or it has no such pool."""
    fit = graded(record)
    if fit is None or record.k < 2 or fit.question.null_effect is None:
        return None
    return (said, json.dumps(graded_data(record), sort_keys=True), digest_of(_CODE, ("numpy", "scipy")))


def lines(record: Record, cache: Cache | None = None) -> list[str]:
    """Sentences of a further trial for the result that leads, if there is one."""
    asked = call(record)
    if asked is None:
        return []
    found: dict[str, Any] = asked[0](*asked[1:]) if cache is None else cache.get(*asked)
    return list(found["lines"])


def said(given: str, code: str) -> dict[str, Any]:
    """The sentences, from a result as JSON; ``code`` only tells versions of the program apart."""
    from vfmeta.appraisal.further_trial import next_trial
    from vfmeta.results.codec import read_result

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", VfmetaWarning)  # of a single trial more they say nothing new
        try:
            found = next_trial(read_result(given))
        except InputError as error:
            return {"lines": [f"What a further trial would change cannot be said: {error.problems[0]}"]}
    return {"lines": [*found.sentences, found.size_sentence]}

"""What a further trial would change of a pool of the review, remembered by what it was made from."""

from __future__ import annotations

import json
import warnings
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from vfmeta.core.messages import InputError, VfmetaWarning
from vfmeta.evidence.cache import Cache, digest_of
from vfmeta.evidence.certain import graded

if TYPE_CHECKING:
    from vfmeta.evidence.records import Record

_CODE = ("core", "frequentist", "bayes", "kernels", "priors", "appraisal", "text", "evidence/further.py")


def lines(record: Record, cache: Cache | None = None) -> list[str]:
    """Sentences of a further trial for the result that leads; none where fewer than two trials stand or it has no such pool."""
    fit = graded(record)
    if fit is None or record.k < 2 or fit.question.null_effect is None:
        return []
    given = json.dumps(fit.to_dict(), sort_keys=True)
    found: dict[str, Any] = said(given, "") if cache is None else cache.get(said, given, _code())
    return list(found["lines"])


@lru_cache(maxsize=1)
def _code() -> str:
    """Of the code that this process runs, which does not change under it."""
    return digest_of(_CODE, ("numpy", "scipy"))


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

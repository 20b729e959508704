"""Publication bias: a test where ten trials allow one, and the trials known to exist without a readable result."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np

from vfmeta.appraisal.grade.body import Body, names, percent
from vfmeta.appraisal.grade.thresholds import limit
from vfmeta.core.messages import InputError, VfmetaWarning
from vfmeta.core.params import is_finite
from vfmeta.results.certainty import Domain
from vfmeta.text import numbers as tx

_NAME = "publication bias"


def unpublished(body: Body, unread: Mapping[str, float | None]) -> Domain:
    """The domain of publication bias; with fewer trials than a test needs it is open."""
    said, keys = told_of_unread(body, unread), ("asymmetry_trials",)
    few = body.k < limit("asymmetry_trials")
    if few:
        trials = f"{body.k} trial{'' if body.k == 1 else 's'}"
        head = f"No test possible: {trials}, and fewer than {limit('asymmetry_trials'):g} say nothing."
        return Domain(
            name=_NAME, suggestion=None, short="not judged (no test possible)",
            sentence=f"{head} {said}", thresholds=keys,
        )  # fmt: skip
    from vfmeta.appraisal.small_study import small_study_test

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", VfmetaWarning)
            test = small_study_test(body.fit)
    except InputError as error:
        return Domain(
            name=_NAME, suggestion=None, short="not judged (no test possible)",
            sentence=f"No test possible: {error} {said}", thresholds=keys,
        )  # fmt: skip
    p = float(test.p_value)
    found = p < limit("asymmetry_p")
    verdict = "small trials show other effects than large ones" if found else "it finds nothing, which rules nothing out"
    return Domain(
        name=_NAME, suggestion=-1 if found else 0, short="tested",
        sentence=f"{test.name}: {tx.p_text(p)} (below {limit('asymmetry_p'):g} counts): {verdict}. {said}",
        thresholds=(*keys, "asymmetry_p"),
    )  # fmt: skip


def told_of_unread(body: Body, unread: Mapping[str, float | None]) -> str:
    """The trials without a readable result with their share of all people; whether that is bias no table can tell."""
    if not unread:
        return "No trial without a readable result was named."
    known = {x: float(n) for x, n in unread.items() if n is not None and not math.isnan(n)}
    one = len(unread) == 1
    head = "1 trial is" if one else f"{len(unread)} trials are"
    said = f"{head} known to exist and {'gives' if one else 'give'} no readable result ({names(list(unread))})"
    seen = body.people[~np.isnan(body.people)]
    if not known or not seen.size:
        return f"{said}; what share of all people that is, is not known."
    out = sum(known.values())
    everyone = out + seen.sum()
    unsized = len(unread) - len(known) + body.k - seen.size
    rest = f"; {unsized} of unknown size" if unsized else ""
    return f"{said}, {out:,.0f} people, {percent(out / everyone)} of the {everyone:,.0f} in trials of known size{rest}."


def checked(unread: Any, fit: Any) -> dict[str, float | None]:
    """Trials without a readable result by name, with people; those that the table of the fit left out where none are named."""
    if unread is None:
        return {x.label: None for x in fit.left_out}
    if not isinstance(unread, Mapping):
        if isinstance(unread, str) or not hasattr(unread, "__iter__"):
            raise InputError(f"unread={unread!r} must be names of trials, or their numbers of people by name.")
        unread = dict.fromkeys(map(str, unread))
    wrong = [f"unread: {x} has {n!r} people; give a number of 0 or more, or None." for x, n in unread.items()
             if n is not None and not (is_finite(n) and n >= 0)]  # fmt: skip
    wrong += [f"unread: {x} is a trial of the pool, whose result was read." for x in unread if x in fit.labels]
    if wrong:
        raise InputError(wrong)
    return {str(x): None if n is None else float(n) for x, n in unread.items()}

"""Arms of a network with their own likelihood: rows in, checked trials out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from vfmeta.core.messages import InputError
from vfmeta.core.origin import Origin
from vfmeta.core.params import Missing, choice
from vfmeta.core.question import Question
from vfmeta.effects.cells import check_question
from vfmeta.effects.columns import as_frame, refuse_unfit
from vfmeta.networks.fit import refuse_other_null
from vfmeta.networks.graph import Network, Trial
from vfmeta.networks.likelihoods import LIKELIHOODS, Columns, Likelihood
from vfmeta.networks.trials import by_trial, columns_of, leave_out, not_comparing, reference_of, refuse_parts


@dataclass(frozen=True)
class NetworkArms:
    """Arms in the order of trials, in each the reference treatment first and then by name.

    ``trial`` (r,) is the place of each arm's trial, ``treatment`` (r,) that of its treatment in ``net.treatments``; ``columns``
    hold what the likelihood reads, ``crude`` predictors and variances as counted. The contrasts of ``net`` are crude too.
    """

    question: Question
    likelihood: Likelihood
    net: Network
    trial: np.ndarray
    treatment: np.ndarray
    columns: Columns
    crude: tuple[np.ndarray, np.ndarray]
    names: tuple[str, ...]

    @property
    def studies(self) -> tuple[str, ...]:
        return tuple(t.label for t in self.net.trials)

    @property
    def contrast_names(self) -> tuple[str, ...]:
        """Every arm but the first of its trial."""
        return tuple(f"{t.label}: {a} v {t.arms[0]}" for t in self.net.trials for a in t.arms[1:])


def read_network_arms(
    data: Any, given: Mapping[str, Any], measure: str | None, reference: Any, question: Question | None, missing: Missing
) -> NetworkArms:
    """Check rows of arms; ``given`` maps study, treatment, mean, sd, n, events and time to columns, arrays or None."""
    check_question(question)
    refuse_other_null(question)
    missing = choice("missing", missing, Missing)
    frame = None if data is None else as_frame(data)
    there = set() if frame is None else set(frame.columns)
    found = {name: name if value is None and name in there else value for name, value in given.items()}
    measure = _measure(measure, question, {name for name, value in found.items() if value is not None})
    likelihood = LIKELIHOODS[measure]
    needed = ("study", "treatment", *likelihood.columns)
    refuse_unfit(needed, found, given, f"{measure} of arms takes")
    numbers, texts, _, rows_read, lost, notes = columns_of(
        {name: found[name] for name in needed}, frame, missing, counts="events" in needed
    )
    problems, kept, left = _faults(texts)
    if problems:
        raise InputError(problems)
    leave_out(left, "of a comparison", kept, lost, notes)
    names = sorted({texts["treatment"][i] for rows in kept.values() for i in rows})
    bare = [
        Trial(label, tuple(texts["treatment"][i] for i in rows), np.empty(0), np.empty((0, 0))) for label, rows in kept.items()
    ]
    refuse_parts(bare, names)
    base = reference_of(reference, bare, names)
    order = [base, *(t for t in names if t != base)]
    rows = [i for own in kept.values() for i in sorted(own, key=lambda i: order.index(texts["treatment"][i]))]
    columns = {name: x[rows] for name, x in numbers.items()}
    value, variance = likelihood.crude(columns)
    arms = [texts["treatment"][i] for i in rows]
    trials, at = [], 0
    for label, own in kept.items():
        m = slice(at, at + len(own))
        V = np.diag(variance[m][1:]) + variance[m][0]
        trials.append(Trial(label, tuple(arms[m]), value[m][1:] - value[m][0], V))
        at += len(own)
    asked = replace(question or Question(), measure=measure, control=base, experimental="each treatment")
    origin = Origin(tuple(lost), np.arange(len(trials)), rows_read)
    quiet = [t for t, own in by_trial([texts["study"][i] for i in rows]).items() if not columns.get("events", np.ones(1))[
        own if "events" in columns else [0]].any()]  # fmt: skip
    if quiet:
        notes.append(f"No event in any arm of {', '.join(quiet)}: kept; with a baseline of its own it says next to nothing.")
    return NetworkArms(
        asked, likelihood, Network(tuple(trials), tuple(names), base, tuple(notes), origin),
        np.repeat(np.arange(len(trials)), [len(t.arms) for t in trials]), np.array([names.index(a) for a in arms]), columns,
        (value, variance), tuple(f"{texts['study'][i]}: {texts['treatment'][i]}" for i in rows),
    )  # fmt: skip


def _measure(measure: str | None, question: Question | None, there: set[str]) -> str:
    """The measure asked for, or the only one that the figures suit."""
    listed = ", ".join(LIKELIHOODS)
    asked = question.measure if question is not None and question.measure != "GEN" else None
    if measure is not None and asked is not None and measure != asked:
        raise InputError(f"measure={measure!r} and the question is on {asked!r}; name one measure.")
    if measure is not None or asked is not None:
        found = measure if measure is not None else asked
        if not isinstance(found, str) or found not in LIKELIHOODS:
            raise InputError(f"measure={found!r} has no likelihood of arms here; use one of {listed}.")
        return found
    suits = [code for code, x in LIKELIHOODS.items() if set(x.columns) <= there]
    if len(suits) == 1:
        return suits[0]
    words = f"suit {', '.join(suits)}" if suits else "suit none (mean, sd, n; events, n; events, time; events, n, time)"
    raise InputError(f"The figures of the arms {words}; say which with measure=, one of {listed}.")


def _faults(texts: Mapping[str, list[str]]) -> tuple[list[str], dict[str, list[int]], list[tuple[str, str]]]:
    """What is wrong, the rows of each trial that compares, and the trials that do not with the reason."""
    problems, kept, left = [], {}, []
    for label, rows in by_trial(texts["study"]).items():
        arms = [texts["treatment"][i] for i in rows]
        fault, why = not_comparing(label, arms)
        if fault:
            problems.append(fault)
        elif why:
            left.append((label, why))
        else:
            kept[label] = rows
    return problems, kept, left

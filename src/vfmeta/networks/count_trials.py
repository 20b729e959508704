"""Counts of the arms of a network: read and checked, what says nothing set aside, and what no finite effect can explain."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from vfmeta.core.messages import ConvergenceError, InputError
from vfmeta.core.origin import LeftOut
from vfmeta.core.params import Missing
from vfmeta.effects.columns import as_frame
from vfmeta.networks.trials import by_trial, columns_of, not_comparing


class Counted(NamedTuple):
    """A trial: its arms in the order of their names, their events, and their patients (or times)."""

    label: str
    arms: tuple[str, ...]
    events: np.ndarray
    size: np.ndarray


class CountRows(NamedTuple):
    """Trials that say something of a ratio, the others with the reason, and what reading has to tell."""

    trials: list[Counted]
    silent: list[tuple[str, str]]
    rows: int
    lost: list[LeftOut]
    notes: list[str]


def read_counts(data: Any, given: dict[str, Any], missing: Missing, verb: str, *, whole: bool = False) -> CountRows:
    """The trials of a table of arms: study, treatment, events and n or time; every faulty row is named.

    ``whole``: counts that are no whole numbers are faults.
    """
    frame = None if data is None else as_frame(data)
    if frame is not None:
        given = {name: name if value is None and name in frame.columns else value for name, value in given.items()}
    absent = [name for name, value in given.items() if value is None]
    if absent:
        raise InputError(f"{verb} takes {', '.join(given)}; missing: {', '.join(absent)}.")
    numbers, texts, _, rows, lost, notes = columns_of(given, frame, missing, counts=whole)
    trials, silent, problems = [], [], []
    over_time = "time" in given
    sizes = numbers["time" if over_time else "n"]
    for label, own in by_trial(texts["study"]).items():
        arms = [texts["treatment"][i] for i in own]
        fault, why = not_comparing(label, arms)
        order = [own[i] for i in np.argsort(arms, kind="stable").tolist()]
        events, size = numbers["events"][order], sizes[order]
        if fault:
            problems.append(fault)
        elif why:
            silent.append((label, why))
        elif events.sum() == 0:
            silent.append((label, "no event in any arm"))
        elif not over_time and (events == size).all():
            silent.append((label, "everybody has the event in every arm"))
        else:
            trials.append(Counted(label, tuple(sorted(arms)), events, size))
    if problems:
        raise InputError(problems)
    return CountRows(trials, silent, rows, lost, notes)


def refuse_separated(trials: Sequence[Counted], others: Sequence[str], *, over_time: bool) -> None:
    """Name the treatments whose effects have no finite maximum of the likelihood.

    There is one where some direction of the effects raises no cell with events and lowers none with others, and moves one: a
    linear programme (Konis 2007, DPhil thesis, Oxford).
    """
    from scipy.optimize import linprog

    place = {t: j for j, t in enumerate(others)}
    p, k = len(place), len(trials)
    rows, sign = [], []
    for i, trial in enumerate(trials):
        for arm, e, n in zip(trial.arms, trial.events, trial.size, strict=True):
            x = np.zeros(p + k)
            x[p + i] = 1.0
            if arm in place:
                x[place[arm]] = 1.0
            rows.append(x)
            sign.append(-1.0 if e == 0 else 1.0 if not over_time and e == n else 0.0)
    x, s = np.array(rows), np.array(sign)
    if not s.any():
        return
    edge, inside = x[s != 0] * s[s != 0][:, None], x[s == 0]
    found = linprog(
        -edge.sum(axis=0), A_ub=-edge, b_ub=np.zeros(len(edge)), A_eq=inside, b_eq=np.zeros(len(inside)), bounds=(-1, 1)
    )
    if found.status == 0 and found.fun < -1e-7:
        moved = [t for t, j in place.items() if abs(found.x[j]) > 1e-7]
        raise ConvergenceError(
            f"The likelihood has no finite maximum: where {', '.join(moved)} "
            f"{'is' if len(moved) == 1 else 'are'} told apart from the others, one side has no event"
            f"{'' if over_time else ' (or nothing else)'} in any trial. Leave "
            f"{'it' if len(moved) == 1 else 'them'} out, or use vf.network (0.5 in zero cells) or a model with a prior."
        )

"""Arm-level means in: two arms a trial become differences with sizes and SDs, or one error with every fault."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from vfmeta.core.messages import InputError
from vfmeta.core.question import Question
from vfmeta.effects import cells
from vfmeta.effects.columns import as_frame, given_columns


@dataclass(frozen=True)
class Means:
    """Trials of two arms, the reference arm first.

    ``y`` (k,) is the difference of means, other arm minus reference; ``n`` and ``sd`` (k, 2) are by arm, SD NaN where not
    reported; ``arms`` holds the two labels of each trial.
    """

    y: np.ndarray
    n: np.ndarray
    sd: np.ndarray
    studies: tuple[str, ...]
    arms: tuple[tuple[str, str], ...]
    question: Question


def read_means(data: Any, reference: Any, columns: Mapping[str, str], question: Question | None) -> Means:
    """Check rows of arms.

    Parameters
    ----------
    data : data frame or mapping of columns
    reference : label
        Of the control arm.
    columns : mapping
        The names of the columns study, arm, mean, n and sd in ``data``.
    """
    cells.check_question(question)
    frame = as_frame(data)
    values, _, count, _ = given_columns(columns, frame)
    problems: list[str] = []
    study, arm = (
        cells.names(values[what], count, shown=columns[what], noun=what, once=False, problems=problems)
        for what in ("study", "arm")
    )
    if problems:
        raise InputError(problems)
    rows = tuple(f"{s}: {a}" for s, a in zip(study, arm, strict=True))
    mean, n, sd = (
        cells.numbers(values[what], columns[what], rows, problems, gap="" if what == "sd" else cells.FILL)
        for what in ("mean", "n", "sd")
    )
    for i, row in enumerate(rows):
        if n[i] < 2 or (np.isfinite(n[i]) and n[i] != round(n[i])):
            problems.append(f"row {i + 1} ({row}), column {columns['n']}: {n[i]:g} must be a whole number of at least 2.")
        if sd[i] <= 0:
            problems.append(f"row {i + 1} ({row}), column {columns['sd']}: {sd[i]:g} must be above 0, or empty if unknown.")
    pairs = []
    for name in dict.fromkeys(study):
        mine = [i for i, s in enumerate(study) if s == name]
        first = [i for i in mine if arm[i] == str(reference).strip()]
        if len(mine) != 2 or len(first) != 1:
            problems.append(
                f"rows {', '.join(str(i + 1) for i in mine)}, column {columns['arm']}: {name} must have two arms, one of them "
                f"{reference!r}; it has {', '.join(arm[i] for i in mine)}."
            )
        else:
            pairs.append((first[0], next(i for i in mine if i != first[0])))
    if problems:
        raise InputError(problems)
    order = np.array(pairs)
    asked = question or Question(measure="MD")
    if question is None:
        others = {arm[j] for _, j in pairs}
        side = others.pop() if len(others) == 1 else "experimental"
        asked = replace(asked, control=str(reference), experimental=side)
    return Means(
        mean[order[:, 1]] - mean[order[:, 0]], n[order], sd[order], tuple(dict.fromkeys(study)),
        tuple((arm[i], arm[j]) for i, j in pairs), asked,
    )  # fmt: skip

"""The interval of every single study beside a pool, from what the study counted or measured where that is known."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from vfmeta.core.question import Pair, Question
from vfmeta.kernels.single_study import Limits, single_limits
from vfmeta.results.wald import printed_at, two_sided
from vfmeta.text import numbers as tx

MADE = "made"  # in the details of a study: its columns, by their names in `vfmeta.effect_size`, and the df of its variance
PRINTED = "as printed"


def study_limits(
    question: Question, y: np.ndarray, v: np.ndarray, details: Sequence[Mapping[str, Any]], level: float
) -> tuple[Limits, np.ndarray]:
    """Limits, statistic and df of each study, and what they are called; a printed interval stands as it was printed."""
    made = [d.get(MADE) or {} for d in details] or [{}] * len(y)
    names = dict.fromkeys(name for m in made for name in m)
    columns = {name: np.array([m.get(name, np.nan) for m in made], dtype=float) for name in names}
    found, how = single_limits(question.measure, columns, y, v, level, question.null_effect)
    for i, detail in enumerate(details):
        if "printed_interval" in detail:
            found.low[i], found.high[i] = printed_at(float(y[i]), detail["printed_interval"], level)
            how[i] = PRINTED
    return found, how


class Alone(NamedTuple):
    """What a study says that nothing is pooled with; ``df`` is None where its statistic is a z."""

    interval: Pair
    statistic: float
    p_value: float
    df: float | None
    test: str
    note: str


def alone(
    question: Question, label: str, y: np.ndarray, v: np.ndarray, details: Sequence[Mapping[str, Any]], level: float
) -> Alone:
    """The one study as it stands, ``y`` and ``v`` (1,), with the interval it prints, else with that of `study_limits`."""
    own, how = study_limits(question, y, v, details, level)
    named = f"with its {how[0]} interval"
    if how[0] in ("Wald", PRINTED):
        test, statistic, df = "Wald", float(y[0]) / math.sqrt(v[0]), math.inf
    else:
        test, statistic, df = str(how[0]), float(own.statistic[0]), float(own.df[0])
    if printed := (details[0] if details else {}).get("printed_interval"):
        named = "with its interval as printed"
        if printed[2] != level:
            named = f"with its printed {tx.level_text(printed[2])} interval, each side converted to {tx.level_text(level)}"
    note = f"One study only ({label}): nothing was pooled; the numbers are that trial's own, {named}."
    p_value = float(two_sided(np.asarray(statistic), df))
    return Alone((float(own.low[0]), float(own.high[0])), statistic, p_value, None if math.isinf(df) else df, test, note)

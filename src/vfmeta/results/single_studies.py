"""The interval of every single study beside a pool, from what the study counted or measured where that is known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from vfmeta.core.question import Question
from vfmeta.kernels.single_study import Limits, single_limits
from vfmeta.results.wald import printed_at

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

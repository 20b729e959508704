"""tau2 by estimators that take Q about the Mantel-Haenszel estimate of the studies' 2 x 2 tables."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from vfmeta.core.messages import InputError
from vfmeta.effects.reading import Studies
from vfmeta.kernels import tables
from vfmeta.kernels.tau2 import ESTIMATORS

CENTRES = {"OR": tables.odds_ratio, "RR": tables.risk_ratio, "RD": tables.risk_difference}


def about_tables(method: Any) -> bool:
    """Whether this estimator needs 2 x 2 tables."""
    return isinstance(method, str) and method in ESTIMATORS and ESTIMATORS[method].about is not None


def tau2_of_tables(method: str, s: Studies) -> float:
    """tau2 of studies that brought the counts of both arms.

    Raises
    ------
    InputError
        They did not, their measure is not OR, RR or RD, or the Mantel-Haenszel estimate does not exist.
    """
    from vfmeta.effects.counts import EFFECT_TABLE  # with it come the formulas of every measure, and scipy

    about = ESTIMATORS[method].about
    assert about is not None
    problems = []
    if s.question.measure not in CENTRES:
        problems.append(f"the measure is {s.question.measure}, and Mantel-Haenszel is of {', '.join(CENTRES)}")
    rows = s.details or ({},) * s.k
    silent = [x for x, own in zip(s.labels, rows, strict=True) if any(own.get(n) is None for n in EFFECT_TABLE.values())]
    if silent:
        problems.append(f"no events and patients of both arms are known of {', '.join(silent)}")
    if problems:
        raise InputError(
            f"method={method!r} takes tau2 from Q about the Mantel-Haenszel estimate of 2 x 2 tables: {'; '.join(problems)}. "
            'Give an effect table of events, such as vf.effect_size("OR", events1=..., n1=..., events2=..., n2=...), or use '
            'method="DL".'
        )
    cells = (np.array([float(own[name]) for own in rows]) for name in EFFECT_TABLE.values())
    centre = float(CENTRES[s.question.measure](*cells).estimate)
    if not math.isfinite(centre):
        raise InputError(f"method={method!r}: the Mantel-Haenszel estimate does not exist (no events in one of the arms).")
    return about(s.y, s.v, centre)[0]


__all__ = ["about_tables", "tau2_of_tables"]

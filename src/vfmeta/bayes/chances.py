"""Probabilities of benefit and harm, on the side that the direction of the outcome gives them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from vfmeta.core.question import Question
from vfmeta.priors import TauPrior


def benefit(question: Question, below: Any) -> tuple[float | None, float | None]:
    """P(benefit) and P(benefit beyond the minimal important difference) from ``below(x)`` = P(mu < x).

    A benefit lies below "no difference" where higher is worse and above it where higher is better.
    """
    null, mid = question.null_effect, question.mid_effect()
    if question.higher_is_worse is None or null is None:
        return None, None
    return _beyond(null, below, question.higher_is_worse), _beyond(mid, below, question.higher_is_worse)


def _beyond(at: float | None, below: Any, lower: bool | None) -> Any:
    """P(mu < at), or P(mu > at); None where there is no such place."""
    if at is None:
        return None
    p = below(at)
    p = float(p) if np.ndim(p) == 0 else p
    return p if lower else 1 - p


def benefit_columns(question: Question, below: Any) -> tuple[Any, Any]:
    """`benefit` of many rows; NaN where direction or minimal important difference are unknown."""
    found = benefit(question, below)
    return tuple(math.nan if x is None else x for x in found)  # type: ignore[return-value]


def chance_points(question: Question) -> tuple[float, ...]:
    """Where distribution functions are needed for `chances`; none when the direction is unknown."""
    null = question.null_effect
    if question.higher_is_worse is None or null is None:
        return ()
    places = (null, question.mid_effect(), question.mid_effect(harm=True))
    return tuple(sorted(x for x in places if x is not None))


def chances(question: Question, below: Any, next_below: Any) -> dict[str, float | None]:
    """Probabilities of benefit and harm, each also beyond the minimal important difference, as fields of a result.

    ``below(x)`` is P(mu < x), ``next_below(x)`` the same of the next trial's true effect.
    """
    p, p_mid = benefit(question, below)
    following, following_mid = benefit(question, next_below)
    harm_mid = _beyond(question.mid_effect(harm=True), below, not question.higher_is_worse)
    return {
        "p_benefit": p, "p_benefit_mid": p_mid, "p_harm_mid": harm_mid, "p_next_benefit": following,
        "p_next_benefit_mid": following_mid,
    }  # fmt: skip


def prior_median(tau: TauPrior, v: np.ndarray) -> float | None:
    """Prior median of tau, beside which its posterior can be seen to move; None when the prior is improper."""
    return tau.median(v) if tau.proper else None

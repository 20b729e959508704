"""Probabilities of benefit and harm, on the side that the direction of the outcome gives them."""

from __future__ import annotations

from typing import Any

import numpy as np

from vfmeta.core.question import Question
from vfmeta.priors import TauPrior


def benefit(question: Question, below: Any) -> tuple[float | None, float | None]:
    """P(benefit) and P(benefit beyond the minimal important difference) from ``below(x)`` = P(mu < x).

    A benefit lies below "no difference" where higher is worse and above it where higher is better. ``question.mid`` is taken on
    the analysis scale.
    """
    null = question.null_effect
    if question.higher_is_worse is None or null is None:
        return None, None

    def beyond(size: float) -> float:
        return float(below(null - size)) if question.higher_is_worse else 1 - float(below(null + size))

    return beyond(0.0), None if question.mid is None else beyond(abs(question.mid))


def chance_points(question: Question) -> tuple[float, ...]:
    """Where distribution functions are needed for `chances`; none when the direction is unknown."""
    null = question.null_effect
    if question.higher_is_worse is None or null is None:
        return ()
    return (null,) if question.mid is None else (null - abs(question.mid), null, null + abs(question.mid))


def chances(question: Question, below: Any, next_below: Any) -> dict[str, float | None]:
    """Probabilities of benefit and harm, each also beyond the minimal important difference, as fields of a result.

    ``below(x)`` is P(mu < x), ``next_below(x)`` the same of the next trial's true effect.
    """
    p, p_mid = benefit(question, below)
    following, following_mid = benefit(question, next_below)
    harm_mid = None
    null = question.null_effect
    if question.higher_is_worse is not None and question.mid is not None and null is not None:
        size = abs(question.mid)
        harm_mid = 1 - float(below(null + size)) if question.higher_is_worse else float(below(null - size))
    return {
        "p_benefit": p, "p_benefit_mid": p_mid, "p_harm_mid": harm_mid, "p_next_benefit": following,
        "p_next_benefit_mid": following_mid,
    }  # fmt: skip


def prior_median(tau: TauPrior, v: np.ndarray) -> float | None:
    """Prior median of tau, beside which its posterior can be seen to move; None when the prior is improper."""
    return tau.median(v) if tau.proper else None

"""Two arms of one study under a stated contrast: their risks or rates by maximum likelihood, and score statistics from them.

Arrays in, arrays out, of any one shape. ``a`` of ``n1`` and ``c`` of ``n2`` are events and patients (for IRR and IRD
person-time) of arm 1 and 2; ``theta`` is the contrast on the analysis scale (log for ratios).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from vfmeta.kernels.tables import expected_events

Arms = tuple[np.ndarray, np.ndarray]


def _risk_ratio(theta: np.ndarray, a: np.ndarray, n1: np.ndarray, c: np.ndarray, n2: np.ndarray) -> Arms:
    """Miettinen & Nurminen (1985, Stat Med 4:213-226): the root of a quadratic, in the form that does not cancel."""
    ratio = np.exp(theta)
    square, slope = (n1 + n2) * ratio, n1 * ratio + a + n2 + c * ratio
    p2 = 2 * (a + c) / (slope + np.sqrt(np.maximum(slope**2 - 4 * square * (a + c), 0.0)))
    return ratio * p2, p2


def _risk_difference(theta: np.ndarray, a: np.ndarray, n1: np.ndarray, c: np.ndarray, n2: np.ndarray) -> Arms:
    """Miettinen & Nurminen (1985): the root of a cubic that lies among the risks, by cosines."""
    n = n1 + n2
    l2, l1 = (n1 + 2 * n2) * theta - n - (a + c), (n2 * theta - n - 2 * c) * theta + a + c
    third = l2 / (3 * n)
    q = third**3 - l1 * l2 / (6 * n**2) + c * theta * (1 - theta) / (2 * n)
    p = np.where(q < 0, -1.0, 1.0) * np.sqrt(np.maximum(third**2 - l1 / (3 * n), 0.0))
    turn = np.divide(q, p**3, out=np.zeros(np.shape(q * p)), where=p != 0)
    p2 = 2 * p * np.cos((np.pi + np.arccos(np.clip(turn, -1, 1))) / 3) - third
    p2 = np.clip(p2, np.maximum(0.0, -theta), np.minimum(1.0, 1 - theta))
    return p2 + theta, p2


def _odds_ratio(theta: np.ndarray, a: np.ndarray, n1: np.ndarray, c: np.ndarray, n2: np.ndarray) -> Arms:
    x = expected_events(np.exp(theta), n1, n2, a + c)
    return x / n1, (a + c - x) / n2


def _rate_ratio(theta: np.ndarray, a: np.ndarray, t1: np.ndarray, c: np.ndarray, t2: np.ndarray) -> Arms:
    rate = (a + c) / (np.exp(theta) * t1 + t2)
    return np.exp(theta) * rate, rate


def _rate_difference(theta: np.ndarray, a: np.ndarray, t1: np.ndarray, c: np.ndarray, t2: np.ndarray) -> Arms:
    t, b = t1 + t2, (t1 + t2) * theta - (a + c)
    root = np.sqrt(np.maximum(b**2 + 4 * t * c * theta, 0.0))
    rate = np.maximum((root - b) / (2 * t), np.maximum(0.0, -theta))
    return rate + theta, rate


CONSTRAINED: dict[str, Callable[..., Arms]] = {
    "RR": _risk_ratio,
    "RD": _risk_difference,
    "OR": _odds_ratio,
    "IRR": _rate_ratio,
    "IRD": _rate_difference,
}


def constrained(measure: str, theta: np.ndarray, *cells: np.ndarray) -> Arms:
    """Risks or rates of both arms by maximum likelihood where their contrast is ``theta``."""
    with np.errstate(all="ignore"):
        return CONSTRAINED[measure](theta, *cells)


def score(measure: str, theta: np.ndarray, a: np.ndarray, n1: np.ndarray, c: np.ndarray, n2: np.ndarray) -> np.ndarray:
    """The score statistic z of ``theta``, falling in it; of risks with the factor n / (n - 1) of Miettinen and Nurminen."""
    one, two = constrained(measure, theta, a, n1, c, n2)
    rates = measure in ("IRR", "IRD")
    with np.errstate(all="ignore"):
        v1, v2 = (one / n1, two / n2) if rates else (one * (1 - one) / n1, two * (1 - two) / n2)
        if measure == "OR":
            gap, v = a - n1 * one, 1 / (1 / (n1**2 * v1) + 1 / (n2**2 * v2))
        elif measure in ("RR", "IRR"):
            ratio = np.exp(theta)
            gap, v = a / n1 - ratio * c / n2, v1 + ratio**2 * v2
        else:
            gap, v = a / n1 - c / n2 - theta, v1 + v2
        if not rates:
            v = v * (n1 + n2) / (n1 + n2 - 1)
        return np.where(gap == 0, 0.0, gap / np.sqrt(v))

"""What a result is about: the comparison, the outcome and its direction, the unit, and what means "no difference"."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Any, Self, overload

import numpy as np

from vfmeta.core import measures
from vfmeta.core.messages import InputError
from vfmeta.core.scale import Pair, Way


@dataclass(frozen=True, kw_only=True)
class Question:
    """What is compared, on what outcome, in what unit.

    Parameters
    ----------
    measure : str
        Effect measure: ``"HR"``, any that `vfmeta.effect_size` makes (``"MD"``, ``"SMD"``, ``"RR"``, ``"OR"``, ``"RD"``, ...),
        or ``"GEN"`` for raw ``y`` and ``v``.
    experimental, control : str
        Names of the two sides as people read them. Effects are experimental minus control.
    outcome : str
        Name of the outcome as people read it.
    higher_is_worse : bool or None
        Direction of the outcome; None when unknown. For events: whether the event is a bad one.
    points : (float, float) or None
        Ends of the common scale of an MD, such as ``(0, 10)``.
    mid : float or None
        Minimal important difference in units of the effect (positive), with where it was read in ``mid_source``.
    no_difference : float or None
        The value that means "no difference", on the scale people read. When left out that of the measure: 1 for ratios, 0.5
        for CLES and AUC, 0 for other comparisons; what is measured in one group (a proportion, a mean) has none, so that no p
        value is shown and no side is favoured.

    Examples
    --------
    >>> import vfmeta as vf
    >>> question = vf.Question(measure="RR", experimental="drug", control="placebo", higher_is_worse=True)
    >>> float(question.display(0.0))
    1.0
    """

    measure: str = "GEN"
    experimental: str = "experimental"
    control: str = "control"
    outcome: str = "effect"
    higher_is_worse: bool | None = None
    points: Pair | None = None
    mid: float | None = None
    mid_source: str = ""
    no_difference: float | None = None

    def __post_init__(self) -> None:
        x = self.no_difference
        if x is None:
            return
        if isinstance(x, bool) or not isinstance(x, (int, float)) or not math.isfinite(x) or (self.is_ratio and x <= 0):
            raise InputError(f"no_difference={x!r} must be a finite number{', above 0 for a ratio' if self.is_ratio else ''}.")

    @property
    def facts(self) -> measures.Measure:
        """What is known of the measure."""
        return measures.row(self.measure)

    @property
    def is_ratio(self) -> bool:
        """Whether people read the exponential of what is analysed: ratios, and other logs."""
        return self.facts.is_ratio

    @overload
    def display(self, value: float) -> float: ...
    @overload
    def display(self, value: np.ndarray) -> np.ndarray: ...
    def display(self, value: Any) -> Any:
        """Values as people read them: ratios and other logs leave the log scale, everything else stays."""
        return _turned(self.facts.printed.to_read, value)

    @overload
    def analysis(self, value: float) -> float: ...
    @overload
    def analysis(self, value: np.ndarray) -> np.ndarray: ...
    def analysis(self, value: Any) -> Any:
        """The way back of `display`: from what people read to the analysis scale."""
        return _turned(self.facts.printed.to_analysis, value)

    @property
    def null(self) -> float | None:
        """No difference, on the scale people read; None where nothing means that."""
        return self.facts.null if self.no_difference is None else self.no_difference

    @property
    def null_effect(self) -> float | None:
        """No difference, on the analysis scale; None where nothing means that."""
        return None if self.null is None else self.analysis(self.null)

    def side(self, value: float) -> str | None:
        """Which side a value on the analysis scale favours, or None when the direction is unknown or there is no difference."""
        null = self.null_effect
        if self.higher_is_worse is None or null is None or value == null or math.isnan(value):
            return None
        return self.experimental if (value < null) == self.higher_is_worse else self.control

    def to_dict(self) -> dict[str, Any]:
        own = {f.name: _plain(getattr(self, f.name)) for f in fields(self)}
        if self.no_difference is None:  # results of before this field stay as they were, byte for byte
            del own["no_difference"]
        return own

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        data = dict(data)
        if data.get("points") is not None:
            data["points"] = tuple(data["points"])
        return cls(**data)


def _turned(way: Way, value: Any) -> Any:
    """One number as one number, an array as an array."""
    turned = way(np.asarray(value, dtype=float))
    return float(turned) if turned.ndim == 0 else turned


def _plain(value: Any) -> Any:
    """JSON-ready copy of a field, floats cut to 10 significant digits."""
    if isinstance(value, float):
        return float(f"{value:.10g}")
    return [_plain(x) for x in value] if isinstance(value, (tuple, list)) else value

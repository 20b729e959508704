"""What a result is about: the comparison, the outcome and its direction, the unit, and what means "no difference"."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any, Self, overload

import numpy as np

from vfmeta.core import measures
from vfmeta.core.messages import InputError, kind_of
from vfmeta.core.params import is_finite
from vfmeta.core.scale import READ, Pair, Scale, Way


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
        Minimal important difference on the scale people read, with where it was read in ``mid_source``: a distance from "no
        difference" (positive), and of a ratio that compares two groups a ratio (0.8 and 1.25 say the same; the benefit lies
        on the side of ``higher_is_worse``).
    no_difference : float or None
        The value that means "no difference", on the scale people read. When left out that of the measure: 1 for ratios, 0.5
        for CLES and AUC, 0 for other comparisons; what is measured in one group (a proportion, a mean) has none, so that
        nothing is tested and no side is favoured.
    size : float or None
        Of measures that are turned back with a sample size (PFT) or person-time (IRFT): the one that a pool is turned back
        with. An effect table sets it to the harmonic mean of its studies; without it such a pool is shown as analysed.

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
    size: float | None = None

    def __post_init__(self) -> None:
        for name in ("measure", "experimental", "control", "outcome", "mid_source"):
            value = getattr(self, name)
            if not isinstance(value, str):
                raise InputError(f"{name}={value!r} is {kind_of(value)}; it must be a text.")
        object.__setattr__(self, "measure", measures.spelled(self.measure))
        if not (self.higher_is_worse is None or isinstance(self.higher_is_worse, (bool, np.bool_))):
            raise InputError(f"higher_is_worse={self.higher_is_worse!r} must be True, False or None.")
        if self.points is not None and not _is_span(self.points):
            raise InputError(f"points={self.points!r} must be the two ends of a scale, the lower first, such as (0, 10).")
        if self.no_difference is None and self.mid is None and self.size is None:
            return
        for name in ("no_difference", "mid", "size"):
            x = getattr(self, name)
            if x is not None and not is_finite(x):
                raise InputError(f"{name}={x!r} must be a finite number.")
        if self.size is not None and self.size <= 0:
            raise InputError(f"size={self.size!r} must be above 0.")
        if self.no_difference is not None:
            self._refuse_outside(f"no_difference={self.no_difference!r}", self.no_difference)
        if self.mid is not None:
            self._check_mid(self.mid)

    def _refuse_outside(self, said: str, value: float) -> None:
        """Refuse what the measure cannot be, as people read it, and what lies at infinity on the analysis scale."""
        if self._within(value) is not None:
            return
        low, high = self._domain
        span = f"above {low:g}" if math.isinf(high) else f"between {low:g} and {high:g}"
        raise InputError(f"{said} is no {self.facts.words[:1].lower()}{self.facts.words[1:]}; it must be {span}.")

    def _within(self, value: float) -> float | None:
        """A value people read, on the analysis scale; None where the measure cannot be it."""
        low, high = self._domain
        if not low <= value <= high:
            return None
        with np.errstate(divide="ignore"):
            effect = self.analysis(value)
        return effect if math.isfinite(effect) else None

    def _check_mid(self, mid: float) -> None:
        if self.compares_ratios:
            if mid <= 0 or mid == 1:
                raise InputError(f"mid={mid!r} must be a ratio: above 0 and not 1, such as 0.8.")
            return
        if mid <= 0:
            raise InputError(f"mid={mid!r} must be above 0: it is a distance from no difference.")
        if self.null is None:
            return
        sides = (-1, 1) if self.higher_is_worse is None else (-1,) if self.higher_is_worse else (1,)
        benefits = [self.null + side * mid for side in sides]
        if all(self._within(x) is None for x in benefits):
            self._refuse_outside(f"With mid={mid!r} an important benefit begins at {benefits[-1]:g}, which", benefits[-1])

    @property
    def _domain(self) -> Pair:
        """What the measure can be, as people read it: a difference in points is no larger than their scale."""
        if self.facts.on_scale and self.points is not None:
            width = abs(self.points[1] - self.points[0])
            return (-width, width)
        return self.facts.domain or (-math.inf, math.inf)

    @property
    def facts(self) -> measures.Measure:
        """What is known of the measure."""
        return measures.row(self.measure)

    @property
    def is_ratio(self) -> bool:
        """Whether people read the exponential of what is analysed: ratios, and other logs."""
        return self.facts.is_ratio

    @property
    def compares_ratios(self) -> bool:
        """Whether people read a ratio of two groups, so that what is important or not is a ratio as well."""
        return self.is_ratio and not self.facts.one_group

    @property
    def scale(self) -> Scale:
        """The way from the analysis to what print and figures show; none where a sample size is needed and not known."""
        own = self.facts.scale
        if not own.sized:
            return own
        return READ if self.size is None else own.at(self.size)

    @property
    def shown(self) -> str:
        """What print and figures show: "RR", or "double arcsine PR" where that cannot be turned back."""
        return self.facts.read_name if self.scale.name else self.facts.analysis_name

    @overload
    def display(self, value: float) -> float: ...
    @overload
    def display(self, value: np.ndarray) -> np.ndarray: ...
    def display(self, value: Any) -> Any:
        """Values as people read them, within what the measure can be."""
        way, domain = self.scale, self.facts.domain
        if domain is None or domain[0] == -math.inf or (self.facts.scale.name and not way.name):
            return _turned(way.to_read, value)
        return _turned(lambda x: np.clip(way.to_read(x), *domain), value)

    @overload
    def analysis(self, value: float) -> float: ...
    @overload
    def analysis(self, value: np.ndarray) -> np.ndarray: ...
    def analysis(self, value: Any) -> Any:
        """The way back of `display`: from what people read to the analysis scale."""
        if not self.scale.name:  # nothing to turn
            return _turned(self.scale.to_analysis, value)
        with np.errstate(divide="ignore", invalid="ignore"):  # what the measure cannot be lies at infinity, or is NaN
            return _turned(self.scale.to_analysis, value)

    @property
    def null(self) -> float | None:
        """No difference, on the scale people read; None where nothing means that."""
        return self.facts.null if self.no_difference is None else self.no_difference

    @cached_property
    def null_effect(self) -> float | None:
        """No difference, on the analysis scale; None where nothing means that."""
        return None if self.null is None else self.analysis(self.null)

    def mid_effect(self, *, harm: bool = False) -> float | None:
        """Where an important benefit (or harm) begins, on the analysis scale.

        None without a minimal important difference, a direction or a "no difference", and for a harm that cannot be.
        """
        null = self.null
        if self.mid is None or self.higher_is_worse is None or null is None:
            return None
        sign = -1 if self.higher_is_worse != harm else 1
        if self.compares_ratios:
            return self.analysis(null) + sign * abs(math.log(self.mid))
        return self._within(null + sign * self.mid)

    def side(self, value: float) -> str | None:
        """Which side a value on the analysis scale favours, or None when the direction is unknown or there is no difference."""
        null = self.null_effect
        if self.higher_is_worse is None or null is None or value == null or math.isnan(value):
            return None
        return self.experimental if (value < null) == self.higher_is_worse else self.control

    def to_dict(self) -> dict[str, Any]:
        own = {f.name: _plain(getattr(self, f.name)) for f in fields(self)}
        for name in ("no_difference", "size"):  # results of before these fields stay as they were, byte for byte
            if own[name] is None:
                del own[name]
        return own

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        try:
            data = dict(data)
            if data.get("points") is not None:
                data["points"] = tuple(data["points"])
            return cls(**data)
        except (TypeError, ValueError) as error:
            raise InputError(f"This is no question of vfmeta ({error}).") from error


def _is_span(pair: Any) -> bool:
    try:
        low, high = pair
    except (TypeError, ValueError):
        return False
    return bool(is_finite(low) and is_finite(high) and low < high)


def _turned(way: Way, value: Any) -> Any:
    """One number as one number, an array as an array."""
    turned = way(np.asarray(value, dtype=float))
    return float(turned) if turned.ndim == 0 else turned


def _plain(value: Any) -> Any:
    """JSON-ready copy of a field, floats cut to 10 significant digits."""
    if isinstance(value, float):
        return float(f"{value:.10g}")
    return [_plain(x) for x in value] if isinstance(value, (tuple, list)) else value

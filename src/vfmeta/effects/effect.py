"""One effect with everything it came from."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Self


@dataclass(frozen=True, kw_only=True)
class Effect:
    """One effect on the analysis scale (log for ratios), experimental minus control.

    ``rows`` names the figures it was made from, ``steps`` says in words what code did to them, ``unused`` what else the
    study printed for the same question and why it was not taken. ``arms`` are the experimental and control arm ids and
    ``arm_variances`` what each adds to ``v``, where that is known. ``target_week`` is the week that was asked for, in a table
    of several, and ``outcome`` the outcome, in a table of several (else that of the question). ``size`` is the sample size or
    person-time of a measure that is turned back with it. ``interval`` holds the limits and the level (a proportion) of a
    printed interval: the study is shown with it, pools use ``v``. ``made`` holds what its own limits are made from where that
    is known: counts and sizes by their names in `vfmeta.effect_size`, or ``df``, the degrees of freedom of ``v``.
    """

    study_id: str
    label: str
    y: float
    v: float
    cohort_id: str = ""
    arms: tuple[str, str] = ("", "")
    week: float | None = None
    n: tuple[float | None, float | None] = (None, None)
    events: tuple[float | None, float | None] = (None, None)
    instrument: str = ""
    scale: str = ""
    value_type: str = ""
    reading: str = ""
    flags: tuple[str, ...] = ()
    rows: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    steps: tuple[str, ...] = ()
    unused: tuple[str, ...] = ()
    printed: tuple[str, ...] = ()
    arm_variances: tuple[float | None, float | None] = (None, None)
    interval: tuple[float, float, float] | None = None
    target_week: float | None = None
    outcome: str = ""
    size: float | None = None
    made: dict[str, float] = field(default_factory=dict)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """The effect whose fields went to JSON and back."""
        values: dict[str, Any] = {name: tuple(x) if isinstance(x, list) else x for name, x in data.items()}
        return cls(**values)

"""What a question to the tables may ask for, checked before any table is touched."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from numbers import Real
from typing import Any

from vfmeta.core import measures
from vfmeta.core.messages import InputError, did_you_mean
from vfmeta.core.params import Design, MissingSize, MultiArm, PrintedAs, Reporting, SingleZero, TableMeasure, Use, choices
from vfmeta.trials.schema import allowed

DESIGN_CLASSES: dict[Design, tuple[str, ...]] = {
    "randomised": ("parallel_rct", "crossover_rct", "cluster_rct"),
    "quasi_randomised": ("quasi_rct",),
    "non_randomised": ("nonrandomised",),
}
_ONE_OF: dict[str, Any] = {
    "measure": TableMeasure, "design": Design, "multi_arm": MultiArm, "zero": SingleZero, "n_missing": MissingSize,
    "assume_direction": PrintedAs, "reports": Reporting,
}  # fmt: skip
PREFERENCES = ("adjusted_contrast", "contrast", "change", "final")


@dataclass(frozen=True, kw_only=True)
class Options:
    """See `vfmeta.compare` for what each means."""

    outcome: str
    measure: TableMeasure = "MD"
    week: float | None = None
    window: tuple[float, float] | None = None
    points: tuple[float, float] | None = None
    design: Design = "randomised"
    prefer: tuple[str, ...] = PREFERENCES
    background: tuple[str, ...] | None = None
    unit: tuple[str, ...] = ("patient",)
    analysis_set: tuple[str, ...] = ("itt", "not_stated")
    time_kind: tuple[str, ...] = ("visit", "not_stated")
    use: tuple[str, ...] = ("pool",)
    multi_arm: MultiArm = "combine"
    zero: SingleZero = "only0"
    n_missing: MissingSize = "leave_out"
    counts_from_percent: bool = False
    p_bound: bool = False
    correlation: float | None = None
    assume_direction: PrintedAs | None = None
    assume_points: tuple[float, float] | None = None
    drop_flags: tuple[str, ...] = ()
    exclude_studies: tuple[str, ...] = ()
    exclude_rows: tuple[str, ...] = ()
    reports: Reporting = "strict"
    responders: tuple[str, ...] = ()
    selective: bool = True
    equal_arms: bool = False

    def __post_init__(self) -> None:
        for f in fields(self):
            value = getattr(self, f.name)
            if isinstance(value, list):
                object.__setattr__(self, f.name, tuple(value))
            elif isinstance(value, str) and "tuple[str" in str(f.type):
                object.__setattr__(self, f.name, (value,))
        self._check_types()
        for name, option in _ONE_OF.items():
            if getattr(self, name) is not None:
                self._one_of(name, getattr(self, name), choices(option))
        for name, known in (
            ("prefer", PREFERENCES),
            ("use", choices(Use)),
            ("unit", allowed("outcomes_binary", "unit")),
            ("analysis_set", allowed("contrasts", "analysis_set")),
            ("time_kind", allowed("contrasts", "time_kind")),
            ("drop_flags", allowed("row_flags", "flag")),
        ):
            values = getattr(self, name)
            if not values and name != "drop_flags":
                raise InputError(f"{name} is empty, so no figure could enter; name one or more of {', '.join(known)}.")
            for value in values:
                self._one_of(name, value, tuple(known))
        for name, pair in (("window", self.window), ("points", self.points), ("assume_points", self.assume_points)):
            if pair is not None and (len(pair) != 2 or not all(map(_finite, pair)) or not pair[0] < pair[1]):
                raise InputError(f"{name} is a pair (low, high) of numbers with low below high, not {pair!r}.")
        if self.week is not None and not (_finite(self.week) and self.week >= 0):
            raise InputError(f"week is a number of weeks, 0 or more, not {self.week!r}.")
        if self.window is not None and (self.week is None or not self.window[0] <= self.week <= self.window[1]):
            raise InputError(f"The target week {self.week!r} must lie inside the window {self.window!r}.")
        if self.reports == "all" and self.measure != "SMD" and (self.measure != "MD" or self.points is None):
            raise InputError(
                'reports="all" takes words as they bear on a mean difference: give measure="MD" and points=, its scale, or '
                'measure="SMD".'
            )
        if self.responders and (self.measure != "SMD" or self.reports != "all"):
            raise InputError(
                'responders= names counts that stand for a standardised mean difference: give measure="SMD" and reports="all", '
                "or leave it out."
            )
        if self.correlation is not None:
            if not (_finite(self.correlation) and -1 < self.correlation < 1):
                raise InputError(
                    f"correlation lies between -1 and 1, not {self.correlation!r}; leave it out to make no change SDs."
                )
            if measures.row(self.measure).kind != "means":
                raise InputError(f"correlation serves MD and SMD, not {self.measure}; leave it out.")

    def _check_types(self) -> None:
        """Names are texts, switches are True or False: anything else would quietly match no figure."""
        for f in fields(self):
            value = getattr(self, f.name)
            if "tuple[str" in str(f.type) and value is not None:
                if not isinstance(value, tuple) or not all(isinstance(x, str) for x in value):
                    raise InputError(f"{f.name} is a name or a list of names, not {value!r}.")
            elif f.type == "bool" and not isinstance(value, bool):
                raise InputError(f"{f.name} is True or False, not {value!r}.")
            elif "tuple[float" in str(f.type) and value is not None and not isinstance(value, tuple):
                raise InputError(f"{f.name} is a pair (low, high), not {value!r}.")

    @staticmethod
    def _one_of(name: str, value: str, known: tuple[str, ...]) -> None:
        if not isinstance(value, str) or value not in known:
            near = did_you_mean(value, known) if isinstance(value, str) else ""
            raise InputError(f"{name} is one of {', '.join(known)}, not {value!r}.{near}")


def _finite(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)

"""What a question to the tables may ask for, checked before any table is touched."""

from __future__ import annotations

from dataclasses import dataclass, fields

from vfmeta.effects.events import ZERO_RULES
from vfmeta.effects.published import PRINTED_AS
from vfmeta.messages import InputError

MEASURES = ("MD", "SMD", "RR", "OR", "HR", "RD")
DESIGN_CLASSES = {
    "randomised": ("parallel_rct", "crossover_rct", "cluster_rct"),
    "quasi_randomised": ("quasi_rct",),
    "non_randomised": ("nonrandomised",),
}
PREFERENCES = ("adjusted_contrast", "contrast", "change", "final")


@dataclass(frozen=True, kw_only=True)
class Options:
    """See `vfmeta.compare` for what each means."""

    outcome: str
    measure: str = "MD"
    week: float | None = None
    window: tuple[float, float] | None = None
    scale: tuple[float, float] | None = None
    design: str = "randomised"
    prefer: tuple[str, ...] = PREFERENCES
    background: tuple[str, ...] | None = None
    unit: tuple[str, ...] = ("patient",)
    analysis_set: tuple[str, ...] = ("itt", "not_stated")
    time_kind: tuple[str, ...] = ("visit", "not_stated")
    use: tuple[str, ...] = ("pool",)
    multi_arm: str = "combine"
    zero: str = "only0"
    n_missing: str = "leave_out"
    counts_from_percent: bool = False
    p_bound: bool = False
    assume_direction: str | None = None
    assume_scale: tuple[float, float] | None = None
    drop_flags: tuple[str, ...] = ()
    exclude_studies: tuple[str, ...] = ()
    exclude_rows: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for f in fields(self):
            value = getattr(self, f.name)
            if isinstance(value, list):
                object.__setattr__(self, f.name, tuple(value))
            elif isinstance(value, str) and "tuple[str" in str(f.type):
                object.__setattr__(self, f.name, (value,))
        self._one_of("measure", self.measure, MEASURES)
        self._one_of("design", self.design, tuple(DESIGN_CLASSES))
        self._one_of("multi_arm", self.multi_arm, ("combine", "split"))
        self._one_of("zero", self.zero, ZERO_RULES)
        self._one_of("n_missing", self.n_missing, ("leave_out", "randomised"))
        if self.assume_direction is not None:
            self._one_of("assume_direction", self.assume_direction, PRINTED_AS)
        for name in self.prefer:
            self._one_of("prefer", name, PREFERENCES)
        for name, pair in (("window", self.window), ("scale", self.scale), ("assume_scale", self.assume_scale)):
            if pair is not None and (len(pair) != 2 or not pair[0] < pair[1]):
                raise InputError(f"{name} is a pair (low, high) with low below high, not {pair!r}.")
        if self.window is not None and (self.week is None or not self.window[0] <= self.week <= self.window[1]):
            raise InputError(f"The target week {self.week!r} must lie inside the window {self.window!r}.")

    @staticmethod
    def _one_of(name: str, value: str, known: tuple[str, ...]) -> None:
        if value not in known:
            raise InputError(f"{name} is one of {', '.join(known)}, not {value!r}.")

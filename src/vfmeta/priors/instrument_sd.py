"""Prior of the standard deviations that trials find with an instrument, where some print none."""

from __future__ import annotations

import math
from dataclasses import dataclass

from vfmeta.priors.family import positive


@dataclass(frozen=True)
class InstrumentSD:
    """The log of a trial's SD is N(m, s^2), with m ~ N(log middle, spread^2) and s ~ half-normal(between).

    Stated for one instrument and one kind of score (final score, change), on a scale of 0-10. A uniform score on 0-10 has an SD
    of 2.9 and one that is all ends 5, so that ``middle`` 2.5 with ``spread`` 0.5 (95% of m's medians: 0.9 to 6.7) leaves out
    nothing that a pain scale can show; ``between`` 0.3 lets trials of one instrument differ by a factor of 1.8 (95%, at s =
    0.3). Of the pain scores of the trial tables whose scale is printed, rescaled to 0-10, the median SD is 2.3 for final scores
    (3 trials, 2.1 to 2.8) and 2.6 for changes (3 trials, 1.7 to 3.0), and the SD of their logs between trials 0.14 and 0.29.

    Examples
    --------
    >>> import vfmeta as vf
    >>> print(vf.priors.InstrumentSD().scaled(10))
    log SD of a trial ~ N(m, s^2), m ~ N(log 25, 0.5), s ~ half-normal(0.3)
    """

    middle: float = 2.5
    spread: float = 0.5
    between: float = 0.3

    def __post_init__(self) -> None:
        for name in ("middle", "spread", "between"):
            positive(name, getattr(self, name), "Prior of an instrument's SD")

    @property
    def centre(self) -> float:
        """Prior mean of m."""
        return math.log(self.middle)

    def scaled(self, by: float) -> InstrumentSD:
        """The same on a scale ``by`` times as long."""
        return InstrumentSD(self.middle * by, self.spread, self.between)

    def __str__(self) -> str:
        return f"log SD of a trial ~ N(m, s^2), m ~ N(log {self.middle:g}, {self.spread:g}), s ~ half-normal({self.between:g})"

"""What a further trial would have to find to change a conclusion, how likely that is, and how large it should be."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from vfmeta.core.params import OnScale
from vfmeta.core.question import Pair, Question
from vfmeta.results.codec import Recorded
from vfmeta.results.frames import scaled
from vfmeta.text import next_trial as words

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class NextTrial(Recorded):
    """What a further trial could do to a pool.

    ``conclusion`` is what the interval says now ("lower" or "higher" than no difference, "little" difference, "unclear"). The
    trials asked about have ``n`` people (NaN where the sizes of the studies are unknown) and standard errors ``trial_se``, each
    of shape (m,). Each range of findings that changes the conclusion has a row: of the trial ``which``, effects from
    ``ranges[:, 0]`` to ``ranges[:, 1]`` lead to ``after`` with probability ``chances`` under what is known now. ``needed`` are
    the people of a trial that by itself excludes no difference with probability ``power`` (infinite where no size does, NaN
    where sizes are unknown), ``needed_se`` its standard error and ``ceiling`` the probability that no size exceeds.
    """

    engine: ClassVar[str] = "appraisal"
    absent: ClassVar[dict[str, str]] = {"": "it tells of a trial still to come; the pool it was asked of has it."}

    question: Question
    level: float
    labels: tuple[str, ...]
    y: np.ndarray
    v: np.ndarray
    estimate: float
    interval: Pair
    conclusion: str
    n: np.ndarray
    trial_se: np.ndarray
    which: np.ndarray
    ranges: np.ndarray
    after: tuple[str, ...]
    chances: np.ndarray
    power: float
    needed: float
    needed_se: float
    ceiling: float
    method: str = "further trial"
    warnings: tuple[str, ...] = ()
    call: dict[str, Any] = field(default_factory=dict)

    @property
    def k(self) -> int:
        return len(self.y)

    def to_frame(self, *, on: OnScale = "analysis") -> pd.DataFrame:
        """A row a range of findings that changes the conclusion, and one without ends for a trial that nothing makes change
        it: n, trial_se (on the analysis scale), ci_low and ci_high (the ends), conclusion (then), probability, scale.
        """
        import pandas as pd

        rows = [
            (n, se, *ends, after, p)
            for n, se, found in zip(self.n.tolist(), self.trial_se.tolist(), self._found, strict=True)
            for ends, after, p in found or [((math.nan, math.nan), self.conclusion, 0.0)]
        ]
        frame = pd.DataFrame(rows, columns=["n", "trial_se", "ci_low", "ci_high", "conclusion", "probability"])
        return scaled(frame, self.question, on)

    def sentence(self) -> str:
        """What would change the conclusion, and the size of a next trial, in words."""
        return " ".join([*self.sentences, self.size_sentence])

    @property
    def _found(self) -> list[list[tuple[Pair, str, float]]]:
        """Of each trial asked about its ranges, with conclusion and probability."""
        rows: list[list[tuple[Pair, str, float]]] = [[] for _ in self.n]
        ends = self.ranges.reshape(-1, 2).tolist()
        for i, (low, high), after, p in zip(
            self.which.astype(int).tolist(), ends, self.after, self.chances.tolist(), strict=True
        ):
            rows[i].append(((low, high), after, p))
        return rows

    @property
    def sentences(self) -> list[str]:
        """A sentence for each trial asked about."""
        return [
            words.change_text(self.question, self.estimate, n, se, found)
            for n, se, found in zip(self.n.tolist(), self.trial_se.tolist(), self._found, strict=True)
        ]

    @property
    def size_sentence(self) -> str:
        """How large a next trial should be."""
        return words.size_text(self.question, self.estimate, self.power, self.needed, self.needed_se, self.ceiling)

    def __str__(self) -> str:
        sized = "" if math.isnan(self.n[0]) else ", sized by the trials so far"
        head = f"A further trial beside {self.k} studies{sized}"
        return "\n".join([head, *self.sentences, self.size_sentence, *self.warnings])

"""Trim and fill: the pool with mirror images of the studies that have none across the funnel."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from vfmeta.core.params import OnScale
from vfmeta.core.question import Question
from vfmeta.results.codec import Recorded
from vfmeta.results.fit import FrequentistResult
from vfmeta.results.frames import scaled
from vfmeta.text import numbers as tx
from vfmeta.text.levels import level_note

if TYPE_CHECKING:
    import pandas as pd

_OF_AFTER = frozenset([
    "estimate", "se", "statistic", "df", "p_value", "interval", "tau2", "tau2_se", "tau2_interval", "i2", "h2", "q",
    "prediction", "level", "method", "test",
])  # fmt: skip


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class TrimAndFill(Recorded):
    """The pool of the studies with those that were imputed.

    ``lacking`` studies are taken to be missing on the ``side``, with ``lacking_se``, and for R0 the p value ``lacking_p`` of
    the test that none is; ``before`` is the pool without them and ``after`` with them, whose ``estimate``, ``se``,
    ``interval``, ... this result has. ``filled_y`` and ``filled_v`` are the imputed studies, mirror images of the studies
    ``filled_of``. ``rule`` says how the side was chosen.
    """

    engine: ClassVar[str] = "appraisal"
    packed: ClassVar[frozenset[str]] = frozenset({"before", "after"})
    absent: ClassVar[dict[str, str]] = {
        "": "half of its studies may be imputed, which no such thing can be made from; its parts before and after have theirs."
    }

    question: Question
    estimator: str
    side: str
    rule: str
    lacking: int
    lacking_se: float
    lacking_p: float
    filled_y: np.ndarray
    filled_v: np.ndarray
    filled_of: tuple[str, ...]
    before: FrequentistResult
    after: FrequentistResult
    warnings: tuple[str, ...] = ()
    call: dict[str, Any] = field(default_factory=dict)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.after, name) if name in _OF_AFTER else super().__getattr__(name)

    @property
    def k(self) -> int:
        """Studies that are there."""
        return self.before.k

    @property
    def y(self) -> np.ndarray:
        return self.before.y

    @property
    def v(self) -> np.ndarray:
        return self.before.v

    @property
    def labels(self) -> tuple[str, ...]:
        return self.before.labels

    @property
    def unadjusted(self) -> float:
        """The pool without imputed studies."""
        return self.before.estimate

    centre = unadjusted

    @property
    def studies(self) -> pd.DataFrame:
        """The studies that are there."""
        return self.before.studies

    def to_frame(self, *, on: OnScale = "analysis") -> pd.DataFrame:
        """A row for the pool with imputed studies and one without: term, k, imputed, estimate, ..., tau2, scale."""
        import pandas as pd

        rows = []
        for term, pool, n in (("trim and fill", self.after, self.lacking), ("unadjusted", self.before, 0)):
            (row,) = pool.to_frame().to_dict("records")
            kept = ("estimate", "se", "ci_low", "ci_high", "statistic", "df", "p_value", "tau2")
            rows.append({"term": term, "k": self.k, "imputed": n} | {name: row[name] for name in kept})
        return scaled(pd.DataFrame(rows), self.question, on)

    def sentence(self) -> str:
        """What was imputed, what it does to the pool, and what it rests on."""
        q = self.question
        if not self.lacking:
            return (
                f"{self.estimator} takes no study to be missing on the {self.side}, so the pool stays "
                f"{tx.effect_text(q, self.before.estimate, self.before.interval)}; that shows no absence of selective "
                "publication."
            )
        n = "1 study" if self.lacking == 1 else f"{self.lacking} studies"
        return (
            f"{self.estimator} takes {n} to be missing on the {self.side}; with mirror images in their place the pool goes "
            f"from {tx.effect_text(q, self.before.estimate, self.before.interval)} to "
            f"{tx.effect_text(q, self.after.estimate, self.after.interval)}. Imputed studies are no data: where effects differ "
            "between studies the method finds some that never were, and misses others (Peters et al. 2007, Stat Med "
            "26:4544-4562)."
        )

    def __str__(self) -> str:
        q = self.question
        lines = [
            f"trim and fill ({self.estimator}, {self.before.method}), k = {self.k}",
            f"missing    {self.lacking} on the {self.side} (SE {tx.short(self.lacking_se)}), {self.rule}",
            f"with them  {tx.effect_text(q, self.after.estimate, self.after.interval)}  ({tx.level_text(self.after.level)} CI)",
            f"without    {tx.effect_text(q, self.before.estimate, self.before.interval)}",
        ]
        if not math.isnan(self.lacking_p):
            lines.append(f"p          {tx.short(self.lacking_p)} that none is missing")
        differ = self.before.model == "random" and bool(self.before.tau2)
        return "\n".join([*lines, self.sentence(), *self.warnings, *level_note("trim_and_fill", differ)])

    def _pack(self) -> dict[str, Any]:
        return {"before": self.before.to_dict(), "after": self.after.to_dict()}

    @classmethod
    def _unpack(cls, data: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
        return {name: FrequentistResult.from_dict(data[name]) for name in ("before", "after")}

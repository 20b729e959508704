"""Direct against indirect evidence on every comparison of a network, as posteriors."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from vfmeta.core.params import OnScale
from vfmeta.core.question import Question
from vfmeta.results.codec import Recorded
from vfmeta.results.frames import NO_ERROR, scaled
from vfmeta.text import numbers as tx

if TYPE_CHECKING:
    import pandas as pd

SIDES = ("direct", "indirect", "network")


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class NodeSplits(Recorded):
    """Posterior of ``estimate``, direct less indirect effect, of every comparison that has evidence of both kinds.

    ``treatment`` and ``control`` (m,) name the comparisons. ``direct``, ``indirect`` and ``network`` (m, 4) hold the posterior
    median, SD and limits of the effect by trials that compare the two, by all others, and by all together; ``estimate``, ``se``
    and ``interval`` (m, 2) those of the difference, ``p_above_0`` the probability that it is above 0 and ``p_two_sided`` twice
    the smaller of that and its complement. ``tau`` (m,) is the median of the heterogeneity of each split model (0 where the
    model has none), ``network_tau`` that of the network.
    """

    engine: ClassVar[str] = "node_splits"
    absent: ClassVar[dict[str, str]] = {
        "": "it holds two kinds of evidence against each other, one comparison after the other; the posterior of the network "
        "has it.",
        "p_value": "a posterior is no test; p_two_sided says how far the difference lies from 0.",
        "statistic": "a posterior is no test; p_two_sided says how far the difference lies from 0.",
    }

    question: Question
    level: float
    k: int
    treatment: tuple[str, ...]
    control: tuple[str, ...]
    direct: np.ndarray
    indirect: np.ndarray
    network: np.ndarray
    estimate: np.ndarray
    se: np.ndarray
    interval: np.ndarray
    p_above_0: np.ndarray
    tau: np.ndarray
    network_tau: float
    priors: tuple[str, ...]
    method: str
    warnings: tuple[str, ...] = ()
    call: dict[str, Any] = field(default_factory=dict)

    @property
    def p_two_sided(self) -> np.ndarray:
        """Twice the smaller of the probabilities that the difference is above and below 0, shape (m,)."""
        return 2 * np.minimum(self.p_above_0, 1 - self.p_above_0)

    def to_frame(self, *, on: OnScale = "analysis") -> pd.DataFrame:
        """A row a comparison: treatment, control, and of direct, indirect, network and difference the estimate (the side's own
        name), _se, _low, _high; p_above_0 and p_two_sided of the difference, tau, scale.

        ``on="read"`` turns effects, and the difference of logs to how many times the direct is the indirect; on other turned
        scales a difference stands for nothing people read and is NaN, as standard errors are.
        """
        import pandas as pd

        q, columns = self.question, {"treatment": list(self.treatment), "control": list(self.control)}
        turned = on != "analysis" and bool(q.facts.scale.name)
        parts = {name: getattr(self, name).reshape(-1, 4) for name in SIDES}
        parts["difference"] = np.column_stack([self.estimate, self.se, self.interval.reshape(-1, 2)])
        for name, x in parts.items():
            for j, ending in enumerate(("", "_se", "_low", "_high")):
                value = x[:, j]
                if turned:
                    value = np.full(len(value), np.nan) if j == 1 else self._read(name, value)
                columns[f"{name}{ending}"] = value
        frame = pd.DataFrame(columns | {"p_above_0": self.p_above_0, "p_two_sided": self.p_two_sided, "tau": self.tau})
        out = scaled(frame, q, on)
        if turned:
            out.attrs["notes"] = [NO_ERROR]
        return out

    def _read(self, name: str, value: np.ndarray) -> np.ndarray:
        if name != "difference":
            return np.asarray(self.question.display(value), dtype=float)
        return np.exp(value) if self.question.is_ratio else np.full(len(value), np.nan)

    def sentence(self) -> str:
        """Where direct and indirect evidence differ, beside how often chance alone would make them."""
        m = len(self.treatment)
        if m == 0:
            return "No comparison has both direct and indirect evidence: nothing here can tell whether the two agree."
        names = [f"{a} v {b}" for a, b in zip(self.treatment, self.control, strict=True)]
        apart = np.flatnonzero(self.p_two_sided < 1 - self.level)
        of = f"{m} comparison{'s' if m > 1 else ''} with direct and indirect evidence"
        if not len(apart):
            low = int(np.argmin(self.p_two_sided))
            return (
                f"In none of {of} does the {tx.level_text(self.level)} interval of their difference leave out 0 (closest: "
                f"{names[low]}, two-sided probability {tx.short(float(self.p_two_sided[low]), 2)}); wide intervals can hide "
                "that they disagree."
            )
        listed = ", ".join(f"{names[i]} ({tx.short(float(self.p_two_sided[i]), 2)})" for i in apart.tolist())
        return (
            f"Of {of}, direct and indirect differ in {len(apart)}: {listed} (two-sided probability). By chance alone about "
            f"{tx.short((1 - self.level) * m, 2)} of so many would, were they independent, which they are not: one trial can "
            "stand behind several."
        )

    def __str__(self) -> str:
        lines = [f"node-splitting, {self.question.shown}, {self.method}: direct less indirect, median (interval)"]
        frame = self.to_frame()
        for row in frame.itertuples():
            difference = f"{tx.short(row.difference)} ({tx.span_text((row.difference_low, row.difference_high))})"
            lines.append(
                f"{row.treatment} v {row.control}:  {difference}; direct {tx.short(row.direct)}, "
                f"indirect {tx.short(row.indirect)}; two-sided probability {tx.short(row.p_two_sided, 2)}"
            )
        return "\n".join([*lines, self.sentence(), *(f"prior: {p}" for p in self.priors), *self.warnings])

"""A network: trials with their arms, what joins them, and their contrasts as rows of a regression."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from vfmeta.core.origin import Origin
from vfmeta.kernels.network import independent


@dataclass(frozen=True)
class Trial:
    """A trial: its ``arms`` by name, the first the base, effects ``y`` (m,) against it and their covariance ``V`` (m, m).

    ``count`` trials are pooled in it.
    """

    label: str
    arms: tuple[str, ...]
    y: np.ndarray
    V: np.ndarray
    count: int = 1


@dataclass(frozen=True)
class Network:
    """Trials whose treatments are joined; ``treatments`` in the order of their names, ``reference`` one of them."""

    trials: tuple[Trial, ...]
    treatments: tuple[str, ...]
    reference: str
    notes: tuple[str, ...]
    origin: Origin

    @cached_property
    def together(self) -> np.ndarray:
        """How many trials have both of two treatments, in the order of ``treatments``; on the diagonal, how many have one."""
        at = {t: i for i, t in enumerate(self.treatments)}
        has = np.zeros((len(self.trials), len(at)), dtype=int)
        for row, trial in zip(has, self.trials, strict=True):
            row[[at[arm] for arm in trial.arms]] = 1
        return (has * [[t.count] for t in self.trials]).T @ has

    def having(self, *arms: str) -> int:
        """How many trials have all of these arms."""
        if 0 < len(arms) < 3 and set(arms) <= set(self.treatments):
            return int(self.together[self.treatments.index(arms[0]), self.treatments.index(arms[-1])])
        return sum(t.count for t in self.trials if set(arms) <= set(t.arms))

    @property
    def pooled(self) -> bool:
        """Whether designs stand for their trials."""
        return any(t.count > 1 for t in self.trials)

    @property
    def rows_of(self) -> np.ndarray:
        """Number of the trial that each contrast is of."""
        return np.repeat(np.arange(len(self.trials)), [len(t.y) for t in self.trials])

    @property
    def others(self) -> tuple[str, ...]:
        """The treatments but the reference: one coefficient each."""
        return tuple(t for t in self.treatments if t != self.reference)

    def coding(self, trial: Trial) -> np.ndarray:
        """Design (m, p) of a trial's contrasts: a treatment's effect less that of the trial's base."""
        place = {t: j for j, t in enumerate(self.others)}
        x = np.zeros((len(trial.y), len(place)))
        for i, arm in enumerate(trial.arms[1:]):
            if arm in place:
                x[i, place[arm]] += 1
            if trial.arms[0] in place:
                x[i, place[trial.arms[0]]] -= 1
        return x

    def rows(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Independent rows: effects, variances, design and trial; see `vfmeta.kernels.network.independent`."""
        trials = self.trials
        return independent([t.y for t in trials], [t.V for t in trials], self.designs())

    def designs(self) -> list[np.ndarray]:
        """`coding` of every trial, as views of one array."""
        place = {t: j for j, t in enumerate(self.others)}
        place[self.reference] = len(place)  # a column that falls away
        sizes = [len(t.y) for t in self.trials]
        arm = [place[a] for t in self.trials for a in t.arms[1:]]
        base = np.repeat([place[t.arms[0]] for t in self.trials], sizes)
        x = np.zeros((len(arm), len(place)))
        index = np.arange(len(arm))
        x[index, arm] = 1.0
        x[index, base] -= 1.0
        return np.split(x[:, :-1], np.cumsum(sizes)[:-1])

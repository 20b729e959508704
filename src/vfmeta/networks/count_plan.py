"""A network of counts as a mixed model: an intercept a trial, effects of treatments, and random effects of its arms.

Random effects of the arms of a trial have the covariance tau2 / 2 (I - 1 1' / m): every contrast has the variance tau2, two
with a common arm the covariance tau2 / 2, and no arm is the base; with two arms that is the coding -1/2, +1/2 of the pairwise
model (Jackson et al. 2018, Stat Med 37:1059-1085).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vfmeta.frequentist.glmm.designs import NODES
from vfmeta.kernels.arrow import Maximum
from vfmeta.kernels.families import Binomial, Family, Poisson
from vfmeta.kernels.marginal import Joined, MixedModel
from vfmeta.networks.count_trials import Counted

# nodes of each random effect in trials of 2, 3, 4 and more arms, where those of two arms are NODES
_LADDERS = (NODES, (7, 13, 21, 35, 61), (5, 9, 13, 19, 31), (5, 7, 9, 13, 17))


@dataclass(frozen=True)
class Shape:
    """Trials with one number of arms: counts (k, m) and the design of their arms (k, m, p)."""

    family: Family
    fixed: np.ndarray


@dataclass(frozen=True)
class CountPlan:
    """Trials by their number of arms; ``asked`` nodes a random effect, None for as many as it takes."""

    shapes: tuple[Shape, ...]
    own_start: np.ndarray
    start: np.ndarray
    asked: int | None
    spread: np.ndarray

    @property
    def own(self) -> np.ndarray:
        """Where each trial's own intercept starts."""
        return self.own_start

    @property
    def effects(self) -> slice:
        return slice(0, len(self.start))

    def ladder(self, random: bool) -> tuple[int, ...]:
        """Numbers of nodes of a trial with two arms, one after the other."""
        return NODES if random else NODES[:1]

    def common(self, nodes: int) -> Joined:
        return Joined([
            MixedModel(s.family, np.ones(s.fixed.shape[:2]), s.fixed, np.zeros((*s.fixed.shape[:2], 0)), nodes)
            for s in self.shapes
        ])  # fmt: skip

    def random(self, nodes: int) -> Joined:
        models = []
        for s in self.shapes:
            k, m, _ = s.fixed.shape
            loads = np.broadcast_to(arm_loads(m), (k, m, m - 1))
            own = nodes if self.asked is not None else _LADDERS[min(m, 5) - 2][NODES.index(nodes)]
            models.append(MixedModel(s.family, np.ones((k, m)), s.fixed, loads, own, one_spread=True))
        return Joined(models)

    def likely(self, best: Maximum, nodes: int, random: bool) -> tuple[float, np.ndarray]:
        """Log likelihood given the most likely random effects; trials have no single effect."""
        model = self.random(nodes) if random else self.common(nodes)
        return float(model.at_modes(best.a, best.phi).sum()), np.empty(0)


def plan_of(trials: Sequence[Counted], others: Sequence[str], asked: int | None, *, over_time: bool) -> CountPlan:
    """The plan of trials, treatment effects in the order of ``others``."""
    place = {t: j for j, t in enumerate(others)}
    shapes, level = [], []
    for m in sorted({len(t.arms) for t in trials}):
        of = [t for t in trials if len(t.arms) == m]
        events, size = np.array([t.events for t in of]), np.array([t.size for t in of])
        fixed = np.zeros((len(of), m, len(place)))
        for i, t in enumerate(of):
            for a, arm in enumerate(t.arms):
                if arm in place:
                    fixed[i, a, place[arm]] = 1.0
        family: Family = Poisson(events, size) if over_time else Binomial(events, size)
        shapes.append(Shape(family, fixed))
        x, n = events.sum(axis=1) + 0.5, size.sum(axis=1)
        level.append(np.log(x / n) if over_time else np.log(x / (n - x + 1)))
    return CountPlan(tuple(shapes), np.concatenate(level), np.zeros(len(place)), asked, np.empty(0))


def arm_loads(m: int) -> np.ndarray:
    """L (m, m - 1) with L L' = (I - 1 1' / m) / 2: effects of arms that add up to 0."""
    values, vectors = np.linalg.eigh((np.eye(m) - 1 / m) / 2)
    return vectors[:, 1:] * np.sqrt(values[1:])

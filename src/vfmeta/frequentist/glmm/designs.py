"""The generalised linear mixed models of counts as designs: which family, which parameters are shared, own and random."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vfmeta.core.measures import row
from vfmeta.effects.counts import Counts
from vfmeta.kernels.arrow import Maximum
from vfmeta.kernels.families import Binomial, Family, Hypergeometric, Poisson
from vfmeta.kernels.marginal import MixedModel

NODES = (15, 31, 63, 127, 255)  # one random effect
NODES_TWO = (9, 17, 31, 51, 81, 121)  # nodes of each of two
HALF = np.array([0.5, -0.5])  # the group, coded so that the random effect of treatment spreads evenly over the arms


@dataclass(frozen=True)
class Design:
    """A model of k studies.

    ``effect`` is the first place of the treatment effect (or of the pooled logit or log rate) among the shared parameters and
    ``moderators`` (k, m) its design, a column of ones where there are none;
    ``own_start``, ``start`` and ``spread`` are starting values of the parameters of single studies, of the shared ones and of
    the standard deviation of the intercepts (empty where they are not random).
    """

    family: Family
    offset: np.ndarray
    own: np.ndarray | None
    fixed: np.ndarray
    loads: np.ndarray
    effect: int
    moderators: np.ndarray
    own_start: np.ndarray
    start: np.ndarray
    spread: np.ndarray

    @property
    def effects(self) -> slice:
        """Places of the coefficients of the effect among the shared parameters."""
        return slice(self.effect, self.effect + self.moderators.shape[1])

    def common(self, nodes: int) -> MixedModel:
        """The model without heterogeneity of the effect (its load is the last)."""
        return MixedModel(self.family, self.own, self.fixed, self.loads[:, :, :-1], nodes, self.offset)

    def random(self, nodes: int) -> MixedModel:
        return MixedModel(self.family, self.own, self.fixed, self.loads, nodes, self.offset)

    def ladder(self, random: bool) -> tuple[int, ...]:
        """Numbers of nodes to try, one after the other; one where nothing is integrated."""
        integrated = self.loads.shape[2] - (not random)
        return (NODES[:1], NODES, NODES_TWO)[integrated]

    def likely(self, best: Maximum, nodes: int, random: bool) -> tuple[float, np.ndarray]:
        """Log likelihood given the most likely random effects, and the effects of studies that they make."""
        model = self.random(nodes) if random else self.common(nodes)
        conditional, z = model.at_modes(best.a, best.phi)
        effects = self.moderators @ best.phi[self.effects]
        return float(conditional.sum()), effects + best.phi[-1] * z[:, -1] if random else effects

    def saturated(self, nodes: int) -> MixedModel:
        """Every study with an effect of its own on arm 1, the intercepts (of arm 2) random: UM.RS.

        Where arm 1 has no event, or nothing but events, that effect is infinite and the arm is certain: it is taken out.
        """
        family = self.family
        size = family.time if isinstance(family, Poisson) else family.size  # type: ignore[attr-defined]
        certain = np.zeros(size.shape, dtype=bool)
        certain[:, 0] = (family.count[:, 0] == 0) | (isinstance(family, Binomial) & (family.count[:, 0] == size[:, 0]))
        cells = np.where(certain, 0.0, family.count), np.where(certain, 0.0, size)
        reduced: Family = Poisson(*cells) if isinstance(family, Poisson) else Binomial(*cells)
        own = np.broadcast_to([1.0, 0.0], size.shape)
        return MixedModel(reduced, own, self.fixed[:, :, :1], self.loads[:, :, :-1], nodes, self.offset)


def design(measure: str, model: str | None, counts: Counts, moderators: np.ndarray | None = None) -> Design:
    """The design of one of the models of `vfmeta.glmm`; counts of informative studies only.

    ``moderators`` (k, m) is the design of the effect, its column of ones included; it alone when left out.
    """
    x = np.ones((counts.k, 1)) if moderators is None else moderators
    if row(measure).one_group:
        return _one_arm(counts, x)
    if model in ("UM.FS", "UM.RS"):
        return _unconditional(model, counts, x)
    return _conditional(model or "", counts, x)


def _one_arm(counts: Counts, moderators: np.ndarray) -> Design:
    x, size = (c[:, None] for c in counts.columns)
    family: Family = Poisson(x, size) if counts.rates else Binomial(x, size)
    total = x.sum() + 0.5
    start = np.log(total / (size.sum() if counts.rates else size.sum() - total + 1))
    return _shared(family, np.zeros((counts.k, 1)), moderators, start)


def _conditional(model: str, counts: Counts, moderators: np.ndarray) -> Design:
    a, m1, c, m2 = counts.columns
    if counts.rates or model == "CM.AL":
        return _shared(Binomial(a[:, None], (a + c)[:, None]), np.log(m1 / m2)[:, None], moderators, 0.0)
    return _shared(Hypergeometric(a[:, None], m1, m2, a + c), np.zeros((counts.k, 1)), moderators, 0.0)


def _shared(family: Family, offset: np.ndarray, moderators: np.ndarray, level: float) -> Design:
    k = len(offset)
    start = np.linalg.lstsq(moderators, np.full(k, level), rcond=None)[0]
    fixed, ones = moderators[:, None, :], np.ones((k, 1, 1))
    return Design(family, offset, None, fixed, ones, 0, moderators, np.zeros(k), start, np.empty(0))


def _unconditional(model: str, counts: Counts, moderators: np.ndarray) -> Design:
    a, m1, c, m2 = counts.columns
    x, size = np.stack([a, c], axis=1), np.stack([m1, m2], axis=1)
    events, all_ = x.sum(axis=1) + 0.5, size.sum(axis=1)
    level = np.log(events / all_) if counts.rates else np.log(events / (all_ - events + 1))
    family: Family = Poisson(x, size) if counts.rates else Binomial(x, size)
    k, offset = counts.k, np.zeros_like(x)
    group = np.broadcast_to(HALF[:, None], (k, 2, 1))
    ones = np.ones((k, 2, 1))
    fixed, start = group * moderators[:, None, :], np.zeros(moderators.shape[1])
    if model == "UM.FS":
        return Design(family, offset, np.ones((k, 2)), fixed, group, 0, moderators, level, start, np.empty(0))
    both, loads = np.concatenate([ones, fixed], axis=2), np.concatenate([ones, group], axis=2)
    spread, start = max(float(np.std(level)), 0.1), np.concatenate([[level.mean()], start])
    return Design(family, offset, None, both, loads, 1, moderators, np.zeros(k), start, np.array([spread]))

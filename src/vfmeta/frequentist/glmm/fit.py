"""Fitting the count models: the maximum with and without heterogeneity, and the tests of heterogeneity."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from vfmeta.core.messages import ConvergenceError
from vfmeta.effects.counts import Counts
from vfmeta.frequentist.glmm.designs import Design
from vfmeta.kernels.arrow import Maximum, maximise
from vfmeta.kernels.families import Family, Hypergeometric

TAU_STARTS = (0.4, 1.5)
FLAT = 30.0  # standard error of a coefficient of a moderator with mean square 1, on the log scale


class Plan(Protocol):
    """What is fitted: parameters of single studies where there are ``own`` ones, shared ones, of which ``effects`` are the
    effect, and spreads (of intercepts, and of the effect where it is random).
    """

    @property
    def own(self) -> np.ndarray | None: ...

    @property
    def own_start(self) -> np.ndarray: ...

    @property
    def start(self) -> np.ndarray: ...

    @property
    def spread(self) -> np.ndarray: ...

    @property
    def effects(self) -> slice: ...

    def common(self, nodes: int) -> Marginal: ...

    def random(self, nodes: int) -> Marginal: ...

    def ladder(self, random: bool) -> tuple[int, ...]:
        """Numbers of nodes to try, one after the other; one where nothing is integrated."""
        ...

    def likely(self, best: Maximum, nodes: int, random: bool) -> tuple[float, np.ndarray]:
        """Log likelihood given the most likely random effects, and the effects of studies that they make."""
        ...


class Marginal(Protocol):
    """A likelihood with its random effects integrated out."""

    def log_likelihood(self, a: np.ndarray, phi: np.ndarray) -> np.ndarray: ...

    def curvature(self, a: np.ndarray, phi: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]: ...


@dataclass(frozen=True)
class Fitted:
    """A model at its maximum.

    ``beta`` (m,) and ``covariance`` (m, m) belong to the effect (of no moderator, m = 1). ``tau`` is 0 for a common effect,
    ``sigma`` None where intercepts are not random.
    """

    beta: np.ndarray
    covariance: np.ndarray
    tau: float
    se_tau: float | None
    sigma: float | None
    log_likelihood: float
    conditional_log_likelihood: float
    parameters: int
    nodes: int
    study_effects: np.ndarray
    maximum: Maximum


def fit_common(design: Plan, nodes: int | None) -> Fitted:
    """No heterogeneity of the effect."""
    start = np.concatenate([design.start, design.spread])
    return _fitted(design, *_refine(design, nodes, start, design.own_start, random=False), random=False)


def fit_random(design: Plan, nodes: int | None, common: Fitted) -> Fitted:
    """Normal effects, from several starting values; no heterogeneity where that is the most likely."""
    found: list[tuple[Maximum, int]] = []
    start = common.maximum.phi.copy()
    if len(design.spread):
        start[-1] = off_zero(start[-1])
    failures: list[ConvergenceError] = []
    for tau in TAU_STARTS:
        try:
            found.append(_refine(design, nodes, np.append(start, tau), common.maximum.a, random=True))
        except ConvergenceError as error:
            failures.append(error)
    if not found:
        raise failures[0]
    best, used = max(found, key=lambda f: f[0].log_likelihood)
    # the likelihood is even in tau: at zero it is flat, and a rise of rounding size is none
    if best.log_likelihood - common.log_likelihood < 1e-9 or abs(best.phi[-1]) < 1e-5:
        return replace(common, parameters=common.parameters + 1, nodes=used)
    return _fitted(design, best, used, random=True)


def off_zero(spread: float) -> float:
    """A standard deviation to start from: at zero the likelihood, even in it, has no slope, be it a maximum or not."""
    return max(abs(spread), 0.3)


def _refine(design: Plan, nodes: int | None, start: np.ndarray, own: np.ndarray, random: bool) -> tuple[Maximum, int]:
    """The maximum with the nodes asked for, or with ever more of them until nothing changes any more; and their number."""
    last: Maximum | None = None
    steps = design.ladder(random)
    for n in steps if nodes is None else (nodes,):
        model = design.random(n) if random else design.common(n)
        best = maximise(model.log_likelihood, own, start, own=design.own is not None, curvature=model.curvature, rough=True)
        _require_finite(best, design)
        if nodes is not None or len(steps) == 1:
            return best, n  # as many as asked for, or nothing is integrated
        if last is not None:
            change = np.abs(best.phi - last.phi) / np.sqrt(np.diag(best.covariance))
            if change.max() < 1e-6:
                return best, n
        last, start, own = best, best.phi, best.a
    raise ConvergenceError("The integral over the random effects did not settle with more nodes; give nAGQ= a number of nodes.")


def _require_finite(best: Maximum, design: Plan) -> None:
    """A coefficient whose standard error is beyond all use has run off towards infinity, where the likelihood is flat."""
    own = best.covariance[design.effects, design.effects]
    if np.linalg.eigvalsh(own)[-1] > FLAT**2:
        raise ConvergenceError(
            "The likelihood has no finite maximum: where the moderators set studies apart, an arm has no event, or nothing "
            "else, in all of them."
        )


def _fitted(design: Plan, found: Maximum, nodes: int, random: bool) -> Fitted:
    model = design.random(nodes) if random else design.common(nodes)
    best = maximise(model.log_likelihood, found.a, found.phi, own=design.own is not None, curvature=model.curvature)
    p, at = len(design.start), design.effects
    spreads = np.where(np.abs(best.phi[p:]) < 1e-8, 0.0, np.abs(best.phi[p:]))
    tau = float(spreads[-1]) if random else 0.0
    conditional, effects = design.likely(best, nodes, random)
    return Fitted(
        beta=best.phi[at],
        covariance=best.covariance[at, at],
        tau=tau,
        se_tau=math.sqrt(best.covariance[-1, -1]) if random else None,
        sigma=float(spreads[0]) if len(design.spread) else None,
        log_likelihood=best.log_likelihood,
        conditional_log_likelihood=conditional,
        parameters=len(best.phi) + (len(best.a) if design.own is not None else 0),
        nodes=nodes,
        study_effects=effects,
        maximum=best,
    )


@dataclass(frozen=True)
class Heterogeneity:
    """Wald and likelihood ratio tests of effects that the moderators leave equal, and the log likelihood of the model with an
    effect for each study.
    """

    wald: float
    lrt: float
    saturated: float


def heterogeneity_tests(measure: str, model: str | None, design: Design, counts: Counts, common: Fitted) -> Heterogeneity:
    """Tests of equal effects (of no effects beside those of the moderators), on k - m degrees of freedom.

    A study with an empty cell has an infinite effect of its own and the Wald statistic is its limit: that study adds nothing.
    """
    if model == "UM.RS":
        return _random_intercepts(design, common)
    y, v = _own_effects(measure, model, design, counts)
    w = np.where(np.isfinite(y) & np.isfinite(v), 1 / v, 0.0)
    y = np.where(w > 0, y, 0.0)
    wald = _residual(y, np.diag(w), design.moderators)
    saturated = float(saturated_log_density(design.family).sum())
    return Heterogeneity(wald, max(0.0, 2 * (saturated - common.log_likelihood)), saturated)


def saturated_log_density(family: Family) -> np.ndarray:
    """Log density of each study at the best fit it could have."""
    if isinstance(family, Hypergeometric):
        theta, _ = conditional_log_odds_ratio(family)
        inside = np.isfinite(theta)
        eta = np.where(inside, theta, 0.0)[:, None, None]
        value = family.count[:, 0] * eta[:, 0, 0] - family.cumulants(eta)[0][:, 0, 0] + family.constant[:, 0]
        return np.where(inside, value, 0.0)  # at the end of its support the count becomes certain
    x = family.count
    size = getattr(family, "size", None)
    with np.errstate(divide="ignore", invalid="ignore"):
        if size is None:
            time = family.time  # type: ignore[attr-defined]
            return (np.where(x > 0, x * np.log(x / time), 0.0) - x + family.constant).sum(axis=1)
        fit = np.where(x > 0, x * np.log(x / size), 0.0) + np.where(x < size, (size - x) * np.log1p(-x / size), 0.0)
    return (fit + family.constant).sum(axis=1)


def _own_effects(measure: str, model: str | None, design: Design, counts: Counts) -> tuple[np.ndarray, np.ndarray]:
    """Effect of each study by itself under the model, and its variance; infinite where a cell is empty."""
    family = design.family
    if isinstance(family, Hypergeometric):
        return conditional_log_odds_ratio(family)
    with np.errstate(divide="ignore", invalid="ignore"):
        if measure == "IRLN":
            x, time = counts.columns
            return np.log(x / time), 1 / x
        if measure == "PLO":
            x, n = counts.columns
            return np.log(x / (n - x)), 1 / x + 1 / (n - x)
        a, m1, c, m2 = counts.columns
        if measure == "IRR" or model == "CM.AL":
            return np.log(a / m1) - np.log(c / m2), 1 / a + 1 / c
        return np.log(a / (m1 - a)) - np.log(c / (m2 - c)), 1 / a + 1 / (m1 - a) + 1 / c + 1 / (m2 - c)


def conditional_log_odds_ratio(family: Hypergeometric) -> tuple[np.ndarray, np.ndarray]:
    """Conditional maximum likelihood log odds ratio of each study and its variance; infinite at the ends of the support."""
    x = family.count[:, 0]
    low, high = np.maximum(0, family.events - family.size2), np.minimum(family.size1, family.events)
    theta = np.zeros(len(x))
    inside = (x > low) & (x < high)
    for _ in range(100):
        _, mean, variance = (c[:, 0, 0] for c in family.cumulants(theta[:, None, None]))
        step = np.where(inside, np.clip((x - mean) / np.maximum(variance, 1e-12), -1, 1), 0.0)
        theta += step
        if np.abs(step).max(initial=0.0) < 1e-13 * (1 + np.abs(theta).max(initial=0.0)):
            break
    else:
        raise ConvergenceError("The conditional odds ratio of a study was not found.")
    with np.errstate(divide="ignore"):
        return np.where(inside, theta, np.where(x <= low, -np.inf, np.inf)), np.where(inside, 1 / variance, np.inf)


def _random_intercepts(design: Design, common: Fitted) -> Heterogeneity:
    model = design.saturated(common.nodes)
    effects = design.moderators @ common.beta
    start = np.array([common.maximum.phi[0] - effects.mean() / 2, off_zero(common.maximum.phi[-1])])
    full = maximise(model.log_likelihood, effects, start, own=True, curvature=model.curvature)
    lrt = max(0.0, 2 * (full.log_likelihood - common.log_likelihood))
    wald = _residual(full.a, full.information_on_own(), design.moderators)
    return Heterogeneity(wald, lrt, full.log_likelihood)


def _residual(effects: np.ndarray, information: np.ndarray, moderators: np.ndarray) -> float:
    """Wald statistic of what the moderators leave of ``effects`` (k,), with their information matrix (k, k)."""
    inner = information @ moderators
    # studies without information may leave coefficients that nothing tells, and they matter nothing
    beta = np.linalg.lstsq(moderators.T @ inner, inner.T @ effects, rcond=None)[0]
    gap = effects - moderators @ beta
    return float(gap @ information @ gap)

"""The 36 models of RoBMA-PSMA: what each assumes of a bias, its likelihood, and averages over all of them."""

from __future__ import annotations

import itertools
import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.polynomial import legendre

from vfmeta.appraisal.averaging_scale import Scaled
from vfmeta.core.messages import ConvergenceError
from vfmeta.kernels import bias_models as kernel
from vfmeta.kernels import bias_posterior
from vfmeta.kernels.mean_panels import coefficients, mean_at
from vfmeta.kernels.mixtures import TO_COEF, W, X
from vfmeta.results.panels import PanelDensity

_MOMENTS = 48
_FAINT = 1e-4  # of the heaviest node: what is passed over where weights and slopes are described


@dataclass(frozen=True)
class Bias:
    """How studies may have been biased, with its share of the prior probability of a bias.

    ``weights`` (6,) numbers the weight of each interval of one-sided p between 0, 0.025, 0.05, 0.5, 0.95, 0.975 and 1 from the
    last (3, the lowest) upwards, 0 the highest, which is 1; empty where selection is not by p. ``slope`` is the power of the
    standard error that the mean rises with, and ``scale`` the scale of its half-Cauchy prior for Cohen's d.
    """

    name: str
    share: float
    weights: tuple[int, ...] = ()
    slope: int = 0
    scale: float = 0.0


BIASES = (
    Bias("none", 0.0),
    Bias("two-sided p 0.05", 1 / 12, (0, 3, 3, 3, 3, 0)),
    Bias("two-sided p 0.05, 0.10", 1 / 12, (0, 2, 3, 3, 2, 0)),
    Bias("one-sided p 0.05", 1 / 12, (0, 0, 3, 3, 3, 3)),
    Bias("one-sided p 0.025, 0.05", 1 / 12, (0, 2, 3, 3, 3, 3)),
    Bias("one-sided p 0.05, 0.5", 1 / 12, (0, 0, 2, 3, 3, 3)),
    Bias("one-sided p 0.025, 0.05, 0.5", 1 / 12, (0, 1, 2, 3, 3, 3)),
    Bias("PET", 1 / 4, slope=1, scale=1.0),
    Bias("PEESE", 1 / 4, slope=2, scale=5.0),
)
MU_SD, TAU_SCALE = 1.0, 0.15


@dataclass(frozen=True)
class Explored:
    """One model: its log evidence, and its posterior in log tau and, node by node of tau, in the mean.

    Panels: left ends, widths and densities at the nodes; ``tau`` is that of each panel of the mean.
    """

    bias: Bias
    effect: bool
    heterogeneity: bool
    model: kernel.Model
    log_evidence: float
    tau_panels: tuple[np.ndarray, np.ndarray, np.ndarray]
    mean_panels: tuple[np.ndarray, np.ndarray, np.ndarray]
    tau: np.ndarray

    def nodes(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Means, tau and probabilities of the nodes, each (n,)."""
        if self.effect:
            left, width, values = self.mean_panels
            mu = left[:, None] + width[:, None] * (X + 1) / 2
            p = values * W * width[:, None] / 2
            tau = np.broadcast_to(self.tau[:, None], mu.shape)
            return mu.ravel(), tau.ravel(), p.ravel() / p.sum()
        if self.heterogeneity:
            left, width, values = self.tau_panels
            u = left[:, None] + width[:, None] * (X + 1) / 2
            p = values * W * width[:, None] / 2
            return np.zeros(u.size), np.exp(u).ravel(), p.ravel() / p.sum()
        return np.zeros(1), np.zeros(1), np.ones(1)


def model_of(bias: Bias, s: Scaled) -> kernel.Model:
    """What the kernel needs to know of one way in which studies may have been biased."""
    row = np.array(bias.weights or (0,) * 6)
    interval = (s.y[:, None] < s.cuts).sum(1)
    counts = np.bincount(row[interval], minlength=4)[:4]
    first = int(row[row > 0].min()) - 1 if row.any() else 2
    power = np.array([counts[1:].sum() + 2.0, counts[2:].sum() + 1.0, float(counts[3])])
    kind = kernel.WEIGHTS if bias.weights else kernel.SLOPE if bias.slope else kernel.NONE
    x = s.se**bias.slope if bias.slope else np.ones_like(s.y)
    scale = bias.scale * s.half ** (1 - bias.slope) if bias.slope else 1.0
    return kernel.Model(
        kind, s.y, s.se**2, x, scale, s.cuts, row, power, first, MU_SD * s.half, TAU_SCALE * s.half
    )  # fmt: skip


def explore(s: Scaled) -> list[Explored]:
    """Every model: no effect before effect, no heterogeneity before heterogeneity, biases in order.

    Raises
    ------
    ConvergenceError
        A posterior could not be found.
    """
    models = [model_of(b, s) for b in BIASES]
    asked = [(e, h, j) for e, h in itertools.product((False, True), repeat=2) for j in range(len(BIASES))]

    def one(at: tuple[bool, bool, int]) -> Explored:
        effect, heterogeneity, j = at
        value, ul, uw, logs, left, width, held, tau, weight = kernel.explore(models[j], effect, heterogeneity)
        if not math.isfinite(value):
            raise ConvergenceError(
                f"The model with bias {BIASES[j].name!r} could not be integrated: its posterior was not found."
            )
        return Explored(
            BIASES[j], effect, heterogeneity, models[j], value, (ul, uw, np.exp(logs - value)),
            (left, width, np.exp(held + weight[:, None] - value)), tau,
        )  # fmt: skip

    slowest_first = sorted(asked, key=lambda at: (-sum(at[:2]), models[at[2]].first if BIASES[at[2]].weights else 3))
    with ThreadPoolExecutor() as pool:
        found = dict(zip(slowest_first, pool.map(one, slowest_first), strict=True))
    return [found[at] for at in asked]


def mixed(parts: list[tuple[float, tuple[np.ndarray, np.ndarray, np.ndarray]]]) -> PanelDensity | None:
    """A mixture of densities held panel by panel, held on panels of its own; None of none."""
    parts = [(p, panels) for p, panels in parts if p > 0]
    if not parts:
        return None
    left, width = (np.concatenate([panels[i] for _, panels in parts]) for i in (0, 1))
    held = np.concatenate([p * panels[2] for p, panels in parts])
    series = np.empty_like(held)
    coefficients(held, series)
    low, high = float(left.min()), float((left + width).max())
    edges = np.linspace(low, high, 25)
    a, w = edges[:-1], np.diff(edges)
    done: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    for depth in range(14):
        x = a[:, None] + w[:, None] * (X + 1) / 2
        below, density = np.empty(x.size), np.empty(x.size)
        mean_at(np.ascontiguousarray(x.ravel()), left, width, series, below, density)
        values = density.reshape(x.shape)
        rough = np.abs(values @ TO_COEF[-3:].T).sum(1) * w > 1e-6
        if depth == 13:
            rough[:] = False
        done.append((a[~rough], w[~rough], values[~rough]))
        a = np.stack([a[rough], a[rough] + w[rough] / 2], 1).ravel()
        w = np.repeat(w[rough] / 2, 2)
        if len(a) == 0:
            break
    left, width, values = (np.concatenate([d[i] for d in done]) for i in range(3))
    order = np.argsort(left)
    return PanelDensity(left[order], width[order], np.maximum(values[order], 0))


@dataclass(frozen=True)
class Described:
    """Weights (rows: those of row 1, 2, 3 of the kernel) or the angle of a slope, by Legendre moments; mean, mean square."""

    moments: np.ndarray
    plain: np.ndarray


def describe(e: Explored) -> Described:
    """Posterior of what describes the bias of one model."""
    mu, tau, p = e.nodes()
    heavy = p > _FAINT * p.max()
    p = p[heavy] / p[heavy].sum()
    moments, plain = bias_posterior.describe(e.model, mu[heavy], tau[heavy] ** 2, p, _MOMENTS)
    return Described(moments, plain)


def from_moments(moments: np.ndarray) -> PanelDensity:
    """The density on (0, 1) with these Legendre moments (m,), the first 1: the polynomial of degree m - 1 that has them."""
    x = legendre.leggauss(len(moments))[0]
    values = legendre.legval(x, (2 * np.arange(len(moments)) + 1) * moments)
    return PanelDensity(np.zeros(1), np.ones(1), values[None, :])

"""Marginal likelihood of count models with normal random effects, by adaptive Gauss-Hermite quadrature.

The random effects of a study are ``sd * z`` with ``z`` standard normal. The integrand over ``z`` is centred at its mode and
scaled by its curvature there (Pinheiro & Bates 1995, J Comput Graph Stat 4:12-35); one node is the Laplace approximation.
Everything is written so that parameters may be complex, see `vfmeta.kernels.arrow`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache

import numpy as np

from vfmeta.core.messages import ConvergenceError
from vfmeta.kernels.families import Family

STEERING = 9  # nodes from which the curvature is near enough to steer by


@dataclass(frozen=True)
class MixedModel:
    """Linear predictor ``own * a + fixed @ phi[:p] + sum_d load_d * sd_d * z_d`` of every cell.

    Parameters
    ----------
    family : Family
        Counts of k studies with J cells each.
    own : ndarray of shape (k, J) or None
        Design of the one parameter that each study has for itself; None when there is none.
    fixed : ndarray of shape (k, J, p)
        Design of the parameters shared by all studies.
    loads : ndarray of shape (k, J, D)
        Design of the random effects; their standard deviations are the last D values of ``phi``, or all of them the last one.
    nodes : int
        Nodes per random effect; 1 is Laplace.
    offset : ndarray of shape (k, J)
        Known part of the linear predictor.
    one_spread : bool
        Whether the random effects, be they none, have one standard deviation for all.
    """

    family: Family
    own: np.ndarray | None
    fixed: np.ndarray
    loads: np.ndarray
    nodes: int = 1
    offset: np.ndarray | float = 0.0
    one_spread: bool = False
    _modes: dict[str, np.ndarray] = field(default_factory=dict, compare=False, repr=False)

    @property
    def k(self) -> int:
        return len(self.fixed)

    def log_likelihood(self, a: np.ndarray, phi: np.ndarray) -> np.ndarray:
        """Marginal log likelihood of each study, shape (k,), constants included."""
        base, loads = self._predictor(a, phi)
        if loads.shape[2] == 0:
            return self._conditional(base[..., None])[:, 0]
        mode, root, log_det = self._centre(base, loads)
        _, terms = self._terms(mode, root, log_det, base, loads, self.nodes)
        top = terms.real.max(axis=1)
        return top + np.log(np.exp(terms - top[:, None]).sum(axis=1))

    def curvature(self, a: np.ndarray, phi: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Second derivatives of the log likelihood: by ``a`` (k,), by ``a`` and ``phi`` (k, P), by ``phi`` (P, P).

        By Louis's identity (1982, J R Stat Soc B 44:226-233), the mean of the second derivative given the random effects plus
        the variance of the first, over the random effects given the counts. It holds for the integral; of a sum over few nodes
        it is an approximation, so never fewer than `STEERING` nodes are used.
        """
        base, loads = self._predictor(a, phi)
        k, p, d = self.k, self.fixed.shape[2], loads.shape[2]
        if d == 0:
            z, share = np.zeros((k, 0, 1)), np.ones((k, 1))
        else:
            z, terms = self._terms(*self._centre(base, loads), base, loads, max(self.nodes, STEERING))
            share = np.exp(terms - terms.max(axis=1, keepdims=True))
            share = share / share.sum(axis=1, keepdims=True)
        eta = base[..., None] + loads @ z
        _, mean, variance = self.family.cumulants(eta)
        cells, m = base.shape, eta.shape[2]
        own = np.zeros(cells) if self.own is None else np.broadcast_to(self.own, cells)
        first = np.concatenate([own[..., None], self.fixed], axis=2)[..., None]
        # of the linear predictor, by own, shared and spread parameters: (k, J, 1 + P, m)
        spread = self.loads[..., None] * z[:, None]
        spread = spread.sum(axis=2, keepdims=True) if self.one_spread else spread
        slopes = np.concatenate([np.broadcast_to(first, (*cells, 1 + p, m)), spread], axis=2)
        score = ((self.family.count[..., None] - mean)[:, :, None] * slopes).sum(axis=1)
        inner = -np.einsum("kjam,kjm,kjbm->kab", slopes, variance * share[:, None], slopes, optimize=True)
        centred = score - (score * share[:, None]).sum(axis=2, keepdims=True)
        whole = inner + np.einsum("kam,km,kbm->kab", centred, share, centred, optimize=True)
        return whole[:, 0, 0], whole[:, 0, 1:], whole[:, 1:, 1:].sum(axis=0)

    def at_modes(self, a: np.ndarray, phi: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Log density of each study given its most likely random effects (k,), and these effects in standard units (k, D)."""
        base, loads = self._predictor(a, phi)
        if loads.shape[2] == 0:
            return self._conditional(base[..., None])[:, 0], np.zeros((self.k, 0))
        z = self._mode(base, loads)
        return self._conditional((base + (loads * z[:, None, :]).sum(axis=2))[..., None])[:, 0], z

    def _predictor(self, a: np.ndarray, phi: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Linear predictor without the random effects (k, J), and what a standard unit of each adds to it (k, J, D)."""
        p = self.fixed.shape[2]
        base = self.fixed @ phi[:p] + self.offset
        if self.own is not None:
            base = base + self.own * a[:, None]
        return base, self.loads * phi[p:]

    def _conditional(self, eta: np.ndarray) -> np.ndarray:
        """Log density given the random effects; eta of shape (k, J, m), answer (k, m)."""
        f = self.family
        return (f.count[..., None] * eta - f.cumulants(eta)[0] + f.constant[..., None]).sum(axis=1)

    def _joint(self, z: np.ndarray, base: np.ndarray, loads: np.ndarray) -> np.ndarray:
        eta = base + (loads * z[:, None, :]).sum(axis=2)
        return self._conditional(eta[..., None])[:, 0] - 0.5 * (z * z).sum(axis=1)

    def _newton(self, z: np.ndarray, base: np.ndarray, loads: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Newton step towards the mode of z, and the negative second derivative (k, D, D) at z."""
        eta = base + (loads * z[:, None, :]).sum(axis=2)
        _, mean, variance = (c[..., 0] for c in self.family.cumulants(eta[..., None]))
        score = ((self.family.count - mean)[..., None] * loads).sum(axis=1) - z
        curvature = np.einsum("kjd,kj,kje->kde", loads, variance, loads) + np.eye(z.shape[1])
        if z.shape[1] == 1:
            return score / curvature[..., 0], curvature
        return np.linalg.solve(curvature, score[..., None])[..., 0], curvature

    def _mode(self, base: np.ndarray, loads: np.ndarray) -> np.ndarray:
        """Mode of the integrand, shape (k, D), by Newton with step halving (it is log-concave)."""
        z = self._modes.get("z")
        z = np.zeros((self.k, loads.shape[2])) if z is None else z
        value = self._joint(z, base, loads)
        for _ in range(200):
            step, _ = self._newton(z, base, loads)
            size = np.ones(self.k)
            for _ in range(40):
                trial = z + size[:, None] * step
                new = self._joint(trial, base, loads)
                worse = ~(new >= value - 1e-12 * (1 + np.abs(value)))
                if not worse.any():
                    break
                size = np.where(worse, size / 2, size)
            z, value = trial, new
            if np.abs(step).max() < 1e-10:
                self._modes["z"] = z
                return z
        raise ConvergenceError("The mode of a random effect was not found.")

    def _centre(self, base: np.ndarray, loads: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Mode of z (k, D), a root of the inverse curvature there (k, D, D), and its log determinant (k,)."""
        z = self._mode(base.real, loads.real)
        if np.iscomplexobj(base) or np.iscomplexobj(loads):
            z = z.astype(complex)
            for _ in range(2):  # from the real mode one step of Newton gives the imaginary part, one more its last digits
                step, _ = self._newton(z, base, loads)
                z = z + step
        _, curvature = self._newton(z, base, loads)
        d = z.shape[1]
        if d == 1:
            root = 1 / np.sqrt(curvature)  # (k, 1, 1): z = mode + root * node
            log_det = np.log(root[:, 0, 0])
        else:
            below = _symmetric_root(curvature)
            root = np.swapaxes(np.linalg.inv(below), 1, 2)
            log_det = -np.log(np.einsum("kdd->kd", below)).sum(axis=1)
        return z, root, log_det

    def _terms(
        self, mode: np.ndarray, root: np.ndarray, log_det: np.ndarray, base: np.ndarray, loads: np.ndarray, nodes: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Random effects at the nodes (k, D, m), and the logarithm of what each adds to the likelihood (k, m)."""
        d = mode.shape[1]
        x, log_w = hermite(nodes)
        grid = np.stack(np.meshgrid(*[x] * d, indexing="ij")).reshape(d, -1)  # (D, m)
        weights = np.stack(np.meshgrid(*[log_w] * d, indexing="ij")).reshape(d, -1).sum(axis=0) + 0.5 * (grid**2).sum(axis=0)
        at = mode[..., None] + root @ grid
        terms = self._conditional(base[..., None] + loads @ at) - 0.5 * (at * at).sum(axis=1) + weights
        return at, terms + log_det[:, None]


@dataclass(frozen=True)
class Joined:
    """Studies of several shapes, one `MixedModel` each, with the same shared parameters, study after study."""

    models: Sequence[MixedModel]

    @property
    def k(self) -> int:
        return sum(m.k for m in self.models)

    def log_likelihood(self, a: np.ndarray, phi: np.ndarray) -> np.ndarray:
        """As of `MixedModel`."""
        return np.concatenate([m.log_likelihood(x, phi) for m, x in zip(self.models, self._parted(a), strict=True)])

    def curvature(self, a: np.ndarray, phi: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """As of `MixedModel`."""
        found = [m.curvature(x, phi) for m, x in zip(self.models, self._parted(a), strict=True)]
        own, cross = (np.concatenate([f[i] for f in found]) for i in (0, 1))
        return own, cross, np.sum([f[2] for f in found], axis=0)

    def at_modes(self, a: np.ndarray, phi: np.ndarray) -> np.ndarray:
        """Log density of each study given its most likely random effects, shape (k,)."""
        return np.concatenate([m.at_modes(x, phi)[0] for m, x in zip(self.models, self._parted(a), strict=True)])

    def _parted(self, a: np.ndarray) -> list[np.ndarray]:
        return np.split(a, np.cumsum([m.k for m in self.models])[:-1])


def _symmetric_root(h: np.ndarray) -> np.ndarray:
    """Lower triangular L with L L' = h (k, D, D), without conjugates: that of numpy is of Hermitian matrices."""
    out = np.zeros_like(h)
    for j in range(h.shape[1]):
        done = out[:, j, :j]
        out[:, j, j] = np.sqrt(h[:, j, j] - (done * done).sum(axis=1))
        rest = h[:, j + 1 :, j] - (out[:, j + 1 :, :j] * done[:, None]).sum(axis=2)
        out[:, j + 1 :, j] = rest / out[:, j, j, None]
    return out


@cache
def hermite(nodes: int) -> tuple[np.ndarray, np.ndarray]:
    """Nodes and log weights for the standard normal density."""
    from scipy.special import roots_hermitenorm

    x, w = roots_hermitenorm(nodes)
    with np.errstate(divide="ignore"):
        return x, np.log(w) - 0.5 * np.log(2 * np.pi)

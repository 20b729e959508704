"""Mixed models of counts fitted to many drawn sets of trials at once, for simulations.

The likelihood, its designs and its families are those of `vfmeta.glmm`; only the search runs over all sets together.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from vfmeta.frequentist.glmm.designs import Design
from vfmeta.kernels.marginal import hermite

NODES = {0: 1, 1: 15, 2: 9}


@dataclass(frozen=True)
class At:
    """A maximum of each of d sets: own parameters (d, k), shared ones (d, P), log likelihoods (d,), covariances (d, P, P) of
    what was not held, and whether it was reached.
    """

    a: np.ndarray
    phi: np.ndarray
    value: np.ndarray
    covariance: np.ndarray
    reached: np.ndarray


@dataclass(frozen=True)
class Sets:
    """``design`` of d sets of k studies one after the other."""

    design: Design
    k: int
    _kept: dict[str, np.ndarray] = field(default_factory=dict)

    @property
    def d(self) -> int:
        return len(self.design.offset) // self.k

    @cached_property
    def _owner(self) -> np.ndarray:
        return np.repeat(np.arange(self.d), self.k)

    def start(self, tau: float) -> tuple[np.ndarray, np.ndarray]:
        """Own and shared parameters to begin with."""
        shared = np.concatenate([self.design.start, self.design.spread, [tau]])
        return self.design.own_start.reshape(self.d, self.k), np.tile(shared, (self.d, 1))

    def maximise(self, a: np.ndarray, phi: np.ndarray, held: tuple[int, ...] = (), steps: int = 60) -> At:
        """Newton's method in all sets at once; the parameters at the places ``held`` stay."""
        a, phi = a.copy(), phi.copy()
        own = self.design.own is not None
        moved = np.setdiff1d(np.arange(phi.shape[1]), np.asarray(held, dtype=int) % phi.shape[1])
        value, score, bend = self._derivatives(a, phi)
        done = np.zeros(self.d, dtype=bool)
        covariance = np.zeros((self.d, len(moved), len(moved)))
        at = np.concatenate([[0], 1 + moved])
        for _ in range(steps):
            s, h = score[:, at], bend[:, at[:, None], at]
            g, hh = (x.reshape(self.d, self.k, *x.shape[1:]).sum(axis=1) for x in (s[:, 1:], h[:, 1:, 1:]))
            if own:
                diagonal = -np.maximum(np.abs(h[:, 0, 0]), 1e-12)
                ratio = np.where((np.abs(h[:, 0, 0]) > 1e-9)[:, None], h[:, 0, 1:] / diagonal[:, None], 0.0)
                hh = hh - (ratio[:, :, None] * h[:, 0, None, 1:]).reshape(self.d, self.k, *hh.shape[1:]).sum(axis=1)
                g = g - (ratio * s[:, :1]).reshape(self.d, self.k, -1).sum(axis=1)
            values, vectors = np.linalg.eigh(-hh)
            safe = np.maximum(np.abs(values), 1e-6)
            step = np.einsum("dij,dj,dkj,dk->di", vectors, 1 / safe, vectors, g)
            step *= np.minimum(1.0, 2.0 / np.maximum(np.abs(step).max(axis=1, initial=0.0), 1e-300))[:, None]
            covariance = np.einsum("dij,dj,dkj->dik", vectors, 1 / safe, vectors)
            gain = np.abs((step * g).sum(axis=1))
            step_a = np.zeros(len(s))
            if own:
                step_a = np.clip(-(s[:, 0] + (h[:, 0, 1:] * step[self._owner]).sum(axis=1)) / diagonal, -2.0, 2.0)
                gain = gain + np.abs(step_a * s[:, 0]).reshape(self.d, self.k).sum(axis=1)
            done = (gain < 1e-9) & (values.min(axis=1, initial=1.0) > 0)
            going = ~done & (np.abs(phi).max(axis=1) < 40)
            if not going.any():
                break
            size = np.where(going, 1.0, 0.0)
            for _ in range(12):
                new_phi = phi.copy()
                new_phi[:, moved] += size[:, None] * step
                new_a = a + size[:, None] * step_a.reshape(self.d, self.k)
                found = self._derivatives(new_a, new_phi)
                worse = ~(found[0] >= value - 1e-9 * (1 + np.abs(value)))
                if not worse.any():
                    break
                size = np.where(worse, size / 3, size)
            size = np.where(worse, 0.0, size)
            phi[:, moved] += size[:, None] * step
            a = a + size[:, None] * step_a.reshape(self.d, self.k)
            value, score, bend = self._derivatives(a, phi) if worse.any() else found
        return At(a, phi, value, covariance, done & (np.abs(phi).max(axis=1) < 30))

    def _derivatives(self, a: np.ndarray, phi: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Log likelihood (d,), and of each study its first and second derivatives by own and shared parameters, by the
        identities of Fisher and Louis.
        """
        m = self.design
        p, spreads = m.fixed.shape[2], phi.shape[1] - m.fixed.shape[2]
        shared = phi[self._owner]
        base = np.einsum("njp,np->nj", m.fixed, shared[:, :p]) + m.offset
        if m.own is not None:
            base = base + m.own * a.reshape(-1, 1)
        loads = m.loads * shared[:, None, p:]
        z, root, log_det = self._centre(base, loads)
        x, log_w = hermite(NODES[spreads])
        grid = np.stack(np.meshgrid(*[x] * spreads, indexing="ij")).reshape(spreads, -1)
        weights = np.stack(np.meshgrid(*[log_w] * spreads, indexing="ij")).reshape(spreads, -1).sum(0) + 0.5 * (grid**2).sum(0)
        at = z[..., None] + root @ grid
        eta = base[..., None] + loads @ at
        cumulant, mean, variance = m.family.cumulants(eta)
        x_ = m.family.count[..., None]
        terms = (x_ * eta - cumulant + m.family.constant[..., None]).sum(axis=1) - 0.5 * (at * at).sum(axis=1)
        terms += weights + log_det[:, None]
        top = terms.max(axis=1, keepdims=True)
        share = np.exp(terms - top)
        total = share.sum(axis=1, keepdims=True)
        value = (top + np.log(total))[:, 0]
        share /= total
        n, cells, q = *base.shape, eta.shape[2]
        own = np.zeros_like(base) if m.own is None else np.broadcast_to(m.own, base.shape)
        first = np.broadcast_to(np.concatenate([own[..., None], m.fixed], axis=2)[..., None], (n, cells, 1 + p, q))
        slopes = np.concatenate([first, m.loads[..., None] * at[:, None]], axis=2)
        each = np.einsum("njq,njaq->naq", x_ - mean, slopes)
        score = np.einsum("naq,nq->na", each, share)
        centred = each - score[..., None]
        bend = np.einsum("naq,nbq->nab", centred * share[:, None], centred)
        for j in range(cells):
            held = slopes[:, j] * (variance[:, j] * share)[:, None]
            bend -= np.einsum("naq,nbq->nab", held, slopes[:, j])
        return value.reshape(self.d, self.k).sum(axis=1), score, bend

    def _centre(self, base: np.ndarray, loads: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        family, spreads = self.design.family, loads.shape[2]
        z = self._kept.get("z", np.zeros((len(base), spreads)))
        eye = np.eye(spreads)
        for _ in range(60):
            eta = base + (loads * z[:, None]).sum(axis=2)
            _, mean, variance = (c[..., 0] for c in family.cumulants(eta[..., None]))
            bend = np.einsum("njd,nj,nje->nde", loads, variance, loads) + eye
            score = ((family.count - mean)[..., None] * loads).sum(axis=1) - z
            step = np.linalg.solve(bend, score[..., None])[..., 0]
            z = z + np.clip(step, -1.5, 1.5)
            if np.abs(step).max() < 1e-7:
                break
        self._kept["z"] = z
        below = np.linalg.cholesky(bend)
        root = np.swapaxes(np.linalg.inv(below), 1, 2)
        return z, root, -np.log(np.einsum("ndd->nd", below)).sum(axis=1)

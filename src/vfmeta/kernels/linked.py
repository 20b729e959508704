"""The likelihood of `vfmeta.kernels.dependent` where a few random effects link what would else be small independent blocks.

M = A + U Gamma U': A falls into blocks, and U (k, r) has a column for each random effect of the linking terms (regions above
the trials, the laboratories across them), Gamma (r, r) being their covariance. Then M^-1 = A^-1 - A^-1 U K U'A^-1 with
K = Gamma (I + H Gamma)^-1 and H = U'A^-1 U, and |M| = |A| |I + H Gamma| (Woodbury 1950; Henderson & Searle 1981, SIAM Rev
23:53-60). No matrix of k by k is formed; the cost is k (r + p)^2 beside that of the blocks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from vfmeta.kernels.dependent import Fit, inverse_blocks
from vfmeta.kernels.stacks import Basis, Curve, Stack, collect, components, spread, stack_blocks

_SMALL = 1e6  # operations that are not worth the search for a cheaper way


@dataclass(frozen=True)
class Linked:
    """``stacks`` of the terms numbered ``near``, and the terms numbered ``far`` as columns ``U`` (k, r).

    ``classes`` holds, for each far term, the class of each pair of its columns, C where they do not covary, and ``slots`` which
    columns of U are its own.
    """

    stacks: list[Stack]
    near: tuple[int, ...]
    far: tuple[int, ...]
    U: np.ndarray
    classes: tuple[np.ndarray, ...]
    slots: tuple[slice, ...]

    @cached_property
    def stacked(self) -> list[np.ndarray]:
        """U cut as the stacks are, (b, n, r), zero where a stack is filled up."""
        return [self.U[s.rows] * (np.arange(s.rows.shape[1]) < s.sizes[:, None])[:, :, None] for s in self.stacks]

    def gamma(self, values: Sequence[np.ndarray]) -> np.ndarray:
        """Covariance of the columns of U from the class values (..., C) of each far term, shape (..., r, r)."""
        lead = values[0].shape[:-1]
        out = np.zeros((*lead, self.U.shape[1], self.U.shape[1]))
        for value, classes, slot in zip(values, self.classes, self.slots, strict=True):
            out[..., slot, slot] = spread(classes, value)
        return out


def split(y: np.ndarray, X: np.ndarray, V: Any, bases: Sequence[Basis]) -> Linked | None:
    """Which terms are better taken as links; None where the blocks are small enough as they are."""
    k, p = X.shape
    if (len(bases) + 1) * k**3 < _SMALL:
        return None
    widths = [len(b.pair_class) if b.slopes is not None else 1 for b in bases]
    pairs = [np.unique(np.column_stack([b.outer, b.inner]), axis=0) for b in bases]
    columns = [len(found) * w for found, w in zip(pairs, widths, strict=True)]
    order = [i for i in np.argsort(columns, kind="stable").tolist() if bases[i].relation is None]

    def cost(far: Sequence[int]) -> float:
        near = [b for i, b in enumerate(bases) if i not in far]
        r = sum(columns[i] for i in far)
        size = np.bincount(components(V, near)).astype(float)
        return float((len(bases) + 1) * ((size**3).sum() + (k * (r + p) ** 2 + 2 * r**3 if far else 0.0)))

    choices = [order[:n] for n in range(len(order) + 1)]
    costs = [cost(far) for far in choices]
    far = choices[int(np.argmin(costs))]
    if not far or min(costs) > costs[0] / 4 or costs[0] < _SMALL:
        return None
    near = [i for i in range(len(bases)) if i not in far]
    blocks, classes, slots, at = [], [], [], 0
    for i in far:
        b = bases[i]
        block, own = _columns(b, pairs[i])
        blocks.append(block)
        classes.append(own)
        slots.append(slice(at, at + block.shape[1]))
        at += block.shape[1]
    stacks = stack_blocks(y, X, V, [bases[i] for i in near])
    return Linked(stacks, tuple(near), tuple(far), np.concatenate(blocks, axis=1), tuple(classes), tuple(slots))


def _columns(b: Basis, pairs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Columns of U for one term, and the class of each pair of them."""
    k = len(b.outer)
    if b.slopes is not None:
        groups, q = np.unique(b.outer), len(b.pair_class)
        place = np.searchsorted(groups, b.outer)
        out = np.zeros((k, len(groups) * q))
        for j in range(q):
            out[np.arange(k), place * q + j] = b.slopes[:, j]
        owner, level = np.repeat(np.arange(len(groups)), q), np.tile(np.arange(q), len(groups))
    else:
        owner, level = pairs.T
        key = pairs[:, 0] * (int(b.inner.max()) + 1) + pairs[:, 1]
        out = np.zeros((k, len(pairs)))
        out[np.arange(k), np.searchsorted(key, b.outer * (int(b.inner.max()) + 1) + b.inner)] = 1.0
    return out, np.where(owner[:, None] == owner, b.pair_class[level[:, None], level], b.size)


@dataclass(frozen=True)
class _State:
    """All that the likelihood and its derivatives share at one point; sums run over the blocks of A."""

    fit: Fit
    T: list[np.ndarray]  # A^-1 of each stack
    F: list[np.ndarray]  # A^-1 [U, X]
    H: np.ndarray  # [U, X]' A^-1 [U, X]
    K: np.ndarray
    e: list[np.ndarray]  # M^-1 (y - X beta)


def gls(data: Linked, curves: Sequence[Curve]) -> Fit:
    """Generalised least squares with the fixed effects profiled out, as `vfmeta.kernels.dependent.gls`."""
    return _state(data, curves).fit


def _state(data: Linked, curves: Sequence[Curve]) -> _State:
    near = [curves[i] for i in data.near]
    r, p = data.U.shape[1], data.stacks[0].X.shape[-1]
    H, T, F, logdet, hy = np.zeros((r + p, r + p)), [], [], 0.0, np.zeros(r + p)
    for s, u in zip(data.stacks, data.stacked, strict=True):
        t, part = inverse_blocks(s, near)
        logdet += part
        both = np.concatenate([u, s.X], axis=-1)
        f = t @ both
        H += both.reshape(-1, r + p).T @ f.reshape(-1, r + p)
        hy += f.reshape(-1, r + p).T @ s.y.ravel()
        T.append(t)
        F.append(f)
    H = (H + H.T) / 2
    gamma = data.gamma([curves[i].value for i in data.far])
    inner = np.eye(r) + gamma @ H[:r, :r]
    sign, more = np.linalg.slogdet(inner)
    if not sign > 0:
        raise np.linalg.LinAlgError("the covariance of the linking effects is not positive definite")
    K = np.linalg.solve(inner, gamma)
    K = (K + K.T) / 2
    info = H[r:, r:] - H[r:, :r] @ K @ H[:r, r:]
    factor = np.linalg.cholesky((info + info.T) / 2)
    half = np.linalg.inv(factor)
    cov = half.T @ half
    beta = cov @ (hy[r:] - H[r:, :r] @ (K @ hy[:r]))
    along = K @ (hy[:r] - H[:r, r:] @ beta)
    e, rss = [], 0.0
    for s, t, f in zip(data.stacks, T, F, strict=True):
        rest = s.y - s.X @ beta
        own = (t @ rest[:, :, None])[:, :, 0] - f[:, :, :r] @ along
        rss += float(np.vdot(rest, own))
        e.append(own)
    fit = Fit(beta, cov, rss, logdet + float(more), 2 * float(np.log(np.diag(factor)).sum()))
    return _State(fit, T, F, H, K, e)


def derivatives(data: Linked, curves: Sequence[Curve], reml: bool) -> tuple[Fit, np.ndarray, np.ndarray, np.ndarray]:
    """Fit with gradient, Hessian and expected information, as `vfmeta.kernels.dependent.derivatives`.

    With B = [U, X] both M^-1 and P are A^-1 - A^-1 B S B'A^-1, each with its own S, so every trace and quadratic form comes
    from sums over the blocks of A.
    """
    at = _state(data, curves)
    fit, H, K = at.fit, at.H, at.K
    counts = [len(c.first) for c in curves]
    ends = np.cumsum([0, *counts])
    own = [np.arange(ends[i], ends[i + 1]) for i in range(len(curves))]
    m, r = int(ends[-1]), data.U.shape[1]
    S_w, S_p = (np.zeros_like(H) for _ in range(2))
    S_w[:r, :r] = K
    turn = np.concatenate([-K @ H[:r, r:], np.eye(H.shape[0] - r)])  # M^-1 X = A^-1 B turn
    S_p = S_w + turn @ fit.cov @ turn.T
    S = S_p if reml else S_w
    J = H[:, :r]
    R = H[:r, :r] - J.T @ S @ J  # U'QU
    ue = sum((u.reshape(-1, r).T @ e.ravel() for u, e in zip(data.stacked, at.e, strict=True)), np.zeros(r))

    near = np.concatenate([own[i] for i in data.near]) if data.near else np.empty(0, dtype=int)
    far = np.concatenate([own[i] for i in data.far])
    slopes = data.gamma([c.first for c in _padded(data, curves)])  # dGamma, (number of far parameters, r, r)

    n_near = len(near)
    trace, quad = np.zeros((m, m)), np.zeros((m, m))
    N, Y = np.zeros((n_near, *H.shape)), np.zeros((n_near, r, r))
    same, fe = np.zeros((n_near, n_near)), np.zeros((m, H.shape[0]))
    gathered = [np.zeros(c.value.shape) for c in curves]
    for s, u, t, f, e in zip(data.stacks, data.stacked, at.T, at.F, at.e, strict=True):
        flat_f = f.reshape(-1, H.shape[0])
        de = np.zeros((m, *e.shape))
        de[far] = np.einsum("bnr,ar->abn", u, slopes @ ue)
        if n_near:
            d = s.slopes([curves[i] for i in data.near])
            de[near] = (d @ e[:, :, None])[..., 0]
            td = (t @ d).reshape(n_near, *t.shape)
            same += td.reshape(n_near, -1) @ td.transpose(0, 1, 3, 2).reshape(n_near, -1).T
            df = d @ f
            tall = df.reshape(n_near, -1, H.shape[0])
            N += flat_f.T @ tall
            weighed, turned = df @ S, t @ df
            same -= 2 * weighed.reshape(n_near, -1) @ turned.reshape(n_near, -1).T
            qu = f[:, :, :r] - f @ (S @ J)
            Y += qu.reshape(-1, r).T @ (d @ qu).reshape(n_near, -1, r)
        te = (t @ de[..., None])[..., 0]
        quad += de.reshape(m, -1) @ te.reshape(m, -1).T
        fe += de.reshape(m, -1) @ flat_f
        sensitivity = e[:, :, None] * e[:, None, :] - t + f @ S @ f.transpose(0, 2, 1)
        for i, part in zip(data.near, s.gather(sensitivity), strict=True):
            gathered[i] += 0.5 * part
    quad -= fe @ S_p @ fe.T
    if n_near:
        scaled = S @ N
        same += scaled.reshape(n_near, -1) @ scaled.transpose(0, 2, 1).reshape(n_near, -1).T
        trace[np.ix_(near, near)] = same
        crossed = Y.reshape(n_near, -1) @ slopes.reshape(len(far), -1).T
        trace[np.ix_(near, far)], trace[np.ix_(far, near)] = crossed, crossed.T
    linked = slopes @ R
    trace[np.ix_(far, far)] = linked.reshape(len(far), -1) @ linked.transpose(0, 2, 1).reshape(len(far), -1).T
    pull = 0.5 * (np.outer(ue, ue) - R)
    for classes, slot, i in zip(data.classes, data.slots, data.far, strict=True):
        gathered[i] += collect(classes, pull[slot, slot], len(gathered[i]))
    gradient = np.concatenate([c.first @ g for c, g in zip(curves, gathered, strict=True)])
    hessian = 0.5 * trace - quad
    for places, curve, g in zip(own, curves, gathered, strict=True):
        hessian[np.ix_(places, places)] += curve.second @ g
    return fit, gradient, (hessian + hessian.T) / 2, (trace + trace.T) / 4


def _padded(data: Linked, curves: Sequence[Curve]) -> list[Curve]:
    """The far terms' curves with first derivatives in all the far parameters together, zero in those of other terms."""
    chosen = [curves[i] for i in data.far]
    total = sum(len(c.first) for c in chosen)
    out, at = [], 0
    for c in chosen:
        first = np.zeros((total, c.first.shape[1]))
        first[at : at + len(c.first)] = c.first
        at += len(c.first)
        out.append(Curve(c.value, first, c.second))
    return out

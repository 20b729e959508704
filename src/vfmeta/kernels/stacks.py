"""Dependent effects cut into independent blocks, and stacked: what `vfmeta.kernels.dependent` adds up. Arrays in, arrays out.

Effects that share nothing are independent, so M = V + Z G Z' falls into blocks. Blocks of one size are stacked and factorised
together; no k x k matrix is ever formed unless all effects hang together.

Every term adds ``sum over classes c of gamma_c(u) B_c`` to M: the pairs of effects that share an outer group are sorted into
classes (same level; levels 1 and 2; three weeks apart; ...) and the free parameters u of a covariance structure give one number
gamma_c a class, with first and second derivatives. The chain rule then needs only sums over classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import Any, NamedTuple

import numpy as np

from vfmeta.kernels.compiled import blocks

_TABLE = 200_000  # numbers in `Stack.table`, at most
_ROUNDS = 10  # of labels from group to group, after which crossed groups are a graph to be searched


@dataclass(frozen=True)
class Basis:
    """How one random term enters M.

    Parameters
    ----------
    outer : ndarray of int, shape (k,)
        Group whose members share the random effect.
    inner : ndarray of int, shape (k,)
        Level inside the group (all 0 for an intercept).
    pair_class : ndarray of int, shape (q, q)
        Class of a pair of levels, 0 to ``size`` - 1.
    size : int
        Number of classes C.
    slopes : ndarray of shape (k, s) or None
        For random slopes: the regressors; class c then stands for the pair of regressors ``pair_class == c``.
    relation : ndarray of shape (groups, groups) or None
        For an intercept whose groups are related (species, places): the known correlations of the groups.
    """

    outer: np.ndarray
    inner: np.ndarray
    pair_class: np.ndarray
    size: int
    slopes: np.ndarray | None = None
    relation: np.ndarray | None = None


class Curve(NamedTuple):
    """Class values of a term at u: ``value`` (C,), ``first`` (m, C), ``second`` (m, m, C)."""

    value: np.ndarray
    first: np.ndarray
    second: np.ndarray


@dataclass(frozen=True)
class Stack:
    """Blocks of up to n effects: ``rows`` (b, n), ``V`` (b, n, n), ``y`` (b, n), ``X`` (b, n, p).

    A block of fewer effects (``sizes`` (b,) says how many) is filled up with rows of y = 0, X = 0, unit variance and no
    relation, which add nothing to any sum. ``classes`` holds, a term, either int (b, n, n), where C marks pairs without a
    common group, or for slopes float (C, b, n, n), the basis matrices themselves; ``counts`` are the C.
    """

    rows: np.ndarray
    sizes: np.ndarray
    V: np.ndarray
    y: np.ndarray
    X: np.ndarray
    classes: tuple[np.ndarray, ...]
    counts: tuple[int, ...]

    @cached_property
    def table(self) -> np.ndarray | None:
        """The basis matrices of all terms, (sum of C, b n n), where they are few and small: one product then does for all."""
        if not self.counts or sum(self.counts) * self.V.size > _TABLE:
            return None
        return np.concatenate([
            (c if c.dtype.kind == "f" else c == np.arange(n)[:, None, None, None]).reshape(n, -1).astype(float)
            for c, n in zip(self.classes, self.counts, strict=True)
        ])  # fmt: skip

    def covariance(self, curves: Sequence[Curve]) -> np.ndarray:
        """M of the blocks, shape (b, n, n)."""
        if self.table is not None:
            return self.V + (np.concatenate([c.value for c in curves]) @ self.table).reshape(self.V.shape)
        m = self.V
        for classes, curve in zip(self.classes, curves, strict=True):
            m = m + spread(classes, curve.value)
        return m

    def slopes(self, curves: Sequence[Curve]) -> np.ndarray:
        """Derivatives of M in the parameters of all terms, shape (m, b, n, n)."""
        if self.table is None:
            return np.concatenate([spread(c, curve.first) for c, curve in zip(self.classes, curves, strict=True)])
        first = joint(curves)
        return (first @ self.table).reshape(len(first), *self.V.shape)

    def gather(self, weights: np.ndarray) -> list[np.ndarray]:
        """Sums of a pairwise quantity (b, n, n) over the classes of each term, shapes (C,)."""
        if self.table is None:
            return [collect(c, weights, n) for c, n in zip(self.classes, self.counts, strict=True)]
        return parted(self.table @ weights.ravel(), self.counts)


class Flat(NamedTuple):
    """Small blocks one after the other, as `vfmeta.kernels.compiled.blocks` reads them."""

    V: np.ndarray
    y: np.ndarray
    X: np.ndarray
    table: np.ndarray
    sizes: np.ndarray


def joint(curves: Sequence[Curve]) -> np.ndarray:
    """First derivatives of the class values of all terms, (m, C): each parameter moves those of its own term."""
    first = np.zeros((sum(len(c.first) for c in curves), sum(len(c.value) for c in curves)))
    row = column = 0
    for c in curves:
        end = column + len(c.value)
        first[row : row + len(c.first), column:end] = c.first
        row, column = row + len(c.first), end
    return first


def parted(whole: np.ndarray, counts: Sequence[int]) -> list[np.ndarray]:
    """Sums over the classes of all terms, term by term."""
    return [whole[end - n : end] for n, end in zip(counts, accumulate(counts), strict=True)]


def sparse(V: Any) -> Any:
    """A known covariance as the kernels hold it: (k,) where it is diagonal, else a sparse matrix of shape (k, k)."""
    if np.ndim(V) == 1 and not hasattr(V, "tocsr"):
        return np.asarray(V, dtype=float)
    from scipy.sparse import csr_array

    return V if isinstance(V, csr_array) else csr_array(V)


def dense(V: Any) -> np.ndarray:
    """The same as an array, (k,) or (k, k)."""
    return np.asarray(V.toarray() if hasattr(V, "toarray") else V)


def diagonal(V: Any) -> np.ndarray:
    """The variances, shape (k,)."""
    return np.asarray(V.diagonal() if hasattr(V, "tocsr") else V)


def components(V: Any, bases: Sequence[Basis]) -> np.ndarray:
    """Block number of each effect, shape (k,): effects are linked by V off its diagonal, by a group or by related groups."""
    k = V.shape[0]
    if not hasattr(V, "tocsr") and all(b.relation is None for b in bases):
        label = np.arange(k)
        for _ in range(_ROUNDS):  # each group takes its least label, until no group is torn: at once where groups are nested
            before = label
            for b in bases:
                least = np.full(int(b.outer.max()) + 1, k)
                np.minimum.at(least, b.outer, label)
                label = least[b.outer]
            if (label == before).all():
                return np.cumsum(label == np.arange(k))[label] - 1
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    links = [V.nonzero()] if hasattr(V, "tocsr") else []
    for b in bases:
        order = np.argsort(b.outer, kind="stable")
        new = np.diff(b.outer[order], prepend=-1) != 0
        same = np.flatnonzero(~new)
        links.append((order[same - 1], order[same]))
        if b.relation is not None:
            first = order[new]  # one effect of each group stands for it
            i, j = np.nonzero(np.triu(b.relation[np.ix_(b.outer[first], b.outer[first])], 1))
            links.append((first[i], first[j]))
    rows, cols = (np.concatenate([np.empty(0, dtype=int), *(link[i] for link in links)]) for i in (0, 1))
    graph = coo_array((np.ones(len(rows)), (rows, cols)), shape=(k, k))
    return connected_components(graph, directed=False)[1]


def stack_blocks(y: np.ndarray, X: np.ndarray, V: Any, bases: Sequence[Basis]) -> list[Stack]:
    """Cut the data into independent blocks and stack those of one size.

    Parameters
    ----------
    y : ndarray of shape (k,)
    X : ndarray of shape (k, p)
    V : ndarray of shape (k,) when diagonal, else sparse of shape (k, k)
    bases : sequence of Basis
        The random terms.
    """
    block = components(V, bases)
    order = np.argsort(block, kind="stable")
    sizes = np.bincount(block)
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    place = np.empty(len(y), dtype=int)
    place[order] = np.arange(len(y)) - np.repeat(starts, sizes)
    entries = V.tocoo() if hasattr(V, "tocsr") else None
    stacks, counts = [], tuple(b.size for b in bases)
    for chosen in _alike(sizes):
        own = sizes[chosen]
        n = int(own.max())
        filled = np.arange(n) < own[:, None]
        rows = order[np.where(filled, starts[chosen][:, None] + np.arange(n), 0)]
        left, right = rows[:, :, None], rows[:, None, :]
        real = filled[:, :, None] & filled[:, None, :]
        at = np.arange(n)
        block_v = np.zeros((len(chosen), n, n))
        block_v[:, at, at] = 1.0
        if entries is None:
            block_v[:, at, at] = np.where(filled, V[rows], 1.0)
        else:
            slot = np.full(len(sizes), -1)
            slot[chosen] = np.arange(len(chosen))
            where = slot[block[entries.row]]
            here = where >= 0
            block_v[where[here], place[entries.row[here]], place[entries.col[here]]] = entries.data[here]
        classes = []
        for b in bases:
            together = (b.outer[left] == b.outer[right]) & real
            if b.relation is not None:
                classes.append((b.relation[b.outer[left], b.outer[right]] * real)[None])
            elif b.slopes is None:
                classes.append(np.where(together, b.pair_class[b.inner[left], b.inner[right]], b.size))
            else:
                z = b.slopes[rows]
                found = np.zeros((b.size, *together.shape))
                for (i, j), c in np.ndenumerate(b.pair_class):
                    found[c] += z[:, :, None, i] * z[:, None, :, j]
                classes.append(found * together)
        own_x = np.ascontiguousarray(X[rows] * filled[:, :, None])
        stacks.append(Stack(rows, own, block_v, y[rows] * filled, own_x, tuple(classes), counts))
    return stacks


def flatten(y: np.ndarray, X: np.ndarray, V: Any, bases: Sequence[Basis]) -> Flat | None:
    """The independent blocks one after the other, where compiled sums over them are faster than products of matrices: all
    small, and pairs and classes few. Parameters as in `stack_blocks`.
    """
    block = components(V, bases)
    sizes = np.bincount(block)
    pairs = int(sizes @ sizes)
    if not bases or int(sizes.max()) > blocks.MOST or sum(b.size for b in bases) * pairs > _TABLE:
        return None
    order = np.argsort(block, kind="stable")
    wide = sizes[block[order]]  # each effect meets all of its block
    left = np.repeat(order, wide)
    ends, last = np.cumsum(wide), np.repeat(np.cumsum(sizes), sizes)
    right = order[np.arange(pairs) + np.repeat(last - ends, wide)]
    known = dense(V[left, right]).ravel() if hasattr(V, "tocsr") else np.where(left == right, V[left], 0.0)
    rows = []
    for b in bases:
        outer = b.outer[left], b.outer[right]
        together = outer[0] == outer[1]
        if b.relation is not None:
            rows.append(b.relation[outer][None])
        elif b.slopes is not None:
            z = b.slopes[left][:, :, None] * b.slopes[right][:, None, :] * together[:, None, None]
            rows.append(np.stack([z[:, b.pair_class == c].sum(axis=1) for c in range(b.size)]))
        elif b.size == 1:
            rows.append(together[None].astype(float))
        else:
            rows.append(((b.pair_class[b.inner[left], b.inner[right]] == np.arange(b.size)[:, None]) & together).astype(float))
    return Flat(known, y[order], X[order], np.concatenate(rows), sizes)


def _alike(sizes: np.ndarray) -> list[np.ndarray]:
    """Blocks to be stacked together: a few large stacks cost less than many small ones, until filling up costs more."""
    order = np.argsort(-sizes, kind="stable")
    falling = sizes[order].tolist()
    stacks, first = [], 0
    for i in range(1, len(order) + 1):
        if i < len(order):
            n = falling[first]
            if 2 * falling[i] >= n or (i + 1 - first) * n**2 <= 20_000:
                continue
        stacks.append(order[first:i])
        first = i
    return stacks


def marginal_blocks(stacks: Sequence[Stack], curves: Sequence[Curve]) -> list[tuple[np.ndarray, np.ndarray]]:
    """Row numbers (b, n) and covariance matrices M (b, n, n) of the blocks, one entry a size."""
    return [found for s in stacks for found in _by_size(s, s.covariance(curves))]


def known_blocks(stacks: Sequence[Stack]) -> list[tuple[np.ndarray, np.ndarray]]:
    """The same of the known covariance V alone."""
    return [found for s in stacks for found in _by_size(s, s.V)]


def _by_size(s: Stack, matrices: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    return [(s.rows[s.sizes == n, :n], matrices[s.sizes == n, :n, :n]) for n in np.unique(s.sizes)]


def spread(classes: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Spread class values over the pairs; ``values`` (..., C) gives (..., b, n, n)."""
    if classes.dtype.kind == "f":
        return np.tensordot(values, classes, axes=(-1, 0))
    padded = np.concatenate([values, np.zeros((*values.shape[:-1], 1))], axis=-1)
    return padded[..., classes]


def collect(classes: np.ndarray, weights: np.ndarray, size: int) -> np.ndarray:
    """Sum a pairwise quantity (b, n, n) over each class, shape (C,)."""
    if classes.dtype.kind == "f":
        return np.tensordot(classes, weights, axes=3)
    return np.bincount(classes.ravel(), weights.ravel(), size + 1)[:size]

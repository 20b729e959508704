"""Unrelated mean effects: each comparison with direct evidence has a mean effect of its own."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vfmeta.networks.graph import Network


def unrelated(net: Network) -> tuple[tuple[tuple[str, str], ...], list[np.ndarray]]:
    """The comparisons that have an effect of their own, and their part in the contrasts of every trial (m, comparisons).

    A trial of several arms informs the comparisons with its first treatment, the reference or else the first by name (Dias et
    al. 2011, NICE DSU Technical Support Document 4): with more than two arms the model hangs on that order.
    """
    order = {t: i for i, t in enumerate((net.reference, *net.others))}
    bases = [min(t.arms, key=order.__getitem__) for t in net.trials]
    found = {(a, base) for t, base in zip(net.trials, bases, strict=True) for a in t.arms if a != base}
    pairs = tuple(sorted(found, key=lambda pair: (order[pair[1]], order[pair[0]])))
    at = {pair: i for i, pair in enumerate(pairs)}
    designs = []
    for t, base in zip(net.trials, bases, strict=True):
        arms = np.zeros((len(t.arms), len(pairs)))
        for i, a in enumerate(t.arms):
            if a != base:
                arms[i, at[a, base]] = 1.0
        designs.append(arms[1:] - arms[0])
    return pairs, designs


def labels(pairs: Sequence[tuple[str, str]]) -> tuple[str, ...]:
    """Names of the effects: "B v A"."""
    return tuple(f"{a} v {b}" for a, b in pairs)

"""Pools of subsets of studies in groups that lie apart, and which study each of these hangs on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from vfmeta.core.messages import InputError
from vfmeta.core.params import generator, whole
from vfmeta.frequentist.after.omitting import all_subsets

if TYPE_CHECKING:
    import pandas as pd

_SAMPLE, _TRIES = 20_000, 8


def subset_clusters(fit: Any, *, clusters: int = 2, draws: int | None = None, seed: int = 1) -> pd.DataFrame:
    """The pool of every subset of two studies or more, and the cluster it lies in by estimate and I2.

    Parameters
    ----------
    fit : FrequentistResult
        As of `all_subsets`.
    clusters : int
        How many, 1 to 6.
    draws : int, optional
        So many subsets drawn at random instead of all, as of `all_subsets`.
    seed : int
        Makes the draw and the clusters repeatable.

    Returns
    -------
    DataFrame
        The rows of `all_subsets` with two studies or more, and ``cluster``: 1 for the largest, and so on.

    Notes
    -----
    GOSH: Olkin, Dahabreh & Trikalinos 2012, Res Synth Methods 3:214-223. Clusters are k-means of estimate and I2, each over
    its standard deviation, of the best of eight starts. There are as many as are asked for, whether the cloud falls apart or
    not: what tells is a study that is in all subsets of one and in none of another.

    Examples
    --------
    >>> import vfmeta as vf
    >>> fit = vf.random_effects(y=[0.1, 0.2, 0.15, 0.9], se=[0.1, 0.1, 0.1, 0.1])
    >>> found = vf.subset_clusters(fit)
    >>> len(found), sorted(set(found["cluster"].tolist()))
    (11, [1, 2])
    """
    from scipy.cluster.vq import kmeans2, vq

    if whole("clusters", clusters, 1) > 6:
        raise InputError(f"clusters={clusters} are more than can be told apart; at most 6.")
    frame = all_subsets(fit, draws=draws, seed=seed)
    frame = frame[frame["k"] > 1].reset_index(drop=True)
    if len(frame) <= clusters:
        raise InputError(f"There are {len(frame)} subsets of two studies or more: too few for {clusters} clusters.")
    points = frame[["estimate", "i2"]].to_numpy(dtype=float)
    spread = points.std(axis=0)
    points = (points - points.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    rng = generator(seed)
    some = points if len(points) <= _SAMPLE else points[rng.choice(len(points), _SAMPLE, replace=False)]
    best, least = points[:1], np.inf
    for _ in range(_TRIES if clusters > 1 else 1):
        centres, _ = kmeans2(some, clusters, minit="++", rng=rng)
        far = float((vq(some, centres)[1] ** 2).sum())
        if far < least:
            best, least = centres, far
    code, _ = vq(points, best)
    size = np.bincount(code, minlength=len(best))
    rank = np.empty(len(size), dtype=int)
    rank[np.argsort(-size, kind="stable")] = np.arange(len(size))
    return frame.assign(cluster=rank[code] + 1)

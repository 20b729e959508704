"""Where the evidence of a network disagrees: loop by loop, and design by design."""

from __future__ import annotations

import math
from itertools import combinations, permutations
from typing import TYPE_CHECKING

import numpy as np

from vfmeta.core.messages import InputError, kind_of, warn
from vfmeta.core.params import whole
from vfmeta.networks.graph import Trial
from vfmeta.networks.result import NetworkResult
from vfmeta.results.frames import scaled
from vfmeta.results.wald import quantile, two_sided

if TYPE_CHECKING:
    import pandas as pd


def loops(fit: NetworkResult, *, longest: int = 4) -> pd.DataFrame:
    """Inconsistency factor of every loop of the network: by how much its direct comparisons fail to close.

    How often its tests reject and its intervals hold: ``reports/levels.md#networksloops``.

    Each side of a loop is the pool of the trials that compare its two ends, at the tau2 of the network; the factor is the
    absolute sum round the loop (Bucher et al. 1997, J Clin Epidemiol 50:683-691; Veroniki et al. 2013, Int J Epidemiol
    42:332-345). The sides that a trial of several arms gives to one loop are correlated, and are taken so. Loops overlap: read
    them as pictures of where to look, and `NetworkResult.coherence` as the test.

    Parameters
    ----------
    fit : NetworkResult
        From `vfmeta.network`.
    longest : int
        Loops of 3 up to this many treatments.

    Returns
    -------
    DataFrame
        loop (treatments joined by " - "), length, estimate (the factor, at least 0, on the analysis scale), se, ci_low,
        ci_high, statistic, p_value, scale. Not a row for a loop that only one trial of several arms forms, which closes by
        itself.

    Examples
    --------
    >>> import vfmeta as vf
    >>> frame = {"study": list("abc"), "treat1": list("BCC"), "treat2": list("AAB"), "y": [-0.5, -0.8, -0.2], "se": [0.2] * 3}
    >>> found = vf.networks.loops(vf.network(frame, reference="A", method="common", test="Wald"))
    >>> round(float(found.estimate[0]), 3), round(float(found.se[0]), 3)
    (0.1, 0.346)
    """
    import pandas as pd

    _checked(fit, "loops")
    longest = whole("longest", longest, 3)
    between = 0.0 if math.isnan(fit.tau2) else fit.tau2
    sides = {
        frozenset(pair): own
        for pair in combinations(fit.treatments, 2)
        if (own := [i for i, t in enumerate(fit.network.trials) if set(pair) <= set(t.arms)])
    }
    rows = []
    for size in range(3, longest + 1):
        for around in _rings(fit.treatments, size):
            edges = [frozenset(e) for e in zip(around, (*around[1:], around[0]), strict=True)]
            if not all(e in sides for e in edges):
                continue
            if len({i for e in edges for i in sides[e]}) == 1:
                continue
            total, variance = _round(fit.network.trials, around, [sides[e] for e in edges], between)
            if variance <= 0:
                continue
            se = math.sqrt(variance)
            half = float(quantile(fit.level, None)) * se
            rows.append((" - ".join(around), size, abs(total), se, max(0.0, abs(total) - half), abs(total) + half,
                         abs(total) / se, float(two_sided(np.array(total / se), None))))  # fmt: skip
    names = ["loop", "length", "estimate", "se", "ci_low", "ci_high", "statistic", "p_value"]
    return scaled(pd.DataFrame(rows, columns=names), fit.question)


def detached_designs(fit: NetworkResult) -> pd.DataFrame:
    """What each design adds to Cochran's Q between designs, and how much of the others' falls away when it is set free.

    How often its tests reject and its intervals hold: ``reports/levels.md#networksdetached_designs``.

    A design is the set of treatments of a trial; ``q`` is the squared distance of its own effects from those of the network, at
    tau2 = 0, and the columns after it how ``q`` of the row's design falls when the column's design is detached, that is, given
    effects of its own (Krahn, Binder & König 2013, BMC Med Res Methodol 13:35, by design where they go by contrast). A large
    positive fall says that the two disagree.

    Returns
    -------
    DataFrame
        ``design`` (treatments joined by ":"), ``q``, and a column for each design detached. Designs without which the network
        is in parts are not detached: their column is NaN.

    Examples
    --------
    >>> import vfmeta as vf
    >>> frame = {"study": list("abc"), "treat1": list("BCC"), "treat2": list("AAB"), "y": [-0.5, -0.8, -0.2], "se": [0.2] * 3}
    >>> net = vf.network(frame, reference="A", method="common", test="Wald")
    >>> round(float(vf.networks.detached_designs(net).q.sum()), 6)
    0.083333
    """
    import pandas as pd

    _checked(fit, "detached_designs")
    x, y, v, trial = fit.design.x, fit.y, fit.v, fit.trial
    groups: dict[frozenset[str], list[int]] = {}
    for i, t in enumerate(fit.network.trials):
        groups.setdefault(frozenset(t.arms), []).append(i)
    names = [":".join(sorted(arms)) for arms in groups]
    root = 1 / np.sqrt(v)
    a, b = root[:, None] * x, root * y
    members = [np.isin(trial, own) for own in groups.values()]
    bases = []
    for rows in members:  # what a design alone can say: the span of its own columns
        u, s, _ = np.linalg.svd(a[rows], full_matrices=False)
        bases.append(u[:, s > 1e-10 * s[0]])

    def distances(beta: np.ndarray) -> np.ndarray:
        return np.array([np.sum((u.T @ (b[r] - a[r] @ beta)) ** 2) for u, r in zip(bases, members, strict=True)])

    whole_q = distances(np.linalg.lstsq(a, b, rcond=None)[0])
    falls = np.full((len(names), len(names)), math.nan)
    needed = []
    for j, rows in enumerate(members):
        rest = ~rows
        if np.linalg.matrix_rank(a[rest]) < fit.p:
            needed.append(names[j])
            continue
        now = distances(np.linalg.lstsq(a[rest], b[rest], rcond=None)[0])
        now[j] = 0.0
        falls[:, j] = whole_q - now
    if needed:
        warn(f"Without {', '.join(needed)} the network is in parts: such a design is not detached, and its column is empty.")
    return pd.DataFrame({"design": names, "q": whole_q, **{n: falls[:, j] for j, n in enumerate(names)}})


def _checked(fit: object, verb: str) -> None:
    if not isinstance(fit, NetworkResult):
        raise InputError(f"{verb} takes a network (from vf.network), not {kind_of(fit)}.")


def _rings(names: tuple[str, ...], size: int) -> list[tuple[str, ...]]:
    """Every way round a set of treatments, each once: the first is the first by name, the second comes before the last."""
    found = []
    for group in combinations(names, size):
        first, *rest = group
        found += [(first, *order) for order in permutations(rest) if order[0] < order[-1]]
    return found


def _round(trials: tuple[Trial, ...], around: tuple[str, ...], sides: list[list[int]], tau2: float) -> tuple[float, float]:
    """Sum of the pooled sides round a loop, and its variance; a trial in several sides counts with its covariance."""
    ends = list(zip(around, (*around[1:], around[0]), strict=True))
    weights: dict[int, dict[str, float]] = {}  # of each arm of each trial, in the sum
    total, variance = 0.0, 0.0
    for (one, two), own in zip(ends, sides, strict=True):
        precision = {i: 1 / (_contrast(trials[i], {one: 1.0, two: -1.0})[1] + tau2) for i in own}
        for i, w in precision.items():
            share = w / sum(precision.values())
            arms = weights.setdefault(i, {})
            arms[one] = arms.get(one, 0.0) + share
            arms[two] = arms.get(two, 0.0) - share
    for i, arms in weights.items():
        value, own_variance = _contrast(trials[i], arms)
        total += value
        variance += own_variance + tau2 / 2 * sum(x * x for x in arms.values())
    return total, variance


def _contrast(trial: Trial, arms: dict[str, float]) -> tuple[float, float]:
    """A combination of arms (its weights add up to 0) and its sampling variance."""
    c = np.array([arms.get(t, 0.0) for t in trial.arms[1:]])
    return float(c @ trial.y), float(c @ trial.V @ c)

"""Lines through funnels, one or many at once, and the rank correlation of effects with their variances."""

from __future__ import annotations

import math

import numpy as np

FLAT = 1e-12  # of the mean square of a predictor: a spread below is rounding
STATES = 50_000  # of the distribution with ties on both sides; beyond, the normal one is taken


def lines(y: np.ndarray, x: np.ndarray, w: np.ndarray, start: np.ndarray) -> dict[str, np.ndarray]:
    """Weighted straight lines with the residual variance estimated, of studies ``start[b]`` to ``start[b + 1]``.

    Returns
    -------
    dict
        Each of shape (B,): ``limit`` (the line at x = 0) and ``slope`` with their standard errors ``limit_se`` and
        ``slope_se``, and ``df``. NaN where there are fewer than three studies or the predictor is the same in all.
    """
    begin, k = start[:-1], start[1:] - start[:-1]

    def total(values: np.ndarray) -> np.ndarray:
        return np.add.reduceat(values, begin)

    def spread(values: np.ndarray) -> np.ndarray:
        return values if len(k) == 1 else np.repeat(values, k)

    with np.errstate(divide="ignore", invalid="ignore"):
        sw = total(w)
        mx, my = total(w * x) / sw, total(w * y) / sw
        dx, dy = x - spread(mx), y - spread(my)
        wdx = w * dx
        sxx = total(wdx * dx)
        known = (k > 2) & (sxx > FLAT * sw * mx**2)
        slope = total(wdx * dy) / sxx
        rest = dy - spread(slope) * dx
        square = total(w * rest * rest) / (k - 2)
        found = {
            "limit": my - slope * mx, "slope": slope, "limit_se": np.sqrt(square * (1 / sw + mx * mx / sxx)),
            "slope_se": np.sqrt(square / sxx),
        }  # fmt: skip
    if not known.all():
        found = {name: np.where(known, values, np.nan) for name, values in found.items()}
    return found | {"df": k - 2}


def kendall(x: np.ndarray, y: np.ndarray) -> tuple[int, float, float]:
    """Concordant less discordant pairs, tau-b, and the variance of the former over all orders, ties minded."""
    n = len(x)
    s = int((np.sign(np.subtract.outer(x, x)) * np.sign(np.subtract.outer(y, y)))[np.triu_indices(n, 1)].sum())
    t, u = (np.unique(z, return_counts=True)[1].astype(float) for z in (x, y))
    pairs = n * (n - 1) / 2
    free = [pairs - float((c * (c - 1)).sum()) / 2 for c in (t, u)]
    tau = s / math.sqrt(free[0] * free[1]) if min(free) > 0 else math.nan
    ends = [float((c * (c - 1) * (2 * c + 5)).sum()) for c in (t, u)]
    twos = [float((c * (c - 1)).sum()) for c in (t, u)]
    threes = [float((c * (c - 1) * (c - 2)).sum()) for c in (t, u)]
    variance = (n * (n - 1) * (2 * n + 5) - ends[0] - ends[1]) / 18 + twos[0] * twos[1] / (2 * n * (n - 1))
    if n > 2:
        variance += threes[0] * threes[1] / (9 * n * (n - 1) * (n - 2))
    return s, tau, variance


def exact_p(s: int, x: np.ndarray, y: np.ndarray) -> float:
    """P(abs(S) >= abs(s)) over all orders of ``y``; NaN where ties on both sides leave too much to count."""
    tied = [sorted(np.unique(z, return_counts=True)[1].tolist()) for z in (x, y)]
    if tied[0][-1] == 1 or tied[1][-1] == 1:
        values, share = _one_sided_ties(tied[0] if tied[1][-1] == 1 else tied[1])
    else:
        # the order of groups of equal size matters, so ties keep their places
        found = _ties_on_both(*(np.unique(z, return_counts=True)[1].tolist() for z in (x, y)))
        if found is None:
            return math.nan
        values, share = found
    return min(1.0, float(share[np.abs(values) >= abs(s)].sum()))


def _one_sided_ties(groups: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """S of an order without ties against groups of ties: twice the inversions between groups, less all pairs between them."""
    share, before, pairs = np.ones(1), 0, 0
    for size in groups:
        share = np.convolve(share, _inversions(before, size))
        pairs += before * size
        before += size
    return pairs - 2 * np.arange(len(share)), share


def _inversions(before: int, size: int) -> np.ndarray:
    """Shares of 0, 1, ... inversions between two groups in random order (Mann and Whitney's U), by the last one placed."""
    if size == 1:
        return np.full(before + 1, 1 / (before + 1))
    # row[m]: of n placed, m of the second group
    row = [np.ones(1)]
    for n in range(1, before + size + 1):
        fresh = []
        for m in range(max(0, n - before), min(size, n) + 1):
            u = np.zeros(m * (n - m) + 1)
            old = m - max(0, n - 1 - before)
            if m < n and 0 <= old < len(row):  # the last is of the first group: all m of the second stand before it
                u[m:] += (n - m) / n * row[old]
            if m and 0 <= old - 1 < len(row):
                u[: (m - 1) * (n - m) + 1] += m / n * row[old - 1]
            fresh.append(u)
        row = fresh
    return row[-1]


def _ties_on_both(columns: list[int], rows: list[int]) -> tuple[np.ndarray, np.ndarray] | None:
    """S over all tables with these margins, the groups of one side dealt out to those of the other one by one.

    A state is how many of each row are dealt, as digits of one number; with it goes the number of ways there, by S.
    """
    if math.prod(u + 1 for u in rows) > math.prod(t + 1 for t in columns):
        columns, rows = rows, columns
    if math.prod(u + 1 for u in rows) > STATES:
        return None
    n = sum(rows)
    middle = n * (n - 1) // 2
    unit = np.cumprod([1, *(u + 1 for u in rows[:-1])])
    codes, ways = np.zeros(1, np.int64), np.zeros((1, 2 * middle + 1))
    ways[0, middle] = 1.0
    for size in columns:
        # by how many of the group are dealt, row after row
        held: list[list[tuple[np.ndarray, np.ndarray]]] = [[(codes, ways)], *([] for _ in range(size))]
        for r, own in enumerate(rows):
            fresh: list[tuple[int, np.ndarray, np.ndarray]] = []
            for taken in range(size):
                for at, count in held[taken]:
                    dealt = at[:, None] // unit % np.array([u + 1 for u in rows])
                    # dealt before to lower rows they are concordant, to higher ones discordant; not those of the group itself
                    sides = dealt[:, :r].sum(axis=1) - taken - dealt[:, r + 1 :].sum(axis=1)
                    for c in range(1, min(own, size - taken) + 1):
                        free = dealt[:, r] + c <= own
                        if free.any():
                            choices = np.array([math.comb(own - d, c) for d in range(own + 1)], dtype=float)[dealt[free, r]]
                            moved = _moved(count[free], c * sides[free]) * choices[:, None]
                            fresh.append((taken + c, at[free] + c * unit[r], moved))
            for taken, at, moved in fresh:
                held[taken].append((at, moved))
            for taken in range(1, size):
                held[taken] = [_merged(held[taken])] if held[taken] else []
        codes, ways = _merged(held[size])
    there = np.flatnonzero(ways[0])
    return there - middle, ways[0, there] / ways[0].sum()


def _moved(ways: np.ndarray, gain: np.ndarray) -> np.ndarray:
    """Each row of ``ways`` shifted by its gain in S."""
    out = np.zeros_like(ways)
    width = ways.shape[1]
    for g in np.unique(gain).tolist():
        which = gain == g
        if g >= 0:
            out[which, g:] = ways[which, : width - g]
        else:
            out[which, :g] = ways[which, -g:]
    return out


def _merged(parts: list[tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
    """States that stand in several parts once, with all their ways."""
    codes, place = np.unique(np.concatenate([at for at, _ in parts]), return_inverse=True)
    out = np.zeros((len(codes), parts[0][1].shape[1]))
    first = 0
    for at, ways in parts:  # within a part each state stands once
        out[place[first : first + len(at)]] += ways
        first += len(at)
    return codes, out

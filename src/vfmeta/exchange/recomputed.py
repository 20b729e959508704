"""Every result that a file of RevMan stores, computed again from the rows: where the two differ.

The formulas are those of Deeks & Higgins 2010, Statistical algorithms in Review Manager 5. A stored number is the same where
the new one rounds to it: RevMan stores some with all digits and some with two.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from statistics import NormalDist
from typing import Any, NamedTuple

import numpy as np

from vfmeta.core.measures import row as facts_of
from vfmeta.exchange.analysis import Analysis, number
from vfmeta.kernels import tables
from vfmeta.kernels.centred_q import tau2_about

#: pools of tables, with the variances that RevMan takes
_POOLS = {"OR": tables.odds_ratio, "RR": tables.risk_ratio, "RD": tables.risk_difference_sparse}
#: p values of chi-squared that RevMan 5 stores with all digits are off by up to 1e-7 (p values of z are not): seen in published
#: reviews, where their own Q and df give the others
_CHI_SQUARED = ("q_p_value", "subgroup_p_value")
_CHI_SQUARED_GAP = 2e-7
_EXACT = 1e-6  # relative: what two programs that store all digits may differ by


@dataclass(frozen=True)
class Pool:
    """A pool on the analysis scale; ``weights`` (k,) of the rows that are in it, not scaled."""

    estimate: float
    se: float
    q: float
    df: int
    tau2: float
    weights: np.ndarray
    half: float
    t: float | None = None
    t_p: float = math.nan

    @property
    def i2(self) -> float:
        """Percent of Q beyond its degrees of freedom."""
        return 100 * max(0.0, (self.q - self.df) / self.q) if self.q > 0 else 0.0


class Line(NamedTuple):
    """One stored number beside the recomputed one; ``stored`` is the text of the file.

    ``difference`` is stored less recomputed (YES is 1), and ``alike`` says whether the recomputed number rounds to the stored.
    """

    analysis: str
    subgroup: str
    study: str
    quantity: str
    stored: str
    recomputed: float
    difference: float
    alike: bool


@dataclass
class _Lines:
    """Lines of one place of an analysis."""

    analysis: str
    subgroup: str = ""
    study: str = ""
    found: list[Line] = field(default_factory=list)

    def hold(self, quantity: str, stored: str | None, recomputed: float) -> None:
        """Compare, where the file stores a number and there is one to hold it to."""
        value = number(stored)
        if value is not None and recomputed == recomputed:
            same = _alike(str(stored), value, recomputed) or (
                quantity in _CHI_SQUARED and abs(value - recomputed) < _CHI_SQUARED_GAP
            )
            self._add(quantity, str(stored), recomputed, value - recomputed, same)

    def differs(self, quantity: str, stored: str, recomputed: float) -> None:
        """What is no number, and is not the same."""
        self._add(quantity, stored, recomputed, float(stored == "YES") - recomputed, False)

    def _add(self, quantity: str, stored: str, recomputed: float, difference: float, same: bool) -> None:
        where = (self.analysis, self.subgroup, self.study)
        self.found.append(Line(*where, quantity, stored, float(recomputed), difference, same))


def alike(stored: str, recomputed: float) -> bool:
    """Whether a number rounds to a stored text, or is it to six digits."""
    value = number(stored)
    return value is not None and _alike(stored, value, recomputed)


def _alike(stored: str, value: float, recomputed: float) -> bool:
    gap = abs(value - recomputed)
    if gap <= _EXACT * abs(recomputed):
        return True
    if not gap < math.inf:  # one of the two is no finite number
        return value == recomputed
    mantissa, _, power = stored.lower().partition("e")
    if "." not in mantissa and not power:  # a whole number is a count
        return gap <= 1e-9
    decimals = len(mantissa.partition(".")[2]) - int(power or 0)
    return gap <= (min(0.5001 * 10.0**-decimals, 0.0051) if decimals <= 6 else 0.0)


def pooled(a: Analysis) -> Pool | None:
    """The rows of an analysis (or of a subgroup of it) pooled as the file asks; None where no row is estimable."""
    y, v, there = a.effects
    y, v, k = y[there], v[there], int(there.sum())
    if not k:
        return None
    w = 1 / v
    centre, variance, weights = float(w @ y / w.sum()), float(1 / w.sum()), w
    if a.kind == "events" and a.method == "MH":
        cells: Any = [x[there] for x in a.cells]
        found = _POOLS[a.measure](*cells)
        if not (math.isfinite(found.estimate) and found.variance > 0):  # the same cell is empty everywhere
            x, n1, z, n2 = cells
            found = _POOLS[a.measure](x + 0.5, n1 + 1, z + 0.5, n2 + 1)
        centre, variance, weights = float(found.estimate), float(found.variance), found.weights
    tau2, q = tau2_about(y, v, centre)
    estimate = centre
    if a.model == "random":
        if a.estimator not in ("DL", "DL-MH"):
            tau2 = _iterated(y, v, a.estimator)
        weights = 1 / (v + tau2)
        estimate, variance = float(weights @ y / weights.sum()), float(1 / weights.sum())
    else:
        tau2 = 0.0
    se = math.sqrt(variance)
    half, t, p = NormalDist().inv_cdf(0.5 + a.level / 2) * se, None, math.nan
    if a.model == "random" and a.test != "Wald" and k > 1:
        from scipy.special import stdtr, stdtrit

        factor = float((1 / (v + tau2)) @ (y - estimate) ** 2) / (k - 1)
        own = se * math.sqrt(max(factor, 1.0) if a.test == "HKSJ-adhoc" else factor)
        half = float(stdtrit(k - 1, 0.5 + a.level / 2)) * own
        t = estimate / own if own > 0 else math.inf
        p = 2 * float(stdtr(k - 1, -abs(t)))
    return Pool(estimate, se, q, k - 1, tau2, weights, half, t, p)


def _iterated(y: np.ndarray, v: np.ndarray, method: str) -> float:
    from vfmeta.kernels.estimators import fit_ragged

    return float(fit_ragged(y, v, None, np.array([0, len(y)]), method)[0, 0]) if len(y) > 1 else 0.0


def compared(a: Analysis) -> Iterator[Line]:
    """Every number that the file stores of an analysis, beside the recomputed one."""
    if not a.calculated:
        return
    whole = pooled(a)
    parts = {s.name: a.within(s.name) for s in a.subgroups}
    pools = {name: pooled(part) for name, part in parts.items()}
    yield from _rows(a, whole, pools)
    for s in a.subgroups:
        lines = _Lines(a.number, s.name)
        _counts(lines, parts[s.name], s.stored)
        if a.totals != "NO":
            _pool(lines, parts[s.name], pools[s.name], s.stored, s.estimable)
            if a.totals == "YES" and whole is not None and pools[s.name] is not None:
                own = [e.subgroup == s.name for e, use in zip(a.entries, a.effects[2], strict=True) if use]
                lines.hold("weight", s.stored.get("weight"), 100 * whole.weights[own].sum() / whole.weights.sum())
        yield from lines.found
    lines = _Lines(a.number)
    if a.totals == "YES":
        _counts(lines, a, a.stored)
        _pool(lines, a, whole, a.stored, a.estimable)
    if a.subgroup_test:
        _between(lines, a, [p for p in pools.values() if p is not None])
    yield from lines.found


def _rows(a: Analysis, whole: Pool | None, pools: dict[str, Pool | None]) -> Iterator[Line]:
    y, v, there = a.effects
    z, read = NormalDist().inv_cdf(0.5 + a.study_level / 2), facts_of(a.measure).scale.to_read
    within = [e.subgroup for e in a.entries]
    weights = np.zeros(len(y))
    if a.totals == "YES" and whole is not None:
        weights[there] = 100 * whole.weights / whole.weights.sum()
    elif a.totals == "SUB":
        for name, pool in pools.items():
            if pool is not None:
                weights[there & (np.array(within) == name)] = 100 * pool.weights / pool.weights.sum()
    with np.errstate(all="ignore"):
        se = np.sqrt(v)
        ends = np.stack([y, y - z * se, y + z * se])
        shown, logs = read(ends).T.tolist(), (ends / math.log(10)).T.tolist()
        variances = (1 / v if a.measure == "PETO" else v).tolist()
    for i, e in enumerate(a.entries):
        lines = _Lines(a.number, e.subgroup, e.study)
        if e.estimable != bool(there[i]):
            lines.differs("estimable", "YES" if e.estimable else "NO", float(there[i]))
        elif e.estimable:
            for name, value, log in zip(("estimate", "ci_low", "ci_high"), shown[i], logs[i], strict=True):
                lines.hold(name, e.stored.get(name), value)
                lines.hold(f"log10 {name}", e.stored.get(f"log10 {name}"), log)
            lines.hold("se", e.stored.get("se"), float(se[i]))
            lines.hold("variance", e.stored.get("variance"), variances[i])
            if a.totals != "NO":
                lines.hold("weight", e.stored.get("weight"), float(weights[i]))
        yield from lines.found


def _counts(lines: _Lines, a: Analysis, stored: dict[str, str]) -> None:
    """Studies, each once, and patients and events, those of rows that are not estimable included."""
    lines.hold("studies", stored.get("studies"), len({e.study_id for e in a.entries}))
    for name in ("n1", "n2", "events1", "events2"):
        lines.hold(name, stored.get(name), float(np.nansum(a.column(name))) if a.entries else 0.0)


def _pool(lines: _Lines, a: Analysis, pool: Pool | None, stored: dict[str, str], estimable: bool) -> None:
    if estimable != (pool is not None):
        lines.differs("estimable", "YES" if estimable else "NO", float(pool is not None))
        return
    if pool is None:
        return
    from scipy.special import chdtrc

    read = facts_of(a.measure).scale.to_read
    ends = pool.estimate, pool.estimate - pool.half, pool.estimate + pool.half
    for name, value in zip(("estimate", "ci_low", "ci_high"), ends, strict=True):
        lines.hold(name, stored.get(name), float(read(np.asarray(value))))
        lines.hold(f"log10 {name}", stored.get(f"log10 {name}"), value / math.log(10))
    z = abs(pool.estimate) / pool.se
    lines.hold("statistic", _unsigned(stored.get("statistic")), z)
    p = math.erfc(z / math.sqrt(2))
    if pool.t is not None:
        lines.hold("t", _unsigned(stored.get("t")), abs(pool.t))
        # exports by Hartung and Knapp's interval were seen with the p value of Z; either is a p value of this pool
        p = pool.t_p if alike(stored.get("p_value", ""), pool.t_p) else p
    lines.hold("p_value", stored.get("p_value"), p)
    lines.hold("q", stored.get("q"), pool.q)
    lines.hold("q_df", stored.get("q_df"), pool.df)
    if pool.df > 0:
        lines.hold("q_p_value", stored.get("q_p_value"), float(chdtrc(pool.df, pool.q)))
        lines.hold("i2", stored.get("i2"), pool.i2)
    if a.model == "random":
        lines.hold("tau2", stored.get("tau2"), pool.tau2)


def _between(lines: _Lines, a: Analysis, pools: list[Pool]) -> None:
    """Test for subgroup differences: Q of the subgroups' pools about their inverse-variance mean."""
    if len(pools) < 2:
        return
    from scipy.special import chdtrc

    w = np.array([p.se**-2 for p in pools])
    y, df = np.array([p.estimate for p in pools]), len(pools) - 1
    q = float(w @ (y - w @ y / w.sum()) ** 2)
    lines.hold("subgroup_q", a.stored.get("subgroup_q"), q)
    lines.hold("subgroup_p_value", a.stored.get("subgroup_p_value"), float(chdtrc(df, q)))
    lines.hold("subgroup_i2", a.stored.get("subgroup_i2"), 100 * max(0.0, (q - df) / q) if q > 0 else 0.0)


def _unsigned(text: str | None) -> str | None:
    return None if text is None else text.lstrip("-")


__all__ = ["Line", "Pool", "alike", "compared", "pooled"]

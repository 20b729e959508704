"""Levels of what is made from counts and from single studies, in batches by the functions behind the verbs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from benchmarks.levels import LEVEL, NOTICES, Answer, Block, covers, rejects
from scipy.stats import chi2, norm

import vfmeta as vf
from vfmeta.convert import five_numbers
from vfmeta.effects.formulas import FORMULAS, ZeroRule
from vfmeta.effects.measured import measured
from vfmeta.frequentist.single_tables import each_study
from vfmeta.kernels import tables
from vfmeta.kernels.homogeneity import score_test
from vfmeta.kernels.single_study import single_limits

POOLS = {"OR": tables.odds_ratio, "RR": tables.risk_ratio, "RD": tables.risk_difference, "IRR": tables.rate_ratio,
         "IRD": tables.rate_difference}  # fmt: skip


def trials(k: int, risk: float, ratio: int = 1) -> Callable[..., Any]:
    """Tables of ``k`` trials without an effect, 30 to 150 patients in one arm and that over ``ratio`` in the other."""

    def draw(rng: np.random.Generator, draws: int) -> Any:
        n1 = rng.integers(30, 151, (draws, k)).astype(float)
        n2 = np.round(n1 / ratio)
        p = np.clip(risk * np.exp(rng.normal(0, 0.4, (draws, k))), 0, 0.9)
        counts = [rng.binomial(n.astype(int), p).astype(float) for n in (n1, n2)]
        rates = [rng.poisson(n * p).astype(float) for n in (n1, n2)]
        return (counts[0], n1, counts[1], n2), (rates[0], n1, rates[1], n2)

    return draw


def _cochran(measure: str, cells: Any, estimate: np.ndarray, peto: bool = False) -> np.ndarray:
    """P values of the textbook's Q."""
    y, v = tables.peto_each(*cells) if peto else each_study(measure, cells)
    use = np.isfinite(y) & np.isfinite(v) & (v > 0)
    if measure in ("OR", "RR", "IRR"):
        use &= cells[0] + cells[2] > 0
    q = np.where(use, (y - estimate[:, None]) ** 2 / np.where(use, v, 1), 0).sum(axis=1)
    return chi2.sf(q, use.sum(axis=1) - 1)


def _mantel_haenszel(drawn: Any) -> Mapping[str, Answer]:
    out: dict[str, Answer] = {}
    for measure, pool in POOLS.items():
        cells = drawn[measure[0] == "I"]
        found = pool(*cells)
        half = norm.ppf(0.975) * np.sqrt(found.variance)
        out[f"{measure}, mean"] = covers(found.estimate - half, found.estimate + half, 0.0)
        out[f"{measure}, score test of one effect (printed)"] = rejects(score_test(measure, found.estimate, *cells).p_value)
        out[f"{measure}, Cochran's Q"] = rejects(_cochran(measure, cells, found.estimate))
        if measure == "OR":
            same = tables.homogeneity(found.estimate, *cells)
            out["OR, Tarone"] = rejects(np.where(same.df > 0, chi2.sf(same.tarone, same.df), np.nan))
            test = tables.cochran_mantel_haenszel(*cells, correct=False)
            out["OR, Cochran-Mantel-Haenszel (correct=False)"] = rejects(chi2.sf(test.chi2, 1))
    return out


def _peto(drawn: Any) -> Mapping[str, Answer]:
    cells = drawn[0]
    found = tables.peto(*cells)
    half = norm.ppf(0.975) * np.sqrt(found.variance)
    return {
        "mean": covers(found.estimate - half, found.estimate + half, 0.0),
        "score test of one effect (printed)": rejects(score_test("OR", found.estimate, *cells).p_value),
        "Cochran's Q": rejects(_cochran("OR", cells, found.estimate, peto=True)),
    }


_TABLES = {f"{k} trials, risk {100 * p:g}%, arms {r}:1": trials(k, p, r) for k in (5, 15) for p in (0.005, 0.02, 0.1, 0.3)
           for r in (1, 2)}  # fmt: skip


def _events(n: int, p1: float, p2: float) -> Callable[..., Any]:
    def draw(rng: np.random.Generator, draws: int) -> Any:
        size = np.full(draws, float(n))
        a, c = (rng.binomial(n, p, draws).astype(float) for p in (p1, p2))
        x, z = (rng.poisson(n * p, draws).astype(float) for p in (p1, p2))
        two = {"events1": a, "n1": size, "events2": c, "n2": size}
        rates = {"events1": x, "time1": size, "events2": z, "time2": size}
        one, rate = {"events": c, "n": size}, {"events": z, "time": size}
        mean = (p1 + p2) / 2
        logit = [np.log(p / (1 - p)) for p in (p1, p2)]
        return [
            ("OR", two, logit[0] - logit[1]), ("RR", two, np.log(p1 / p2)), ("RD", two, p1 - p2),
            ("AS", two, np.arcsin(p1**0.5) - np.arcsin(p2**0.5)), ("PHI", two, (p1 - p2) / 2 / np.sqrt(mean * (1 - mean))),
            ("PETO", two, logit[0] - logit[1]), ("IRR", rates, np.log(p1 / p2)), ("IRD", rates, p1 - p2),
            ("IRSD", rates, p1**0.5 - p2**0.5), ("PR", one, p2), ("PLN", one, np.log(p2)), ("PLO", one, logit[1]),
            ("PAS", one, np.arcsin(p2**0.5)), ("IR", rate, p2), ("IRLN", rate, np.log(p2)), ("IRS", rate, p2**0.5),
        ]  # fmt: skip

    return draw


def _measured(n: int, sd2: float = 1.0, d: float = 0.5, r: float = 0.5) -> Callable[..., Any]:
    def draw(rng: np.random.Generator, draws: int) -> Any:
        def arm(mean: float, sd: float) -> tuple[np.ndarray, np.ndarray]:
            return rng.normal(mean, sd / np.sqrt(n), draws), sd * np.sqrt(rng.chisquare(n - 1, draws) / (n - 1))

        (m1, s1), (m2, s2), size = arm(5 + d, 1.0), arm(5, sd2), np.full(draws, float(n))
        means = {"mean1": m1, "sd1": s1, "n1": size, "mean2": m2, "sd2": s2, "n2": size}
        sds = {name: means[name] for name in ("sd1", "n1", "sd2", "n2")}
        one = {"mean": m2, "sd": s2, "n": size}
        x = rng.standard_normal((draws, n))
        z = r * x + np.sqrt(1 - r * r) * rng.standard_normal((draws, n))
        x, z = (a - a.mean(axis=1, keepdims=True) for a in (x, z))
        cor = {"r": (x * z).sum(axis=1) / np.sqrt((x**2).sum(axis=1) * (z**2).sum(axis=1)), "n": size}
        found = [
            ("MD", means, d), ("ROM", means, np.log((5 + d) / 5)), ("VR", sds, -np.log(sd2)),
            ("CVR", means, np.log(5 / (5 + d) / sd2)), ("MN", one, 5.0), ("SDLN", {"sd": s2, "n": size}, np.log(sd2)),
            ("COR", cor, r), ("UCOR", cor, r), ("ZCOR", cor, np.arctanh(r)),
        ]  # fmt: skip
        return [*found, ("SMD", means, d)] if sd2 == 1 else found

    return draw


def _single(drawn: Any) -> Mapping[str, Answer]:
    out: dict[str, Answer] = {}
    for code, columns, truth in drawn:
        facts = vf.Question(measure=code).facts
        zero = {"zero": ZeroRule(0.5, "only0", facts.in_estimate)} if facts.zero is not None else {}
        y, v = FORMULAS[code][0](*columns.values(), **zero)
        if facts.drop00:
            none = columns["events1"] + columns["events2"] == 0
            y = np.where(none, np.nan, y)
        known = {name: np.broadcast_to(x, y.shape) for name, x in measured(code, columns, "LS").items()}
        own, how = single_limits(code, known, y, v, 0.95, 0.0)
        plain, _ = single_limits(code, {}, y, v, 0.95, 0.0)
        gone = np.where(np.isnan(y), np.nan, 0.0)
        named = next((x for x in how if x != "Wald"), "Wald")
        out[f"{code}, {named} (default)"] = covers(own.low + gone, own.high + gone, truth)
        if named != "Wald":
            out[f'{code}, test="Wald"'] = covers(plain.low + gone, plain.high + gone, truth)
    return out


def _quartiles(kind: str, n: int) -> Callable[..., Any]:
    def draw(rng: np.random.Generator, draws: int) -> Any:
        x = rng.normal(50, 10, (draws, n)) if kind == "normal" else np.exp(rng.normal(3, 0.5, (draws, n)))
        return n, x, kind == "normal"

    return draw


def _skewness(drawn: Any) -> Mapping[str, Answer]:
    n, x, normal = drawn
    five = np.quantile(x, [0, 0.25, 0.5, 0.75, 1], axis=1).T
    out = {}
    for name, at in (("S1: minimum, median, maximum", (0, 2, 4)), ("S2: quartiles", (1, 2, 3)), ("S3: all five", range(5))):
        shown = np.full(five.shape, np.nan)
        shown[:, list(at)] = five[:, list(at)]
        tests = [five_numbers.skewness(five_numbers.Summary(*row, n)) for row in shown.tolist()]
        out[f"test of skewness, {name}"] = Answer(
            LEVEL if normal else NOTICES, np.array([found > critical for found, critical in tests], dtype=float)
        )
    return out


BLOCKS = [
    Block("mantel_haenszel", _TABLES, _mantel_haenszel, batched=True),
    Block("peto", _TABLES, _peto, draws=5000, batched=True),
    Block("study_intervals", {
        f"risks {100 * p:g}% and {100 * q:g}% of {n} + {n} patients": _events(n, p, q)
        for n, p, q in ((20, 0.05, 0.05), (200, 0.02, 0.02), (50, 0.1, 0.2), (40, 0.3, 0.5))
    }, _single, draws=10_000, batched=True),
    Block("study_intervals", {
        f"{n} patients an arm, second SD {sd:g}": _measured(n, sd) for n, sd in ((8, 1.0), (10, 1.0), (10, 3.0), (30, 1.0))
    }, _single, draws=10_000, batched=True),
    Block("mean_sd_from_quantiles", {
        f"{kind} sample of {n}": _quartiles(kind, n) for kind in ("normal", "log-normal") for n in (20, 50, 100)
    }, _skewness, batched=True),
]  # fmt: skip

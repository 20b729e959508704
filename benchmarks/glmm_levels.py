"""How often intervals and tests of models of counts hold: the part of ``make simulate`` that writes ``reports/glmm_levels.*``.

The sets are fitted together (`benchmarks.counted_many`) by the likelihoods, designs and families of `vfmeta.glmm`; its
intervals are made again here, for all sets at once.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
from benchmarks.counted_many import At, Sets
from scipy.interpolate import CubicSpline
from scipy.special import ndtr, ndtri, stdtrit
from scipy.stats import chi2

from vfmeta.frequentist.glmm.designs import design
from vfmeta.frequentist.glmm.fit import saturated_log_density
from vfmeta.frequentist.glmm.integrated import MOST
from vfmeta.kernels.homogeneity import score_test

DRAWS, LEVEL, MEAN = 2000, 0.95, -0.3
METHODS = {
    "integrated": "the likelihood integrated over tau (the default)",
    "Wald": "normal quantiles, tau taken as known (metafor's default)",
    "t": "t with k - 1 degrees of freedom, tau taken as known",
    "profile": "profile likelihood of tau2",
    "score": "score test given the events of each study (the default that is printed)",
    "LRT": "likelihood ratio test against an effect for each study",
}
KINDS = {
    "mean": "Coverage of the mean, in percent, and in brackets the median width",
    "next trial": "Probability that the interval holds the effect of a next trial, in percent, and the median width",
    "tau2": "Coverage of tau2, in percent",
    "heterogeneity": "How often the test of one common effect rejects at 5%, in percent",
}


@dataclass(frozen=True)
class Cell:
    """``k`` trials with arms of 20 to 200 patients; log odds of the risk vary by 0.3, effects by ``tau2`` about -0.3."""

    model: str
    k: int
    tau2: float
    risk: float


@dataclass(frozen=True)
class Tables:
    """What a design reads of counts."""

    columns: tuple[np.ndarray, ...]
    rates: bool = False

    @property
    def k(self) -> int:
        return len(self.columns[0])


def cells() -> list[Cell]:
    """UM.FS; a cell of another model can be given to `simulate`."""
    return [Cell("UM.FS", k, t, r) for r, k, t in product((0.2, 0.05), (5, 8, 15), (0.0, 0.15, 0.5))]


def draw(cell: Cell, draws: int, seed: int) -> tuple[np.ndarray, ...]:
    """Events and sizes of both arms, each (draws k,)."""
    rng = np.random.default_rng([seed, cell.k, int(100 * cell.tau2), int(100 * cell.risk)])
    size = draws * cell.k
    n = rng.integers(20, 201, size)
    level = rng.normal(np.log(cell.risk / (1 - cell.risk)), 0.3, size)
    effect = rng.normal(MEAN, np.sqrt(cell.tau2), size)
    one, two = (rng.binomial(n, 1 / (1 + np.exp(-(level + side * effect / 2)))).astype(float) for side in (1, -1))
    return one, n.astype(float), two, n.astype(float)


def simulate(cell: Cell, draws: int, seed: int) -> list[dict[str, object]]:
    """One row for each method."""
    counts = draw(cell, draws, seed)
    if cell.model == "UM.FS":  # a study without events says nothing, and nobody is in it
        silent = counts[0] + counts[2] == 0
        counts = counts[0], np.where(silent, 0.0, counts[1]), counts[2], np.where(silent, 0.0, counts[3])
    sets = Sets(design("OR", cell.model, Tables(counts)), cell.k)  # type: ignore[arg-type]
    at = sets.design.effect
    told = (counts[0] + counts[2] > 0).reshape(draws, cell.k).sum(axis=1)
    df = (told if cell.model != "UM.RS" else np.full(draws, cell.k)) - 1.0
    common = sets.maximise(*sets.start(0.0), held=(-1,))
    best = sets.maximise(common.a, np.column_stack([common.phi[:, :-1], np.full(draws, 0.4)]))
    none = (best.value - common.value < 1e-9) | (np.abs(best.phi[:, -1]) < 1e-5)
    tau = np.where(none, 0.0, np.abs(best.phi[:, -1]))
    mean = np.where(none, common.phi[:, at], best.phi[:, at])
    se = np.sqrt(np.where(none, common.covariance[:, at, at], best.covariance[:, at, at]))
    use = common.reached & (best.reached | none) & (df >= 2)
    rows: list[dict[str, object]] = []

    def add(kind: str, method: str, held: np.ndarray, width: np.ndarray | None = None) -> None:
        rate = float(held[use].mean())
        rows.append({
            "model": cell.model, "k": cell.k, "tau2": cell.tau2, "risk": cell.risk, "kind": kind, "method": method,
            "draws": int(use.sum()), "rate": round(rate, 4), "error": round(float(held[use].std() / np.sqrt(use.sum())), 5),
            "width": np.nan if width is None else round(float(np.median(width[use])), 3),
        })  # fmt: skip

    def intervals(method: str, near: tuple[np.ndarray, np.ndarray], far: tuple[np.ndarray, np.ndarray]) -> None:
        add("mean", method, ((near[0] <= MEAN) & (near[1] >= MEAN)).astype(float), near[1] - near[0])
        inside = ((far[0] <= MEAN) & (far[1] >= MEAN)).astype(float)
        if cell.tau2 > 0:
            inside = ndtr((far[1] - MEAN) / np.sqrt(cell.tau2)) - ndtr((far[0] - MEAN) / np.sqrt(cell.tau2))
        add("next trial", method, inside, far[1] - far[0])

    profile = integrated(sets, common, v_of(counts, cell.k))
    ends = [(profile.quantile(p, ahead=False), profile.quantile(p, ahead=True)) for p in (0.025, 0.975)]
    intervals("integrated", (ends[0][0], ends[1][0]), (ends[0][1], ends[1][1]))
    for method, reach in (("Wald", ndtri(0.975)), ("t", stdtrit(df, 0.975))):
        wide = np.hypot(se, tau)
        intervals(method, (mean - reach * se, mean + reach * se), (mean - reach * wide, mean + reach * wide))
    top, true = np.maximum(best.value, common.value), profile.height(np.sqrt(cell.tau2))
    add("tau2", "profile", (2 * (top - true) < chi2.ppf(LEVEL, 1)).astype(float))
    if cell.tau2 == 0:
        table = [x.reshape(draws, cell.k) for x in counts]
        score = score_test("OR", common.phi[:, at], *table)
        add("heterogeneity", "score", (score.p_value < 1 - LEVEL).astype(float))
        full = _saturated(sets, common) if cell.model == "UM.RS" else _best(sets)
        add("heterogeneity", "LRT", (2 * (full - common.value) > chi2.ppf(LEVEL, df)).astype(float))
    return rows


def v_of(counts: tuple[np.ndarray, ...], k: int) -> np.ndarray:
    """Variances of the single studies (d, k), infinite where one says nothing."""
    a, m1, c, m2 = (x.reshape(-1, k) for x in counts)
    add = np.where((a == 0) | (c == 0) | (a == m1) | (c == m2), 0.5, 0.0)
    v = 1 / (a + add) + 1 / (m1 - a + add) + 1 / (c + add) + 1 / (m2 - c + add)
    return np.where((a + c == 0) | (m1 == 0), np.inf, v)


@dataclass(frozen=True)
class Profiles:
    """The likelihood of each set over tau, as of `vfmeta.frequentist.glmm.integrated.Integrated`."""

    tau: np.ndarray
    share: np.ndarray
    mean: np.ndarray
    se: np.ndarray
    x: np.ndarray
    unit: float
    heights: np.ndarray

    def height(self, tau: float) -> np.ndarray:
        """The profile likelihood at one tau, (d,)."""
        return CubicSpline(self.x, self.heights, axis=1)(np.arcsinh(tau / self.unit))

    def quantile(self, p: float, ahead: bool) -> np.ndarray:
        """Quantiles (d,) of the mean, or of the effect of a next trial."""
        spread = np.hypot(self.se, self.tau) if ahead else self.se
        low, high = np.full(len(self.mean), -60.0), np.full(len(self.mean), 60.0)
        for _ in range(45):
            middle = (low + high) / 2
            under = (self.share * ndtr((middle[:, None] - self.mean) / spread)).sum(axis=1) < p
            low, high = np.where(under, middle, low), np.where(under, high, middle)
        return (low + high) / 2


def integrated(sets: Sets, common: At, v: np.ndarray) -> Profiles:
    """Every set fitted at as many values of tau as `vfmeta.glmm` does, with its prior of tau."""
    unit, at = 0.12, sets.design.effect
    x = np.linspace(0, np.arcsinh(MOST / unit), 15)
    a, phi = common.a, common.phi
    heights, means, variances = [], [], []
    for tau in unit * np.sinh(x):
        found = sets.maximise(a, np.column_stack([phi[:, :-1], np.full(len(phi), tau)]), held=(-1,), steps=25)
        a, phi = found.a, found.phi
        heights.append(found.value)
        means.append(phi[:, at])
        variances.append(found.covariance[:, at, at])
    fine = (np.arange(120) + 0.5) * x[-1] / 120
    tau = unit * np.sinh(fine)
    high, mean, variance = (np.array(part).T for part in (heights, means, variances))
    logs = CubicSpline(x, high + np.log(variance) / 2, axis=1)(fine) + np.log(np.cosh(fine))
    logs += np.array([0.5 * np.log(((t / (v + t * t)) ** 2).sum(axis=1)) for t in tau]).T
    share = np.exp(logs - logs.max(axis=1, keepdims=True))
    return Profiles(
        tau, share / share.sum(axis=1, keepdims=True), CubicSpline(x, mean, axis=1)(fine),
        np.sqrt(CubicSpline(x, variance, axis=1)(fine)), x, unit, high,
    )  # fmt: skip


def _best(sets: Sets) -> np.ndarray:
    return saturated_log_density(sets.design.family).reshape(sets.d, sets.k).sum(axis=1)


def _saturated(sets: Sets, common: At) -> np.ndarray:
    """Log likelihoods (d,) of an effect for each study beside random intercepts."""
    plan, model = sets.design, sets.design.saturated(1)
    full = replace(plan, family=model.family, own=model.own, fixed=model.fixed, loads=model.loads, start=plan.start[:1])
    start = np.column_stack([common.phi[:, 0] - common.phi[:, 1] / 2, np.maximum(np.abs(common.phi[:, 2]), 0.3)])
    return Sets(full, sets.k).maximise(np.tile(common.phi[:, 1:2], sets.k), start, steps=100).value


def text(table: pd.DataFrame) -> str:
    """The report, every number of it from ``table``."""
    lines = [
        "# Models of counts: what intervals and tests hold", "",
        f"`make simulate` drew {int(table['draws'].max()):,} sets of trials with arms of 20 to 200 patients in each setting "
        f"(fewer where a set has no finite estimate); Monte Carlo standard errors are at most "
        f"{100 * table['error'].max():.1f} points. The log odds of the risk vary by 0.3 between trials, the log odds ratios by "
        "tau2 about -0.3. The numbers are read from [glmm_levels.csv](glmm_levels.csv).", "", "![levels](glmm_levels.png)", "",
        *(f"- *{name}*: {said}." for name, said in METHODS.items()),
    ]  # fmt: skip
    for kind, said in KINDS.items():
        part = table[table["kind"] == kind]
        methods = [m for m in METHODS if m in set(part["method"])]
        lines += ["", f"## {kind[0].upper()}{kind[1:]}", "", f"{said}.", ""]
        lines += ["| model | risk | k | tau2 | " + " | ".join(methods) + " |", "|---|---|---|---|" + "---|" * len(methods)]
        for (model, risk, k, tau2), rows in part.groupby(["model", "risk", "k", "tau2"], sort=False):
            own = rows.set_index("method")
            shown = [f"{100 * own.rate[m]:.1f}" + ("" if np.isnan(own.width[m]) else f" ({own.width[m]:.2f})") for m in methods]
            lines.append(f"| {model} | {risk:g} | {k} | {tau2:g} | " + " | ".join(shown) + " |")
    return "\n".join([*lines, ""])


def picture(table: pd.DataFrame, path: Path) -> None:
    """Coverage of the mean and of a next trial by UM.FS, a panel for each tau2."""
    import matplotlib.pyplot as plt
    import seaborn as sns
    from benchmarks.simulate import PALETTE

    part = table[(table["model"] == "UM.FS") & table["kind"].isin(["mean", "next trial"])].assign(
        rate=lambda t: 100 * t["rate"]
    )
    part = part.rename(columns={"rate": "coverage, %", "k": "trials"})
    grid = sns.relplot(
        part, x="trials", y="coverage, %", hue="method", style="risk", row="kind", col="tau2", kind="line", markers=True,
        palette=PALETTE[: part["method"].nunique()], height=2.6, aspect=1.25,
    )  # fmt: skip
    for ax in grid.axes.flat:
        ax.axhline(95, color="0.6", lw=0.8, zorder=0)
        ax.set_xticks([5, 8, 15])
    grid.savefig(path, dpi=110)
    plt.close(grid.figure)


def write(folder: Path, draws: int, seed: int, jobs: int = 1) -> None:
    """``glmm_levels.csv``, ``.png`` and ``.md`` in ``folder``."""
    from joblib import Parallel, delayed

    found = Parallel(n_jobs=jobs)(delayed(simulate)(cell, draws, seed) for cell in cells())
    pd.DataFrame([row for rows in found for row in rows]).to_csv(folder / "glmm_levels.csv", index=False, lineterminator="\n")
    table = pd.read_csv(folder / "glmm_levels.csv")
    picture(table, folder / "glmm_levels.png")
    (folder / "glmm_levels.md").write_text(text(table), encoding="utf-8")

"""How often intervals of networks hold the truth: the part of ``make simulate`` that writes ``reports/network_levels.*``."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd

import vfmeta as vf

DRAWS = 2_000
TRUTH = {"A": 0.0, "B": -0.4, "C": -0.2, "D": 0.3, "E": 0.1}
SHAPES = {
    "star": "every treatment against A only",
    "ring": "each treatment against the next, and the last against A",
    "full": "every two treatments",
    "three arms": "the ring, every second trial with a third arm",
}
TAU = (0.0, 0.1, 0.3)
FITS = (("REML", "Wald"), ("REML", "HKSJ"), ("REML", "HKSJ-adhoc"), ("DL", "HKSJ"))


@dataclass(frozen=True)
class Setting:
    """A shape of `SHAPES` with so many trials of each comparison, and a tau."""

    shape: str
    each: int
    tau: float

    def arms(self) -> list[tuple[str, ...]]:
        """Treatments of every trial."""
        names = list(TRUTH)
        ring = [(names[i], names[(i + 1) % len(names)]) for i in range(len(names))]
        pairs = {"star": [("A", t) for t in names[1:]], "full": list(combinations(names, 2))}.get(self.shape, ring)
        trials: list[tuple[str, ...]] = [p for p in pairs for _ in range(self.each)]
        if self.shape == "three arms":
            trials = [(*t, next(n for n in names if n not in t)) if i % 2 else t for i, t in enumerate(trials)]
        return trials

    def draw(self, draws: int, seed: int) -> pd.DataFrame:
        """Arms of ``draws`` networks; standard errors of arms are known."""
        trials = self.arms()
        place = [list(SHAPES).index(self.shape), self.each, round(100 * self.tau)]
        rng = np.random.default_rng([seed, *place])
        se = np.random.default_rng([seed, 0]).uniform(0.1, 0.3, (len(trials), 3))  # the same trials in every draw
        rows = [(f"s{i:02d}", t, TRUTH[t], se[i, a]) for i, own in enumerate(trials) for a, t in enumerate(own)]
        one = pd.DataFrame(rows, columns=["study", "treatment", "true", "error"])
        frame = pd.concat([one] * draws, ignore_index=True)
        frame["question"] = np.repeat(np.arange(draws), len(one))
        n = 100
        frame["n"], frame["sd"] = n, frame["error"] * np.sqrt(n)
        spread = np.sqrt(self.tau**2 / 2 + frame["error"] ** 2)
        return frame.assign(mean=frame["true"] + spread * rng.standard_normal(len(frame)))


def settings() -> list[Setting]:
    """Every setting of the report."""
    return [Setting(s, 2, tau) for s in SHAPES for tau in TAU]


def coverage(setting: Setting, draws: int, seed: int) -> list[dict[str, object]]:
    """Share of intervals of effects against A that hold the truth, for each estimator and test."""
    data, rows = setting.draw(draws, seed), []
    for method, test in FITS:
        found = vf.network_many(data, measure="MD", reference="A", method=method, test=test)
        true = found["treatment"].map(TRUTH)
        held = (found["ci_low"] <= true) & (true <= found["ci_high"])
        by = held.groupby(found["question"]).mean()  # effects of one network hang together
        rows.append({
            "shape": setting.shape, "trials": len(setting.arms()), "tau": setting.tau, "method": method, "test": test,
            "draws": draws, "coverage": round(float(held.mean()), 5),
            "error": round(float(by.std(ddof=1) / np.sqrt(draws)), 5),
            "width": round(float((found["ci_high"] - found["ci_low"]).mean()), 5),
        })  # fmt: skip
    return rows


def picture(table: pd.DataFrame, path: Path) -> None:
    """Coverage by tau, a panel a shape and number of trials, a line an interval (REML)."""
    import matplotlib.pyplot as plt
    from benchmarks.simulate import PALETTE

    own = table[table["method"] == "REML"]
    panels = own[["shape", "trials"]].drop_duplicates().to_numpy().tolist()
    figure, axes = plt.subplots(2, 2, figsize=(7.2, 5.2), sharex=True, sharey=True, layout="constrained")
    for (shape, trials), ax in zip(panels, axes.ravel(), strict=True):
        at = own[(own["shape"] == shape) & (own["trials"] == trials)]
        for colour, marker, (test, line) in zip(PALETTE, "os^", at.groupby("test", sort=False), strict=False):
            ax.errorbar(
                line["tau"],
                100 * line["coverage"],
                yerr=196 * line["error"],
                color=colour,
                marker=marker,
                ms=4,
                lw=1.1,
                label=test,
            )
        ax.axhline(95, color="black", lw=0.8, ls="--")
        ax.set_title(f"{shape}, {trials} trials", fontsize=9, loc="left")
        ax.tick_params(labelsize=8)
        for side in ("top", "right"):
            ax.spines[side].set_visible(False)
    axes[0, 0].legend(fontsize=8, frameon=False, loc="lower left")
    figure.supxlabel("tau", fontsize=9)
    figure.supylabel("95% intervals that hold the truth, %", fontsize=9)
    figure.savefig(path, dpi=150, metadata={"Software": None})
    plt.close(figure)


def text(table: pd.DataFrame) -> str:
    """The report, every number of it from ``table``."""
    draws, worst = int(table["draws"].iloc[0]), 100 * float(table["error"].max())
    lines = [
        "# How often intervals of networks hold the truth",
        "",
        f"`make simulate` drew {draws:,} networks of five treatments in each setting, arms normal about their effects and "
        "these normal about those of the treatments with one tau for every contrast, as the model has it. Below is the share, "
        "in percent, of 95% intervals of the effects against A that hold the truth; its Monte Carlo standard error is at most "
        f"{worst:.1f} points. The numbers are read from [network_levels.csv](network_levels.csv).",
        "",
        *[f"- *{name}*: {said}." for name, said in SHAPES.items()],
        "",
        "![Coverage](network_levels.png)",
        "",
        "| network | trials | tau | " + " | ".join(f"{m}, {t}" for m, t in FITS) + " |",
        "|---|---|---|" + "---|" * len(FITS),
    ]
    for (shape, trials, tau), own in table.groupby(["shape", "trials", "tau"], sort=False):
        cells = own.set_index(["method", "test"])["coverage"]
        lines.append(f"| {shape} | {trials} | {tau:g} | " + " | ".join(f"{100 * cells[m, t]:.1f}" for m, t in FITS) + " |")
    lowest = table.loc[table["coverage"].idxmin()]
    means = table.groupby(["method", "test"])["coverage"].mean()
    lines += [
        "", "Over all settings the mean is "
        + ", ".join(f"{100 * means[f]:.1f}% with {', '.join(f)}" for f in FITS)
        + f". The lowest is {100 * lowest['coverage']:.1f}% ({lowest['method']}, {lowest['test']}; {lowest['shape']}, "
        f"{lowest['trials']} trials, tau {lowest['tau']:g}).", "",
    ]  # fmt: skip
    return "\n".join(lines)


def write(out: Path, draws: int, seed: int, jobs: int) -> None:
    """``network_levels.csv``, ``.png`` and ``.md`` in ``out``."""
    from joblib import Parallel, delayed

    parts = Parallel(n_jobs=jobs)(delayed(coverage)(s, draws, seed) for s in settings())
    pd.DataFrame([row for part in parts for row in part]).to_csv(out / "network_levels.csv", index=False)
    table = pd.read_csv(out / "network_levels.csv")
    picture(table, out / "network_levels.png")
    (out / "network_levels.md").write_text(text(table), encoding="utf-8")

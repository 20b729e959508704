"""How often intervals of dependent effects hold: the part of ``make simulate`` that writes ``multivariate_levels.*``."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd

import vfmeta as vf
from vfmeta.frequentist.multivariate.degrees import containment
from vfmeta.results.wald import quantile

DRAWS = 2000
METHODS = {
    "Satterthwaite": "t with Satterthwaite's degrees of freedom (the default)",
    "Wald": "normal quantiles (metafor's default)",
    "residual": "t with k - p degrees of freedom",
    "containment": "t with degrees of freedom by containment",
}
KINDS = {
    "mean": "Coverage of the mean of all effects",
    "between": "Coverage of the slope of a moderator of trials",
    "within": "Coverage of the slope of a moderator of effects inside trials",
    "next effect": "Probability that the prediction interval holds the true effect of a next effect in a next trial",
}


@dataclass(frozen=True)
class Cell:
    """``trials`` of ``each`` effects, sampling variances of 0.02 to 0.2; variances between trials and inside them."""

    trials: int
    each: int
    between: float
    within: float


def cells() -> list[Cell]:
    spreads = (0.0, 0.0), (0.02, 0.1), (0.3, 0.1)
    return [Cell(*size, *spread) for size, spread in product(((5, 3), (10, 3), (20, 3)), spreads)]


def simulate(cell: Cell, draws: int, seed: int) -> list[dict[str, object]]:
    """One row for each method and kind; three-level models by REML."""
    rng = np.random.default_rng([seed, cell.trials, cell.each, int(100 * cell.between), int(100 * cell.within)])
    trial, k = np.repeat(np.arange(cell.trials), cell.each), cell.trials * cell.each
    groups = pd.DataFrame({"trial": trial, "effect": np.arange(k)})
    found: dict[tuple[str, str], list[tuple[float, float]]] = {}
    spread, joint = np.sqrt(cell.between + cell.within), []
    for _ in range(draws):
        v = rng.uniform(0.02, 0.2, k)
        y = np.repeat(rng.normal(0, np.sqrt(cell.between), cell.trials), cell.each)
        y = y + rng.normal(0, np.sqrt(v + cell.within))
        x = np.column_stack([np.ones(k), rng.normal(size=cell.trials)[trial], rng.normal(size=k)])
        for names in (("Intercept",), ("Intercept", "between", "within")):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                try:
                    fit = vf.multivariate(data=groups, y=y, v=v, x=x[:, : len(names)], names=names, random="1 | trial/effect")
                except vf.ConvergenceError:
                    continue
                ahead = fit.predict(x[:1, :1]).iloc[0] if len(names) == 1 else None
            p = len(fit.terms)
            df = {"Satterthwaite": fit.df, "Wald": None, "residual": np.full(p, float(k - p)),
                  "containment": np.maximum(containment(fit.problem), 1.0)}  # fmt: skip
            for method, own in df.items():
                half = quantile(0.95, own) * fit.se
                for j, term in enumerate(fit.terms):
                    if len(names) == 1 or term != "Intercept":
                        kind = "mean" if len(names) == 1 else term
                        found.setdefault((kind, method), []).append((abs(fit.estimate[j]) <= half[j], 2 * half[j]))
            if ahead is not None:
                low, high = ahead["prediction_low"], ahead["prediction_high"]
                inside = float(low <= 0 <= high) if spread == 0 else _between(low / spread, high / spread)
                found.setdefault(("next effect", "Satterthwaite"), []).append((inside, high - low))
                reach = (high - low) / 2 / float(quantile(0.95, float(fit.df[0]))) * float(quantile(0.95, None))
                low, high = fit.estimate[0] - reach, fit.estimate[0] + reach
                inside = float(low <= 0 <= high) if spread == 0 else _between(low / spread, high / spread)
                found.setdefault(("next effect", "Wald"), []).append((inside, high - low))
            else:
                joint.append(float(fit.omnibus.p_value < 0.05))
    rows = [("joint test", "Satterthwaite", np.array(joint), np.nan)]
    rows += [(kind, m, np.array([x[0] for x in got], dtype=float), float(np.median([x[1] for x in got])))
             for (kind, m), got in found.items()]  # fmt: skip
    return [
        {"trials": cell.trials, "effects": cell.each, "between": cell.between, "within": cell.within, "kind": kind, "method": m,
         "draws": len(held), "rate": round(float(held.mean()), 4), "error": round(float(held.std() / np.sqrt(len(held))), 5),
         "width": round(width, 3)}
        for kind, m, held, width in rows
    ]  # fmt: skip


def _between(low: float, high: float) -> float:
    from statistics import NormalDist

    return NormalDist().cdf(high) - NormalDist().cdf(low)


def text(table: pd.DataFrame) -> str:
    """The report, every number of it from ``table``."""
    lines = [
        "# Dependent effects: what intervals hold", "",
        f"`make simulate` drew {int(table['draws'].max()):,} sets of trials in each setting and fitted three-level models by "
        'REML (`vf.multivariate(..., random="1 | trial/effect")`); Monte Carlo standard errors are at most '
        f"{100 * table['error'].max():.1f} points. Sampling variances lie between 0.02 and 0.2. In percent, and in brackets "
        "the median width. The numbers are read from [multivariate_levels.csv](multivariate_levels.csv).", "",
        "![levels](multivariate_levels.png)", "", *(f"- *{name}*: {said}." for name, said in METHODS.items()),
    ]  # fmt: skip
    for kind, said in {**KINDS, "joint test": "How often the F test of both moderators together rejects at 5%"}.items():
        part = table[table["kind"] == kind]
        methods = [m for m in METHODS if m in set(part["method"])]
        lines += ["", f"## {said}", "", "| trials of effects | tau2 between, within | " + " | ".join(methods) + " |"]
        lines += ["|---|---|" + "---|" * len(methods)]
        for (trials, each, between, within), rows in part.groupby(["trials", "effects", "between", "within"], sort=False):
            own = rows.set_index("method")
            shown = [f"{100 * own.rate[m]:.1f}" + ("" if np.isnan(own.width[m]) else f" ({own.width[m]:.2f})") for m in methods]
            lines.append(f"| {trials} of {each} | {between:g}, {within:g} | " + " | ".join(shown) + " |")
    return "\n".join([*lines, ""])


def picture(table: pd.DataFrame, path: Path) -> None:
    """Coverage against the number of trials, a panel a kind, a colour a method, a point a setting."""
    import matplotlib

    matplotlib.use("agg")
    import matplotlib.pyplot as plt
    from benchmarks.simulate import PALETTE

    fig, axes = plt.subplots(1, 4, figsize=(13, 3.4), sharey=True)
    for ax, (kind, _) in zip(axes, KINDS.items(), strict=True):
        ax.axhspan(94, 97, color="0.92", zorder=0)
        for i, (method, colour) in enumerate(zip(METHODS, PALETTE, strict=True)):
            part = table[(table["kind"] == kind) & (table["method"] == method)]
            at = part["trials"].map({5: 0, 10: 1, 20: 2}) + 0.14 * (i - 1.5)
            ax.plot(at, 100 * part["rate"], "o", color=colour, ms=4, alpha=0.75, label=method)
        ax.set_title(kind, fontsize=10)
        ax.set_xticks([0, 1, 2], ["5", "10", "20"])
        ax.set_xlabel("trials")
        ax.spines[["top", "right"]].set_visible(False)
    axes[0].set_ylabel("coverage, %")
    handles, names = axes[0].get_legend_handles_labels()
    fig.legend(handles, names, frameon=False, ncols=4, loc="lower center")
    fig.tight_layout(rect=(0, 0.09, 1, 1))
    fig.savefig(path, dpi=120, metadata={"Software": None})
    plt.close(fig)


def write(folder: Path, draws: int, seed: int, jobs: int = 1) -> None:
    """``multivariate_levels.csv``, ``.png`` and ``.md`` in ``folder``."""
    from joblib import Parallel, delayed

    found = Parallel(n_jobs=jobs)(delayed(simulate)(cell, draws, seed) for cell in cells())
    name = "multivariate_levels"
    pd.DataFrame([row for rows in found for row in rows]).to_csv(folder / f"{name}.csv", index=False, lineterminator="\n")
    table = pd.read_csv(folder / f"{name}.csv")
    picture(table, folder / f"{name}.png")
    (folder / f"{name}.md").write_text(text(table), encoding="utf-8")

"""How often the intervals hold the truth: ``make simulate`` writes ``coverage.csv``, ``coverage.png`` and ``coverage.md`` to
``reports/``.

Effects are normal about their mean, studies normal about their effects, sampling variances known: the model of
`vf.random_effects` itself, so that what is missed is missed by the method. Each scenario has its own random numbers, made of
the seed and its name: what other scenarios run, how many workers there are and who is done first change nothing.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd

import vfmeta as vf

REPORTS = Path(__file__).parent.parent / "reports"
LEVEL, TRUTH = 0.95, 0.3
ESTIMATORS = ("REML", "DL", "PM")
INTERVALS = ("Wald", "t", "HKSJ", "HKSJ-adhoc")
PREDICTIONS = (("Wald", "fitted"), ("HKSJ", "fitted"), ("Wald", "HTS"), ("HKSJ", "Partlett-Riley"))
DESIGNS = {
    "alike": "all sampling variances the same",
    "spread": "sampling variances in geometric steps, the largest 16 times the smallest",
    "one large": "one study with a tenth of the variance of each of the others",
}
SIZES, I2 = (3, 4, 5, 7, 10, 20), (0, 25, 50, 75, 90)


@dataclass(frozen=True, order=True)
class Scenario:
    """``k`` studies with variances of a design of `DESIGNS`; tau2 such that it makes up ``i2`` percent of all variance."""

    design: str
    i2: int
    k: int

    @property
    def v(self) -> np.ndarray:
        """Sampling variances, shape (k,)."""
        if self.design == "alike":
            return np.full(self.k, 0.1)
        if self.design == "spread":
            return 0.025 * np.geomspace(1, 16, self.k)
        return np.array([0.01, *[0.1] * (self.k - 1)])

    @property
    def tau2(self) -> float:
        """Between-study variance, by the typical sampling variance of Higgins and Thompson (2002)."""
        w = 1 / self.v
        typical = (self.k - 1) * w.sum() / (w.sum() ** 2 - w @ w)
        return float(typical * self.i2 / (100 - self.i2))

    def draw(self, draws: int, seed: int) -> pd.DataFrame:
        """A long table of ``draws`` meta-analyses."""
        rng = np.random.default_rng([seed, list(DESIGNS).index(self.design), self.i2, self.k])
        effects = TRUTH + math.sqrt(self.tau2) * rng.standard_normal((draws, self.k))
        y = effects + np.sqrt(self.v) * rng.standard_normal((draws, self.k))
        return pd.DataFrame({"question": np.repeat(np.arange(draws), self.k), "y": y.ravel(), "v": np.tile(self.v, draws)})


# Okabe and Ito: told apart with every common colour vision.
PALETTE = ("#0072B2", "#E69F00", "#009E73", "#D55E00")


def scenarios() -> list[Scenario]:
    return [Scenario(d, i, k) for d, i, k in product(DESIGNS, I2, SIZES)]


def coverage(scenario: Scenario, draws: int, seed: int) -> list[dict[str, object]]:
    """One row for each estimator of tau2 and each interval.

    ``coverage`` is the share of intervals that hold the mean, or for prediction the mean probability that a new effect falls
    inside, which given the interval is known; ``error`` is its Monte Carlo standard error, ``width`` the mean width.
    """
    frame = scenario.draw(draws, seed)
    rows: list[dict[str, object]] = []

    def add(estimator: str, kind: str, method: str, held: np.ndarray, width: np.ndarray, tau2: np.ndarray) -> None:
        rows.append({
            "design": scenario.design, "i2": scenario.i2, "k": scenario.k, "tau2": scenario.tau2, "estimator": estimator,
            "kind": kind, "method": method, "draws": draws, "coverage": held.mean(),
            "error": held.std() / math.sqrt(draws), "width": width.mean(), "mean_tau2": tau2.mean(),
        })  # fmt: skip

    def fit(estimator: str, interval: str, prediction: str) -> dict[str, np.ndarray]:
        table = vf.random_effects_many(frame, method=estimator, test=interval, level=LEVEL, prediction=prediction)
        return {c: table[c].to_numpy() for c in ("ci_low", "ci_high", "prediction_low", "prediction_high", "tau2")}

    for estimator in ESTIMATORS:
        fitted = {i: fit(estimator, i, "fitted") for i in INTERVALS}
        for interval, out in fitted.items():
            low, high = out["ci_low"], out["ci_high"]
            add(estimator, "confidence", interval, (low <= TRUTH) & (high >= TRUTH), high - low, out["tau2"])
        for interval, prediction in PREDICTIONS:
            out = fitted[interval] if prediction == "fitted" else fit(estimator, interval, prediction)
            low, high = out["prediction_low"], out["prediction_high"]
            name = f"{interval}, fitted" if prediction == "fitted" else prediction
            add(estimator, "prediction", name, _share(low, high, scenario.tau2), high - low, out["tau2"])
    return rows


def _share(low: np.ndarray, high: np.ndarray, tau2: float) -> np.ndarray:
    """Probability that an effect drawn from N(TRUTH, tau2) lies between ``low`` and ``high``."""
    from scipy.special import ndtr

    if tau2 == 0:
        return ((low <= TRUTH) & (high >= TRUTH)).astype(float)
    tau = math.sqrt(tau2)
    return ndtr((high - TRUTH) / tau) - ndtr((low - TRUTH) / tau)


def simulate(cases: Iterable[Scenario], draws: int, seed: int, jobs: int = -1, progress: bool = False) -> pd.DataFrame:
    """Coverage in all the scenarios, sorted, whatever the order in which they were done."""
    from joblib import Parallel, delayed

    cases = list(cases)
    work = Parallel(n_jobs=jobs, return_as="generator_unordered")(delayed(coverage)(c, draws, seed) for c in cases)
    rows = [row for done in _shown(work, len(cases), progress) for row in done]
    order = {name: i for i, name in enumerate((*DESIGNS, *ESTIMATORS, *INTERVALS, "confidence", "prediction"))}
    table = pd.DataFrame(rows)
    keys = ["design", "i2", "k", "kind", "estimator", "method"]
    return table.sort_values(keys, key=lambda c: c.map(lambda x: order.get(x, 99) if isinstance(x, str) else x), kind="stable"
                             ).reset_index(drop=True)  # fmt: skip


def _shown(work: Iterator[list[dict[str, object]]], total: int, progress: bool) -> Iterator[list[dict[str, object]]]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not progress) as bar:
        task = bar.add_task("scenarios", total=total)
        for done in work:
            bar.advance(task)
            yield done


def write_csv(table: pd.DataFrame, path: Path) -> None:
    """Fixed digits and line ends: the same seed gives the same bytes."""
    out = table.copy()
    for column, digits in (("tau2", 6), ("coverage", 5), ("error", 5), ("width", 4), ("mean_tau2", 5)):
        out[column] = [f"{x:.{digits}f}" for x in out[column]]
    out.to_csv(path, index=False, lineterminator="\n")


def picture(table: pd.DataFrame, path: Path) -> None:
    """Coverage against k by REML: confidence intervals above, prediction intervals below, a column for each I2."""
    import matplotlib

    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    shown = table[table["estimator"] == "REML"]
    values = sorted(shown["i2"].unique())
    lines = {"alike": "-", "spread": "--", "one large": ":"}
    fig, axes = plt.subplots(2, len(values), figsize=(2.6 * len(values), 6.2), sharex=True, sharey="row", squeeze=False)
    for row, kind in enumerate(("confidence", "prediction")):
        part = shown[shown["kind"] == kind]
        for ax, i2 in zip(axes[row], values, strict=True):
            ax.axhspan(93, 97, color="0.94", zorder=0)
            ax.axhline(95, color="0.5", lw=0.8)
            for number, method in enumerate(part["method"].unique()):
                for design, style in lines.items():
                    line = part[(part["i2"] == i2) & (part["method"] == method) & (part["design"] == design)]
                    label = method if design == "alike" else None
                    ax.plot(line["k"], 100 * line["coverage"], style, color=PALETTE[number], lw=1.3, label=label)
            ax.set_xscale("log")
            sizes = sorted(shown["k"].unique())
            ax.set_xticks(sizes, labels=[str(k) for k in sizes], minor=False)
            ax.set_xticks([], minor=True)
            ax.spines[["top", "right"]].set_visible(False)
            if row == 0:
                ax.set_title(f"$I^2$ = {i2}%", fontsize=10)
            else:
                ax.set_xlabel("studies")
        axes[row, 0].set_ylabel(f"{kind} intervals: coverage, %")
        axes[row, -1].legend(frameon=False, fontsize=8, loc="lower right")
    fig.suptitle("95% intervals, REML. Variances: solid alike, dashed spread, dotted one large study", fontsize=10)
    fig.tight_layout()
    fig.savefig(path, dpi=120, metadata={"Software": None})
    plt.close(fig)


def text(table: pd.DataFrame) -> str:
    """The report, every number of it from ``table`` (as `write_csv` wrote it)."""
    few, mixed = table["k"].between(3, 10), table["i2"] >= 50

    def at(kind: str, method: str, *also: pd.Series, estimator: str = "REML") -> pd.DataFrame:
        part = table[(table["kind"] == kind) & (table["method"] == method) & (table["estimator"] == estimator)]
        for condition in also:
            part = part[condition.reindex(part.index)]
        return part

    def span(rows: pd.DataFrame) -> str:
        low, high = (f"{100 * x:.1f}" for x in (rows["coverage"].min(), rows["coverage"].max()))
        return f"{low}%" if low == high else f"{low}% to {high}%"

    even = table["design"] == "alike"
    least, ten = table["k"] == 3, table["k"] == 10
    draws, worst = int(table["draws"].iloc[0]), 100 * table["error"].max()
    sizes = ", ".join(str(k) for k in sorted(table["k"].unique()))
    shares = ", ".join(f"{i}%" for i in sorted(table["i2"].unique()))
    uneven = table[~even & few & (table["kind"] == "confidence") & table["method"].isin(["Wald", "HKSJ"])]
    wide = uneven.pivot(index=["design", "i2", "k", "method"], columns="estimator", values="coverage")
    apart = 100 * (wide.max(axis=1) - wide.min(axis=1)).groupby("method").max()
    tau2 = table[~even & few & (table["i2"] == 50) & (table["method"] == "HKSJ")]
    bias = {e: (100 * (part["mean_tau2"] / part["tau2"]).mean()) for e, part in tau2.groupby("estimator")}
    lines = [
        "# How often the intervals hold the truth", "",
        f"`make simulate` drew {draws:,} meta-analyses in each of {table.groupby(['design', 'i2', 'k']).ngroups} scenarios: "
        f"{sizes} studies; true I2 of {shares}; " + "; ".join(f"*{d}*: {said}" for d, said in DESIGNS.items())
        + f". Each was pooled by `vf.random_effects_many` with tau2 by {', '.join(ESTIMATORS)}. The Monte Carlo standard error "
        f"of a coverage is at most {worst:.1f} percentage points. The numbers below are read from "
        "[coverage.csv](coverage.csv), which comes out the same for the same seed.", "",
        "![Coverage of 95% confidence and prediction intervals against the number of studies](coverage.png)", "",
        "With 3 to 10 studies and REML:", "",
        "| interval | I2 0 | I2 50% and more | as before, three studies, variances alike | one large study |",
        "|---|---|---|---|---|",
    ]  # fmt: skip
    large = table["design"] == "one large"
    for kind in ("confidence", "prediction"):
        for method in table.loc[table["kind"] == kind, "method"].unique():
            cells = [span(at(kind, method, few, *also)) for also in
                     ([table["i2"] == 0], [mixed], [mixed, least, even], [mixed, large])]  # fmt: skip
            lines.append(f"| {kind}: {method} | " + " | ".join(cells) + " |")
    lines += [
        "",
        f"- **Hartung-Knapp is near nominal.** Where all variances are the same it is Student's interval for the mean of the "
        f"effects, exact for every k and tau2; here {span(at('confidence', 'HKSJ', few, even))}. With variances spread it "
        f"gives {span(at('confidence', 'HKSJ', few, table['design'] == 'spread'))}, with one large study "
        f"{span(at('confidence', 'HKSJ', few, large))} (IntHout, Ioannidis & Borm 2014, BMC Med Res Methodol 14:25).",
        f"- **The Wald interval is too narrow once effects differ**: {span(at('confidence', 'Wald', few, mixed))} at I2 of 50% "
        f"and more, while without heterogeneity it holds the truth in {span(at('confidence', 'Wald', few, table['i2'] == 0))}, "
        "because tau2 cannot be estimated below zero.",
        f"- **The ad hoc form** (q = max(1, q)) never falls below plain Hartung-Knapp and pays with width: without "
        f"heterogeneity {span(at('confidence', 'HKSJ-adhoc', few, table['i2'] == 0))}.",
        f"- **DL, REML and PM** agree to the last digit where variances are the same. Elsewhere, with 3 to 10 studies, the "
        f"coverage of Hartung-Knapp moves by at most {apart['HKSJ']:.1f} points between them, that of Wald by at most "
        f"{apart['Wald']:.1f}: the interval matters more than the estimator. At I2 50% their mean tau2 is "
        + ", ".join(f"{bias[e]:.0f}% ({e})" for e in ESTIMATORS)
        + " of the true one, above it because negative estimates are cut at zero.",
        "- **Prediction intervals** are the least sure where studies are few (Partlett & Riley 2017, Stat Med 36:301-317). The "
        "probability that they hold a new effect, at I2 of 50% and more, at three and at ten studies: "
        + "; ".join(f"{said} {span(at('prediction', method, mixed, least))} and {span(at('prediction', method, mixed, ten))}"
                    for method, said in (("Wald, fitted", "normal"), ("HTS", "HTS, t with k - 2 degrees of freedom"),
                                         ("Partlett-Riley", "Partlett-Riley"))) + ".",
        "",
        "The model simulated is the model fitted, with known variances. Sparse counts and skewed effects are not in it.",
        "",
    ]  # fmt: skip
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--draws", type=int, default=20_000, help="meta-analyses in each scenario")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=-1, help="processes, -1 for one a core")
    parser.add_argument("--out", type=Path, default=REPORTS)
    given = parser.parse_args()
    from benchmarks import glmm_levels, levels, mean_intervals, multivariate_levels, network_levels, partial_reports

    given.out.mkdir(parents=True, exist_ok=True)
    table = simulate(scenarios(), given.draws, given.seed, given.jobs, progress=True)
    write_csv(table, given.out / "coverage.csv")
    written = pd.read_csv(given.out / "coverage.csv")
    picture(written, given.out / "coverage.png")
    (given.out / "coverage.md").write_text(text(written), encoding="utf-8")
    levels.write(given.out, seed=given.seed)
    mean_intervals.write(given.out, given.draws, given.seed, given.jobs)
    glmm_levels.write(given.out, min(given.draws, glmm_levels.DRAWS), given.seed, given.jobs)
    multivariate_levels.write(given.out, min(given.draws, multivariate_levels.DRAWS), given.seed, given.jobs)
    network_levels.write(given.out, min(given.draws, network_levels.DRAWS), given.seed, given.jobs)
    partial_reports.write(given.out, partial_reports.RUNS, partial_reports.DRAWS, given.seed, given.jobs)
    print(f"Wrote coverage.*, levels.*, recommended.*, network_levels.* and partial_reports.* to {given.out}.")


if __name__ == "__main__":
    main()

"""Calibration of every PyMC model, and of the exact engine: ``make calibrate-models`` writes ``calibration.md``,
``calibration.csv`` and ``calibration.png`` to ``reports/``.

Small data (three to eight trials) and proper priors, since that is where a sampler has most to get wrong. Each model has its
own random numbers, made of the seed and its place; the compiled graph is reused by all the runs of a model.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from vfmeta import priors
from vfmeta.bayes import calibration, compiled, models
from vfmeta.bayes.model_calibration import RankCalibration, calibrate_model
from vfmeta.bayes.models import Model

REPORTS = Path(__file__).parent.parent / "reports"
TAU, MU = priors.HalfNormal(0.5), priors.Normal(0.0, 1.0)


def cases() -> dict[str, Callable[[], Model]]:
    """Every model on data whose sizes the simulated data take on; the numbers themselves are replaced."""
    v = np.array([0.05, 0.1, 0.02, 0.2, 0.08, 0.3])
    y = np.zeros(6)
    arms = pd.DataFrame({
        "study": np.repeat(list("abcdef"), 2), "arm": ["new", "old"] * 6, "events": 10, "n": np.tile([40, 45, 60], 4),
        "time": np.tile([80.0, 120.0, 150.0], 4), "mean": np.tile([4.0, 5.0], 6), "sd": [2.0] * 3 + [np.nan] + [2.0] * 8,
    })  # fmt: skip
    weeks = pd.DataFrame({"study": np.repeat(list("abcd"), 3), "week": [4, 12, 52] * 4, "y": 0.0, "v": np.tile([0.1, 0.2], 6)})
    drugs = pd.DataFrame({
        "study": list("abcdefgh"), "drug": list("AABBCCDD"), "klass": list("xxxxyyyy"), "y": 0.0, "v": np.tile(v[:4], 2)
    })  # fmt: skip
    rows = {"study": "study", "arm": "arm", "events": "events", "reference": "old", "mu": MU, "tau": TAU}
    return {
        "normal-normal": lambda: models.normal_normal(y=y, v=v, tau=TAU, mu=MU),
        "normal-normal, study effects sampled": lambda: models.normal_normal(y=y, v=v, tau=TAU, mu=MU, study_effects="sampled"),
        "robust (t, 4 df)": lambda: models.robust(y=y, v=v, tau=TAU, mu=MU, df=4.0),
        "meta-regression": lambda: models.meta_regression(
            y=y, v=v, x=np.column_stack([np.ones(6), np.linspace(-1, 1, 6)]), names=["Intercept", "dose"], tau=TAU, beta=MU
        ),
        "unreported SD": lambda: models.missing_sd(
            arms, reference="old", tau=priors.HalfNormal(1.0), mu=priors.Normal(0.0, 2.0)
        ),
        "binomial, fixed baselines": lambda: models.binomial(arms, n="n", baseline_prior=priors.Normal(-1.0, 1.0), **rows),
        "binomial, random baselines": lambda: models.binomial(
            arms, n="n", baseline="random", baseline_prior=priors.Normal(-1.0, 1.0), baseline_sd=TAU, **rows
        ),
        "Poisson": lambda: models.poisson(arms, time="time", baseline_prior=priors.Normal(-2.0, 0.7), **rows),
        "multilevel, three times": lambda: models.multilevel(weeks, time="week", correlation=0.5, mu=MU, tau=TAU),
        "classes": lambda: models.classes(drugs, intervention="drug", klass="klass", mu=MU, tau=TAU, class_sd=TAU),
    }


def picture(found: dict[str, RankCalibration], path: Path) -> None:
    """Histogram of the ranks of every parameter, one row a model."""
    import matplotlib

    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    import vfmeta as vf

    panels = [(model, name, c) for model, c in found.items() for name in c.ranks]
    columns = 4
    lines = -(-len(panels) // columns)
    fig, axes = plt.subplots(lines, columns, figsize=(3.2 * columns, 1.9 * lines), squeeze=False)
    for ax, (model, name, c) in zip(axes.flat, panels, strict=False):
        rng = np.random.default_rng(0)  # ranks are whole numbers: spread evenly over their step, bars have equal chances
        u = (c.ranks[name] + rng.random(c.runs)) / (c.draws + 1)
        vf.plots.ranks(u, ax=ax, bins=10, title=f"{model}\n{name}")
        ax.set_xlabel("")
        ax.title.set_fontsize(7)
        ax.tick_params(labelsize=6)
    for ax in axes.flat[len(panels) :]:
        ax.set_visible(False)
    fig.tight_layout()
    fig.savefig(path, dpi=110, metadata={"Software": None})
    plt.close(fig)


def text(table: pd.DataFrame, exact: pd.DataFrame) -> str:
    """The report, every number of it from the tables."""
    runs, count = int(table["runs"].iloc[0]), len(table)
    least = table.loc[table["p"].idxmin()]
    smallest = exact.loc[exact["p"].idxmin()]
    passed = least["p"] > 0.01 / count
    lines = [
        "# Are the posteriors those of the models?", "",
        "Simulation-based calibration: parameters are drawn from the priors, data from the parameters, and the posterior is "
        "asked how much of it lies below the true value. Where model and engine are right these shares are uniform.", "",
        "## PyMC models", "",
        f"`make calibrate-models`: {runs} simulated data sets for each model, two short chains each, every fourth draw kept. "
        "p is that of the largest departure of the ranks' distribution function from a straight line (Säilynoja, Bürkner & "
        "Vehtari 2022, Stat Comput 32:32); of a vector the first element is ranked. Numbers: "
        "[calibration.csv](calibration.csv).", "",
        "![Histograms of ranks with the band that holds 99% of bars](calibration.png)", "",
        "| model | parameter | below 0.1 | above 0.9 | p |", "|---|---|---|---|---|",
    ]  # fmt: skip
    lines += [
        f"| {r['model']} | {r['parameter']} | {r['below_0.1']:.2f} | {r['above_0.9']:.2f} | {r['p']:.3f} |"
        for _, r in table.iterrows()
    ]
    lines += [
        "",
        f"The smallest of {count} p values is {least['p']:.3g} ({least['model']}, {least['parameter']}); at "
        f"{0.01 / count:.2g}, 1% shared by all of them, {'no model is' if passed else 'that model is NOT'} "
        f"{'called into question' if passed else 'calibrated'}. A run of this size sees gross faults (a wrong prior, a density "
        "without its Jacobian, a chain that does not move), not small ones.",
        "", "## Exact engine", "",
        "`make calibrate`: the exact posterior gives the share itself, so no draws come between; 1,000 data sets a setting, "
        "Kolmogorov's test.", "", "| studies | priors | quantity | below 0.1 | above 0.9 | p |", "|---|---|---|---|---|---|",
    ]  # fmt: skip
    lines += [
        f"| {r['k']} | {r['priors']} | {r['quantity']} | {r['below_0.1']:.3f} | {r['above_0.9']:.3f} | {r['p']:.3f} |"
        for _, r in exact.iterrows()
    ]
    lines += [
        "", f"All {exact['setting'].max()} settings together took {spent_exact(exact):.1f} s; the smallest p value is "
        f"{smallest['p']:.3g}.", "",
    ]  # fmt: skip
    return "\n".join(lines)


def spent_exact(exact: pd.DataFrame) -> float:
    """Seconds of all settings of the exact engine."""
    return float(exact.drop_duplicates("setting")["seconds"].sum())


def exact_engine() -> pd.DataFrame:
    """Calibration of the exact engine at `calibration.SETTINGS`."""
    compiled.warm()
    tables = []
    for seed, (k, tau, mu) in enumerate(calibration.SETTINGS, start=1):
        began = time.perf_counter()
        found = calibration.calibrate(k, tau, mu, runs=1000, seed=seed)
        seconds = time.perf_counter() - began
        tables.append(found.to_frame().assign(setting=seed, k=k, priors="; ".join(found.priors), seconds=seconds))
    return pd.concat(tables, ignore_index=True)


def main() -> None:
    """Calibrate all, or the models named, and write the report."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=100, help="data sets a model")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", nargs="*", help="names of models, nothing written")
    parser.add_argument("--out", type=Path, default=REPORTS)
    given = parser.parse_args()
    made = {name: make for name, make in cases().items() if not given.only or name in given.only}
    found: dict[str, RankCalibration] = {}
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        for place, (name, make) in enumerate(made.items()):
            task = bar.add_task(name, total=given.runs)
            found[name] = calibrate_model(make(), runs=given.runs, seed=given.seed + place, done=partial(bar.advance, task))
    table = pd.concat([c.to_frame().assign(model=name) for name, c in found.items()], ignore_index=True)
    print(table.to_string(index=False, float_format=lambda x: f"{x:.3f}"))
    if given.only:
        return
    exact = exact_engine()
    given.out.mkdir(parents=True, exist_ok=True)
    table.round(6).to_csv(given.out / "calibration.csv", index=False, lineterminator="\n")
    picture(found, given.out / "calibration.png")
    (given.out / "calibration.md").write_text(text(table, exact), encoding="utf-8")
    print(f"Wrote calibration.md, calibration.csv and calibration.png to {given.out}.")


if __name__ == "__main__":
    main()

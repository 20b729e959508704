"""How often tests reject what is true: the part of ``make simulate`` that writes ``reports/levels.csv`` and ``levels.md``."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
from benchmarks.simulate import Scenario
from scipy.stats import chi2

import vfmeta as vf
from vfmeta.results.wald import welch

GROUPS = ((2, 2), (3, 3), (3, 10), (5, 5), (10, 10), (3, 3, 3), (5, 5, 5))
I2 = (0, 50, 75)
WHAT = {
    "Welch's F": "Hartung-Knapp standard errors, Welch's F (the default of `vf.subgroups`)",
    "chi-squared": 'ordinary standard errors taken as known, chi-squared (`test="Wald"`)',
}


def between_groups(draws: int, seed: int) -> pd.DataFrame:
    """Share of the tests between subgroups that reject at 5% where no group differs; one row for each test and setting."""
    rows = []
    for i, (sizes, design, i2) in enumerate(product(GROUPS, ("alike", "spread"), I2)):
        rng = np.random.default_rng([seed, i])
        tau2 = Scenario(design, i2, max(sizes)).tau2
        pools: dict[str, list[pd.DataFrame]] = {"HKSJ": [], "Wald": []}
        for k in sizes:
            v = np.tile(Scenario(design, 0, k).v, draws)
            y = rng.normal(0, np.sqrt(v + tau2))
            frame = pd.DataFrame({"question": np.repeat(np.arange(draws), k), "y": y, "v": v})
            for test, found in pools.items():
                found.append(vf.random_effects_many(frame, by="question", test=test))
        mean = {t: np.column_stack([p["estimate"] for p in found]) for t, found in pools.items()}
        se = {t: np.column_stack([p["se"] for p in found]) for t, found in pools.items()}
        df = np.array(sizes) - 1.0
        w = 1 / se["Wald"] ** 2
        q = (w * (mean["Wald"] - ((w * mean["Wald"]).sum(1) / w.sum(1))[:, None]) ** 2).sum(1)
        p = {
            "Welch's F": np.array([welch(a, b, df).p_value for a, b in zip(mean["HKSJ"], se["HKSJ"], strict=True)]),
            "chi-squared": chi2.sf(q, len(sizes) - 1),
        }
        for test, found in p.items():
            rows.append({
                "groups": " + ".join(map(str, sizes)), "design": design, "i2": i2, "test": test, "draws": draws,
                "level": round(float((found < 0.05).mean()), 5),
            })  # fmt: skip
    return pd.DataFrame(rows)


def text(table: pd.DataFrame) -> str:
    """The report, every number of it from ``table``."""
    draws = int(table["draws"].iloc[0])
    worst = 100 * float(np.sqrt(table["level"] * (1 - table["level"]) / draws).max())
    lines = [
        "# How often tests reject what is true", "",
        f"`make simulate` drew {draws:,} sets of trials in each setting. Below is the share that a test at the 5% level "
        f"rejects although nothing differs, in percent; its Monte Carlo standard error is at most {worst:.1f} points. The "
        "numbers are read from [levels.csv](levels.csv). The variances are those of [coverage.md](coverage.md).", "",
        "## Between subgroups, each with a tau2 of its own (REML)", "",
        *(f"- *{name}*: {said}." for name, said in WHAT.items()), "",
        "| trials in each group | variances | " + " | ".join(f"{t}, I2 {i}%" for t in WHAT for i in I2) + " |",
        "|---|---|" + "---|" * (len(WHAT) * len(I2)),
    ]  # fmt: skip
    at = table.set_index(["groups", "design", "test", "i2"])["level"]
    for groups, design in table[["groups", "design"]].drop_duplicates().itertuples(index=False):
        cells = [f"{100 * at[groups, design, t, i]:.1f}" for t in WHAT for i in I2]
        lines.append(f"| {groups} | {design} | " + " | ".join(cells) + " |")
    return "\n".join([*lines, ""])


def write(folder: Path, draws: int, seed: int) -> None:
    """``levels.csv`` and ``levels.md`` in ``folder``."""
    between_groups(draws, seed).to_csv(folder / "levels.csv", index=False, lineterminator="\n")
    (folder / "levels.md").write_text(text(pd.read_csv(folder / "levels.csv")), encoding="utf-8")

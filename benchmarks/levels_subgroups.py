"""Levels of tests between subgroups that differ in nothing, each with a tau2 of its own (REML); drawn in batches."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
from benchmarks.levels import Answer, Block, rejects
from benchmarks.simulate import Scenario
from scipy.stats import chi2

import vfmeta as vf
from vfmeta.results.wald import welch

GROUPS = ((2, 2), (3, 3), (3, 10), (5, 5), (10, 10), (3, 3, 3), (5, 5, 5))


def _draw(sizes: tuple[int, ...], design: str, i2: int) -> Callable[..., Any]:
    def draw(rng: np.random.Generator, draws: int) -> Any:
        tau2 = Scenario(design, i2, max(sizes)).tau2
        frames = []
        for k in sizes:
            v = np.tile(Scenario(design, 0, k).v, draws)
            y = rng.normal(0, np.sqrt(v + tau2))
            frames.append(pd.DataFrame({"question": np.repeat(np.arange(draws), k), "y": y, "v": v}))
        return sizes, frames

    return draw


def _answers(drawn: Any) -> Mapping[str, Answer]:
    sizes, frames = drawn
    pools = {t: [vf.random_effects_many(f, by="question", test=t) for f in frames] for t in ("HKSJ", "Wald")}
    mean = {t: np.column_stack([p["estimate"] for p in found]) for t, found in pools.items()}
    se = {t: np.column_stack([p["se"] for p in found]) for t, found in pools.items()}
    df, w = np.array(sizes) - 1.0, 1 / se["Wald"] ** 2
    q = (w * (mean["Wald"] - ((w * mean["Wald"]).sum(1) / w.sum(1))[:, None]) ** 2).sum(1)
    of_welch = [welch(a, b, df).p_value for a, b in zip(mean["HKSJ"], se["HKSJ"], strict=True)]
    return {"Welch's F (default)": rejects(of_welch), 'chi-squared (test="Wald")': rejects(chi2.sf(q, len(sizes) - 1))}


BLOCKS = [
    Block("subgroups", {
        f"{' + '.join(map(str, sizes))} trials, variances {design}, I2 {i2}%": _draw(sizes, design, i2)
        for sizes, design, i2 in product(GROUPS, ("alike", "spread"), (0, 50, 75))
    }, _answers, draws=20_000, batched=True),
]  # fmt: skip

"""Levels of pools of effects in batches: mean, heterogeneity, small-study tests and selection models of many sets at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
from benchmarks.levels import Answer, Block, covers, rejects
from benchmarks.simulate import Scenario

import vfmeta as vf
from vfmeta.kernels import estimators

TESTS = ("HKSJ", "HKSJ-adhoc", "Wald", "t")


def normal(design: str, i2: int, k: int, skew: bool = False) -> Callable[..., Any]:
    """Effects about 0, with the variances and the tau2 of a design; ``skew`` draws them from a shifted exponential."""

    def draw(rng: np.random.Generator, draws: int) -> tuple[pd.DataFrame, float]:
        case = Scenario(design, i2, k)
        tau = np.sqrt(case.tau2)
        effects = tau * (rng.exponential(size=(draws, k)) - 1 if skew else rng.standard_normal((draws, k)))
        y = effects + np.sqrt(case.v) * rng.standard_normal((draws, k))
        frame = pd.DataFrame({"question": np.repeat(np.arange(draws), k), "y": y.ravel(), "v": np.tile(case.v, draws)})
        return frame, case.tau2

    return draw


def small_trials(k: int, n: int) -> Callable[..., Any]:
    """Mean differences of trials with ``n`` patients an arm, their variances estimated; no heterogeneity."""

    def draw(rng: np.random.Generator, draws: int) -> tuple[pd.DataFrame, float]:
        size = draws * k
        y = rng.normal(0, np.sqrt(2 / n), size)
        v = (rng.chisquare(n - 1, size) + rng.chisquare(n - 1, size)) / (n - 1) / n
        return pd.DataFrame({"question": np.repeat(np.arange(draws), k), "y": y, "v": v}), 0.0

    return draw


def _random(drawn: Any) -> Mapping[str, Answer]:
    frame, tau2 = drawn
    out: dict[str, Answer] = {}
    for test in TESTS:
        found = vf.random_effects_many(frame, test=test)
        out[f"mean, {test}"] = covers(found["ci_low"], found["ci_high"], 0.0)
    starts = np.flatnonzero(np.diff(frame["question"].to_numpy(), prepend=-1, append=-1))
    y, v, order = frame["y"].to_numpy(), frame["v"].to_numpy(), np.arange(len(frame))
    for name, wants, method in (
        ("tau2, Q-profile", estimators.PROFILE, "REML"),
        ("tau2, profile likelihood REML", estimators.PROFILE_LIKELIHOOD, "REML"),
        ("tau2, profile likelihood ML", estimators.PROFILE_LIKELIHOOD, "ML"),
    ):
        rows = estimators.fit_ragged(y, v, order, starts, method, level=0.95, wants=wants)
        empty = np.isnan(rows[:, 7])
        held = covers(np.where(empty, 1.0, rows[:, 7]), np.where(empty, 0.0, rows[:, 8]), tau2)
        out[name] = Answer(held.what, held.hit, np.where(empty, 0.0, held.width))
    if tau2 == 0:
        out["Q test"] = rejects(found["q_p_value"])
    return out


def _common(drawn: Any) -> Mapping[str, Answer]:
    found = vf.random_effects_many(drawn[0], method="common", test="Wald")
    return {"mean, Wald": covers(found["ci_low"], found["ci_high"], 0.0), "Q test": rejects(found["q_p_value"])}


def _egger(drawn: Any) -> Mapping[str, Answer]:
    found = vf.appraisal.egger_many(drawn[0])
    return {"test of asymmetry": rejects(found["p_value"])}


def _trim(drawn: Any) -> Mapping[str, Answer]:
    found = vf.appraisal.trim_and_fill_many(drawn[0])
    return {"adjusted mean": covers(found["ci_low"], found["ci_high"], 0.0)}


def _selection(drawn: Any) -> Mapping[str, Answer]:
    found = vf.appraisal.selection_model_many(drawn[0], favoured="higher")
    return {
        "adjusted mean": covers(found["ci_low"], found["ci_high"], 0.0),
        "test of selection": rejects(found["selection_p_value"]),
    }


_MIXED = {
    f"{k} trials, variances {design}, I2 {i2}%": normal(design, i2, k)
    for k, design, i2 in product((5, 10, 20), ("alike", "spread"), (0, 50, 75))
}
_SKEWED = {f"{k} trials, variances spread, I2 75%, skewed effects": normal("spread", 75, k, skew=True) for k in (5, 10, 20)}
_SMALL = {f"{k} trials of {n} + {n} patients, variances estimated, I2 0%": small_trials(k, n) for k in (5, 20) for n in (8, 20)}
_FEW = {name: draw for name, draw in _MIXED.items() if "spread" in name and "I2 75" not in name and not name.startswith("5 ")}
BLOCKS = [
    Block("random_effects", {**_MIXED, **_SKEWED, **_SMALL}, _random, draws=20_000, batched=True),
    Block("common_effect", {
        **{name: draw for name, draw in _MIXED.items() if name.endswith("I2 0%") and "spread" in name}, **_SMALL
    }, _common, draws=20_000, batched=True),
    Block("egger", {
        **_FEW, **{n: d for n, d in _SKEWED.items() if not n.startswith("5 ")}
    }, _egger, draws=20_000, batched=True),
    Block("trim_and_fill", _FEW, _trim, draws=20_000, batched=True),
    Block("selection_model", {n: d for n, d in _FEW.items() if n.startswith("20 ")}, _selection, draws=4000, batched=True),
]  # fmt: skip

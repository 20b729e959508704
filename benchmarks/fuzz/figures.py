"""Inputs to the figures: answers of every kind, huge and tiny numbers, names of all scripts."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pandas as pd
from benchmarks.fuzz import values as x
from benchmarks.fuzz.answers import fits, question
from benchmarks.fuzz.face import Call, deferred, said

import vfmeta as vf

LABELS = (
    "Abe 2001",
    "a\nb",
    "$x$",
    "$",
    "_a^b",
    "<b>",
    "一二 2015",
    "🙂",
    "٣ 2012",
    "\u200f",
    "w" * 200,
    "a b " * 40,
    "\\alpha",
    "",
)


def forest(r: Random) -> Call:
    """A forest plot of a fresh pool: of ratios, differences, proportions; one trial or many; long and strange names."""
    n = r.choice((1, 2, 3, 5))
    spread = r.choice(("plain", "plain", "huge", "tiny"))
    plain = r.random() < 0.4
    given: dict[str, Any] = {
        "y": [r.gauss(0, 1) if plain else x.number(r, spread=spread) for _ in range(n)],
        "v": [0.01 + r.random() if plain else abs(x.number(r, spread=spread)) or 0.1 for _ in range(n)],
        "study": [r.choice(LABELS) + f" {i}" for i in range(n)] if r.random() < 0.6 else x.names(r, n),
    }
    asked = question(r)
    more: dict[str, Any] = {"title": r.choice((*LABELS, *x.WORDS))} if r.random() < 0.3 else {}
    bayes = r.random() < 0.25

    def call() -> None:
        fit = vf.random_effects(**given, question=asked)
        post = vf.bayes.random_effects(**given, question=asked) if bayes else None
        _saved(vf.plots.forest(fit, posterior=post, **more))

    return f"forest({asked}, {said(given)})", call


def kept(r: Random) -> Call:
    """The figure of an answer that was made before, by its own method or by a verb."""
    kind = r.choice(list(fits()))
    fit = fits()[kind]
    verb = r.choice(
        ("plot", "plot", "forest", "bubble", "posterior", "network_graph", "effect_direction", "harvest", "albatross")
    )

    def call() -> None:
        try:
            _saved(fit.plot() if verb == "plot" else getattr(vf.plots, verb)(fit))
        except vf.NotDefined as refusal:
            raise vf.InputError(str(refusal)) from refusal

    return f"{verb} of {kind}", call


def own_data(r: Random) -> Call:
    """Figures of an answer to fresh data."""
    n = r.choice((1, 2, 4, 7))
    names = [r.choice(LABELS) + f" {i}" for i in range(n)]
    name = r.choice(("bubble", "network", "direction", "harvest", "albatross", "priors", "ranks", "over_time", "gap_map"))
    y, v = [r.gauss(0, 1) for _ in range(n)], [0.01 + r.random() for _ in range(n)]
    dose = x.column(r, n)
    sides = [r.sample((*LABELS, "A", "B"), 2) for _ in range(n)]
    sizes = x.column(r, n, above=True, whole=True)
    p = [r.choice((r.random(), 1e-9, 0.0, 1.0)) for _ in range(n)]
    ways = [r.choice((1, -1, 0, None)) for _ in range(n)]
    priors = [deferred(r, "tau") for _ in range(r.choice((1, 2)))]
    weeks = [x.number(r) for _ in range(n)]
    grid = pd.DataFrame(np.array([[r.choice((0, 1, 5, np.nan)) for _ in range(2)] for _ in range(n)]), names, ["a", "b"])
    asked = question(r)
    top = r.choice((None, x.number(r)))

    def call() -> None:
        match name:
            case "bubble":
                made = vf.plots.bubble(vf.meta_regression(y=y, v=v, data={"dose": dose}, formula="~ dose", question=asked))
            case "network":
                ends = {"treat1": [a for a, _ in sides], "treat2": [b for _, b in sides]}
                made = vf.plots.network_graph(vf.network(y=y, v=v, study=names, **ends))
            case "direction" | "harvest":
                found = vf.appraisal.direction_of_effect(direction=ways, n=sizes, study=names, outcome=[a for a, _ in sides])
                made = (vf.plots.effect_direction if name == "direction" else vf.plots.harvest)(found)
            case "albatross":
                made = vf.plots.albatross(vf.appraisal.combine_p_values(p=p, n=sizes, study=names))
            case "priors":
                made = vf.plots.prior_densities(priors, top=top, v=v)
            case "ranks":
                made = vf.plots.ranks(p)
            case "over_time":
                fit = vf.random_effects(y=y, v=v, study=names, question=asked)
                made = vf.plots.over_time([(w, fit, None) for w in weeks])
            case _:
                made = vf.plots.gap_map(grid, grid + 1)
        _saved(made)

    return f"figure, {name}({names!r:.200}, {asked}, dose={dose!r:.200}, sizes={sizes!r:.200}, p={p}, weeks={weeks})", call


def _saved(ax: Any) -> None:
    import matplotlib as mpl

    mpl.use("Agg")
    with tempfile.TemporaryDirectory() as folder:
        vf.plots.save(ax, Path(folder) / "figure", formats=("svg",), close=True)


KINDS: tuple[tuple[Callable[[Random], Call], float], ...] = ((forest, 0.03), (kept, 0.01), (own_data, 0.02))

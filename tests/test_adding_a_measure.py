"""Adding a measure is one file: the example of CONTRIBUTING.md is taken at its word."""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

import vfmeta as vf
from vfmeta.core import measures
from vfmeta.effects.formulas import FORMULAS, register

ROOT = Path(__file__).parents[1]
DATA = {"mean1": [1.2, 1.0, 0.8], "sd1": [0.5, 0.6, 0.4], "n1": [20, 30, 25], "mean2": [0.9, 0.9, 0.5], "sd2": [0.5, 0.7, 0.4],
        "n2": [22, 28, 25]}  # fmt: skip


def example() -> str:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    return text.split("## Adding a measure")[1].split("```python\n")[1].split("```")[0]


@pytest.fixture
def added(tmp_path: Path) -> Iterator[None]:
    file = tmp_path / "geometric_means.py"
    file.write_text(example(), encoding="utf-8")
    spec = importlib.util.spec_from_file_location("geometric_means", file)
    assert spec is not None
    assert spec.loader is not None
    spec.loader.exec_module(importlib.util.module_from_spec(spec))
    yield
    del measures.MEASURES["RGM"], FORMULAS["RGM"]


def table() -> vf.EffectTable:
    return vf.effect_size("RGM", data=pd.DataFrame(DATA), **{x: x for x in DATA})


@pytest.mark.usefixtures("added")
def test_one_file_makes_prints_plots_and_converts_a_measure() -> None:
    effects = table()
    assert effects.y == pytest.approx([0.3, 0.1, 0.3])
    assert effects.v[0] == pytest.approx(0.25 / 20 + 0.25 / 22)
    fit = vf.random_effects(effects)
    low, high = (math.exp(x) for x in fit.interval)
    assert f"estimate   {math.exp(fit.estimate):.3g}  (95% CI {low:.3g} to {high:.3g})" in str(fit)
    said = vf.plots.alt_text(fit)
    assert "ratio of geometric means with 95% intervals" in said
    assert f"{math.exp(0.3):.2f} (" in said
    assert vf.plots.forest(fit).get_xscale() == "log"
    assert vf.Question(measure="RGM").null == 1.0
    assert vf.priors.default_mu(vf.Question(measure="RGM")) == vf.priors.default_mu(vf.Question(measure="OR"))
    assert vf.convert.back_transform("RGM", math.log(3)) == pytest.approx(3)


def test_it_is_gone_again_and_codes_are_not_taken_twice() -> None:
    with pytest.raises(vf.InputError, match="Unknown measure 'RGM'"):
        table()
    with pytest.raises(vf.InputError, match="PETO, POR already"):
        register(measures.Measure("PETO", "Again", aliases=("POR",)))

"""The PyMC model against the exact one."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import vfmeta as vf
from vfmeta import priors
from vfmeta.bayes import posterior, sampled
from vfmeta.bayes import versions as compat
from vfmeta.core.question import Question
from vfmeta.results.posterior import BayesianResult

RNG = np.random.default_rng(42)
SETS = {
    "k = 1": ([0.3], [0.1]),
    "k = 2": ([0.1, 0.4], [0.05, 0.06]),
    "k = 3": ([-1.0, 0.2, 0.9], [0.1, 0.2, 0.15]),
    "k = 6, tau near 0": ([0.30, 0.31, 0.29, 0.30, 0.32, 0.30], [0.1, 0.2, 0.1, 0.05, 0.3, 0.1]),
    "k = 13, tau large": (3 * RNG.normal(size=13), RNG.uniform(0.02, 0.1, 13)),
    "identical": ([0.3] * 4, [0.1] * 4),
}
MU = priors.Normal(0.0, 2.82)
PAIN = Question(measure="MD", experimental="a", control="b", outcome="pain", higher_is_worse=True, points=(0, 10), mid=1.5)


@pytest.fixture(autouse=True)
def quiet() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", vf.VfmetaWarning)
        yield


@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize("unit", [1.0, 1e-4, 1e4])
def test_agrees_with_the_exact_solution(name: str, unit: float) -> None:
    y, v = (np.array(x) for x in SETS[name])
    given: dict[str, Any] = {
        "y": y * unit, "v": v * unit**2, "tau": priors.HalfNormal(0.5 * unit), "mu": priors.Normal(0.0, 2.82 * unit)
    }  # fmt: skip
    exact, drawn = vf.bayes.random_effects(**given), vf.bayes.sample(**given)
    assert vf.bayes.agreement(exact, drawn) < 4
    assert drawn.warnings == exact.warnings  # the gate is passed
    assert drawn.method == "PyMC, NUTS"
    sd = exact.mu.sd
    error = [drawn.call["mcse"][f"mu.{end}"] for end in ("low", "high")]  # Monte Carlo standard errors
    assert (np.abs(np.subtract(drawn.interval, exact.interval)) < 5 * np.array(error)).all()
    assert drawn.prediction == pytest.approx(exact.prediction, abs=0.25 * exact.next_trial.sd)
    assert drawn.shrunken_mean == pytest.approx(exact.shrunken_mean, abs=0.1 * sd)
    assert drawn.shrunken_sd == pytest.approx(exact.shrunken_sd, rel=0.06)
    assert drawn.weights == pytest.approx(exact.weights, rel=0.02)
    assert np.interp(exact.estimate, drawn.grid, drawn.density) == pytest.approx(
        float(np.interp(exact.estimate, exact.grid, exact.density)), rel=0.05
    )


@pytest.mark.parametrize("seed", range(2, 8))
def test_agreement_over_seeds(seed: int) -> None:
    y, v = SETS["k = 2"]
    given: dict[str, Any] = {"y": y, "v": v, "tau": priors.HalfNormal(0.5), "mu": MU}
    drawn = vf.bayes.sample(seed=seed, **given)
    assert vf.bayes.agreement(posterior(**given), drawn) < 4
    assert not drawn.warnings


@pytest.mark.parametrize(
    ("tau", "mu"),
    [(priors.HalfCauchy(0.5), priors.Flat()), (priors.Jeffreys(), priors.Flat())],
    ids=str,
)
def test_other_priors(tau: Any, mu: Any) -> None:
    y, v = SETS["k = 13, tau large"]
    given: dict[str, Any] = {"y": np.array(y) / 3, "v": v, "tau": tau, "mu": mu}
    drawn = vf.bayes.sample(**given)
    assert vf.bayes.agreement(vf.bayes.random_effects(**given), drawn) < 4
    assert drawn.warnings == ()


def test_agreement_can_fail() -> None:
    y, v = SETS["k = 3"]
    drawn = vf.bayes.sample(y=y, v=v, tau=priors.HalfNormal(0.5), mu=MU)
    assert vf.bayes.agreement(posterior(y, v, priors.HalfNormal(0.7), MU), drawn) > 10
    with pytest.raises(vf.InputError, match="different questions"):
        vf.bayes.agreement(vf.bayes.random_effects(y=y, v=v, tau=priors.HalfNormal(0.7), mu=MU), drawn)
    exact = vf.bayes.random_effects(y=y, v=v, tau=priors.HalfNormal(0.7), mu=MU)
    with pytest.raises(vf.InputError, match="was not sampled"):
        vf.bayes.agreement(exact, exact)


def test_compiled_once_for_any_data() -> None:
    y, v = SETS["k = 3"]
    vf.bayes.sample(y=y, v=v, tau=priors.HalfNormal(0.5), mu=MU)
    held = dict(sampled._compiled)
    for k in (2, 5, 9):
        vf.bayes.sample(y=RNG.normal(size=k), v=np.full(k, 0.1), tau=priors.HalfNormal(0.3), mu=priors.Normal(1.0, 2.0))
    assert sampled._compiled == held


def test_same_seed_same_draws() -> None:
    y, v = SETS["k = 3"]
    a, b, c = (vf.bayes.sample(y=y, v=v, tau=priors.HalfNormal(0.5), mu=MU, seed=s, draws=300) for s in (5, 5, 6))
    assert a.to_json() == b.to_json()
    assert a.estimate != c.estimate


# 5 and 13 studies: long enough for sums that a compiler may reorder
_DRAWN = """
import hashlib, warnings, numpy as np, vfmeta as vf
warnings.simplefilter("ignore")
if {before}:
    vf.bayes.sample(y=[0.0, 1.0, 2.0], v=[1.0, 1.0, 2.0], tau=vf.priors.HalfCauchy(1.0), draws=100, tune=100)
for k in (5, 13):
    y, v = np.sin(np.arange(k)), (0.3 + np.arange(k) / 30) ** 2
    drawn = vf.bayes.sample_posterior(y=y, v=v, tau=vf.priors.HalfNormal(1.0), mu=vf.priors.Flat(), seed=7)["posterior"]
    print(*(hashlib.sha256(drawn[name].values.tobytes()).hexdigest() for name in ("mu", "tau")))
"""


@pytest.mark.slow
def test_same_seed_same_bytes_whatever_was_compiled_or_sampled_before(tmp_path: Path) -> None:
    env = {**os.environ, "PYTENSOR_FLAGS": f"base_compiledir={tmp_path}"}
    anew, kept = (
        subprocess.run(
            [sys.executable, "-c", _DRAWN.format(before=before)], env=env, capture_output=True, text=True, check=True
        )
        for before in (True, False)  # compiled by the first process, read from disk by the second
    )
    assert len(anew.stdout.split()) == 4
    assert anew.stdout == kept.stdout


def test_gate_speaks() -> None:
    y, v = SETS["k = 3"]
    fit = vf.bayes.sample(y=y, v=v, tau=priors.HalfNormal(0.5), mu=MU, draws=60, tune=300, chains=2)
    assert any("Too few effective draws" in w for w in fit.warnings)
    stuck = sampled.Draws(
        mu=np.array([[0.0, 0.1] * 500, [5.0, 5.1] * 500]), tau=RNG.random((2, 1000)), theta=np.zeros((2, 1000, 1)),
        next_trial=np.zeros((2, 1000)), energy=np.cumsum(RNG.normal(size=(2, 1000)), axis=1),
        diverging=np.arange(2000).reshape(2, 1000) == 7,
    )  # fmt: skip
    said = " ".join(sampled._gate(stuck))
    for words in ("chains disagree about mu", "1 divergent", "E-BFMI"):
        assert words in said


def test_table_in_shortest_intervals_and_round_trip() -> None:
    y, v = SETS["k = 3"]
    table = SimpleNamespace(
        y=np.array(y) - 1, v=np.array(v), labels=("A", "B", "C"), question=PAIN, details=({}, {}, {}), vcov=None
    )
    fit = vf.bayes.sample(table, interval="shortest")
    exact = vf.bayes.random_effects(table, interval="shortest")
    assert fit.priors == ("tau ~ half-normal(1)", "mu ~ N(0, 10)")
    assert fit.tau.interval == pytest.approx(exact.tau.interval, abs=0.3 * exact.tau.sd)
    assert fit.p_benefit == pytest.approx(exact.p_benefit, abs=0.02)
    assert fit.p_benefit_mid == pytest.approx(exact.p_benefit_mid, abs=0.02)
    assert BayesianResult.from_dict(json.loads(fit.to_json())).to_json() == fit.to_json()


def test_arviz_object_has_names() -> None:
    y, v = SETS["k = 3"]
    tree = vf.bayes.sample_posterior(y=y, v=v, study=["A", "B", "C"], tau=priors.HalfNormal(0.5), mu=MU, draws=300, chains=3)
    theta = tree["posterior"]["theta"]
    assert theta.dims == ("chain", "draw", "study")
    assert theta.shape == (3, 300, 3)
    assert list(theta.coords["study"].values) == ["A", "B", "C"]
    assert float(theta.sel(study="C").mean()) == pytest.approx(float(np.mean(compat.draws_of(tree, "theta")[0][..., 2])))
    assert list(tree["observed_data"]["y"].values) == y
    diverging, energy = compat.sampler_stats(tree)
    assert diverging.shape == energy.shape == (3, 300)
    import arviz as az

    assert math.isfinite(float(az.rhat(tree, var_names=["mu"])["mu"] if not hasattr(az.rhat(tree), "posterior")
                               else az.rhat(tree)["posterior"]["mu"]))  # fmt: skip


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"seed": -1}, "seed=-1 must be a whole number"),
        ({"draws": 2.5}, "draws=2.5 must be"),
        ({"chains": 0}, "chains=0 must be"),
        ({"tau": priors.Uniform(), "mu": priors.Flat()}, "improper"),
        ({"interval": "HDI"}, "interval='HDI' is unknown"),
        ({"v": [0.1, -1]}, r"row 2 \(study 2\), column v"),
    ],
)
def test_bad_input(given: dict[str, Any], message: str) -> None:
    with pytest.raises(vf.InputError, match=message):
        vf.bayes.sample(**{"y": [0.1, 0.2], "v": [0.1, 0.1], "tau": priors.HalfNormal(1), "mu": MU, **given})


def test_loads_without_a_compiler_and_leaves_the_environment_alone() -> None:
    """In a fresh process with nothing on the path: silent, and PYTENSOR_FLAGS is the user's own again."""
    code = (
        "import os; from vfmeta.bayes import versions; versions.load(); import pytensor; "
        "assert pytensor.config.cxx == ''; print(os.environ.get('PYTENSOR_FLAGS'))"
    )
    env = {k: x for k, x in os.environ.items() if k != "PYTENSOR_FLAGS"}
    env |= {"PATH": "/nowhere", "PYTHONPATH": str(Path(vf.__file__).parents[1])}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout.strip() == "None"
    assert "g++" not in done.stderr


@pytest.mark.slow
def test_a_model_compiled_after_another_is_its_own() -> None:
    """PyTensor's cache on disk gave a half-normal model a part of a half-Cauchy one compiled before it (PyMC 5)."""
    y, v, mu = [-0.7, -0.3], [0.13, 0.1], vf.priors.Normal(0, 3)
    for tau in (vf.priors.HalfCauchy(0.5), vf.priors.HalfNormal(0.5), vf.priors.HalfT(4, 0.5)):
        exact = vf.bayes.random_effects(y=y, v=v, tau=tau, mu=mu)
        assert vf.bayes.agreement(exact, vf.bayes.sample(y=y, v=v, tau=tau, mu=mu, seed=1, draws=4000)) < 5

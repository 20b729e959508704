"""Normal-normal model and meta-regression in PyMC against the exact engine."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from tests.model_checks import close, density_functions

import vfmeta as vf
from vfmeta import priors
from vfmeta.bayes import models
from vfmeta.core.question import Question

RNG = np.random.default_rng(11)
TAU, MU = priors.HalfNormal(0.5), priors.Normal(0.0, 2.82)
PAIN = Question(measure="MD", experimental="vp", control="sham", outcome="pain", higher_is_worse=True, points=(0, 10), mid=1.5)


@pytest.fixture(autouse=True)
def quiet() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", vf.VfmetaWarning)
        yield


@pytest.mark.slow
def test_study_effects_sampled_along_are_the_same_posterior() -> None:
    y, v = [-1.0, 0.2, 0.9], [0.1, 0.2, 0.15]
    found = models.normal_normal(y=y, v=v, tau=TAU, mu=MU, study_effects="sampled").sample()
    exact = vf.bayes.posterior(y, v, TAU, MU)
    assert found.gate.passed
    close(found, "mu", exact.mu.mean, exact.mu.sd)
    close(found, "tau", exact.tau.mean, exact.tau.sd)
    close(found, "next_trial", exact.next_trial.mean, exact.next_trial.sd)
    for i in range(3):
        close(found, "theta", exact.shrunken_mean[i], exact.shrunken_sd[i], i)
    assert found.result().shrunken_mean == pytest.approx(exact.shrunken_mean, abs=0.06)


@pytest.mark.slow
@pytest.mark.parametrize("unit", [1e-4, 1e4])
@pytest.mark.parametrize("data", [([0.1, 0.4], [0.05, 0.06]), ([0.3, 0.31, 0.29, 0.3], [0.1, 0.2, 0.1, 0.05])], ids=["2", "4"])
def test_any_scale_of_the_data(unit: float, data: Any) -> None:
    y, v = np.array(data[0]) * unit, np.array(data[1]) * unit**2
    given = {"tau": priors.HalfNormal(0.5 * unit), "mu": priors.Normal(0.0, 2.82 * unit)}
    found = models.normal_normal(y=y, v=v, **given).sample(draws=2000)
    assert found.gate.passed
    assert vf.bayes.agreement(vf.bayes.random_effects(y=y, v=v, **given), found.result()) < 4.5


@pytest.mark.slow
def test_a_prior_stated_on_another_quantity() -> None:
    y, v = RNG.normal(size=7), RNG.uniform(0.05, 0.3, 7)
    given = {"tau": priors.Shrinkage(), "mu": priors.StudentT(4, 0.0, 1.0)}
    found = models.normal_normal(y=y, v=v, **given).sample()
    exact = vf.bayes.posterior(y, v, **given)
    assert found.gate.passed
    close(found, "mu", exact.mu.mean, exact.mu.sd)
    close(found, "tau", exact.tau.mean, exact.tau.sd)


def test_table_names_and_question_come_along() -> None:
    frame = pd.DataFrame({"study": ["A", "B"], "m1": [4.0, 4.5], "s1": [2.0, 2.1], "n1": [40, 50],
                          "m2": [5.0, 5.1], "s2": [2.2, 2.0], "n2": [41, 52]})  # fmt: skip
    table = vf.effect_size(
        "MD", data=frame, study="study", mean1="m1", sd1="s1", n1="n1", mean2="m2", sd2="s2", n2="n2", question=PAIN
    )
    model = models.normal_normal(table)
    assert model.coords["study"] == ["A", "B"]
    assert model.priors == ("tau ~ half-normal(1)", "mu ~ N(0, 10)")
    assert model.question == PAIN
    assert models.normal_normal(y=[0.1], v=[0.1], tau=TAU, mu=MU).notes[0].startswith("One trial only")


@pytest.mark.parametrize("make", [models.normal_normal, models.robust])
def test_refused(make: Any) -> None:
    with pytest.raises(vf.InputError, match="improper"):
        make(y=[0.1, 0.2], v=[0.1, 0.1], tau=priors.Uniform(), mu=priors.Flat())
    with pytest.raises(vf.InputError, match=r"row 2 \(study 2\), column v"):
        make(y=[0.1, 0.2], v=[0.1, -1], tau=TAU, mu=MU)
    with pytest.raises(vf.InputError, match="no default prior of tau"):
        make(y=[0.1, 0.2], v=[0.1, 0.1])
    with pytest.raises(vf.InputError, match="study_effects='centred'"):
        models.normal_normal(y=[0.1, 0.2], v=[0.1, 0.1], tau=TAU, study_effects="centred")


@pytest.mark.slow
def test_meta_regression_against_the_exact_engine() -> None:
    k = 12
    year, blind = RNG.integers(1990, 2020, k).astype(float), np.array(["yes", "no"] * 6)
    v = RNG.uniform(0.02, 0.2, k)
    y = 0.5 + 0.03 * (year - 2005) + 0.3 * (blind == "yes") + RNG.normal(size=k) * np.sqrt(0.1 + v)
    data = pd.DataFrame({"year": year, "blind": blind})
    stated = {"year": priors.Normal(0.0, 0.1), "blind[T.yes]": priors.Normal(0.0, 0.5)}  # the intercept stays flat
    model = models.meta_regression(y=y, v=v, formula="~ year + blind", data=data, tau=TAU, beta=stated)
    found = model.sample()
    exact = vf.bayes.meta_regression(
        y=y, v=v, formula="~ year + blind", data=data, tau=TAU, beta=stated,
    )  # fmt: skip
    assert found.gate.passed
    assert model.coords["coefficient"] == ["Intercept", "year", "blind[T.yes]"]
    for j, part in enumerate(map(exact.marginal, exact.terms)):
        close(found, "beta", part.mean, part.sd, j)
    close(found, "tau", exact.tau.mean, exact.tau.sd)
    assert found.draws("fitted") == pytest.approx(found.draws("beta") @ model.data["x"].T, rel=1e-9)
    # a study effect lies between its result and its fitted value, in proportion to the two variances
    t2 = found.draws("tau")[..., None] ** 2
    want = (y * t2 + found.draws("fitted") * v) / (t2 + v)
    assert found.draws("theta").mean((0, 1)) == pytest.approx(want.mean((0, 1)), abs=0.03)
    assert "beta[year]" in set(found.to_frame()["term"])
    with pytest.raises(vf.InputError, match="no single mean effect"):
        found.result()
    # priors of this model with the intercept proper: a draw of beta has the moments stated, whatever units it is sampled in
    proper = models.meta_regression(
        y=y, v=v, formula="~ year + blind", data=data, tau=TAU, beta={**stated, "Intercept": priors.Normal(1.0, 3.0)}
    )
    beta = np.asarray(proper.prior_predictive(draws=4000)["prior"]["beta"].values)[0]
    for column, (mean, sd) in zip(beta.T, [(1.0, 3.0), (0.0, 0.1), (0.0, 0.5)], strict=True):
        assert stats.kstest((column - mean) / sd, "norm").pvalue > 1e-4
    assert np.abs(np.corrcoef(beta.T) - np.eye(3)).max() < 0.06
    with pytest.raises(vf.InputError, match="improper"):
        model.prior_predictive()


def test_meta_regression_prior_density() -> None:
    """Up to the constant of a change of units, the log prior is that of the coefficients."""
    x = np.column_stack([np.ones(5), np.arange(5.0)])
    beta = {"a": priors.Normal(1.0, 2.0), "b": priors.Normal(-1.0, 0.5)}
    model = models.meta_regression(y=RNG.normal(size=5), v=np.full(5, 0.1), x=x, names=["a", "b"], tau=TAU, beta=beta)
    step = RNG.normal(size=(6, 2))
    found = density_functions(model).densities({"beta_step": step, "tau": np.full(6, 0.3)})
    b = found["deterministic"]["beta"]
    want = stats.norm.logpdf(b[:, 0], 1, 2) + stats.norm.logpdf(b[:, 1], -1, 0.5)
    # the constant is the log determinant of the map from steps to coefficients, read off the coefficients themselves
    at = density_functions(model).densities({"beta_step": np.vstack([np.zeros(2), np.eye(2)]), "tau": np.full(3, 0.3)})
    origin, *ends = at["deterministic"]["beta"]
    want = want + math.log(abs(np.linalg.det(np.array(ends) - origin)))
    assert found["log_prior"]["beta_step"] == pytest.approx(want, abs=1e-6)


def test_meta_regression_refusals() -> None:
    y, v = [0.1, 0.2, 0.3], [0.1] * 3
    same = np.column_stack([np.ones(3), np.full(3, 2.0)])
    with pytest.raises(vf.InputError, match="cannot be told apart"):
        models.meta_regression(y=y, v=v, x=same, names=["a", "b"], tau=TAU)
    with pytest.raises(vf.InputError, match="'c', which is no coefficient"):
        models.meta_regression(y=y, v=v, x=same, names=["a", "b"], tau=TAU, beta={"c": priors.Flat()})
    with pytest.raises(vf.InputError, match="is no prior of a coefficient"):
        models.meta_regression(y=y, v=v, x=same, names=["a", "b"], tau=TAU, beta=priors.StudentT(3, 0, 1))
    wide = np.column_stack([np.ones(3), [0.0, 1.0, 2.0]])
    with pytest.raises(vf.InputError, match="improper"):
        models.meta_regression(y=y, v=v, x=wide, names=["a", "b"], tau=priors.Uniform())

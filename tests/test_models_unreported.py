"""Unreported SDs: the model with and without them, against closed forms and brute force."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from scipy.special import digamma, polygamma
from tests.model_checks import close, density_functions

import vfmeta as vf
from vfmeta import priors
from vfmeta.bayes import models
from vfmeta.core.question import Question

RNG = np.random.default_rng(11)
PAIN = Question(measure="MD", experimental="vp", control="sham", outcome="pain", higher_is_worse=True, points=(0, 10), mid=1.5)


@pytest.fixture(autouse=True)
def quiet() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", vf.VfmetaWarning)
        yield


def arms(**empty: int) -> pd.DataFrame:
    frame = pd.DataFrame({
        "study": np.repeat(list("ABCDE"), 2), "arm": ["sham", "vp"] * 5,
        "mean": [5, 4.2, 5.5, 4, 6, 5.5, 5.2, 4.8, 4.9, 2.5], "n": [40, 42, 60, 58, 25, 25, 70, 72, 12, 11],
        "sd": [2.1, 2.3, 2.5, 2.6, 1.9, 2.2, 2.4, 2.2, 2.0, 2.4],
    })  # fmt: skip
    frame.loc[list(empty.values()), "sd"] = np.nan
    return frame


def test_no_sd_missing_is_the_normal_normal_model() -> None:
    frame = arms()
    model = models.missing_sd(frame, reference="sham", question=PAIN)
    one, two = frame[frame["arm"] == "vp"], frame[frame["arm"] == "sham"]
    y = one["mean"].to_numpy() - two["mean"].to_numpy()
    v = one["sd"].to_numpy() ** 2 / one["n"].to_numpy() + two["sd"].to_numpy() ** 2 / two["n"].to_numpy()
    graph = density_functions(model)
    mean, sd = RNG.normal(size=4), RNG.uniform(0.1, 2, 4)
    rest = {"log_sd_mean": RNG.normal(size=4), "sd_between_trials": np.full(4, 0.2), "sd_between_arms": np.full(4, 0.1)}
    found = graph.densities({"mu": mean, "tau": sd, **rest})
    want = stats.norm.logpdf(y, mean[:, None], np.hypot(sd[:, None], np.sqrt(v)))
    assert found["log_likelihood"]["effect"] == pytest.approx(want, abs=1e-7)
    assert model.studies is not None
    assert model.studies.v == pytest.approx(v)
    # the logs of the two SDs of a trial: bivariate normal
    half = (two["n"].to_numpy() - 1) / 2, (one["n"].to_numpy() - 1) / 2
    logs = [np.log(part["sd"].to_numpy()) - 0.5 * (digamma(h) - np.log(h)) for part, h in zip((two, one), half, strict=True)]
    got = found["log_likelihood"]["log_sd"] + found["log_likelihood"]["log_sd_second"]
    for i in range(5):
        cov = 0.04 + np.diag([0.01 + polygamma(1, half[0][i]) / 4, 0.01 + polygamma(1, half[1][i]) / 4])
        pair = np.array([logs[0][i], logs[1][i]])
        for j, level in enumerate(rest["log_sd_mean"]):
            assert got[j, i] == pytest.approx(stats.multivariate_normal([level] * 2, cov).logpdf(pair), abs=1e-6)


@pytest.mark.slow
def test_missing_sd_against_brute_force() -> None:
    """One arm without SD: its log SD on a grid, given the others, times the evidence of the exact engine at each value."""
    frame = arms(a=9)
    model = models.missing_sd(frame, reference="sham", question=PAIN)
    found = model.sample(draws=2000)
    assert found.gate.passed
    assert model.coords["unreported"] == ["E: vp"]
    half = (frame["n"].to_numpy() - 1) / 2
    log, error = np.log(frame["sd"].to_numpy()) - 0.5 * (digamma(half) - np.log(half)), polygamma(1, half) / 4
    # midpoints that lie dense near zero, with the width of their cells
    share = (np.arange(36) + 0.5) / 36
    omega, kappa = 1.6 * share**2, 0.9 * share**2
    m, w2, k2 = np.meshgrid(np.linspace(0.2, 1.5, 44), omega**2, kappa**2, indexing="ij")
    joint = np.log(share[:, None] * share) + stats.norm.logpdf(m, log[:9].mean(), 2.5)
    joint += stats.halfnorm.logpdf(np.sqrt(w2), scale=0.5)
    joint += stats.halfnorm.logpdf(np.sqrt(k2), scale=0.25)
    for i in range(0, 8, 2):  # trials with two SDs
        a, b = w2 + k2 + error[i], w2 + k2 + error[i + 1]
        det = a * b - w2**2
        d, e = log[i] - m, log[i + 1] - m
        joint += -0.5 * np.log(det) - 0.5 * (b * d**2 - 2 * w2 * d * e + a * e**2) / det
    a = w2 + k2 + error[8]
    joint += stats.norm.logpdf(log[8], m, np.sqrt(a))
    p = np.exp(joint - joint.max())
    lack = np.linspace(-0.6, 2.4, 91)
    centre, spread = m + w2 / a * (log[8] - m), np.sqrt(w2 + k2 - w2**2 / a)
    prior = np.array([float((p * stats.norm.pdf(x, centre, spread)).sum()) for x in lack])
    y = frame["mean"].to_numpy()[1::2] - frame["mean"].to_numpy()[::2]
    parts = (frame["sd"] ** 2 / frame["n"]).to_numpy()
    weight, means, squares, taus = [], [], [], []
    for x, q in zip(lack, prior, strict=True):
        v = parts[::2] + np.where(np.isnan(parts[1::2]), math.exp(2 * x) / 11, parts[1::2])
        exact = vf.bayes.posterior(y, v, priors.HalfNormal(1.0), priors.Normal(0.0, 10.0))
        assert exact.log_marginal_likelihood is not None
        weight.append(q * math.exp(exact.log_marginal_likelihood))
        means.append(exact.mu.mean)
        squares.append(exact.mu.sd**2 + exact.mu.mean**2)
        taus.append((exact.tau.mean, exact.tau.sd**2 + exact.tau.mean**2))
    w = np.array(weight) / np.sum(weight)
    sd = np.exp(lack)
    close(found, "sd_unreported", float(w @ sd), math.sqrt(float(w @ sd**2 - (w @ sd) ** 2)), 0)
    close(found, "mu", float(w @ means), math.sqrt(float(w @ squares - (w @ means) ** 2)))
    tau, square = w @ np.array(taus)
    close(found, "tau", float(tau), math.sqrt(float(square - tau**2)))
    assert any("No SD is reported for E: vp" in x for x in found.warnings)
    result = found.result()
    assert result.question.mid == 1.5
    assert result.p_benefit == pytest.approx(float((found.draws("mu") < 0).mean()))
    assert result.weights.sum() == pytest.approx(100)


def test_both_sds_missing_have_the_covariance_of_a_trial() -> None:
    model = models.missing_sd(arms(a=4, b=5), reference="sham", question=PAIN)
    assert model.coords["unreported"] == ["C: sham", "C: vp"]
    graph = density_functions(model)
    n = 40000
    draws = {
        "mu": np.zeros(n), "tau": np.ones(n), "log_sd_mean": np.full(n, 0.8), "sd_between_trials": np.full(n, 0.3),
        "sd_between_arms": np.full(n, 0.2), "log_sd_raw": RNG.normal(size=(n, 2)),
    }  # fmt: skip
    logs = np.log(graph.densities(draws)["deterministic"]["sd_unreported"])
    assert logs.mean(0) == pytest.approx([0.8, 0.8], abs=0.01)
    assert np.cov(logs.T) == pytest.approx(np.array([[0.13, 0.09], [0.09, 0.13]]), abs=0.004)
    variance = graph.densities(draws)["deterministic"]["variance"]
    assert variance[:, 2] == pytest.approx(np.exp(2 * logs) @ [1 / 25, 1 / 25])


def test_missing_sd_refusals() -> None:
    with pytest.raises(vf.InputError, match="divides by the SD"):
        models.missing_sd(arms(), reference="sham", question=Question(measure="SMD"))
    with pytest.raises(vf.InputError, match="No arm reports an SD"):
        models.missing_sd(arms().assign(sd=np.nan), reference="sham", question=PAIN)
    with pytest.raises(vf.InputError, match=r"rows 1, 2, column arm: A must have two arms, one of them 'placebo'"):
        models.missing_sd(arms(), reference="placebo", question=PAIN)
    with pytest.raises(vf.InputError, match=r"No column 'sigma'"):
        models.missing_sd(arms(), reference="sham", sd="sigma", question=PAIN)
    bad = arms()
    bad.loc[0, "sd"] = -1.0
    bad.loc[1, "n"] = 1
    bad["mean"] = bad["mean"].astype(object)
    bad.loc[2, "mean"] = "5,5"
    bad.loc[3, "mean"] = None
    with pytest.raises(vf.InputError) as error:
        models.missing_sd(bad, reference="sham", question=PAIN)
    said = "\n".join(error.value.problems)
    assert len(error.value.problems) == 4
    for row in ("row 1 (A: sham), column sd", "row 2 (A: vp), column n", "'5,5' is text", "row 4 (B: vp), column mean"):
        assert row in said
    one = models.missing_sd(arms(a=2, b=3, c=4, d=5, e=6, f=7, g=8, h=9), reference="sham", question=PAIN)
    assert any("in one trial only" in x for x in one.notes)

"""Very many posteriors at once: batches, grids of priors, rows the kernel leaves, bad frames."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from tests.bayes_data import PAIN, V, Y, quiet

import vfmeta as vf
from vfmeta import priors
from vfmeta.bayes import posterior


def test_many_equal_one_at_a_time() -> None:
    rng = np.random.default_rng(5)
    counts = rng.integers(1, 8, 150)
    names = np.repeat([f"q{i}" for i in range(150)], counts)
    frame = pd.DataFrame({"q": names, "y": rng.normal(size=len(names)), "v": rng.gamma(2, 0.2, len(names)) + 1e-3})
    frame = frame.sample(frac=1, random_state=1)
    many = vf.bayes.random_effects_many(frame, by="q", question=PAIN)
    every = vf.bayes.random_effects_many(frame, by="q", question=PAIN, studies=True)
    assert list(many["q"]) == list(dict.fromkeys(frame["q"]))
    for i in (0, 17, 149):
        part = frame[frame["q"] == many["q"][i]]
        one = quiet(y=part["y"].to_numpy(), v=part["v"].to_numpy(), question=PAIN)
        row = many.iloc[i]
        assert row["k"] == one.k
        assert row["estimate"] == pytest.approx(one.estimate, rel=1e-12)
        assert (row["prediction_low"], row["prediction_high"]) == pytest.approx(one.prediction, rel=1e-12)
        assert (row["p_benefit"], row["p_benefit_mid"]) == pytest.approx((one.p_benefit, one.p_benefit_mid), rel=1e-10)
        assert row["log_evidence"] == pytest.approx(one.log_evidence, rel=1e-10)
        mine = every[every["q"] == many["q"][i]]
        assert mine["shrunken_low"].to_numpy() == pytest.approx(one.shrunken_low, rel=1e-10)


def test_shortest_intervals_in_a_batch() -> None:
    frame = pd.DataFrame({"q": [1, 1, 1, 2, 2], "y": [0.1, 0.4, -0.3, 1.0, 0.2], "v": [0.1, 0.2, 0.1, 0.3, 0.1]})
    many = vf.bayes.random_effects_many(frame, "q", question=PAIN, interval="shortest")
    studies = vf.bayes.random_effects_many(frame, "q", question=PAIN, interval="shortest", studies=True)
    post = posterior(frame["y"][:3], frame["v"][:3], priors.HalfNormal(1), priors.Normal(0, 10))
    for columns, part in ((("ci_low", "ci_high"), post.mu), (("tau_low", "tau_high"), post.tau)):
        assert many.loc[0, list(columns)].tolist() == pytest.approx(part.interval(0.95, "shortest"), abs=1e-6)
    low, high = post.shrunken_interval(0.95, "shortest")
    assert studies["shrunken_low"][:3].to_numpy() == pytest.approx(low, abs=1e-6)
    assert studies["shrunken_high"][:3].to_numpy() == pytest.approx(high, abs=1e-6)
    with pytest.raises(vf.InputError, match="interval='HDI'"):
        vf.bayes.random_effects_many(frame, "q", question=PAIN, interval="HDI")


def test_rows_the_kernel_leaves_are_mended(monkeypatch: pytest.MonkeyPatch) -> None:
    frame = pd.DataFrame({"q": [1, 1, 1, 2, 2], "y": [0.1, 0.4, -0.3, 1.0, 0.2], "v": [0.1, 0.2, 0.1, 0.3, 0.1]})
    want = (
        vf.bayes.random_effects_many(frame, by="q", question=PAIN),
        vf.bayes.random_effects_many(frame, "q", question=PAIN, studies=True),
        vf.bayes.random_effects_many(frame, "q", question=PAIN, interval="shortest"),
    )
    monkeypatch.setattr(priors.HalfNormal, "coded", lambda self, v: None)
    got = (
        vf.bayes.random_effects_many(frame, by="q", question=PAIN),
        vf.bayes.random_effects_many(frame, "q", question=PAIN, studies=True),
        vf.bayes.random_effects_many(frame, "q", question=PAIN, interval="shortest"),
    )
    for a, b in zip(want, got, strict=True):
        pd.testing.assert_frame_equal(a, b, rtol=1e-7)


def test_prior_sensitivity_is_the_posterior_at_every_prior() -> None:
    grid = vf.bayes.prior_sensitivity(y=Y, v=V, question=PAIN, tau_scales=[0.2, 1.0], mu_sds=[1.0, 5.0, math.inf])
    assert grid.shape[0] == 6
    for row in grid.itertuples():
        mu = priors.Flat() if math.isinf(row.mu_sd) else priors.Normal(0, row.mu_sd)
        one = quiet(y=Y, v=V, tau=priors.HalfNormal(row.tau_scale), mu=mu)
        assert row.estimate == pytest.approx(one.estimate, rel=1e-10)
        assert row.tau_high == pytest.approx(one.tau.interval[1], rel=1e-10)
        assert math.isnan(row.log_evidence) == math.isinf(row.mu_sd)
    assert (np.diff(grid.groupby("mu_sd")["tau"].apply(list).iloc[0]) > 0).all()


def test_bad_batches_name_what_is_wrong() -> None:
    frame = pd.DataFrame({"q": [1, 1, 2], "y": [0.1, 0.2, 0.3], "v": [0.1, 0.1, 0.1]})
    with pytest.raises(vf.InputError, match="no column 'z'"):
        vf.bayes.random_effects_many(frame, by="z", tau=priors.HalfNormal(1))
    with pytest.raises(vf.InputError, match="q = 1: The posterior is improper"):
        vf.bayes.random_effects_many(frame, by="q", tau=priors.Uniform())
    with pytest.raises(vf.InputError, match="row 2, column v: the sampling variance is -1"):
        vf.bayes.random_effects_many(frame.assign(v=[0.1, -1, 0.1]), by="q", tau=priors.HalfNormal(1))
    with pytest.raises(vf.InputError, match="row 3, column y: missing value"):
        vf.bayes.random_effects_many(frame.assign(y=[0.1, 0.2, math.nan]), by="q", tau=priors.HalfNormal(1))
    with pytest.raises(vf.InputError, match="row 2, column q: missing value"):
        vf.bayes.random_effects_many(frame.assign(q=[1, None, 1]), by="q", tau=priors.HalfNormal(1))
    with pytest.raises(vf.InputError, match="tau_scales must"):
        vf.bayes.prior_sensitivity(y=Y, v=V, tau_scales=[-1.0], mu_sds=[1.0])


def test_whole_numbers_and_batches_meet_one_compiled_kernel() -> None:
    from vfmeta.kernels import normal_normal

    y, v = [0.1, 0.4, -0.2, 0.3], [0.04, 0.09, 0.05, 0.1]
    for tau in (priors.HalfNormal(1), priors.HalfNormal(1.0), priors.Conventional(), priors.Jeffreys(), priors.Uniform(5)):
        vf.bayes.random_effects(y=y, v=v, tau=tau, mu=priors.Normal(0, 2))
    vf.bayes.random_effects_many(pd.DataFrame({"q": [1, 1, 1, 1], "y": y, "v": v}), by="q", tau=priors.HalfNormal(1))
    assert len(normal_normal.solve.signatures) == 1

"""Ranks of simulated truth: the test of uniformity, and `calibrate_model` on a stand-in whose posterior is known.

The PyMC models themselves are calibrated by `make calibrate-models`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import vfmeta as vf
from vfmeta.bayes import model_calibration
from vfmeta.bayes.model_calibration import calibrate_model, uniformity


@dataclass(frozen=True)
class Normal:
    """mu ~ N(0, 1), y ~ N(mu, 1); draws come from the posterior N(y / 2, wide^2 / 2), right where ``wide`` is 1."""

    data: dict[str, Any] = field(default_factory=lambda: {"y": np.zeros(1)})
    wide: float = 1.0
    name: str = "normal"
    watch: tuple[str, ...] = ("mu",)
    priors: tuple[str, ...] = ("mu ~ N(0, 1)",)

    def prior_predictive(self, *, seed: int, draws: int) -> dict[str, Any]:
        rng = np.random.default_rng(seed)
        mu = rng.standard_normal(draws)
        seen = mu[:, None] + rng.standard_normal((draws, 1))
        groups = {"prior": {"mu": mu}, "prior_predictive": {"y": seen}}
        return {g: {n: SimpleNamespace(values=x[None]) for n, x in v.items()} for g, v in groups.items()}

    def sample(self, *, seed: int, draws: int, tune: int, chains: int) -> Any:
        rng = np.random.default_rng(seed)
        mu = self.data["y"][0] / 2 + self.wide * np.sqrt(0.5) * rng.standard_normal((chains, draws))
        still = SimpleNamespace(values=np.zeros((chains, draws), dtype=bool))
        return SimpleNamespace(arviz={"posterior": {"mu": SimpleNamespace(values=mu)}, "sample_stats": {"diverging": still}})


def test_right_posteriors_have_uniform_ranks_and_wrong_ones_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_calibration, "_containers", lambda model: {"y": "y"})
    ticks: list[int] = []
    right = calibrate_model(Normal(), runs=200, done=lambda: ticks.append(1))  # type: ignore[arg-type]
    assert len(ticks) == 200
    assert (right.draws, right.runs, right.divergences) == (100, 200, 0)
    assert right.to_frame()["p"][0] > 0.01
    for wide in (0.5, 2.0):
        wrong = calibrate_model(Normal(wide=wide), runs=200).to_frame()  # type: ignore[arg-type]
        assert wrong["p"][0] < 0.005
    assert wrong["below_0.1"][0] < 0.05  # posteriors too wide: the truth is seldom at their ends
    with pytest.raises(vf.InputError, match="no parameter 'tau'; there are mu"):
        calibrate_model(Normal(), parameters=["tau"])  # type: ignore[arg-type]
    with pytest.raises(vf.InputError, match="runs=5"):
        calibrate_model(Normal(), runs=5)  # type: ignore[arg-type]


def test_uniformity_rejects_as_often_as_it_says() -> None:
    rng = np.random.default_rng(7)
    p = np.array([uniformity(rng.integers(0, 51, 60), 50, simulations=300, seed=i) for i in range(300)])
    assert (p < 0.1).mean() == pytest.approx(0.1, abs=0.06)
    assert (p < 0.5).mean() == pytest.approx(0.5, abs=0.1)
    assert uniformity(np.full(60, 25), 50) < 0.001

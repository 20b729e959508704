"""Reports without a standard error, sampled by PyMC with every SD, m and s a parameter: the exact answer within its error."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from scipy import stats
from tests.test_bayes_reports_sd import ROWS, SDS, pooled


@pytest.mark.slow
def test_pymc_samples_the_same_posterior() -> None:
    import arviz as az
    import pymc as pm

    root = np.array([math.sqrt(1 / a + 1 / b) for a, b in ((30, 28), (25, 25), (40, 41), (20, 22))])
    df, printed, z = np.array(SDS["n"]) - 1.0, np.array(SDS["sd"]), stats.norm.isf(0.025)
    assert ROWS["n1"][1:] == [30, 25, 40, 20]
    with pm.Model():
        mu, tau = pm.Normal("mu", 0, 2), pm.HalfNormal("tau", 0.5)
        m, s = pm.Normal("m", math.log(2.5), 0.5), pm.HalfNormal("s", 0.3)
        told = pm.math.exp(m + s * pm.Normal("told_raw", 0, 1, shape=len(df)))
        # chi-square of the printed variances, but for what does not hang on the true ones
        pm.Potential("printed", (-df * pm.math.log(told) - df * printed**2 / (2 * told**2)).sum())
        se = root * pm.math.exp(m + s * pm.Normal("own_raw", 0, 1, shape=4))
        wide = pm.math.sqrt(se**2 + tau**2)

        def below(x: Any, i: int) -> Any:
            return 0.5 * pm.math.erfc(-(x - mu) / wide[i] / math.sqrt(2))

        pm.Normal("full", mu, pm.math.sqrt(0.3**2 + tau**2), observed=-0.6)
        pm.Potential("within", pm.math.log(below(0.0, 0) - below(-z * se[0], 0)))
        pm.Normal("estimate", mu, wide[1], observed=-1.1)
        pm.Potential("p", pm.logp(pm.Normal.dist(mu / se[2], wide[2] / se[2]), -stats.norm.isf(0.02)))
        pm.Normal("significant", mu, wide[3], observed=-1.4)
        pm.Potential("bound", pm.math.switch(se[3] < 1.4 / z, 0.0, -np.inf))
        draws = pm.sample(2000, tune=1500, chains=2, cores=1, random_seed=3, target_accept=0.95, progressbar=False)
    fit = pooled()
    for name, exact in (("mu", fit.mu), ("tau", fit.tau)):
        x = draws.posterior[name]
        assert abs(float(x.mean()) - exact.mean) < 4 * float(az.mcse(x))
        assert abs(float(x.std()) / exact.sd - 1) < 0.1

"""Simulation-based calibration of the exact engine.

Talts et al. 2018, arXiv:1804.06788; Cook, Gelman & Rubin 2006, J Comput Graph Stat 15:675.

Parameters are drawn from the prior, data from the parameters; in the posterior of a right engine the probability below the true
value is uniform. The posterior being exact, that probability takes the place of a rank among draws.

    python -m vfmeta.bayes.calibration
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from vfmeta.bayes import compiled
from vfmeta.bayes.exact_posterior import ExactPosterior
from vfmeta.core.messages import InputError
from vfmeta.core.params import whole
from vfmeta.priors import HalfCauchy, HalfNormal, LogNormal, MuPrior, Normal, StudentT, TauPrior

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Calibration:
    """Probabilities below the true value: ``mu``, ``tau``, ``next_trial`` of shape (runs,), ``theta`` (runs, k)."""

    mu: np.ndarray
    tau: np.ndarray
    next_trial: np.ndarray
    theta: np.ndarray
    priors: tuple[str, str]
    k: int

    def to_frame(self) -> pd.DataFrame:
        """One row a quantity: runs, the share in the outer tenth on each side, Kolmogorov's distance and p value."""
        import pandas as pd
        from scipy.stats import kstest

        rows = []
        # one study stands for all: those of one run share their mean and are not independent
        for name, u in (("mu", self.mu), ("tau", self.tau), ("next_trial", self.next_trial), ("theta", self.theta[:, 0])):
            test = kstest(u, "uniform")
            rows.append({"quantity": name, "runs": len(u), "below_0.1": float((u < 0.1).mean()),
                         "above_0.9": float((u > 0.9).mean()),
                         "distance": float(test.statistic), "p": float(test.pvalue)})  # fmt: skip
        return pd.DataFrame(rows)


def calibrate(
    k: int = 4,
    tau: TauPrior | None = None,
    mu: MuPrior | None = None,
    *,
    v: np.ndarray | None = None,
    runs: int = 1000,
    seed: int = 1,
) -> Calibration:
    """Simulate ``runs`` meta-analyses of ``k`` studies from the priors and solve each exactly.

    Parameters
    ----------
    tau, mu : priors
        Half-normal(1) and N(0, 4) when left out; both must be proper and must not look at the data.
    v : array-like of shape (k,), optional
        Sampling variances; drawn for each run around the prior median of tau when left out.

    Examples
    --------
    >>> import vfmeta as vf
    >>> ranks = vf.bayes.calibrate(k=3, runs=20)
    >>> len(ranks.mu)
    20
    """
    tau, mu = tau or HalfNormal(1.0), mu or Normal(0.0, 4.0)
    for name, value, least in (("k", k, 1), ("runs", runs, 20), ("seed", seed, 0)):
        whole(name, value, least)
    if not (tau.proper and mu.proper) or tau.uses_v:
        raise InputError(
            "Calibration draws from the priors: both must be proper, and that of tau may not rest on the variances."
        )
    rng = np.random.default_rng(int(seed))
    spread = tau.draw(runs, rng)
    if v is None:
        vv = (tau.median() * np.exp(0.5 * rng.standard_normal((runs, k)))) ** 2
    else:
        vv = np.broadcast_to(np.asarray(v, dtype=float), (runs, k)).copy()
    centre = mu.draw(runs, rng)
    theta = centre[:, None] + spread[:, None] * rng.standard_normal((runs, k))
    following = centre + spread * rng.standard_normal(runs)
    yy = theta + np.sqrt(vv) * rng.standard_normal((runs, k))
    start = np.arange(runs + 1) * k
    prob = np.array([0.025, 0.5, 0.975])
    found = compiled.many(
        start,
        yy.ravel(),
        vv.ravel(),
        [tau],
        [mu],
        prob,
        np.stack([centre, following], 1),
        at_tau=spread,
        at_theta=theta.ravel(),
    )
    out = (
        found.below[:, 0, 0].copy(),
        found["tau_below"].copy(),
        found.below[:, 1, 1].copy(),
        found.study[5].reshape(runs, k).copy(),
    )
    for i in np.flatnonzero(~found.solved):
        post = ExactPosterior(yy[i], vv[i], tau, mu)
        out[0][i], out[1][i] = post.mu.cdf(centre[i]), post.tau.cdf(spread[i])
        out[2][i] = post.next_trial.cdf(following[i])
        out[3][i] = [post.study(j).cdf(theta[i, j]) for j in range(k)]
    return Calibration(*out, (str(tau), str(mu)), k)


#: numbers of studies and priors of the kind the review uses
SETTINGS: list[tuple[int, TauPrior, MuPrior | None]] = [
    (2, HalfNormal(1.0), None), (3, HalfNormal(0.5), Normal(0.0, 2.82)), (5, HalfCauchy(0.5), None),
    (8, LogNormal(-1.28, 0.87), None), (3, HalfNormal(0.5), StudentT(4.0, 0.0, 1.0)),
]  # fmt: skip


def main() -> int:
    """Print the calibration of `SETTINGS`; 1 when one of them fails."""
    import time

    worst = 1.0
    count = 0
    for seed, (k, tau, mu) in enumerate(SETTINGS, start=1):
        began = time.perf_counter()
        found = calibrate(k, tau, mu, runs=1000, seed=seed)
        table = found.to_frame()
        print(f"k = {k}, {', '.join(found.priors)}: 1,000 runs in {time.perf_counter() - began:.1f} s")
        print(table.to_string(index=False, float_format=lambda x: f"{x:.3f}"), end="\n\n")
        worst, count = min(worst, float(table["p"].min())), count + len(table)
    passed = worst > 0.01 / count
    print(f"smallest p {worst:.3g} of {count} tests: {'calibrated' if passed else 'NOT calibrated'}")
    return int(not passed)


if __name__ == "__main__":
    raise SystemExit(main())


__all__ = ["Calibration", "calibrate"]

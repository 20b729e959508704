"""Simulation-based calibration of a sampled model: ranks of true values among draws of the posterior.

Talts et al. 2018, arXiv:1804.06788. Parameters come from the model's own prior, data from its prior predictive distribution;
the compiled graph is built once and fed the data of every run. Ranks of a right model and sampler are uniform; whether they are
is judged by the largest departure of their distribution function from a straight line, at every rank in the units of its own
binomial distribution (Säilynoja, Bürkner & Vehtari 2022, Stat Comput 32:32).
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from vfmeta.core.messages import InputError, VfmetaWarning, kind_of
from vfmeta.core.params import generator, whole

if TYPE_CHECKING:
    import pandas as pd

    from vfmeta.bayes.models.engine import Model


@dataclass(frozen=True)
class RankCalibration:
    """Ranks of true values of a model's parameters.

    Attributes
    ----------
    ranks : dict of str to ndarray of shape (runs,)
        How many of ``draws`` thinned draws lay below the true value: 0 to ``draws``.
    draws : int
        Thinned draws of a run.
    model : str
        Name of the model.
    priors : tuple of str
        Its priors in words.
    divergences : int
        Divergent transitions in all runs together. No run is left out: that would bend the distribution of the ranks.
    """

    ranks: dict[str, np.ndarray]
    draws: int
    model: str
    priors: tuple[str, ...]
    divergences: int

    @property
    def runs(self) -> int:
        return len(next(iter(self.ranks.values())))

    def to_frame(self) -> pd.DataFrame:
        """One row a parameter: runs, mean rank (0-1), share of ranks in the outer tenth on each side, p of uniformity."""
        import pandas as pd

        rows = []
        for name, rank in self.ranks.items():
            u = (rank + 0.5) / (self.draws + 1)
            rows.append({
                "model": self.model, "parameter": name, "runs": len(rank), "mean": float(u.mean()),
                "below_0.1": float((u < 0.1).mean()), "above_0.9": float((u > 0.9).mean()), "p": uniformity(rank, self.draws),
            })  # fmt: skip
        return pd.DataFrame(rows)


def calibrate_model(
    model: Model,
    *,
    runs: int = 100,
    draws: int = 200,
    tune: int = 400,
    chains: int = 2,
    thin: int = 4,
    seed: int = 1,
    parameters: Sequence[str] | None = None,
    done: Callable[[], None] | None = None,
) -> RankCalibration:
    """Simulate ``runs`` data sets from the priors of a model, sample each and rank the truth among the draws.

    Parameters
    ----------
    model : Model
        From ``vf.bayes.models``, on data whose sizes (numbers of studies, patients, variances) the simulated ones take on.
        Every prior must be proper.
    runs, seed : int
        Number of data sets, and where the random numbers start.
    draws, tune, chains : int
        Of each run.
    thin : int
        Every how many-eth draw is kept: ranks among correlated draws are not uniform.
    parameters : sequence of str, optional
        Which to rank; those the model watches and has a prior of when left out. Of a vector the first element stands for all,
        since the elements of one run are not independent.
    done : callable, optional
        Called after every run (a progress bar).

    Returns
    -------
    RankCalibration

    Raises
    ------
    InputError
        A prior is improper, a parameter is unknown, or the observed variables do not stand in the model's data as they are.

    Examples
    --------
    >>> import vfmeta as vf
    >>> priors = {"tau": vf.priors.HalfNormal(1.0), "mu": vf.priors.Normal(0, 1)}
    >>> model = vf.bayes.models.normal_normal(y=[0.1, 0.3], v=[0.1, 0.1], **priors)
    >>> vf.bayes.calibrate_model(model, runs=20)  # doctest: +SKIP
    """
    if not (hasattr(model, "prior_predictive") and hasattr(model, "watch")):
        raise InputError(f"calibrate_model takes a model of vf.bayes.models, not {kind_of(model)}.")
    least = {"runs": (runs, 10), "seed": (seed, 0), "thin": (thin, 1), "draws": (draws, 1), "chains": (chains, 1)}
    for name, (value, smallest) in least.items():
        whole(name, value, smallest)
    if chains * draws < 10 * thin:
        raise InputError(f"{chains} chains of {draws} draws leave fewer than 10 draws when every {thin}th is kept.")
    containers = _containers(model)
    simulated = model.prior_predictive(seed=int(seed), draws=int(runs))
    truth, seen = simulated["prior"], simulated["prior_predictive"]
    names = tuple(x for x in model.watch if x in truth) if parameters is None else tuple(parameters)
    lacking = [name for name in names if name not in truth]
    if lacking:
        raise InputError(f"The model has no parameter {', '.join(map(repr, lacking))}; there are {', '.join(map(str, truth))}.")
    ranks: dict[str, np.ndarray] = {name: np.empty(runs, dtype=int) for name in names}
    kept = len(range(0, draws, thin)) * chains
    divergences = 0
    for i in range(runs):
        data = {container: np.asarray(seen[observed].values[0, i]) for observed, container in containers.items()}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", VfmetaWarning)
            fit = replace(model, data={**model.data, **data}).sample(
                seed=int(seed) * 1_000_003 + i, draws=draws, tune=tune, chains=chains
            )
        divergences += int(np.sum(fit.arviz["sample_stats"]["diverging"].values))
        for name in names:
            values = np.asarray(fit.arviz["posterior"][name].values)[:, ::thin].reshape(kept, -1)[:, 0]
            ranks[name][i] = int((values < np.ravel(truth[name].values[0, i])[0]).sum())
        if done is not None:
            done()
    return RankCalibration(ranks, kept, model.name, model.priors, divergences)


def uniformity(ranks: np.ndarray, draws: int, simulations: int = 4000, seed: int = 1) -> float:
    """Probability that uniform ranks (n,), 0 to ``draws``, stray as far from uniformity as these do."""
    from scipy.stats import binom

    n = len(ranks)
    z = np.arange(1, draws + 1) / (draws + 1)

    def strayed(counts: np.ndarray) -> np.ndarray:
        """Smallest two-sided binomial probability of the numbers of ranks below each value (m, draws)."""
        table = np.minimum(binom.cdf(np.arange(n + 1)[:, None], n, z), binom.sf(np.arange(n + 1)[:, None] - 1, n, z))
        return 2 * table[counts, np.arange(draws)].min(axis=1)

    def below(x: np.ndarray) -> np.ndarray:
        held = np.stack([np.bincount(row, minlength=draws + 1) for row in x])
        return held.cumsum(axis=1)[:, :-1]

    rng = generator(seed)
    reference = strayed(below(rng.integers(0, draws + 1, (simulations, n))))
    observed = strayed(below(np.asarray(ranks)[None]))[0]
    return float((1 + (reference <= observed * (1 + 1e-12)).sum()) / (simulations + 1))


def _containers(model: Model) -> dict[str, str]:
    """Which entry of the model's data holds each observed variable."""
    from pytensor.graph.traversal import graph_inputs

    built = model.pymc()
    found = {}
    for rv in built.observed_RVs:
        names = {x.name for x in graph_inputs([built.rvs_to_values[rv]])} & set(model.data)
        if len(names) != 1:
            raise InputError(
                f"The observed variable {rv.name!r} of model {model.name!r} is no entry of its data, so simulated data cannot "
                "take its place; calibrate a model whose observations are data as they stand."
            )
        found[rv.name] = names.pop()
    return found


__all__ = ["RankCalibration", "calibrate_model", "uniformity"]

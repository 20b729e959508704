"""Algebra of trials followed over time, over many draws at once: their covariance, true effects given the data, further trials.

The departure of a trial from the mean curve, of outcome o at week t, has covariance

    tau_o tau_p  R_op  (lasting + (1 - lasting) exp(-|s - t| / memory))

so that ``tau`` is the spread of trials at any one time, as in a meta-analysis of that time alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

import numpy as np

from vfmeta.bayes.models.vectorised import Draws


def blocks(study: np.ndarray) -> Iterator[np.ndarray]:
    """The rows of every trial."""
    for s in range(int(study.max()) + 1):
        yield np.flatnonzero(study == s)


def kept(draws: Draws, gap: np.ndarray) -> np.ndarray:
    """Correlation of a trial's departures ``gap`` weeks apart: (S, 1, 1) against (n, n) to (S, n, n)."""
    if "memory" not in draws:
        return np.ones((len(draws["tau"]), *gap.shape))
    lasting, memory = (draws[x][:, None, None] for x in ("lasting", "memory"))
    return lasting + (1 - lasting) * np.exp(-gap / memory)


def alike(draws: Draws, outcome: np.ndarray) -> np.ndarray:
    """Correlation R of outcomes within a trial, (S, n, n)."""
    same = (outcome[:, None] == outcome).astype(float)
    if "between" not in draws:
        return np.broadcast_to(same, (len(draws["tau"]), *same.shape))
    return same + (1 - same) * draws["between"][:, None, None]


def departures(draws: Draws, outcome: np.ndarray, week: np.ndarray) -> np.ndarray:
    """Covariance of one trial's departures at its n effects, (S, n, n)."""
    tau = draws["tau"][:, outcome]
    return tau[:, :, None] * tau[:, None, :] * alike(draws, outcome) * kept(draws, np.abs(week[:, None] - week))


def errors(draws: Draws, data: Mapping[str, np.ndarray], rows: np.ndarray) -> np.ndarray:
    """Sampling covariance of one trial's effects, (S, n, n)."""
    size = len(draws["tau"])
    if "V" in data:
        return np.broadcast_to(data["V"][np.ix_(rows, rows)], (size, len(rows), len(rows)))
    sd = data["sd"][rows]
    rho = draws["correlation"] if "correlation" in draws else np.full(size, float(data.get("rho", 0.0)))
    unit = np.eye(len(rows))
    return np.outer(sd, sd) * (unit + (1 - unit) * rho[:, None, None])


def extend(draws: Draws, data: Mapping[str, np.ndarray], rng: np.random.Generator) -> Draws:
    """True effects given the data, ``theta`` (S, n), and those of a further trial, ``next_trial`` (S, outcomes, times)."""
    size, n = len(draws["tau"]), len(data["estimate"])
    theta = np.empty((size, n))
    for rows in blocks(data["in_study"]):
        outcome, week = data["in_outcome"][rows], data["at_week"][rows]
        mean = draws["curve"][:, outcome, data["in_time"][rows]]
        G, V = departures(draws, outcome, week), errors(draws, data, rows)
        # a draw from the joint law, moved by what the data say of it, is a draw given the data (Matheron's rule)
        away, error = _normal(G, rng), _normal(V, rng)
        surprise = data["estimate"][rows] - mean - away - error
        theta[:, rows] = mean + away + (G @ np.linalg.solve(G + V, surprise[..., None]))[..., 0]
    outcomes, times = draws["curve"].shape[1:]
    which, when = np.repeat(np.arange(outcomes), times), np.tile(data["weeks"], outcomes)
    fresh = _normal(departures(draws, which, when), rng).reshape(size, outcomes, times)
    return {"theta": theta, "next_trial": draws["curve"] + fresh}


def log_likelihood(draws: Draws, data: Mapping[str, np.ndarray], rng: np.random.Generator) -> Draws:
    """Log density of each trial's effects together, ``trial`` (S, studies): trials, not effects, are what may be left out."""
    parts = []
    for rows in blocks(data["in_study"]):
        outcome = data["in_outcome"][rows]
        off = data["estimate"][rows] - draws["curve"][:, outcome, data["in_time"][rows]]
        total = departures(draws, outcome, data["at_week"][rows]) + errors(draws, data, rows)
        q = (off * np.linalg.solve(total, off[..., None])[..., 0]).sum(1)
        parts.append(-0.5 * (q + np.linalg.slogdet(total)[1] + len(rows) * math.log(2 * math.pi)))
    return {"trial": np.stack(parts, axis=1)}


def _normal(cov: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A normal draw for each of S covariances, (S, n); a trace of noise keeps effects that must agree from failing."""
    n = cov.shape[-1]
    size = np.trace(cov, axis1=1, axis2=2)[:, None, None] / n
    root = np.linalg.cholesky(cov + (1e-12 * size + 1e-300) * np.eye(n))
    return (root @ rng.standard_normal((len(cov), n, 1)))[..., 0]

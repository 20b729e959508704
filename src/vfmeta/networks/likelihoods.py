"""Likelihoods of the arms of a network: what they read, what the linear predictor is to them, and how far they lie from it.

Link functions and residual deviances are those of Dias, Welton, Sutton & Ades 2011 (NICE DSU Technical Support Document 2).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from vfmeta.priors import Normal

Columns = dict[str, np.ndarray]


@dataclass(frozen=True)
class Likelihood:
    """Of the arms, by the measure of the effects.

    ``columns`` are what an arm gives, ``words`` say likelihood and link, ``unit`` what the linear predictor is. ``observed``
    and ``fitted`` name the PyMC variables. ``crude`` gives predictors and variances as counted, which only set how the sampler
    moves; ``level`` the default prior of a trial's baseline; ``data`` what ``declare(pm, eta, given)`` reads; ``deviance`` the
    residual deviance (..., r) at fitted values (..., r).
    """

    columns: tuple[str, ...]
    words: str
    unit: str
    observed: str
    fitted: str
    crude: Callable[[Columns], tuple[np.ndarray, np.ndarray]]
    level: Callable[[Columns], Normal]
    data: Callable[[Columns], Columns]
    declare: Callable[[Any, Any, Any], Any]
    deviance: Callable[[np.ndarray, Columns], np.ndarray]


def _binomial_deviance(risk: np.ndarray, c: Columns) -> np.ndarray:
    from scipy.special import xlogy

    x, n = c["events"], c["n"]
    return 2 * (xlogy(x, x / (n * risk)) + xlogy(n - x, (n - x) / (n * (1 - risk))))


def _logit(c: Columns) -> tuple[np.ndarray, np.ndarray]:
    x, rest = c["events"] + 0.5, c["n"] - c["events"] + 0.5
    return np.log(x / rest), 1 / x + 1 / rest


def _cloglog(c: Columns) -> tuple[np.ndarray, np.ndarray]:
    risk = (c["events"] + 0.5) / (c["n"] + 1)
    hazard = -np.log1p(-risk)
    return np.log(hazard / c["time"]), risk / ((1 - risk) * (c["n"] + 1) * hazard**2)


def _overall(c: Columns, hazard: np.ndarray | None = None) -> Normal:
    at = c["time"] if hazard is None else hazard
    return Normal(round(math.log((c["events"].sum() + 0.5) / at.sum()), 2), 5.0)


def _wide(c: Columns) -> Normal:
    """So wide that the data decide, in whatever unit."""
    spread = 10 * (float(np.ptp(c["mean"])) + float(np.median(c["sd"])))
    return Normal(float(f"{c['mean'].mean():.3g}"), float(f"{spread:.3g}"))


def _declare_logit(pm: Any, eta: Any, given: Any) -> None:
    pm.Deterministic("risk", pm.math.sigmoid(eta), dims="arm")
    pm.Binomial("events", n=given["n"], logit_p=eta, observed=given["count"], dims="arm")


def _declare_cloglog(pm: Any, eta: Any, given: Any) -> None:
    import pytensor.tensor as pt

    risk = pm.Deterministic("risk", -pt.expm1(-pm.math.exp(eta + given["log_time"])), dims="arm")
    pm.Binomial("events", n=given["n"], p=risk, observed=given["count"], dims="arm")


def _declare_log(pm: Any, eta: Any, given: Any) -> None:
    pm.Deterministic("rate", pm.math.exp(eta), dims="arm")
    pm.Poisson("events", pm.math.exp(eta + given["log_time"]), observed=given["count"], dims="arm")


def _declare_identity(pm: Any, eta: Any, given: Any) -> None:
    pm.Deterministic("fitted", eta, dims="arm")
    pm.Normal("outcome", eta, given["error"], observed=given["mean"], dims="arm")


def _poisson_deviance(rate: np.ndarray, c: Columns) -> np.ndarray:
    from scipy.special import xlogy

    expected = rate * c["time"]
    return 2 * (xlogy(c["events"], c["events"] / expected) - (c["events"] - expected))


def _error(c: Columns) -> np.ndarray:
    return c["sd"] / np.sqrt(c["n"])


def _count(c: Columns) -> Columns:
    return {"count": c["events"].astype("int64")}


def _size(c: Columns) -> Columns:
    return {**_count(c), "n": c["n"].astype("int64")}


def _log_time(c: Columns) -> np.ndarray:
    return np.log(c["time"])


LIKELIHOODS: dict[str, Likelihood] = {
    "OR": Likelihood(
        ("events", "n"), "binomial likelihood, logit link", "log odds", "events", "risk", _logit, lambda _: Normal(0.0, 5.0),
        _size, _declare_logit, _binomial_deviance,
    ),
    "HR": Likelihood(
        ("events", "n", "time"), "binomial likelihood over the follow-up, cloglog link", "log hazard", "events", "risk",
        _cloglog, lambda c: _overall(c, c["n"] * c["time"]), lambda c: {**_size(c), "log_time": _log_time(c)},
        _declare_cloglog, _binomial_deviance,
    ),
    "IRR": Likelihood(
        ("events", "time"), "Poisson likelihood, log link", "log rate", "events", "rate",
        lambda c: (np.log((c["events"] + 0.5) / c["time"]), 1 / (c["events"] + 0.5)), _overall,
        lambda c: {**_count(c), "log_time": _log_time(c)}, _declare_log, _poisson_deviance,
    ),
    "MD": Likelihood(
        ("mean", "sd", "n"), "normal likelihood, identity link", "mean", "outcome", "fitted",
        lambda c: (c["mean"], _error(c) ** 2), _wide, lambda c: {"mean": c["mean"], "error": _error(c)}, _declare_identity,
        lambda fitted, c: ((c["mean"] - fitted) / _error(c)) ** 2,
    ),
}  # fmt: skip

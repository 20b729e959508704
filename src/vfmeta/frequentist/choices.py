"""What a user may choose for a univariate pool, checked once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from vfmeta.core.messages import InputError
from vfmeta.core.params import (
    RECOMMENDED,
    MethodOrCommon,
    PoolTest,
    Prediction,
    Tau2Interval,
    Test,
    choice,
    choices,
    confidence,
    variance,
    whole,
)
from vfmeta.effects import cells
from vfmeta.effects.reading import Studies

#: Hartung-Knapp's q below which effects differ by rounding alone: by 1e-8 of their standard errors
IDENTICAL = 1e-16


@dataclass(frozen=True)
class Choices:
    """The choices of one pool: ``method`` names an estimator or is the value that holds tau2, ``weights`` (k,) may be None.

    ``of_tables`` is tau2 where the estimator takes it from 2 x 2 tables.
    """

    model: str
    method: str | float
    test: PoolTest
    level: float
    prediction: Prediction = "auto"
    tau2_interval: Tau2Interval = "auto"
    weights: np.ndarray | None = None
    draws: int = 25_000
    seed: int = 1
    of_tables: float | None = None

    @property
    def fitted(self) -> str | float:
        """What the kernels are asked for: the estimator, or the tau2 that was found from the studies' tables."""
        return self.method if self.of_tables is None else self.of_tables

    @property
    def made_by(self) -> str:
        """The test that makes the interval."""
        return RECOMMENDED if self.test == "recommended" else self.test

    @property
    def own(self) -> bool:
        """Whether the interval is made from the studies (`vfmeta.frequentist.mean_tests`), not from a standard error alone."""
        return self.made_by not in choices(Test)

    @property
    def method_name(self) -> str:
        if self.model == "common":
            return "common effect"
        return self.method if isinstance(self.method, str) else "fixed"

    @property
    def tau2_interval_method(self) -> str:
        if self.tau2_interval != "auto":
            return self.tau2_interval
        return "generalised-Q" if self.method in ("GENQ", "GENQM") else "Q-profile"

    def call(self, weights: Any) -> dict[str, Any]:
        """How the fit was asked for, plain data; what was left to its default is left out."""
        call: dict[str, Any] = {
            "function": "random_effects" if self.model == "random" else "common_effect",
            "test": self.test,
            "level": self.level,
        }
        if self.model == "random":
            call |= asked_for(self.method)
        if weights is not None:
            call["weights"] = "equal" if isinstance(weights, str) else "given"
        if self.prediction != "auto":
            call["prediction"] = self.prediction
        if "bootstrap" in (self.prediction, self.test) or self.test == "permutation":
            call |= {"draws": self.draws, "seed": self.seed}
        if self.tau2_interval != "auto":
            call["tau2_interval"] = self.tau2_interval
        return call


def check_choices(
    model: str, method: Any, tau2: Any, test: Any, level: float, prediction: Any = "auto", tau2_interval: Any = "auto",
    weights: Any = None, draws: Any = 1, seed: Any = 0, tests: Any = Test,
) -> Choices:  # fmt: skip
    """The choices of a pool in canonical spelling, its weights still to come, or an error that says which is unknown."""
    found = check_method(method, tau2)
    tau2_interval = choice("tau2_interval", tau2_interval, Tau2Interval)
    from vfmeta.kernels.tau2 import ESTIMATORS

    if isinstance(found, str) and found in ESTIMATORS and ESTIMATORS[found].weighted and weights is None:
        raise InputError(f"method={found!r} needs weights=, one per study: it is the moment estimator with given weights.")
    if tau2_interval == "profile-likelihood" and found not in ("ML", "REML"):
        raise InputError(
            f'tau2_interval="profile-likelihood" follows a likelihood, and {said(found)} has none; use method="ML" or "REML".'
        )
    return Choices(
        model, found, choice("test", test, tests), confidence(level), choice("prediction", prediction, Prediction),
        tau2_interval, None, whole("draws", draws, 1), whole("seed", seed, 0),
    )  # fmt: skip


def asked_for(method: str | float) -> dict[str, Any]:
    """How `check_method`'s answer is asked for: by the name of the estimator, or by the value that holds tau2."""
    return {"method": method} if isinstance(method, str) else {"tau2": method}


def said(method: str | float) -> str:
    """The same in words."""
    return " ".join(f"{name}={value!r}" for name, value in asked_for(method).items())


def check_method(method: Any, tau2: Any = None) -> str | float:
    """A known estimator or "common"; where ``tau2`` is given the value that holds it, finite and at least 0."""
    if tau2 is not None:
        return variance("tau2", tau2)
    hint = "; tau2= holds the value" if isinstance(method, (int, float)) else ""
    from vfmeta.kernels.tau2 import ESTIMATORS

    return choice("method", method, MethodOrCommon, also=ESTIMATORS, hint=hint)


def user_weights(weights: Any, studies: Studies) -> np.ndarray | None:
    """Weights of the studies that stayed, shape (k,), or an error that lists every fault.

    Parameters
    ----------
    weights : array-like of numbers, the name of a column, "equal" or None
        One per row of the input, rows dropped as missing included.
    studies : Studies
        What intake kept.
    """
    if weights is None:
        return None
    if isinstance(weights, str) and weights == "equal":
        return np.ones(studies.k)
    frame = studies.rows.frame
    if isinstance(weights, str) and (frame is None or weights not in frame.columns):
        raise InputError(f'weights={weights!r} is unknown; give one number per study, a column of the data, or "equal".')
    problems: list[str] = []
    values = row_weights(weights, "weights", studies, problems)
    if problems:
        raise InputError(problems)
    return values


def row_weights(weights: Any, name: str, studies: Any, problems: list[str]) -> np.ndarray:
    """Weights of the rows that stayed, shape (k,), each finite and above 0."""
    found = studies.column(weights, name)
    values, rows = cells.column(found.values, found.shown), studies.kept.tolist()
    return cells.numbers(values, found.shown, studies.labels, problems, "weight", rows, cells.FILL)

"""What verbs of appraisal are given: a pool or a posterior, whose studies and choices are kept, an effect table, or arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from vfmeta.core.messages import InputError, kind_of, warn_each
from vfmeta.core.params import confidence
from vfmeta.effects.reading import Studies, read
from vfmeta.frequentist.choices import asked_for, check_method
from vfmeta.results.codec import Recorded
from vfmeta.results.fit import Result


@dataclass(frozen=True)
class Taken:
    """The studies, the level, and the fit they came from, if any."""

    studies: Studies
    level: float
    fit: Any = None

    def method(self, asked: Any) -> str | float:
        """The estimator asked for, else that of the fit (or the value that holds its tau2), else REML."""
        if asked is not None:
            return check_method(asked)
        call = getattr(self.fit, "call", {})
        if call.get("function") == "common_effect":
            return "common"
        return check_method(call.get("method", "REML"), call.get("tau2"))

    def test(self, asked: Any, otherwise: str) -> Any:
        """The test asked for, else that of the fit, else another."""
        return asked if asked is not None else getattr(self.fit, "call", {}).get("test", otherwise)

    def column(self, name: str) -> np.ndarray:
        """What is known beside the effects of each study, NaN where it is not."""
        held = [d.get(name) for d in self.studies.details] or [None] * self.studies.k
        return np.array([np.nan if x is None else x for x in held], dtype=float)

    @property
    def sizes(self) -> np.ndarray:
        """Patients of each study, NaN where unknown."""
        first, second = self.column("n_experimental"), self.column("n_control")
        made_of = self.studies.question.facts.inputs
        alone = bool(made_of) and "n2" not in made_of[0]  # one group, or one measured twice
        return np.where(np.isnan(first), self.column("n"), first) if alone else first + second

    def record(self, verb: str, **choices: Any) -> dict[str, Any]:
        """How the verb was called, plain data."""
        told = {name: value for name, value in choices.items() if value is not None}
        if "method" in told:
            told |= {"method": None} | asked_for(told["method"])
        return {"function": f"appraisal.{verb}", "level": self.level} | {n: x for n, x in told.items() if x is not None}


def take(verb: str, data: Any, level: float | None, *, moderators: bool = False, **given: Any) -> Taken:
    """The studies of a fit, a table or arrays (``given`` as of `read`); dropped rows are warned of.

    Raises
    ------
    InputError
        The fit is no pool of one effect a study; with ``moderators`` a meta-regression will do.
    """
    fit = data if isinstance(data, Recorded) else None
    regressions = ("RegressionResult", "LocationScaleResult") if moderators else ()  # a network is more than one
    known = isinstance(fit, Result) or type(fit).__name__ in regressions
    if fit is not None and not known:
        mixed = verb == "egger" and type(fit).__name__ == "RegressionResult"
        hint = ' A regression is taken with model="mixed".' if mixed else ""
        raise InputError(f"{verb}: {kind_of(fit)} was given; give a pool as of vf.random_effects, or the effect table.{hint}")
    own = getattr(fit, "level", 0.95) if level is None else confidence(level)
    studies = read(data, level=own, **given)
    warn_each(studies.notes)
    return Taken(studies, own, fit)

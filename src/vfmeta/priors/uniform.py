"""Uniform prior of tau or of tau2."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np

from vfmeta.priors.family import TauPrior, positive, tau_or_tau2


@dataclass(frozen=True)
class Uniform(TauPrior):
    """Uniform on (0, end); improper on the half-line when ``end`` is left out.

    With ``on="tau2"`` tau2 is uniform up to ``end`` squared (``end`` is always an end of tau), which favours large tau.

    Examples
    --------
    >>> import vfmeta as vf
    >>> float(vf.priors.Uniform(2.0).cdf(1.0))
    0.5
    """

    end: float = math.inf
    note: str = ""
    on: str = "tau"

    def __post_init__(self) -> None:
        if not (isinstance(self.end, (float, np.floating)) and self.end == math.inf):
            positive("end", self.end, "Uniform prior")
        tau_or_tau2(self.on, "Uniform prior")

    @property
    def proper(self) -> bool:  # type: ignore[override]
        return math.isfinite(self.end)

    @property
    def _power(self) -> int:
        return 2 if self.on == "tau2" else 1

    @property
    def tail(self) -> float:
        return math.inf if self.proper else -self._power

    @property
    def high(self) -> float:
        return self.end

    @property
    def size(self) -> float | None:
        return self.end if self.proper else None

    @staticmethod
    def formula(u: Any, t: Any, a: Any, v: Any, k: Any) -> Any:
        return (a[0] - 1) * u

    def parameters(self, v: np.ndarray) -> tuple[float, ...]:
        return (self._power,)

    def constant(self, v: np.ndarray) -> float:
        return math.log(self._power) - (self._power * math.log(self.end) if self.proper else 0.0)

    def _quantile(self, p: np.ndarray, v: np.ndarray) -> np.ndarray:
        return self.end * p ** (1 / self._power)

    def scaled(self, by: float) -> Self:
        return replace(self, end=self.end * by)

    def _pymc(self, pm: Any, name: str, given: dict[str, Any]) -> Any:
        if self.on == "tau":
            return pm.Uniform(name, 0.0, given["end"]) if self.proper else pm.HalfFlat(name)
        if self.proper:  # the share of the end that tau is has density 2x
            return pm.Deterministic(name, given["end"] * pm.Beta(f"{name}_share", 2.0, 1.0))
        return pm.Deterministic(name, pm.math.sqrt(pm.HalfFlat(f"{name}_squared")))

    @property
    def words(self) -> str:
        if not self.proper:
            return f"{self.on} ~ uniform on the half-line, improper"
        return f"{self.on} ~ uniform(0, {self.end:g}{'' if self.on == 'tau' else '^2'})"

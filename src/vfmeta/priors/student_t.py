"""Student's t prior of the mean effect."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from vfmeta.core.messages import InputError
from vfmeta.core.params import generator
from vfmeta.priors.family import Components, MuPrior, finite, positive
from vfmeta.priors.half_t import log_peak_of_t

_MOST = 100_000  # normals that stand for a t


@dataclass(frozen=True)
class StudentT(MuPrior):
    """mu ~ location + scale * t(df): heavy tails that give way when the data disagree.

    O'Hagan & Pericchi 2012, Braz J Probab Stat 26:372-401.
    Solved as N(location, scale^2 / lambda) with lambda ~ gamma(df / 2, df / 2), by equal steps of log lambda; the steps
    of an analytic, fast falling function are exact to about 1e-10 (Trefethen & Weideman 2014, SIAM Review 56:385-458).

    Examples
    --------
    >>> import vfmeta as vf
    >>> round(float(vf.priors.StudentT(4, 0, 1).cdf(0.0)), 9)
    0.5
    """

    df: float
    location: float
    scale: float
    note: str = ""
    uses_y: ClassVar[bool] = True
    light: ClassVar[bool] = False

    def __post_init__(self) -> None:
        positive("df", self.df, "t prior")
        finite("location", self.location, "t prior")
        positive("scale", self.scale, "t prior")

    def components(self, y: np.ndarray, v: np.ndarray) -> Components:
        half = self.df / 2
        # the weights of small lambda fall as lambda^(df/2); a likelihood far out in the tail asks for lambda as small as
        # the squared ratio of scale to distance, and its mixture falls by one half power more
        far = float(np.max(np.abs(y - self.location))) + math.sqrt(float(v.max()))
        bottom = -2 * math.log(max(far / self.scale, 1.0)) - 26 / (half + 0.5)
        top = math.log((half + 40 + 9 * math.sqrt(half)) / half)
        steps = math.ceil((top - bottom) / min(0.4, 0.9 / math.sqrt(half))) if half < _MOST**2 else 0
        if not 0 < steps < _MOST:
            raise InputError(f"{self}: with so many degrees of freedom it is a normal prior; use vf.priors.Normal.")
        w = np.linspace(bottom, top, steps + 1)
        rate = np.exp(w)
        logw = half * math.log(half) - math.lgamma(half) + half * w - half * rate + math.log(w[1] - w[0])
        keep = (logw - logw.max() > -40.0) | (w < 0)
        logw = logw[keep] - math.log(np.exp(logw[keep]).sum())
        return logw, np.full(len(logw), float(self.location)), rate[keep] / self.scale**2

    def log_density(self, x: Any, v: np.ndarray | None = None) -> np.ndarray:
        z = (np.asarray(x, dtype=float) - self.location) / self.scale
        return log_peak_of_t(self.df, self.scale) - (self.df + 1) / 2 * np.log1p(z * z / self.df)

    def _cdf(self, x: np.ndarray, v: np.ndarray) -> np.ndarray:
        from scipy.special import stdtr

        return stdtr(self.df, (x - self.location) / self.scale)

    def _quantile(self, p: np.ndarray, v: np.ndarray) -> np.ndarray:
        from scipy.special import stdtrit

        return self.location + self.scale * stdtrit(self.df, p)

    def draw(self, n: int, seed: Any = 1, v: np.ndarray | None = None) -> np.ndarray:
        return self.location + self.scale * generator(seed).standard_t(self.df, n)

    def _pymc(self, pm: Any, name: str, given: dict[str, Any]) -> Any:
        return pm.StudentT(name, nu=given["df"], mu=given["location"], sigma=given["scale"])

    @property
    def words(self) -> str:
        return f"mu ~ t({self.df:g} df, location {self.location:g}, scale {self.scale:g})"

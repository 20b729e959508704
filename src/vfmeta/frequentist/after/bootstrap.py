"""Intervals by simulation from the fitted model, and by drawing the studies again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from vfmeta.core.messages import ConvergenceError, InputError
from vfmeta.core.params import Bootstrap, choice, confidence, whole
from vfmeta.core.question import Pair
from vfmeta.frequentist.after.influence import as_regression
from vfmeta.frequentist.meta_regression import RegressionResult
from vfmeta.kernels.regression import CollinearError
from vfmeta.kernels.regressions import fit as fit_arrays
from vfmeta.kernels.regressions import fit_many, offered

if TYPE_CHECKING:
    import pandas as pd

_BATCH = 4096


@dataclass(frozen=True)
class BootstrapResult:
    """Draws of the coefficients (``beta``, shape (draws, p)) and of ``tau2`` (draws,), and the estimates they surround."""

    names: tuple[str, ...]
    estimate: np.ndarray
    tau2_estimate: float
    beta: np.ndarray
    tau2: np.ndarray
    kind: str
    level: float
    redrawn: int

    def interval(self, name: str, *, basic: bool = False) -> Pair:
        """Percentile interval of a coefficient or of "tau2", or the basic one (that interval turned about the estimate)."""
        if name == "tau2":
            draws, centre = self.tau2, self.tau2_estimate
        elif name in self.names:
            j = self.names.index(name)
            draws, centre = self.beta[:, j], float(self.estimate[j])
        else:
            raise InputError(f"No parameter is called {name!r}; they are {', '.join(self.names)} and tau2.")
        low, high = np.quantile(draws, [0.5 - self.level / 2, 0.5 + self.level / 2])
        return (2 * centre - float(high), 2 * centre - float(low)) if basic else (float(low), float(high))

    def to_frame(self) -> pd.DataFrame:
        """One row per parameter: parameter, estimate, se (of the draws), ci_low, ci_high (percentile)."""
        import pandas as pd

        rows = []
        for name, centre, draws in [
            *((n, float(self.estimate[j]), self.beta[:, j]) for j, n in enumerate(self.names)),
            ("tau2", self.tau2_estimate, self.tau2),
        ]:
            low, high = self.interval(name)
            se = float(np.std(draws, ddof=1))
            rows.append({"parameter": name, "estimate": centre, "se": se, "ci_low": low, "ci_high": high})
        return pd.DataFrame(rows)


def bootstrap(
    fit: Any, *, kind: Bootstrap = "parametric", draws: int = 1000, level: float | None = None, seed: int | None = 0
) -> BootstrapResult:
    """Bootstrap the coefficients and tau2.

    Parameters
    ----------
    fit : result
        Of `meta_regression`, `random_effects` or `common_effect`.
    kind : {"parametric", "studies"}
        Simulate effects from the fitted model, N(x'b, v + tau2), or draw whole studies with replacement (Van den Noortgate &
        Onghena 2005, Behav Res Methods 37:11-22). Draws of studies that cannot carry the model (a factor level lost) are drawn
        again, and counted in ``redrawn``.
    draws : int
        At least 100.
    level : float, optional
        That of the fit when left out.
    seed : int, optional
        None for other draws each time.
    """
    r = as_regression(fit)
    level = r.level if level is None else level
    confidence(level)
    kind = choice("kind", kind, Bootstrap)
    whole("draws", draws, 100)
    method = r.fixed_tau2 if r.fixed_tau2 is not None else r.method
    rng = np.random.default_rng(seed)
    beta, tau2 = np.empty((draws, r.p)), np.empty(draws)
    sd, redrawn, done = np.sqrt(r.v + r.tau2), 0, 0
    while done < draws:
        wanted = min(draws - done, _BATCH)
        if kind == "parametric":
            rows = np.tile(np.arange(r.k), (wanted, 1))
            y = r.fit.fitted + sd * rng.standard_normal((wanted, r.k))
        else:
            rows = np.stack([rng.integers(r.k, size=r.k) for _ in range(wanted)])
            y = r.y[rows]
        b, t, collinear = _fits(r, y, rows, method)
        redrawn += int(collinear.sum())
        if redrawn > 10 * draws:
            raise InputError("Most draws of studies cannot carry the model; use kind='parametric'.")
        kept = int((~collinear).sum())
        beta[done : done + kept], tau2[done : done + kept] = b[~collinear], t[~collinear]
        done += kept
    return BootstrapResult(r.names, r.beta, r.tau2, beta, tau2, kind, level, redrawn)


def _fits(
    r: RegressionResult, y: np.ndarray, rows: np.ndarray, method: str | float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Coefficients (n, p), tau2 (n,) and whether the design was singular (n,), for effects and design rows (n, k)."""
    weights = None if r.user_weights is None else r.user_weights[rows]
    if offered(method, "Wald"):
        fits = fit_many(y, r.v[rows], r.design.x, rows, method, "Wald", weights)
        if fits.unsettled.any():
            raise ConvergenceError("tau2 was not found for some draw; use another estimator.")
        return fits.beta, fits.tau2, fits.collinear
    beta, tau2 = np.full((len(rows), r.p), np.nan), np.full(len(rows), np.nan)
    for i, own in enumerate(rows):
        try:
            f = fit_arrays(y[i], r.v[own], r.design.x[own], method, "Wald", None if weights is None else weights[i])
        except CollinearError:
            continue
        beta[i], tau2[i] = f.beta, f.tau2
    return beta, tau2, np.isnan(tau2)

"""Intervals by simulation from the fitted model, and by drawing the studies again."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from vfmeta.core.messages import ConvergenceError, InputError, warn_each
from vfmeta.core.params import Bootstrap, OnScale, choice, confidence, generator, whole
from vfmeta.core.question import Pair, Question
from vfmeta.frequentist.after.influence import as_regression
from vfmeta.kernels.regression import fit_many
from vfmeta.results.codec import Recorded
from vfmeta.results.frames import scaled
from vfmeta.text.notes import closing_lines

if TYPE_CHECKING:
    import pandas as pd

_BATCH = 4096


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class BootstrapResult(Recorded):
    """Draws of the coefficients (``draws``, shape (n, p)) and of tau2 (``tau2_draws``, (n,)) around the estimates."""

    engine: ClassVar[str] = "bootstrap"
    absent: ClassVar[dict[str, str]] = {"": "it holds draws of coefficients and tau2; the fit it was made from has the rest."}

    question: Question
    terms: tuple[str, ...]
    estimate: np.ndarray
    tau2: float
    draws: np.ndarray
    tau2_draws: np.ndarray
    kind: str
    level: float
    k: int
    method: str
    redrawn: int
    call: dict[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    @property
    def se(self) -> np.ndarray:
        """Standard deviations of the draws, shape (p,)."""
        return np.std(self.draws, axis=0, ddof=1)

    @property
    def interval(self) -> np.ndarray:
        """Percentile intervals of the coefficients, shape (p, 2)."""
        return np.array([self.interval_of(term) for term in self.terms])

    @property
    def tau2_se(self) -> float:
        """Standard deviation of the draws of tau2."""
        return float(np.std(self.tau2_draws, ddof=1))

    @property
    def tau2_interval(self) -> Pair:
        """Percentile interval of tau2."""
        return self.interval_of("tau2")

    def interval_of(self, term: str, *, basic: bool = False) -> Pair:
        """Percentile interval of a coefficient or of "tau2", or the basic one (that interval turned about the estimate)."""
        if term == "tau2":
            draws, centre = self.tau2_draws, self.tau2
        elif term in self.terms:
            j = self.terms.index(term)
            draws, centre = self.draws[:, j], float(self.estimate[j])
        else:
            raise InputError(f"No parameter is called {term!r}; they are {', '.join(self.terms)} and tau2.")
        low, high = np.quantile(draws, [0.5 - self.level / 2, 0.5 + self.level / 2])
        return (2 * centre - float(high), 2 * centre - float(low)) if basic else (float(low), float(high))

    @property
    def coefficients(self) -> pd.DataFrame:
        """The rows of `to_frame` that are coefficients."""
        return self.to_frame().iloc[:-1]

    def to_frame(self, *, on: OnScale = "analysis") -> pd.DataFrame:
        """One row per coefficient, and tau2: term, estimate, se (of the draws), ci_low, ci_high (percentile), scale."""
        import pandas as pd

        frame = pd.DataFrame({
            "term": list(self.terms), "estimate": self.estimate, "se": self.se, "ci_low": self.interval[:, 0],
            "ci_high": self.interval[:, 1],
        })  # fmt: skip
        low, high = self.tau2_interval
        last = {"term": "tau2", "estimate": self.tau2, "se": self.tau2_se, "ci_low": low, "ci_high": high, "scale": "tau2"}
        frame = scaled(frame, self.question, on, slopes=np.array([term != "Intercept" for term in self.terms]))
        return pd.concat([frame, pd.DataFrame([last])], ignore_index=True)

    def __str__(self) -> str:
        shown = self.to_frame().to_string(index=False, float_format=lambda x: f"{x:.4g}")
        head = f"bootstrap ({self.kind}), {len(self.draws)} draws, {self.level:.0%} percentile intervals"
        return "\n".join([head, shown, *closing_lines(self)])


def bootstrap(
    fit: Any,
    *,
    kind: Bootstrap = "parametric",
    level: float | None = None,
    draws: int = 1000,
    seed: int | None = 1,
) -> BootstrapResult:
    """Bootstrap the coefficients and tau2.

    How often its tests reject and its intervals hold: ``reports/levels.md#bootstrap``.

    Parameters
    ----------
    fit : result
        Of `meta_regression`, `random_effects` or `common_effect`.
    kind : {"parametric", "studies"}
        Simulate effects from the fitted model, N(x'b, v + tau2), or draw whole studies with replacement (Van den Noortgate &
        Onghena 2005, Behav Res Methods 37:11-22). Draws of studies that cannot carry the model (a factor level lost) are drawn
        again, and counted in ``redrawn``. With 20 studies or fewer the percentile intervals are too narrow, and a warning says
        by how much; those of the fit hold better.
    draws : int
        At least 100.
    level : float, optional
        That of the fit when left out.
    seed : int, optional
        None for other draws each time.

    Examples
    --------
    >>> import vfmeta as vf
    >>> fit = vf.meta_regression({"y": [-0.5, -0.3, -0.8, -0.1], "se": [0.2, 0.15, 0.3, 0.2], "dose": [2, 1, 3, 1]}, "~ dose")
    >>> vf.bootstrap(fit, draws=100).draws.shape
    (100, 2)
    """
    r = as_regression(fit)
    level = r.level if level is None else level
    confidence(level)
    kind = choice("kind", kind, Bootstrap)
    whole("draws", draws, 100)
    method = r.fixed_tau2 if r.fixed_tau2 is not None else r.method
    rng = generator(seed)
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
        weights = None if r.user_weights is None else r.user_weights[rows]
        fits = fit_many(y, r.v[rows], r.design.x, rows, method, "Wald", weights)
        if fits.unsettled.any():
            raise ConvergenceError("tau2 was not found for some draw; use another estimator.")
        redrawn += int(fits.collinear.sum())
        if redrawn > 10 * draws:
            raise InputError("Most draws of studies cannot carry the model; use kind='parametric'.")
        sound = ~fits.collinear
        kept = int(sound.sum())
        beta[done : done + kept], tau2[done : done + kept] = fits.beta[sound], fits.tau2[sound]
        done += kept
    notes = tuple(_levels(kind, r.k, r.fixed_tau2 is None))
    warn_each(notes)
    return BootstrapResult(
        question=r.question, terms=r.terms, estimate=r.estimate, tau2=r.tau2, draws=beta, tau2_draws=tau2, kind=kind,
        level=level, k=r.k, method=r.method, redrawn=redrawn, origin=r.origin, warnings=notes,
        call={"function": "bootstrap", "kind": kind, "draws": draws, "seed": seed, "level": level},
    )  # fmt: skip


def _levels(kind: str, k: int, estimated: bool) -> list[str]:
    """What is said of 95% percentile intervals that fall short by more than three points with so few studies."""
    parts = []
    few, some = k <= 7, k <= 14
    if estimated and k <= 20:
        of = ("about 60 to 75%" if few else "about 80%" if some else "80 to 90%") if kind == "studies" else "as low as "
        of = of if kind == "studies" else of + ("81%" if few else "86%" if some else "91%")
        parts.append(f'tau2 in {of} (heterogeneity_interval("Q-profile") of the fit holds)')
    if some and (kind == "studies" or few):
        of = "80 to 83%" if few else "about 90%"
        parts.append(
            f"the mean in {of if kind == 'studies' else '87 to 90%'} (the interval of the fit by Hartung and Knapp holds)"
        )
    return [f"With so few studies ({k}) 95% percentile intervals cover {' and '.join(parts)}."] if parts else []

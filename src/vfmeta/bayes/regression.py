"""Bayesian meta-regression: the verb, and what it answers with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from vfmeta.bayes.exact import choose_priors
from vfmeta.bayes.exact_regression import ExactRegression
from vfmeta.bayes.marginals import NormalMixture
from vfmeta.core.messages import InputError, warn_each
from vfmeta.core.params import IntervalKind, Missing, OnScale, choice, confidence
from vfmeta.core.question import Pair, Question
from vfmeta.effects import design as designs
from vfmeta.effects.design import Design
from vfmeta.effects.reading import read
from vfmeta.priors import Flat, MuPrior, Normal, TauPrior
from vfmeta.results.codec import Recorded
from vfmeta.results.coefficients import told
from vfmeta.results.frames import scaled
from vfmeta.results.posterior import BayesianResult, Marginal
from vfmeta.results.wald import carried, quantile
from vfmeta.text import numbers as tx
from vfmeta.text.notes import closing_lines

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class RegressionPosterior(Recorded):
    """A Bayesian meta-regression. Arrays run over coefficients (p,) or studies (k,).

    ``estimate`` are posterior medians, ``se`` posterior SDs, ``interval`` (p, 2) credible intervals and ``p_above_0`` the
    probabilities of a coefficient above 0; ``tau`` is the marginal of the between-study standard deviation left over.
    ``tau_prior`` and ``beta_priors`` are the priors themselves, ``priors`` says them in words; ``log_evidence`` is the log
    marginal likelihood, None where a prior is improper. `marginal` and `draws` hand out more of the posterior.
    """

    engine: ClassVar[str] = "bayesian"
    packed: ClassVar[frozenset[str]] = frozenset({"design"})
    absent: ClassVar[dict[str, str]] = {
        **BayesianResult.absent, "prediction": "it predicts at given values of its moderators: use predict."
    }  # fmt: skip

    question: Question
    terms: tuple[str, ...]
    estimate: np.ndarray
    se: np.ndarray
    interval: np.ndarray
    p_above_0: np.ndarray
    level: float
    interval_kind: str
    tau: Marginal
    labels: tuple[str, ...]
    y: np.ndarray
    v: np.ndarray
    weights: np.ndarray
    design: Design = field(repr=False)
    tau_prior: TauPrior
    beta_priors: tuple[Normal | Flat, ...]
    priors: tuple[str, ...]
    log_evidence: float | None
    method: str = "exact quadrature"
    warnings: tuple[str, ...] = ()
    call: dict[str, Any] = field(default_factory=dict)

    @property
    def k(self) -> int:
        return len(self.y)

    @property
    def slopes(self) -> np.ndarray:
        """Whether a coefficient is a slope or a difference and not itself a mean effect, shape (p,)."""
        return carried(self.design.x) != 1

    @property
    def tau2(self) -> float:
        """Square of the posterior median of tau."""
        return self.tau.median**2

    @property
    def tau2_interval(self) -> Pair:
        """Interval of tau2, the squares of the limits of tau."""
        low, high = self.tau.interval
        return low**2, high**2

    @cached_property
    def posterior(self) -> ExactRegression:
        """The whole posterior, solved from the data and the priors that this keeps."""
        return ExactRegression(self.y, self.v, self.design.x, self.terms, self.tau_prior, self.beta_priors)

    def marginal(self, term: str) -> NormalMixture:
        """Posterior of a coefficient, with its density, distribution function and quantiles."""
        if term not in self.terms:
            raise InputError(f"There is no coefficient {term!r}; there are {', '.join(self.terms)}.")
        return self.posterior.marginals[term]

    def draws(self, n: int, seed: int = 1) -> dict[str, np.ndarray]:
        """Independent draws from the joint posterior: ``beta`` (n, p) in the order of ``terms``, and ``tau`` (n,)."""
        return self.posterior.draws(n, seed)

    @property
    def coefficients(self) -> pd.DataFrame:
        """One row per coefficient: term, estimate, se, ci_low, ci_high, p_above_0, scale."""
        return self.to_frame()

    def to_frame(self, *, on: OnScale = "analysis") -> pd.DataFrame:
        """The coefficients; ``on="read"`` turns logs of ratios to ratios."""
        import pandas as pd

        frame = pd.DataFrame({
            "term": list(self.terms), "estimate": self.estimate, "se": self.se, "ci_low": self.interval[:, 0],
            "ci_high": self.interval[:, 1], "p_above_0": self.p_above_0,
        })  # fmt: skip
        return scaled(frame, self.question, on, slopes=self.slopes)

    @property
    def studies(self) -> pd.DataFrame:
        """One row per study: study, estimate, se, ci_low, ci_high, weight (percent), fitted, residual, scale."""
        import pandas as pd

        se = np.sqrt(self.v)
        half = quantile(self.level, None) * se
        fitted = self.predict()["estimate"].to_numpy()
        frame = pd.DataFrame({
            "study": list(self.labels), "estimate": self.y, "se": se, "ci_low": self.y - half, "ci_high": self.y + half,
            "weight": self.weights, "fitted": fitted, "residual": self.y - fitted,
        })  # fmt: skip
        return scaled(frame, self.question)

    def predict(self, new: Any = None, *, level: float | None = None, on: OnScale = "analysis") -> pd.DataFrame:
        """Mean effect with its credible interval, and the interval of a further trial's true effect.

        Parameters
        ----------
        new : data frame, dict or array-like, optional
            Moderators by name (as the formula reads them), or design rows of shape (m, p); the studies themselves when left
            out.
        level : float, optional
            That of the fit when left out.
        on : {"analysis", "read"}
            Scale of the effects: that of the analysis, or the one people read (ratios as ratios).

        Returns
        -------
        DataFrame
            estimate (median), se (posterior SD), ci_low, ci_high, prediction_low, prediction_high, scale.
        """
        import pandas as pd

        level = confidence(self.level if level is None else level)
        rows = []
        for x in self.design.x if new is None else self.design.rows(new):
            mean = self.posterior.combination(x)
            ahead = self.posterior.further(mean)
            both = (*mean.interval(level, self.interval_kind), *ahead.interval(level, self.interval_kind))
            rows.append((mean.median, mean.sd, *both))
        columns = ["estimate", "se", "ci_low", "ci_high", "prediction_low", "prediction_high"]
        frame = pd.DataFrame(rows, columns=columns, index=list(self.labels) if new is None else None)
        return scaled(frame, self.question, on)

    def __str__(self) -> str:
        estimate, interval, what = told(self.question, self.slopes, self.estimate, self.interval)
        kind = f"{tx.level_text(self.level)} {self.interval_kind} interval"
        head = f"exact meta-regression, k = {self.k}, {what}: median ({kind})"
        tau = f"tau {tx.spread_of(self.question)}".rstrip()
        parts = [*zip(self.terms, estimate, interval, strict=True), (tau, self.tau.median, self.tau.interval)]
        lines = [f"{n:<12} {tx.short(float(x))} ({tx.span_text((float(low), float(high)))})" for n, x, (low, high) in parts]
        return "\n".join([head, *lines, *(f"prior: {p}" for p in self.priors), *closing_lines(self)])

    def _pack(self) -> dict[str, Any]:
        return {"design": self.design.to_dict()}

    @classmethod
    def _unpack(cls, data: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
        return {"design": Design.from_dict(data["design"])}


def meta_regression(
    data: Any = None,
    formula: str | None = None,
    *,
    y: Any = None,
    v: Any = None,
    se: Any = None,
    V: Any = None,
    ci: Any = None,
    study: Any = None,
    x: Any = None,
    names: Sequence[str] | None = None,
    tau: TauPrior | None = None,
    beta: Normal | Flat | Mapping[str, Normal | Flat] | None = None,
    level: float = 0.95,
    interval: IntervalKind = "central",
    question: Question | None = None,
    missing: Missing = "raise",
) -> RegressionPosterior:
    """Exact Bayesian meta-regression.

    Parameters
    ----------
    data, y, v, se, V, ci, study, tau, level, interval, question, missing
        As in `random_effects`.
    formula, x, names
        As in `vfmeta.meta_regression`: the right side of a formula over the columns of ``data``, or the design matrix itself.
    beta : prior, or mapping of names to priors, optional
        Normal or flat, on the scale of each coefficient (the intercept is ``Intercept``); flat where nothing is said.

    Raises
    ------
    InputError
        Moderators of wrong shape, missing or constant where they must not be, or an improper posterior.

    Examples
    --------
    >>> import vfmeta as vf
    >>> data = {"y": [-0.5, -0.3, -0.8, -0.1], "se": [0.2, 0.15, 0.3, 0.2], "dose": [2.0, 1.0, 3.0, 0.0]}
    >>> post = vf.bayes.meta_regression(data, "~ dose", tau=vf.priors.HalfNormal(0.5), beta={"dose": vf.priors.Normal(0, 1)})
    >>> post.terms, bool(post.estimate[1] < 0)
    (('Intercept', 'dose'), True)
    """
    interval = choice("interval", interval, IntervalKind)
    s = read(data, y=y, v=v, se=se, V=V, ci=ci, study=study, question=question, missing=missing, level=level)
    s, design = designs.prepared(s, [designs.part(formula, x, names, s)], missing)
    tau, _ = choose_priors(s.question, tau, Flat())
    chosen = coefficient_priors(design.names, beta)
    flat = [not b.proper for b in chosen]
    refuse_dependent(design.x[:, flat], [n for n, free in zip(design.names, flat, strict=True) if free])
    post = ExactRegression(s.y, s.v, design.x, design.names, tau, chosen)
    parts = list(post.marginals.values())
    warn_each(s.notes)
    return RegressionPosterior(
        question=s.question, terms=design.names, estimate=np.array([p.median for p in parts]),
        se=np.array([p.sd for p in parts]), interval=np.array([p.interval(level, interval) for p in parts]),
        p_above_0=np.array([1 - float(p.cdf(0.0)) for p in parts]), level=float(level), interval_kind=interval,
        tau=post.tau.summary(level, interval), labels=s.labels, y=s.y, v=s.v, weights=post.weights, design=design,
        tau_prior=tau, beta_priors=tuple(chosen), priors=said(design.names, tau, chosen),
        log_evidence=post.log_marginal_likelihood, origin=s.origin, warnings=tuple(s.notes),
        call={
            "function": "bayes.meta_regression", "formula": design.formula, "tau": str(tau), "level": float(level),
            "interval": interval,
        },
    )  # fmt: skip


def said(terms: Sequence[str], tau: TauPrior, beta: Sequence[Normal | Flat]) -> tuple[str, ...]:
    """The priors in words."""
    return (str(tau), *(f"{n}: {str(b).replace('mu', 'beta')}" for n, b in zip(terms, beta, strict=True)))


def coefficient_priors(names: Sequence[str], beta: Any) -> list[Normal | Flat]:
    """A prior for every coefficient; flat where ``beta`` says nothing."""
    stated: Mapping[str, Any] = beta if isinstance(beta, Mapping) else dict.fromkeys(names, beta) if beta is not None else {}
    unknown = set(stated) - set(names)
    if unknown:
        raise InputError(
            f"beta names {', '.join(sorted(map(repr, unknown)))}, which is no coefficient; there are {', '.join(names)}."
        )
    chosen = [stated.get(n, Flat()) for n in names]
    for n, b in zip(names, chosen, strict=True):
        if not isinstance(b, MuPrior) or b.normal is None:
            raise InputError(
                f"beta[{n!r}]={b!r} is no prior of a coefficient; use vf.priors.Normal(mean, sd) or vf.priors.Flat()."
            )
    return chosen


def refuse_dependent(x: np.ndarray, names: Sequence[str]) -> None:
    """An error when columns of ``x`` (k, p), those with flat priors, are linearly dependent."""
    if x.shape[1] and np.linalg.matrix_rank(x / np.maximum(np.abs(x).max(0), 1e-300)) < x.shape[1]:
        raise InputError(
            "The moderators with flat priors cannot be told apart in these studies (their columns are linearly dependent): "
            f"{', '.join(names)}."
        )

"""A frequentist pool computed a second time, by statsmodels, and how far the two lie apart.

DerSimonian-Laird and Paule-Mandel are `combine_effects` from data to interval. Where statsmodels has no estimator of tau2
(REML, ML) it supplies the log likelihood, that of its Gaussian GLM with the scale held at 1, and the fit at the tau2 that
maximises it; the search is scipy's and the restricted term is added here. (``llf`` of its WLS and GLM is no help: it profiles
the scale out.) Models of counts with a common effect are its binomial and Poisson GLM.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from vfmeta.core.messages import ConvergenceError, InputError
from vfmeta.core.question import Pair

if TYPE_CHECKING:
    from vfmeta.frequentist.glmm.result import CountResult
    from vfmeta.results.fit import FrequentistResult

# Both engines are exact up to where an iteration stops; a true difference of method or data is far larger.
LIMIT = 1e-5
_ITSELF = ("estimate", "SE", "interval", "Q")
_COUNTS = {
    "OR": ("events1", "n1", "events2", "n2"), "IRR": ("events1", "time1", "events2", "time2"),
    "PLO": ("events", "n"), "IRLN": ("events", "time"),
}  # fmt: skip


@dataclass(frozen=True)
class Apart:
    """One figure of both engines; ``size`` is their distance in ``unit``, the figure's own measure of what matters."""

    figure: str
    ours: float
    theirs: float
    unit: float

    @property
    def size(self) -> float:
        return abs(self.ours - self.theirs) / self.unit if self.ours != self.theirs else 0.0


@dataclass(frozen=True)
class SecondPool:
    """A pool as statsmodels computes it, beside ours.

    ``itself`` is what statsmodels did, ``from_us`` what it was given, ``notes`` what else there is to say. ``figures`` holds
    estimate, SE, both ends of the interval, tau2 and Q; units are the pool's standard error, its typical variance for
    tau2, and the degrees of freedom of Q.
    """

    method: str
    itself: tuple[str, ...]
    from_us: tuple[str, ...]
    figures: tuple[Apart, ...]
    notes: tuple[str, ...] = ()

    @property
    def worst(self) -> Apart:
        return max(self.figures, key=lambda f: f.size)

    @property
    def agrees(self) -> bool:
        return self.worst.size <= LIMIT

    def to_dict(self) -> dict[str, Any]:
        """Plain data; `from_dict` reads it back."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> SecondPool:
        lists = {name: tuple(data[name]) for name in ("itself", "from_us", "notes")}
        return cls(data["method"], figures=tuple(Apart(**f) for f in data["figures"]), **lists)


def second_pool(fit: FrequentistResult) -> SecondPool:
    """Compute a pool of `vf.random_effects` or `vf.common_effect` a second time.

    Parameters
    ----------
    fit : FrequentistResult
        Only its studies (y and v), the methods it names, its level, and a tau2 that was held, are given to statsmodels.

    Returns
    -------
    SecondPool

    Raises
    ------
    InputError
        One study (nothing was pooled), weights of the user's own, or an estimator of tau2 or kind of interval that statsmodels
        knows no road to.
    """
    if fit.k < 2:
        raise InputError("One study only: nothing was pooled, so there is nothing to compute a second time.")
    if "weights" in fit.call:
        raise InputError("statsmodels pools by inverse variances only, and this pool has weights of its own.")
    if fit.test not in ("Wald", "t", "HKSJ", "HKSJ-adhoc"):
        raise InputError(f"statsmodels makes no {fit.test} interval.")
    method = fit.method
    if method in ("DL", "PM", "common effect"):
        return _by_combine_effects(fit, method)
    if method in ("REML", "ML"):
        return _by_likelihood(fit, method)
    if method == "fixed":
        return _at(fit, float(fit.tau2 or 0.0), ("effects", "variances", "tau2, which was held"), ())
    raise InputError(f"statsmodels has no {method} estimator of tau2.")


def _by_combine_effects(fit: FrequentistResult, method: str) -> SecondPool:
    with np.errstate(invalid="ignore"):  # its random-effects half is undefined below 0, and not used then
        found, notes = _combined(fit, method), []
        intervals = found.conf_int(alpha=1 - fit.level, use_t=fit.test != "Wald")
    cut = method == "DL" and found.tau2 < 0
    if cut:
        notes.append(f"statsmodels' own tau2 is {found.tau2:.3g}; it was cut at 0, and its results at tau2 = 0 stand here.")
    fixed = cut or method == "common effect"
    mean, se0, se_hk = (
        (found.mean_effect_fe, found.sd_eff_w_fe, found.sd_eff_w_fe_hksj)
        if fixed
        else (found.mean_effect_re, found.sd_eff_w_re, found.sd_eff_w_re_hksj)
    )
    kind = fit.test
    knapp = kind == "HKSJ" or (kind == "HKSJ-adhoc" and se_hk > se0)
    low, high = intervals[(2 if knapp else 0) + (0 if fixed else 1)]
    tau2 = None if method == "common effect" else 0.0 if cut else float(found.tau2)
    itself = (*(() if tau2 is None else ("tau2",)), *_ITSELF)
    se = se_hk if knapp else se0
    return _beside(fit, method, mean, se, (low, high), tau2, found.q, itself, ("effects", "variances"), notes)


def _combined(fit: FrequentistResult, method: str) -> Any:
    """What `combine_effects` finds; Paule-Mandel as closely as its iteration goes.

    Its Newton steps come from below and stop when the equation holds to ``atol``. One that oversteps by a last bit is taken
    for "no heterogeneity" and answered with tau2 = 0; then a wider ``atol`` is asked for.
    """
    from statsmodels.stats.meta_analysis import combine_effects

    ask = partial(combine_effects, fit.y, fit.v)
    if method != "PM":
        return ask(method_re="dl")
    for atol in (1e-10, 1e-8, 1e-6):
        found = ask(method_re="pm", atol=atol, maxiter=1000)
        # with tau2 above 0 the generalised Q equals its degrees of freedom
        if found.q <= found.df or abs(found.scale_hksj_re - 1) < 10 * atol:
            return found
    raise ConvergenceError("statsmodels' Paule-Mandel iteration did not settle.")


def _by_likelihood(fit: FrequentistResult, method: str) -> SecondPool:
    from scipy.optimize import minimize_scalar

    restricted = method == "REML"

    def minus(tau2: float) -> float:
        start = np.average(fit.y, weights=1 / (fit.v + tau2))  # where least squares end: one step instead of two
        found = _glm(fit, tau2).fit(scale=1.0, start_params=[start])
        term = 0.5 * math.log(float(found.normalized_cov_params[0, 0])) if restricted else 0.0
        return -(float(found.llf_scaled(1.0)) + term)

    span = float(np.ptp(fit.y)) ** 2  # no larger tau2 is likelier: beyond it both likelihoods fall
    grid = np.concatenate([[0.0], span * np.geomspace(1e-8, 4.0, 24)]) if span else np.zeros(1)
    heights = np.array([minus(t) for t in grid])
    best = int(heights.argmin())
    tau2 = float(grid[best])
    if span:
        low, high = grid[max(best - 1, 0)], grid[min(best + 1, len(grid) - 1)]
        found = minimize_scalar(minus, bounds=(low, high), method="bounded", options={"xatol": 1e-10 * high, "maxiter": 200})
        tau2 = float(found.x) if found.fun < min(heights[best], heights[0]) else tau2
    from_us = ("effects", "variances", *(("restricted term of the likelihood",) if restricted else ()), "search of its maximum")
    return _at(fit, tau2, from_us, ("log likelihood",))


def _at(fit: FrequentistResult, tau2: float, from_us: tuple[str, ...], itself: tuple[str, ...]) -> SecondPool:
    """Estimate, SE and interval of the Gaussian GLM at a tau2."""
    glm, kind = _glm(fit, tau2), fit.test
    fitted = glm.fit(scale=1.0, use_t=kind != "Wald")
    if kind == "HKSJ" or (kind == "HKSJ-adhoc" and fitted.pearson_chi2 > fitted.df_resid):
        fitted = glm.fit(scale="X2", use_t=True)  # Hartung-Knapp's factor is the GLM's own estimate of its scale
    low, high = fitted.conf_int(alpha=1 - fit.level)[0]
    q = _glm(fit, 0.0).fit(scale=1.0).pearson_chi2
    method = fit.method
    return _beside(fit, method, fitted.params[0], fitted.bse[0], (low, high), tau2, q, (*itself, *_ITSELF), from_us, [])


def _glm(fit: FrequentistResult, tau2: float) -> Any:
    from statsmodels.genmod.families import Gaussian
    from statsmodels.genmod.generalized_linear_model import GLM

    return GLM(fit.y, np.ones((fit.k, 1)), family=Gaussian(), var_weights=1 / (fit.v + tau2))


def _beside(
    fit: FrequentistResult, method: str, estimate: float, se: float, interval: Pair, tau2: float | None, q: float,
    itself: tuple[str, ...], from_us: tuple[str, ...], notes: list[str],
) -> SecondPool:  # fmt: skip
    unit = float(np.sum(1 / (fit.v + (fit.tau2 or 0.0)))) ** -0.5  # never 0, as a Hartung-Knapp error may be
    figures = [
        Apart("estimate", fit.estimate, float(estimate), unit),
        Apart("SE", fit.se, float(se), unit),
        Apart("lower end", fit.interval[0], float(interval[0]), unit),
        Apart("upper end", fit.interval[1], float(interval[1]), unit),
        Apart("Q", fit.q.statistic, float(q), float(fit.q.df)),
    ]
    if tau2 is not None and fit.tau2 is not None:
        figures.insert(4, Apart("tau2", fit.tau2, tau2, fit.tau2 + (fit.typical_variance or float(fit.v.mean()))))
    return SecondPool(method, itself, from_us, tuple(figures), tuple(notes))


def second_counts(fit: CountResult, **counts: Any) -> SecondPool:
    """Compute a common-effect model of counts (`vf.glmm` with a common effect) a second time, as statsmodels' GLM.

    Parameters
    ----------
    fit : CountResult
        Models UM.FS, CM.AL, CM.EL of rates, or of one arm.
    **counts : array-likes of shape (k,)
        The counts that the model was given: ``events1, n1, events2, n2`` and so on.

    Returns
    -------
    SecondPool

    Raises
    ------
    InputError
        Random effects, or the exact conditional model of an odds ratio: a GLM has neither.
    """
    measure, model = fit.call["measure"], fit.call["model"]
    if fit.model != "common" or model == "UM.RS":
        raise InputError("statsmodels' GLM has no random effects; only a common effect can be computed a second time.")
    if measure == "OR" and model == "CM.EL":
        raise InputError("statsmodels' GLM knows no hypergeometric distribution; CM.AL and UM.FS have a second engine.")
    arrays = [np.asarray(counts[name], dtype=float) for name in _COUNTS[measure]]
    rates = measure in ("IRR", "IRLN")
    if len(arrays) == 2:
        fitted = _count_glm(arrays[0], arrays[1], np.ones((len(arrays[0]), 1)), rates)
    else:
        a, m1, c, m2 = arrays
        tells = (a + c > 0) & (np.bool_(rates) | (a + c < m1 + m2))  # a study without contrast says nothing of the effect
        a, m1, c, m2 = (x[tells] for x in arrays)
        k = len(a)
        if model == "UM.FS":
            group = np.repeat([0.5, -0.5], k)[:, None]
            design = np.hstack([group, np.vstack([np.eye(k), np.eye(k)])])
            fitted = _count_glm(np.concatenate([a, c]), np.concatenate([m1, m2]), design, rates)
        else:  # given the events of both arms together, those of arm 1 are binomial
            fitted = _count_glm(a, a + c, np.ones((k, 1)), False, np.log(m1 / m2))
    # the quantile is ours: the GLM's degrees of freedom are not those of the model
    half = (fit.interval[1] - fit.interval[0]) / 2 / fit.se
    estimate, se = float(fitted.params[0]), float(fitted.bse[0])
    figures = (
        Apart("estimate", fit.estimate, estimate, fit.se), Apart("SE", fit.se, se, fit.se),
        Apart("lower end", fit.interval[0], estimate - half * se, fit.se),
        Apart("upper end", fit.interval[1], estimate + half * se, fit.se),
    )  # fmt: skip
    return SecondPool(fit.method, ("likelihood", "estimate", "SE"), ("counts", "quantile of the interval"), figures)


def _count_glm(events: np.ndarray, size: np.ndarray, design: np.ndarray, rates: bool, offset: np.ndarray | None = None) -> Any:
    from statsmodels.genmod.families import Binomial, Poisson
    from statsmodels.genmod.generalized_linear_model import GLM

    if rates:
        model = GLM(events, design, family=Poisson(), exposure=size)
    else:
        model = GLM(np.column_stack([events, size - events]), design, family=Binomial(), offset=offset)
    return model.fit(tol=1e-12, maxiter=200)

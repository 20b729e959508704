"""Questions put to a fit: which studies drive it, how far each lies from it, what each one's own effect is.

Every function takes what `random_effects`, `common_effect` or `meta_regression` returned; `residuals`, `influence` and `blups`
take what `multivariate` returned as well.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from vfmeta.core.messages import InputError, kind_of, warn
from vfmeta.core.params import Influential, Predicted, RegressionTest, choice, choices, confidence
from vfmeta.effects.design import INTERCEPT, Design
from vfmeta.effects.reading import Studies
from vfmeta.frequentist.meta_regression import fitted
from vfmeta.frequentist.multivariate import deletion
from vfmeta.frequentist.multivariate.result import MultivariateResult
from vfmeta.frequentist.regression_result import RegressionResult
from vfmeta.kernels.deletion import Deleted, Influence, leave_one_out
from vfmeta.kernels.deletion import influence as _influence
from vfmeta.kernels.regression import log_likelihood
from vfmeta.kernels.shrinkage import integrated
from vfmeta.kernels.tau2 import ESTIMATORS
from vfmeta.results.fit import FrequentistResult
from vfmeta.results.frames import scaled
from vfmeta.results.wald import quantile, two_sided
from vfmeta.text.notes import INVERSE_VARIANCE, cannot_be_left_out

if TYPE_CHECKING:
    import pandas as pd


def residuals(fit: Any, *, cluster: Any = None, reestimate: bool = True) -> pd.DataFrame:
    """Residuals of every kind, one row per study.

    How often its tests reject and its intervals hold: ``reports/levels.md#residuals``.

    Parameters
    ----------
    fit : result
        Of `random_effects`, `common_effect`, `meta_regression` or `multivariate`.
    cluster : column name or sequence of k values, optional
        For `multivariate`: the deleted residuals of an effect leave out its whole cluster.
    reestimate : bool
        For `multivariate`: estimate the variances anew without each cluster, or (quicker) hold them.

    Returns
    -------
    DataFrame
        study, residual (y minus fitted), se, standardised (residual over its own standard error, the study being part of the
        fit; 0 where its leverage is 1), deleted_residual, deleted_se, studentised (the same for the fit without the study),
        studentised_df (infinite: normal) and studentised_p_value (of one study looked at), pearson (residual over sqrt(v +
        tau2)) and weight (percent). Studentised residuals are NaN, with a warning, where the model cannot be fitted without
        the study, or fits every study exactly. Of a multivariate model: study, residual, se, standardised, hat,
        deleted_residual, deleted_se, studentised.

    Notes
    -----
    Viechtbauer & Cheung 2010, Res Synth Methods 1:112-125. With Hartung-Knapp the factor of the fit without the study scales
    the deleted standard errors, as an estimate of residual spread must not contain the study that it judges. So scaled,
    studentised residuals are held against t with the degrees of freedom of the fit without the study, k - 1 - p, and so they
    are wherever tau2 is estimated; against the normal distribution (no df) where it is known and the test is "Wald".

    Examples
    --------
    >>> import vfmeta as vf
    >>> fit = vf.common_effect(y=[-0.5, -0.3, -0.1], v=[0.04, 0.04, 0.04])
    >>> vf.residuals(fit)["residual"].round(6).tolist()
    [-0.2, 0.0, 0.2]
    """
    if isinstance(fit, MultivariateResult):
        return deletion.residuals(fit, cluster, reestimate)
    _univariate_only(cluster, reestimate)
    r = as_regression(fit)
    f = r.fit
    rest = r.y - f.fitted
    if r.user_weights is None:
        se = np.sqrt(np.maximum(1 - f.hat, 0.0) * (r.v + r.tau2))
    else:
        # (I - H) M (I - H)' with H = X (X'AX)^-1 X'A, which is not symmetric
        a = r.user_weights
        h = f.x @ np.linalg.solve((f.x.T * a) @ f.x, f.x.T * a)
        away = np.eye(r.k) - h
        se = np.sqrt(((away**2) * (r.v + r.tau2)).sum(1))
    with np.errstate(divide="ignore", invalid="ignore"):
        # a study that alone carries its fitted value has a residual of zero whatever its effect
        standardised = np.where(f.hat > 1 - 1e-12, 0.0, rest / se)
    _, case = _cases(r)
    columns = {
        "study": list(r.labels), "residual": rest, "se": se, "standardised": standardised, "deleted_residual": case.residual,
        "deleted_se": case.residual_se, "studentised": case.studentised, **_held(r, case),
        "pearson": rest / np.sqrt(r.v + r.tau2), "weight": r.weights,
    }  # fmt: skip
    return scaled(columns, r.question)


def influence(fit: Any, *, cluster: Any = None, kind: Influential = "family-wise", reestimate: bool = True) -> pd.DataFrame:
    """How the fit changes without each study, or each cluster of effects.

    How often its tests reject and its intervals hold: ``reports/levels.md#influence``.

    Parameters
    ----------
    fit : result
        Of `random_effects`, `common_effect`, `meta_regression` or `multivariate`.
    cluster : column name or sequence of k values, optional
        For `multivariate`: what is left out together, such as a trial with all its effects; single effects when left out.
    kind : {"family-wise", "Viechtbauer-Cheung"}
        What is called influential: see the notes.
    reestimate : bool
        For `multivariate`: estimate the variances anew without each cluster, or (quicker) hold them.

    Returns
    -------
    DataFrame
        study, studentised, studentised_df and studentised_p_value (as of `residuals`), dffits, cook, covratio, tau2_without,
        q_without, hat, weight (percent), one dfbetas_<coefficient> per coefficient, and influential. Of a multivariate model, a
        row per cluster: study (the cluster, or the effect with its studentised residual), k, statistic (squared Mahalanobis
        distance of its deleted residuals, chi-squared with k df), p_value, cook, covratio, hat (leverage, summed),
        dfbetas_<coefficient>, the variances and correlations without it, and influential (the leverage being held to 3 p / k
        for each of its effects).

    Notes
    -----
    Viechtbauer & Cheung 2010, Res Synth Methods 1:112-125; definitions in `vfmeta.kernels.deletion.influence`. Family-wise, a
    study is called influential where its p value times the number of studies (Bonferroni) is below 0.05: in about one set in
    twenty in which no study lies apart (one in ten where variances differ 25-fold). By the rule of Viechtbauer and Cheung it is
    where DFFITS in size exceeds 3 sqrt(p / (k - p)), the lower tail of chi-squared with p df at Cook's distance exceeds one
    half, the leverage exceeds 3 p / k, or any DFBETAS in size exceeds 1: by chance alone some study is, in about 80, 50 and 35%
    of sets of 5, 10 and 20. Values are NaN, and the study named in a warning, where the model cannot be fitted without the
    study, or fits the others exactly.

    Examples
    --------
    >>> import vfmeta as vf
    >>> fit = vf.random_effects(y=[-0.5, -0.3, -0.8], se=[0.2, 0.15, 0.3], study=["A", "B", "C"])
    >>> vf.influence(fit)["study"].tolist()
    ['A', 'B', 'C']
    """
    import pandas as pd
    from scipy.special import chdtr

    kind = choice("kind", kind, Influential)
    if isinstance(fit, MultivariateResult):
        return deletion.influence(fit, cluster, reestimate, kind)
    _univariate_only(cluster, reestimate)
    r = as_regression(fit)
    without, case = _cases(r)
    p, k, hat = r.p, r.k, r.fit.hat
    held = _held(r, case)
    far = (
        held["studentised_p_value"] * k < 0.05
        if kind == "family-wise"
        else (np.abs(case.dffits) > 3 * np.sqrt(p / max(k - p, 1)))
        | (chdtr(p, np.nan_to_num(case.cook)) > 0.5)
        | (hat > 3 * p / k)
        | np.any(np.abs(case.dfbetas) > 1, axis=1)
    )
    columns: dict[str, Any] = {
        "study": list(r.labels), "studentised": case.studentised, **held, "dffits": case.dffits, "cook": case.cook,
        "covratio": case.covratio, "tau2_without": without.tau2, "q_without": without.q, "hat": hat, "weight": r.weights,
    }  # fmt: skip
    columns |= {f"dfbetas_{name}": case.dfbetas[:, j] for j, name in enumerate(r.terms)}
    return pd.DataFrame(columns | {"influential": far})


def baujat(fit: Any) -> pd.DataFrame:
    """Coordinates of the Baujat plot: study, heterogeneity (its part in Q) and influence (on the fitted value).

    Baujat, Mahe, Pignon & Hill 2002, Stat Med 21:2641-2652: the squared Pearson residual of the study, and the squared shift of
    its fitted value when it is left out, over the variance of that value without it.

    Examples
    --------
    >>> import vfmeta as vf
    >>> fit = vf.random_effects(y=[-0.5, -0.3, -0.8], se=[0.2, 0.15, 0.3], study=["A", "B", "C"])
    >>> vf.baujat(fit)["study"].tolist()
    ['A', 'B', 'C']
    """
    import pandas as pd

    r = as_regression(fit)
    _, case = _cases(r)
    return pd.DataFrame({"study": list(r.labels), "heterogeneity": case.baujat_x, "influence": case.baujat_y})


def blups(fit: Any, *, kind: Predicted | None = None, level: float | None = None) -> pd.DataFrame:
    """The effect of each study given all of them, drawn towards the model's mean.

    How often its tests reject and its intervals hold: ``reports/levels.md#blups``.

    Parameters
    ----------
    fit : result
        Of `random_effects`, `common_effect`, `meta_regression` or `multivariate`.
    kind : {"integrated", "plug-in"}, optional
        Whether the intervals carry the uncertainty of tau2, or take its estimate as known (best linear unbiased predictions, as
        in R). Integrated when left out, wherever tau2 is estimated from at least three studies (k - p of 2); plug-in with a
        tau2 that was given, and of a multivariate model.
    level : float, optional
        That of the fit when left out.

    Returns
    -------
    DataFrame
        study, estimate, se, ci_low, ci_high, shrinkage (share of the model's mean in the estimate); the study's deviation from
        the model: deviation, deviation_se, deviation_low, deviation_high; and scale. Of a multivariate model: study, estimate,
        se, ci_low, ci_high, scale; its method ``random_effects()`` gives the random effects term by term.

    Notes
    -----
    Given tau2, with lambda = v / (v + tau2) the estimate is lambda x'b + (1 - lambda) y and its variance lambda tau2 + lambda^2
    Var(x'b); the deviation is (1 - lambda)(y - x'b) with variance lambda tau2 + (1 - lambda)^2 Var(x'b) (Raudenbush & Bryk
    1985, J Educ Stat 10:75-98; Harville 1976, Ann Stat 4:384-395). Plugged in at the estimate of tau2, 95% intervals cover 83
    to 98% (with 5 trials and 10), whichever test the fit has, whose distribution they use.

    Integrated, they are means, SDs and quantiles over the restricted likelihood of tau2, its prior flat (of tau with k - p of
    2), whatever estimator the fit has: such intervals hold their level over repeated sets of studies and are no wider than
    those of the study alone (Morris 1983, JASA 78:47-55; Morris & Tang 2011, Stat Sci 26:271-287).

    Examples
    --------
    >>> import vfmeta as vf
    >>> fit = vf.random_effects(y=[-0.5, -0.3, -0.8], se=[0.2, 0.15, 0.3], study=["A", "B", "C"])
    >>> vf.blups(fit)["study"].tolist()
    ['A', 'B', 'C']
    """
    import pandas as pd

    kind = None if kind is None else choice("kind", kind, Predicted)
    if isinstance(fit, MultivariateResult):
        if kind == "integrated":
            raise InputError('kind="integrated" is of one tau2; of a fit of vf.multivariate use kind="plug-in".')
        return fit.blups(level)
    r = as_regression(fit)
    if r.user_weights is not None:
        raise InputError(INVERSE_VARIANCE)
    level = r.level if level is None else level
    confidence(level)
    f = r.fit
    known = r.fixed_tau2 is not None or r.method == "common"
    if kind == "integrated" and (known or r.k - r.p < 2):
        why = "tau2 was given" if known else f"{r.k} studies and {r.p} coefficients leave too little to tell tau2"
        raise InputError(f'kind="integrated" is over an estimated tau2, and {why}; use kind="plug-in".')
    if kind is None:
        kind = "plug-in" if known or r.k - r.p < 2 else "integrated"
    if kind == "integrated":
        found = integrated(r.y, r.v, f.x, r.tau2 + float(np.median(r.v)))
        (estimate, se), (deviation, wide), own = found.effect.moments(), found.deviation.moments(), found.shrinkage
        ends = [m.quantiles(q) for m in (found.effect, found.deviation) for q in (0.5 - level / 2, 0.5 + level / 2)]
    else:
        mean = f.fitted
        spread = np.einsum("kp,pq,kq->k", f.x, f.vb, f.x)
        own = r.v / (r.v + r.tau2)
        estimate, se = own * mean + (1 - own) * r.y, np.sqrt(own * r.tau2 + own**2 * spread)
        deviation, wide = (1 - own) * (r.y - mean), np.sqrt(own * r.tau2 + (1 - own) ** 2 * spread)
        t = quantile(level, r._df(f.x))
        ends = [estimate - t * se, estimate + t * se, deviation - t * wide, deviation + t * wide]
    frame = pd.DataFrame({
        "study": list(r.labels), "estimate": estimate, "se": se, "ci_low": ends[0], "ci_high": ends[1], "shrinkage": own,
        "deviation": deviation, "deviation_se": wide, "deviation_low": ends[2], "deviation_high": ends[3],
    })  # fmt: skip
    return scaled(frame, r.question)


def profile_likelihood(fit: Any, at: Any = None) -> pd.DataFrame:
    """Log-likelihood of tau2, the coefficients at their best for each value.

    Parameters
    ----------
    fit : result
        Of ``method="ML"`` or ``"REML"``.
    at : array-like, optional
        Values of tau2 at which it is wanted; 101 from zero to the upper Q-profile limit when left out.

    Returns
    -------
    DataFrame
        tau2, log_likelihood. The restricted one keeps its constants with orthonormal error contrasts (Harville 1974).

    Examples
    --------
    >>> import vfmeta as vf
    >>> fit = vf.random_effects(y=[-0.5, -0.3, -0.8], se=[0.2, 0.15, 0.3], study=["A", "B", "C"])
    >>> len(vf.profile_likelihood(fit, [0.0, 0.1]))
    2
    """
    import pandas as pd

    r = as_regression(fit)
    if r.method not in ("ML", "REML"):
        raise InputError('A likelihood profile needs a fit by method="ML" or "REML".')
    if at is None:
        span = r.tau2_interval
        at = np.linspace(0, max(span[1] if span else 0.0, 2 * r.tau2, float(r.v.min())), 101)
    try:
        grid = np.atleast_1d(np.asarray(at, dtype=float))
    except (TypeError, ValueError, OverflowError) as error:
        raise InputError(f"at={at!r:.80} holds no numbers; give finite values of tau2, at least 0.") from error
    if grid.ndim != 1 or not np.all(np.isfinite(grid) & (grid >= 0)):
        raise InputError("at must hold finite values of tau2, at least 0.")
    ll = log_likelihood(r.fit.model, grid, r.method == "REML")
    return pd.DataFrame({"tau2": grid, "log_likelihood": ll})


def as_regression(fit: Any) -> RegressionResult:
    """The fit as a meta-regression: itself, or the one with an intercept only that a pooled result is."""
    if type(fit) is not RegressionResult and isinstance(fit, RegressionResult):
        raise InputError("The rows of a network are parts of trials, not studies; see vf.networks for what is asked of one.")
    if isinstance(fit, RegressionResult):
        return fit
    if not isinstance(fit, FrequentistResult):
        raise InputError(
            f"{kind_of(fit, 'A')} was given; give what vf.random_effects, vf.common_effect or vf.meta_regression returned."
        )
    if fit.k < 2:
        raise InputError("One study only: there is nothing to compare it with.")
    weights = fit.weights if "weights" in fit.call else None  # percent; only their ratios matter
    method: Any = "common" if fit.model == "common" else fit.call.get("tau2", fit.method)
    studies = Studies(fit.y, fit.v, fit.labels, fit.question, fit.details, ())
    design = Design(np.ones((fit.k, 1)), (INTERCEPT,), "~ 1")
    known = isinstance(method, (int, float)) or method in {*ESTIMATORS, "common"}
    if not known:
        # an estimator that exists for pools only: its value stands, and is held when a study is left out
        method = float(fit.tau2 or 0.0)
        warn(f"tau2 by {fit.method} is held at its value: that estimator is not defined for regressions here.")
    test = fit.test
    if test not in choices(RegressionTest):
        warn(f"The {test} interval is of a mean alone; what is asked here is answered with Hartung and Knapp's standard error.")
        test = "HKSJ"
    return fitted(studies, design, method, test, fit.level, None, weights)


def _univariate_only(cluster: Any, reestimate: bool) -> None:
    if cluster is not None or not reestimate:
        raise InputError("cluster= and reestimate= are for fits of vf.multivariate; a study here is one effect.")


def _held(r: RegressionResult, case: Influence) -> dict[str, np.ndarray]:
    """Degrees of freedom and p values of studentised residuals."""
    df = float(r.k - 1 - r.p)
    if r.test == "Wald" and (r.fixed_tau2 is not None or r.method == "common"):
        return {"studentised_df": np.full(r.k, np.inf), "studentised_p_value": two_sided(case.studentised, None)}
    if df < 1:
        warn("The fits without a study leave no degree of freedom: studentised residuals have no p value.")
        return {"studentised_df": np.full(r.k, np.nan), "studentised_p_value": np.full(r.k, np.nan)}
    return {"studentised_df": np.full(r.k, df), "studentised_p_value": two_sided(case.studentised, df)}


def _cases(r: RegressionResult) -> tuple[Deleted, Influence]:
    """The fits without each study and what they say of it; studies of which they say nothing are named in a warning."""
    method = r.fixed_tau2 if r.fixed_tau2 is not None else r.method
    without = leave_one_out(r.y, r.v, r.fit.x, method, r.test, r.user_weights)
    case = _influence(r.fit, r.y, r.v, without)
    gone = np.isnan(without.q)
    if gone.any():
        warn(cannot_be_left_out([r.labels[i] for i in np.flatnonzero(gone)]))
    exact = np.isnan(case.studentised) & ~gone
    if exact.any():
        names = ", ".join(r.labels[i] for i in np.flatnonzero(exact))
        warn(
            f"The fit without {names} leaves no residual, so its standard error is zero and no measure of distance; the "
            'diagnostics are undefined there. test="HKSJ-adhoc" or "Wald" has them.'
        )
    return without, case

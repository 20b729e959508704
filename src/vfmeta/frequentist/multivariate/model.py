"""Multivariate and multilevel meta-analysis: effects that share patients or trials, in one model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from vfmeta.core.messages import InputError, warn_each
from vfmeta.core.params import Likelihood, Missing, ResidualDf, WaldTest, choice, confidence
from vfmeta.core.question import Question
from vfmeta.effects.covariance import positive_definite
from vfmeta.effects.design import INTERCEPT
from vfmeta.frequentist.multivariate.degrees import Spread, containment, spread
from vfmeta.frequentist.multivariate.fitted import RandomTerm, around
from vfmeta.frequentist.multivariate.fixed import given_values
from vfmeta.frequentist.multivariate.likelihood import Problem
from vfmeta.frequentist.multivariate.result import MultivariateResult
from vfmeta.frequentist.multivariate.rows import Rows, read, user_weights
from vfmeta.frequentist.multivariate.terms import Term, build, parse
from vfmeta.kernels.distributions import chi2_above
from vfmeta.results.wald import TestResult, two_sided, wald
from vfmeta.text.turned_back import unequal_sizes

_MANY = 30  # groups from which normal quantiles are near enough


def multivariate(
    data: Any = None,
    *,
    formula: str | None = None,
    y: Any = None,
    v: Any = None,
    se: Any = None,
    V: Any = None,
    ci: Any = None,
    study: Any = None,
    x: Any = None,
    names: Sequence[str] | None = None,
    random: str | Sequence[str] | None = None,
    structure: str | Sequence[str] = "CS",
    variances: Mapping[str, Any] | None = None,
    correlations: Mapping[str, Any] | None = None,
    R: Mapping[str, Any] | None = None,
    method: Likelihood = "REML",
    test: WaldTest = "t",
    df: ResidualDf = "Satterthwaite",
    level: float = 0.95,
    weights: Any = None,
    question: Question | None = None,
    missing: Missing = "raise",
) -> MultivariateResult:
    """Multivariate or multilevel meta-analysis with known sampling covariance.

    The model is y ~ N(X beta, V + sum of Z G Z'). One function serves both, because a multilevel model is the multivariate
    model whose G is made of nested intercepts.

    How often its tests reject and its intervals hold: ``reports/multivariate_levels.md``.

    Parameters
    ----------
    data : effect table, data frame or mapping of columns, optional
        A table with its ``vcov`` (or ``V`` beside it), or a frame with a row an effect; random effects, formula and clusters
        read its columns. Beside arrays ``y`` and ``V`` it may hold those columns alone.
    y, v, se, ci, study : array-like of shape (k,), or column name
        As in `random_effects`; several effects a study allowed.
    V : array-like of shape (k, k)
        Covariance matrix of the sampling errors (see `sampling_covariance`), in squared units of ``y``; it may be a scipy
        sparse one.
    random : str or sequence of str, optional
        Random effects over columns of the data: ``"1 | trial/effect"`` (three levels), ``"outcome | trial"`` (an effect a
        level of outcome, correlated inside a trial), ``"dose | trial"`` with structure "GEN" (intercept and slope).
        Left out: generalised least squares with V alone.
    structure : str or sequence of str
        Covariance of the levels in terms ``inner | outer``: "CS", "HCS", "UN", "DIAG", "ID", "AR", "HAR" (levels in order,
        equally spaced), "CAR" (continuous time), "GEN" and "GDIAG" (intercept and slopes). One for all or one a term.
    formula : str, optional
        Moderators, such as ``"~ 0 + outcome"``; an intercept when left out.
    x, names : array-like of shape (k, p) and names, optional
        The design matrix itself instead of a formula.
    method : {"REML", "ML"}
        Restricted or full maximum likelihood; the fixed effects are profiled out.
    test : {"Wald", "t"}
        Normal, or t (and F) with ``df`` degrees of freedom. With 5 to 20 trials Wald's intervals cover in about 86 to 95% where
        effects differ, those of the default in 94 to 99% (`reports/multivariate_levels.md`).
    df : {"Satterthwaite", "containment", "residual"}
        Satterthwaite's, for which the variance of a coefficient is as uncertain as the random effects are (Giesbrecht & Burns
        1985, Biometrics 41:477-486; several coefficients: Fai & Cornelius 1996, J Stat Comput Simul 54:363-378); or, a
        coefficient, the smallest (groups - p) of the random terms in whose groups its column of X is constant, and k - p when
        there is none (Schluchter & Elashoff 1990, J Stat Comput Simul 37:69-87; the rule of SAS's CONTAIN); or k - p.
    variances, correlations : dict, optional
        Components of the random effects held at given values instead of estimated, by the name of the term:
        ``variances={"1 | trial": 0.04, "outcome | trial": [0.1, None]}``, one value for all or one a level in order (squared
        units of ``y``), and ``correlations={"outcome | trial": 0.5}``, for UN and GEN one a pair in the order (1,2), (1,3),
        ..., (2,3), ... None means estimated; the correlations of UN and GEN are held all or none.
    R : dict, optional
        Known correlations of the groups of a random intercept (relatedness of species, places or drugs), by grouping column:
        a data frame with the groups as its index and columns, or a pair of matrix and names.
    weights : array-like of shape (k,) or (k, k), optional
        Weights of the coefficients in place of the inverse of the marginal covariance M: (X'WX)^-1 X'Wy, with the covariance
        (X'WX)^-1 X'W M W X (X'WX)^-1. The variances are those of the (restricted) likelihood, which knows nothing of the
        weights W, as in the univariate model.
    level : float
        Confidence level.
    question : Question, optional
    missing : {"raise", "drop"}
        Whether a row with a missing value is an error or is left out with a warning that names it.

    Returns
    -------
    MultivariateResult

    Raises
    ------
    InputError
        Input that cannot be used, random effects the data cannot tell apart, collinear moderators (named), V not positive
        definite (rows named).
    ConvergenceError
        The likelihood was not maximised.

    Examples
    --------
    >>> import vfmeta as vf
    >>> data = {"trial": [1, 1, 2, 2, 3, 3, 4, 4, 5], "outcome": ["pain", "function"] * 4 + ["pain"]}
    >>> y = [-1.2, -0.6, -0.3, -0.1, -0.9, -0.8, 0.2, 0.1, -0.5]
    >>> V = vf.sampling_covariance([0.1] * 9, data["trial"], outcome=data["outcome"], rho=0.6)
    >>> fit = vf.multivariate(y=y, V=V, data=data, random="outcome | trial", structure="CS", formula="~ 0 + outcome")
    >>> fit.estimate.round(3).tolist()
    [-0.342, -0.54]

    References
    ----------
    Berkey et al 1998, Stat Med 17:2537-2550; Jackson, Riley & White 2011, Stat Med 30:2481-2498; Konstantopoulos 2011, Res
    Synth Methods 2:61-76; Ishak et al 2007, Clin Trials 4:525-539.
    """
    method, test = choice("method", method, Likelihood), choice("test", test, WaldTest)
    df = choice("df", df, ResidualDf)
    confidence(level)
    wishes = parse(random)
    grouping = [c for w in wishes for c in w.columns]
    effects = {"y": y, "v": v, "se": se, "V": V, "ci": ci, "study": study}
    rows = read(data, effects, formula, x, names, grouping, question, missing)
    terms = tuple(build(wishes, structure, rows.data, rows.numbers, R))
    given = given_values(terms, variances, correlations)
    held = bool(terms) and not any(np.isnan(np.concatenate(g)).any() for g in given)
    k, p = rows.design.x.shape
    if k == p and ((terms and not held) or (test == "t" and df != "Satterthwaite")):
        raise InputError(
            f"{k} effects and {p} coefficients leave nothing to estimate the random effects or degrees of freedom from."
        )
    positive_definite(rows.V, rows.labels, rows.numbers)
    own = None if weights is None else user_weights(weights, rows)
    problem = Problem(rows.y, rows.design.x, rows.V, terms, method == "REML", given, own)
    try:
        problem.check_identified()
        u = problem.solve()[0] if terms else np.empty(0)
    except np.linalg.LinAlgError as error:
        raise InputError(
            "The effects and variances span more orders of magnitude than double precision holds; rescale or check y and V."
        ) from error
    call: dict[str, Any] = {
        "function": "multivariate", "random": random, "structure": structure, "formula": formula, "method": method,
        "test": test, "df": df, "level": level,
    }  # fmt: skip
    call |= {name: dict(x) for name, x in (("variances", variances), ("correlations", correlations)) if x}
    call |= {"R": sorted(R)} if R else {}
    call |= {"weights": "given"} if weights is not None else {}
    result = summarise(problem, u, rows, test, df, float(level), call)
    warn_each(result.warnings)
    return result


def summarise(
    problem: Problem, u: np.ndarray, rows: Rows, interval: str, df: str, level: float, call: dict[str, Any]
) -> MultivariateResult:
    """Tests, intervals and notes of a model fitted at u."""
    fit, ml, reml = problem.at(u)
    k, p = problem.X.shape
    se = np.sqrt(np.diag(fit.cov))
    degrees, found = None, None
    if interval == "t" and df == "Satterthwaite":
        found = spread(problem, u, fit.cov)
        degrees = np.maximum(containment(problem), 1.0) if found is None else found.degrees(np.eye(p))
    elif interval == "t":
        degrees = np.full(p, float(k - p)) if df == "residual" else containment(problem)
        if (degrees < 1).any():
            raise InputError(
                'Some coefficient has fewer than 1 degree of freedom by containment; use df="residual" or fewer moderators.'
            )
    statistic = fit.beta / se
    q = problem.residual_q(fit.beta)
    tested = [j for j in range(p) if j != rows.design.intercept] or list(range(p))
    held = None if degrees is None else float(degrees[tested].min())
    if found is not None and len(tested) > 1:
        held = found.joint(np.eye(p)[tested])
    omnibus = wald(fit.beta[tested], fit.cov[np.ix_(tested, tested)], held)
    components = tuple(
        _component(t, u[s], problem.free[s], problem.scale) for t, s in zip(problem.terms, problem.slices, strict=True)
    )
    return MultivariateResult(
        question=rows.question, method="REML" if problem.reml else "ML", test=interval, level=level, k=k,
        terms=rows.design.names,
        estimate=fit.beta, se=se, statistic=statistic, p_value=two_sided(statistic, degrees),
        interval=around(fit.beta, se, level, degrees), df=degrees, vb=fit.cov, random=components,
        q=TestResult(q, k - p, None, chi2_above(q, k - p)), omnibus=omnibus,
        omnibus_of=tuple(rows.design.names[j] for j in tested),
        log_likelihood=reml if problem.reml else ml, log_likelihood_ml=ml, log_likelihood_reml=reml,
        parameters=p + int(problem.free.sum()),
        labels=rows.labels, data=rows.data, design=rows.design, problem=problem, free=u,
        origin=rows.rows.origin(rows.numbers - 1, rows.lost),
        warnings=(
            *rows.notes, *_notes(components), *_levels(interval, df, degrees, found, components),
            *_turned(rows, fit.beta, se, level, degrees),
        ),
        call=call,
    )  # fmt: skip


def _levels(
    interval: str, df: str, degrees: np.ndarray | None, found: Spread | None, components: Sequence[RandomTerm]
) -> list[str]:
    """How often intervals cover where that is far from their level (`reports/multivariate_levels.md`)."""
    groups = min((t.groups for t in components if not all(t.held)), default=_MANY)
    if groups >= _MANY:
        return []
    if degrees is None:
        return [f"Wald intervals cover in about 86 to 95% at 95% with 5 to 20 groups (here {groups}); the default holds."]
    if df == "Satterthwaite" and found is None:
        return ["Satterthwaite's degrees of freedom are not defined by these data; those by containment stand instead."]
    return ['With df="residual" intervals cover in about 89 to 95% with 5 to 20 groups.'] if df == "residual" else []


def _turned(rows: Rows, estimate: np.ndarray, se: np.ndarray, level: float, df: np.ndarray | None) -> list[str]:
    """What is said of a mean effect alone that is turned back with a size."""
    if rows.design.names != (INTERCEPT,):
        return []
    low, high = around(estimate, se, level, df)[0].tolist()
    return unequal_sizes(rows.question, rows.details, float(estimate[0]), (low, high))


def _component(term: Term, u: np.ndarray, free: np.ndarray, scale: float) -> RandomTerm:
    variance, rho = term.structure.natural(u)
    known: list[bool]
    if term.structure.kind in ("UN", "GEN"):
        i, j = np.triu_indices(term.structure.q, 1)
        known = ((variance[i] > 0) & (variance[j] > 0)).tolist()
    else:
        known = [int((variance > 0).sum()) >= min(2, len(variance))] * len(rho)
    return RandomTerm(
        name=term.name, structure=term.structure.kind, levels=term.levels, groups=term.groups,
        variances=tuple(float(x) * scale**2 for x in variance),
        correlations=tuple(
            float(r) if ok or held else None for r, ok, held in zip(rho, known, ~free[len(variance) :], strict=True)
        ),
        covariance=term.structure.matrix(u) * scale**2, held=tuple((~free).tolist()),
    )  # fmt: skip


def _notes(components: Sequence[RandomTerm]) -> list[str]:
    notes = []
    for t in components:
        if t.groups < 5 and t.structure != "GEN" and not all(t.held[: len(t.variances)]):
            notes.append(f"{t.name}: only {t.groups} groups; its variance is all but unknown.")
        zero = [level for level, v, held in zip(t.levels, t.variances, t.held, strict=False) if v == 0 and not held]
        if zero:
            where = "" if len(t.variances) == 1 else f" at {', '.join(zero)}"
            notes.append(f"{t.name}: the variance{where} is estimated as zero.")
        free = [c for c, held in zip(t.correlations, t.held[len(t.variances) :], strict=True) if not held]
        edge = [c for c in free if c is not None and abs(c) > 1 - 1e-7]
        if edge:
            notes.append(
                f"{t.name}: a correlation is estimated at the end of its range ({edge[0]:.3g}); the data say little about it."
            )
    return notes

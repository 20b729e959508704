"""Selection models: the mean effect if the chance of a study being seen hangs on its p value."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np

from vfmeta.appraisal.favoured import Side, favoured_side, no_difference
from vfmeta.appraisal.selection_result import SelectionRegression, SelectionResult
from vfmeta.appraisal.selection_scale import SelectionLocationScale
from vfmeta.appraisal.selection_weights import Chosen, build, check, edge_notes
from vfmeta.appraisal.taken import take
from vfmeta.core.messages import InputError, warn_each
from vfmeta.core.params import Favoured, Heterogeneity, Missing, SelectionModel, choice
from vfmeta.core.question import Question
from vfmeta.effects import cells
from vfmeta.effects import design as designs
from vfmeta.effects.design import Design
from vfmeta.effects.reading import Studies
from vfmeta.kernels.distributions import chi2_above
from vfmeta.kernels.least_squares import CollinearError, redundant
from vfmeta.kernels.location_scale import fit_location_scale
from vfmeta.kernels.regression import fit
from vfmeta.kernels.roots import ConvergenceError
from vfmeta.kernels.selection import Selection, covariance, select
from vfmeta.kernels.selection_profile import best_cut
from vfmeta.results.wald import TestResult, quantile, ratio
from vfmeta.results.wald import two_sided as both_tails

_FEW = 10


def selection_model(
    data: Any = None,
    formula: str | None = None,
    scale: str | None = None,
    *,
    y: Any = None,
    v: Any = None,
    se: Any = None,
    V: Any = None,
    ci: Any = None,
    study: Any = None,
    cluster: Any = None,
    x: Any = None,
    z: Any = None,
    favoured: Favoured | None = None,
    model: SelectionModel = "step",
    cuts: Any = None,
    two_sided: bool = False,
    delta: Any = None,
    heterogeneity: Heterogeneity = "random",
    level: float | None = None,
    question: Question | None = None,
    missing: Missing = "raise",
) -> SelectionResult | SelectionRegression | SelectionLocationScale:
    """Weight-function selection model by maximum likelihood: what the mean is if results were selected by their p value.

    How often its tests reject and its intervals hold: ``reports/levels.md#selection_model``.

    Parameters
    ----------
    data, y, v, se, V, ci, study, question, missing
        As of `meta_regression`; ``data`` may be a pool as well, or a meta-regression or location-scale model, whose moderators
        stay in the model.
    cluster : array-like of shape (k,) or column name, optional
        Groups of dependent effects (several of one trial, each a row with a name of its own): estimates are those of
        independent effects, standard errors robust to dependence inside a group (Pustejovsky, Citkowicz & Joshi 2025).
    formula : str, optional
        Moderators of the mean, such as ``"~ dose"``, or the design ``x`` of shape (k, p) instead.
    scale : str, optional
        Moderators of log tau2, as of `location_scale`, or the design ``z`` of shape (k, s) instead; one tau2 when left out.
    favoured : {"higher", "lower"}, optional
        Which effects are favoured; the better side of the question when left out, else the side of the REML pool, with a note.
    model : str
        Weight w of a study as a function of its p value: ``"step"`` (Hedges 1992; Vevea & Hedges 1995), also named ``"3PSM"``
        (cut at 0.025) and ``"4PSM"`` (0.025 and 0.5); ``"beta"``, p^(delta1 - 1) (1 - p)^(delta2 - 1) (Citkowicz & Vevea 2017);
        ``"half-normal"``, exp(-delta p^2); ``"negative exponential"``, exp(-delta p); ``"negative exponential power"``,
        exp(-delta1 p^(1 / delta2)); ``"logistic"``, 2 exp(-delta p) / (1 + exp(-delta p)) (these three: Preston et al. 2004);
        ``"power"``, (1 - p)^delta; ``"truncated"``, 1 for effects beyond a cut and delta for others (Rust et al. 1990).
    cuts : float or sequence of them, optional
        Of a step function p values, 0.025 when left out; a p equal to a cut belongs below it. Of a beta function two p values
        beyond which it is constant (truncated beta). Of a truncated distribution an effect, "no difference" when left out,
        or ``"estimate"``; an effect equal to it lies below.
    two_sided : bool
        Whether p of a step function is two-sided, so that large effects of either side are favoured.
    delta : sequence of float, optional
        Weights (the first 1) or parameters that are given and not estimated, as Vevea & Woods 2005 do.
    heterogeneity : {"random", "common"}
        Whether effects differ between studies or tau2 is held at 0.
    level : float, optional
        That of the fit, or 0.95, when left out. Of the intervals, which are those of Wald; `profile_interval` has
        others.

    Returns
    -------
    SelectionResult, SelectionRegression with moderators of the mean, or SelectionLocationScale with ``scale``

    Raises
    ------
    InputError
        For input that cannot be used, and fewer studies than parameters.
    ConvergenceError
        Where the likelihood has no maximum, or, with ``scale``, none where there is heterogeneity.

    Notes
    -----
    The density of an effect is w(p) N(y; mu, v + tau2) / A. Derivatives are exact, the search begins at many points, and the
    highest maximum is given; lower ones are listed (``other_maxima``). Standard errors come from the observed information, with
    ``cluster`` from the sandwich of it around the scores of G groups, times G / (G - 1).
    Selection models need many studies: below 10 a note says so.

    Examples
    --------
    >>> import vfmeta as vf
    >>> y = [0.5, 0.2, 0.5, 0.1, 0.9, 0.4, 0.9, -0.5, 0.1, 0.6, -0.1, 0.7]
    >>> v = [0.03, 0.09, 0.11, 0.03, 0.11, 0.03, 0.11, 0.10, 0.04, 0.07, 0.08, 0.02]
    >>> fit = vf.appraisal.selection_model(y=y, v=v, favoured="higher")
    >>> fit.delta_terms
    ('p <= 0.025', 'p > 0.025')
    """
    model, heterogeneity = choice("model", model, SelectionModel), choice("heterogeneity", heterogeneity, Heterogeneity)
    name, found_cuts, fixed = check(model, cuts, two_sided, delta)
    given = {"y": y, "v": v, "se": se, "V": V, "ci": ci, "study": study, "question": question, "missing": missing}
    taken = take("selection_model", data, level, moderators=True, **given)
    s, level = taken.studies, taken.level
    groups = None if cluster is None else _groups(s, cluster)
    if scale is not None and z is not None:
        raise InputError("Give the moderators of tau2 as scale (a formula) or z (a design), not both.")
    common = heterogeneity == "common"
    given_mean, given_spread = (formula is not None or x is not None), (scale is not None or z is not None)
    wishes = ([(formula, x)] if given_mean else []) + ([(scale, z)] if given_spread else [])
    found: list[Design] = []
    if wishes:
        before = s.kept
        s, *found = designs.prepared(s, [designs.part(*wish, None, s) for wish in wishes], missing)
        groups = None if groups is None else groups[np.isin(before, s.kept)]
    scales = found[-1] if given_spread else getattr(taken.fit, "scale_design", None)
    if common and scales is not None:
        raise InputError('Moderators of tau2 (scale=) say what it depends on; with heterogeneity="common" it is held at 0.')
    if given_mean:
        design = found[0]
    elif hasattr(taken.fit, "design"):
        design = taken.fit.design
    else:
        design = Design(np.ones((s.k, 1)), (designs.INTERCEPT,), None)
    null = no_difference("selection_model", s.question)
    if null != 0 and not design.spans_constant:
        raise InputError('Without an intercept effects are not held against a "no difference" other than 0; add one.')
    side = Side(1) if two_sided else favoured_side(favoured, s.question, s.y, s.v)
    _refuse_few(s, design, scales, name, found_cuts, fixed, common)
    spread = None if scales is None else scales.x
    estimated_cut = found_cuts is None
    if name == "truncated" and found_cuts == ():
        found_cuts = (null,)
    chosen = Chosen(name, found_cuts or (), bool(two_sided), side.sign, fixed, null)
    try:
        if estimated_cut:
            turned = side.sign * (s.y - null)
            fitted, cut, below = best_cut(turned, s.v, design.x, common, spread)
            if not below[turned == cut].any():  # an effect equal to a cut lies below it
                cut -= 1e-9 * float(np.sqrt(s.v.min()))
            chosen = Chosen(name, (side.sign * cut + null,), False, side.sign, None, null)
            counts = np.array([(~below).sum(), below.sum()], dtype=float)
        else:
            turned, function, counts = build(chosen, s.y, s.v)
            fitted = select(turned, s.v, design.x, function, common, spread)
    except CollinearError as error:
        raise designs.name_collinear(error.groups, design, s.labels) from error
    own = len(taken.studies.notes)  # those have been said
    notes = [*s.notes, *([side.note] if side.note else [])]
    if s.k < _FEW:
        notes.append(f"{s.k} studies: a selection model of fewer than {_FEW} says next to nothing; do not lean on it.")
    if estimated_cut:
        notes.append(
            "The cut was chosen from the data, at an effect: standard errors and the test take it as known, and are too "
            "sure of themselves."
        )
    notes += edge_notes(chosen, fitted, fitted.state.first, counts.tolist())
    if groups is not None:
        fitted = replace(fitted, covariance=covariance(fitted.state, fitted.theta, design.x.shape[1], groups))
        notes.append("Standard errors allow for dependence within clusters; the likelihood ratio test and profiles do not.")
    result = _result(fitted, s, (design, scales), chosen, counts, common, level, tuple(notes), side, estimated_cut)
    warn_each(result.warnings[own:])
    return result


def _groups(s: Studies, cluster: Any) -> np.ndarray:
    """Codes of the clusters, one a study."""
    import pandas as pd

    found = s.column(cluster, "cluster")
    gone = np.flatnonzero(cells.empty(found.values)).tolist()
    if gone:
        raise InputError([f"row {s.kept[i] + 1} ({s.labels[i]}), column {found.shown}: {cells.FILL}" for i in gone])
    codes, names = pd.factorize(np.asarray(found.values, dtype=object))
    if len(names) < 2:
        raise InputError("There is one cluster only; errors robust to dependence within clusters need several.")
    return np.asarray(codes)


def _refuse_few(
    s: Studies, design: Design, scales: Design | None, model: str, cuts: Any, fixed: Any, common: bool
) -> None:  # fmt: skip
    p = design.x.shape[1]
    weights = 0 if fixed is not None else 2 if model in ("beta", "negative exponential power") or cuts is None else 1
    if model == "step" and fixed is None:
        weights = len(cuts)
    spread = 1 if scales is None else scales.x.shape[1]
    if scales is not None and np.linalg.matrix_rank(scales.x / np.maximum(np.sqrt((scales.x**2).sum(0)), 1e-300)) < spread:
        raise designs.name_collinear(redundant(scales.x), scales, s.labels)
    needed = p + weights + (0 if common else spread)
    if s.k < needed:
        parts = [
            f"{p} {'mean' if p == 1 else 'coefficients'}",
            *([] if common else ["tau2" if scales is None else f"{spread} of log tau2"]),
        ]
        parts += [f"{weights} of the weights"] if weights else []
        raise InputError(
            f"{s.k} {'study' if s.k == 1 else 'studies'} cannot estimate {needed} parameters ({', '.join(parts)}); give the "
            'weights (delta=), or hold tau2 at 0 (heterogeneity="common").'
        )


def _result(
    f: Selection, s: Studies, parts: tuple[Design, Design | None], chosen: Chosen, counts: np.ndarray, common: bool,
    level: float, notes: tuple[str, ...], side: Side, estimated_cut: bool,
) -> SelectionResult | SelectionRegression | SelectionLocationScale:  # fmt: skip
    design, scales = parts
    x, p, first = design.x, design.x.shape[1], f.state.first
    null = chosen.null * np.linalg.lstsq(x, np.ones(s.k), rcond=None)[0] if chosen.null else np.zeros(p)
    beta = side.sign * f.beta + null
    vb = f.covariance[:p, :p]
    se, spread_se, delta_se = np.split(np.sqrt(np.maximum(np.diag(f.covariance), 0.0)), (p, first))
    reach = float(quantile(level, None))
    half = reach * se
    plain, plain_tau2, plain_alpha, more = _without_selection(s, x, common, scales)
    notes = (*notes, *more)
    height = _height(s.y - x @ plain, s.v + plain_tau2)
    tested = 0 if chosen.fixed is not None else len(chosen.terms) - chosen.stepped
    statistic = math.nan if math.isnan(height) else max(0.0, 2 * (f.log_likelihood - height))
    test = TestResult(statistic, tested, None, chi2_above(statistic, tested) if tested else math.nan)
    at_edge = np.zeros(len(f.delta), dtype=bool)
    at_edge[[j - first for j in f.edges if j >= first]] = True
    statistics = ratio(beta, se)
    shared: dict[str, Any] = {
        "question": s.question, "model": chosen.model, "cuts": np.array(chosen.cuts, dtype=float),
        "two_sided": chosen.two_sided, "favoured": side.name, "heterogeneity": "common" if common else "random",
        "delta_terms": chosen.terms, "delta": f.delta, "delta_se": delta_se,
        "delta_at_edge": tuple(at_edge.tolist()), "delta_given": chosen.fixed is not None, "counts": counts,
        "delta_interval": np.column_stack([np.maximum(f.delta - reach * delta_se, 0), f.delta + reach * delta_se]),
        "tau2": f.tau2, "limit": f.limit, "log_likelihood": f.log_likelihood,
        "unselected_log_likelihood": height, "unselected": plain,
        "parameters": f.estimated + estimated_cut, "selection_test": test, "other_maxima": f.others, "level": level,
        "labels": s.labels, "y": s.y, "v": s.v, "origin": s.origin, "warnings": notes, "design": design, "fitted": f,
        "call": {
            "function": "appraisal.selection_model", "formula": design.formula, "model": chosen.model,
            **({} if scales is None else {"scale": scales.formula}),
            "heterogeneity": "common" if common else "random", "level": level,
        },
    }  # fmt: skip
    if scales is not None:
        va = f.covariance[p:first, p:first]
        of_scale = ratio(f.alpha, spread_se)
        return SelectionLocationScale(
            **shared, terms=design.names, estimate=beta, se=se, statistic=statistics, p_value=both_tails(statistics, None),
            interval=np.column_stack([beta - half, beta + half]), vb=vb, scale_terms=scales.names, scale_estimate=f.alpha,
            scale_se=spread_se, scale_statistic=of_scale, scale_p_value=both_tails(of_scale, None),
            scale_interval=np.column_stack([f.alpha - reach * spread_se, f.alpha + reach * spread_se]), scale_vb=va,
            scale_unselected=plain_alpha, scale_design=scales,
        )  # fmt: skip
    shared |= {"tau2_se": float(spread_se[0]), "unselected_tau2": plain_tau2}
    if design.formula is None and p == 1 and design.names == (designs.INTERCEPT,):
        estimate, own = float(beta[0]), float(se[0])
        z = (estimate - chosen.null) / own if s.question.null_effect is not None else math.nan
        wide = reach * math.hypot(own, math.sqrt(f.tau2))
        return SelectionResult(
            **shared, estimate=estimate, se=own, statistic=z, p_value=float(both_tails(np.asarray(z), None)),
            interval=(estimate - reach * own, estimate + reach * own),
            prediction=None if common or s.k < 3 else (estimate - wide, estimate + wide),
        )  # fmt: skip
    return SelectionRegression(
        **shared, terms=design.names, estimate=beta, se=se, statistic=statistics, p_value=both_tails(statistics, None),
        interval=np.column_stack([beta - half, beta + half]), vb=vb,
    )  # fmt: skip


def _without_selection(
    s: Studies, x: np.ndarray, common: bool, scales: Design | None
) -> tuple[np.ndarray, Any, np.ndarray, tuple[str, ...]]:
    """Coefficients, tau2 and coefficients of log tau2 by maximum likelihood, and a note where there is no maximum."""
    if scales is None:
        plain = fit(s.y, s.v, x, "common" if common else "ML", "Wald")
        return plain.beta, plain.tau2, np.empty(0), ()
    try:
        both = fit_location_scale(s.y, s.v, x, scales.x, restricted=False)
    except ConvergenceError as error:
        note = f"Without selection: {error} There is nothing to test selection against."
        return np.full(x.shape[1], np.nan), np.nan, np.full(scales.x.shape[1], np.nan), (note,)
    return both.beta, both.tau2, both.alpha, ()


def _height(residual: np.ndarray, variance: np.ndarray) -> float:
    """Normal log likelihood, constants included."""
    return float(-0.5 * (np.log(2 * math.pi * variance) + residual**2 / variance).sum())

"""Synthesis without effect sizes, as the Cochrane Handbook (chapter 12) allows it: directions, p values, the range of effects.

Whether a trial was significant is counted nowhere: trials too small to show a benefit would vote against it.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from vfmeta.core.messages import InputError
from vfmeta.core.params import confidence, is_finite
from vfmeta.core.question import Question
from vfmeta.effects import cells
from vfmeta.effects.columns import as_frame, given_columns, row_names
from vfmeta.kernels import p_values as kernel
from vfmeta.results.no_effects import CombinedPValues, Directions, EffectRange

_METHODS = ("Fisher", "Stouffer", "Stouffer, weighted", "Edgington", "truncated product")


def direction_of_effect(
    data: Any = None,
    *,
    n: Any = None,
    study: Any = None,
    outcome: Any = None,
    direction: Any = None,
    level: float = 0.95,
    question: Question | None = None,
) -> Directions:
    """How many trials point to a benefit, with the exact binomial test of one half and its interval.

    How often its tests reject and its intervals hold: ``reports/levels.md#direction_of_effect``.

    Parameters
    ----------
    data : data frame or mapping of columns, optional
    n : column name or array-like of shape (rows,), optional
        Patients of the experimental arm, for the size of the arrows in the effect direction plot.
    study, outcome : column name or array-like, optional
        Trial and outcome of each row; a trial stands once an outcome.
    direction : column name or array-like
        1 where the trial favours the experimental arm, -1 where it favours the control, 0 where neither (or its results point
        both ways), empty where it does not say. Whether it was significant has no part in it.
    level : float
    question : Question, optional

    Returns
    -------
    Directions
        By outcome: the share of trials with a direction that favour the experimental arm.

    Notes
    -----
    Trials with direction 0 or none are listed and not counted: the test asks whether directions are like tosses of a coin
    (McKenzie & Brennan, Cochrane Handbook, chapter 12).

    Examples
    --------
    >>> import vfmeta as vf
    >>> found = vf.appraisal.direction_of_effect(direction=[1, 1, -1, 1, None], study=list("abcde"))
    >>> int(found.favourable[0]), int(found.directed[0]), round(float(found.p_value[0]), 3)
    (3, 4, 0.625)
    """
    level = confidence(level)
    cells.check_question(question)
    columns, labels, outcomes = _read(data, {"direction": direction, "n": n}, study, outcome, ("direction",))
    way, problems = columns["direction"], []
    problems += [
        f"row {i + 1} ({labels[i]}), column direction: {way[i]:g} is no direction; use 1, -1, 0 or leave it empty."
        for i in np.flatnonzero(~np.isin(way, (-1, 0, 1)) & ~np.isnan(way)).tolist()
    ]
    seen: set[tuple[str, str]] = set()
    for i, both in enumerate(zip(labels, outcomes, strict=True)):
        if both in seen:
            problems.append(f"row {i + 1}: {both[0]} stands twice{' for ' + both[1] if both[1] else ''}; give one direction.")
        seen.add(both)
    if problems:
        raise InputError(problems)
    terms = tuple(dict.fromkeys(outcomes))
    mine = [np.array([name == term for name in outcomes]) for term in terms]
    favour = np.array([int((way[at] == 1).sum()) for at in mine])
    of = np.array([int((np.abs(way[at]) == 1).sum()) for at in mine])
    tests = [kernel.sign_test(int(x), int(m)) if m else (math.nan, math.nan) for x, m in zip(favour, of, strict=True)]
    spans = [
        [f(int(x), int(m), level) if m else (math.nan, math.nan) for x, m in zip(favour, of, strict=True)]
        for f in (kernel.clopper_pearson, kernel.wilson)
    ]
    share = np.array([x / m if m else math.nan for x, m in zip(favour, of, strict=True)])
    notes = tuple(
        f"{f'{term}: no' if term else 'No'} trial has a direction, so there is no share and no test."
        for term, m in zip(terms, of, strict=True) if not m
    )  # fmt: skip
    return Directions(
        question=question or Question(), level=level, labels=labels, outcomes=outcomes, direction=way,
        sizes=columns.get("n", np.full(len(labels), math.nan)), terms=terms, favourable=favour.astype(float),
        directed=of.astype(float), estimate=share, interval=np.array(spans[0]), wilson=np.array(spans[1]),
        p_value=np.array([t[1] for t in tests]), p_one_sided=np.array([t[0] for t in tests]), warnings=notes,
        call={"function": "appraisal.direction_of_effect", "level": level},
    )  # fmt: skip


def combine_p_values(
    data: Any = None,
    *,
    n: Any = None,
    study: Any = None,
    p: Any = None,
    direction: Any = None,
    weights: Any = None,
    truncation: float = 0.05,
    question: Question | None = None,
) -> CombinedPValues:
    """Combine the one-sided p values of independent trials in several ways, all towards one stated side.

    How often its tests reject and its intervals hold: ``reports/levels.md#combine_p_values``.

    Parameters
    ----------
    data : data frame or mapping of columns, optional
    n : column name or array-like of shape (k,), optional
        Patients of each trial, for the albatross plot.
    study : column name or array-like, optional
    p : column name or array-like
        One-sided p values, small where the trial favours the stated side. With ``direction`` they are two-sided.
    direction : column name or array-like, optional
        1 where the trial favours the stated side and -1 where the other: turns two-sided p values to one-sided ones.
    weights : column name or array-like, optional
        Of the weighted z (Stouffer); the square root of ``n``, or 1, when left out.
    truncation : float
        p values up to it enter the truncated product.
    question : Question, optional

    Returns
    -------
    CombinedPValues

    Notes
    -----
    A small combined p says that at least one trial has an effect in the stated direction: not how large, nor in how many. Two
    p values of opposite sides have no meaning together unless they are one-sided (Cochrane Handbook, chapter 12).

    Examples
    --------
    >>> import vfmeta as vf
    >>> found = vf.appraisal.combine_p_values(p=[0.011, 0.2, 0.04, 0.31, 0.07])
    >>> round(float(found.p_value[0]), 4)
    0.0033
    """
    cells.check_question(question)
    if not (is_finite(truncation) and 0 < truncation <= 1):
        raise InputError(f"truncation={truncation!r} must be a number above 0 and at most 1.")
    columns, labels, _ = _read(data, {"p": p, "direction": direction, "n": n, "weights": weights}, study, None, ("p",))
    values, problems = columns["p"], []
    for name, wrong in (
        ("p", ~((values >= 0) & (values <= 1))),
        ("direction", ~np.isin(columns["direction"], (-1, 1)) if "direction" in columns else np.zeros(len(values), dtype=bool)),
        ("weights", ~(columns["weights"] > 0) if "weights" in columns else np.zeros(len(values), dtype=bool)),
    ):
        problems += [
            f"row {i + 1} ({labels[i]}), column {name}: {columns[name][i]:g} cannot be; "
            f"{ {'p': 'a p value lies between 0 and 1', 'direction': 'use 1 or -1', 'weights': 'a weight is above 0'}[name] }."
            for i in np.flatnonzero(wrong).tolist()
        ]
    if len(set(labels)) < len(labels):
        problems.append("A trial stands twice: combined p values must come from independent trials; choose one of each.")
    if problems:
        raise InputError(problems)
    if "direction" in columns:
        values = kernel.one_sided(values, columns["direction"])
    sizes = columns.get("n", np.full(len(values), math.nan))
    weights = columns.get("weights", np.sqrt(sizes) if np.isfinite(sizes).all() else np.ones(len(values)))
    found = [
        kernel.fisher(values), kernel.stouffer(values, np.ones(len(values))), kernel.stouffer(values, weights),
        kernel.edgington(values), kernel.truncated_product(values, float(truncation)),
    ]  # fmt: skip
    statistic, df, log_p = (np.array(column) for column in zip(*found, strict=True))
    lost = [term for term, x in zip(_METHODS, log_p.tolist(), strict=True) if math.isnan(x)]
    notes = (f"A p value of 0 meets one of 1: {' and '.join(lost)} are not defined.",) if lost else ()
    return CombinedPValues(
        question=question or Question(), labels=labels, p=values, weights=weights, sizes=sizes, truncation=float(truncation),
        terms=_METHODS, statistic=statistic, df=df, p_value=np.exp(log_p), log_p=log_p, warnings=notes,
        call={"function": "appraisal.combine_p_values", "truncation": float(truncation)},
    )  # fmt: skip


def effect_range(data: Any = None, *, y: Any = None, study: Any = None, question: Question | None = None) -> EffectRange:
    """Median, quartiles and range of effects whose standard errors are not known.

    Parameters
    ----------
    data : data frame or mapping of columns, optional
    y : column name or array-like of shape (k,)
        Effects on the analysis scale (ratios as logs).
    study : column name or array-like, optional
    question : Question, optional

    Returns
    -------
    EffectRange

    Examples
    --------
    >>> import vfmeta as vf
    >>> vf.appraisal.effect_range(y=[-1.2, -0.3, -0.8]).estimate
    -0.8
    """
    cells.check_question(question)
    columns, labels, _ = _read(data, {"y": y}, study, None, ("y",))
    values = columns["y"]
    low, first, median, third, high = np.quantile(values, [0, 0.25, 0.5, 0.75, 1]).tolist()
    return EffectRange(
        question=question or Question(), labels=labels, y=values, estimate=median, quartiles=np.array([first, third]), low=low,
        high=high, call={"function": "appraisal.effect_range"},
    )  # fmt: skip


def _read(
    data: Any, asked: dict[str, Any], study: Any, outcome: Any, needed: tuple[str, ...]
) -> tuple[dict[str, np.ndarray], tuple[str, ...], tuple[str, ...]]:
    """Numbers, names of the trials and outcomes; only directions and sizes may be empty."""
    frame = None if data is None else as_frame(data)
    wanted: dict[str, Any] = {**asked, "study": study, "outcome": outcome}
    if frame is not None:
        wanted |= {x: x for x in ("study", *needed) if wanted[x] is None and x in frame.columns}
    absent = [name for name in needed if wanted[name] is None]
    if absent:
        raise InputError(f"Give {' and '.join(absent)}= as a column of data or as values, one a trial.")
    values, shown, k, index = given_columns(wanted, frame)
    problems: list[str] = []
    labels = cells.names(values.get("study", row_names(index)), k, once=False, problems=problems)
    outcomes = ("",) * k
    if "outcome" in values:
        outcomes = cells.names(values["outcome"], k, shown="outcome", noun="outcome", once=False, problems=problems)
    sizes = {"n": "size"}
    columns = {
        name: cells.numbers(values[name], shown[name], labels, problems, sizes.get(name, ""))
        for name in asked if name in values
    }  # fmt: skip
    empty = {name: np.isnan(x) for name, x in columns.items() if name != "n" and not (name == "direction" and "p" not in asked)}
    cells.gaps(empty, labels, problems, cells.FILL)
    if problems:
        raise InputError(problems)
    return columns, labels, outcomes

"""Network meta-analysis by a frequentist regression: the verb."""

from __future__ import annotations

import math
from dataclasses import fields, replace
from typing import Any

import numpy as np

from vfmeta.core.messages import InputError, warn_each
from vfmeta.core.params import MethodOrCommon, Missing, Test, choice, confidence
from vfmeta.core.question import Question
from vfmeta.effects.cells import check_question
from vfmeta.effects.columns import Rows, as_frame
from vfmeta.effects.design import Design
from vfmeta.effects.reading import Studies
from vfmeta.frequentist.choices import check_method
from vfmeta.frequentist.meta_regression import fitted
from vfmeta.frequentist.regression_result import RegressionResult
from vfmeta.networks.graph import Network
from vfmeta.networks.result import NetworkResult
from vfmeta.networks.trials import ARMS, read


def network(
    data: Any = None,
    *,
    measure: str | None = None,
    y: Any = None,
    v: Any = None,
    se: Any = None,
    se_base: Any = None,
    mean: Any = None,
    sd: Any = None,
    events: Any = None,
    n: Any = None,
    time: Any = None,
    reference: str | None = None,
    study: Any = None,
    treatment: Any = None,
    treat1: Any = None,
    treat2: Any = None,
    method: MethodOrCommon = "REML",
    tau2: float | None = None,
    test: Test = "HKSJ",
    level: float = 0.95,
    question: Question | None = None,
    missing: Missing = "raise",
) -> NetworkResult:
    """Network meta-analysis: every treatment against a reference, from direct and indirect comparisons together.

    The trials' contrasts are y = X d + u + e, with the exact covariance of the contrasts of a trial with several arms in the
    errors e and in the trial effects u (variance tau2 of every contrast, covariance tau2 / 2). They are turned to independent
    rows (`vfmeta.kernels.network`), so that every estimator of tau2, test and interval is that of `vfmeta.meta_regression`.

    How often its tests reject and its intervals hold: ``reports/network_levels.md``.

    Parameters
    ----------
    data : data frame or mapping of columns, optional
        Where the names below are looked up; columns called as the arguments are found by themselves.
    study : column name or array-like of shape (rows,)
        The trial of each row.
    treatment : column name or array-like, optional
        Arms, one a row: the treatment of each, with ``mean``, ``sd``, ``n`` (measure MD or ROM), ``events``, ``n`` (OR, RR,
        RD) or ``events``, ``time`` (IRR, IRD).
    y, se, v, treat1, treat2 : column name or array-like, optional
        Contrasts instead of arms: ``y`` is ``treat1`` less ``treat2`` (for ratios the log), with its standard error or
        variance. A trial of m arms needs all its m (m - 1) / 2 contrasts: their standard errors say how they correlate.
    se_base : column name or array-like, optional
        For trials of several arms that give their contrasts with one arm only: the standard error of that arm, which is what
        these contrasts share; empty in other rows.
    measure : str, optional
        "MD", "ROM", "OR", "RR", "RD", "IRR" or "IRD" of arms ("MD" for means, "OR" for events, "IRR" over time when left
        out); of contrasts what ``y`` is. A trial with a zero cell has 0.5 added to every cell; one without any event (or
        nobody without) says nothing on a ratio and is left out and listed.
    reference : str, optional
        What every treatment is compared with; the treatment of most trials when left out.
    method, tau2, test, level
        As in `vfmeta.random_effects`; ``method="common"`` is a network without heterogeneity.
    question : Question, optional
        Outcome, unit and direction of the effects.
    missing : {"raise", "drop"}
        Whether a row with an empty cell is an error or is left out with a warning that names it.

    Returns
    -------
    NetworkResult
        ``terms`` are the treatments but the reference; ``estimate`` (p,) their effects against it.

    Raises
    ------
    InputError
        Faulty cells, a network in several parts (all named), contrasts of a trial that contradict each other or lack one.

    Examples
    --------
    >>> import vfmeta as vf
    >>> arms = {
    ...     "study": ["a", "a", "b", "b", "c", "c", "c"], "treatment": ["drug", "sham", "brace", "sham", "drug", "brace", "sham"],
    ...     "mean": [3.1, 4.0, 3.6, 4.2, 2.9, 3.4, 3.9], "sd": [1.1, 1.2, 1.0, 1.3, 1.2, 1.1, 1.2], "n": [40, 42, 50, 48, 30, 31, 29],
    ... }
    >>> net = vf.network(arms, reference="sham", question=vf.Question(measure="MD", higher_is_worse=True))
    >>> net.terms, bool((net.estimate < 0).all())
    (('brace', 'drug'), True)
    """  # noqa: E501
    check_question(question)
    level = confidence(level)
    found = check_method(method, tau2)
    test = choice("test", test, Test)
    given = {
        "study": study, "treatment": treatment, "mean": mean, "sd": sd, "n": n, "events": events, "time": time, "y": y,
        "se": se, "se_base": se_base, "v": v, "treat1": treat1, "treat2": treat2,
    }  # fmt: skip
    net, asked = trials_of(data, given, measure, reference, question, missing)
    result = fit_network(net, asked, found, test, level)
    warn_each(result.warnings)
    return result


def trials_of(
    data: Any,
    given: dict[str, Any],
    measure: str | None,
    reference: str | None,
    question: Question | None,
    missing: Missing,
    *,
    in_parts: bool = False,
) -> tuple[Network, Question]:
    """The trials that the arguments of `network` describe, and the question with their measure."""
    refuse_other_null(question)
    frame = None if data is None else as_frame(data)
    known = question.measure if question is not None and question.measure != "GEN" else None
    given = usual(given, frame, measure or known)
    measure = measure_of(measure, given, question)
    net = read(given, frame, measure, reference, missing, in_parts=in_parts)
    asked = question or Question(measure=measure)
    if asked.measure != measure and not (given["y"] is not None and asked.measure != "GEN"):
        asked = replace(asked, measure=measure)
    return net, asked


def refuse_other_null(question: Question | None) -> None:
    """Every comparison of a network reads both ways, so that only one value means no difference."""
    own = None if question is None else question.facts.null
    if question is not None and question.no_difference is not None and question.no_difference != own:
        plain = "no value" if own is None else f"{own:g}"
        raise InputError(
            f"no_difference={question.no_difference!r}: every comparison of a network reads both ways, and {plain} means no "
            "difference in both; leave it out."
        )


def fit_network(net: Network, question: Question, method: str | float, test: str, level: float) -> NetworkResult:
    """The result of checked trials."""
    ys, vs, x, _ = net.rows()
    own = regressed(net, question, (ys, vs, Design(x, net.others, None)), (method, test, level))
    own["call"] = {**own["call"], "function": "network", "reference": net.reference}
    return NetworkResult(**own, reference=net.reference, network=net)


def regressed(
    net: Network,
    question: Question,
    rows: tuple[np.ndarray, np.ndarray, Design],
    choices: tuple[str | float, str, float],
    weighted: str = "each treatment",
) -> dict[str, Any]:
    """The fields of a regression result over the independent rows of a network.

    ``rows`` are effects, variances and design, ``choices`` the estimator (or tau2), test and level, ``weighted`` what the
    coefficients are effects of.
    """
    (ys, vs, design), (method, test, level) = rows, choices
    trial = np.repeat(np.arange(len(net.trials)), [len(t.y) for t in net.trials])
    labels = tuple(net.trials[i].label for i in trial.tolist())
    question = replace(question, control=net.reference, experimental=weighted)
    k, p = design.x.shape
    free = k > p
    studies = Studies(ys, vs, labels, question, (), net.notes, np.arange(k), k, Rows(k))
    base = fitted(studies, design, method if free or not isinstance(method, str) else "common", test if free else "Wald", level)
    own: dict[str, Any] = {f.name: getattr(base, f.name) for f in fields(RegressionResult)}
    notes = [w for w in base.warnings if not w.startswith("A coefficient rests on one study alone")]
    if not free and method != "common":
        notes.append(
            "No degree of freedom is left: tau2 is not estimable, and the answers are those of the trials themselves, with a "
            "normal interval."
        )
        own |= {"tau2": math.nan, "tau2_se": None, "i2": math.nan, "h2": math.nan}
    return own | {"origin": net.origin, "warnings": tuple(notes), "method": method if isinstance(method, str) else "given"}


def usual(given: dict[str, Any], frame: Any, measure: str | None) -> dict[str, Any]:
    """The arguments, those left out taken from columns of the same name: those that ``measure`` takes, or the data suit."""
    if frame is None:
        return given
    columns = set(frame.columns)
    contrasts = given["y"] is not None or given["treat1"] is not None or {"treat1", "treat2"} <= columns
    names = (
        ("study", "treat1", "treat2", "y", "se_base")
        if contrasts
        else ("study", "treatment", *_figures(given, columns, measure))
    )
    found = dict(given)
    for name in names:
        if found[name] is None and name in columns:
            found[name] = name
    if contrasts and found["se"] is None and found["v"] is None:
        found |= {name: name for name in ("se", "v") if name in columns} if not {"se", "v"} <= columns else {"v": "v"}
    return found


def _figures(given: dict[str, Any], columns: set[Any], measure: str | None) -> tuple[str, ...]:
    """The columns of figures that the arms of a measure have, or, without one, those that the data are complete in."""
    if measure in ARMS:
        return ARMS[measure][0]
    kinds = dict.fromkeys(names for names, _ in ARMS.values())
    asked = {name for names in kinds for name in names if given[name] is not None}
    suits = [names for names in kinds if asked <= set(names) and set(names) <= asked | columns]
    if len(suits) > 1:
        listed = ", ".join(code for code, (names, _) in ARMS.items() if names in suits)
        raise InputError(f"The figures of the arms suit {listed}; say which with measure=.")
    return suits[0] if suits else ("mean", "sd", "n", "events", "time")


def measure_of(measure: str | None, given: dict[str, Any], question: Question | None) -> str:
    """The measure asked for, or the one that the figures suggest."""
    if measure is not None:
        if question is not None and question.measure not in ("GEN", measure):
            raise InputError(f"measure={measure!r} and the question is on {question.measure!r}; name one measure.")
        return Question(measure=measure).measure  # refuses what is none
    if question is not None and question.measure != "GEN":
        return question.measure
    if given["y"] is not None:
        return "GEN"
    if given["events"] is not None:
        return "OR" if given["time"] is None else "IRR"
    return "MD"

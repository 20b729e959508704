"""Networks of counts by Mantel-Haenszel: odds ratios without a normal approximation of the single trial.

Trials of one design (set of treatments) are pooled first: the odds ratio of arms a and b is that of Mantel and Haenszel with
the whole trial as stratum, those of several arms made consistent by averaging over all paths (Mickey & Elashoff 1985,
Biometrics 41:623-635), and their covariance is that of tables of many columns (Greenland 1989, Biometrics 45:183-191). The
designs are then joined by generalised least squares (Efthimiou et al. 2019, Stat Med 38:2992-3012).
"""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from typing import Any

import numpy as np

from vfmeta.core.messages import InputError, warn
from vfmeta.core.origin import LeftOut, Origin
from vfmeta.core.params import Missing, choice, confidence
from vfmeta.core.question import Question
from vfmeta.effects.cells import check_question
from vfmeta.effects.columns import as_frame
from vfmeta.networks.fit import fit_network, refuse_other_null
from vfmeta.networks.result import NetworkResult
from vfmeta.networks.trials import Network, Trial, by_trial, columns_of, reference_of, refuse_parts
from vfmeta.text.notes import MISSING


def mantel_haenszel(
    data: Any = None,
    *,
    events: Any = None,
    n: Any = None,
    reference: str | None = None,
    study: Any = None,
    treatment: Any = None,
    level: float = 0.95,
    question: Question | None = None,
    missing: Missing = "raise",
) -> NetworkResult:
    """Network meta-analysis of odds ratios by Mantel-Haenszel, with a common effect; for rare events.

    No cell is corrected: an arm without events takes part through the other trials of its design. A trial without any event (or
    with nobody else) says nothing and is left out and listed, as is a design of which some pair of arms has no events against
    it.

    Parameters
    ----------
    data : data frame or mapping of columns, optional
        Where the names below are looked up; columns called as the arguments are found by themselves.
    study, treatment : column name or array-like of shape (rows,)
        Arms, one a row.
    events, n : column name or array-like of shape (rows,)
        Patients with the event, and all patients, of each arm.
    reference : str, optional
        What every treatment is compared with; the treatment of most trials when left out.
    level, question, missing
        As in `vf.network`.

    Returns
    -------
    NetworkResult
        Log odds ratios against the reference, normal intervals. What stands for a trial in it is a design, pooled; ``q`` is the
        test of incoherence between designs.

    Raises
    ------
    InputError
        Faulty cells, or a network in several parts.

    Examples
    --------
    >>> import vfmeta as vf
    >>> arms = {
    ...     "study": ["a", "a", "b", "b", "c", "c"], "treatment": ["drug", "sham", "brace", "sham", "drug", "brace"],
    ...     "events": [1, 4, 2, 5, 0, 3], "n": [60, 62, 80, 78, 50, 51],
    ... }
    >>> net = vf.networks.mantel_haenszel(arms, reference="sham")
    >>> net.terms, bool((net.estimate < 0).all())
    (('brace', 'drug'), True)
    """
    check_question(question)
    refuse_other_null(question)
    level = confidence(level)
    missing = choice("missing", missing, Missing)
    if question is not None and question.measure not in ("GEN", "OR"):
        raise InputError(f"Networks by Mantel-Haenszel are of odds ratios; the question is on {question.measure!r}.")
    frame = None if data is None else as_frame(data)
    given = {"study": study, "treatment": treatment, "events": events, "n": n}
    if frame is not None:
        given = {name: name if value is None and name in frame.columns else value for name, value in given.items()}
    absent = [name for name, value in given.items() if value is None]
    if absent:
        raise InputError(f"Mantel-Haenszel takes study, treatment, events, n; missing: {', '.join(absent)}.")
    numbers, texts, rows_read, lost, notes = columns_of(given, frame, missing)
    trials, left = _designs(numbers["events"], numbers["n"], texts)
    lost += [LeftOut(study_id=label, label=label, reason=reason) for label, reason in left]
    if left:
        notes.append(f"{MISSING} they say nothing on an odds ratio: " + "; ".join(f"{a} ({b})" for a, b in left) + ".")
    if not trials:
        raise InputError(["No trial is left that compares two treatments.", *(f"{a}: {b}." for a, b in left)])
    names = sorted({arm for t in trials for arm in t.arms})
    refuse_parts(trials, names)
    net = Network(
        tuple(trials), tuple(names), reference_of(reference, trials, names), tuple(notes),
        Origin(tuple(lost), np.arange(len(trials)), rows_read),
    )  # fmt: skip
    asked = replace(question or Question(), measure="OR")
    found = fit_network(net, asked, "common", "Wald", level)
    result = replace(found, method="common", call={**found.call, "function": "networks.mantel_haenszel"})
    for note in result.warnings:
        warn(note)
    return result


def _designs(events: np.ndarray, n: np.ndarray, texts: dict[str, list[str]]) -> tuple[list[Trial], list[tuple[str, str]]]:
    """A trial for every design, pooled, and what was left out with the reason."""
    designs: dict[tuple[str, ...], list[str]] = {}
    counts: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    left, problems = [], []
    for label, rows in by_trial(texts["study"]).items():
        arms = [texts["treatment"][i] for i in rows]
        twice = sorted({a for a in arms if arms.count(a) > 1})
        order = [rows[i] for i in np.argsort(arms, kind="stable").tolist()]
        e, size = events[order], n[order]
        if twice:
            problems.append(f"{label}: several arms of {', '.join(twice)}; combine them first, one row a treatment.")
        elif len(arms) < 2:
            left.append((label, f"{arms[0]} alone, no comparison"))
        elif e.sum() == 0:
            left.append((label, "no event in any arm"))
        elif (e == size).all():
            left.append((label, "everybody has the event in every arm"))
        else:
            counts[label] = e, size - e
            designs.setdefault(tuple(sorted(arms)), []).append(label)
    if problems:
        raise InputError(problems)
    trials = []
    for arms_, labels in designs.items():
        e, f = (np.array([counts[label][i] for label in labels]) for i in (0, 1))
        pooled = pooled_design(e, f)
        if pooled is None:
            left += [(label, f"no events on one side of some pair among {', '.join(arms_)}") for label in labels]
            continue
        name = f"{', '.join(arms_)} ({len(labels)} trial{'s' * (len(labels) > 1)})"
        trials.append(Trial(name, arms_, *pooled, len(labels)))
    return trials, left


def pooled_design(e: np.ndarray, f: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """Log odds ratios of arms 1 to m against arm 0 and their covariance, (m,) and (m, m).

    ``e`` and ``f`` (trials, m + 1) are those with the event and without. None where a pair of arms has no odds ratio.
    """
    total = (e + f).sum(1)
    arms = e.shape[1]
    pairs = list(combinations(range(arms), 2))
    c = np.einsum("ia,ib,i->ab", e, f, 1 / total)  # events of a against the others of b
    if any(c[a, b] == 0 or c[b, a] == 0 for a, b in pairs):
        return None
    crude = np.array([np.log(c[a, b] / c[b, a]) for a, b in pairs])
    V = np.zeros((len(pairs), len(pairs)))
    for i, one in enumerate(pairs):
        V[i, i] = _variance(e, f, total, c, *one)
        for j in range(i):
            shared = set(one) & set(pairs[j])
            if shared:
                x = shared.pop()
                y, z = sum(one) - x, sum(pairs[j]) - x
                sign = (1 if one[0] == x else -1) * (1 if pairs[j][0] == x else -1)
                V[i, j] = V[j, i] = sign * _covariance(e, f, total, c, x, y, z)
    # least squares over all pairs: the mean over every path from arm to arm
    paths = np.zeros((arms, len(pairs)))
    for i, (a, b) in enumerate(pairs):
        paths[a, i], paths[b, i] = 1 / arms, -1 / arms
    turn = paths[1:] - paths[0]
    return turn @ crude, turn @ V @ turn.T


def _variance(e: np.ndarray, f: np.ndarray, total: np.ndarray, c: np.ndarray, a: int, b: int) -> float:
    """Variance of a Mantel-Haenszel log odds ratio (Robins, Breslow & Greenland 1986, Biometrics 42:311-323)."""
    p, q = (e[:, a] + f[:, b]) / total, (f[:, a] + e[:, b]) / total
    r, s = e[:, a] * f[:, b] / total, f[:, a] * e[:, b] / total
    R, S = c[a, b], c[b, a]
    return float(p @ r / (2 * R * R) + (p @ s + q @ r) / (2 * R * S) + q @ s / (2 * S * S))


def _covariance(e: np.ndarray, f: np.ndarray, total: np.ndarray, c: np.ndarray, x: int, y: int, z: int) -> float:
    """Covariance of the log odds ratios of arm x with y and of x with z, which share the patients of x."""
    one = (e[:, x] * f[:, y] * f[:, z] / total**2).sum() / (c[x, y] * c[x, z])
    two = (f[:, x] * e[:, y] * e[:, z] / total**2).sum() / (c[y, x] * c[z, x])
    return float(one + two)


__all__ = ["mantel_haenszel", "pooled_design"]

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

from vfmeta.core.messages import InputError, warn_each
from vfmeta.core.origin import Origin
from vfmeta.core.params import Missing, choice, confidence
from vfmeta.core.question import Question
from vfmeta.effects.cells import check_question
from vfmeta.networks.count_trials import Counted, CountRows, read_counts
from vfmeta.networks.fit import fit_network, refuse_other_null
from vfmeta.networks.graph import Network, Trial
from vfmeta.networks.result import NetworkResult
from vfmeta.networks.trials import leave_out, reference_of, refuse_parts

_FEW = 4  # events an arm below which the test between designs is cautious


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

    How often its tests reject and its intervals hold: ``reports/levels.md#networksmantel_haenszel``.

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
    given = {"study": study, "treatment": treatment, "events": events, "n": n}
    counts = read_counts(data, given, missing, "Mantel-Haenszel")
    trials, left = _designs(counts)
    lost, notes = counts.lost, counts.notes
    leave_out(left, "of an odds ratio", trials, lost, notes)
    names = sorted({arm for t in trials for arm in t.arms})
    refuse_parts(trials, names)
    net = Network(
        tuple(trials), tuple(names), reference_of(reference, trials, names), tuple(notes),
        Origin(tuple(lost), np.arange(len(trials)), counts.rows),
    )  # fmt: skip
    asked = replace(question or Question(), measure="OR")
    found = fit_network(net, asked, "common", "Wald", level)
    few = np.mean(np.concatenate([t.events for t in counts.trials])) < _FEW
    test = replace(found.q, note="rejects 0 to 2% at 5% where events are few" if few else "")
    result = replace(found, method="common", q=test, call={**found.call, "function": "networks.mantel_haenszel"})
    warn_each(result.warnings)
    return result


def _designs(counts: CountRows) -> tuple[list[Trial], list[tuple[str, str]]]:
    """A trial for every design, pooled, and what was left out with the reason."""
    designs: dict[tuple[str, ...], list[Counted]] = {}
    left = list(counts.silent)
    for trial in counts.trials:
        designs.setdefault(trial.arms, []).append(trial)
    trials = []
    for arms_, own in designs.items():
        e = np.array([t.events for t in own])
        f = np.array([t.size for t in own]) - e
        pooled = pooled_design(e, f)
        if pooled is None:
            left += [(t.label, f"no events on one side of some pair among {', '.join(arms_)}") for t in own]
            continue
        name = f"{', '.join(arms_)} ({len(own)} trial{'s' * (len(own) > 1)})"
        trials.append(Trial(name, arms_, *pooled, len(own)))
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

"""Trials of a network, from arms or from contrasts: every fault named by trial, the parts of a broken network too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from vfmeta.core.messages import InputError
from vfmeta.core.origin import LeftOut, Origin
from vfmeta.core.params import Missing, choice
from vfmeta.effects import cells
from vfmeta.effects.columns import given_columns, refuse_unfit
from vfmeta.effects.counts import check_values
from vfmeta.effects.formulas import proportions, rates, single_means
from vfmeta.effects.formulas.common import ZeroRule
from vfmeta.kernels.network import covariance
from vfmeta.networks.graph import Network, Trial
from vfmeta.text.notes import MISSING

# what an arm contributes to a contrast, with its variance: the measure of one group whose difference is the measure of two
ARMS: dict[str, tuple[tuple[str, ...], Any]] = {
    "MD": (("mean", "sd", "n"), single_means.mean),
    "ROM": (("mean", "sd", "n"), single_means.log_mean),
    "OR": (("events", "n"), proportions.logit_proportion),
    "RR": (("events", "n"), proportions.log_proportion),
    "RD": (("events", "n"), proportions.proportion),
    "IRR": (("events", "time"), rates.log_rate),
    "IRD": (("events", "time"), rates.rate),
}
# contrasts of one trial that should close a loop: rounding may be this share of the smallest standard error
LOOSE = 0.1


def read(
    given: dict[str, Any], frame: Any, measure: str, reference: Any, missing: Missing, *, in_parts: bool = False
) -> Network:
    """The network in arms or contrasts; ``given`` maps the arguments of `network` to columns or arrays, None where left out.

    A network whose parts no trial joins is refused, unless ``in_parts``.
    """
    rows = rows_of(given, frame, measure, choice("missing", missing, Missing))
    return network_of(rows, measure, reference, in_parts=in_parts)


def rows_of(given: dict[str, Any], frame: Any, measure: str, missing: str) -> Rows:
    """The rows of arms or contrasts, checked; see `read`."""
    contrasts = any(given[name] is not None for name in ("y", "se", "v", "treat1", "treat2"))
    if not contrasts and given["se_base"] is not None:
        raise InputError("se_base= belongs to contrasts (y, se, treat1, treat2); arms say how their contrasts correlate.")
    if contrasts and any(given[name] is not None for name in ("treatment", "mean", "sd", "n", "events", "time")):
        raise InputError("Give arms (treatment= with their figures) or contrasts (y, se, treat1, treat2), not both.")
    if contrasts:
        needed: tuple[str, ...] = ("study", "treat1", "treat2", "y", "v" if given["v"] is not None else "se")
        if given["se_base"] is not None:
            needed += ("se_base",)
        if given["v"] is not None and given["se"] is not None:
            raise InputError("v=, se= say the same; give one.")
    elif measure not in ARMS:
        listed = ", ".join(ARMS)
        raise InputError(f"measure={measure!r} cannot be made from arms here; use one of {listed}, or give contrasts.")
    else:
        needed = ("study", "treatment", *ARMS[measure][0])
    refuse_unfit(needed, given, given, "Contrasts take" if contrasts else f"{measure} of arms takes")
    return columns_of({name: given[name] for name in needed}, frame, missing)


def network_of(rows: Rows, measure: str, reference: Any, *, in_parts: bool = False) -> Network:
    """The network of checked rows."""
    lost, notes = list(rows.lost), list(rows.notes)
    if "treatment" in rows.texts:
        trials, more = from_arms(measure, rows.numbers, rows.texts, notes)
    else:
        trials, more = from_contrasts(rows.numbers, rows.texts, notes)
    leave_out(more, "of a comparison", trials, lost, notes)
    beyond = [t.label for t in trials if not (np.isfinite(t.y).all() and np.isfinite(t.V).all())]
    if beyond:
        raise InputError(f"{', '.join(beyond)}: effects or variances are too large to compute with; choose a larger unit.")
    names = sorted({arm for t in trials for arm in t.arms})
    if not in_parts:
        refuse_parts(trials, names)
    return Network(
        tuple(trials),
        tuple(names),
        reference_of(reference, trials, names),
        tuple(notes),
        Origin(tuple(lost), np.arange(len(trials)), rows.total),
    )


class Rows(NamedTuple):
    """Numbers and texts of the rows that are whole (``kept`` says which), how many there were, and what was left out."""

    numbers: dict[str, np.ndarray]
    texts: dict[str, list[str]]
    kept: np.ndarray
    total: int
    lost: list[LeftOut]
    notes: list[str]

    def only(self, which: np.ndarray) -> Rows:
        """Some of them, by their number."""
        texts = {name: [x[i] for i in which.tolist()] for name, x in self.texts.items()}
        return Rows({name: x[which] for name, x in self.numbers.items()}, texts, self.kept[which], len(which), [], [])


def columns_of(asked: dict[str, Any], frame: Any, missing: str, *, counts: bool = False) -> Rows:
    """The rows of these columns that are whole; every fault of them is named, ``counts`` that are no whole numbers too."""
    values, shown, k, _ = given_columns(asked, frame)
    problems: list[str] = []
    labels = cells.names(values["study"], k, shown=shown["study"], once=False, problems=problems)
    texts = {"study": list(labels)}
    for name in ("treatment", "treat1", "treat2"):
        if name in values:
            texts[name] = list(cells.names(values[name], k, shown=shown[name], noun="treatment", once=False, problems=problems))
    positive = {"se": "error", "v": "variance", "se_base": "error"}
    numbers = {
        name: cells.numbers(values[name], shown[name], labels, problems, positive.get(name, ""))
        for name in asked if name not in texts
    }  # fmt: skip
    check_values(numbers, shown, labels, counts, problems)
    # the base arm's standard error matters to trials with several arms only
    empty = {shown[name]: np.isnan(x) for name, x in numbers.items() if name != "se_base"}
    if missing == "raise":
        cells.gaps(empty, labels, problems)
    if problems:
        raise InputError(list(dict.fromkeys(problems)))
    gone = np.any(list(empty.values()), axis=0)
    lost, notes = [], []
    if gone.any():
        lost, notes = list(cells.lost(empty, labels)), [cells.left_out(empty, labels)]
    keep = np.flatnonzero(~gone)
    kept = {n: x[keep] for n, x in numbers.items()}, {n: [x[i] for i in keep.tolist()] for n, x in texts.items()}
    return Rows(*kept, keep, k, lost, notes)


def not_comparing(label: str, arms: Sequence[str]) -> tuple[str, str]:
    """What is wrong with the arms of a trial, and why it compares nothing; empty where neither holds."""
    twice = sorted({a for a in arms if arms.count(a) > 1})
    if twice:
        return f"{label}: several arms of {', '.join(twice)}; combine them first (vf.convert), one row a treatment.", ""
    return "", f"{arms[0]} alone, no comparison" if len(arms) < 2 else ""


def leave_out(
    left: Sequence[tuple[str, str]], of: str, kept: Sequence[Any] | Mapping[str, Any], lost: list[LeftOut], notes: list[str]
) -> None:
    """Record the trials that say nothing ``of`` what is asked, each with why; an error where none is ``kept``."""
    lost += [LeftOut(study_id=label, label=label, reason=reason) for label, reason in left]
    if left:
        notes.append(f"{MISSING} they say nothing {of}: " + "; ".join(f"{a} ({b})" for a, b in left) + ".")
    if not kept:
        raise InputError(["No trial is left that compares two treatments.", *(f"{a}: {b}." for a, b in left)])


def by_trial(labels: Sequence[str]) -> dict[str, list[int]]:
    where: dict[str, list[int]] = {}
    for i, label in enumerate(labels):
        where.setdefault(label, []).append(i)
    return where


def from_arms(
    measure: str, numbers: dict[str, np.ndarray], texts: dict[str, list[str]], notes: list[str]
) -> tuple[list[Trial], list[tuple[str, str]]]:
    names, formula = ARMS[measure]
    columns = [numbers[name] for name in names]
    trials, left, problems, moved = [], [], [], []
    for label, rows in by_trial(texts["study"]).items():
        arms = tuple(texts["treatment"][i] for i in rows)
        fault, why = not_comparing(label, arms)
        if fault:
            problems.append(fault)
            continue
        if why:
            left.append((label, why))
            continue
        own = [x[rows] for x in columns]
        if names[0] == "events":
            reason, corrected = _zero_cells(measure, own)
            if reason:
                left.append((label, reason))
                continue
            moved += [label] * (corrected is not own)
            own = corrected
        if measure == "ROM" and (own[0] <= 0).any():
            problems.append(f"{label}: a ratio of means needs means above 0.")
            continue
        with np.errstate(all="ignore"):
            y, v = formula(*own)
        if not (np.isfinite(y).all() and (v > 0).all()):
            problems.append(
                f"{label}: an arm has no variance of its own (nobody or everybody has the event); leave it out, or use OR."
            )
            continue
        trials.append(Trial(label, arms, y[1:] - y[0], np.diag(v[1:]) + v[0]))
    if problems:
        raise InputError(problems)
    if moved:
        notes.append(f"0.5 was added to every cell of the trials with a zero cell: {', '.join(moved)}.")
    return trials, left


def _zero_cells(measure: str, own: list[np.ndarray]) -> tuple[str, list[np.ndarray]]:
    """Why a trial says nothing on the measure, or its counts with 0.5 in every cell where one is zero."""
    events, size = own
    ratio = measure in ("OR", "RR", "IRR")
    if measure in ("IRR", "IRD"):
        if ratio and events.sum() == 0:
            return "no event in any arm", own
        return "", ([events + 0.5, size] if (events == 0).any() else own)
    if ratio and events.sum() == 0:
        return "no event in any arm", own
    if ratio and (events == size).all():
        return "everybody has the event in every arm", own
    zero = (events == 0).any() or (events == size).any()
    return "", ([ZeroRule(add=0.5, to="all").apply(events)[0], size + 1.0] if zero else own)


def from_contrasts(
    numbers: dict[str, np.ndarray], texts: dict[str, list[str]], notes: list[str]
) -> tuple[list[Trial], list[tuple[str, str]]]:
    y, v = numbers["y"], numbers["v"] if "v" in numbers else numbers["se"] ** 2
    trials, problems, eased = [], [], []
    for label, rows in by_trial(texts["study"]).items():
        pairs = [(texts["treat1"][i], texts["treat2"][i]) for i in rows]
        if len(rows) == 1 and pairs[0][0] != pairs[0][1]:
            trials.append(Trial(label, pairs[0][::-1], y[rows], v[rows][:, None]))
            continue
        arms = tuple(dict.fromkeys(t for one, two in pairs for t in (two, one)))
        own = [f"{a} with itself" for a, b in pairs if a == b]
        sets = [frozenset(p) for p in pairs]
        own += [" and ".join(sorted(s)) + " twice" for s in dict.fromkeys(sets) if len(s) == 2 and sets.count(s) > 1]
        if own:
            problems.append(f"{label} compares {', '.join(own)}; give each pair of treatments once.")
            continue
        lacking = [f"{a} with {b}" for i, a in enumerate(arms) for b in arms[:i] if frozenset((a, b)) not in sets]
        base = numbers["se_base"][rows] if "se_base" in numbers else np.full(len(rows), np.nan)
        if lacking and not np.isnan(base).all():
            made = _from_base(label, pairs, y[rows], v[rows], base)
            if isinstance(made, str):
                problems.append(made)
            else:
                trials.append(made)
            continue
        if lacking:
            problems.append(
                f"{label} has {len(arms)} arms and its contrast {' and '.join(lacking)} is missing: without the standard error "
                "of every contrast nothing says how they correlate. Add the rows, give the arms, or se_base=, the standard "
                "error of the arm that all its contrasts share."
            )
            continue
        n = len(arms)
        at, difference, pair = {a: i for i, a in enumerate(arms)}, np.zeros((n, n)), np.zeros((n, n))
        for row, (one, two) in zip(rows, pairs, strict=True):
            i, j = at[one], at[two]
            difference[i, j], difference[j, i] = y[row], -y[row]
            pair[i, j] = pair[j, i] = v[row]
        level = difference.mean(axis=1)  # least squares: arms whose differences come closest to those printed
        apart = np.abs(difference - (level[:, None] - level[None, :])).max()
        if apart > LOOSE * np.sqrt(pair[pair > 0].min()):
            said = ", ".join(f"{a} - {b} = {y[r]:g}" for r, (a, b) in zip(rows, pairs, strict=True))
            problems.append(f"{label}: its contrasts contradict each other ({said}); correct them.")
            continue
        if apart > 1e-9 * max(1.0, np.abs(difference).max()):
            eased.append(label)
        V = covariance(pair)
        if np.linalg.eigvalsh(V)[0] <= 1e-12 * np.trace(V):
            problems.append(
                f"{label}: no trial has such standard errors of its contrasts together (their covariance is not positive "
                "definite); check them."
            )
            continue
        trials.append(Trial(label, arms, (level - level[0])[1:], V))
    if problems:
        raise InputError(problems)
    if eased:
        notes.append(f"Contrasts that differ by rounding were brought together by least squares: {', '.join(eased)}.")
    return trials, []


def _from_base(label: str, pairs: list[tuple[str, str]], y: np.ndarray, v: np.ndarray, base: np.ndarray) -> Trial | str:
    """A trial from contrasts with one arm, whose variance is what these share; or what is wrong with it."""
    shared = set(pairs[0]).intersection(*map(set, pairs))
    if len(shared) != 1:
        said = ", ".join(f"{a} - {b}" for a, b in pairs)
        return f"{label}: with se_base= all contrasts of a trial are with the same arm (not {said}); give those, or every one."
    if np.isnan(base).any() or np.ptp(base) > 1e-9 * base.max():
        return f"{label}: se_base is the standard error of one arm, the same in each of its rows; correct it."
    (arm,) = shared
    sign = np.array([1.0 if two == arm else -1.0 for _, two in pairs])
    V = np.full((len(y), len(y)), base[0] ** 2)
    np.fill_diagonal(V, v)
    if not (v > base**2).all():
        return f"{label}: se_base is not below every standard error of its contrasts, of which it is a part; correct it."
    others = tuple(one if two == arm else two for one, two in pairs)
    return Trial(label, (arm, *others), sign * y, V)


def refuse_parts(trials: Sequence[Trial], names: Sequence[str]) -> None:
    """A network in several parts compares nothing between them."""
    part = {t: {t} for t in names}
    for trial in trials:
        first = part[trial.arms[0]]
        for arm in trial.arms[1:]:
            if (other := part[arm]) is not first:
                first |= other
                part.update(dict.fromkeys(other, first))
    if len(part[names[0]]) < len(names):
        found = {id(x): x for x in part.values()}.values()
        parts = "; ".join(", ".join(n for n in names if n in x) for x in found)
        count = len(found)
        raise InputError(
            f"The network is in {count} parts that no trial joins: {parts}. Nothing can be said across them: analyse each part "
            "for itself, or add a trial that joins them."
        )


def reference_of(reference: Any, trials: Sequence[Trial], names: Sequence[str]) -> str:
    """The treatment asked for, or the one that most trials have."""
    if reference is None:
        having = dict.fromkeys(names, 0)
        for trial in trials:
            for arm in trial.arms:
                having[arm] += trial.count
        return max(names, key=having.__getitem__)  # the first of equals
    wanted = cells.label(reference)
    if wanted not in names:
        raise InputError(f"reference={reference!r} is no treatment of the network; there are {', '.join(names)}.")
    return wanted


__all__ = [
    "ARMS",
    "by_trial",
    "columns_of",
    "from_arms",
    "from_contrasts",
    "read",
    "reference_of",
    "refuse_parts",
]

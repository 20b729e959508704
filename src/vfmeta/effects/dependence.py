"""Which effects of a table share patients, and the covariance matrix that follows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from vfmeta.core.measures import row
from vfmeta.core.messages import InputError
from vfmeta.kernels import shared_patients

if TYPE_CHECKING:
    from vfmeta.effects.effect import Effect

Rho = float | Mapping[tuple[str, str], float]


def shares_patients(effects: Sequence[Effect]) -> bool:
    """Whether a cohort has more than one effect."""
    return any(count > 1 for count in Counter(_cohort(e) for e in effects).values())


def covariance(
    effects: Sequence[Effect], measure: str, phi: float | None, rho: Rho | None
) -> tuple[np.ndarray, tuple[str, ...]]:
    """V of the effects, shape (k, k), NaN where a correlation is missing, and in words what was assumed."""
    for name, value in (("phi", phi), ("rho", rho)):
        low = 0.0 if name == "phi" else -1.0
        for x in value.values() if isinstance(value, Mapping) else [value]:
            if x is not None and (isinstance(x, bool) or not low <= x <= 1):
                raise InputError(f"{name}={x!r} is a correlation; it must lie between {low:g} and 1.")
    v = np.array([e.v for e in effects], dtype=float)
    many = {cohort for cohort, count in Counter(_cohort(e) for e in effects).items() if count > 1}
    nameless = dict.fromkeys(e.label for e in effects if _cohort(e) in many and not all(e.arms))
    if nameless:
        raise InputError(
            f"{', '.join(nameless)}: several effects of a study whose arms the table does not name, so that nothing says which "
            "patients they share. Build V with vf.sampling_covariance and pass it to the model."
        )
    arms, notes = _arms(effects, many)
    parts, more = _parts(effects, many)
    outcomes = list(dict.fromkeys(e.outcome for e in effects))
    week = np.array([np.nan if e.week is None else e.week for e in effects], dtype=float)
    untimed = dict.fromkeys(e.label for e in effects if e.week is None and _cohort(e) in many)
    if untimed:
        notes.append(f"no time is printed for {', '.join(untimed)}: taken as measured at one time")
    place = np.array([outcomes.index(e.outcome) for e in effects])
    spread = _spread(effects) if row(measure).within == "standard deviations" else None
    V = shared_patients.covariance(v, arms, parts, week, place, phi, _table(rho, outcomes), spread)
    assumed = ["effects of one cohort covary through the arms they share (Gleser & Olkin 2009)", *notes, *more]
    if phi is not None:
        assumed.append(f"correlation {phi:g} of an outcome with itself a week later, to the power of the weeks between")
    if isinstance(rho, Mapping):
        assumed.append("correlations of outcomes: " + ", ".join(f"{a} with {b} {x:g}" for (a, b), x in rho.items()))
    elif rho is not None:
        assumed.append(f"correlation {rho:g} of different outcomes")
    return V, tuple(assumed)


def one_each(effects: Sequence[Effect], V: np.ndarray) -> tuple[Effect, ...]:
    """The effects, those that covary made one by generalised least squares.

    Where effects of a trial estimate one true effect, y_i ~ N(theta, V_i), their combination (1'y / 1'1 under the inner product
    of V^-1) with variance 1 / (1'V^-1 1) holds all they say of theta, so that any pool of the combinations is the one of the
    multivariate model with a random effect a trial (Gleser & Olkin 2009).
    """
    from scipy.sparse.csgraph import connected_components

    group = connected_components(V != 0, directed=False)[1].tolist()
    out = []
    for g in dict.fromkeys(group):
        at = [i for i, x in enumerate(group) if x == g]
        out.append(effects[at[0]] if len(at) == 1 else _combined([effects[i] for i in at], V[np.ix_(at, at)]))
    return tuple(out)


def _combined(effects: Sequence[Effect], V: np.ndarray) -> Effect:
    weights = np.linalg.solve(V, np.ones(len(V)))
    first, v = effects[0], 1 / float(weights.sum())

    def listed(name: str) -> tuple[str, ...]:
        return tuple(dict.fromkeys(x for e in effects for x in getattr(e, name)))

    def of_arms(name: str, side: int) -> float | None:
        values = {e.arms[side]: getattr(e, name)[side] for e in effects}.values()
        return None if None in values else sum(values)

    return replace(
        first, y=float(weights @ [e.y for e in effects]) * v, v=v, label=first.label.removesuffix(f" ({first.arms[0]})"),
        arms=("+".join(dict.fromkeys(e.arms[0] for e in effects)), "+".join(dict.fromkeys(e.arms[1] for e in effects))),
        n=(of_arms("n", 0), of_arms("n", 1)), events=(of_arms("events", 0), of_arms("events", 1)), flags=listed("flags"),
        rows=listed("rows"), sources=listed("sources"), unused=listed("unused"), printed=listed("printed"),
        steps=(*listed("steps"), f"{len(effects)} comparisons that share patients combined by the inverse of their covariance"),
        arm_variances=(None, None), interval=None, made={},
    )  # fmt: skip


def _cohort(e: Effect) -> str:
    return e.cohort_id or e.study_id


def _arms(effects: Sequence[Effect], many: set[str]) -> tuple[np.ndarray, list[str]]:
    """A number for each arm, shape (k, 2); combined arms that overlap count as one."""
    known: dict[tuple[str, frozenset[str]], int] = {}
    merged: dict[str, None] = {}
    out = np.empty((len(effects), 2), dtype=int)
    for i, e in enumerate(effects):
        for side in (0, 1):
            cohort, members = _cohort(e), frozenset(e.arms[side].split("+"))
            if cohort not in many:  # nothing to share
                known[(f"{cohort} {i}", members | {str(side)})] = out[i, side] = len(known)
                continue
            same = next((key for key in known if key[0] == cohort and key[1] & members), None)
            if same is not None and same[1] != members:
                merged[f"arms {e.arms[side]} of {e.label} overlap with others and count as one arm"] = None
            key = same or (cohort, members)
            out[i, side] = known.setdefault(key, len(known))
    return out, list(merged)


def _parts(effects: Sequence[Effect], many: set[str]) -> tuple[np.ndarray, list[str]]:
    """What each arm adds to the variance, shape (k, 2): known from the arms, or the variance shared out by their sizes."""
    out = np.empty((len(effects), 2))
    by_size: dict[str, None] = {}
    by_half: dict[str, None] = {}
    for i, e in enumerate(effects):
        one, two = e.arm_variances
        if one is None or two is None:
            first, second = e.n
            if first and second:
                one, two = (e.v * x / (1 / first + 1 / second) for x in (1 / first, 1 / second))
            else:
                one = two = e.v / 2
            if _cohort(e) in many:
                (by_size if first and second else by_half)[e.label] = None
        out[i] = one, two
    notes = []
    if by_size:
        notes.append(f"the variance of the arms is not known for {', '.join(by_size)}: shared out by their sizes")
    if by_half:
        notes.append(f"the variance and size of the arms are not known for {', '.join(by_half)}: half for each")
    return out, notes


def _spread(effects: Sequence[Effect]) -> np.ndarray:
    """What the SD of each arm adds to an SMD: g^2 / (2 N) shared out by the sizes of the arms, as roots with the sign of g.

    Gleser & Olkin have g1 g2 / (2 N) where one SD is pooled over all arms of the trial; here every SMD is divided by the SD of
    its own two arms.
    """
    out = np.zeros((len(effects), 2))
    for i, e in enumerate(effects):
        one, two = e.n
        if one and two:
            out[i] = [e.y * np.sqrt(n / 2) / (one + two) for n in (one, two)]
    return out


def _table(rho: Rho | None, outcomes: list[str]) -> float | np.ndarray | None:
    """Correlations of the outcomes of the table, shape (outcomes, outcomes); those not given are NaN."""
    if not isinstance(rho, Mapping):
        return rho
    out = np.full((len(outcomes), len(outcomes)), np.nan)
    for (a, b), value in rho.items():
        for x in (a, b):
            if x not in outcomes:
                raise InputError(f"rho names {x!r}, which is no outcome of the table; its outcomes are {', '.join(outcomes)}.")
        out[outcomes.index(a), outcomes.index(b)] = out[outcomes.index(b), outcomes.index(a)] = value
    return out

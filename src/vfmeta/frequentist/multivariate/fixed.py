"""What the user knows of the random effects: variances and correlations held at given values, relations of groups."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from vfmeta.core.messages import InputError
from vfmeta.frequentist.multivariate.structures import Structure
from vfmeta.frequentist.multivariate.terms import Term

#: variances and correlations of a term, NaN where they are estimated
Given = tuple[np.ndarray, np.ndarray]


def given_values(terms: Sequence[Term], variances: Any, correlations: Any) -> tuple[Given, ...]:
    """Values at which the components of each term are held.

    Parameters
    ----------
    terms : sequence of Term
    variances, correlations : mapping from the name of a term to a value or a sequence, None where it is estimated

    Raises
    ------
    InputError
        An unknown term, too many or too few values, a value out of its range.
    """
    wanted = {"variances": variances, "correlations": correlations}
    tables: dict[str, dict[str, Any]] = {}
    for what, value in wanted.items():
        if value is not None and not isinstance(value, Mapping):
            raise InputError(f'{what} must be a dict from a random term to its value, such as {{"1 | trial": 0.04}}.')
        tables[what] = {_key(name): x for name, x in (value or {}).items()}
        unknown = [name for name in value or {} if _key(name) not in {_key(t.name) for t in terms}]
        if unknown:
            there = ", ".join(repr(t.name) for t in terms) or "none"
            raise InputError(f"{what} names {', '.join(map(repr, unknown))}; the random terms of the model are {there}.")
    out = []
    for t in terms:
        s = t.structure
        held = _values(tables["variances"].get(_key(t.name)), s.variances, "variances", t)
        if (held < 0).any():
            raise InputError(f"variances of {t.name!r}: {held.min():g} is not a variance; it must be at least 0.")
        rho = _values(tables["correlations"].get(_key(t.name)), s.correlations, "correlations", t)
        _check_correlations(t, rho)
        out.append((held, rho))
    return tuple(out)


def free_parameters(structure: Structure, given: Given, scale: float) -> np.ndarray:
    """The values held as free parameters of a structure, NaN where they are estimated; ``scale`` is the unit of y inside."""
    from vfmeta.frequentist.multivariate.structures import CAR_END, angles_of

    variance, rho = given
    angles = np.full(len(rho), math.nan)
    if not np.isnan(rho).any() and len(rho):
        if structure.kind in ("UN", "GEN"):
            angles = angles_of(_symmetric(rho, structure.q))
        elif structure.kind == "CAR":
            # held for one unit of time, the angle is that of a lag of `unit`; zero must be zero at the shortest lag too
            angles = np.array([1e3 * CAR_END if rho[0] == 0 else structure.angle(float(rho[0])) * math.sqrt(structure.unit)])
        else:
            angles = np.array([structure.angle(float(rho[0]))])
    return np.concatenate([np.sqrt(variance) / scale, angles])


def _values(value: Any, size: int, what: str, term: Term) -> np.ndarray:
    if value is None:
        return np.full(size, math.nan)
    if size == 0:
        raise InputError(f"{term.name!r} with structure {term.structure.kind} has no correlation to be held.")
    listed = [value] if np.ndim(value) == 0 else list(value)
    try:
        out = np.array([math.nan if x is None else float(x) for x in listed])
    except (TypeError, ValueError) as error:
        raise InputError(f"{what} of {term.name!r} must be numbers, None where they are to be estimated.") from error
    if len(out) == 1 and np.ndim(value) == 0:
        out = np.repeat(out, size)
    if len(out) != size or np.isinf(out).any():
        raise InputError(f"{what} of {term.name!r} has {len(out)} values; {size} finite ones are needed (None: estimated).")
    return out


def _check_correlations(term: Term, rho: np.ndarray) -> None:
    s, held = term.structure, ~np.isnan(rho)
    if not held.any():
        return
    low, high = s.rho_range()
    if (rho[held] < low).any() or (rho[held] > high).any():
        raise InputError(f"correlations of {term.name!r}: a value lies outside {low:.3g} to {high:.3g}.")
    if s.kind in ("UN", "GEN"):
        if not held.all():
            raise InputError(f"correlations of {term.name!r}: hold all {len(rho)} of them or none.")
        if np.linalg.eigvalsh(_symmetric(rho, s.q))[0] < -1e-10:
            raise InputError(f"correlations of {term.name!r}: no variables can correlate like that (a negative eigenvalue).")


def _symmetric(rho: np.ndarray, q: int) -> np.ndarray:
    """Correlations in the order (1,2), (1,3), ..., (2,3), ... as a matrix."""
    r = np.zeros((q, q))
    r[np.triu_indices(q, 1)] = rho
    return r + r.T + np.eye(q)


def _key(name: Any) -> str:
    return "".join(str(name).split())

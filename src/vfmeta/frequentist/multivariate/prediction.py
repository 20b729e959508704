"""Mean effects and the range of true effects at given moderators, from a multivariate model."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from vfmeta.core.messages import InputError, kind_of, warn
from vfmeta.core.params import OnScale
from vfmeta.results.coefficients import predictions
from vfmeta.results.wald import quantile

if TYPE_CHECKING:
    import pandas as pd

    from vfmeta.frequentist.multivariate.fitted import MultivariateFit, RandomTerm


def predict(fit: MultivariateFit, new: Any, at: Mapping[str, Any] | None, level: float, on: OnScale) -> pd.DataFrame:
    """See `MultivariateFit.predict`."""
    if at is not None and not isinstance(at, Mapping):
        raise InputError(f"at is {kind_of(at)}; it must be a dict from a random term to its values.")
    at = dict(at or {})
    unknown = [name for name in at if name not in {t.name for t in fit.random}]
    if unknown:
        raise InputError(f"at names {unknown}; the random terms are {[t.name for t in fit.random]}.")
    index: dict[str, list[str]] = {}
    if new is None:
        if fit.X.shape[1] != 1 or not np.all(fit.X == 1):
            raise InputError("This model has moderators; give new= with their values.")
        # one mean for all: a row a level where the range of true effects hangs on it
        open_ = [t for t in fit.random if len(t.variances) > 1 and t.structure not in ("GEN", "GDIAG") and t.name not in at]
        if len(open_) == 1:
            at[open_[0].name] = index[open_[0].name] = list(open_[0].levels)
        count = max([1, *(len(x) for x in at.values() if _is_list(x))])
        rows = np.ones((count, 1))
    else:
        rows = fit.design.rows(new)
    mean = rows @ fit.estimate
    variance = np.einsum("mp,pq,mq->m", rows, fit.vb, rows)
    half = quantile(level, None if fit.df is None else fit.degrees(rows))
    between = np.zeros(len(rows)) if fit.random else np.full(len(rows), math.nan)
    for t in fit.random:
        between = between + _between(t, new, at.get(t.name), len(rows))
    wide, se = half * np.sqrt(variance + between), np.sqrt(variance)
    return predictions(fit.question, mean, se, half, wide, on, **index)


def _between(term: RandomTerm, new: Any, at: Any, m: int) -> np.ndarray:
    """Variance of the true effects that a term brings at each of m rows, shape (m,)."""
    inner = term.name.split(" | ")[0]
    if term.structure in ("GEN", "GDIAG"):
        names = term.levels[1:]
        given = at if isinstance(at, Mapping) else {names[0]: at} if at is not None and len(names) == 1 else {}
        values = [given[n] if n in given else _column(new, n) for n in names]
        absent = [n for n, x in zip(names, values, strict=True) if x is None]
        if absent:
            return _unknown(term, f'at={{"{term.name}": {{"{absent[0]}": ...}}}}', m)
        z = np.column_stack([np.ones(m), *(_numbers(x, n, term, m) for x, n in zip(values, names, strict=True))])
        return np.einsum("mi,ij,mj->m", z, term.covariance, z)
    if len(term.variances) == 1:
        return np.full(m, term.variances[0])
    wanted = _column(new, inner) if at is None else at
    if wanted is None:
        return _unknown(term, f'at={{"{term.name}": ...}} ({", ".join(term.levels)})', m)
    levels = [str(x) for x in wanted] if _is_list(wanted) else [str(wanted)] * m
    if len(levels) != m:
        raise InputError(f"at gives {len(levels)} levels of {term.name!r} for {m} predictions.")
    strange = [x for x in levels if x not in term.levels]
    if strange:
        raise InputError(f"{strange[0]!r} is not a level of {term.name!r}; it has {', '.join(term.levels)}.")
    return np.array([term.variances[term.levels.index(x)] for x in levels])


def _unknown(term: RandomTerm, what: str, m: int) -> np.ndarray:
    warn(f"The prediction interval hangs on where in {term.name!r} it is meant; none is given. Say so by {what}.")
    return np.full(m, math.nan)


def _numbers(values: Any, name: str, term: RandomTerm, m: int) -> np.ndarray:
    try:
        out = np.broadcast_to(np.asarray(values, dtype=float), (m,))
    except (TypeError, ValueError) as error:
        raise InputError(f"{name} of {term.name!r}: give one number, or one for each of {m} predictions.") from error
    if not np.isfinite(out).all():
        raise InputError(f"{name} of {term.name!r} holds values that are missing or infinite.")
    return out


def _column(new: Any, name: str) -> Any:
    """A column of the moderators, as a list; None when they do not have it."""
    if new is None or isinstance(new, np.ndarray) or not hasattr(new, "keys") or name not in new:
        return None
    values = new[name]
    return list(values) if np.ndim(values) else values


def _is_list(value: Any) -> bool:
    return isinstance(value, (Sequence, np.ndarray)) and not isinstance(value, str)

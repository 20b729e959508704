"""Sampling covariance of effects that share patients: several outcomes, times, instruments or a shared control arm."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from vfmeta.frequentist.dependent.likelihood import positive_definite
from vfmeta.frequentist.dependent.rows import floats
from vfmeta.messages import InputError


def sampling_covariance(
    v: Any,
    cluster: Any,
    *,
    outcome: Any = None,
    domain: Any = None,
    rho: float | Sequence[float] | Mapping[tuple[Any, Any], float] | None = None,
    time: Any = None,
    time_control: Any = None,
    phi: float | None = None,
    experimental: Any = None,
    control: Any = None,
    n_experimental: Any = None,
    n_control: Any = None,
    data: Any = None,
    check: bool = True,
) -> np.ndarray:
    """Covariance matrix V of effects, from their variances and the correlations within trials.

    The covariance of two effects of one cluster is sqrt(v_i v_j) times the product of up to three correlations:

    - outcomes: ``rho`` where the outcomes differ, 1 where they are the same;
    - times: ``phi ** |t_i - t_j|``;
    - arms: for contrasts A - C and B - C the correlation that sharing C brings, (1/n_C) / sqrt((1/n_A + 1/n_C)(1/n_B + 1/n_C)),
      one half with equal arms; an arm that is experimental in one contrast and control in the other counts negative.

    Parameters
    ----------
    v : array-like of shape (k,), or column name
        Sampling variances, squared units of the effect.
    cluster : array-like of shape (k,), or column name
        Cohort of patients. Effects of different clusters are independent.
    outcome, domain : array-like or column name, optional
        What was measured, and the wider domain it belongs to. With one of them, ``rho`` is one number; with both it is a pair:
        the correlation of two outcomes in one domain, and of outcomes of different domains. With neither, any two effects
        of a cluster correlate by ``rho`` (the constant correlation of a CHE model).
    rho : float, pair of floats, or mapping
        As above; a mapping ``{("pain", "function"): 0.6}`` gives a correlation for each pair of outcomes.
    time, time_control : array-like or column name, optional
        When the (experimental, and if it differs the control) arm was measured. Times act on shared arms where these are given.
    phi : float, optional
        Autocorrelation for one unit of time, from 0 to 1.
    experimental, control : array-like or column name, optional
        Arms of each contrast.
    n_experimental, n_control : array-like or column name, optional
        Sizes of the arms (or any weights inverse to their variances); equal when left out.
    data : data frame or dict, optional
        Where column names are looked up.
    check : bool
        Whether a V that is not positive definite is an error that names the rows.

    Returns
    -------
    ndarray of shape (k, k)

    Raises
    ------
    InputError
        Missing or impossible values, correlations beyond -1 to 1, V not positive definite.

    References
    ----------
    Gleser & Olkin 2009, in Cooper, Hedges & Valentine, The Handbook of Research Synthesis, ch. 19 (shared arms);
    Ishak et al 2007, Clin Trials 4:525-539 (times); Wei & Higgins 2013, Stat Med 32:1191-1205 (outcomes).
    """

    def column(value: Any, name: str) -> np.ndarray | None:
        if value is None:
            return None
        if isinstance(value, str):
            if data is None or value not in data:
                raise InputError(f"{name}={value!r} is no column of the data; give the column or data=.")
            value = data[value]
        out = np.asarray(value.to_numpy() if hasattr(value, "to_numpy") else list(value), dtype=object)
        if out.ndim != 1:
            raise InputError(f"{name} must be one-dimensional, one value per effect.")
        return out

    given = {
        "v": v, "cluster": cluster, "outcome": outcome, "domain": domain, "time": time, "time_control": time_control,
        "experimental": experimental, "control": control, "n_experimental": n_experimental, "n_control": n_control,
    }  # fmt: skip
    columns = {name: found for name, value in given.items() if (found := column(value, name)) is not None}
    if "v" not in columns or "cluster" not in columns:
        raise InputError("Give v= (sampling variances) and cluster= (which effects share patients).")
    k = len(columns["v"])
    problems = [
        f"{name} has {len(x)} values for {k} effects; give one per effect." for name, x in columns.items() if len(x) != k
    ]
    if problems:
        raise InputError(problems)
    for name, values in columns.items():
        problems += [
            f"row {i + 1}, column {name}: missing value; fill it in or remove the row."
            for i, x in enumerate(values)
            if _missing(x)
        ]
    measured: tuple[str, ...] = ("v", "time", "time_control", "n_experimental", "n_control")
    numbers = {n: floats(columns[n], n, problems) for n in measured if n in columns}
    for name in ("v", "n_experimental", "n_control"):
        if name in numbers:
            bad = np.flatnonzero((numbers[name] <= 0) | np.isinf(numbers[name]))
            problems += [f"row {i + 1}, column {name}: {numbers[name][i]:g} must be greater than 0 and finite." for i in bad]
    if problems:
        raise InputError(problems)
    _check_combination(columns, rho, phi)

    same = _equal(columns["cluster"])
    correlation = same.astype(float)
    if rho is not None:
        correlation *= _outcomes(columns, rho, same)
    if "experimental" in columns:
        correlation *= _arms(columns, numbers, phi)
    elif phi is not None:
        correlation *= _decay(phi, numbers["time"], numbers["time"])
    np.fill_diagonal(correlation, 1.0)
    sd = np.sqrt(numbers["v"])
    out = correlation * np.outer(sd, sd)
    out[np.diag_indices(k)] = numbers["v"]
    if check:
        labels = [str(c) for c in columns["cluster"]]
        positive_definite(out, labels, np.arange(1, k + 1))
    return out


def _equal(left: np.ndarray, right: np.ndarray | None = None) -> np.ndarray:
    """Which pairs of labels are the same, shape (k, k)."""
    place: dict[Any, int] = {}
    a = np.array([place.setdefault(x, len(place)) for x in left])
    b = a if right is None else np.array([place.setdefault(x, len(place)) for x in right])
    return a[:, None] == b[None, :]


def _missing(value: Any) -> bool:
    return (
        value is None
        or type(value).__name__ in ("NAType", "NaTType")
        or (isinstance(value, (float, np.floating)) and np.isnan(value))
    )


def _check_combination(columns: Mapping[str, np.ndarray], rho: Any, phi: float | None) -> None:
    if ("experimental" in columns) != ("control" in columns):
        raise InputError("Give both arms of each contrast, experimental= and control=, or neither.")
    if ("n_experimental" in columns) != ("n_control" in columns):
        raise InputError("Give the sizes of both arms, n_experimental= and n_control=, or of neither.")
    if "n_experimental" in columns and "experimental" not in columns:
        raise InputError("The sizes of the arms need the arms: give experimental= and control=.")
    if (phi is None) != ("time" not in columns):
        raise InputError("phi and time go together: give both or neither.")
    if "time_control" in columns and ("time" not in columns or "control" not in columns):
        raise InputError("time_control needs time= and the arms, experimental= and control=.")
    if phi is not None and not 0 <= phi <= 1:
        raise InputError(f"phi={phi!r} must lie between 0 and 1.")
    if rho is None and ("outcome" in columns or "domain" in columns):
        raise InputError("Give rho, the correlation of the outcomes within a trial.")
    if rho is None and phi is None and "experimental" not in columns:
        raise InputError("Nothing says how the effects correlate: give rho, phi with time, or the arms.")


def _outcomes(columns: Mapping[str, np.ndarray], rho: Any, same: np.ndarray) -> np.ndarray:
    k = len(same)
    equal = {name: _equal(columns[name]) for name in ("outcome", "domain") if name in columns}
    if isinstance(rho, Mapping):
        if "outcome" not in equal:
            raise InputError("A mapping of correlations needs outcome=.")
        _within({str(pair): value for pair, value in rho.items()})
        out = np.eye(k)
        absent = set()
        names = columns["outcome"]
        for i, j in np.argwhere(same):
            a, b = names[i], names[j]
            if a == b:
                out[i, j] = 1.0
            elif (a, b) in rho or (b, a) in rho:
                out[i, j] = rho.get((a, b), rho.get((b, a)))
            else:
                absent.add(tuple(sorted((str(a), str(b)))))
        if absent:
            raise InputError([f"rho has no correlation of {a} with {b}; add ({a!r}, {b!r})." for a, b in sorted(absent)])
        return out
    values = [float(x) for x in np.atleast_1d(np.asarray(rho, dtype=float))]
    _within({f"rho ({i + 1})": x for i, x in enumerate(values)})
    if len(values) != (2 if len(equal) == 2 else 1):
        raise InputError(
            f"rho has {len(values)} values; give one, or with both outcome and domain two (within a domain, between domains)."
        )
    if len(equal) == 2:
        return np.where(equal["domain"], np.where(equal["outcome"], 1.0, values[0]), values[1])
    alike = next(iter(equal.values())) if equal else np.eye(k, dtype=bool)
    return np.where(alike, 1.0, values[0])


def _within(values: Mapping[str, float]) -> None:
    for name, value in values.items():
        if not -1 <= value <= 1:
            raise InputError(f"{name}: the correlation {value!r} must lie between -1 and 1.")


def _decay(phi: float | None, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    return np.float64(1.0 if phi is None else phi) ** np.abs(left[:, None] - right[None, :])


def _arms(columns: Mapping[str, np.ndarray], numbers: Mapping[str, np.ndarray], phi: float | None) -> np.ndarray:
    """Correlation of contrasts through the arms they share, arm by arm."""
    k = len(columns["experimental"])
    arms = {"+": columns["experimental"], "-": columns["control"]}
    spread = {"+": 1 / numbers.get("n_experimental", np.ones(k)), "-": 1 / numbers.get("n_control", np.ones(k))}
    time = numbers.get("time", np.zeros(k))
    times = {"+": time, "-": numbers.get("time_control", time)}
    shared = np.zeros((k, k))
    for a in arms:
        for b in arms:
            alike = _equal(arms[a], arms[b])
            part = alike * np.sqrt(np.outer(spread[a], spread[b])) * _decay(phi, times[a], times[b])
            shared += part if a == b else -part
    total = spread["+"] + spread["-"]
    return shared / np.sqrt(np.outer(total, total))

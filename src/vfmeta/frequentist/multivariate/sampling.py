"""Sampling covariance of effects that share patients: several outcomes, times, instruments or a shared control arm."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from vfmeta.core.messages import InputError
from vfmeta.effects import cells
from vfmeta.effects.columns import aligned, as_frame, look_up
from vfmeta.effects.covariance import positive_definite
from vfmeta.kernels.stacks import sparse


def sampling_covariance(
    v: Any,
    cluster: Any,
    *,
    data: Any = None,
    time: Any = None,
    experimental: Any = None,
    control: Any = None,
    outcome: Any = None,
    domain: Any = None,
    time_control: Any = None,
    n_experimental: Any = None,
    n_control: Any = None,
    rho: float | Sequence[float] | Mapping[tuple[Any, Any], float] | None = None,
    phi: float | None = None,
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

    Examples
    --------
    >>> import vfmeta as vf
    >>> vf.sampling_covariance([0.04, 0.09], ["A", "A"], rho=0.5).round(2).tolist()
    [[0.04, 0.03], [0.03, 0.09]]
    """
    given = {
        "v": v, "cluster": cluster, "outcome": outcome, "domain": domain, "time": time, "time_control": time_control,
        "experimental": experimental, "control": control, "n_experimental": n_experimental, "n_control": n_control,
    }  # fmt: skip
    if v is None or cluster is None:
        raise InputError("Give v= (sampling variances) and cluster= (which effects share patients).")
    frame = None if data is None else as_frame(data)
    found = look_up({name: value for name, value in given.items() if value is not None}, frame)
    cut, k, _ = aligned(found, frame)
    problems: list[str] = []
    measured = {"v": "variance", "time": "", "time_control": "", "n_experimental": "size", "n_control": "size"}
    numbers = {
        name: cells.numbers(cut[name], found[name].shown, None, problems, positive, gap=cells.FILL)
        for name, positive in measured.items() if name in cut
    }  # fmt: skip
    for name in cut:
        if name not in numbers:
            problems += [
                cells.place(i, None, found[name].shown) + cells.FILL for i in np.flatnonzero(cells.empty(cut[name])).tolist()
            ]
    if problems:
        raise InputError(problems)
    columns = {name: np.asarray(list(x), dtype=object) for name, x in cut.items()}
    i, j = pairs_within(_codes(columns["cluster"]))
    if not len(i):  # each stands alone, and needs no correlation
        return np.diag(numbers["v"])
    _check_combination(columns, rho, phi)
    correlation = np.ones(len(i))
    if rho is not None:
        correlation *= _outcomes(columns, rho, i, j)
    if "experimental" in columns:
        correlation *= _arms(columns, numbers, phi, i, j)
    elif phi is not None:
        correlation *= _decay(phi, numbers["time"][i], numbers["time"][j])
    sd = np.sqrt(numbers["v"])
    out = np.diag(numbers["v"])
    out[i, j] = out[j, i] = correlation * (sd[i] * sd[j])
    if check:
        labels = [str(c) for c in columns["cluster"]]
        positive_definite(sparse(out), labels, np.arange(1, k + 1))
    return out


def constant_correlation(v: np.ndarray, cluster: Sequence[Any], rho: float) -> Any:
    """V of effects that correlate by ``rho`` inside a cluster, sparse, shape (k, k); NaN in ``v`` stays on the diagonal."""
    from scipy.sparse import coo_array

    k = len(v)
    i, j = pairs_within(_codes(cluster))
    sd = np.sqrt(np.where(np.isnan(v), 1.0, v))
    beside, own = rho * (sd[i] * sd[j]), np.arange(k)
    rows, cols = np.concatenate([own, i, j]), np.concatenate([own, j, i])
    return coo_array((np.concatenate([v, beside, beside]), (rows, cols)), shape=(k, k)).tocsr()


def pairs_within(codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Every pair of positions with the same code, the earlier position first; two arrays of one length."""
    order = np.argsort(codes, kind="stable")
    ends = np.cumsum(np.bincount(codes))[codes[order]]  # where the group of each place ends
    later = ends - np.arange(len(codes)) - 1
    left = np.repeat(np.arange(len(codes)), later)
    right = left + 1 + np.arange(len(left)) - np.repeat(np.cumsum(later) - later, later)
    return order[left], order[right]


def _codes(values: Iterable[Any], place: dict[Any, int] | None = None) -> np.ndarray:
    """A number for each label, the same for the same label."""
    known: dict[Any, int] = {} if place is None else place
    try:
        return np.array([known.setdefault(x, len(known)) for x in values], dtype=int)
    except TypeError as error:  # a list, an array
        raise InputError("A label is a list; labels of groups are texts or numbers, one a row.") from error


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


def _outcomes(columns: Mapping[str, np.ndarray], rho: Any, i: np.ndarray, j: np.ndarray) -> np.ndarray:
    codes = {name: _codes(columns[name]) for name in ("outcome", "domain") if name in columns}
    equal = {name: c[i] == c[j] for name, c in codes.items()}
    if isinstance(rho, Mapping):
        if "outcome" not in equal:
            raise InputError("A mapping of correlations needs outcome=.")
        _within({str(pair): value for pair, value in rho.items()})
        names = list(dict.fromkeys(columns["outcome"]))
        table = np.full((len(names), len(names)), np.nan)
        for (a, b), value in [*(((b, a), x) for (a, b), x in rho.items()), *rho.items()]:
            if a in names and b in names:
                table[names.index(a), names.index(b)] = value
        np.fill_diagonal(table, 1.0)
        out = table[codes["outcome"][i], codes["outcome"][j]]
        gone = np.isnan(out)
        if gone.any():
            absent = {
                tuple(sorted((str(columns["outcome"][a]), str(columns["outcome"][b]))))
                for a, b in zip(i[gone], j[gone], strict=True)
            }
            raise InputError([f"rho has no correlation of {a} with {b}; add ({a!r}, {b!r})." for a, b in sorted(absent)])
        return out
    values = [float(x) for x in np.atleast_1d(np.asarray(rho, dtype=float))]
    _within({f"rho ({n + 1})": x for n, x in enumerate(values)})
    if len(values) != (2 if len(equal) == 2 else 1):
        raise InputError(
            f"rho has {len(values)} values; give one, or with both outcome and domain two (within a domain, between domains)."
        )
    if len(equal) == 2:
        return np.where(equal["domain"], np.where(equal["outcome"], 1.0, values[0]), values[1])
    alike = next(iter(equal.values())) if equal else np.zeros(len(i), dtype=bool)
    return np.where(alike, 1.0, values[0])


def _within(values: Mapping[str, float]) -> None:
    for name, value in values.items():
        if not -1 <= value <= 1:
            raise InputError(f"{name}: the correlation {value!r} must lie between -1 and 1.")


def _decay(phi: float | None, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    return np.float64(1.0 if phi is None else phi) ** np.abs(left - right)


def _arms(
    columns: Mapping[str, np.ndarray], numbers: Mapping[str, np.ndarray], phi: float | None, i: np.ndarray, j: np.ndarray
) -> np.ndarray:
    """Correlation of contrasts through the arms they share, arm by arm."""
    k = len(columns["experimental"])
    place: dict[Any, int] = {}
    arms = {"+": _codes(columns["experimental"], place), "-": _codes(columns["control"], place)}
    spread = {"+": 1 / numbers.get("n_experimental", np.ones(k)), "-": 1 / numbers.get("n_control", np.ones(k))}
    time = numbers.get("time", np.zeros(k))
    times = {"+": time, "-": numbers.get("time_control", time)}
    shared = np.zeros(len(i))
    for a in arms:
        for b in arms:
            alike = arms[a][i] == arms[b][j]
            part = alike * np.sqrt(spread[a][i] * spread[b][j]) * _decay(phi, times[a][i], times[b][j])
            shared += part if a == b else -part
    total = spread["+"] + spread["-"]
    return shared / np.sqrt(total[i] * total[j])

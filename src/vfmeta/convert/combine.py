"""Several groups, or several effects of one study, into one."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from vfmeta.convert.checking import between, numbers, positive, require
from vfmeta.core.messages import InputError
from vfmeta.core.params import is_finite


def combine_groups(n: ArrayLike, mean: ArrayLike, sd: ArrayLike) -> tuple[float, float, float]:
    """Size, mean and SD of several groups taken as one.

    Exact for any number of groups: the SD comes from the spread within and between them (Cochrane Handbook 6.5.2.10).

    Parameters
    ----------
    n, mean, sd : array-like of shape (g,)
        Sizes, means and SDs (divisor n - 1) of the groups, on one scale.

    Returns
    -------
    n, mean, sd : float

    Examples
    --------
    >>> import vfmeta as vf
    >>> n, mean, sd = vf.convert.combine_groups([10, 30], [1.0, 3.0], [2.0, 2.0])
    >>> n, mean, sd > 2
    (40.0, 2.5, True)
    """
    sizes, means, sds = positive("n", n), numbers("mean", mean), numbers("sd", sd)
    if not sizes.shape == means.shape == sds.shape or sizes.ndim != 1:
        raise InputError(
            f"n, mean and sd have shapes {sizes.shape}, {means.shape} and {sds.shape}; give one value per group in each."
        )
    require("n", sizes, sizes >= 1, "a group has at least one patient")
    require("sd", sds, sds >= 0, "an SD cannot be negative")
    for name, values in (("n", sizes), ("mean", means), ("sd", sds)):
        if np.isnan(values).any():
            raise InputError(f"{name} has a missing value; every group must be known before they can be taken as one.")
    total = sizes.sum()
    if total <= 1:
        raise InputError("The groups together have one patient; an SD needs at least 2.")
    overall = float(np.sum(sizes * means) / total)
    squares = np.sum((sizes - 1) * sds**2) + np.sum(sizes * (means - overall) ** 2)
    return float(total), overall, float(np.sqrt(squares / (total - 1)))


def combine_events(events: ArrayLike, n: ArrayLike) -> tuple[float, float]:
    """Events and patients of several groups taken as one: their sums.

    Examples
    --------
    >>> import vfmeta as vf
    >>> vf.convert.combine_events([3, 4], [20, 30])
    (7.0, 50.0)
    """
    x, sizes = numbers("events", events), positive("n", n)
    if x.shape != sizes.shape:
        raise InputError(f"events and n have shapes {x.shape} and {sizes.shape}; give one value per group in each.")
    require("events", x, (x >= 0) & (x <= sizes), "events must lie between 0 and the patients of the group")
    if np.isnan(x).any() or np.isnan(sizes).any():
        raise InputError("A value is missing; every group must be known before they can be taken as one.")
    return float(x.sum()), float(sizes.sum())


def combine_effects(
    y: ArrayLike, v: ArrayLike, cluster: ArrayLike | None = None, *, rho: float = 0.0, weighted: bool = True
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """One effect per study from several of the same patients, correlated by ``rho``.

    Parameters
    ----------
    y, v : array-like of shape (k,)
        Effects (subgroups, outcomes, times) and sampling variances.
    cluster : array-like of shape (k,), optional
        Study of each effect; all of one study when left out.
    rho : float
        Correlation of any two effects of a study: 0 for subgroups of different patients, an assumption (to be varied) for
        outcomes or times of the same patients.
    weighted : bool
        Weights that give the smallest variance (generalised least squares), or plain averages (Borenstein et al. 2009,
        chapter 24).

    Returns
    -------
    clusters, y, v : numpy.ndarray of shape (m,)
        Studies in order of first appearance, their composite effects and variances.

    Raises
    ------
    InputError
        Variances <= 0, missing values, or a ``rho`` no set of that size can have.

    Notes
    -----
    With a large ``rho`` and unequal variances the least-squares weights may be negative and the composite lie outside its
    effects; plain averages cannot.

    Examples
    --------
    >>> import vfmeta as vf
    >>> [x.round(9).tolist() for x in vf.convert.combine_effects([0.2, 0.4], [0.1, 0.1])[1:]]
    [[0.3], [0.05]]
    """
    y, v = np.atleast_1d(numbers("y", y)), np.atleast_1d(positive("v", v))
    names = np.zeros(len(y), int) if cluster is None else np.asarray(cluster)
    if not y.size:
        raise InputError("There is no effect to combine.")
    if y.ndim != 1 or y.shape != v.shape or names.shape != y.shape:
        raise InputError(
            f"y, v and cluster have shapes {y.shape}, {v.shape} and {names.shape}; give one value per effect in each."
        )
    if np.isnan(y).any() or np.isnan(v).any():
        rows = ", ".join(str(i + 1) for i in np.flatnonzero(np.isnan(y) | np.isnan(v)))
        raise InputError(f"rows {rows}: y or v is missing; leave these rows out.")
    if not is_finite(rho):
        raise InputError(f"rho={rho!r:.80} must be one number between -1 and 1.")
    between("rho", rho, -1, 1, ends=False)
    order = list(dict.fromkeys(names.tolist()))
    made = []
    for name in order:
        here = np.flatnonzero(names == name)
        if 1 + rho * (len(here) - 1) <= 0:
            raise InputError(f"{len(here)} effects of {name!r} cannot all be correlated by rho={rho:g}; use a higher value.")
        root = np.sqrt(v[here])
        block = rho * np.outer(root, root)
        np.fill_diagonal(block, v[here])
        w = np.linalg.solve(block, np.ones(len(here))) if weighted else np.full(len(here), 1.0)
        w = w / w.sum()
        made.append((w @ y[here], w @ block @ w))
    found = np.array(made)
    return np.array(order), found[:, 0], found[:, 1]

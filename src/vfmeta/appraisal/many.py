"""Egger's test and trim and fill of many meta-analyses at once, from a long table to a tidy one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from vfmeta.core.messages import ConvergenceError, InputError, warn
from vfmeta.core.params import FunnelSide, MethodOrCommon, Missing, Test, TrimEstimator, choice, confidence
from vfmeta.core.question import Question
from vfmeta.effects.long_table import LongTable, keys_of, read_long
from vfmeta.frequentist.choices import IDENTICAL, check_choices
from vfmeta.frequentist.tidy import fit_columns
from vfmeta.kernels.distributions import quantile
from vfmeta.kernels.estimators import fit_ragged, outside
from vfmeta.kernels.small_studies import lines
from vfmeta.kernels.trim_and_fill import Trimmed, error_of_lacking, trim
from vfmeta.results.frames import one_scale
from vfmeta.results.small_studies import FEW

if TYPE_CHECKING:
    import pandas as pd


def egger_many(
    data: Any,
    by: str | Sequence[str] = "question",
    *,
    y: str = "y",
    v: str = "v",
    level: float = 0.95,
    missing: Missing = "raise",
) -> pd.DataFrame:
    """Egger's test of every group of rows of a table, each as `egger` makes it (weighted, on the standard error).

    Parameters
    ----------
    data : data frame (pandas, polars, pyarrow, ...) or mapping of columns
        One row a study.
    by : str or sequence of str
        Column, or columns, that say which meta-analysis a row belongs to.
    y, v : str
        Columns with the effects and their sampling variances.
    level : float
    missing : {"raise", "drop"}
        What to do about rows without ``y`` or ``v``.

    Returns
    -------
    DataFrame
        One row a group, in order of first appearance: ``by``, k, estimate (the slope), se, ci_low, ci_high, statistic, df,
        p_value, limit, limit_se, scale, and ``few``: whether it has fewer than ten studies, so that its test should not be
        used. NaN where there are fewer than three studies, or standard errors that are all the same.

    Examples
    --------
    >>> import vfmeta as vf
    >>> frame = {"question": list("aaaabbbb"), "y": [0.1, 0.3, 0.2, 0.6, 0.5, 0.1, 0.2, 0.2], "v": [0.1, 0.2, 0.3, 0.4] * 2}
    >>> vf.appraisal.egger_many(frame)["df"].tolist()
    [2, 2]
    """
    from scipy.special import stdtr

    level = confidence(level)
    keys, long, ys, vs = read_groups(data, by, y, v, missing)
    k = np.diff(long.start)
    found = lines(ys, np.sqrt(vs), 1 / vs, long.start)
    slope, error, df = found["slope"], found["slope_se"], found["df"]
    with np.errstate(divide="ignore", invalid="ignore"):
        t = slope / error
    known = np.unique(df[df > 0])
    quantiles = np.full(int(k.max()), np.nan)
    quantiles[known] = [quantile(level, int(n)) for n in known.tolist()]
    half = np.where(df > 0, quantiles[np.maximum(df, 0)], np.nan) * error
    table = {
        "k": k, "estimate": slope, "se": error, "ci_low": slope - half, "ci_high": slope + half, "statistic": t, "df": df,
        "p_value": 2 * stdtr(np.maximum(df, 1), -np.abs(t)), "limit": found["limit"], "limit_se": found["limit_se"],
        "scale": one_scale(Question(), len(k)), "few": k < FEW,
    }  # fmt: skip
    lost = np.isnan(slope)
    if lost.any():
        warn(
            f"No Egger's test of {long.named(keys, lost)}: fewer than three studies, or standard errors that are all the same; "
            "those rows are empty."
        )
    _say_identical(long, keys, long.start, ys, vs)
    return long.headed(keys, table)


def trim_and_fill_many(
    data: Any,
    by: str | Sequence[str] = "question",
    *,
    y: str = "y",
    v: str = "v",
    estimator: TrimEstimator = "L0",
    side: FunnelSide | None = None,
    method: MethodOrCommon = "REML",
    test: Test = "HKSJ",
    level: float = 0.95,
    missing: Missing = "raise",
) -> pd.DataFrame:
    """Trim and fill of every group of rows of a table, each as `trim_and_fill` makes it.

    Parameters
    ----------
    data, by, y, v, missing
        As of `egger_many`.
    estimator, side : str
        As of `trim_and_fill`.
    method, test, level
        As of `vfmeta.random_effects_many`.

    Returns
    -------
    DataFrame
        One row a group, in order of first appearance: ``by``, k, lacking (studies imputed), lacking_se, side, unadjusted (the
        pool without them), and of the pool with them estimate, se, ci_low, ci_high, statistic, df (NaN: normal), p_value, tau2;
        scale. Groups of fewer than three studies, and those where no number of missing studies agrees with itself, are empty
        and named by a warning.

    Examples
    --------
    >>> import vfmeta as vf
    >>> frame = {"question": list("aaaabbbb"), "y": [0.1, 0.3, 0.2, 0.9, 0.5, 0.1, 0.2, 0.2], "v": [0.1, 0.2, 0.1, 0.4] * 2}
    >>> vf.appraisal.trim_and_fill_many(frame, test="Wald")["k"].tolist()
    [4, 4]
    """
    estimator = choice("estimator", estimator, TrimEstimator)
    side = None if side is None else choice("side", side, FunnelSide)
    asked = check_choices("random", method, None, test, level)
    if outside(asked.method):
        raise InputError(
            f"trim_and_fill_many: method={method!r} is not one that studies are trimmed by; use REML, DL or another."
        )
    keys, long, ys, vs = read_groups(data, by, y, v, missing)
    start = long.start
    k = np.diff(start)
    sign = None if side is None else np.full(len(k), 1.0 if side == "left" else -1.0)
    t, full_y, full_v, ends = filled(ys, vs, start, estimator, asked.method, sign)
    lost, many = (t.lacking < 0) | (k < 3), np.maximum(t.lacking, 0)
    before, after = (fits_of(a, b, s, asked.method) for a, b, s in ((ys, vs, start), (full_y, full_v, ends)))
    model = "common" if asked.method == "common" else "random"
    values = fit_columns(after, k + many, model, asked.test, asked.level)
    table: dict[str, Any] = {
        "k": k, "lacking": t.lacking.astype(float), "lacking_se": error_of_lacking(estimator, k, t.raw),
        "side": np.where(t.sign > 0, "left", "right"), "unadjusted": before[:, 2],
    }  # fmt: skip
    table |= {n: values[n] for n in ("estimate", "se", "ci_low", "ci_high", "statistic", "df", "p_value", "tau2")}
    if lost.any():
        warn(
            f"No trim and fill of {long.named(keys, lost)}: fewer than three studies, or no number of missing studies agrees "
            "with itself; those rows are empty."
        )
        for name in table:
            if name not in ("k", "side"):
                table[name] = np.where(lost, np.nan, table[name])
    if asked.test == "HKSJ":
        _say_identical(long, keys, start, ys, vs)
    table["scale"] = one_scale(Question(), len(k))
    return long.headed(keys, table)


def _say_identical(long: LongTable, keys: list[Any], start: np.ndarray, y: np.ndarray, v: np.ndarray) -> None:
    """Warn of groups whose effects are one and the same: an error from how they scatter is no error then."""
    mean = np.add.reduceat(y / v, start[:-1]) / np.add.reduceat(1 / v, start[:-1])
    k = np.diff(start)
    factor = np.add.reduceat((y - np.repeat(mean, k)) ** 2 / v, start[:-1]) / np.maximum(k - 1, 1)
    alike = (k > 1) & (factor < IDENTICAL)
    if alike.any():
        warn(
            f"All effects are identical in {long.named(keys, alike)}: standard errors, which are taken from their scatter, are "
            "zero there, and intervals of width zero are no certainty."
        )


def read_groups(
    data: Any, by: str | Sequence[str], y: str, v: str, missing: Any
) -> tuple[list[Any], LongTable, np.ndarray, np.ndarray]:
    """The groups of a long table, with the studies of each beside each other."""
    keys = keys_of(by)
    long = read_long(data, keys, {"y": y, "v": v}, choice("missing", missing, Missing))
    ys, vs = long.columns["y"], long.columns["v"]
    return (keys, long, ys, vs) if long.order is None else (keys, long, ys[long.order], vs[long.order])


def filled(
    y: np.ndarray, v: np.ndarray, start: np.ndarray, estimator: str, method: str | float, sign: np.ndarray | None = None
) -> tuple[Trimmed, np.ndarray, np.ndarray, np.ndarray]:
    """Trim and fill of the groups, and their effects, variances and edges with the imputed studies behind their own."""
    t, k = trim(y, v, start, estimator, method, sign), np.diff(start)
    many = np.maximum(t.lacking, 0)
    ends = np.concatenate([[0], np.cumsum(k + many)])
    place = np.repeat(ends[:-1] - start[:-1], k) + np.arange(len(y))
    behind = np.repeat(ends[:-1] + k - t.start[:-1], many) + np.arange(len(t.y))
    full_y, full_v = np.empty(ends[-1]), np.empty(ends[-1])
    full_y[place], full_v[place], full_y[behind], full_v[behind] = y, v, t.y, t.v
    return t, full_y, full_v, ends


def fits_of(y: np.ndarray, v: np.ndarray, start: np.ndarray, method: str | float) -> np.ndarray:
    """Pools of the groups, as `fit_ragged` has them; NaN where one did not settle."""
    try:
        return fit_ragged(y, v, None, start, method)
    except ConvergenceError as error:  # of some; they are NaN
        return error.found

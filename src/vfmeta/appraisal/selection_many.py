"""Step-function selection models of many meta-analyses at once, from a long table to a tidy one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from vfmeta.appraisal.many import fits_of, read_groups
from vfmeta.appraisal.selection_weights import check
from vfmeta.core.messages import warn
from vfmeta.core.params import Favoured, Heterogeneity, Missing, choice, confidence
from vfmeta.core.question import Question
from vfmeta.kernels.selection_batch import HEIGHT, MEAN, MEAN_SE, TAU2, TAU2_SE, select_many
from vfmeta.results.frames import one_scale
from vfmeta.results.small_studies import FEW
from vfmeta.results.wald import quantile
from vfmeta.results.wald import two_sided as both_tails

if TYPE_CHECKING:
    import pandas as pd


def selection_model_many(
    data: Any,
    by: str | Sequence[str] = "question",
    *,
    y: str = "y",
    v: str = "v",
    favoured: Favoured | None = None,
    cuts: Any = None,
    two_sided: bool = False,
    heterogeneity: Heterogeneity = "random",
    level: float = 0.95,
    missing: Missing = "raise",
) -> pd.DataFrame:
    """Selection model with a step function for every group of rows of a table, each as `selection_model` fits it.

    Parameters
    ----------
    data, by, y, v, missing
        As of `egger_many`.
    favoured : {"higher", "lower"}, optional
        As of `selection_model`; the side of each group's REML pool when left out.
    cuts, two_sided, heterogeneity, level
        As of `selection_model`.

    Returns
    -------
    DataFrame
        One row a group, in order of first appearance: ``by``, k, estimate (the mean), se, ci_low, ci_high, statistic, p_value,
        tau2, tau2_se, unadjusted (the mean without selection), favoured, delta2, delta2_se, n2 (weight, its standard error and
        the number of studies above the first cut; delta3 ... for further ones), selection_statistic, selection_p_value
        (likelihood ratio test), log_likelihood, few (fewer than ten studies), scale. Groups with fewer studies than
        parameters, or without a maximum of the likelihood, are empty and named by a warning.

    Examples
    --------
    >>> import vfmeta as vf
    >>> frame = {"question": list("aaaaabbbbb"), "y": [0.1, 0.3, 0.2, 0.9, 0.5, 0.1, 0.2, 0.2, 0.7, 0.4], "v": [0.02, 0.1] * 5}
    >>> vf.appraisal.selection_model_many(frame, favoured="higher")["k"].tolist()
    [5, 5]
    """
    from scipy.special import chdtrc

    heterogeneity = choice("heterogeneity", heterogeneity, Heterogeneity)
    level = confidence(level)
    _, found_cuts, _ = check("step", cuts, two_sided, None)
    limits = np.array(found_cuts)
    side = None if favoured is None else choice("favoured", favoured, Favoured)
    keys, long, ys, vs = read_groups(data, by, y, v, missing)
    start, common = long.start, heterogeneity == "common"
    k = np.diff(start)
    plain = fits_of(ys, vs, start, "common" if common else "ML")
    mean, tau2 = plain[:, 2], np.zeros(len(k)) if common else np.nan_to_num(plain[:, 0])
    if two_sided:
        sign = np.ones(len(k))
    elif side is not None:
        sign = np.full(len(k), 1.0 if side == "higher" else -1.0)
    else:
        sign = np.where(fits_of(ys, vs, start, "REML")[:, 2] < 0, -1.0, 1.0)
    turned = ys * np.repeat(sign, k)
    found = select_many(turned, vs, turned / np.sqrt(vs), start, limits, bool(two_sided), common, sign * mean, tau2)
    w = len(limits) + 1
    estimate, se = sign * found[:, MEAN], found[:, MEAN_SE]
    reach = float(quantile(level, None))
    with np.errstate(divide="ignore", invalid="ignore"):
        z = estimate / se
    variance = vs + np.repeat(tau2, k)
    each = -0.5 * (np.log(2 * np.pi * variance) + (ys - np.repeat(mean, k)) ** 2 / variance)
    ratio = np.maximum(2 * (found[:, HEIGHT] - np.add.reduceat(each, start[:-1])), 0)
    table: dict[str, Any] = {
        "k": k, "estimate": estimate, "se": se, "ci_low": estimate - reach * se, "ci_high": estimate + reach * se,
        "statistic": z, "p_value": both_tails(z, None), "tau2": found[:, TAU2], "tau2_se": found[:, TAU2_SE],
        "unadjusted": mean, "favoured": np.where(sign > 0, "higher", "lower"),
    }  # fmt: skip
    for j in range(1, w):
        table |= {
            f"delta{j + 1}": found[:, 6 + j],
            f"delta{j + 1}_se": found[:, 6 + w + j],
            f"n{j + 1}": found[:, 6 + 2 * w + j],
        }
    table |= {
        "selection_statistic": ratio, "selection_p_value": chdtrc(w - 1, ratio), "log_likelihood": found[:, HEIGHT],
        "few": k < FEW, "scale": one_scale(Question(), len(k)),
    }  # fmt: skip
    lost = np.isnan(found[:, MEAN])
    unsure = ~lost & np.isnan(found[:, TAU2_SE] if not common else found[:, MEAN_SE])
    unsure |= ~lost & np.isnan(found[:, 7 + w : 6 + 2 * w]).any(axis=1)
    if unsure.any():
        warn(
            f"In {long.named(keys, unsure)} tau2 or a weight stands at the edge of what it can be, or cannot be estimated (its "
            "n is 0): it has no standard error."
        )
    if lost.any():
        warn(
            f"No selection model of {long.named(keys, lost)}: fewer studies than parameters, or a likelihood without a "
            "maximum; those rows are empty."
        )
    return long.headed(keys, table)

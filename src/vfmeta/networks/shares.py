"""How much each trial counts in each comparison of a network, and how much of it is direct."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from vfmeta.core.messages import InputError, kind_of
from vfmeta.networks.result import NetworkResult

if TYPE_CHECKING:
    import pandas as pd


def contributions(fit: NetworkResult) -> pd.DataFrame:
    """Share of each trial in the information on each comparison, in percent.

    The variance of a comparison, c' (X' W X)^-1 c, is a sum of one term a trial, c' (X' W X)^-1 X_i' W_i X_i (X' W X)^-1 c; its
    shares are the percentage study weights of Riley et al. 2018 (Stat Methods Med Res 27:2885-2905) and Jackson et al. 2017
    (Stat Methods Med Res 26:2853-2868), at the tau2 of the fit. They add up to 100 for each comparison.

    Parameters
    ----------
    fit : NetworkResult
        From `vfmeta.network`.

    Returns
    -------
    DataFrame
        treatment, control, trial, share (percent), direct (whether the trial has both treatments); a row for each trial that
        says something of the comparison.

    Examples
    --------
    >>> import vfmeta as vf
    >>> frame = {"study": list("abc"), "treat1": list("BCC"), "treat2": list("AAB"), "y": [-0.5, -0.8, -0.2], "se": [0.2] * 3}
    >>> found = vf.networks.contributions(vf.network(frame, reference="A", method="common", test="Wald"))
    >>> [round(x, 1) for x in found[(found.treatment == "B") & (found.control == "A")].share]
    [66.7, 16.7, 16.7]
    """
    import pandas as pd

    if not isinstance(fit, NetworkResult):
        raise InputError(f"contributions takes a network (from vf.network), not {kind_of(fit)}.")
    x, trial = fit.design.x, fit.trial
    w = 1 / (fit.v + (0.0 if math.isnan(fit.tau2) else fit.tau2))
    pairs, matrix = fit._pairs()
    spread = np.linalg.solve((x * w[:, None]).T @ x, matrix.T)  # (p, pairs)
    rows = w[:, None] * (x @ spread) ** 2  # (k, pairs)
    shares = np.zeros((len(fit.network.trials), len(pairs)))
    np.add.at(shares, trial, rows)
    shares *= 100 / shares.sum(axis=0)
    out = [
        (a, b, t.label, float(shares[i, j]), {a, b} <= set(t.arms))
        for j, (a, b) in enumerate(pairs)
        for i, t in enumerate(fit.network.trials)
        if shares[i, j] > 1e-9
    ]
    return pd.DataFrame(out, columns=["treatment", "control", "trial", "share", "direct"])

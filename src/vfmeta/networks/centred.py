"""Effects of a network less those of their comparison, so that one funnel can hold them all."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from vfmeta.core.messages import InputError, kind_of
from vfmeta.networks.result import NetworkResult
from vfmeta.results.frames import scaled

if TYPE_CHECKING:
    import pandas as pd


def comparison_adjusted(fit: Any, order: Sequence[str] | None = None) -> pd.DataFrame:
    """Every contrast of every trial, centred at the direct estimate of its comparison.

    Parameters
    ----------
    fit : NetworkResult
    order : sequence of str, optional
        All treatments, from the one that small trials are least likely to favour (placebo, the oldest) to the one that they are
        most likely to; every contrast is of the later one less the earlier. The reference and then the others by name when left
        out, which means little: without an order in which bias could lie, the funnel cannot lean.

    Returns
    -------
    DataFrame
        A row a contrast: study, treatment, control, estimate, se, direct (the mean of the trials of the comparison, weighted by
        1 / (v + tau2) of the network), adjusted (estimate less direct), trials (of the comparison), scale.

    Notes
    -----
    Chaimani & Salanti 2012, Res Synth Methods 3:161-176. Contrasts of a trial of several arms are all there and not
    independent. A comparison of one trial lies at 0 and says nothing.

    Examples
    --------
    >>> import vfmeta as vf
    >>> sides = {"study": list("abcd"), "treat1": list("BBCC"), "treat2": list("AAAA")}
    >>> net = vf.network(y=[-0.5, -0.3, -0.8, -0.4], se=[0.2] * 4, reference="A", **sides)
    >>> vf.networks.comparison_adjusted(net)["adjusted"].round(3).tolist()
    [-0.1, 0.1, -0.2, 0.2]
    """
    import pandas as pd

    if not isinstance(fit, NetworkResult):
        raise InputError(f"comparison_adjusted: {kind_of(fit)} was given; give what vf.network returned.")
    if order is not None and (isinstance(order, str) or not np.iterable(order)):
        raise InputError(f"order={order!r} must name every treatment once; they are {', '.join(fit.treatments)}.")
    names = [fit.reference, *(t for t in fit.treatments if t != fit.reference)] if order is None else [str(t) for t in order]
    if sorted(names) != sorted(fit.treatments):
        raise InputError(f"order= must name every treatment once; they are {', '.join(fit.treatments)}.")
    place = {t: i for i, t in enumerate(names)}
    tau2 = 0.0 if np.isnan(fit.tau2) else fit.tau2
    rows = []
    for trial in fit.network.trials:
        effect = np.concatenate([[0.0], trial.y])
        V = np.pad(trial.V, ((1, 0), (1, 0)))
        for i, j in combinations(range(len(trial.arms)), 2):
            late, early = (i, j) if place[trial.arms[i]] > place[trial.arms[j]] else (j, i)
            variance = V[i, i] + V[j, j] - 2 * V[i, j]
            rows.append((trial.label, trial.arms[late], trial.arms[early], effect[late] - effect[early], np.sqrt(variance)))
    frame = pd.DataFrame(rows, columns=["study", "treatment", "control", "estimate", "se"])
    weight = 1 / (frame["se"] ** 2 + tau2)
    groups = [frame["treatment"], frame["control"]]
    direct = (weight * frame["estimate"]).groupby(groups).transform("sum") / weight.groupby(groups).transform("sum")
    count = frame.groupby(["treatment", "control"])["study"].transform("count")
    return scaled(frame.assign(direct=direct, adjusted=frame["estimate"] - direct, trials=count), fit.question)

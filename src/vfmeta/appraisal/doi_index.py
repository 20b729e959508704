"""The LFK index of a Doi plot."""

from __future__ import annotations

from typing import Any

import numpy as np

from vfmeta.appraisal.taken import take
from vfmeta.core.messages import InputError
from vfmeta.core.params import Missing
from vfmeta.core.question import Question
from vfmeta.results.doubted import LfkIndex


def lfk_index(
    data: Any = None,
    *,
    y: Any = None,
    v: Any = None,
    se: Any = None,
    ci: Any = None,
    study: Any = None,
    question: Question | None = None,
    missing: Missing = "raise",
) -> LfkIndex:
    """LFK index of a Doi plot, which is no test and should not be used as one.

    Parameters
    ----------
    data, y, v, se, ci, study, question, missing
        As of `egger`.

    Returns
    -------
    LfkIndex

    Notes
    -----
    Furuya-Kanamori, Barendregt & Doi 2018, Int J Evid Based Healthc 16:195-203. Each study stands for 100 v_max / v units;
    its score is the normal quantile of (mid-rank - 1/2) / (all units). With effects and scores brought to one range, the index
    is 5/2 of the mean of score and effect, the latter from the study whose score is nearest to 0. Schwarzer, Rücker & Semaca
    2024 (Res Synth Methods 15:603-615) show by simulation that it does not reliably detect small-study effects.

    Examples
    --------
    >>> import vfmeta as vf
    >>> found = vf.appraisal.lfk_index(y=[-0.3, -0.1, 0.0, 0.1, 0.2, 0.35], se=[0.2, 0.18, 0.15, 0.16, 0.19, 0.22])
    >>> round(found.index, 3)
    0.636
    """
    taken = take("lfk_index", data, None, y=y, v=v, se=se, ci=ci, study=study, question=question, missing=missing)
    s = taken.studies
    if s.k < 3:
        raise InputError(f"lfk_index: {s.k} studies have no Doi plot; it takes 3.")
    order = np.argsort(s.y, kind="stable")
    y0, v0 = s.y[order], s.v[order]
    if np.ptp(y0) == 0:
        raise InputError("lfk_index: all effects are the same, so that the plot has no width.")
    from scipy.special import ndtri

    units = 100 * v0.max() / v0
    z = ndtri((np.cumsum(units) - units / 2 - 0.5) / units.sum())
    middle = y0[int(np.argmin(np.abs(z)))]
    index = 2.5 * float((z + np.ptp(z) / np.ptp(y0) * (y0 - middle)).mean())
    return LfkIndex(
        question=s.question, level=taken.level, labels=s.labels, y=s.y, v=s.v, index=index, order=order.astype(float), z=z,
        warnings=s.notes, call=taken.record("lfk_index"), origin=s.origin,
    )  # fmt: skip

"""Each study by itself: standard error, test and confidence interval of its own effect, before anything is pooled."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtr, ndtri

from vfmeta.core.messages import InputError
from vfmeta.core.params import confidence
from vfmeta.core.question import Question
from vfmeta.effects import cells
from vfmeta.results.frames import scaled

if TYPE_CHECKING:
    import pandas as pd


def study_intervals(
    data: Any = None, *, y: ArrayLike | None = None, v: ArrayLike | None = None, level: float = 0.95
) -> pd.DataFrame:
    """The Wald test and interval of every single study.

    Parameters
    ----------
    data : EffectTable, optional
        What ``vf.compare`` or ``vf.effect_size`` returned; or give ``y`` and ``v``.
    y, v : array-like of shape (k,), optional
        Effects and sampling variances, on the analysis scale (log for ratios).
    level : float
        Confidence level, between 0 and 1.

    Returns
    -------
    pandas.DataFrame
        Columns ``study, estimate, se, ci_low, ci_high, statistic, p_value, scale``; one row a study, on the analysis scale.
        ``p_value`` is two-sided, for "no difference", and NaN where the measure has none. Where the variance is 0, both are
        undefined unless the effect differs from that value.

    Raises
    ------
    InputError
        Both or neither of table and arrays given, a missing or negative value, or a level outside 0 to 1.

    Examples
    --------
    >>> import vfmeta as vf
    >>> found = vf.study_intervals(y=[-0.5], v=[0.04])
    >>> [round(float(found[x][0]), 3) for x in ("se", "statistic", "p_value", "ci_low", "ci_high")]
    [0.2, -2.5, 0.012, -0.892, -0.108]
    """
    import pandas as pd

    confidence(level)
    if (data is None) == (y is None and v is None) or (data is None and (y is None or v is None)):
        raise InputError("Give an effect table, or both y= (effects) and v= (their sampling variances).")
    if data is not None:
        if not all(hasattr(data, name) for name in ("y", "v", "labels", "question")):
            raise InputError(f"data is a {type(data).__name__}; it must be an effect table; vf.effect_table makes one.")
        y, v, labels = data.y, data.v, list(data.labels)
    problems: list[str] = []
    given = (("y", y), ("v", v))
    columns = [cells.column([x] if np.isscalar(x) and not isinstance(x, str) else x, name) for name, x in given]
    y, v = (cells.numbers(x, name, None, problems, gap=cells.FILL) for x, (name, _) in zip(columns, given, strict=True))
    if problems:
        raise InputError(problems)
    if y.ndim != 1 or y.shape != v.shape:
        raise InputError(f"y has shape {y.shape} and v has shape {v.shape}; both must be one value per study.")
    if data is None:
        labels = [f"study {i + 1}" for i in range(len(y))]
    bad = np.flatnonzero(~(np.isfinite(y) & np.isfinite(v) & (v >= 0)))
    if len(bad):
        raise InputError(
            [f"row {i + 1} ({labels[i]}): y = {y[i]:g}, v = {v[i]:g}; both must be numbers and v at least 0." for i in bad]
        )
    se, question = np.sqrt(v), Question() if data is None else data.question
    null = question.null_effect
    with np.errstate(divide="ignore", invalid="ignore"):
        z = (y - (np.nan if null is None else null)) / se
    half = -ndtri((1 - level) / 2) * se
    p = 2 * ndtr(-np.abs(z))
    frame = pd.DataFrame({
        "study": labels, "estimate": y, "se": se, "ci_low": y - half, "ci_high": y + half, "statistic": z, "p_value": p,
    })  # fmt: skip
    return scaled(frame, question)

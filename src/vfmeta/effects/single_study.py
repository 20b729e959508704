"""Each study by itself: standard error, test and confidence interval of its own effect, before anything is pooled."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from vfmeta.core.messages import InputError, kind_of
from vfmeta.core.params import StudyTest, choice, confidence
from vfmeta.core.question import Question
from vfmeta.effects import cells
from vfmeta.results.frames import scaled
from vfmeta.results.single_studies import study_limits
from vfmeta.results.wald import two_sided

if TYPE_CHECKING:
    import pandas as pd


def study_intervals(
    data: Any = None,
    *,
    y: ArrayLike | None = None,
    v: ArrayLike | None = None,
    test: StudyTest = "auto",
    level: float = 0.95,
) -> pd.DataFrame:
    """The test and interval of every single study, as forest plots and tables show them.

    Parameters
    ----------
    data : EffectTable, optional
        What ``vf.compare`` or ``vf.effect_size`` returned; or give ``y`` and ``v``.
    y, v : array-like of shape (k,), optional
        Effects and sampling variances, on the analysis scale (log for ratios).
    test : {"auto", "Wald"}
        "auto" takes what holds its level for the data that a table knows of the study: t with the degrees of freedom of its SDs
        (MD and ratio of means: Welch and Satterthwaite's), score intervals of Miettinen & Nurminen (1985, Stat Med 4:213-226)
        for the RR, OR, RD and phi, mid-P exact ones for proportions, rates and their ratio, arms' limits squared and added
        (Newcombe 1998, Stat Med 17:873-890) for differences of arcsines and roots, Fisher's z for correlations, F and
        chi-squared for SDs. A study known by ``y`` and ``v`` only, and a ratio with an empty cell, keep the normal interval;
        one that was read from a printed interval keeps that. "Wald" is the normal interval for all, which with few patients or
        events misses its level (``reports/levels.md#study_intervals``).
    level : float
        Confidence level, between 0 and 1.

    Returns
    -------
    pandas.DataFrame
        Columns ``study, estimate, se, ci_low, ci_high, statistic, df, p_value, method, scale``; one row a study, on the
        analysis scale. ``method`` says how the interval was made, ``df`` is infinite where it is no t. ``p_value`` is
        two-sided, for "no difference", and NaN where the measure has none. Where the variance is 0, both are undefined unless
        the effect differs from that value.

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
    >>> table = vf.effect_size("RD", events1=[1], n1=[20], events2=[4], n2=[20])
    >>> vf.study_intervals(table)["method"].item()
    'score (Miettinen-Nurminen)'
    """
    import pandas as pd

    confidence(level)
    chosen = choice("test", test, StudyTest)
    if (data is None) == (y is None and v is None) or (data is None and (y is None or v is None)):
        raise InputError("Give an effect table, or both y= (effects) and v= (their sampling variances).")
    if data is not None:
        if not all(hasattr(data, name) for name in ("y", "v", "labels", "question")):
            raise InputError(f"data is {kind_of(data)}; it must be an effect table; vf.effect_table makes one.")
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
    question = Question() if data is None else data.question
    details = getattr(data, "details", ()) if chosen == "auto" else ()
    own, how = study_limits(question, y, v, details, level)
    frame = pd.DataFrame({
        "study": labels, "estimate": y, "se": np.sqrt(v), "ci_low": own.low, "ci_high": own.high, "statistic": own.statistic,
        "df": own.df, "p_value": two_sided(own.statistic, own.df), "method": how.astype(str),
    })  # fmt: skip
    return scaled(frame, question)

"""The columns of every table of results, on a scale that the table names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from vfmeta.core.messages import InputError
from vfmeta.core.params import OnScale, choice
from vfmeta.core.question import Question

if TYPE_CHECKING:
    import pandas as pd

# why a column may be empty
_EMPTY = {
    "df": "df is empty where the statistic is held against a normal distribution.",
    "tau2": "tau2 is empty where nothing was pooled: one study has no heterogeneity.",
    "i2": "i2 is empty where nothing was pooled: one study has no heterogeneity.",
    "tau2_low": "The interval of tau2 is empty where the studies agree more closely than chance leads one to expect.",
    "prediction_low": "The prediction interval is empty where studies are too few, or the model has no heterogeneity.",
    "p_benefit": "p_benefit is empty where the question does not say which side is the benefit.",
    "p_benefit_mid": "p_benefit_mid is empty where the question has no direction or no minimal important difference.",
    "log_evidence": "log_evidence is empty under an improper prior.",
}
NO_ERROR = "se is empty: a standard error belongs to the analysis scale and is none on the one people read."
EFFECTS = ("estimate", "ci_low", "ci_high", "prediction_low", "prediction_high")


def noted(frame: pd.DataFrame) -> pd.DataFrame:
    """The table, with the reason why a column is empty somewhere in ``attrs["notes"]``."""
    found = [why for name, why in _EMPTY.items() if name in frame and frame[name].isna().any()]
    frame.attrs["notes"] = [*frame.attrs.get("notes", ()), *found]
    return frame


def scaled(
    frame: pd.DataFrame | dict[str, Any], question: Question, on: OnScale = "analysis", *, slopes: bool | np.ndarray = False
) -> pd.DataFrame:
    """The table, or table of these columns, with a column ``scale``; ``on="read"`` turns its effects to what people read.

    A standard error belongs to the analysis scale and is missing on another one. ``slopes`` says which rows are no mean
    effects: exponentials of them are ratios per unit, but on no other turned scale do they stand for themselves.
    """
    choice("on", on, OnScale)
    facts = question.facts
    if on == "analysis":
        return _with(frame, {}, facts.analysis_name)
    if question.size is None and facts.scale.sized:
        raise InputError(
            f'on="read": {facts.analysis_name} is turned back with a sample size, which effects without their table have none '
            'of; give one as Question(size=...), or use on="analysis".'
        )
    if np.any(slopes) and facts.scale.name and not question.is_ratio:
        raise InputError(
            f'on="read": a coefficient of {facts.analysis_name} is no {facts.read_name}; use predict(on="read") for the '
            "effects it stands for."
        )

    def turn(name: str) -> np.ndarray:
        values = np.asarray(frame[name], dtype=float)
        return np.where(slopes, question.scale.to_read(values), question.display(values))

    turned: dict[str, Any] = {name: turn(name) for name in EFFECTS if name in frame}
    gone = {"se": np.nan} if "se" in frame and facts.scale.name else {}
    out = _with(frame, turned | gone, facts.read_name)
    if gone:
        out.attrs["notes"] = [*out.attrs.get("notes", ()), NO_ERROR]
    return out


def scaled_components(frame: pd.DataFrame, question: Question) -> pd.DataFrame:
    """A table of variances and correlations (``kind``), with the column ``scale``: a variance is on a squared one."""
    scales = {"variance": f"{question.facts.analysis_name}, squared", "correlation": "correlation"}
    return frame.assign(scale=frame["kind"].map(scales))


def one_scale(question: Question, rows: int) -> pd.Categorical:
    """The column ``scale`` of a long table, which need not hold its one name a million times."""
    import pandas as pd

    return pd.Categorical.from_codes(np.zeros(rows, dtype=np.int8), categories=[question.facts.analysis_name])


def _with(frame: pd.DataFrame | dict[str, Any], more: dict[str, Any], scale: str) -> pd.DataFrame:
    if not isinstance(frame, dict):
        return frame.assign(**more, scale=scale)
    import pandas as pd

    rows = len(next(iter(frame.values())))
    return pd.DataFrame(frame | more | {"scale": [scale] * rows})  # at once: pandas takes its time to add a column

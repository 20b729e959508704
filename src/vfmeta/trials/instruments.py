"""Scale ends and directions: what a row prints first, what the instrument table says second."""

from __future__ import annotations

import numpy as np
import pandas as pd


def scale_ends(rows: pd.DataFrame, instruments: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Lower and upper end of the scale of each row; NaN where neither the row nor the instrument has both.

    Parameters
    ----------
    rows : pandas.DataFrame
        Rows of ``outcomes_continuous`` or ``contrasts``.
    instruments : pandas.DataFrame
        The instrument table.

    Returns
    -------
    (low, high) : numpy.ndarray
        Shape ``(n,)`` each, in units of the scale. A row's own ends count only when both are printed.
    """
    known = _once(instruments, "instrument_id")
    both = rows.scale_min.notna() & rows.scale_max.notna()
    ends = []
    for column in ("scale_min", "scale_max"):
        listed = rows.instrument_id.map(known[column]).astype("Float64")
        ends.append(rows[column].where(both, listed).astype("Float64").to_numpy(dtype=float, na_value=np.nan))
    unknown = np.isnan(ends[0]) | np.isnan(ends[1])
    return np.where(unknown, np.nan, ends[0]), np.where(unknown, np.nan, ends[1])


def _once(table: pd.DataFrame, key: str) -> pd.DataFrame:
    """The rows by their key; of one that stands twice the first (the schema tells of it)."""
    return table.drop_duplicates(key).set_index(key)


def directions(rows: pd.DataFrame, instruments: pd.DataFrame, outcomes: pd.DataFrame) -> pd.Series:
    """Whether a higher value is worse, row by row: as the instrument says, else as the outcome does, else missing."""
    own = rows.outcome_id.map(_once(outcomes, "outcome_id")["higher_is_worse"]).astype("boolean")
    if "instrument_id" not in rows:
        return own
    return rows.instrument_id.map(_once(instruments, "instrument_id")["higher_is_worse"]).astype("boolean").fillna(own)

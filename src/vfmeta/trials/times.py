"""Weeks from the time as it was printed."""

from __future__ import annotations

import numpy as np
import pandas as pd

_DAYS = {"hour": 1 / 24, "day": 1.0, "week": 7.0, "month": 365.25 / 12, "year": 365.25}


def weeks(value: pd.Series, unit: pd.Series) -> np.ndarray:
    """Printed times in weeks; NaN where no time is printed.

    Parameters
    ----------
    value, unit : pandas.Series
        ``time_value`` and ``time_unit`` of a figure table. A month is 365.25/12 days.

    Returns
    -------
    numpy.ndarray
        Shape ``(n,)``, in weeks.
    """
    days = unit.map(_DAYS).astype(float).to_numpy() * value.astype(float).to_numpy()
    return days / 7.0

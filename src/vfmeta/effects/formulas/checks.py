"""What a column of input may hold, whichever measure it goes into."""

from __future__ import annotations

import numpy as np

_GROUP_OF = {"events1": "n1", "events2": "n2", "events": "n"}


def faults(columns: dict[str, np.ndarray], *, rows: list[str], named: dict[str, str]) -> list[str]:
    """Every value that cannot be, as a sentence that names row and column.

    Parameters
    ----------
    columns : dict of arrays of shape (k,)
        The input, by the measure's own names.
    rows : list of k names
        Where each row stands in the data, for the messages.
    named : dict
        The user's names of the columns.
    """
    found: list[str] = []

    def report(mask: np.ndarray, name: str, what: str) -> None:
        values = columns[name]
        found.extend(
            f"{rows[i]}, column {named[name]}: {what} (value {values[i]:g}); correct it or remove the row."
            for i in np.flatnonzero(mask)
        )

    counted = any(name.startswith("events") for name in columns)
    for name, x in columns.items():
        if name.startswith("sd"):
            report(x <= 0, name, "an SD must be greater than 0")
        elif name in ("n", "n1", "n2"):
            group = "an arm" if name != "n" else "a group"
            least = 1 if counted else 2
            report(x < least, name, f"{group} needs at least {least} patient{'s' if least > 1 else ''}")
        elif name.startswith("time"):
            report(x <= 0, name, "person-time must be greater than 0")
        elif name.startswith("events"):
            report(x < 0, name, "a count cannot be negative")
            if name in _GROUP_OF and _GROUP_OF[name] in columns:
                report(x > columns[_GROUP_OF[name]], name, "more events than the total")
        elif name in ("hr", "ci_low", "ci_high"):
            report(x <= 0, name, "a ratio must be above 0")
        elif name == "oe_v":
            report(x <= 0, name, "a variance must be greater than 0")
        elif name == "r":
            report(np.abs(x) >= 1, name, "a correlation must lie between -1 and 1")
        elif name == "p":
            report((np.abs(x) > 1) | (x == 0), name, "a p value must lie between 0 and 1, with the sign of the difference")
    if {"hr", "ci_low", "ci_high"} <= set(columns):
        hr, low, high = (columns[x] for x in ("hr", "ci_low", "ci_high"))
        report((low >= high) & (low > 0), "ci_low", "the lower limit must lie below the upper one")
        report((low < high) & ((hr < low) | (hr > high)), "hr", "the estimate lies outside its own interval")
    return found

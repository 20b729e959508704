"""Figures that do not fit the other figures printed beside them: a slipped decimal, a digit too many, an SE typed as an SD.

A slip is a check, not a fault: the tables load, but the figure stays out of every pool until it is corrected or explained in
``row_flags.csv`` by a flag that says the source prints it so. What cannot be true at all stands in ``rules``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vfmeta.trials.slips import alone, arms, context, contrasts, means
from vfmeta.trials.slips.book import AS_PRINTED, Book

if TYPE_CHECKING:
    import pandas as pd

    from vfmeta.trials.problem import Problem
    from vfmeta.trials.store import Trials

RULES = (*alone.RULES, *arms.RULES, *means.RULES, *contrasts.RULES, *context.RULES)


def slips_in(trials: Trials, text: dict[str, pd.DataFrame]) -> dict[tuple[str, str], Problem]:
    """The figures that look like slips and are not explained, by table and row id; ``text`` holds the cells as typed."""
    return unexplained(Book(trials, text))


def unexplained(book: Book) -> dict[tuple[str, str], Problem]:
    """As `slips_in`, of figures already gathered."""
    found: dict[tuple[str, str], Problem] = {}
    for rule in RULES:
        for slip in rule(book):
            flags = {flag for table, row, _ in slip.figures for flag in book.flags[table, row]}
            if flags & {AS_PRINTED, *slip.explained_by}:
                continue
            for table, row, column in slip.figures:
                found.setdefault((table, row), book.problem(table, row, column, slip))
    return found

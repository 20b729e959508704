"""Rules of the figures that belong to no trial: how common fractures are and what becomes of them."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd

from vfmeta.trials.reporter import Reporter, counts, floats, level_beside_limits, ordered, printed

#: where the figure stands in its sentence
PLACE = "{figure}"
_NUMBER = re.compile(r"\b\d+(?:\.\d+)?\b")


def check(r: Reporter) -> None:
    """Every rule across the columns of ``context.csv``."""
    c = r.frame
    proportion = (c.kind == "proportion").to_numpy(dtype=bool)
    counted, per_cent, stated = (c[x].notna().to_numpy(dtype=bool) for x in ("events", "percent", "estimate"))
    r.where(proportion & ~counted & ~per_cent, "percent", "A proportion without a figure.", "Add events or percent as printed.")
    r.where(~proportion & ~stated, "estimate", "Nothing is printed.", "Add the figure or remove the row.")
    r.where(proportion & stated, "estimate", "A proportion stands in events and total, or in percent.", "Empty the cell.")
    r.where(~proportion & (counted | per_cent), "kind", "Events and percentages are those of a proportion.",
            "Write proportion, or empty events and percent.")  # fmt: skip
    r.where(~proportion & (c.unit == ""), "unit", "A figure needs its unit.", "Write the unit as printed.")
    r.where(counted & c.total.isna(), "total", "A count needs its denominator.", "Add total, or write the percentage.")
    r.where(c.events > c.total, "events", "More events than the total.", "Read both again.")
    counts(r)
    r.where(c.sd <= 0, "sd", "A spread must be greater than 0.", "Read it again; leave the cell empty if it is not printed.")
    r.where(c.sd.notna() & (c.kind != "mean"), "sd", "Only a mean has an SD.", "Empty the cell.")
    above = c.kind.isin(("rate", "ratio")).to_numpy(dtype=bool)
    for column in ("estimate", "ci_low", "ci_high"):
        r.where(above & (floats(c[column]) <= 0), column, "A rate or ratio must be greater than 0.", "Read it again.")
        if column != "estimate":
            beyond = (floats(c[column]) < 0) | (floats(c[column]) > 100)
            r.where(proportion & beyond, column, "A limit of a proportion lies between 0 and 100 per cent.", "Read it again.")
    ordered(r, ("ci_low", "percent", "ci_high"))
    ordered(r, ("ci_low", "estimate", "ci_high"))
    level_beside_limits(r)
    printed(r, pd.Series(False, index=c.index))
    r.where((c.use == "pool") & ~pd.Series(counted, index=c.index), "use", "Only counts are pooled.", "Write no.")
    _sentences(r)


def _sentences(r: Reporter) -> None:
    """A sentence holds its figure once, and no other number that its row does not."""
    c = r.frame
    said = c.sentence.tolist()
    r.where(np.array([bool(s) and s.count(PLACE) != 1 for s in said], dtype=bool), "sentence",
            "A sentence holds its figure once.", f"Write {PLACE} where the figure stands.")  # fmt: skip
    rows = zip(r.text.population, r.text.definition, r.text.time_value, strict=True)
    known = [set(_NUMBER.findall(" ".join(cells))) for cells in rows]
    strange = np.array([bool(set(_NUMBER.findall(s)) - here) for s, here in zip(said, known, strict=True)], dtype=bool)
    r.where(strange, "sentence", "A number of the sentence is not in its row.",
            "Take it from population, definition or time_value, or make a row and a sentence of its own.")  # fmt: skip

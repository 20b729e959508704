"""What a trial says of two arms, as a kind of report, beside what it prints: rules of the column ``report_kind``."""

from __future__ import annotations

import numpy as np
import pandas as pd

from vfmeta.trials.instruments import directions
from vfmeta.trials.reporter import Reporter, floats

#: kinds of words that may serve where no spread is printed; "within_arm" never does
PARTIAL = ("estimate_only", "p_exact", "p_bound", "significant", "not_significant", "direction")
_ONE_WAY = ("p_exact", "p_bound", "significant", "direction")
_P_OF = {"p_exact": ("=",), "p_bound": ("<",), "not_significant": ("=", ">"), "significant": (), "estimate_only": (),
         "direction": ()}  # fmt: skip


def check(r: Reporter, frames: dict[str, pd.DataFrame]) -> None:
    """Report every row whose kind of report, side or selectiveness does not fit its figures."""
    c = r.frame
    kind, favours = c.report_kind, c.favours
    spread = ((c.ci_low.notna() & c.ci_high.notna()) | c.se.notna()).to_numpy(dtype=bool)
    estimated, partial = c.estimate.notna().to_numpy(dtype=bool), kind.isin(PARTIAL).to_numpy(dtype=bool)
    r.where(
        spread & (kind != "full") & (kind != ""), "report_kind", "An interval or a standard error is printed.", "Write full."
    )
    r.where(~spread & (kind == "full"), "report_kind", "A full report prints an interval or a standard error.",
            "Name what is printed: estimate_only, p_exact, p_bound, significant, not_significant or direction.")  # fmt: skip
    r.where((kind == "estimate_only") & ~estimated, "report_kind", "No estimate is printed.", "Name what the words say.")
    for name, operators in _P_OF.items():
        fits = c.p_operator.isin([*operators, *(() if name in ("p_exact", "p_bound") else ("",))])
        r.where((kind == name) & ~fits, "report_kind", "The kind of report and the printed p value do not fit.",
                "p_exact has p =, p_bound has p <, not_significant p > or none; the others print no p.")  # fmt: skip
    told = estimated & (c.printed_as != "not_stated").to_numpy(dtype=bool)
    open_ = kind.isin(_ONE_WAY) & ~told & ~favours.isin(("experimental", "control"))
    r.where(open_, "favours", "Nothing says which arm did better.",
            "Read it in the source; where it does not say, leave report_kind empty.")  # fmt: skip
    r.where((favours == "neither") & (kind != "not_significant"), "favours", "Only a result that is not significant favours "
            "neither arm.", "Name the arm, or correct report_kind.")  # fmt: skip
    r.where((favours != "") & ~partial, "favours", "This row is no report of the kind that names an arm.",
            "Leave the cell empty, or name the kind in report_kind.")  # fmt: skip
    r.where(partial != (c.selective != "").to_numpy(dtype=bool), "selective", "Reports without a spread, and only they, say "
            "whether they are selective.", "Write yes or no for such a report, nothing for others.")  # fmt: skip
    better = _side_of_estimate(c, frames)
    r.where(told & favours.isin(("experimental", "control")) & (better != "") & (better != favours), "favours",
            "The estimate favours the other arm.", "Read both again, and printed_as.")  # fmt: skip


def _side_of_estimate(c: pd.DataFrame, frames: dict[str, pd.DataFrame]) -> np.ndarray:
    """The arm that the sign of a printed difference favours; empty where it does not say."""
    signs = {"experimental_minus_control": 1.0, "control_minus_experimental": -1.0, "benefit_positive": 1.0}
    raw = floats(c.estimate) * np.array([signs.get(x, np.nan) for x in c.printed_as])
    raw[~c.measure.isin(("MD", "adjusted_MD", "SMD", "RD")).to_numpy(dtype=bool)] = np.nan
    worse = directions(c, frames["instruments"], frames["outcomes"])
    benefit = np.where(c.printed_as == "benefit_positive", 1.0, [np.nan if pd.isna(w) else -1.0 if w else 1.0 for w in worse])
    signed = raw * benefit
    return np.where(signed > 0, "experimental", np.where(signed < 0, "control", ""))

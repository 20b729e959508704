"""Combined p values and directions: family "pcombine" of the sets with tolerances."""

from __future__ import annotations

from typing import Any

import vfmeta as vf


def answer(case: dict[str, Any]) -> dict[str, Any]:
    x, o = case["inputs"], case["options"]
    found = vf.appraisal.combine_p_values(p=x["p"], weights=x["weights"], truncation=o["truncation"])
    fisher, plain, weighted, edgington, product = zip(found.statistic, found.df, found.p_value, strict=True)
    against = x["trials_with_a_direction"] - x["favourable"]
    signs = vf.appraisal.direction_of_effect(direction=[1] * x["favourable"] + [-1] * against, level=o["level"])
    return {
        "fisher": {"statistic": fisher[0], "df": fisher[1], "p": fisher[2]},
        "stouffer": {"z": plain[0], "p": plain[2]},
        "stouffer_weighted": {"z": weighted[0], "p": weighted[2]},
        "edgington": {"statistic": edgington[0], "p": edgington[2]},
        "truncated_product": {"statistic": product[0], "p": product[2], "n_below": found.below},
        "direction": {
            "share": signs.estimate[0], "p_one_sided": signs.p_one_sided[0], "p_two_sided": signs.p_value[0],
            "clopper_pearson": signs.interval[0], "wilson": signs.wilson[0],
        },
    }  # fmt: skip

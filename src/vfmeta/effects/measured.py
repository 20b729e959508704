"""What the limits of a single study are made from, kept beside its effect."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from vfmeta.kernels.single_study import LIMITS, welch_df


def measured(code: str, columns: Mapping[str, np.ndarray], vtype: str) -> dict[str, np.ndarray]:
    """The columns that `vfmeta.kernels.single_study` asks for, (k,) each; empty where the effect is known by y and v only."""
    way = LIMITS.get(code)
    if way is None:
        return {}
    if way.columns == ("df",):
        df = _df(code, columns, vtype)
        return {} if df is None else {"df": df}
    return {name: columns[name] for name in way.columns} if set(way.columns) <= set(columns) else {}


def _df(code: str, c: Mapping[str, np.ndarray], vtype: str) -> np.ndarray | None:
    """Degrees of freedom of a sampling variance that is made of SDs."""
    if code in ("MD", "ROM") and vtype == "HO":
        return c["n1"] + c["n2"] - 2
    if vtype != "LS":
        return None  # made of the SDs of all studies
    if code in ("MD", "ROM"):
        by = (1.0, 1.0) if code == "MD" else (c["mean1"], c["mean2"])
        one, two = ((c[f"sd{i}"] / m) ** 2 / c[f"n{i}"] for i, m in zip("12", by, strict=True))
        return welch_df(one, c["n1"] - 1, two, c["n2"] - 1)
    return c["n"] - 1

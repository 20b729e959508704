"""A made-up table of studies with moderators, and its meta-regression without the warnings."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd

import vfmeta as vf


def table(seed: int = 1, k: int = 14) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    d = pd.DataFrame({"v": rng.uniform(0.02, 0.3, k), "dose": rng.normal(20, 6, k), "arm": list("abc" * k)[:k]})
    d["y"] = 0.3 + 0.02 * d["dose"] + rng.normal(0, np.sqrt(d["v"] + 0.1))
    return d


def quiet(function: Any, *args: Any, **kwargs: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", vf.VfmetaWarning)
        return function(*args, **kwargs)


def fit(formula: str = "~ dose", data: pd.DataFrame | None = None, **more: Any) -> Any:
    d = table() if data is None else data
    return quiet(vf.meta_regression, formula=formula, data=d, y="y", v="v", **more)


def held(method: str | float) -> dict[str, str | float]:
    """How an estimator, or the value that holds tau2, is asked for."""
    return {"method": method} if isinstance(method, str) else {"tau2": method}

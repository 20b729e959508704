"""Trim and fill by REML and ML in R: the pool with imputed studies ends where R's stopping rule lets it.

The cases ask for tight control of the fit, which R's trimfill does not hand on to its refit. A value is excused only where the
restricted likelihood of R's own filled data, written out here, is higher at our tau2 than at R's, and the value moves little.
"""

from __future__ import annotations

from typing import Any

import numpy as np

REASON = (
    "R's trimfill refits with its usual stopping rule: on its own filled data the restricted likelihood is higher at our tau2."
)
MOVED = frozenset(["beta", "se", "pval", "ci_lb", "ci_ub", "tau2", "yi_filled"])


def explain(case: dict[str, Any], name: str, expected: float, got: float) -> str:
    """The reason, or an empty text."""
    o = case["options"]
    if o.get("fun") != "trimfill" or o["method"] != "REML" or name.split("[")[0] not in MOVED:
        return ""
    import vfmeta as vf

    x, want = case["inputs"], case["expect"]
    kept = [i for i, (a, b) in enumerate(zip(x["yi"], x["vi"], strict=True)) if a is not None and b is not None]
    y = np.array([x["yi"][i] for i in kept] + want["yi_filled"])
    v = np.array([x["vi"][i] for i in kept] + want["vi_filled"])
    ours = vf.random_effects(y=y, v=v).tau2
    if ours is None or not restricted(y, v, ours) > restricted(y, v, want["tau2"]):
        return ""
    close = abs(ours - want["tau2"]) < 1e-3 * (want["tau2"] + float(np.median(v)))
    return REASON if close and abs(got - expected) < 2e-3 * max(abs(expected), 1e-300) else ""


def restricted(y: np.ndarray, v: np.ndarray, tau2: float) -> float:
    """Restricted log-likelihood without its constant."""
    w = 1 / (v + tau2)
    mean = float(w @ y / w.sum())
    return -0.5 * float(np.log(v + tau2).sum() + np.log(w.sum()) + w @ (y - mean) ** 2)

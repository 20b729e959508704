"""Where R stops early: trim and fill and General fail-safe numbers by REML, and the root that one of them is looked for as.

A value is excused only where the restricted likelihood, written out here, of R's own data is higher at our tau2 than at R's and
the value moves little; and a General number only where it is the smallest that does what its definition asks, and R's is next.
"""

from __future__ import annotations

from typing import Any

import numpy as np

REFIT = "R fits with its usual stopping rule here: on the same data the restricted likelihood is higher at our tau2."
ROOT = (
    "R looks for the root of a step function of whole numbers and rounds what it finds up, one too far where that ends beyond "
    "the step: our number of studies is the first with p above 0.05, as its definition asks."
)
MOVED = frozenset(["beta", "est", "se", "pval", "ci_lb", "ci_ub", "tau2", "yi_filled"])


def explain(case: dict[str, Any], name: str, expected: float, got: float) -> str:
    """The reason, or an empty text."""
    o = case["options"]
    fun = o.get("fun")
    if fun == "fsn" and o["type"] == "General" and name == "fsnum":
        return ROOT if expected == got + 1 and _first(case, int(got)) else ""
    refit = fun == "trimfill" or (fun == "fsn" and o["type"] == "General")
    if not refit or o["method"] != "REML" or name.split("[")[0] not in MOVED:
        return ""
    import vfmeta as vf

    want = case["expect"]
    y, v = _studies(case)
    y, v = np.append(y, want.get("yi_filled", [])), np.append(v, want.get("vi_filled", []))
    ours = vf.random_effects(y=y, v=v, test="Wald").tau2
    if ours is None or not restricted(y, v, ours) > restricted(y, v, want["tau2"]):
        return ""
    close = abs(ours - want["tau2"]) < 1e-3 * (want["tau2"] + float(np.median(v)))
    return REFIT if close and abs(got - expected) < 2e-3 * max(abs(expected), 1e-300) else ""


def _studies(case: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    x = case["inputs"]
    kept = [i for i, (a, b) in enumerate(zip(x["yi"], x["vi"], strict=True)) if a is not None and b is not None]
    return np.array([x["yi"][i] for i in kept]), np.array([x["vi"][i] for i in kept])


def _first(case: dict[str, Any], n: int) -> bool:
    """Whether n studies of no effect bring |z| below 1.96, and one less does not, with R's own mean and tau2."""
    y, v = _studies(case)
    k, mean, tau2 = len(y), case["expect"]["est"], case["expect"]["tau2"]
    typical = k / float((1 / v).sum())

    def z(m: int) -> float:
        all_y = np.concatenate([np.full(k, mean), np.zeros(m)])
        square = float(((all_y - all_y.mean()) ** 2).sum()) + (k + max(m, 1) - 2) * tau2
        w, w0 = 1 / (v + square / (k + m - 1)), 1 / (typical + square / (k + m - 1))
        return abs(float(w @ y)) / float(np.sqrt(w.sum() + m * w0))

    return z(n) < 1.959963984540054 < z(n - 1)


def restricted(y: np.ndarray, v: np.ndarray, tau2: float) -> float:
    """Restricted log-likelihood without its constant."""
    w = 1 / (v + tau2)
    mean = float(w @ y / w.sum())
    return -0.5 * float(np.log(v + tau2).sum() + np.log(w.sum()) + w @ (y - mean) ** 2)

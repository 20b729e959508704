"""REML and ML of netmeta where only contrasts are given: it takes those of a trial with several arms as independent.

A value is excused only where the (restricted) likelihood of the exact model, written out here with whole matrices, is higher at
our tau2 than at netmeta's, and the value moves by less than a twentieth or, of an interval or p value, follows from that.
"""

from __future__ import annotations

from typing import Any

import numpy as np

REASON = (
    "netmeta takes the contrasts of a trial with several arms as independent in its REML and ML: the exact likelihood is "
    "higher at our tau2 (metafor's rma.mv agrees with it on Senn 2013: tau 0.3161)."
)
NOT_APPLIED = (
    "netmeta 3.3.1 hands out its normal intervals under method.random.ci = 'HK' too: the value is that of our Wald test, to "
    "1e-7."
)
MOVED = frozenset(["TE_random", "seTE_random", "lower_random", "upper_random", "pval_random", "tau", "tau2"])


def explain(case: dict[str, Any], name: str, expected: float, got: float) -> str:
    """The reason, or an empty text."""
    method = case["options"].get("method_tau")
    if case["options"].get("method_random_ci") == "HK":
        return NOT_APPLIED if abs(_plain(case, name) - expected) <= 1e-7 * max(1.0, abs(expected)) else ""
    if method not in ("REML", "ML") or name.split("[")[0] not in MOVED:
        return ""
    import vfmeta as vf

    x = case["inputs"]
    given = {"y": x["TE"], "se": x["seTE"], "treat1": x["treat1"], "treat2": x["treat2"], "study": x["studlab"]}
    ours = vf.network(**given, method=method, test="Wald").tau2
    theirs = case["expect"]["tau2"]
    if not _likelihood(x, ours, method) > _likelihood(x, theirs, method) + 1e-9:
        return ""
    return REASON if abs(ours - theirs) < 0.1 * theirs and abs(got - expected) < 0.05 * max(1.0, abs(expected)) else ""


def _plain(case: dict[str, Any], name: str) -> float:
    """Our value with the normal test; ``name`` may number an entry of a matrix from 1."""
    from tests.reference_runner.adapt_netmeta import answer

    options = {key: value for key, value in case["options"].items() if key != "method_random_ci"}
    column, _, place = name.partition("[")
    values = np.ravel(answer({**case, "options": options})[column])
    return float(values[int(place[:-1]) - 1 if place else 0])


def _likelihood(x: dict[str, Any], tau2: float, method: str) -> float:
    """Log likelihood of the exact model, up to a constant, from whole matrices."""
    names = sorted({*x["treat1"], *x["treat2"]})
    trials = list(dict.fromkeys(x["studlab"]))
    ys, rows, blocks = [], [], []
    for trial in trials:
        at = [i for i, s in enumerate(x["studlab"]) if s == trial]
        var, diff = {}, {}
        for i in at:
            a, b = x["treat1"][i], x["treat2"][i]
            var[a, b] = var[b, a] = x["seTE"][i] ** 2
            diff[a, b], diff[b, a] = x["TE"][i], -x["TE"][i]
        arms = sorted({t for pair in var for t in pair})
        base, rest = arms[0], arms[1:]
        S = np.array([[(var[base, s] + var[base, t] - (var[s, t] if s != t else 0.0)) / 2 for t in rest] for s in rest])
        blocks.append(S + tau2 * 0.5 * (np.eye(len(rest)) + 1))
        for t in rest:
            ys.append(diff[t, base])
            rows.append([(n == t) - (n == base) for n in names[1:]])
    y, X = np.array(ys), np.array(rows, dtype=float)
    V = np.zeros((len(y), len(y)))
    start = 0
    for block in blocks:
        V[start : start + len(block), start : start + len(block)] = block
        start += len(block)
    W = np.linalg.inv(V)
    M = X.T @ W @ X
    r = y - X @ np.linalg.solve(M, X.T @ W @ y)
    found = np.linalg.slogdet(V)[1] + r @ W @ r + (np.linalg.slogdet(M)[1] if method == "REML" else 0.0)
    return -0.5 * float(found)

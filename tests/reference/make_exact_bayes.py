"""Writes exact_bayes.json: the normal-normal posterior by brute force in 30-digit arithmetic (needs mpmath).

Nothing of vfmeta is used. Over u = log tau lies a dense fixed grid of Gauss-Legendre panels; every figure is computed on two
grids and written only when both agree to 1e-12 of its posterior SD.

    python tests/reference/make_exact_bayes.py
"""

from __future__ import annotations

import json
import math
import random
from multiprocessing import Pool
from pathlib import Path
from typing import Any

import mpmath as mp

mp.mp.dps = 30


def log_prior(prior: list[Any], t: Any, v: list[Any]) -> Any:
    """Constants that do not depend on tau are left out."""
    name, *a = prior
    if name == "halfnormal":
        return -((t / a[0]) ** 2) / 2
    if name == "halfcauchy":
        return -mp.log(1 + (t / a[0]) ** 2)
    if name == "halft":
        return -(a[0] + 1) / mp.mpf(2) * mp.log(1 + (t / a[1]) ** 2 / a[0])
    if name == "exponential":
        return -t / a[0]
    if name == "lognormal":
        return -mp.log(t) - ((mp.log(t) - a[0]) / a[1]) ** 2 / 2
    if name == "uniform":
        return mp.mpf(0)
    if name == "jeffreys":
        return mp.log(t) + mp.log(sum(1 / (x + t * t) ** 2 for x in v)) / 2
    raise ValueError(name)


def node(case: dict[str, Any], u: Any) -> tuple[Any, ...]:
    """Log density of u, and mean and SD of mu given tau = exp(u)."""
    y, v = [mp.mpf(x) for x in case["y"]], [mp.mpf(x) for x in case["v"]]
    t = mp.exp(u)
    w = [1 / (x + t * t) for x in v]
    m0, w0 = (mp.mpf(case["mu"][0]), 1 / mp.mpf(case["mu"][1]) ** 2) if case["mu"] else (mp.mpf(0), mp.mpf(0))
    total = sum(w) + w0
    m = (sum(a * b for a, b in zip(w, y, strict=True)) + w0 * m0) / total
    q = sum(a * (b - m) ** 2 for a, b in zip(w, y, strict=True)) + w0 * (m0 - m) ** 2
    ll = sum(mp.log(a) for a in w) / 2 - mp.log(total) / 2 - q / 2
    return log_prior(case["tau"], t, v) + ll + u, t, m, 1 / mp.sqrt(total)


def gauss(order: int) -> tuple[list[Any], list[Any]]:
    """Gauss-Legendre nodes and weights: double-precision nodes polished by Newton steps in long arithmetic."""
    import numpy as np

    x, w = [], []
    for start in np.polynomial.legendre.leggauss(order)[0]:
        z = mp.mpf(float(start))
        for _ in range(4):
            p0, p1 = mp.mpf(1), z
            for n in range(2, order + 1):
                p0, p1 = p1, ((2 * n - 1) * z * p1 - (n - 1) * p0) / n
            d = order * (z * p1 - p0) / (z * z - 1)
            z -= p1 / d
        x.append(z)
        w.append(2 / ((1 - z * z) * d * d))
    return x, w


def grid(case: dict[str, Any], panels: int, order: int) -> list[tuple[Any, ...]]:
    centre = math.log(min(math.sqrt(min(case["v"])), max(map(abs, case["y"])) or 1.0))
    us = [centre + 0.25 * i for i in range(-340, 641)]
    end = math.log(case["tau"][1]) if case["tau"][0] == "uniform" and len(case["tau"]) > 1 else math.inf
    us = [u for u in us if u < end]
    with mp.workdps(15):
        h = [float(node(case, mp.mpf(u))[0]) for u in us]
    top = max(h)
    live = [u for u, x in zip(us, h, strict=True) if x > top - 75]
    lo, hi = min(live) - 0.25, min(max(live) + 0.25, end)
    x, w = gauss(order)
    out = []
    step = (mp.mpf(hi) - mp.mpf(lo)) / panels
    for j in range(panels):
        for i in range(order):
            u = lo + step * (j + (x[i] + 1) / 2)
            g, t, m, s = node(case, u)
            out.append((mp.exp(g - top) * w[i] * step / 2, t, m, s))
    total = sum(o[0] for o in out)
    return [(p / total, t, m, s) for p, t, m, s in out if p / total > mp.mpf(10) ** -24]


def mixture(parts: list[tuple[Any, Any, Any]], prob: float, scale: Any) -> Any:
    """Quantile by secant steps kept inside a bisection, to 1e-16 of ``scale``."""

    def f(x: Any) -> Any:
        with mp.workdps(20):
            return sum(p * mp.ncdf((x - m) / s) for p, m, s in parts) - mp.mpf(prob)

    def slope(x: Any) -> Any:
        with mp.workdps(20):
            return sum(p * mp.npdf((x - m) / s) / s for p, m, s in parts)

    import numpy as np
    from scipy.special import ndtr

    p, m, s = (np.array([float(a[i]) for a in parts]) for i in range(3))
    lo, hi = float(m.min()), float(m.max())
    while ndtr((lo - m) / s) @ p > prob:
        lo -= float(scale)
    while ndtr((hi - m) / s) @ p < prob:
        hi += float(scale)
    for _ in range(60):
        mid = (lo + hi) / 2
        lo, hi = (mid, hi) if ndtr((mid - m) / s) @ p < prob else (lo, mid)
    x = mp.mpf((lo + hi) / 2)
    for _ in range(3):
        x -= f(x) / slope(x)
    return x


def figures(case: dict[str, Any], panels: int, order: int) -> dict[str, Any]:
    g = grid(case, panels, order)
    y, v = [mp.mpf(x) for x in case["y"]], [mp.mpf(x) for x in case["v"]]
    out: dict[str, Any] = {}

    def moments(name: str, parts: list[tuple[Any, Any, Any]]) -> None:
        mean = sum(p * m for p, m, _ in parts)
        out[f"{name}.mean"] = mean
        out[f"{name}.sd"] = mp.sqrt(sum(p * (s * s + (m - mean) ** 2) for p, m, s in parts))

    mu = [(p, m, s) for p, _, m, s in g]
    new = [(p, m, mp.sqrt(s * s + t * t)) for p, t, m, s in g]
    moments("mu", mu)
    moments("next_trial", new)
    moments("tau", [(p, t, mp.mpf(0)) for p, t, _, _ in g])
    for name, parts in (("mu", mu), ("next_trial", new)):
        middle = sorted(parts, key=lambda a: a[2])[len(parts) // 2][2]
        for prob in (0.025, 0.5, 0.975):
            out[f"{name}.q{prob}"] = mixture(parts, prob, middle)
    for i in sorted({0, len(y) - 1}):
        parts = []
        for p, t, m, s in g:
            pull = v[i] / (v[i] + t * t)
            parts.append((p, y[i] * (1 - pull) + m * pull, mp.sqrt(v[i] * t * t / (v[i] + t * t) + (pull * s) ** 2)))
        moments(f"study{i}", parts)
        out[f"study{i}.q0.025"] = mixture(parts, 0.025, mp.sqrt(v[i]))
    for i in sorted({0, len(y) - 1}):
        out[f"weight{i}"] = 100 * sum(p / (v[i] + t * t) / sum(1 / (x + t * t) for x in v) for p, t, _, _ in g)
    # distribution function of tau at a few points: integrate up to the point itself
    for factor in (0.3, 1.0, 2.0):
        x = out["tau.mean"] * factor if mp.isfinite(out["tau.mean"]) else mp.mpf(1)
        x = mp.mpf(float(x))
        out[f"tau.cdf@{float(x)!r}"] = _tau_cdf(case, x, panels)
    return out


def _tau_cdf(case: dict[str, Any], x: Any, panels: int) -> Any:
    end = mp.log(case["tau"][1]) if case["tau"][0] == "uniform" and len(case["tau"]) > 1 else mp.inf
    u0 = mp.log(x)
    if u0 >= end:
        return mp.mpf(1)
    with mp.workdps(20):
        top = max(node(case, u0 + mp.mpf(i) / 4)[0] for i in range(-80, 80))
        f = lambda u: mp.exp(node(case, u)[0] - top)  # noqa: E731
        below = mp.quad(f, [u0 - 80, u0 - 40, u0 - 20] + [u0 - mp.mpf(i) / 2 for i in range(20, -1, -1)])
        if mp.isinf(end):
            above = mp.quad(f, [u0 + mp.mpf(i) / 2 for i in range(0, 21)] + [u0 + 20, u0 + 40, u0 + 80])
        else:
            above = mp.quad(f, mp.linspace(u0, end, 12))
        return below / (below + above)


def cases() -> list[dict[str, Any]]:
    rng = random.Random(20260)

    def data(k: int, tau: float, scale: float = 1.0, shift: float = 0.0) -> dict[str, Any]:
        v = [float(f"{rng.uniform(0.05, 0.5) ** 2 * scale**2:.6g}") for _ in range(k)]
        y = [float(f"{(shift + rng.gauss(-0.7, tau) + rng.gauss(0, 1) * math.sqrt(x) / scale) * scale:.6g}") for x in v]
        return {"y": y, "v": v}

    return [
        {"id": "k1 half-normal", **data(1, 0.3), "tau": ["halfnormal", 0.5], "mu": [0.0, 2.82]},
        {"id": "k1 flat mu", **data(1, 0.3), "tau": ["halfnormal", 0.5], "mu": None},
        {"id": "k2 half-normal", **data(2, 0.3), "tau": ["halfnormal", 0.5], "mu": None},
        {"id": "k2 far apart", "y": [-6.0, 6.0], "v": [0.01, 0.02], "tau": ["halfnormal", 1.0], "mu": [0.0, 10.0]},
        {"id": "k3 half-Cauchy", **data(3, 0.3), "tau": ["halfcauchy", 0.5], "mu": None},
        {"id": "k4 uniform", **data(4, 0.3), "tau": ["uniform"], "mu": None},
        {"id": "k5 uniform to 2", **data(5, 0.8), "tau": ["uniform", 2.0], "mu": None},
        {"id": "k5 Jeffreys", **data(5, 0.3), "tau": ["jeffreys"], "mu": None},
        {"id": "k6 small units", **data(6, 0.3, 1e-4), "tau": ["halfnormal", 5e-5], "mu": [0.0, 2e-4]},
        {"id": "k6 large units", **data(6, 0.3, 1e4), "tau": ["halfnormal", 5e3], "mu": [0.0, 2e4]},
        {"id": "k6 small units, unit prior", **data(6, 0.3, 1e-4), "tau": ["halfnormal", 1.0], "mu": [0.0, 1.0]},
        {"id": "k6 large units, unit prior", **data(6, 0.3, 1e4), "tau": ["halfcauchy", 1.0], "mu": [0.0, 10.0]},
        {"id": "k7 giant variance ratio", **data(6, 0.3), "tau": ["exponential", 0.5], "mu": None},
        {"id": "k13 log-normal", **data(13, 0.6), "tau": ["lognormal", -1.28, 0.87], "mu": None},
        {"id": "k13 identical effects", "y": [0.25] * 13, "v": data(13, 0.0)["v"], "tau": ["halfnormal", 0.5], "mu": None},
        {"id": "k20 huge heterogeneity", **data(20, 500.0), "tau": ["halft", 3.0, 1.0], "mu": None},
        {"id": "k20 tiny heterogeneity", **data(20, 0.001), "tau": ["halfnormal", 0.5], "mu": [0.0, 2.82]},
        {"id": "k20 shifted", **data(20, 0.3, shift=1000.0), "tau": ["halfnormal", 0.5], "mu": None},
    ]


def work(case: dict[str, Any]) -> dict[str, Any]:
    if case["id"].startswith("k7"):
        case["y"], case["v"] = [0.1, *case["y"]], [1e-8, *case["v"]]
    fine, coarse = figures(case, 260, 12), figures(case, 210, 12)
    expect = {}
    for name, value in fine.items():
        quantity = name.split(".")[0]
        scale = fine.get(f"{quantity}.sd", mp.mpf(1))
        # the distribution function of tau comes from adaptive tanh-sinh, not from the grid
        if name.startswith("tau.cdf") or abs(value - coarse[name]) <= mp.mpf("1e-12") * scale:
            expect[name] = float(value)
        else:
            print(case["id"], name, "not settled:", mp.nstr(value, 12), mp.nstr(coarse[name], 12), flush=True)
    print(case["id"], len(expect), flush=True)
    return {**case, "expect": expect}


if __name__ == "__main__":
    with Pool(2) as workers:
        done = workers.map(work, cases(), chunksize=1)
    body = ",\n".join(json.dumps(d) for d in done)
    (Path(__file__).parent / "exact_bayes.json").write_text(f"[\n{body}\n]\n", encoding="utf-8")

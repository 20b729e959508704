"""Results made by hand and eyes for figures; holds no test of its own."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
from matplotlib.text import Text
from scipy import stats

from vfmeta.core.question import Question
from vfmeta.results.fit import FrequentistResult
from vfmeta.results.posterior import BayesianResult, Marginal
from vfmeta.results.wald import TestResult

PAIN = Question(
    measure="MD", experimental="vertebroplasty", control="sham procedure", outcome="pain", higher_is_worse=True, points=(0, 10),
    mid=1.5, mid_source="a source",
)  # fmt: skip
RISK = Question(measure="RR", experimental="teriparatide", control="risedronate", outcome="new fracture", higher_is_worse=True)
LABELS = ("Buchbinder 2009", "Kallmes 2009", "Firanescu 2018")
SIZES = (
    {"n_experimental": 38, "n_control": 40},
    {"n_experimental": 68, "n_control": 63},
    {"n_experimental": 91, "n_control": 89},
)


def fit_of(y: Any, se: Any, question: Question = PAIN, labels: Any = None, details: Any = (), **over: Any) -> FrequentistResult:
    """A common-effect fit by hand, dressed as a random-effects one: plots know no estimator."""
    y, v = np.array(y, float), np.array(se, float) ** 2
    n, w = len(y), 1 / v / np.sum(1 / v)
    estimate, s = float(w @ y), float(1 / math.sqrt(np.sum(1 / v)))
    q = float(np.sum((y - estimate) ** 2 / v))
    fields: dict[str, Any] = {
        "question": question, "model": "random" if n > 1 else "single trial", "k": n, "estimate": estimate, "se": s,
        "interval": (estimate - 2.1 * s, estimate + 2.1 * s), "level": 0.95,
        "prediction": (estimate - 4 * s, estimate + 4 * s) if n > 2 else None, "tau2": 0.12 if n > 1 else None,
        "labels": tuple(labels or (f"Author {i + 1} {1990 + i}" for i in range(n))), "y": y, "v": v, "weights": 100 * w,
        "details": tuple(details), "statistic": estimate / s, "p_value": 0.03, "df": float(n - 1),
        "q": TestResult(q, n - 1, None, float(stats.chi2.sf(q, n - 1)) if n > 1 else 1.0),
        "i2": 45.2 if n > 1 else None,
        "tau2_interval": (0.0, 2.31) if n > 1 else None, "method": "REML", "test": "HKSJ" if n > 1 else "Wald",
    }  # fmt: skip
    return FrequentistResult(**(fields | over))


def post_of(fit: FrequentistResult, **over: Any) -> BayesianResult:
    """A normal posterior around a fit."""
    m, s, q = fit.estimate * 0.95, fit.se * 1.1, fit.question
    ends, ahead = (m - 1.96 * s, m + 1.96 * s), (m - 3 * s, m + 3 * s)
    grid = np.linspace(m - 3.3 * s, m + 3.3 * s, 200)
    benefit = None if q.higher_is_worse is None else float(stats.norm.cdf(-m / s if q.higher_is_worse else m / s))
    fields: dict[str, Any] = {
        "question": q, "model": "random", "k": fit.k, "estimate": m, "se": s, "interval": ends, "level": fit.level,
        "prediction": ahead, "tau2": 0.14, "labels": fit.labels, "y": fit.y, "v": fit.v, "weights": fit.weights,
        "details": fit.details, "mu": Marginal(mean=m, sd=s, median=m, interval=ends),
        "tau": Marginal(mean=0.5, sd=0.3, median=0.38, interval=(0.02, 1.41)),
        "next_trial": Marginal(mean=m, sd=s, median=m, interval=ahead),
        "shrunken_mean": fit.y, "shrunken_sd": np.sqrt(fit.v), "shrunken_low": fit.y - 1, "shrunken_high": fit.y + 1,
        "p_benefit": benefit, "p_benefit_mid": None if benefit is None or q.mid is None else benefit / 3,
        "priors": ("tau ~ half-normal(1)", "mu ~ N(0, 10)"), "method": "exact quadrature", "grid": grid,
        "density": stats.norm.pdf(grid, m, s),
    }  # fmt: skip
    return BayesianResult(**(fields | over))


def three(**over: Any) -> FrequentistResult:
    return replace(fit_of([-0.5, -0.7, -0.4], [0.45, 0.42, 0.37], labels=LABELS, details=SIZES), **over)


def words(ax: Any, gid: str = "") -> list[str]:
    return [t.get_text() for t in ax.texts if t.get_text() and (not gid or t.get_gid() == gid)]


def drawn(ax: Any, gid: str) -> list[Any]:
    return [a for a in ax.get_children() if a.get_gid() == gid]


def extents(figure: Any) -> list[tuple[str, Any]]:
    figure.canvas.draw()
    renderer = figure.canvas.get_renderer()
    found = [t for t in figure.findobj(Text) if t.get_visible() and t.get_text().strip()]
    return [(t.get_text(), t.get_window_extent(renderer)) for t in found]


def assert_legible(figure: Any) -> None:
    """No two texts overlap, none leaves the figure, none is below 7.5 points."""
    boxes = extents(figure)
    assert len(boxes) > 3
    for name, box in boxes:
        assert box.x0 >= -0.5, f"{name!r} is cut on the left"
        assert box.y0 >= -0.5, f"{name!r} is cut at the bottom"
        assert box.x1 <= figure.bbox.x1 + 0.5, f"{name!r} is cut on the right"
        assert box.y1 <= figure.bbox.y1 + 0.5, f"{name!r} is cut at the top"
    low, high = (np.array([getattr(box, end) for _, box in boxes]) for end in ("min", "max"))
    shared = np.minimum(high[:, None], high) - np.maximum(low[:, None], low)  # width and height that two boxes have in common
    clash = [(boxes[i][0], boxes[j][0]) for i, j in np.argwhere((shared >= 0.5).all(axis=2)) if i < j]
    assert clash == [], "these overlap"
    assert min(t.get_fontsize() for t in figure.findobj(Text) if t.get_text().strip()) >= 7.5

"""The estimate of every single study from its counts, with something added to empty cells; for display and for Cochran's Q."""

from __future__ import annotations

from typing import Any

import numpy as np

from vfmeta.core.measures import row
from vfmeta.effects.formulas import FORMULAS, ZeroRule
from vfmeta.kernels.homogeneity import score_test
from vfmeta.results.wald import TestResult


def each_study(measure: str, columns: tuple[np.ndarray, ...], zero: ZeroRule | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Effect and sampling variance of each study, (k,) and (k,); not finite where there is none.

    Without ``zero``, the rule and its say in the estimate are those of `vfmeta.effect_size`.
    """
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        return FORMULAS[measure][0](*columns, zero=zero or ZeroRule(in_estimate=row(measure).in_estimate))


def one_effect(measure: str, estimate: Any, cells: tuple[np.ndarray, ...]) -> TestResult | None:
    """Score test of whether two-arm studies share one effect, about their common ``estimate``; None for a single study."""
    found = score_test(measure, np.asarray(estimate), *cells)
    if not found.df > 0:
        return None
    events, k = cells[0].sum() + cells[2].sum(), len(cells[0])
    note = f"cautious, rejects 2 to 4% at 5% with {events:g} events in {k} studies" if events < k else ""
    return TestResult(float(found.statistic), int(found.df), None, float(found.p_value), note)


def typical_variance(v: np.ndarray) -> float | None:
    """The sampling variance of a typical study (Higgins & Thompson 2002, Stat Med 21:1539-1558); None for one study."""
    if len(v) < 2:
        return None
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        w = 1 / (v / v.mean())
        return float(v.mean() * (len(v) - 1) * w.sum() / (w.sum() ** 2 - (w**2).sum()))


def typical_beside(v: np.ndarray, x: np.ndarray) -> float | None:
    """Sampling variance of a typical study beside moderators ``x`` (k, p), as in `meta_regression`; None where k = p."""
    df = len(v) - x.shape[1]
    if df < 1:
        return None
    basis, _ = np.linalg.qr(x / np.sqrt(v)[:, None])
    return float(df / ((1 - (basis**2).sum(axis=1)) / v).sum())

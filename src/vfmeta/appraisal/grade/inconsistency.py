"""Inconsistency: trials apart on two sides of a threshold, and a next trial whose effect may be another than the mean's."""

from __future__ import annotations

from typing import Any

import numpy as np

from vfmeta.appraisal.grade.body import Body, names, percent
from vfmeta.appraisal.grade.thresholds import limit
from vfmeta.results.certainty import Domain
from vfmeta.results.wald import quantile
from vfmeta.text import numbers as tx

_NAME = "inconsistency"


def disagreement(body: Body, subgroups: Any = None) -> Domain:
    """The domain of inconsistency; what a test between subgroups says is told and decides nothing."""
    if body.k == 1:
        return Domain(
            name=_NAME, suggestion=0, short="one trial", sentence="One trial: there is nothing it could disagree with."
        )
    fit, q = body.fit, body.question
    said = [f"tau2 {tx.spread_text(fit.tau2, q)}." if fit.tau2 is not None else "tau2 cannot be estimated."]
    opposed, against, pairs = _apart(body)
    crossed, p = _ahead(body), _q(body)
    differ = p < limit("heterogeneity_p")
    least = limit("opposed_weight")
    split = bool(opposed.any() and body.share[opposed].sum() >= least)
    overlap = (
        f"Of {pairs[1]} pairs of trials {pairs[0] or 'none'} {'has' if pairs[0] < 2 else 'have'} intervals that do not overlap."
    )
    if pairs[1] == 1:
        overlap = f"The intervals of the two trials {'do not ' if pairs[0] else ''}overlap."
    said.append(f"Cochran's Q: {tx.p_text(p)}. {overlap}")
    if opposed.any():
        others = names([body.labels[i] for i in np.flatnonzero(against)])
        said.append(
            f"On another side of {body.sides} than the mean: {body.weight(opposed)}, apart from {others} "
            f"({percent(least)} of the weight or more counts)."
        )
    prediction = fit.shown_prediction
    if prediction is not None:
        held = " and ".join(body.mark(x) for x in crossed) or "no threshold"
        doubt = "" if differ or not crossed else ", but by its test the trials do not differ by more than chance"
        said.append(
            f"The true effect of a next trial may be {tx.interval_text(q, prediction)}, which crosses {held} that the interval "
            f"of the mean leaves out{doubt}."
        )
    else:
        said.append("There is no prediction interval.")
    if subgroups is not None:
        between = tx.p_text(float(subgroups.between.p_value))
        said.append(f"Between subgroups {between}; whether that explains the differences is for a panel.")
    keys = ("opposed_weight", "heterogeneity_p", *body.marks.keys)
    return Domain(
        name=_NAME, suggestion=-(split + (differ and bool(crossed))), short="computed", sentence=" ".join(said), thresholds=keys
    )


def _apart(body: Body) -> tuple[np.ndarray, np.ndarray, tuple[int, int]]:
    """Trials placed otherwise than the mean and apart from one placed as it, the latter, and pairs apart of all pairs."""
    y, se = np.asarray(body.fit.y, dtype=float), np.sqrt(np.asarray(body.fit.v, dtype=float))
    half = float(quantile(body.fit.level, None)) * se
    low, high = y - half, y + half
    apart = (low[:, None] > high[None, :]) | (low[None, :] > high[:, None])
    places = np.array([body.marks.place(x) for x in y])
    mine = body.marks.place(body.fit.estimate)
    other, same = places != mine, places == mine
    opposed = other & (apart & same[None, :]).any(axis=1)
    against = same & (apart & opposed[None, :]).any(axis=1)
    return opposed, against, (int(apart.sum()) // 2, body.k * (body.k - 1) // 2)


def _q(body: Body) -> float:
    """The p value of Cochran's test of heterogeneity."""
    from vfmeta.kernels.distributions import chi2_above

    y, v = (np.asarray(x, dtype=float) for x in (body.fit.y, body.fit.v))
    q = float(np.sum((y - np.average(y, weights=1 / v)) ** 2 / v))
    return float(chi2_above(q, body.k - 1))


def _ahead(body: Body) -> list[float]:
    """Thresholds inside the prediction interval and outside the interval of the mean, where trials differ at all."""
    ahead, (low, high) = body.fit.shown_prediction, body.interval
    if ahead is None or not body.fit.tau2:
        return []
    return [x for x in body.marks.every if not low <= x <= high and ahead[0] < x < ahead[1]]

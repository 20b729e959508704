"""Forest of a network: every treatment against the reference."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from vfmeta.core.messages import InputError, kind_of
from vfmeta.plots.canvas import effects_along, finished, fresh, span
from vfmeta.plots.style import STYLE, applied
from vfmeta.text import numbers as tx

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def treatment_effects(found: Any, ax: Axes | None = None, *, title: str = "") -> Axes:
    """Effect of every treatment against the reference, with its interval and, thinner, that of a further trial.

    Parameters
    ----------
    found : NetworkResult, NetworkPosterior or SampledNetwork
        Of unrelated mean effects every comparison with direct evidence is drawn.
    ax : matplotlib Axes, optional
    title : str

    Returns
    -------
    matplotlib Axes
        Its label (``axes.get_label()``) says the figure in words.

    Examples
    --------
    >>> import vfmeta as vf
    >>> frame = {
    ...     "study": list("abcdef"), "treat1": list("BBCCCC"), "treat2": list("AAAABB"),
    ...     "y": [-0.5, -0.3, -0.8, -0.6, -0.2, -0.4], "se": [0.2] * 6,
    ... }
    >>> axes = vf.plots.treatment_effects(vf.network(frame, reference="A"))
    """
    if not all(hasattr(found, name) for name in ("comparisons", "reference", "treatments")):
        raise InputError(f"treatment_effects: {kind_of(found)} was given; give a network, its posterior or its draws.")
    frame, q = found.comparisons(), found.question
    against = frame[frame["control"] == found.reference]
    whole = set(against["treatment"]) == set(found.treatments) - {found.reference}
    rows = against if whole and len(frame) == len(found.treatments) * (len(found.treatments) - 1) // 2 else frame
    names = rows["treatment"].tolist() if rows is against else [f"{r.treatment} v {r.control}" for r in rows.itertuples()]
    middle, low, high = (rows[name].to_numpy() for name in ("estimate", "ci_low", "ci_high"))
    ahead = rows[["prediction_low", "prediction_high"]].to_numpy() if "prediction_low" in rows else np.empty((0, 2))
    with applied():
        height = 0.95 + 0.27 * len(rows)
        ax = fresh(ax, (6.2, height), (0.27, 0.5 / height, 0.46, 1 - 0.85 / height))
        y = np.arange(len(rows))
        if q.null_effect is not None:
            ax.axvline(q.null_effect, color=STYLE["null"], lw=0.8, gid="null")
        if len(ahead) and np.isfinite(ahead).all():
            ax.hlines(y, ahead[:, 0], ahead[:, 1], color=STYLE["prediction"], lw=0.9, gid="prediction")
        ax.hlines(y, low, high, color=STYLE["study"], lw=1.4, gid="interval")
        ax.plot(
            middle, y, "s", ms=5, color=STYLE["bayesian" if hasattr(found, "priors") else "frequentist"], ls="", gid="effect"
        )
        ax.set(ylim=(len(rows) - 0.4, -0.7))
        ax.set_yticks(y, names)
        inside = [x[np.isfinite(x)] for x in (low, high, ahead.ravel(), np.array([q.null_effect or 0.0]))]
        effects_along(ax, q, span(np.concatenate(inside)), 2.8)
        for i in range(len(rows)):
            said = tx.effect_text(q, float(middle[i]), (float(low[i]), float(high[i])))
            ax.text(1.03, i, said, transform=ax.get_yaxis_transform(), va="center", fontsize=STYLE["small"], gid="numbers")
        clear = [n for n, a, b in zip(names, low, high, strict=True) if a > 0 or b < 0]
        of = f"against {found.reference}" if rows is against else "of treatments with direct evidence"
        words = f"Effects of {len(rows)} {'treatments' if rows is against else 'comparisons'} {of}, {q.shown}. "
        words += (
            f"No difference lies outside the interval of {', '.join(clear)}."
            if clear
            else "Every interval has no difference in it."
        )
        return finished(ax, title, words)

"""Funnel plot: effects over their standard errors, plain or with contours of significance, a test's line, imputed studies."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from vfmeta.core.messages import InputError, kind_of
from vfmeta.plots import axis
from vfmeta.plots.canvas import null_line
from vfmeta.plots.glyphs import checked
from vfmeta.plots.style import STYLE, applied, check_axes, plain_axes
from vfmeta.text import numbers as tx

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_LEVELS = ((0.1, "#E9E9E9"), (0.05, "#D6D6D6"), (0.01, "#BFBFBF"))  # two-sided p, fill beyond it
_ON_ERROR = ("SE", "variance", "1/sqrt(V)")  # predictors that are drawn on the axis of standard errors
_AXES = {
    "N": "patients", "1/N": "one over patients", "1/sqrt(N)": "one over root of patients",
    "1/sqrt(ESS)": "one over root of effective sample size", "sqrt(1/n1 + 1/n2)": "root of 1/n1 + 1/n2",
}  # fmt: skip


def funnel(fit: Any, ax: Axes | None = None, *, contours: bool = False, title: str = "") -> Axes:
    """Effects over their standard errors, the most precise on top.

    Parameters
    ----------
    fit : fit, posterior or result of `vfmeta.appraisal`
        A test of asymmetry brings its line (and where it regresses on sizes, the axis of these), `trim_and_fill` the studies it
        imputes, drawn hollow, and the pool without them, an adjusted effect (a selection model, PET-PEESE, ...) its own centre,
        dashed, beside the pool as it stands.
    ax : matplotlib Axes, optional
    contours : bool
        Whether regions of p below 0.10, 0.05 and 0.01 against "no difference" are shaded (Peters et al. 2008, J Clin Epidemiol
        61:991-996): studies missing where nothing is significant point to selective publication, others to other causes.
    title : str

    Returns
    -------
    matplotlib Axes

    Notes
    -----
    The dashed lines are centre -+ 1.96 standard errors: 95% of studies lie within where they share one effect and none is
    missing. `funnel_text` says the same in words, as does the label of the axes.

    Examples
    --------
    >>> import vfmeta as vf
    >>> fit = vf.random_effects(y=[-0.5, -0.3, -0.8, -0.4], se=[0.2, 0.15, 0.3, 0.1])
    >>> axes = vf.plots.funnel(fit, contours=True)
    """
    y, q, depth, label = _studies(fit)
    on_error = label == "standard error"
    if contours and not on_error:
        raise InputError(f"funnel: contours are drawn over standard errors, and this test regresses on {label}.")
    if contours and q.null_effect is None:
        raise InputError("funnel: contours are about a value that means no difference, and the question names none.")
    filled = getattr(fit, "filled_y", np.empty(0))
    far = np.concatenate([depth, np.sqrt(getattr(fit, "filled_v", np.empty(0)))]) if on_error else depth
    deep = 1.06 * float(far.max())
    with applied():
        check_axes(ax)
        if ax is None:
            import matplotlib.pyplot as plt

            ax = plt.figure(figsize=(4.8, 3.8), facecolor="white").add_axes((0.13, 0.14, 0.83, 0.77))
        centre = _centre(fit)
        ends = np.array([0.0, deep])
        spread = [*y, *filled, fit.estimate if hasattr(fit, "unadjusted") else centre]
        if on_error:
            spread += [centre - 1.96 * deep, centre + 1.96 * deep]
        low, high = min(spread), max(spread)
        room = 0.04 * (high - low) or 1.0
        low, high = low - room, high + room
        if contours:
            _shade(ax, float(q.null_effect or 0.0), deep, (low, high))
        if on_error:
            for sign in (-1, 1):
                ax.plot(
                    centre + sign * 1.96 * ends, ends, color=STYLE["prediction"], lw=0.9, ls=(0, (4, 2)), gid="pseudo limit"
                )
        ax.axvline(centre, color=STYLE["frequentist"], lw=1.0, gid="centre")
        null_line(ax, q.null_effect)
        line = _line(fit, np.linspace(0.0 if on_error else 0.94 * float(depth.min()), deep, 60))
        if line is not None:
            ax.plot(*line, color=STYLE["bayesian"], lw=1.4, gid="line")
        if hasattr(fit, "unadjusted"):
            ax.axvline(fit.estimate, color=STYLE["bayesian"], lw=1.0, ls=(0, (5, 2)), gid="adjusted centre")
        if hasattr(fit, "filled_y"):
            ax.scatter(
                filled, np.sqrt(fit.filled_v), s=24, fc="white", ec=STYLE["bayesian"], lw=1.0, zorder=3, gid="imputed studies"
            )
        ax.scatter(y, depth, s=22, color=STYLE["study"], ec="white", lw=0.5, zorder=4, gid="studies")
        ax.set_xlim(low, high)
        upward = getattr(fit, "predictor", "") == "N"
        ax.set_ylim(*((0, deep) if upward else (deep, 0.0 if on_error else 0.94 * float(depth.min()))))
        ax.set_xticks(*axis.analysis_ticks((low, high), q, 3.6, lambda _: 0.3))
        ax.set_xlabel(f"{q.outcome} ({q.shown})" if q.outcome != "effect" else q.shown, fontsize=STYLE["text"])
        ax.set_ylabel(label, fontsize=STYLE["text"])
        ax.tick_params(labelsize=STYLE["small"])
        plain_axes(ax, "left", "bottom")
        ax.set_title(title, fontsize=STYLE["text"], loc="left")
        ax.set_label(funnel_text(fit))
    return checked(ax)


def funnel_text(fit: Any) -> str:
    """The funnel plot in sentences, with the numbers it shows, for those who do not see it.

    Parameters
    ----------
    fit
        As given to `funnel`.

    Examples
    --------
    >>> import vfmeta as vf
    >>> fit = vf.random_effects(y=[-0.5, -0.3, -0.8, -0.4], se=[0.2, 0.15, 0.3, 0.1])
    >>> vf.plots.funnel_text(fit).startswith("Funnel plot of 4 studies")
    True
    """
    y, q, depth, label = _studies(fit)
    centre, k = _centre(fit), len(y)
    out = [
        f"Funnel plot of {k} studies: {tx.measure_text(q)} over {label}, {tx.short(depth.min())} to {tx.short(depth.max())}.",
        f"Effects run from {tx.value_text(q, float(y.min()))} to {tx.value_text(q, float(y.max()))} about a centre of "
        f"{tx.value_text(q, centre)}.",
    ]
    if label == "standard error":
        outside = int((np.abs(y - centre) > 1.96 * depth).sum())
        out.append(f"{outside or 'None'} of {k} lie outside the lines at 1.96 standard errors.")
    half = depth > np.median(depth)
    if half.any() and not half.all():
        means = [tx.value_text(q, float(y[at].mean())) for at in (half, ~half)]
        first, second = ("larger", "smaller") if getattr(fit, "predictor", "") == "N" else ("smaller", "larger")
        out.append(f"The plain mean is {means[0]} in the {first} half of the studies and {means[1]} in the {second} half.")
    if hasattr(fit, "filled_y"):
        n = len(fit.filled_y)
        out.append(
            f"{n} {'study is' if n == 1 else 'studies are'} imputed on the {fit.side}; with {'it' if n == 1 else 'them'} the "
            f"pool is {tx.value_text(q, fit.estimate)}."
            if n
            else "No study is imputed."
        )
    if hasattr(fit, "sentence"):
        out.append(fit.sentence())
    return " ".join(out)


def _studies(fit: Any) -> tuple[np.ndarray, Any, np.ndarray, str]:
    """Effects, the question, how deep each study is drawn, and what that axis shows."""
    if not all(hasattr(fit, name) for name in ("y", "v", "question")) or np.ndim(fit.estimate):
        raise InputError(f"funnel: {kind_of(fit)} was given; give a pool, or what a verb of vf.appraisal returned.")
    predictor = getattr(fit, "predictor", "SE")
    if predictor in _ON_ERROR:
        return fit.y, fit.question, np.sqrt(fit.v), "standard error"
    return fit.y, fit.question, fit.x, _AXES[predictor]


def _centre(fit: Any) -> float:
    return float(fit.centre if hasattr(fit, "centre") else fit.estimate)


def _line(fit: Any, depth: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """The line of a test of asymmetry over the depth of the plot."""
    if not hasattr(fit, "predictor") or getattr(fit, "moderators", False):
        return None
    at = depth**2 if fit.predictor == "variance" else depth
    mean = [float((fit.weights * z).sum() / fit.weights.sum()) for z in (fit.x, fit.y)]  # which a weighted line goes through
    slope = fit.slope if hasattr(fit, "slope") else fit.estimate
    return mean[1] + slope * (at - mean[0]), depth


def _shade(ax: Axes, null: float, deep: float, ends: tuple[float, float]) -> None:
    """Regions of significance, each over the one before, with their p values at the bottom."""
    from scipy.special import ndtri

    for p, colour in _LEVELS:
        z = float(-ndtri(p / 2))
        for sign in (-1, 1):
            edge = null + sign * z * deep
            reach = ends[0] - 1 if sign < 0 else ends[1] + 1
            ax.fill_betweenx(
                [0, deep],
                [null, edge],
                [reach, reach],
                color=colour,
                lw=0,
                zorder=0,
                gid=f"p < {p:g} {'left' if sign < 0 else 'right'}",
            )
    from matplotlib.patches import Patch

    names = [(f"p < {p:g}", colour) for p, colour in _LEVELS]
    ax.legend(
        handles=[Patch(fc="white", ec=STYLE["faint_rule"], label="p ≥ 0.1"), *(Patch(fc=c, label=n) for n, c in names)],
        loc="upper right", fontsize=STYLE["small"], frameon=True, framealpha=0.9, edgecolor="none", borderpad=0.3,
    )  # fmt: skip

"""Priors as pictures: what each says of tau, and of the mean effect, before any trial is seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from vfmeta.core.messages import InputError
from vfmeta.core.params import is_finite
from vfmeta.plots.glyphs import checked
from vfmeta.plots.layout import wrap
from vfmeta.plots.style import STYLE, applied, check_axes, plain_axes
from vfmeta.priors import MuPrior, TauPrior

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_FAR = 1e300  # end of what an axis can show
_BEYOND = "prior_densities: a prior reaches beyond what can be drawn; give top=, the end of the axis."
_LINES = ("-", (0, (5, 2)), (0, (1, 1.2)), (0, (6, 2, 1, 2)), (0, (3, 1, 1, 1, 1, 1)))


def prior_densities(priors: Any, ax: Axes | None = None, *, v: Any = None, top: float | None = None, unit: str = "") -> Axes:
    """Draw the densities of priors of tau, or of the mean effect, one line each with its words in the legend.

    Parameters
    ----------
    priors : prior, sequence of priors, or mapping of names to priors
        From ``vf.priors``; all of tau or all of mu. They are named by their own words, or by the mapping's keys.
    ax : matplotlib Axes, optional
    v : array-like of shape (k,), optional
        Sampling variances, for priors that rest on them.
    top : float, optional
        End of the axis; by default where the widest prior has 95% of its probability (99% of the central mass for mu).
    unit : str
        Unit named on the axis, such as "points on 0-10".

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    InputError
        No prior, priors of different quantities, an improper prior, or a prior that needs ``v``.

    Examples
    --------
    >>> import vfmeta as vf
    >>> axes = vf.plots.prior_densities([vf.priors.HalfNormal(0.5), vf.priors.HalfCauchy(0.5)])
    """
    named = _named(priors)
    kinds = {"mu" if isinstance(p, MuPrior) else "tau" if isinstance(p, TauPrior) else "?" for p in named.values()}
    if kinds - {"tau", "mu"} or len(kinds) != 1:
        raise InputError("prior_densities takes priors of tau, or priors of mu, from vf.priors; not both in one picture.")
    for p in named.values():
        if not p.proper:
            raise InputError(f"{p} has no finite total, so its density has no height to draw; leave it out.")
    if top is not None and not (is_finite(top) and top > 0):
        raise InputError(f"prior_densities: top={top!r} must be a number above 0, the end of the axis.")
    curves = _of_tau(named, v, top) if kinds == {"tau"} else _of_mu(named, top)
    # matplotlib takes the span of its ticks, which has to be a number as well
    if not all((np.abs(x) < _FAR).all() and np.isfinite(height).all() for x, height in curves.values()):
        raise InputError(_BEYOND)
    with applied():
        check_axes(ax)
        if ax is None:
            import matplotlib.pyplot as plt

            ax = plt.figure(figsize=(5.5, 3.4), facecolor="white").add_axes((0.06, 0.17, 0.9, 0.78))
        colours = (STYLE["bayesian"], "black", STYLE["muted"])
        for i, (name, (x, height)) in enumerate(curves.items()):
            label = "\n".join(wrap(name, 2.9, STYLE["small"]))
            ax.plot(x, height, color=colours[i % 3], ls=_LINES[i % 5], lw=1.4, label=label, gid=f"prior-{i}")
        ax.set_xlim(min(x[0] for x, _ in curves.values()), max(x[-1] for x, _ in curves.values()))
        ax.set_ylim(0, None)
        ax.set_yticks([])
        what = "Between-trial standard deviation τ" if kinds == {"tau"} else "Mean effect μ"
        ax.set_xlabel(f"{what}{', ' + unit if unit else ''}", fontsize=STYLE["text"])
        ax.tick_params(labelsize=STYLE["text"])
        ax.legend(fontsize=STYLE["small"], frameon=False, loc="upper right")
        plain_axes(ax, "bottom")
    return checked(ax)


def _named(priors: Any) -> dict[str, Any]:
    if isinstance(priors, Mapping):
        named = {str(k): p for k, p in priors.items()}
    else:
        listed = list(priors) if isinstance(priors, Sequence) else [priors]
        named = {str(p): p for p in listed}
    if not named:
        raise InputError("There is no prior to draw; give at least one.")
    return named


def _of_tau(named: dict[str, Any], v: Any, top: float | None) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    variances = None if v is None else np.asarray(v, dtype=float)
    end = top or max(float(p.quantile(0.95, variances)) for p in named.values())
    if not end < _FAR:
        raise InputError(_BEYOND)
    out = {}
    for name, p in named.items():
        stop = min(end, p.high)
        x = np.linspace(stop * 1e-3, stop, 400)
        height = p.density(x, variances)
        # a density without bound at zero is cut where the others still show
        out[name] = (np.r_[x, x[-1]] if stop < end else x, np.r_[height, 0.0] if stop < end else height)
    ceiling = 3 * max(float(np.median(h[: len(h) // 4])) for _, h in out.values())
    return {name: (x, np.minimum(h, ceiling)) for name, (x, h) in out.items()}


def _of_mu(named: dict[str, Any], top: float | None) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    ends = np.array([p.quantile([0.005, 0.995]) for p in named.values()])
    low, high = (ends[:, 0].min(), ends[:, 1].max()) if top is None else (-abs(top), abs(top))
    x = np.linspace(low, high, 401)
    return {name: (x, p.density(x)) for name, p in named.items()}

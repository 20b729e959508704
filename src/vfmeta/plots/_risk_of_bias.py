"""Risk of bias: traffic lights by trial and domain, and bars of how much was judged how."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any

import numpy as np

from vfmeta.core.bias_tools import NOT_JUDGED, Judgement
from vfmeta.core.messages import InputError, kind_of
from vfmeta.plots.style import STYLE, applied, check_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_ROW, _COLUMN = 0.3, 0.42  # inches


def risk_of_bias(found: Any, ax: Axes | None = None, *, title: str = "") -> Axes:
    """Traffic lights: a row a trial, a column a domain, the overall judgement last.

    Parameters
    ----------
    found : RiskOfBias
        From `vfmeta.appraisal.risk_of_bias`.
    ax : matplotlib Axes, optional
    title : str

    Returns
    -------
    matplotlib Axes

    Notes
    -----
    Shape and sign say the level as well as colour. An empty place was not judged.

    Examples
    --------
    >>> import vfmeta as vf
    >>> wide = {"Study": ["a", "b"], "D1": ["Low", "High"], "D2": ["Low", ""], "Overall": ["Some concerns", "High"]}
    >>> axes = vf.plots.risk_of_bias(vf.appraisal.risk_of_bias(wide))
    """
    _checked(found, "risk_of_bias")
    levels = {x.word: x for x in found.instrument.levels}
    names = max(1.0, 0.2 + 0.075 * max(map(len, found.labels)))
    overall = any(found.overall)
    columns = len(found.terms) + overall
    wide = max(names + _COLUMN * (columns + 0.5), 5.2)
    key = _key(found, wide)
    with applied():
        check_axes(ax)
        if ax is None:
            import matplotlib.pyplot as plt

            size = wide, _ROW * (found.k + 2.6 + 0.62 * len(key) + 1.2 * bool(title))
            ax = plt.figure(figsize=size, facecolor="white").add_axes((0.01, 0.01, 0.98, 0.98))
        for i, (label, own, last) in enumerate(zip(found.labels, found.judgements, found.overall, strict=True)):
            ax.text(-0.7, i, label, ha="right", va="center", fontsize=STYLE["text"])
            for j, word in enumerate((*own, last)[:columns]):
                x = j + 0.3 * (j == len(found.terms))
                if word:
                    _light(ax, x, i, levels[word])
                else:
                    ax.text(x, i, "·", ha="center", va="center", color=STYLE["muted"])
        for j in range(columns):
            head, x = ("Overall", j + 0.3) if j == len(found.terms) else (f"D{j + 1}", float(j))
            ax.text(x, -0.75, head, ha="center", va="bottom", fontsize=STYLE["heading"], fontweight="bold")
        ax.axhline(-0.6, color=STYLE["rule"], lw=0.7)
        ax.axhline(found.k - 0.4, color=STYLE["rule"], lw=0.7)
        left = -0.7 - names / _COLUMN
        at = found.k + 0.2
        for line in key:
            ax.text(left + 0.1, at, line, ha="left", va="center", fontsize=STYLE["small"], color=STYLE["muted"])
            at += 0.62
        _legend(ax, found, left + 0.3, at + 0.1)
        right = left + wide / _COLUMN
        ax.set(xlim=(left, right), ylim=(at + 0.7, -1.5 - 1.2 * bool(title)))
        ax.set_axis_off()
        if title:
            ax.text(left + 0.1, -1.7, title, ha="left", va="bottom", fontsize=STYLE["title"])
    return ax


def risk_of_bias_summary(found: Any, ax: Axes | None = None, *, weights: Any = None, title: str = "") -> Axes:
    """Bars of how much of the evidence was judged at each level, by domain.

    Parameters
    ----------
    found : RiskOfBias
        From `vfmeta.appraisal.risk_of_bias`.
    ax : matplotlib Axes, optional
    weights : result or array-like of shape (k,), optional
        The weights of a pool, matched by name, or one a trial; each trial counts as one when left out, which the axis says.
    title : str

    Returns
    -------
    matplotlib Axes

    Examples
    --------
    >>> import vfmeta as vf
    >>> wide = {"Study": ["a", "b"], "D1": ["Low", "High"], "D2": ["Low", ""], "Overall": ["Some concerns", "High"]}
    >>> axes = vf.plots.risk_of_bias_summary(vf.appraisal.risk_of_bias(wide), weights=[3, 1])
    """
    _checked(found, "risk_of_bias_summary")
    table = found.shares(weights)
    levels = [*found.instrument.levels, NOT_JUDGED]
    names = [_sentence(x) for x in table["domain"]]
    with applied():
        check_axes(ax)
        if ax is None:
            import matplotlib.pyplot as plt

            fig = plt.figure(figsize=(7.2, 1.15 + _ROW * len(names) + 0.3 * bool(title)), facecolor="white")
            ax = fig.add_axes((0.36, 0.72 / fig.get_figheight(), 0.6, 1 - (0.85 + 0.3 * bool(title)) / fig.get_figheight()))
        y = np.arange(len(names)) + 0.3 * (table["domain"] == "overall").to_numpy()
        begin = np.zeros(len(names))
        for level in levels:
            share = table[level.word].to_numpy()
            hatch = "////" if level is NOT_JUDGED else None
            ax.barh(
                y, share, 0.72, left=begin, color=level.colour, ec=STYLE["rule"], lw=0.6, hatch=hatch, label=level.word,
                gid="share",
            )  # fmt: skip
            for at, start, wide in zip(y, begin, share, strict=True):
                if level.sign and wide > 4:
                    ax.text(
                        start + wide / 2, at, level.sign, ha="center", va="center", fontsize=STYLE["text"], color=_ink(level)
                    )
            begin = begin + share
        ax.set_yticks(y, names)
        ax.invert_yaxis()
        ax.set_xlim(0, 100)
        ax.set_xlabel("share of trials (%)" if weights is None else "share of weight (%)")
        ax.tick_params(left=False)
        for spine in ("top", "right", "left"):
            ax.spines[spine].set_visible(False)
        drawn = [i for i, x in enumerate(levels) if table[x.word].sum() > 0]
        handles, said = ax.get_legend_handles_labels()
        ax.figure.legend(
            [handles[i] for i in drawn], [_sentence(said[i]) for i in drawn], loc="lower center", ncols=len(drawn),
            frameon=False, fontsize=STYLE["text"],
        )  # fmt: skip
        if title:
            ax.set_title(title, fontsize=STYLE["title"], loc="left")
    return ax


def _checked(found: Any, name: str) -> None:
    if not all(hasattr(found, x) for x in ("instrument", "judgements", "overall")):
        raise InputError(f"{name}: {kind_of(found)} was given; give what vf.appraisal.risk_of_bias returned.")


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def _ink(level: Judgement) -> str:
    return "white" if level.rank > 2 else "black"


def _light(ax: Axes, x: float, y: float, level: Judgement) -> None:
    ax.scatter(x, y, s=150, marker=level.marker, color=level.colour, ec=STYLE["rule"], lw=0.6, gid="light")
    ax.text(x, y, level.sign, ha="center", va="center_baseline", fontsize=STYLE["text"], fontweight="bold", color=_ink(level))


def _key(found: Any, wide: float) -> list[str]:
    """What the numbers of the domains mean, in lines for a figure ``wide`` inches; a number stays with its name."""
    said = "; ".join(f"D{i + 1}\N{NO-BREAK SPACE}{name}" for i, name in enumerate(found.terms))
    lines = textwrap.wrap(f"{found.tool}: {said}.", int(16.5 * wide))
    return [line.replace("\N{NO-BREAK SPACE}", " ") for line in lines]


def _legend(ax: Axes, found: Any, x: float, y: float) -> None:
    used = {w for row in found.judgements for w in row} | (set(found.overall) if any(found.overall) else set())
    for level in found.instrument.levels:
        if level.word in used:
            _light(ax, x, y, level)
            ax.text(x + 0.5, y, _sentence(level.word), ha="left", va="center", fontsize=STYLE["text"])
            x += 1.4 + 0.17 * len(level.word)
    if "" in used:
        ax.text(x, y, "·", ha="center", va="center", color=STYLE["muted"])
        ax.text(x + 0.3, y, "Not judged", ha="left", va="center", fontsize=STYLE["text"])

"""Effect direction plot and harvest plot: which way each trial points, by outcome."""

from __future__ import annotations

import math
import textwrap
from typing import TYPE_CHECKING, Any

import numpy as np

from vfmeta.core.messages import InputError, kind_of
from vfmeta.plots.glyphs import checked
from vfmeta.plots.layout import shorten
from vfmeta.plots.style import STYLE, applied, check_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MARKS = {1: "^", -1: "v", 0: "D"}
_COLUMN, _NARROW = 1.3, 0.9  # inches of an outcome
_STEP = 0.32  # widths from bar to bar
_ROW = 1.9  # heights of a bar, with its label
_SIZES = ((50, 28.0, "below 50"), (300, 62.0, "50 to 300"), (math.inf, 120.0, "above 300"))


def effect_direction(found: Any, ax: Axes | None = None, *, wrap: int | None = None, title: str = "") -> Axes:
    """Trials in rows, outcomes in columns: an arrow up where a trial favours the experimental arm, down where the control.

    Parameters
    ----------
    found : Directions
        From `vfmeta.appraisal.direction_of_effect`.
    ax : matplotlib Axes, optional
    wrap : int, optional
        Outcomes beside one another, at most; further ones stand below, with the trials that speak of them. All by default.
    title : str

    Returns
    -------
    matplotlib Axes

    Notes
    -----
    After Thomson & Thomas 2013 (Res Synth Methods 4:95-101), without significance (Boon & Thomson 2021, Res Synth Methods
    12:29-33): shape and colour say the direction, size the patients of the experimental arm (below 50, 50 to 300, above 300;
    an empty mark where they are unknown). A dash is a trial that does not say.

    Examples
    --------
    >>> import vfmeta as vf
    >>> found = vf.appraisal.direction_of_effect(direction=[1, 1, -1, None], n=[40, 120, 350, 20], study=list("abcd"))
    >>> axes = vf.plots.effect_direction(found)
    """
    _refused(found, "effect_direction")
    if wrap is not None and not (isinstance(wrap, int) and wrap > 0):
        raise InputError(f"wrap={wrap!r} is a number of outcomes, 1 or more.")
    wide = min(wrap or len(found.terms), len(found.terms))
    blocks = [tuple(found.terms[i : i + wide]) for i in range(0, len(found.terms), wide)]
    rows = [_speakers(found, block if len(blocks) > 1 else None) for block in blocks]
    names = max((len(line) for own in rows for x in own for line in _name(x, wrap).split("\n")), default=0)
    left = max(1.3 if wrap else 2.2, 0.2 + 0.068 * names if wrap else 0.4 + 0.072 * names)  # inches that the names take
    column = _COLUMN if wrap is None else _NARROW
    said, unknown = _said(found), bool(np.any(~np.isfinite(found.sizes) & ~np.isnan(found.direction)))
    counted = textwrap.fill(said[1].replace("favours", "favour", 1), 18 if wrap else 26)
    lines = [max(_heading(t, wrap).count("\n") for t in block) for block in blocks]
    above, below = [1.6 + 0.8 * n for n in lines], 0.9 + 0.5 * counted.count("\n")
    rest = 0.75 * (6 + unknown) + 0.8 if wrap else 2.6 + 0.6 * unknown  # the legend below
    tall = sum(len(own) for own in rows) + sum(above) + below * len(blocks) + rest
    with applied():
        check_axes(ax)
        if ax is None:
            import matplotlib.pyplot as plt

            size = (max(3.5 if wrap else 4.6, left + column * wide), 0.24 * tall)
            ax = plt.figure(figsize=size, facecolor="white").add_axes((0.02, 0.02, 0.96, 0.96))
        top = above[0]
        for block, trials, over in zip(blocks, rows, above, strict=True):
            top += 0.0 if block is blocks[0] else over
            _block(ax, found, block, trials, top, counted, wrap)
            top += len(trials) + below
        _legend(ax, said, unknown, 1 if wrap else 2)
        ax.set(xlim=(-0.9 - left / column, wide - 0.2), ylim=(top + rest, -1.2 * bool(title)))
        ax.set_axis_off()
        if title:
            ax.text(-0.8 - left / column, 0, title, fontsize=STYLE["title"], va="bottom")
    return checked(ax)


def _speakers(found: Any, block: tuple[str, ...] | None) -> list[str]:
    """Trials in order: all, or those that say which way of one of these outcomes."""
    rows = zip(found.labels, found.outcomes, found.direction.tolist(), strict=True)
    return list(dict.fromkeys(x for x, outcome, way in rows if block is None or (outcome in block and not math.isnan(way))))


def _block(ax: Axes, found: Any, block: tuple[str, ...], trials: list[str], top: float, counted: str, wrap: int | None) -> None:
    """Some outcomes and the trials that speak of them; the first trial at the height ``top``."""
    for label, outcome, way, n in zip(found.labels, found.outcomes, found.direction, found.sizes, strict=True):
        if outcome in block and label in trials:
            _mark(ax, float(block.index(outcome)), top + trials.index(label), way, n)
    for i, trial in enumerate(trials):
        ax.text(-0.75, top + i, _name(trial, wrap), ha="right", linespacing=0.95, va="center", fontsize=STYLE["text"])
    under, size = top + len(trials) - 0.2, STYLE["text" if wrap else "heading"]
    for j, term in enumerate(block):
        at = found.terms.index(term)
        ax.text(j, top - 0.8, _heading(term, wrap), ha="center", va="bottom", fontsize=size, fontweight="bold")
        count = f"{found.favourable[at]:.0f} of {found.directed[at]:.0f}"
        ax.text(j, under, count, ha="center", va="top", fontsize=STYLE["text"])
    ax.text(-0.75, under, counted, ha="right", va="top", fontsize=STYLE["text"])
    ax.axhline(under - 0.25, color=STYLE["faint_rule"], lw=0.8)


def harvest(found: Any, ax: Axes | None = None, *, title: str = "") -> Axes:
    """Bars of the trials by direction: a panel an outcome, the height of a bar the patients of its experimental arm.

    Parameters
    ----------
    found : Directions
        From `vfmeta.appraisal.direction_of_effect`.
    ax : matplotlib Axes, optional
    title : str

    Returns
    -------
    matplotlib Axes

    Notes
    -----
    After Ogilvie et al. 2008 (BMC Med Res Methodol 8:8). Trials of unknown size are drawn as short empty bars.

    Examples
    --------
    >>> import vfmeta as vf
    >>> found = vf.appraisal.direction_of_effect(direction=[1, 1, -1, 0], n=[40, 120, 350, 20], study=list("abcd"))
    >>> axes = vf.plots.harvest(found)
    """
    _refused(found, "harvest")
    known = found.sizes[np.isfinite(found.sizes)]
    most = float(known.max()) if len(known) else 1.0
    left = 2.4 if any(found.terms) else 0.4
    wide = _STEP * max(_most(found, 1) - 1, 0) + 2 * _room(found)
    right = max(wide + 0.9, 2 * _room(found) + 2.2)
    with applied():
        check_axes(ax)
        if ax is None:
            import matplotlib.pyplot as plt

            size = (max(3.6, 0.46 * (left + right)), 0.9 + 1.5 * len(found.terms))
            ax = plt.figure(figsize=size, facecolor="white").add_axes((0.02, 0.1, 0.96, 0.82))

        for row, term in enumerate(found.terms):
            base = _ROW * (len(found.terms) - 1 - row)
            mine = [i for i, outcome in enumerate(found.outcomes) if outcome == term]
            for place, way in enumerate((-1, 0, 1)):
                those = sorted(
                    (i for i in mine if found.direction[i] == way), key=lambda i: (-np.nan_to_num(found.sizes[i]), i)
                )
                for step, i in enumerate(those):
                    size, x = found.sizes[i], _STEP * step + place * _room(found)
                    height = 0.1 + 0.9 * size / most if math.isfinite(size) else 0.1
                    colour = _colour(way)
                    ax.bar(
                        x, height, 0.24, bottom=base, color=colour if math.isfinite(size) else "white", ec=colour, gid="trial"
                    )
                    ax.text(
                        x,
                        base + height + 0.03,
                        _named(found.labels[i], 0.9),
                        rotation=60,
                        fontsize=STYLE["small"],
                        ha="left",
                        va="bottom",
                    )
            ax.axhline(base, color=STYLE["rule"], lw=0.7)
            if term:
                named = textwrap.fill(term, 11, break_long_words=False)
                ax.text(-0.35, base + 0.55, named, ha="right", va="center", fontsize=STYLE["heading"], fontweight="bold")
        said = _said(found)
        for place, way in enumerate((-1, 0, 1)):
            side = textwrap.fill(said[way], 17, break_long_words=False)
            ax.text(place * _room(found) - 0.1, -0.12, side, ha="left", va="top", fontsize=STYLE["text"])
        ax.set(xlim=(-left, right), ylim=(-0.6, _ROW * len(found.terms) + 0.15))
        ax.set_axis_off()
        if title:
            ax.set_title(title, fontsize=STYLE["title"], loc="left")
    return checked(ax)


def _room(found: Any) -> float:
    """Width kept for the bars of one direction."""
    return max(2.3, _STEP * max(_most(found, way) for way in (-1, 0, 1)) + 0.8)


def _most(found: Any, way: int) -> int:
    """Bars of one direction, of the outcome that has most."""
    told = list(zip(found.outcomes, found.direction, strict=True))
    return max(sum(outcome == term and w == way for outcome, w in told) for term in found.terms)


def _refused(found: Any, name: str) -> None:
    if not all(hasattr(found, x) for x in ("direction", "outcomes", "favourable")):
        raise InputError(f"{name}: {kind_of(found)} was given; give what vf.appraisal.direction_of_effect returned.")


def _named(label: str, room: float) -> str:
    """A name on one line, cut where it is longer than the room for it in inches."""
    return shorten(" ".join(label.split()), room, STYLE["small"])


def _colour(way: float) -> str:
    return str(STYLE["frequentist"] if way == 1 else STYLE["bayesian"] if way == -1 else STYLE["prediction"])


def _mark(ax: Axes, x: float, y: float, way: float, n: float) -> None:
    if math.isnan(way):
        ax.text(x, y, "–", ha="center", va="center", fontsize=STYLE["text"], color=STYLE["muted"])
        return
    size = next((s for most, s, _ in _SIZES if n <= most), 62.0) if math.isfinite(n) else 62.0
    colour = _colour(way)
    ax.scatter(x, y, s=size, marker=_MARKS[int(way)], color=colour if math.isfinite(n) else "white", ec=colour, gid="trial")


def _said(found: Any) -> dict[int, str]:
    """What each mark means, by the names of the two sides where they have any."""
    q = found.question
    names = (q.experimental, "experimental"), (q.control, "control")
    one, two = (f"favours {f'the {own} arm' if name == own else name}" for name, own in names)
    return {1: one, -1: two, 0: "neither, or both ways"}


def _given(said: dict[int, str]) -> str:
    """Whom the size of a mark counts."""
    arm = said[1].removeprefix("favours ")
    return f"patients in {arm}" if arm.startswith("the ") else "patients in the treated arm"


def _heading(term: str, wrap: int | None) -> str:
    """The name of an outcome on lines that fit its column."""
    return textwrap.fill(term, 10 if wrap else 14, break_long_words=False)


def _name(trial: str, wrap: int | None) -> str:
    """The name of a trial on one line, or on two where there is little room."""
    name = " ".join(trial.split())
    return textwrap.fill(name, max(18, len(name) // 2 + 5), break_long_words=False) if wrap else name


def _legend(ax: Axes, said: dict[int, str], unknown: bool, columns: int) -> None:
    from matplotlib.lines import Line2D

    ways = [Line2D([], [], ls="", marker=mark, color=_colour(way), ms=6, label=said[way]) for way, mark in _MARKS.items()]
    sizes = [
        Line2D([], [], ls="", marker="^", color=STYLE["muted"], ms=math.sqrt(s), label=f"{many} {_given(said)}")
        for _, s, many in _SIZES
    ]
    if unknown:
        hollow = Line2D([], [], ls="", marker="^", mfc="white", mec=STYLE["muted"], ms=6, label="number not printed")
        if columns == 2:
            ways.append(Line2D([], [], ls="", label=" "))  # the two columns stay level
        sizes.append(hollow)
    ax.legend(
        handles=[*ways, *sizes], loc="lower center", ncols=columns, fontsize=STYLE["small"], frameon=False, borderaxespad=0,
        columnspacing=1.2,
    )  # fmt: skip

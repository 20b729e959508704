"""How every figure looks: one dictionary of colours and sizes, one set of matplotlib settings."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from vfmeta.core import quarto
from vfmeta.core.messages import InputError, kind_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from matplotlib.axes import Axes

# Okabe and Ito's palette is told apart with every common colour vision.
STYLE: dict[str, Any] = {
    "frequentist": "#0072B2",
    "bayesian": "#D55E00",
    "prediction": "#8C8C8C",
    "study": "#333333",
    "report": "#009E73",  # what a trial says without a figure
    "null": "#333333",
    "mid": "#777777",
    "rule": "#333333",
    "faint_rule": "#CFCFCF",
    "muted": "#555555",
    "text": 8.0,  # points
    "small": 7.5,
    "heading": 8.5,
    "title": 10.0,
    "row": 0.215,  # inches
    "line": 0.145,
    "gap": 0.14,
    "width": (7.5, 10.0),
    "plot": (2.6, 3.4),
}

# DejaVu Sans comes with matplotlib, so the same bytes come out on every machine. SVG keeps text as text: a fifth of the size,
# searchable, and every column is anchored, so that the narrower fonts named behind it line up as well (looked at in a browser).
_STAND_INS = ("Bitstream Vera Sans", "Arial", "Liberation Sans", "Helvetica", "sans-serif")
_RC: dict[str, Any] = {
    "font.family": ["sans-serif"],
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": STYLE["text"],
    "axes.unicode_minus": True,
    "axes.linewidth": 0.7,
    "xtick.labelsize": STYLE["text"],
    "ytick.labelsize": STYLE["text"],
    "axes.labelsize": STYLE["text"],
    "text.hinting": "none",  # hinted letters are wider than the layout measured
    "figure.dpi": 110,
    "figure.max_open_warning": 0,
    "svg.fonttype": "none",
    "svg.hashsalt": "vfmeta",
    "pdf.fonttype": 42,
    "path.simplify": False,
}


@contextmanager
def applied(*, browser: bool = False) -> Iterator[None]:
    """Draw with the house settings whatever the user's matplotlibrc says; theirs come back afterwards.

    For a ``browser`` fonts are named that may stand in for the one that matplotlib brings, which looks up each for every text.
    """
    import matplotlib as mpl

    with mpl.rc_context():
        settings: Any = mpl.rcParams
        mpl.rcdefaults()
        settings.update(_RC)
        if browser:
            settings["font.sans-serif"] = [*_RC["font.sans-serif"], *_STAND_INS]
        dots = quarto.dots()
        if dots is not None:
            settings["figure.dpi"] = dots
        yield


def check_axes(ax: Axes | None) -> None:
    """Refuse what is no axes of matplotlib; None asks for new ones."""
    from matplotlib.axes import Axes

    if not (ax is None or isinstance(ax, Axes)):
        raise InputError(f"ax is {kind_of(ax)}; give matplotlib axes, such as plt.subplots() makes, or leave it out.")


def plain_axes(ax: Axes, *keep: str) -> None:
    """Take off the grid and all spines but those named."""
    ax.grid(False)
    for name, spine in ax.spines.items():
        spine.set_visible(name in keep)
        spine.set_color(STYLE["rule"])


def ink_on(ground: Sequence[float]) -> str:
    """Black or white, whichever is read better on a colour: the better of the two has a contrast of 4.58 or more (WCAG 2.2)."""
    parts = [x / 12.92 if x <= 0.04045 else ((x + 0.055) / 1.055) ** 2.4 for x in ground[:3]]
    luminance = 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]
    return "black" if (luminance + 0.05) ** 2 >= 1.05 * 0.05 else "white"

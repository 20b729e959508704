"""Widths of words in inches, and lines that fit a given width."""

from __future__ import annotations

import re
from functools import lru_cache

from vfmeta.plots.glyphs import quiet

ELLIPSIS = "…"
USUAL = "DejaVu Sans"
_GLUE = frozenset("=<>")


@lru_cache(maxsize=4096)
def width(words: str, size: float, bold: bool = False, font: str = USUAL) -> float:
    """Width of a line in inches, whatever figure it will stand in."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import text_to_path

    prop = FontProperties(family=[font, USUAL], size=size, weight="bold" if bold else "normal")
    with quiet():
        return float(text_to_path.get_text_width_height_descent(words, prop, False)[0]) / 72


def shorten(words: str, room: float, size: float, bold: bool = False, font: str = USUAL) -> str:
    """The words, cut with an ellipsis where they are wider than ``room`` inches."""
    if width(words, size, bold, font) <= room:
        return words
    low, high = 0, len(words)
    while low < high:
        middle = (low + high + 1) // 2
        if width(words[:middle].rstrip() + ELLIPSIS, size, bold, font) <= room:
            low = middle
        else:
            high = middle - 1
    return words[:low].rstrip() + ELLIPSIS


def wrap(words: str, room: float, size: float, bold: bool = False, most: int | None = None, font: str = USUAL) -> list[str]:
    """Lines of at most ``room`` inches.

    Parameters
    ----------
    words : str
    room : float
        Inches.
    size : float
        Font size in points.
    bold : bool
    most : int, optional
        Number of lines allowed; what does not fit ends in an ellipsis.
    font : str
        Family of the letters.
    """
    lines: list[str] = []
    pieces: list[str] = []
    for piece in re.split(r"[ \t\r\n\v\f\x85\u2028\u2029]+", words):  # not at a space that must not break
        # "p < 0.001" stays on one line.
        if pieces and (piece in _GLUE or pieces[-1].split(" ")[-1] in _GLUE):
            pieces[-1] += f" {piece}"
        elif piece:
            pieces.append(piece)
    for i, piece in enumerate(pieces):
        if lines and width(f"{lines[-1]} {piece}", size, bold, font) <= room:
            lines[-1] += f" {piece}"
        elif most is not None and len(lines) == most:
            lines[-1] = shorten(" ".join([lines[-1], *pieces[i:]]), room, size, bold, font)
            break
        else:
            lines.append(piece)
    return [shorten(line, room, size, bold, font) for line in lines] or [""]

"""Letters that the font of the figures lacks: another font here draws them, or a warning of ours names them."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, wraps
from typing import TYPE_CHECKING, Any

from vfmeta.core.messages import warn

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_USUAL = "DejaVu Sans"


@contextmanager
def quiet() -> Iterator[None]:
    """Without matplotlib's own words on glyphs, in place of which `checked` has ours."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="(?s)Glyph .* missing from", category=UserWarning)
        warnings.filterwarnings("ignore", message="Matplotlib currently does not support", category=UserWarning)
        yield


def checked(ax: Axes) -> Axes:
    """The axes, with every letter of its figure drawn as it stands, by a font that has it; where none has, it is said once."""
    from matplotlib.text import Text

    nowhere: dict[str, str] = {}
    figure: Any = ax.get_figure(root=True)
    for text in figure.findobj(Text):
        words = text.get_text()
        if "$" in words and not words.startswith(r"$\mathdefault"):  # a name is no formula; the axis's own powers are one
            text.set_parse_math(False)
        if words.isascii() and (words.isprintable() or not words):
            continue
        plain = "".join(c if c.isprintable() or c == "\n" else " " if c.isspace() else "\ufffd" for c in words)
        if plain != words:
            text.set_text(plain)
        lacking = {c for c in plain if not c.isspace() and ord(c) not in _letters(_USUAL)}
        if not lacking:
            continue
        fonts = [_USUAL]
        for letter in sorted(lacking):
            found = next((name for name in fonts if ord(letter) in _letters(name)), None) or _font_with(letter)
            if found is None:
                nowhere.setdefault(letter, plain)
            elif found not in fonts:
                fonts.append(found)
        text.set_fontfamily(fonts)
        for name in ("draw", "get_window_extent"):
            setattr(text, name, _quietly(getattr(text, name)))
    if nowhere:
        letters = ", ".join(f"{c} (U+{ord(c):04X})" for c in sorted(nowhere))
        words = ", ".join(repr(x) for x in dict.fromkeys(nowhere.values()))
        warn(
            f"No font found here has a glyph for {letters}, in {words}: a box stands in its place. Install a font of that "
            "script, such as one of Google's Noto fonts; an SVG keeps the letters and shows them wherever such a font is."
        )
    return ax


def _quietly(method: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(method)
    def call(*args: Any, **choices: Any) -> Any:
        with quiet():
            return method(*args, **choices)

    return call


@cache
def _letters(name: str) -> frozenset[int]:
    """What a font can draw."""
    from matplotlib.font_manager import findfont, get_font

    return frozenset(get_font(findfont(name, fallback_to_default=False)).get_charmap())


@cache
def _font_with(letter: str) -> str | None:
    from matplotlib.font_manager import fontManager

    for name in sorted({x.name for x in fontManager.ttflist if "Last Resort" not in x.name}):
        try:
            if ord(letter) in _letters(name):
                return name
        except (OSError, RuntimeError, ValueError):  # a font that cannot be read
            continue
    return None

"""What Quarto says of the document whose cells it runs; nothing of it where no Quarto runs them."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path


@cache  # it does so from the start or never, and every warning asks
def running() -> bool:
    """Whether Quarto runs these cells: what is shown is markdown then, also for HTML, whose headings and tables it can list."""
    return page_width() is not None or document_folder() is not None


def page_width() -> float | None:
    """``fig-width`` in inches."""
    return _number("QUARTO_FIG_WIDTH")


def dots() -> float | None:
    """``fig-dpi``, twice as many where the page is made for fine screens."""
    return _number("QUARTO_FIG_DPI")


def document_folder() -> Path | None:
    """Where the document stands."""
    folder = os.environ.get("QUARTO_DOCUMENT_PATH")
    return Path(folder) if folder else None


def _number(name: str) -> float | None:
    text = os.environ.get(name)
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        return None
    return value if 0 < value < 1e4 else None

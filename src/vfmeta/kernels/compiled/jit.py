"""Compilation, remembered on disk.

numba remembers a compiled function until the file that holds it changes; a function it calls may stand in another file.
Every file of this folder therefore counts as the source of each.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numba

F = TypeVar("F", bound=Callable[..., Any])

# sums may be reordered so that they fill vector registers; NaN and infinity keep their meaning
_FASTMATH = {"reassoc", "contract", "nsz"}


def _stamp() -> tuple[tuple[str, float, int], ...]:
    files = sorted(Path(__file__).parent.glob("*.py"))
    return tuple((f.name, f.stat().st_mtime, f.stat().st_size) for f in files)


_SOURCE = _stamp()


def compiled(function: F) -> F:
    """The function, compiled at its first call and kept on disk; it runs without the interpreter lock."""
    options: dict[str, Any] = {"nogil": True, "error_model": "numpy", "fastmath": _FASTMATH}
    try:
        out = numba.njit(cache=True, **options)(function)
    except RuntimeError:  # no folder to keep it in: compiled anew in every process
        return numba.njit(**options)(function)
    remembered: Any = getattr(getattr(out, "_cache", None), "_cache_file", None)
    if remembered is not None and hasattr(remembered, "_source_stamp"):
        remembered._source_stamp = _SOURCE
    return out

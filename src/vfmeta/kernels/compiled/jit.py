"""Compilation, remembered on disk.

numba remembers a compiled function until the file that holds it changes; a function it calls may stand in another file.
Every file of this folder and of the estimators therefore counts as the source of each.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numba
from numba.core import event
from numba.np import linalg

F = TypeVar("F", bound=Callable[..., Any])

# sums may be reordered so that they fill vector registers; NaN and infinity keep their meaning
_FASTMATH = {"reassoc", "contract", "nsz"}
# what the functions of `problem` are compiled with, as `lean` and as `exact`
LEAN: dict[str, Any] = {"nogil": True, "error_model": "numpy", "fastmath": _FASTMATH, "_nrt": False}
EXACT: dict[str, Any] = LEAN | {"fastmath": False}


def _load_without_blas() -> None:
    """Load the part of numba that asks whether scipy has a BLAS by loading all of scipy.linalg: a fifth of a first fit.

    Scipy has one; a function that multiplies matrices still loads it, when it is compiled.
    """
    ask = linalg.ensure_blas
    linalg.ensure_blas = lambda: None
    try:
        import numba.np.arraymath  # noqa: F401
    finally:
        linalg.ensure_blas = ask


_load_without_blas()


class _Waiting(event.Listener):
    """Tells who waits at a terminal, once, why a first call takes long."""

    said = False

    def on_start(self, event: Any) -> None:
        module = event.data["dispatcher"].py_func.__module__ or ""  # a function that a library wrote itself stands in none
        own = module.startswith(f"{__package__.partition('.')[0]}.")
        if own and not self.said and sys.stderr.isatty():
            self.said = True
            print("vfmeta compiles its loops for this machine: once for each method, up to half a minute.", file=sys.stderr)

    def on_end(self, event: Any) -> None:
        """Nothing more is said."""


event.register("numba:compile", _Waiting())


def _stamp() -> tuple[tuple[str, float, int], ...]:
    here = Path(__file__).parent
    files = sorted([*here.glob("*.py"), *(here.parent / "tau2").glob("*.py")])
    return tuple((f.name, f.stat().st_mtime, f.stat().st_size) for f in files)


_SOURCE = _stamp()


def compiled(function: F) -> F:
    """The function, compiled at its first call and kept on disk; it runs without the interpreter lock."""
    return _compile(function, fastmath=_FASTMATH)


def lean(function: F) -> F:
    """As `compiled`, for functions that make no arrays: nobody counts who holds those they are handed.

    The counts are atomic, at nearly every call of one function by another, and can cost as much as the arithmetic.
    """
    return _compile(function, fastmath=_FASTMATH, _nrt=False)


def exact(function: F) -> F:
    """As `lean`, every operation as it is written: the same numbers in a vector register and outside."""
    return _compile(function, fastmath=False, _nrt=False)  # said aloud: what is not is inherited from the caller


def inlined(function: F) -> F:
    """As `exact`, put into the code of its callers: for small functions, since handing over an array costs seven numbers."""
    return _compile(function, fastmath=False, _nrt=False, forceinline=True)


def _compile(function: F, **more: Any) -> F:
    options: dict[str, Any] = {"nogil": True, "error_model": "numpy", **more}
    try:
        out = numba.njit(cache=True, **options)(function)
    except RuntimeError:  # no folder to keep it in: compiled anew in every process
        return numba.njit(**options)(function)
    remembered: Any = getattr(getattr(out, "_cache", None), "_cache_file", None)
    if remembered is not None and hasattr(remembered, "_source_stamp"):
        remembered._source_stamp = _SOURCE
    return out

"""Errors and warnings that name the place and say what to do."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterable, Sequence
from typing import Any

from vfmeta.core import quarto

_PACKAGE = __name__.partition(".")[0]

_UNSAID = "The input cannot be used, but nothing says why: a fault of vfmeta, please report it."


class VfmetaWarning(UserWarning):
    """Something a reader must know before using the numbers: a fallback, a dropped row, too few trials."""


class InputError(ValueError):
    """Input that cannot be used. ``problems`` lists every single fault found, each a full sentence.

    Parameters
    ----------
    problems : str or list of str
        What is wrong, where (row and column), and what to do.
    """

    def __init__(self, problems: str | list[str]) -> None:
        listed = [problems] if isinstance(problems, str) else list(problems)
        self.problems = [p for p in listed if p.strip()] or [_UNSAID]
        head = "" if len(self.problems) == 1 else f"{len(self.problems)} problems:\n"
        super().__init__(head + "\n".join(self.problems))


class NotDefined(InputError, AttributeError):
    """What a result does not have because it would mean nothing there; the sentence says why and what has it instead."""


class ConvergenceError(ArithmeticError):
    """A fit that did not reach its optimum, or has none. There is no result: a stale number is worse than none.

    ``rows`` says which of many fits failed, where many were made, and ``found`` holds those that did not.
    """

    rows: Sequence[int] = ()
    found: Any = None


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A question that names the nearest known word, with a blank before it; empty where none is near."""
    from difflib import get_close_matches

    spelled = {x.casefold(): x for x in known}
    found = get_close_matches(word.casefold(), spelled, n=1, cutoff=0.5)
    return f" Did you mean {spelled[found[0]]!r}?" if found else ""


def kind_of(value: object, article: str = "a") -> str:
    """What a value is, with its article: "a list", "an int"."""
    name = type(value).__name__
    return f"{article}{'n' if name[0] in 'aeioAEIO' else ''} {name}"


def warn(message: str) -> str:
    """Emit a `VfmetaWarning` at the user's own line, and hand the sentence back to be stored in the result as well."""
    if quarto.running():  # a page names no file of a kernel that is long gone
        warnings.warn_explicit(message, VfmetaWarning, filename="vfmeta", lineno=0)
    else:
        warnings.warn(message, VfmetaWarning, stacklevel=_of_the_user())
    return message


def warn_each(notes: Iterable[str]) -> None:
    """Emit each of these sentences, as `warn` does."""
    for note in notes:
        warn(note)


def _of_the_user() -> int:
    """How many functions above `warn` the first stands that is not of this package, as ``stacklevel`` counts them."""
    frame, level = sys._getframe(1), 1
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] == _PACKAGE:
        frame, level = frame.f_back, level + 1
    return level

"""What is held against an answer: it is one, or it is refused in the words of vfmeta; what it does not know has a note."""

from __future__ import annotations

import math
import traceback
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

import vfmeta as vf

REFUSED = (vf.InputError, vf.ConvergenceError)
SCALARS = ("estimate", "se", "p_value", "interval", "tau2", "i2", "h2")


@dataclass(frozen=True)
class Verdict:
    """What came of one input; ``fault`` is empty where all is well."""

    outcome: str
    fault: str = ""
    where: str = ""


def judge(call: Callable[[], Any]) -> Verdict:
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        try:
            answer = call()
            lacking = "" if _notes(answer, said) else unknown(answer)
        except REFUSED as error:
            verdict = _words(error)
        except Exception as error:  # what is looked for
            if isinstance(error, TypeError) and not _where(error):
                return Verdict("refused")  # Python's own: the method has no such argument
            return Verdict("raw", f"{type(error).__name__}: {str(error)[:200]}", _where(error))
        else:
            verdict = (
                Verdict("silent", f"NaN without a note: {lacking}", type(answer).__name__) if lacking else Verdict("answered")
            )
    strange = [w for w in said if not issubclass(w.category, vf.VfmetaWarning)]
    if strange and not verdict.fault:
        w = strange[0]
        place = w.filename.rpartition("/src/")[2] or w.filename.rpartition("site-packages/")[2]
        return Verdict("warned", f"{w.category.__name__}: {str(w.message)[:150]}", f"{place}:{w.lineno}")
    return verdict


def _words(error: Exception) -> Verdict:
    text = str(error).strip()
    if len(text) < 15 or text.startswith("0 problems"):
        return Verdict("wordless", f"{type(error).__name__} says {text!r}", _where(error))
    return Verdict("refused")


def _where(error: Exception) -> str:
    frames = [f for f in traceback.extract_tb(error.__traceback__) if "/vfmeta/" in f.filename]
    tail = [f"{f.filename.rpartition('/vfmeta/')[2]}:{f.lineno} {f.name}" for f in frames[-2:]]
    return " < ".join(reversed(tail))


def _notes(answer: Any, said: list[warnings.WarningMessage]) -> bool:
    if any(issubclass(w.category, vf.VfmetaWarning) for w in said):
        return True
    notes = getattr(answer, "warnings", None) or getattr(answer, "notes", None)
    if isinstance(answer, pd.DataFrame):
        if answer.attrs.get("notes"):
            return True
        kept = [c for c in ("notes", "note", "warnings") if c in answer]
        return any(str(x) not in ("", "()", "None", "nan") for c in kept for x in answer[c])
    return bool(notes) and not callable(notes)


def unknown(answer: Any) -> str:
    """The name of a number of an answer that is none; empty where there is none such."""
    if isinstance(answer, (float, np.floating)):
        return "the number" if math.isnan(answer) else ""
    if isinstance(answer, np.ndarray):
        return "the array" if answer.dtype.kind == "f" and np.isnan(answer).any() else ""
    if isinstance(answer, tuple):
        return next((f"{name} of {i}" for i, x in enumerate(answer) if (name := unknown(x))), "")
    if isinstance(answer, pd.DataFrame):
        return ", ".join(str(c) for c in answer if answer[c].dtype.kind == "f" and answer[c].isna().any())
    for name in SCALARS:
        try:
            value = getattr(answer, name, None)
        except vf.NotDefined:
            continue
        if name == "p_value" and getattr(getattr(answer, "question", None), "null_effect", 0) is None:
            continue  # a measure without a value of no difference has nothing to test, and says so where it is printed
        if value is not None and not callable(value) and np.isnan(np.asarray(value, dtype=float)).any():
            return name
    return ""

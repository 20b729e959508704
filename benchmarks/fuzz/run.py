"""One input: made from its seed and number, tried, judged."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

from benchmarks.fuzz import answers, appraisal, face, figures, files, networks
from benchmarks.fuzz.judge import judge

HANGS = 120  # seconds without an answer
BEGINS = 900  # seconds until the first: a new checkout compiles its kernels
_KINDS = (*face.KINDS, *networks.KINDS, *answers.KINDS, *figures.KINDS, *files.KINDS, *appraisal.KINDS)


def made(seed: int, number: int, only: str = "") -> tuple[str, Callable[[], Any]]:
    """The name and the call of an input."""
    r = Random(f"{seed} {number}")
    kinds = [(kind, share) for kind, share in _KINDS if only in ("", kind.__name__, kind.__module__.rpartition(".")[2])]
    (kind,) = r.choices([k for k, _ in kinds], [s for _, s in kinds])
    name, call = kind(r)
    return f"{kind.__name__}: {name}", call


def tried(seed: int, number: int, only: str = "") -> tuple[str, str, str, str]:
    """What came of an input: outcome, fault, where, and the name of the input."""
    name, call = made(seed, number, only)
    verdict = judge(call)
    return verdict.outcome, verdict.fault, verdict.where, name

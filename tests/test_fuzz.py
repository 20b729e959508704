"""A sample of the hostile inputs of `make fuzz`: each is answered, or refused in words."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from benchmarks.fuzz.judge import judge
from benchmarks.fuzz.run import made, tried

import vfmeta as vf


@pytest.mark.parametrize("part", range(3))
def test_hostile_inputs_are_answered_or_refused_in_words(part: int) -> None:
    found = {i: tried(2, i) for i in range(100 * part, 100 * part + 100)}
    faults = [f"--seed 2 --case {i}: {why}" for i, (outcome, *why) in found.items() if outcome not in ("answered", "refused")]
    assert not faults, "\n".join(faults)
    assert {outcome for outcome, *_ in found.values()} == {"answered", "refused"}


def test_an_input_is_the_same_for_the_same_seed_and_number() -> None:
    assert made(3, 17)[0] == made(3, 17)[0]
    assert len({made(3, i)[0] for i in range(40)}) > 30


def _refuses(text: str) -> None:
    raise vf.InputError(text)


def _warns(kind: type[Warning]) -> float:
    warnings.warn("as it is", kind, stacklevel=1)
    return float("nan")


@pytest.mark.parametrize(
    ("call", "outcome"),
    [
        (lambda: 1.0, "answered"),
        (lambda: _refuses("row 1, column y: not a number."), "refused"),
        (lambda: _refuses("no"), "wordless"),
        (lambda: 1 / 0, "raw"),
        (lambda: np.array([1.0, np.nan]), "silent"),
        (lambda: _warns(RuntimeWarning), "silent"),
        (lambda: (_warns(RuntimeWarning), "an answer")[1], "warned"),
        (lambda: _warns(vf.VfmetaWarning), "answered"),
    ],
)
def test_the_judge_tells_them_apart(call: object, outcome: str) -> None:
    assert judge(call).outcome == outcome  # type: ignore[arg-type]

"""The memory of a build, and the process beside it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from vfmeta.core.messages import VfmetaWarning
from vfmeta.evidence.cache import Cache


def dies_beside(builder: str, value: str) -> str:
    """Ends its process without a word, as machine code does that does not fit, save in the builder's own."""
    if os.getpid() != int(builder):
        os._exit(134)
    return value.upper()


def test_the_build_takes_over_when_the_process_beside_dies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from vfmeta.bayes import kept, sampled

    forgotten: list[Path] = []
    monkeypatch.setattr(kept, "forget", forgotten.append)
    cache = Cache(tmp_path, beside=True)
    try:
        awaited = [cache.ahead(dies_beside, str(os.getpid()), value) for value in ("a", "b")]
        with pytest.warns(VfmetaWarning, match="process that makes the checks beside the build died") as said:
            found = [wait() for wait in (*awaited, cache.ahead(dies_beside, str(os.getpid()), "c"))]
    finally:
        cache.close()
    assert found == ["A", "B", "C"]
    assert len(said) == 1
    assert forgotten == [Path(str(sampled.__file__))]


def test_what_passed_is_asked_for_without_a_trace(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "build")
    assert cache.passed() == set()
    assert not (tmp_path / "build").exists()
    cache.pass_on({"b", "a"})
    assert Cache(tmp_path / "build").passed() == {"a", "b"}
    cache.pass_on({"c"})
    assert cache.passed() == {"c"}

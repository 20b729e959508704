"""The memory of a build, and the process beside it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import warnings
from pathlib import Path

import pytest

from vfmeta.core.messages import VfmetaWarning
from vfmeta.evidence.cache import Cache

KEPT = []


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


def grows_beside(wait: str) -> int:
    """Keeps more memory than a process may that only computes, and says what it likes."""
    print("a library says something")
    KEPT.append(b"1" * 350_000_000 if float(wait) else b"")
    time.sleep(float(wait))
    return os.getpid()


def test_one_process_beside_lives_as_long_as_the_build_however_much_it_loads(tmp_path: Path) -> None:
    cache = Cache(tmp_path, beside=True)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            found = [cache.ahead(grows_beside, wait)() for wait in ("0", "1.2", "0.0")]
    finally:
        cache.close()
    assert len({*found}) == 1
    assert found[0] != os.getpid()


def test_the_script_of_the_caller_is_run_once_and_errors_come_back(tmp_path: Path) -> None:
    script = tmp_path / "mine.py"
    script.write_text(
        "from vfmeta.evidence.cache import Cache\n"
        "import json\n"
        "print('begun')\n"
        f"cache = Cache({str(tmp_path / 'build')!r}, beside=True)\n"
        "print(cache.ahead(json.loads, '[1]')())\n"
        "try:\n"
        "    cache.ahead(json.loads, 'abc')()\n"
        "except ValueError as error:\n"
        "    print(error)\n"
        "cache.close()\n",
        encoding="utf-8",
    )
    said = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True)
    assert said.stdout.splitlines() == ["begun", "[1]", "Expecting value: line 1 column 1 (char 0)"]
    assert said.stderr == ""

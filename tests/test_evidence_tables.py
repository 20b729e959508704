"""What the schema passed in the last build is not held against it again; what changed, or names changed keys, is."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from vfmeta.core.messages import InputError
from vfmeta.evidence import tables
from vfmeta.evidence.cache import Cache
from vfmeta.trials import schema


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Cache, list[list[str]]]:
    """The packaged tables once passed, and a list of what Frictionless is asked from then on."""
    folder, cache = tmp_path / "trials", Cache(tmp_path / "build")
    shutil.copytree(schema.packaged_folder(), folder)
    cache.pass_on(tables.load(folder, cache)()[1])
    asked: list[list[str]] = []
    real = tables.faults_of

    def faults_of(path: Path, names: Any) -> Any:
        asked.append(list(names))
        return real(path, names)

    monkeypatch.setattr(tables, "faults_of", faults_of)
    return folder, cache, asked


def edit(file: Path, old: str, new: str) -> None:
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new, 1), encoding="utf-8")


def test_only_an_edited_table_and_those_that_name_its_keys_are_asked_again(world: Any) -> None:
    folder, cache, asked = world
    tables.load(folder, cache)()
    assert asked == []
    edit(folder / "contrasts.csv", "abstract, results", "abstract, Results")
    cache.pass_on(tables.load(folder, cache)()[1])
    tables.load(folder, cache)()
    assert asked == [["contrasts"]]
    (folder / "arms.csv").write_text((folder / "arms.csv").read_text(encoding="utf-8").rstrip("\n"), encoding="utf-8")
    tables.load(folder, cache)()
    assert asked[1:] == [["arms", "arm_sources", "outcomes_continuous", "outcomes_binary", "contrasts"]]


@pytest.mark.parametrize(
    ("file", "old", "new", "fault"),
    [
        ("contrasts.csv", "not_stated,-23.25,", "not_stated,many,", "contrasts.csv.*row 3.*estimate.*not a plain number"),
        ("outcomes.csv", "\npain_standing,", "\npain_upright,", "contrasts.csv.*outcome_id.*No such entry in outcomes.csv"),
    ],
)
def test_a_fault_of_an_edit_is_found_again_and_again(world: Any, file: str, old: str, new: str, fault: str) -> None:
    folder, cache, _ = world
    edit(folder / file, old, new)
    for _ in range(2):
        with pytest.raises(InputError, match=f"(?s){fault}"):
            tables.load(folder, cache)()


def test_the_process_beside_finds_the_same_fault(world: Any, tmp_path: Path) -> None:
    folder, _, _ = world
    edit(folder / "contrasts.csv", "not_stated,-23.25,", "not_stated,many,")
    edit(folder / "outcomes.csv", "\npain_standing,", "\npain_upright,")
    cache = Cache(tmp_path / "other", beside=True)
    try:
        with pytest.raises(InputError, match=r"(?s)No such entry in outcomes\.csv") as beside:
            tables.load(folder, cache)()
    finally:
        cache.close()
    with pytest.raises(InputError) as here:
        tables.load(folder, Cache(tmp_path / "third"))()
    assert beside.value.problems == here.value.problems

"""A build folder from elsewhere is data: damage is made good without a word, and nothing outside it is read or written."""

from __future__ import annotations

import csv
import errno
import io
import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import evidence_world as ew
from vfmeta.core.files import write
from vfmeta.core.messages import InputError
from vfmeta.evidence.build import build
from vfmeta.evidence.cache import Cache
from vfmeta.evidence.folder import inside, keep_only, tidy
from vfmeta.evidence.records import load_records
from vfmeta.evidence.run import study_csv
from vfmeta.text.csv_cells import as_csv, as_meant

pytest_plugins = ("evidence_builds",)


def squares(value: str, code: str) -> dict[str, Any]:
    return {"square": float(value) ** 2, "said": [code, None]}


class Runs:
    """What a pickle can do to whoever reads it."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> Any:
        return Path.touch, (self.trace,)


def spoiled(file: Path, how: str) -> None:
    body = file.read_bytes()
    file.unlink()
    if how == "folder":
        (file / "deeper").mkdir(parents=True)
    elif how == "pickle":
        file.write_bytes(pickle.dumps(Runs(file.parents[1] / "ran")))
    elif how != "gone":
        file.write_bytes({
            "empty": b"", "half": body[: len(body) // 2], "junk": b"\x80\x81\xff\x00" * 50, "list": b"[1, 2]", "number": b"7",
            "text": b'"text"', "nested": b"[" * 100_000, "no_content": b'{"value": {"square": 1}}',
        }[how])  # fmt: skip


DAMAGE = ("gone", "empty", "half", "junk", "list", "number", "text", "nested", "no_content", "folder", "pickle")


@pytest.mark.parametrize("how", DAMAGE)
def test_a_damaged_memory_is_made_again(tmp_path: Path, how: str) -> None:
    assert Cache(tmp_path).get(squares, "3", "a") == {"square": 9.0, "said": ["a", None]}
    (file,) = (tmp_path / "cache").iterdir()
    spoiled(file, how)
    again = Cache(tmp_path)
    assert again.get(squares, "3", "a") == {"square": 9.0, "said": ["a", None]}
    assert (again.asked, again.reused) == (1, 0)
    assert not (tmp_path / "ran").exists()
    assert again.get(squares, "3", "a")["square"] == 9.0
    assert again.said() == "reused 1 of 2 results"


def test_an_altered_number_is_noticed(tmp_path: Path) -> None:
    Cache(tmp_path).get(squares, "3", "a")
    (file,) = (tmp_path / "cache").iterdir()
    file.write_text(file.read_text().replace("9.0", "8.0"))
    cache = Cache(tmp_path)
    assert cache.get(squares, "3", "a")["square"] == 9.0
    assert cache.reused == 0


def test_an_answer_to_other_inputs_is_not_taken(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    cache.get(squares, "3", "a")
    (of_three,) = (tmp_path / "cache").iterdir()
    cache.get(squares, "4", "a")
    (of_four,) = set((tmp_path / "cache").iterdir()) - {of_three}
    of_four.write_bytes(of_three.read_bytes())
    assert Cache(tmp_path).get(squares, "4", "a")["square"] == 16.0


def test_a_file_that_cannot_be_read_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Cache(tmp_path).get(squares, "3", "a")

    def unreadable(self: Path) -> bytes:
        raise PermissionError(errno.EACCES, "Permission denied", str(self))

    monkeypatch.setattr(Path, "read_bytes", unreadable)
    assert Cache(tmp_path).get(squares, "3", "a")["square"] == 9.0


@pytest.mark.parametrize("how", DAMAGE)
def test_a_list_of_what_passed_that_is_damaged_passes_nothing(tmp_path: Path, how: str) -> None:
    Cache(tmp_path).pass_on({"x"})
    (file,) = (tmp_path / "cache").iterdir()
    spoiled(file, how)
    assert Cache(tmp_path).passed() == set()


def test_names_do_not_lead_out_of_a_folder(tmp_path: Path) -> None:
    home, outside = tmp_path / "home", tmp_path / "outside"
    (home / "plan").mkdir(parents=True)
    outside.mkdir()
    (home / "link").symlink_to(outside)
    (home / "circle").symlink_to(home / "circle")
    assert inside(home, "plan/a.json") == home / "plan/a.json"
    for name in ("../outside/a", str(outside / "a"), "link/a", "plan/../../outside/a", "a\0b", "", "..", "."):
        assert inside(home, name) is None, name


def test_a_list_of_written_files_removes_nothing_outside(tmp_path: Path) -> None:
    home, outside = tmp_path / "home", tmp_path / "outside"
    home.mkdir()
    outside.mkdir()
    (home / "link").symlink_to(outside)
    (outside / "mine").write_text("mine")
    (home / "old.json").write_text("old")
    (home / "linked.json").symlink_to(outside / "mine")
    names = ["../outside/mine", str(outside / "mine"), "link/mine", "old.json", "linked.json", "..", "\0", "x" * 5000, "link"]
    (home / ".vfmeta").write_text("\n".join(names))
    keep_only(home, {"new.json"})
    assert (outside / "mine").read_text() == "mine"
    assert not (home / "old.json").exists()
    assert not (home / "linked.json").is_symlink()
    (home / ".vfmeta").write_bytes(b"\xff\xfe\x00")
    keep_only(home, {"new.json"})
    assert (home / ".vfmeta").read_text() == "new.json\n"


@pytest.fixture
def copy(toy_build: Any, tmp_path: Path) -> Path:
    shutil.copytree(toy_build.out.parent, tmp_path / "toy")
    return tmp_path / "toy"


def built(home: Path) -> str:
    said: list[str] = []
    build("analyses", trials=home / "trials", plans=home / "analyses", out=home / "build", site=home / "site", say=said.append)
    return "\n".join(said)


@pytest.mark.parametrize(
    "places",
    [
        ("state.json",),
        ("results/index.json", "results/drug/fracture.json", "results/drug/fracture_studies.csv", "results/.vfmeta"),
    ],
    ids=["state", "results"],
)
@pytest.mark.parametrize("how", ["half", "junk", "list", "nested", "folder"])
def test_a_damaged_build_is_built_again(copy: Path, toy_build: Any, places: tuple[str], how: str, recwarn: Any) -> None:
    for place in places:
        spoiled(copy / "build" / place, how)
    built(copy)
    assert ew.files(copy / "build" / "results") == ew.files(toy_build.out / "results")
    assert not list(recwarn)
    assert "nothing has changed" in built(copy)


def test_files_where_folders_should_be_and_leftovers_go(copy: Path, toy_build: Any) -> None:
    shutil.rmtree(copy / "build" / "results" / "drug")
    (copy / "build" / "results" / "drug").write_text("in the way")
    for folder in ("", "results", "results/cement", "figures"):
        (copy / "build" / folder / ".part-abc").write_text("half")
    (copy / "site" / "figures" / ".part-abc").write_text("half")
    built(copy)
    assert ew.files(copy / "build" / "results") == ew.files(toy_build.out / "results")
    assert not list(copy.rglob(".part-*"))


def test_a_file_in_place_of_the_memory_goes(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("in the way")
    tidy(tmp_path)
    assert Cache(tmp_path).get(squares, "3", "a")["square"] == 9.0


@pytest.mark.parametrize("place", ["results", "results/drug", "cache", "figures"])
def test_a_link_out_of_a_build_is_refused_and_nothing_is_written_there(copy: Path, tmp_path: Path, place: str) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    shutil.rmtree(copy / "build" / place)
    (copy / "build" / place).symlink_to(outside)
    with pytest.raises(InputError, match=f"{place}.*link.*outside the build folder.*Remove the link"):
        built(copy)
    assert not list(outside.iterdir())


@pytest.mark.parametrize(
    "spoil",
    [
        lambda r: [r],
        lambda r: r["studies"][0].update(estimate="high"),
        lambda r: r["results"]["frequentist"].update(estimate={}),
        lambda r: r["results"]["frequentist"].pop("interval"),
        lambda r: r.update(plan=None),
        lambda r: r.update(question=7),
        lambda r: r.update(answer=None),
        lambda r: r.update(results=[]),
    ],
)
def test_damaged_records_are_refused_in_words(copy: Path, spoil: Callable[[dict[str, Any]], Any]) -> None:
    file = copy / "build" / "results" / "drug" / "fracture.json"
    record = json.loads(file.read_text())
    changed = spoil(record)
    file.write_text(json.dumps(changed if isinstance(changed, list) and isinstance(changed[0], dict) else record))
    with pytest.raises(InputError, match=r"damaged.*Run 'vfmeta run' again"):
        load_records(copy / "build")


def test_an_index_names_no_file_elsewhere(copy: Path, tmp_path: Path) -> None:
    shutil.copy(copy / "build" / "results" / "drug" / "fracture.json", tmp_path / "other.json")
    (copy / "build" / "results" / "index.json").write_text(json.dumps({"records": [str(tmp_path / "other.json")]}))
    with pytest.raises(InputError, match=r"damaged.*no file of this folder"):
        load_records(copy / "build")


def test_a_full_disk_names_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "figure.svg", "old")

    def full(*args: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match=r"No space left on device.*figure\.svg") as caught:
        write(tmp_path / "figure.svg", "new")
    assert (caught.value.errno, caught.value.filename) == (errno.ENOSPC, str(tmp_path / "figure.svg"))
    assert ew.files(tmp_path) == {"figure.svg": b"old"}


FORMULAS = ["=1+1", "+1+1", "-1+1", "@sum(a1)", "\t=1", "\r=1", "'=1", '=HYPERLINK("http://a")', "-", "＝1+1"]


def test_cells_that_a_spreadsheet_would_run_are_text_and_come_back() -> None:
    plain = ["O'Neill 2001", "'quoted'", "Über 1999", "a=b", "", " =1"]
    text = as_csv(["=name", "y"], [(x, -0.5) for x in FORMULAS + plain])
    rows = list(csv.reader(io.StringIO(text, newline="")))
    assert all(cell[:1] not in tuple("=+-@\t\r＝") or not cell for cell, _ in rows)
    assert [as_meant(cell) for cell, _ in rows] == ["=name", *FORMULAS, *plain]
    assert {y for _, y in rows[1:]} == {"-0.5"}
    assert as_csv(["n"], [(x,) for x in (-1.5, "-1.5", "+2", -3, None, True, 1 / 3)]) == (
        'n\n-1.5\n-1.5\n+2\n-3\n""\nTrue\n0.3333333333\n'
    )


def test_study_tables_are_defused(copy: Path) -> None:
    record = load_records(copy / "build")[0]
    record.data["studies"][0]["label"] = "=cmd|'a'!b1"
    rows = list(csv.DictReader(io.StringIO(study_csv(record), newline="")))
    assert rows[0]["study"] == "'=cmd|'a'!b1"
    assert [float(x["estimate"]) for x in rows] == [pytest.approx(s["estimate"], rel=1e-9) for s in record.data["studies"]]


def _said(text: str, code: str) -> dict[str, str]:
    return {"said": text + code}


@pytest.mark.parametrize("beside", [False, True])
def test_what_is_shared_with_the_process_beside_comes_with_its_place_and_is_kept(tmp_path: Path, beside: bool) -> None:
    calls = [(_said, str(i), "x") for i in range(12)]
    for reused in (0, 12):
        cache = Cache(tmp_path, beside=beside)
        try:
            cache.prepare()
            found = list(cache.shared(calls))
            assert [i for i, _ in found] == list(range(12))
            assert [x["said"] for _, x in found] == [f"{i}x" for i in range(12)]
            assert [cache.get(*call)["said"] for call in calls[:3]] == ["0x", "1x", "2x"]
        finally:
            cache.close()
        assert (cache.asked, cache.reused) == (15, reused + 3)


def test_what_is_remembered_comes_before_what_is_made_beside(tmp_path: Path) -> None:
    calls = [(_said, str(i), "x") for i in range(6)]
    for call in (calls[4], calls[2]):
        Cache(tmp_path).get(*call)
    cache = Cache(tmp_path, beside=True)
    try:
        cache.prepare()
        assert list(cache.shared(calls)) == [(i, {"said": f"{i}x"}) for i in (2, 4, 0, 1, 3, 5)]
    finally:
        cache.close()
    assert (cache.asked, cache.reused) == (6, 2)

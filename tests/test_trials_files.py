"""Faults of files and of single cells: each is reported with file, row, column, value and what to do, and nothing loads."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import vfmeta as vf
from conftest import World
from vfmeta.trials import Problem, schema


@pytest.fixture
def folder(world: World) -> Path:
    """A sound folder with one trial."""
    world.study("a", "drug", "placebo")
    world.mean("a", "drug", 3, 2)
    world.mean("a", "placebo", 5, 2)
    world.events("a", "drug", 3, 20)
    world.events("a", "placebo", 6, 20)
    world.contrast("a", "drug", "placebo", -1, -2, 0, week=24)
    world.flag("contrasts", "r5", "high_risk")
    return world.write()


def cell(folder: Path, file: str, row: int, column: str, value: str) -> None:
    """Write one cell; rows count as a spreadsheet does."""
    with (folder / file).open(newline="", encoding="utf-8") as handle:
        rows = list(csv.reader(handle))
    rows[row - 1][rows[0].index(column)] = value
    with (folder / file).open("w", newline="", encoding="utf-8") as handle:
        csv.writer(handle, lineterminator="\n").writerows(rows)


def change(folder: Path, file: str, edit: Callable[[bytes], bytes]) -> None:
    (folder / file).write_bytes(edit((folder / file).read_bytes()))


def the_one(folder: Path) -> Any:
    found = vf.validate(folder)
    assert len(found) == 1, [str(p) for p in found]
    return found[0]


def test_a_sound_folder_has_no_problem_and_loads(folder: Path) -> None:
    assert vf.validate(folder) == []
    assert vf.compare(vf.load_trials(folder), "drug", "placebo", outcome="pain", week=12, window=(10, 14)).y[0] == -2


CELLS = [
    ("outcomes_continuous.csv", "mean", "three", "not a plain number", "or leave the cell empty"),
    ("outcomes_continuous.csv", "mean", "3,5", "not a plain number", "decimal point"),
    ("outcomes_continuous.csv", "mean", "NaN", "not a plain number", "decimal point"),
    ("outcomes_continuous.csv", "mean", "INF", "not a plain number", "decimal point"),
    ("outcomes_continuous.csv", "sd", "1_0", "not a plain number", "decimal point"),
    ("outcomes_continuous.csv", "n", "20.5", "not a whole number", "plain digits"),
    ("outcomes_continuous.csv", "sd", "-2", "at least 0", "Read it again"),
    ("outcomes_continuous.csv", "locator", "", "required", "Fill in the cell"),
    ("outcomes_continuous.csv", "value_type", "", "required", "Use one of: final, change"),
    ("outcomes_continuous.csv", "value_type", "endpoint", "not an allowed value", "Use one of: final, change"),
    ("outcomes_continuous.csv", "instrument_id", "nprs", "No such entry in instruments.csv", "add it to the table"),
    ("outcomes_continuous.csv", "arm_id", "nobody", "No such entry in arms.csv", "add it to the table"),
    ("outcomes_binary.csv", "percent", "130", "between 0 and 100", "or leave the cell empty"),
    ("contrasts.csv", "p_value", "5", "between 0 and 1", "Read it again"),
    ("contrasts.csv", "printed_as", "drug_better", "not an allowed value", "experimental_minus_control"),
    ("studies.csv", "year", "20001", "between 1950 and 2100", "Read it again"),
    ("studies.csv", "cohort_id", "A b", "cannot be an identifier", "letters, digits and underscores"),
    ("interventions.csv", "review_intervention", "yes", "not true or false", "Write true or false"),
    ("outcomes_continuous.csv", "n", " 20", "blank stands beside", "Write 20"),
    ("outcomes_continuous.csv", "mean", "1e400", "that large", "Read it again"),
    ("outcomes_continuous.csv", "sd", "1e300", "that large", "Read it again"),
    ("outcomes_continuous.csv", "mean", "\u0663", "not a plain number", "decimal point"),  # an Arabic three
    ("outcomes_continuous.csv", "locator", " ", "blank is no value", "Fill in the cell"),
    ("outcomes_continuous.csv", "arm_id", "drugs", "Did you mean 'drug'?", "add it to the table"),
    ("outcomes_binary.csv", "events", "\uff13", "not a whole number", "plain digits"),  # a full-width three
    ("contrasts.csv", "note", "  ", "blank is no value", "Leave the cell empty"),
    ("contrasts.csv", "contrast_of", "finall", "Did you mean 'final'?", "Use one of"),
]


@pytest.fixture(scope="module")
def broken_cells(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[int], list[Problem]]:
    """One folder with every one of `CELLS` broken in a row of its own; the rows, and all problems found."""
    world = World(tmp_path_factory.mktemp("broken") / "tables")
    for study in ("a", "b", "c"):
        world.study(study, "drug", "placebo")
    for week in range(1, 20):
        world.mean("a", "drug", 3, 2, week=week)
        world.events("a", "drug", 3, 20, week=week)
        world.contrast("a", "drug", "placebo", -1, -2, 0, week=week)
    folder = world.write()
    assert vf.validate(folder) == []
    rows = []
    for i, (file, column, value, *_) in enumerate(CELLS):
        rows.append(2 + sum(file == other[0] for other in CELLS[:i]))
        cell(folder, file, rows[-1], column, value)
    return rows, vf.validate(folder)


@pytest.mark.parametrize("i", range(len(CELLS)), ids=[f"{file[:-4]}-{column}-{value}" for file, column, value, *_ in CELLS])
def test_a_broken_cell(i: int, broken_cells: tuple[list[int], list[Problem]]) -> None:
    file, column, value, message, todo = CELLS[i]
    rows, found = broken_cells
    here = [p for p in found if (p.file, p.row) == (file, rows[i])]
    assert len(here) == 1
    assert column in here[0].column
    assert value in here[0].value
    assert message in here[0].message
    assert todo in here[0].todo


def test_broken_cells_bring_no_other_problem(broken_cells: tuple[list[int], list[Problem]]) -> None:
    rows, found = broken_cells
    assert {(p.file, p.row) for p in found} == {(c[0], row) for c, row in zip(CELLS, rows, strict=True)}


def test_every_fault_of_every_kind_is_listed_at_once(folder: Path) -> None:
    cell(folder, "outcomes_continuous.csv", 2, "mean", "three")
    cell(folder, "outcomes_binary.csv", 3, "events", "21")
    cell(folder, "contrasts.csv", 2, "ci_low", "1")
    found = [(p.file, p.row, p.column) for p in vf.validate(folder)]
    with pytest.raises(vf.InputError) as caught:
        vf.load_trials(folder)
    assert caught.value.problems == [str(p) for p in vf.validate(folder)]
    assert found == [("contrasts.csv", 2, "ci_low")] * 2 + [
        ("outcomes_binary.csv", 3, "events"),
        ("outcomes_continuous.csv", 2, "mean"),
    ]


@pytest.mark.parametrize("written", ["TRUE", "True", "1"])
def test_booleans_as_a_spreadsheet_writes_them_keep_their_meaning(folder: Path, written: str) -> None:
    """A direction lost on the way through a spreadsheet would turn no sign and warn nobody."""
    cell(folder, "instruments.csv", 2, "higher_is_worse", written)
    trials = vf.load_trials(folder)
    assert bool(trials.instruments.higher_is_worse.iloc[0]) is True
    assert vf.compare(trials, "drug", "placebo", outcome="pain").question.higher_is_worse is True


def test_a_duplicated_key(folder: Path) -> None:
    change(folder, "sources.csv", lambda b: b + b.splitlines(keepends=True)[1])
    problem = the_one(folder)
    assert (problem.file, problem.row, problem.column, problem.value) == ("sources.csv", 3, "source_id", "paper")
    assert "earlier row" in problem.message


def test_a_duplicated_key_of_several_columns(folder: Path) -> None:
    change(folder, "arms.csv", lambda b: b + b.splitlines(keepends=True)[1])
    problem = the_one(folder)
    assert (problem.row, problem.column, problem.value) == (4, "study_id, arm_id", "a, drug")


def test_a_missing_folder_and_an_empty_one(tmp_path: Path) -> None:
    with pytest.raises(vf.InputError, match="no such folder"):
        vf.load_trials(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    found = vf.validate(tmp_path / "empty")
    assert {p.file for p in found} == {r["path"] for r in schema.tables().values()}
    assert all("missing" in p.message for p in found)


def test_a_missing_file(folder: Path) -> None:
    (folder / "arms.csv").unlink()
    problem = the_one(folder)
    assert (problem.file, problem.row, problem.message) == ("arms.csv", 0, "The file is missing.")
    assert "header line" in problem.todo


@pytest.mark.parametrize(
    ("edit", "row", "column", "message"),
    [
        (lambda b: b"\n".join(line.rsplit(b",", 1)[0] for line in b.splitlines()) + b"\n", 1, "flag", "column is missing"),
        (lambda b: b"\n".join(line + b",x" for line in b.splitlines()) + b"\n", 1, "x", "No such column"),
        (lambda b: b.replace(b"table,row_id", b"row_id,table", 1), 1, "", "another order"),
        (lambda b: b.replace(b",", b";"), 1, "", "not separated by commas"),
        (lambda b: b"", 0, "", "file is empty"),
        (lambda b: b + b"contrasts,r5,disagreement,more\n", 3, "", "row has 4 cells, the header 3"),
        (lambda b: b + b"contrasts,r5\n", 3, "", "row has 2 cells, the header 3"),
        (lambda b: b + b",,\n", 3, "", "row is empty"),
        (lambda b: b.replace(b"high_risk", b"h\xf6ch", 1), 2, "", "not UTF-8"),
        (lambda b: b.decode().encode("utf-16"), 1, "", "not UTF-8"),
        (lambda b: b + b'"contrasts,r5,disagreement\n', 0, "", "not a CSV table"),
    ],
    ids=[
        "column gone",
        "column more",
        "order",
        "semicolons",
        "empty",
        "surplus cell",
        "cell short",
        "blank row",
        "latin-1",
        "utf-16",
        "quote",
    ],
)
def test_a_file_that_is_no_table(folder: Path, edit: Callable[[bytes], bytes], row: int, column: str, message: str) -> None:
    change(folder, "row_flags.csv", edit)
    problem = the_one(folder)
    assert (problem.file, problem.row, problem.column) == ("row_flags.csv", row, column)
    assert message in problem.message
    assert problem.todo


@pytest.mark.parametrize(
    "edit", [lambda b: b"\xef\xbb\xbf" + b, lambda b: b.replace(b"\n", b"\r\n")], ids=["byte order mark", "CRLF"]
)
def test_what_a_spreadsheet_adds_does_no_harm(folder: Path, edit: Callable[[bytes], bytes]) -> None:
    for resource in schema.tables().values():
        change(folder, resource["path"], edit)
    trials = vf.load_trials(folder)
    assert trials.studies.study_id.tolist() == ["a"]
    assert trials.outcomes_continuous["mean"].tolist() == [3, 5]


def test_tables_of_headers_only_are_sound_and_answer_nothing(folder: Path) -> None:
    for resource in schema.tables().values():
        change(folder, resource["path"], lambda b: b.splitlines(keepends=True)[0])
    trials = vf.load_trials(folder)
    assert len(trials.studies) == 0
    with pytest.raises(vf.InputError, match="Unknown outcome 'pain'"):
        vf.compare(trials, "drug", "placebo", outcome="pain")


def test_the_descriptor_of_a_user_folder_cannot_loosen_the_schema(folder: Path) -> None:
    (folder / "datapackage.json").write_text('{"resources": []}', encoding="utf-8")
    cell(folder, "studies.csv", 2, "design", "rct")
    assert the_one(folder).column == "design"

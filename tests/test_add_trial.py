"""A trial of one's own into the tables: by a form, by answers, checked, whole, and taken back."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import pytest

import evidence_world as ew
import vfmeta as vf
from vfmeta import cli
from vfmeta.evidence import add_trial, table_edits, trial_form
from vfmeta.evidence.certain import answers
from vfmeta.evidence.moved import moved
from vfmeta.evidence.plan import load_plans
from vfmeta.evidence.records import load_records
from vfmeta.evidence.run import run
from vfmeta.trials import schema

FILLED = {
    "sources": [{"citation": "Moss A. A made-up trial. J Rest 2030.", "kind": "primary_report"}],
    "studies": [{"study_id": "moss2030", "first_author": "Moss", "year": "2030", "design": "parallel_rct",
                 "blinding": "double_blind", "n_randomised": "80", "phase": "acute"}],
    "arms": [{"arm_id": "cement", "intervention_id": "vertebroplasty", "role": "experimental", "n_randomised": "40"},
             {"arm_id": "needle", "intervention_id": "sham", "role": "control", "n_randomised": "40"}],
    "contrasts": [{"arm_experimental": "cement", "arm_control": "needle", "outcome_id": "pain", "instrument_id": "vas",
                   "unit": "patient", "time_value": "1", "time_unit": "month", "time_kind": "visit", "analysis_set": "itt",
                   "measure": "MD", "printed_as": "experimental_minus_control", "contrast_of": "final", "estimate": "-2",
                   "se": "0.4", "locator": "table 1", "use": "pool", "reading": "agrees",
                   "reading_source_id": "moss2030_paper"}],
}  # fmt: skip


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return ew.world(tmp_path / "w")


def silent(_: str) -> None:
    pass


@pytest.mark.parametrize("name", ["trial.csv", "trial.xlsx"])
def test_a_form_is_written_and_read_back(tmp_path: Path, name: str) -> None:
    path = trial_form.write_form(tmp_path / name, FILLED)
    assert trial_form.read_form(path) == FILLED
    empty = trial_form.write_form(tmp_path / f"empty-{name}")
    with pytest.raises(vf.InputError, match="no cell"):
        trial_form.read_form(empty)


def test_a_form_lists_every_column_with_its_words() -> None:
    lines = trial_form.form()
    assert {line[0] for line in lines} == set(trial_form.OFFERED)
    design = next(line for line in lines if line[:3] == ("studies", "1", "design"))
    assert "parallel_rct" in design[5]
    assert design[4] == "yes"


def test_a_trial_is_added_whole_and_taken_back_byte_for_byte(home: Path) -> None:
    before = ew.files(home / "trials")
    was, now = add_trial.add(add_trial.completed(FILLED), home / "trials", say=silent)
    assert vf.validate(home / "trials") == []
    after = ew.files(home / "trials")
    changed = {name for name in after if after[name] != before[name]}
    assert changed == {f"{t}.csv" for t in ("sources", "studies", "study_sources", "arms", "arm_sources", "contrasts")}
    for name in changed:  # what stood there stands there still, in its order
        old, new = before[name].splitlines(), after[name].splitlines()
        assert [line for line in new if line in set(old)] == old
        assert len(new) > len(old)
    assert "moss2030" not in was.studies.study_id.tolist()
    assert "moss2030" in now.studies.study_id.tolist()
    with pytest.raises(vf.InputError, match="stands in an earlier row too"):
        add_trial.add(add_trial.completed(FILLED), home / "trials", say=silent)
    assert set(table_edits.undo(home / "trials")) == changed
    assert ew.files(home / "trials") == before
    with pytest.raises(vf.InputError, match="no addition"):
        table_edits.undo(home / "trials")


def test_a_dry_run_and_a_fault_write_nothing(home: Path) -> None:
    before, said = ew.files(home.parent), []  # type: ignore[var-annotated]
    add_trial.add(add_trial.completed(FILLED), home / "trials", dry_run=True, say=said.append)
    assert said[-1] == "no table was changed"
    wrong = {**FILLED, "arms": [{**FILLED["arms"][0], "intervention_id": "vertebroplasti"}, FILLED["arms"][1]]}
    with pytest.raises(vf.InputError, match=r"^arms, row 1, column intervention_id .*Did you mean 'vertebroplasty'"):
        add_trial.add(add_trial.completed(wrong), home / "trials", say=silent)
    assert ew.files(home.parent) == before


def test_a_table_changed_since_is_not_taken_back(home: Path) -> None:
    add_trial.add(add_trial.completed(FILLED), home / "trials", say=silent)
    ew.edit(home / "trials", "contrasts", "able-1m", note="a remark")
    now = ew.files(home / "trials")
    with pytest.raises(vf.InputError, match=r"contrasts\.csv changed since"):
        table_edits.undo(home / "trials")
    assert ew.files(home / "trials") == now


def test_a_disk_that_fails_half_way_leaves_everything_as_it_was(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before, write, calls = ew.files(home / "trials"), table_edits.write, []

    def failing(path: Path, content: Any) -> None:
        calls.append(path.name)
        if len(calls) == 4:  # the journal and two tables are written
            raise OSError(28, "No space left on device", str(path))
        write(path, content)

    monkeypatch.setattr(table_edits, "write", failing)
    with pytest.raises(OSError, match="No space"):
        add_trial.add(add_trial.completed(FILLED), home / "trials", say=silent)
    assert ew.files(home / "trials") == before
    assert not table_edits.journal_of(home / "trials").exists()


def test_an_addition_that_was_killed_half_way_is_taken_back(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody cleans up after a process that is killed; what is remembered beside the tables does."""
    before, write, calls = ew.files(home / "trials"), table_edits.write, []

    def killed(path: Path, content: Any) -> None:
        calls.append(path.name)
        if len(calls) == 4:
            raise SystemExit
        write(path, content)

    monkeypatch.setattr(table_edits, "write", killed)
    with pytest.raises(SystemExit):
        add_trial.add(add_trial.completed(FILLED), home / "trials", say=silent)
    monkeypatch.setattr(table_edits, "write", write)
    assert ew.files(home / "trials") != before
    table_edits.undo(home / "trials")
    assert ew.files(home / "trials") == before


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_rows_go_where_the_order_has_them_and_the_rest_stays(end: str, mark: bytes) -> None:
    old = mark + end.join(["id,text", 'a,"one, with\ntwo lines"', "c,x", ""]).encode()
    new = table_edits.inserted(old, ["id", "text"], [{"id": "b", "text": 'say "so"'}])
    assert new == mark + end.join(["id,text", 'a,"one, with\ntwo lines"', 'b,"say ""so"""', "c,x", ""]).encode()
    last = table_edits.inserted(b"id,text\nc,x\na,y", ["id", "text"], [{"id": "b"}])
    assert list(csv.reader(io.StringIO(last.decode()))) == [["id", "text"], ["c", "x"], ["a", "y"], ["b", ""]]


def test_what_it_moves_is_said_and_drawn(home: Path, tmp_path: Path) -> None:
    was, now = add_trial.add(add_trial.completed(FILLED), home / "trials", dry_run=True, say=silent)
    lines = moved(load_plans(home / "analyses"), was, now, tmp_path / "out")
    told = [line for line in lines if ": added Moss 2030. Before: " in line]
    assert told
    assert all(Path(line).stat().st_size > 1000 for line in lines if line not in told)
    assert any(line.endswith("-after.png") for line in lines)
    assert moved(load_plans(home / "analyses"), was, was, tmp_path / "out") == []


def test_certainty_is_told_as_it_moved_or_as_it_stands(home: Path, tmp_path: Path) -> None:
    """A precise trial that is far from the others moves the certainty as a build of the tables would have it."""
    was, now = add_trial.add(add_trial.completed(FILLED), home / "trials", dry_run=True, say=silent)
    plans = load_plans(home / "analyses")
    told = [line for line in moved(plans, was, now, tmp_path / "out") if "added Moss 2030. Before: " in line]
    assert told
    (line,) = [x for x in told if "Pain at 1 month" in x]
    for trials, name in ((was, "was"), (now, "now")):
        run(plans, trials, tmp_path / name)
    first, second = ({r.id: answers(r) for r in load_records(tmp_path / x)}["pain_1m"][0] for x in ("was", "now"))
    assert (f"Certainty as before: {first}." if first == second else f"ertainty moved from {first} to {second}") in line


def test_a_record_fills_study_and_source(tmp_path: Path) -> None:
    file = tmp_path / "one.ris"
    file.write_bytes(
        b"\xef\xbb\xbfTY  - JOUR\r\nAU  - Moss, Ann\r\nTI  - A trial of rest (NCT01234567)\r\nJO  - J Rest\r\nPY  - 2030\r\n"
        b"DO  - 10.1000/rest.1\r\nER  - \r\n"
    )
    known = trial_form.of_reference(file)
    (study,), (source,) = known["studies"], known["sources"]
    assert (study["study_id"], study["first_author"], study["year"]) == ("moss2030", "Moss", "2030")
    assert (study["registration"], source["doi"]) == ("NCT01234567", "10.1000/rest.1")
    both = trial_form.joined({"studies": [{"year": "2031"}]}, known)
    assert both["studies"][0]["year"] == "2031"  # what was filled by hand stays
    file.write_text("TY  - JOUR\nAU  - World Rest Organization\nTI  - A trial\nPY  - 2031\nER  - \n", encoding="utf-8")
    (study,) = trial_form.of_reference(file)["studies"]
    assert (study["study_id"], study["first_author"]) == ("worldrestorganization2031", "World Rest Organization")
    file.write_bytes(2 * file.read_bytes())
    with pytest.raises(vf.InputError, match="2 records"):
        trial_form.of_reference(file)


def test_answers_make_the_same_rows_and_a_wrong_word_is_asked_again(home: Path) -> None:
    said: list[str] = []
    left = {t: [dict(row) for row in rows] for t, rows in FILLED.items()}
    tried = set()

    def answer(question: str) -> str:
        if question.startswith("One more row of "):
            table = question.split()[4]
            return "y" if left.get(table) else ""
        table, column = question.split(" (")[0].split(":")[0].split(" [")[0].split(", ")
        if column == "design" and column not in tried:
            tried.add(column)
            return "paralel_rct"
        value = left[table][0].get(column, "")
        if column == list(schema.fields(table))[-1]:
            left[table].pop(0)
        return value

    left["sources"][0]["source_id"] = "moss2030_paper"
    found = trial_form.ask(vf.load_trials(home / "trials"), answer, said.append)
    assert "Did you mean 'parallel_rct'" in said[0]
    assert add_trial.completed(found) == add_trial.completed(FILLED)


def test_the_commands_go_from_form_to_forest_and_back(home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    form, before = tmp_path / "form.csv", ew.files(home / "trials")
    assert cli.template(form) == 0
    trial_form.write_form(form, FILLED)
    own: dict[str, Any] = {"trials": home / "trials", "plans": home / "analyses", "out": tmp_path / "out"}
    assert cli.add_trial(form, **own, dry_run=True) == 0
    assert ew.files(home / "trials") == before
    assert cli.add_trial(form, **own) == 0
    said = capsys.readouterr().out
    assert said.count("added Moss 2030. Before: ") == 2 * said.count("no table was changed")
    assert ew.files(home / "trials") != before
    assert cli.add_trial(trials=home / "trials", undo=True) == 0
    assert ew.files(home / "trials") == before


def test_a_form_that_is_there_is_not_written_over(tmp_path: Path) -> None:
    form = trial_form.write_form(tmp_path / "form.csv", FILLED)
    before = form.read_bytes()
    with pytest.raises(vf.InputError, match="is there already"):
        cli.template(form)
    assert form.read_bytes() == before


@pytest.mark.filterwarnings("ignore:Cyclopts application:UserWarning")
@pytest.mark.parametrize("end", [EOFError, KeyboardInterrupt])
def test_who_stops_answering_leaves_everything_as_it_was(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], end: type[BaseException]
) -> None:
    before, left = ew.files(home / "trials"), ["moss2030_paper", "Moss A. A trial."]

    def answer(_: str) -> str:
        if left:
            return left.pop(0)
        raise end

    monkeypatch.setattr("builtins.input", answer)
    monkeypatch.setattr(
        "sys.argv", ["vfmeta", "add-trial", "--trials", str(home / "trials"), "--plans", str(home / "analyses")]
    )
    with pytest.raises(SystemExit) as stop:
        cli.main()
    assert stop.value.code == 130
    assert capsys.readouterr().err.strip() == "Stopped."
    assert ew.files(home / "trials") == before

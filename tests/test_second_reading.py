"""The second reading: blind, recorded, and agreement said only where there are two."""

from __future__ import annotations

from pathlib import Path

import pytest

import evidence_world as ew
import vfmeta as vf
from vfmeta import cli
from vfmeta.evidence import second_reading as second
from vfmeta.evidence.methods import methods_view

BY = second.Made("A", "B", "from the paper alone")
ONCE = {"reading": "single", "reading_source_id": "", "use": "no"}


@pytest.fixture
def cells(tmp_path: Path) -> list[second.Cell]:
    folder = ew.world(tmp_path / "w") / "trials"
    ew.edit(folder, "contrasts", "able-1m", reading="single", reading_source_id="", use="no", note="secret")
    return second.read_once(vf.load_trials(folder))


def test_only_what_was_read_once_is_asked(cells: list[second.Cell]) -> None:
    assert [(c.figure, c.column, c.first) for c in cells] == [("able-1m", "estimate", "-1"), ("able-1m", "se", "0.5")]


def test_the_first_reading_is_not_shown(cells: list[second.Cell], tmp_path: Path) -> None:
    asked: list[str] = []

    def answer(question: str) -> str:
        asked.append(question)
        return ["-1.0", "0.6"][len(asked) - 1]

    lines = second.ask(cells, answer, BY)
    assert "Able 2001, made up" in asked[0]
    assert "table 2" in asked[0]
    assert all(" -1" not in q and "0.5" not in q and "secret" not in q for q in asked)
    held = second.recorded(tmp_path / "r.csv", lines)
    assert [(r["first"], r["second"], r["agrees"]) for r in held] == [("-1", "-1.0", "yes"), ("0.5", "0.6", "no")]
    assert second.recorded(tmp_path / "r.csv") == held
    said = "A and B read 1 of 2 cells alike, the second without seeing the first (from the paper alone)."
    assert second.agreement(held) == [said]
    assert len(second.recorded(tmp_path / "r.csv", second.ask(cells, lambda _: "stop", BY))) == 2


def test_kappa_is_that_of_the_formula_and_of_judgements_alone() -> None:
    # 20 and 15 agreements, 5 and 10 disagreements: agreement 0.7, by chance 0.5
    pairs = [("low", "low")] * 20 + [("low", "high")] * 5 + [("high", "low")] * 10 + [("high", "high")] * 15
    assert second.kappa(pairs) == pytest.approx(0.4)
    assert second.kappa([("low", "low")]) is None
    rows = [dict(zip(second.COLUMNS, ("risk_of_bias", "x", "judgement", a, b, "yes" if a == b else "no", *"ABx"), strict=True))
            for a, b in pairs]  # fmt: skip
    assert second.agreement(rows)[1] == "Cohen's kappa of their 50 judgements is 0.40."
    one = second.agreement([{**r, "reader": "a "} for r in rows])
    assert one == [second.agreement([])[0], "50 cells were read twice by one person."]
    assert second.agreement([]) == ["Nothing was read by two people independently, so nothing is said of agreement."]


def test_a_locator_that_quotes_the_first_reading_is_not_shown(tmp_path: Path) -> None:
    folder = ew.world(tmp_path / "w") / "trials"
    once = {"reading": "single", "reading_source_id": "", "use": "no"}
    ew.edit(folder, "contrasts", "able-1m", locator="table 3, where -1 (SE 0.5) is printed", **once)
    ew.add(folder, "risk_of_bias", {"study_id": "able", "tool": "PEDro", "domain": "blind subjects", "judgement": "low",
                                    "source_id": "able_paper", "locator": "item scored yes", "reading": "single"})  # fmt: skip
    where = {c.column: c.where for c in second.read_once(vf.load_trials(folder))}
    assert set(where) == {"estimate", "se", "judgement"}
    assert not [w for w in where.values() if "printed" in w or "scored" in w]


def read_again(folder: Path, monkeypatch: pytest.MonkeyPatch, *answers: str) -> int:
    left = list(answers)
    monkeypatch.setattr("builtins.input", lambda _: left.pop(0) if left else "stop")
    return cli.second_reading(trials=folder, reader="B", first_reader="A", how="blind")


def row_of(folder: Path, row_id: str) -> dict[str, str]:
    return next(r for r in ew.read(folder, "contrasts") if r["row_id"] == row_id)


def test_a_row_read_alike_is_set_to_agrees_and_nothing_else_is_touched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = ew.world(tmp_path / "w") / "trials"
    ew.edit(folder, "contrasts", "able-1m", **ONCE)
    before = (folder / "contrasts.csv").read_text().splitlines()
    assert read_again(folder, monkeypatch, "-1", "stop") == 0  # the SE is for another time
    assert row_of(folder, "able-1m")["reading"] == "single"
    assert read_again(folder, monkeypatch, "0.50") == 0
    now = row_of(folder, "able-1m")
    assert (now["reading"], now["reading_source_id"], now["use"]) == ("agrees", "able_paper", "no")
    assert vf.validate(folder) == []
    after = (folder / "contrasts.csv").read_text().splitlines()
    assert [x for x in after if x not in before] == [next(x for x in after if x.startswith("able-1m,"))]
    assert len(after) == len(before)


def test_a_disagreement_waits_until_the_cell_is_corrected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = ew.world(tmp_path / "w") / "trials"
    ew.edit(folder, "contrasts", "able-1m", **ONCE, note="as printed")
    read_again(folder, monkeypatch, "-1", "0.6")
    assert "able-1m, se: 0.5 in the table, 0.6 by B; look together" in capsys.readouterr().out
    assert row_of(folder, "able-1m")["reading"] == "single"
    ew.edit(folder, "contrasts", "able-1m", se="0.6")
    read_again(folder, monkeypatch)
    now = row_of(folder, "able-1m")
    assert (now["reading"], now["note"]) == ("corrected", "as printed; se had been read as 0.5")
    assert "A and B read 1 of 2 cells alike" in capsys.readouterr().out


def test_a_reader_says_who_read_first_and_how(tmp_path: Path) -> None:
    folder = ew.world(tmp_path / "w") / "trials"
    with pytest.raises(vf.InputError, match="--first-reader and --how"):
        cli.second_reading(trials=folder, reader="B")
    with pytest.raises(vf.InputError, match=r"no 'able_papr' in sources\.csv\. Did you mean 'able_paper'"):
        second.settle([], vf.load_trials(folder), "able_papr")


def test_the_page_of_methods_has_kappa_only_of_two_readers(tmp_path: Path) -> None:
    folder = ew.world(tmp_path / "w") / "trials"

    def said() -> str:
        return dict(methods_view([], [], vf.load_trials(folder))["made"])["Agreement of readers"]

    assert said() == "Nothing was read by two people independently, so nothing is said of agreement."
    low, high = (("risk_of_bias", f"{i}", "judgement", w, w, "yes") for i, w in enumerate(("low", "high")))
    second.recorded(folder / second.RECORD, [(*x, "A", "A", "twice") for x in (low, high)])
    assert "kappa" not in said()
    second.recorded(folder / second.RECORD, [(*x, "A", "B", "from the papers") for x in (low, high)])
    assert "(from the papers). Cohen's kappa of their 2 judgements is 1.00. 2 cells were read twice by one person." in said()
    assert vf.validate(folder) == []


def test_a_slip_of_the_finger_is_asked_again_and_an_interruption_keeps_what_was_read(tmp_path: Path) -> None:
    folder = ew.world(tmp_path / "w") / "trials"
    ew.edit(folder, "contrasts", "able-1m", **ONCE)
    ew.add(folder, "risk_of_bias", {"study_id": "able", "tool": "RoB 2", "domain": "overall", "judgement": "low",
                                    "source_id": "able_paper", "locator": "table 3", "reading": "single"})  # fmt: skip
    left, asked = ["-1,0", "-1", "", "hgh", "high"], []

    def answer(question: str) -> str:
        asked.append(question)
        if not left:
            raise KeyboardInterrupt
        return left.pop(0)

    lines = second.ask([*second.read_once(vf.load_trials(folder)), *[second.Cell("contrasts", "x", "se", "", "1")]], answer, BY)
    assert [(x[2], x[4]) for x in lines] == [("estimate", "-1"), ("judgement", "high")]
    assert asked[1] == "'-1,0' is none; estimate, a number: "
    assert asked[4].startswith("'hgh' is none; judgement (low, ")

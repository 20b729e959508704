"""The second reading: blind, recorded, and agreement said only where there are two."""

from __future__ import annotations

from pathlib import Path

import pytest

import evidence_world as ew
import vfmeta as vf
from vfmeta.evidence import second_reading as second


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

    lines = second.ask(cells, answer, "B", "from the paper alone")
    assert "Able 2001, made up" in asked[0]
    assert "table 2" in asked[0]
    assert all(" -1" not in q and "0.5" not in q and "secret" not in q for q in asked)
    held = second.recorded(tmp_path / "r.csv", lines)
    assert [(r["first"], r["second"], r["agrees"]) for r in held] == [("-1", "-1.0", "yes"), ("0.5", "0.6", "no")]
    assert second.recorded(tmp_path / "r.csv") == held
    assert second.agreement(held) == ["1 of 2 cells read alike by two readings (from the paper alone)."]
    assert len(second.recorded(tmp_path / "r.csv", second.ask(cells, lambda _: "stop", "B", ""))) == 2


def test_kappa_is_that_of_the_formula_and_of_judgements_alone() -> None:
    # 20 and 15 agreements, 5 and 10 disagreements: agreement 0.7, by chance 0.5
    pairs = [("low", "low")] * 20 + [("low", "high")] * 5 + [("high", "low")] * 10 + [("high", "high")] * 15
    assert second.kappa(pairs) == pytest.approx(0.4)
    assert second.kappa([("low", "low")]) is None
    rows = [dict(zip(second.COLUMNS, ("risk_of_bias", "x", "judgement", a, b, "yes" if a == b else "no", "B", ""), strict=True))
            for a, b in pairs]  # fmt: skip
    assert second.agreement(rows)[1] == "Cohen's kappa of 50 judgements is 0.40."
    assert second.agreement([])[0].startswith("Nothing was read by two people")


def test_a_locator_that_quotes_the_first_reading_is_not_shown(tmp_path: Path) -> None:
    folder = ew.world(tmp_path / "w") / "trials"
    once = {"reading": "single", "reading_source_id": "", "use": "no"}
    ew.edit(folder, "contrasts", "able-1m", locator="table 3, where -1 (SE 0.5) is printed", **once)
    ew.add(folder, "risk_of_bias", {"study_id": "able", "tool": "PEDro", "domain": "blind subjects", "judgement": "low",
                                    "source_id": "able_paper", "locator": "item scored yes", "reading": "single"})  # fmt: skip
    where = {c.column: c.where for c in second.read_once(vf.load_trials(folder))}
    assert set(where) == {"estimate", "se", "judgement"}
    assert not [w for w in where.values() if "printed" in w or "scored" in w]

"""Everything that ``make bench`` times can be done: once each, with one in 50 of what comes by the thousand."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from benchmarks import bayes, bench, exchange, levels, network_levels, networks

import vfmeta as vf
from vfmeta.exchange.own_data import read_all

ROOT = Path(__file__).parents[1]
pytestmark = pytest.mark.filterwarnings("ignore::vfmeta.core.messages.VfmetaWarning")  # as `make bench` ignores them


def test_what_is_timed_answers_and_has_a_line_in_the_table() -> None:
    tasks = bench.tasks(bench.make_data(share=50), share=50)
    assert {*tasks, "batch", "import", "first"} == set(bench.TASKS)
    assert bench.TARGETS.keys() <= bench.TASKS.keys()
    for code, *_ in tasks.values():
        code()
    exec(bench.FIRST, {})


def test_what_is_timed_of_the_bayesian_engine_answers_and_has_a_line_in_the_table() -> None:
    tasks = bayes.tasks(*bayes.make_data(questions=200), share=50)
    assert {*tasks, "first"} == set(bayes.TASKS)
    for code, *_ in tasks.values():
        code()
    exec(bayes.FIRST, {})
    assert bayes.time_plain(bayes.make_data()[0]) > 0  # refuses where the yardstick and the engine differ


def test_what_is_timed_of_networks_answers_and_agrees_with_the_bare_kernel() -> None:
    tasks = networks.tasks()
    assert tasks.keys() == networks.TASKS.keys()
    for code, _ in tasks.values():
        code()
    data = networks.make_data(26, 10)
    fit, (beta, _, tau2) = vf.network(data, reference="t000", test="Wald"), networks.plain(data)
    assert fit.tau2 == pytest.approx(tau2, rel=1e-6)
    assert fit.estimate == pytest.approx(beta, rel=1e-6)


def test_what_is_timed_of_reviews_holds_every_stored_number_to_a_new_one(tmp_path: Path) -> None:
    (tmp_path / "a.rm5").write_text(exchange.make_review(), encoding="utf-8")
    assert exchange.once(tmp_path / "a.rm5") > 1_500


def test_what_is_timed_beside_another_build_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))  # where that script, run as one, finds its neighbour
    from benchmarks import beside

    tasks = beside.tasks(share=50)
    assert tasks.keys() <= bench.TASKS.keys()
    for code, _ in tasks.values():
        code()


def test_levels_of_tests_are_counted_and_written(tmp_path: Path) -> None:
    levels.write(tmp_path, draws=4, seed=1, only="begg")
    table = pd.read_csv(tmp_path / "levels.csv")
    assert set(table["verb"]) == {"begg"}
    assert (table["draws"] == 4).all()
    report = (tmp_path / "levels.md").read_text(encoding="utf-8")
    assert all(f"| {setting} |" in report for setting in table["setting"])
    assert (tmp_path / "levels" / "begg.png").stat().st_size > 1_000


def test_intervals_of_networks_are_counted_and_written(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(network_levels, "settings", lambda: [network_levels.Setting(s, 2, 0.1) for s in network_levels.SHAPES])
    network_levels.write(tmp_path, draws=3, seed=1, jobs=1)
    table = pd.read_csv(tmp_path / "network_levels.csv")
    assert len(table) == len(network_levels.SHAPES) * len(network_levels.FITS)
    assert table["coverage"].between(0, 1).all()
    assert "| three arms | 10 | 0.1 |" in (tmp_path / "network_levels.md").read_text(encoding="utf-8")
    assert (tmp_path / "network_levels.png").stat().st_size > 10_000


def test_the_sheet_that_is_timed_is_read_whole(tmp_path: Path) -> None:
    (tmp_path / "sheet.csv").write_text(exchange.make_sheet(), encoding="utf-8")
    tables = read_all(tmp_path / "sheet.csv")
    assert (len(tables), sum(len(x) for x in tables.values())) == (20, 500)

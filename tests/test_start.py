"""A review to begin with: sound tables, a plan that they answer, and nothing of anybody's overwritten."""

from __future__ import annotations

from pathlib import Path

import pytest

import vfmeta as vf
from vfmeta.evidence.cache import Cache
from vfmeta.evidence.plan import load_plans
from vfmeta.evidence.render import REVIEW, named, render, site_of
from vfmeta.evidence.run import begin
from vfmeta.evidence.start import start


def test_the_example_is_sound_and_its_plan_has_an_answer(tmp_path: Path) -> None:
    readme = start(tmp_path / "my_review")
    folder = readme.parent
    assert "vfmeta report --trials trials --plans plans" in readme.read_text()
    assert vf.validate(folder / "trials") == []
    trials, plans = vf.load_trials(folder / "trials"), load_plans(folder / "plans")
    assert set(trials.studies.study_id) == {"buchbinder2009", "kallmes2009", "firanescu2018"}
    (record,) = begin(plans, trials, Cache(tmp_path / "build")).records
    whole = vf.compare(
        vf.load_trials(), "vertebroplasty", "sham", outcome="pain_overall", measure="MD", points=(0, 10), week=4.35,
        window=(2.02, 8),
    )  # fmt: skip
    same = [(e.study_id, e.y, e.v) for e in whole if e.study_id in set(trials.studies.study_id)]
    found = [(s["study_id"], s["estimate"], s["se"] ** 2) for s in record.data["studies"]]
    assert len(found) == len(same) >= 2
    for one, two in zip(sorted(found), sorted(same), strict=True):
        assert one[0] == two[0]
        assert one[1:] == pytest.approx(two[1:])


def test_a_folder_that_holds_something_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(vf.InputError, match="holds something already"):
        start(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["mine.txt"]
    (tmp_path / "empty").mkdir()
    assert start(tmp_path / "empty").is_file()


def test_pages_carry_the_name_of_the_review(tmp_path: Path) -> None:
    folder = start(tmp_path / "my_review").parent
    site = site_of(folder / "plans")
    assert site.name == "My review"
    with named(site):
        page = render("page.html", title="A page", page="a", questions=[], nav=[])
    assert "<title>A page | My review: a review in work</title>" in page
    assert "vertebral" not in page
    assert REVIEW.name in render("page.html", title="A page", page="a", questions=[], nav=[])
    (folder / "plans/site/site.toml").write_text('nam = "My review"')
    with pytest.raises(vf.InputError, match=r"site\.toml, nam: unknown; it takes name, kind and question"):
        site_of(folder / "plans")

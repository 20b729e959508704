"""A review to begin with: sound tables, a plan that they answer, and nothing of anybody's overwritten."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import pytest

import vfmeta as vf
from vfmeta.evidence.cache import Cache
from vfmeta.evidence.methods import methods_view
from vfmeta.evidence.plan import load_plans
from vfmeta.evidence.render import REVIEW, named, render, site_of
from vfmeta.evidence.run import begin
from vfmeta.evidence.site import eligibility_page, study_views
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


def test_pages_of_another_review_say_nothing_of_this_one(tmp_path: Path) -> None:
    folder = start(tmp_path / "my_review").parent
    tables = folder / "trials"
    for name in ("outcomes", "interventions", "studies", "arms", "outcomes_continuous", "outcomes_binary", "contrasts",
                 "instruments", "row_flags"):  # fmt: skip
        (tables / f"{name}.csv").write_text((tables / f"{name}.csv").read_text().splitlines()[0] + "\n")
    _write(tables, "interventions", {"intervention_id": "walks", "name": "walking", "intervention_class": "exercise",
                                     "review_intervention": "true", "description": "Walks in a group."},
           {"intervention_id": "leaflet", "name": "a leaflet", "intervention_class": "advice", "review_intervention": "false",
            "description": "Written advice."})  # fmt: skip
    _write(tables, "outcomes", {"outcome_id": "falls", "name": "people who fell", "domain": "harm", "kind": "binary",
                                "higher_is_worse": "true", "description": "At least one fall."})  # fmt: skip
    _write(tables, "studies", {"study_id": "t1", "cohort_id": "t1", "first_author": "Author", "year": "2001", "title": "Walks",
                               "design": "parallel_rct", "blinding": "open_label", "phase": "not_stated"})  # fmt: skip
    arm = {"study_id": "t1", "n_randomised": "40"}
    _write(tables, "arms", arm | {"arm_id": "e", "intervention_id": "walks", "role": "experimental"},
           arm | {"arm_id": "c", "intervention_id": "leaflet", "role": "control"})  # fmt: skip
    for other in ("study_sources", "arm_sources", "risk_of_bias", "sources"):
        (tables / f"{other}.csv").write_text((tables / f"{other}.csv").read_text().splitlines()[0] + "\n")
    trials = vf.load_trials(tables)
    text = (folder / "plans/vertebroplasty_sham.toml").read_text()
    for old, new in (("vertebroplasty_sham", "walks"), ('"sham"', '"advice"'), ('["vertebroplasty"]', '["walks"]'),
                     ("Vertebroplasty against a sham procedure", "Walking"), ('page = "vertebroplasty"', 'page = "walks"'),
                     ("Does vertebroplasty relieve pain more than a sham procedure?", "Do walks prevent falls?"),
                     ("Adults with painful osteoporotic vertebral fractures.", "Older people."), ("pain_overall", "falls"),
                     ('["vertebroplasty", "advice"]', '["walking", "a leaflet"]'), ('"MD"', '"RR"'),
                     ("Pain at about 1 month", "People who fell")):  # fmt: skip
        text = text.replace(old, new)
    lines = [x for x in text.splitlines() if not x.startswith(("points", "mid_from"))]
    (folder / "plans/vertebroplasty_sham.toml").unlink()
    (folder / "plans/walks.toml").write_text("\n".join(lines))
    plans = load_plans(folder / "plans")
    with named(site_of(folder / "plans")):
        pages = {
            "eligibility": eligibility_page(plans, trials),
            "studies": render("studies.html", title="Studies", nav=[], studies=study_views(trials), lede=""),
            "tables": str(methods_view(plans, [], trials)["tables"]),
        }
    for name, page in pages.items():
        assert not re.search("vertebr|fracture|osteopor|Pain first", page), name
    assert "Older people." in pages["eligibility"]
    assert "people who fell." in pages["eligibility"]
    assert "context" not in dict(site_of(folder / "plans").first)
    assert "vertebral" in eligibility_page(plans, trials)  # the packaged review keeps its own


def _write(tables: Path, name: str, *rows: dict[str, str]) -> None:
    path = tables / f"{name}.csv"
    with path.open("a", newline="") as file:
        writer = csv.DictWriter(file, path.read_text().splitlines()[0].split(","), lineterminator="\n")
        writer.writerows(rows)

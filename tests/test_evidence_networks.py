"""The page of networks: what is planned, what is joined, what sets comparisons apart, and no ranking."""

from __future__ import annotations

import html
import json
import re
from pathlib import Path
from typing import Any

import pytest

import vfmeta as vf
from vfmeta.evidence import networks

pytest_plugins = ("evidence_builds",)
PLANS = Path(__file__).parents[1] / "analyses"


@pytest.fixture(scope="module")
def joined() -> dict[str, networks.Fitted]:
    trials = vf.load_trials()
    return {p.id: networks.fitted(trials, p) for p in networks.load_network_plans(PLANS)}


def test_what_cannot_be_compared_is_not_pooled(joined: dict[str, networks.Fitted]) -> None:
    pain = joined["pain_1m"]
    assert pain.post is None
    shown = networks.view(pain)
    assert not shown["rows"]
    assert pain.plan.why_not
    assert any("blinding" in said for said in shown["differ"])


def test_rows_are_the_exact_answer_and_its_grounds(joined: dict[str, networks.Fitted]) -> None:
    drugs = joined["new_vertebral_fracture"]
    assert drugs.fit is not None
    assert drugs.post is not None
    rows = {r["treatment"]: r for r in networks.view(drugs)["rows"]}
    assert set(rows) == set(drugs.fit.treatments) - {"placebo"}
    frame = drugs.post.comparisons(on="read").set_index(["treatment", "control"])
    for name, row in rows.items():
        x = frame.loc[(name, "placebo")]
        assert row["effect"] == f"{x.estimate:.2f} ({x.ci_low:.2f} to {x.ci_high:.2f})"
        assert (row["trials"] == "0") == row["rests"].startswith("indirect")
    assert networks.view(drugs)["differ"] == []  # what nobody stated is no difference
    assert drugs.silent == ["raloxifene", "romosozumab"] or all(t not in drugs.fit.treatments for t in drugs.silent)


def test_what_was_gathered_survives_being_written_down(joined: dict[str, networks.Fitted]) -> None:
    trials = vf.load_trials()
    for plan in networks.load_network_plans(PLANS):
        function, inputs, code = networks.call(trials, plan)
        found, whole = function(inputs, code), joined[plan.id]
        assert json.loads(json.dumps(found["view"])) == json.loads(json.dumps(networks.view(whole)))
        assert found["fit"] == (None if whole.fit is None else whole.fit.to_dict())


def test_sides_are_named_only_where_the_interval_excludes_no_difference(joined: dict[str, networks.Fitted]) -> None:
    drugs = joined["new_vertebral_fracture"]
    assert drugs.post is not None
    said = " ".join(networks.view(drugs)["answer"])
    cannot = re.search(r"Of (.*) the trials cannot tell", said)
    for r in drugs.post.comparisons().itertuples():
        if r.control == "placebo":
            spans = r.ci_low < 0 < r.ci_high
            assert spans == (cannot is not None and r.treatment in cannot[1])


def test_the_page_shows_grounds_before_results(real_build: Any) -> None:
    body = html.unescape(real_build.page("networks"))
    assert body.index("What sets the comparisons apart") < body.index("Against placebo")
    assert "no ranking" in body
    assert (real_build.site / "figures" / "network-pain_1m.svg").is_file()
    assert 'href="networks.html"' in real_build.page("index")


def test_without_plans_the_page_says_so(toy_build: Any) -> None:
    assert "No network is planned." in toy_build.page("networks")


@pytest.mark.parametrize(("old", "new", "said"), [
    ('reference = "placebo"', 'reference = "sugar"', "reference 'sugar' is no treatment"),
    ('measure = "RR"', 'measure = "RR"\npooled = false', "why_not"), ('week = 104', 'weeks = 104', "week"),
    ('id = "new_vertebral_fracture"', 'id = "other"', "must equal the file name"),
])  # fmt: skip
def test_faults_of_a_plan_name_the_file(tmp_path: Path, old: str, new: str, said: str) -> None:
    text = (PLANS / "networks" / "new_vertebral_fracture.toml").read_text(encoding="utf-8")
    assert old in text
    (tmp_path / "networks").mkdir()
    (tmp_path / "networks" / "new_vertebral_fracture.toml").write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(vf.InputError, match=rf"networks/new_vertebral_fracture\.toml.*{said}"):
        networks.load_network_plans(tmp_path)

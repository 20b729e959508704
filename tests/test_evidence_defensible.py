"""What pages say of whether a pool would stand: specifications of the plan, and publication bias below ten trials."""

from __future__ import annotations

import json
import re
import shutil
import warnings
from typing import Any

import numpy as np
import pytest

import evidence_world as ew
import vfmeta as vf
from vfmeta.evidence import defensible
from vfmeta.evidence.figures import draw_all
from vfmeta.evidence.plan import load_plans
from vfmeta.evidence.records import Record, load_records
from vfmeta.evidence.summary import fragment, question_view

pytest_plugins = ("evidence_builds",)


@pytest.fixture(scope="module")
def made(toy_build: Any, tmp_path_factory: Any) -> dict[str, Any]:
    home = tmp_path_factory.mktemp("world")
    ew.world(home)
    plans, trials = load_plans(home / "analyses"), vf.load_trials(home / "trials")
    out = shutil.copytree(toy_build.out, home / "build")
    records = load_records(out)
    return {
        "records": {r.id: r for r in records}, "figures": draw_all(records, out), "plans": plans, "trials": trials,
        "out": out,
    }  # fmt: skip


def test_the_first_specification_is_the_pool_of_the_plan(made: dict[str, Any]) -> None:
    record = made["records"]["pain_12m"]
    inputs = defensible.inputs_of(record)
    assert inputs is not None
    found = defensible.multiverse_of(inputs)
    assert found.column("estimate")[0] == pytest.approx(record.frequentist.estimate, rel=1e-9)
    frame = found.to_frame()
    whole = frame[(frame["left_out"] == "none") & (frame["test"] == "posterior")]
    assert whole["estimate"].iloc[0] == pytest.approx(record.posterior.estimate, rel=1e-6)
    assert found.options["table"] == (record.title,)  # its sensitivity analyses change methods alone
    # five trials or four of them, four estimators with three tests, a common effect, a prior
    assert len(frame) == 6 * 14
    assert set(found.refused["reason"].str.partition(":")[0]) == {"fewer than 10 studies"}


def test_pools_of_three_have_a_curve_and_smaller_ones_none(made: dict[str, Any]) -> None:
    drawn = {f["analysis"] for f in made["figures"]["cement"] if f["kind"] == "multiverse"}
    assert drawn == {r.id for r in made["records"].values() if r.k >= 3}
    assert drawn == {"pain_6m", "pain_9m", "pain_12m"}
    assert defensible.inputs_of(made["records"]["pain_3m"]) is None
    for name, n in (("pain_6m", 4 * 14), ("pain_9m", 5 * 14), ("pain_12m", 6 * 14)):
        svg = (made["out"] / "figures" / f"cement-{name}-multiverse.svg").read_text(encoding="utf-8")
        assert f"Specification curve: {n} specifications of the mean difference" in svg


def test_the_worst_case_is_worked_out_by_hand(made: dict[str, Any]) -> None:
    record = made["records"]["pain_12m"]
    tested, worst = defensible.view(record, [])["lines"]  # type: ignore[index]
    assert tested.startswith("Five trials: no test of small-study effects can tell anything of fewer than ten")
    kept = {name: (y, se) for name, (y, se) in ew.PAIN[12].items() if not y + 1.96 * se < 0}
    assert len(kept) == 2
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", vf.VfmetaWarning)
        y, se = np.array(list(kept.values())).T
        pool = vf.random_effects(y=y, se=se, test="Wald")
    numbers = [float(x.replace("−", "-")) for x in re.findall(r"give (\S+) \((\S+) to (\S+)\)", worst)[0]]
    assert numbers == [round(x, 2) for x in (pool.estimate, *pool.interval)]
    assert "three of five trials are significant in favour of vertebroplasty" in worst


def test_one_trial_says_nothing_and_two_say_what_they_can(made: dict[str, Any]) -> None:
    assert defensible.view(made["records"]["pain_1m"], []) is None
    assert defensible.view(made["records"]["pain_3m"], [])["figure"] is None  # type: ignore[index]


def test_from_ten_trials_on_a_test_is_made(made: dict[str, Any]) -> None:
    data = json.loads(json.dumps(made["records"]["pain_12m"].data))
    y = np.linspace(-1.4, 0.2, 10) + np.tile([0.3, -0.2], 5)
    fit = vf.random_effects(y=y, se=np.linspace(0.2, 0.6, 10), question=made["records"]["pain_12m"].question)
    data["studies"] = [{**data["studies"][0], "estimate": float(a)} for a in y]
    data["results"]["frequentist"] = fit.to_dict()
    tested, _ = defensible.view(Record(data), [])["lines"]  # type: ignore[index]
    assert vf.appraisal.small_study_test(fit).sentence() in tested


def test_the_page_folds_it_away_for_statisticians(made: dict[str, Any]) -> None:
    plan = next(p for p in made["plans"] if p.id == "cement")
    text = fragment(question_view(plan, list(made["records"].values()), made["figures"], made["trials"]))
    before, _, after = text.partition('<details class="statistics screen">')
    assert "Would it stand?" not in before
    assert "Would it stand?" in after
    assert after.count("-multiverse.svg") == 3  # each drawn into the page, with a link to its file
    pools = [r for r in made["records"].values() if r.plan == "cement" and r.k > 1]
    assert text.count("no test of small-study effects can tell") == len(pools) > 3

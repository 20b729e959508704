"""Every intervention of the review has an answer with its uncertainty, or a page that names each trial and what it printed."""

from __future__ import annotations

import html
import math
import re

import pytest

import vfmeta as vf
from evidence_builds import Built
from vfmeta.evidence import without_effects
from vfmeta.evidence.plan import Plan, load_plans
from vfmeta.evidence.records import Record

pytest_plugins = ("evidence_builds",)
# the review's question names ten: two of them, drugs for pain and blocks of nerves, stand on one page
TEN = {
    "calcitonin": ("calcitonin",),
    "bisphosphonates": ("bisphosphonate",),
    "teriparatide": ("anabolic",),
    "vertebroplasty": ("vertebroplasty",),
    "kyphoplasty": ("kyphoplasty",),
    "analgesics": ("analgesic", "nerve_block"),
    "exercise": ("exercise", "manual_therapy"),
    "orthoses": ("orthosis",),
    "psychological support": ("psychological_support",),
    "education": ("education",),
}


@pytest.fixture(scope="module")
def trials() -> vf.Trials:
    return vf.load_trials()


@pytest.fixture(scope="module")
def records(real_build: Built) -> dict[str, list[Record]]:
    """Records by plan."""
    out: dict[str, list[Record]] = {}
    for record in real_build.records.values():
        out.setdefault(record.plan, []).append(record)
    return out


def strict(own: list[Record]) -> bool:
    """A result of one trial or more with limits."""
    leads = [r.lead for r in own if r.lead is not None]
    return any(all(map(math.isfinite, lead.interval)) and lead.interval[0] < lead.interval[1] for lead in leads)


def pointing(own: list[Record]) -> bool:
    """A direction with its interval, two trials or more, shown with its test."""
    for record in own:
        found = without_effects.directions_of(record)
        if found is not None and found.directed.max() > 1:
            low, high = found.interval[int(found.directed.argmax())]
            return bool(0 <= low < high <= 1)
    return False


def named(plan: Plan, own: list[Record], page: str, trials: vf.Trials) -> list[str]:
    """Trials of a comparison that its part of the page does not name, or whose printed words it does not show."""
    part = page[page.index(f'<section id="{plan.id}"') :]
    part = html.unescape(re.sub(r"\s+", " ", part[: part.index("</section>")]))
    left = [(r.id, x) for r in own for x in r.data["left_out"]]
    return [
        f"{name}: {x['label']}"
        for name, x in left
        if trials.labels[x["study_id"]] not in part or re.sub(r"\s+", " ", x["said"]) not in part
    ]


@pytest.mark.parametrize("intervention", TEN)
def test_an_answer_or_every_trial_by_name(
    intervention: str, records: dict[str, list[Record]], real_build: Built, trials: vf.Trials
) -> None:
    given = set(trials.interventions_in(list(TEN[intervention])))
    plans = [p for p in load_plans() if given & set(trials.interventions_in(list(p.experimental)))]
    assert plans
    answered = [p.id for p in plans if strict(records[p.id]) or pointing(records[p.id])]
    silent = [p for p in plans if p.id not in answered]
    for plan in silent:
        assert named(plan, records[plan.id], real_build.page(plan.page), trials) == [], plan.id
    assert answered or silent


def test_no_intervention_of_the_tables_is_forgotten(trials: vf.Trials) -> None:
    """What the tables mark as an intervention of the review has a plan that gives it, if any of its trials has a comparison."""
    asked = {i for p in load_plans() for side in (p.experimental, p.control) for i in trials.interventions_in(list(side))}
    marked = trials.interventions[trials.interventions.review_intervention.fillna(False).astype(bool)]
    rooms = {name for names in TEN.values() for name in names}
    assert rooms <= set(marked.intervention_class)
    forgotten = [
        i for i, c in zip(marked.intervention_id, marked.intervention_class, strict=True) if c in rooms and i not in asked
    ]
    assert not forgotten


def test_directions_are_shown_where_no_pool_is(records: dict[str, list[Record]], real_build: Built) -> None:
    """A question whose lead outcome is pooled nowhere shows its block, with both figures where there is anything to draw."""
    seen = 0
    for plan in load_plans():
        lead = next((r for r in records[plan.id] if r.data["without_effects"]), None)
        part = real_build.page(plan.page).split(f'<section id="{plan.id}"')[1].split("</section>")[0]
        outcome = next((a for a in plan.analysis if a.lead), plan.analysis[0]).outcome
        pooled = any(r.k > 1 for r in records[plan.id] if r.data["analysis"]["outcome"] == outcome)
        assert (lead is None) == pooled, plan.id
        assert ("Which way the trials point" in part) == (not pooled)
        if lead is not None:
            seen += 1
            for kind, _ in without_effects.drawn(lead):
                assert f'href="figures/{plan.id}-{kind}.svg"' in part
    assert seen >= 8
    drawn = {p.id for p in load_plans() for r in records[p.id] for kind, _ in without_effects.drawn(r) if kind == "p_values"}
    assert {"calcitonin_placebo", "exercise", "analgesics"} <= drawn

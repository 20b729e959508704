"""Every question that the tables can pool is pooled once; nothing is split to raise the number."""

from __future__ import annotations

from collections import Counter
from itertools import combinations

import pytest

import vfmeta as vf
from vfmeta.core import measures
from vfmeta.core.messages import InputError
from vfmeta.evidence.plan import Analysis, Plan, load_plans
from vfmeta.evidence.run import _all_asked

# weeks after treatment that count as one time, from the first days to four years; None: no time printed
WINDOWS = ((0.1, 1.99), (2, 8), (8.01, 20), (20.01, 39), (39.01, 78), (78.01, 130), (130.01, 208), None)
USES = (("pool",), ("pool", "sensitivity"))
Tables = dict[tuple[str, str, str], vf.EffectTable]


@pytest.fixture(scope="module")
def trials() -> vf.Trials:
    return vf.load_trials()


@pytest.fixture(scope="module")
def plans() -> list[Plan]:
    return load_plans()


@pytest.fixture(scope="module")
def tables(plans: list[Plan], trials: vf.Trials) -> Tables:
    return {key: own.table for key, own in _all_asked(plans, trials).items()}


def _inside(figure: object, window: tuple[float, float] | None) -> bool:
    week = getattr(figure, "week", None)
    return week is None if window is None else week is not None and window[0] <= week <= window[1]


def _compared(trials: vf.Trials, plan: Plan) -> set[str]:
    """Studies with an arm on both sides."""
    found: list[set[str]] = []
    for side in (plan.experimental, plan.control):
        given = set(trials.interventions_in(list(side)))
        found.append({study for study, _, arm, _ in trials.arm_list if arm in given})
    return found[0] & found[1]


def _poolable(trials: vf.Trials, plan: Plan, use: tuple[str, ...]) -> dict[tuple[str, tuple[float, float] | None], set[str]]:
    """Outcome and window with two cohorts or more that some measure compares, and the cohorts."""
    compared, outcomes, out = _compared(trials, plan), trials.entries("outcomes"), {}
    for outcome in {o for _, _, o in trials.figures}:
        continuous = outcomes[outcome].kind == "continuous"
        for window in WINDOWS:
            having = {
                s
                for (_, s, o), rows in trials.figures.items()
                if o == outcome and s in compared and any(f.use in use and _inside(f, window) for f in rows)
            }
            if len(having) < 2:
                continue
            for measure in ("MD", "SMD") if continuous else ("RR", "HR", "OR", "RD"):
                options: dict[str, object] = {
                    "measure": measure,
                    "use": use,
                    "design": plan.design,
                    "exclude_studies": plan.exclude,
                }
                if window is not None:
                    options |= {"week": sum(window) / 2, "window": window}
                if plan.background is not None:
                    options["background"] = plan.background
                if measures.row(measure).on_scale and "pain" in outcome:
                    options["points"] = (0, 10)
                try:
                    table = vf.compare(trials, plan.experimental, plan.control, outcome=outcome, **options)
                except InputError:  # mixed scales, directions, or kinds of SD: not one question
                    continue
                cohorts = {e.cohort_id for e in table if (e.week is None) == (window is None)}
                if len(cohorts) >= 2:
                    out[outcome, window] = out.get((outcome, window), set()) | cohorts
    return out


def _reaches(analysis: Analysis, window: tuple[float, float] | None) -> bool:
    own = analysis.window
    return own is None or (window is not None and own[0] <= window[1] and window[0] <= own[1])


@pytest.mark.parametrize("use", USES, ids=["read twice", "read once as well"])
def test_what_can_be_pooled_is_pooled(trials: vf.Trials, plans: list[Plan], tables: Tables, use: tuple[str, ...]) -> None:
    """Prevention trials of bisphosphonates are pooled on their own question of the same page, not again with acute pain."""
    missed, seen = [], 0
    for plan in plans:
        for (outcome, window), cohorts in _poolable(trials, plan, use).items():
            seen += 1
            homes = [
                (p.id, a.id, s)
                for p in plans
                for a in p.analysis
                if p.page == plan.page and a.outcome == outcome and _reaches(a, window)
                for s in ("", *(x.id for x in a.sensitivity if use != ("pool",)))
            ]
            if max((len({e.cohort_id for e in tables[h]} & cohorts) for h in homes), default=0) < 2:
                missed.append((plan.id, outcome, window, sorted(cohorts)))
    assert seen >= 6
    assert not missed


def test_a_question_has_one_estimate_a_window(plans: list[Plan]) -> None:
    """No two pools of one plan answer the same outcome at the same time; doses of one trial are told apart by rows."""
    for plan in plans:
        for one, two in combinations(plan.analysis, 2):
            if one.outcome != two.outcome or one.exclude_rows or two.exclude_rows:
                continue
            if one.window is None or two.window is None:
                apart = set(one.exclude_studies or ()) | set(two.exclude_studies or ())
                assert apart, (plan.id, one.id, two.id)
                continue
            assert one.window[1] < two.window[0] or two.window[1] < one.window[0], (plan.id, one.id, two.id)


def test_no_trial_stands_in_two_pools_of_one_outcome_and_visit(plans: list[Plan], tables: Tables) -> None:
    for plan in plans:
        met: Counter[tuple[str, str, float]] = Counter()
        for analysis in plan.analysis:
            if len(tables[plan.id, analysis.id, ""]) > 1:
                rows = {(e.study_id, row) for e in tables[plan.id, analysis.id, ""] for row in e.rows}
                met.update((study, row, 0.0) for study, row in rows)
        assert not [x for x, n in met.items() if n > 1], plan.id


def test_pools_of_the_review(plans: list[Plan], tables: Tables) -> None:
    """Issue of the review's second edition: 10 pools of two trials or more at first, about 22 with the new figures."""
    pooled = [(p.id, a.id) for p in plans for a in p.analysis if len(tables[p.id, a.id, ""]) > 1]
    assert len(pooled) >= 22
    assert len(tables["vertebroplasty_sham", "pain_1m", ""]) == 5
    assert len(tables["vertebroplasty_sham", "pain_12m", ""]) == 4

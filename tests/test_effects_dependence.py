"""Effects that share patients: the covariance a table knows, by hand, by metafor's vcalc and by simulation; several weeks."""

from __future__ import annotations

import math

import numpy as np
import pytest
from tests.conftest import World

import vfmeta as vf
from vfmeta.core import params
from vfmeta.effects.effect import Effect
from vfmeta.effects.formulas.two_means import standardised_mean_difference
from vfmeta.effects.table import EffectTable
from vfmeta.evidence import fit

pytestmark = pytest.mark.filterwarnings("ignore::vfmeta.core.messages.VfmetaWarning")
SCALED = {"measure": "MD", "points": (0, 10)}
WEEKS = {4: (2, 8), 13: (10, 16)}
# arm, week, SD, patients; the means do not matter to an MD
FIRST = [("low", 4, 2.0, 40), ("high", 4, 2.4, 35), ("placebo", 4, 1.8, 42), ("low", 13, 2.1, 38), ("high", 13, 2.6, 33),
         ("placebo", 13, 2.0, 39)]  # fmt: skip
SECOND = [("low", 4, 1.9, 60), ("placebo", 4, 2.3, 58), ("low", 13, 2.2, 55), ("placebo", 13, 2.4, 50)]


def trials(world: World) -> World:
    world.study("a", "low=drug", "high=drug", "placebo", n=90)
    world.study("b", "low=drug", "placebo", year=2002, n=90)
    for study, rows in (("a", FIRST), ("b", SECOND)):
        for arm, week, sd, n in rows:
            world.mean(study, arm, 5.0 if arm == "placebo" else 4.0, sd, n=n, week=week)
    return world


def test_comparisons_that_share_an_arm_pool_as_the_model_of_trials_does(world: World) -> None:
    """A trial's combination holds all that its comparisons say: REML is the multivariate model of them; one by hand."""
    table = trials(world).compare(week=4, window=(2, 8), multi_arm="each")
    assert len(table) == 3
    with pytest.raises(vf.InputError, match="share patients"):
        fit.pool(table, {})
    joined = table.one_each()
    V = table.covariance()
    at = [i for i, e in enumerate(table) if e.study_id == "a"]
    W = np.linalg.inv(V[np.ix_(at, at)])
    mine = next(e for e in joined if e.study_id == "a")
    assert mine.v == pytest.approx(1 / W.sum(), rel=1e-12)
    assert mine.y == pytest.approx((W.sum(axis=0) @ table.y[at]) / W.sum(), rel=1e-12)
    assert (mine.n, mine.arms) == ((75, 42), ("low+high", "placebo")) or mine.arms[0] == "high+low"
    whole = vf.multivariate(table, random="1 | study_id")
    for method in params.choices(params.Method):
        for test in params.choices(params.Test):
            if method not in ("GENQ", "GENQM", "DL-MH"):
                pooled = fit.pool(joined, {"method": method, "test": test})
                assert np.isfinite(pooled.interval).all()
    plain = fit.pool(joined, {"method": "REML", "test": "Wald"})
    np.testing.assert_allclose([plain.estimate, plain.se], [whole.estimate[0], whole.se[0]], rtol=1e-6)


def test_shared_arms_and_times_as_vcalc_has_them(world: World) -> None:
    """By metafor 3.8-1: ``vcalc(vi, cluster=trial, grp1=, w1=n1/sd1^2, grp2=, w2=n2/sd2^2, time1=week, phi=0.95)``."""
    expected = np.array([
        [0.1771428571428572, 0.0771428571428572, 0.1239559696472805, 0.0560606333141315, 0, 0],
        [0.0771428571428572, 0.2417142857142857, 0.0560606333141315, 0.1717799992037856, 0, 0],
        [0.1239559696472805, 0.0560606333141315, 0.2186167341430499, 0.1025641025641026, 0, 0],
        [0.0560606333141315, 0.1717799992037856, 0.1025641025641026, 0.3074125874125874, 0, 0],
        [0, 0, 0, 0, 0.151373563218391, 0.110462734338984],
        [0, 0, 0, 0, 0.110462734338984, 0.203200000000000],
    ])  # fmt: skip
    table = trials(world).compare(weeks=WEEKS, multi_arm="each")
    order = [(e.study_id, e.target_week, e.arms[0]) for e in table]
    theirs = [("a", 4, "low"), ("a", 4, "high"), ("a", 13, "low"), ("a", 13, "high"), ("b", 4, "low"), ("b", 13, "low")]
    at = [order.index(x) for x in theirs]
    np.testing.assert_allclose(table.covariance(phi=0.95)[np.ix_(at, at)], expected, rtol=1e-12, atol=1e-15)


def test_outcomes_as_vcalc_has_them(world: World) -> None:
    """By metafor 3.8-1: the same with ``type=outcome, rho=0.6``, at one time, the other outcome with twice the variances."""
    expected = np.array([
        [0.1771428571428572, 0.0771428571428572, 0.1503106986293690, 0.0654578848869833],
        [0.0771428571428572, 0.2417142857142857, 0.0654578848869833, 0.2051013726458809],
        [0.1503106986293690, 0.0654578848869833, 0.3542857142857143, 0.1542857142857143],
        [0.0654578848869833, 0.2051013726458809, 0.1542857142857143, 0.4834285714285714],
    ])  # fmt: skip
    world.study("a", "low=drug", "high=drug", "placebo")
    for arm, week, sd, n in FIRST[:3]:
        for outcome, times in (("pain", 1.0), ("ache", math.sqrt(2))):
            world.mean("a", arm, 5.0 if arm == "placebo" else 4.0, sd * times, n=n, week=week, outcome_id=outcome)
    pain, ache = (world.compare(outcome=o, multi_arm="each") for o in ("pain", "ache"))
    table = pain.joined(ache)
    assert list(table.frame.outcome) == ["pain", "pain", "ache", "ache"]
    at = [[e.arms[0] for e in pain].index("low"), [e.arms[0] for e in pain].index("high")]
    at += [i + 2 for i in at]
    np.testing.assert_allclose(table.covariance(rho=0.6)[np.ix_(at, at)], expected, rtol=1e-12)
    np.testing.assert_array_equal(table.covariance(rho={("ache", "pain"): 0.6}), table.covariance(rho=0.6))
    with pytest.raises(vf.InputError, match="give rho"):
        table.covariance()
    with pytest.raises(vf.InputError, match="'mood', which is no outcome"):
        table.covariance(rho={("pain", "mood"): 0.6})


@pytest.mark.parametrize("zero", [False, True])
@pytest.mark.parametrize("measure", ["RR", "OR", "RD"])
def test_counts_with_one_control_arm(world: World, measure: str, zero: bool) -> None:
    """Gleser & Olkin 2009: the covariance is the variance of what the control arm has."""
    low = 0 if zero else 4
    counts = {"low": (low, 20), "high": (3, 25), "placebo": (12, 40)}
    world.study("a", "low=drug", "high=drug", "placebo")
    for arm, (events, total) in counts.items():
        world.events("a", arm, events, total)
    table = world.compare(outcome="fracture", measure=measure, multi_arm="each")

    def control(add: float) -> float:
        c, d = 12 + add, 28 + add
        return {"RR": 1 / c - 1 / (c + d), "OR": 1 / c + 1 / d, "RD": c * d / (c + d) ** 3}[measure]

    shared = math.sqrt(control(0.0) * control(0.5 if zero else 0.0))
    assert table.vcov is not None
    assert table.vcov[0, 1] == pytest.approx(shared, rel=1e-12)
    assert table.vcov == pytest.approx(table.covariance())
    assert any("Gleser" in note for note in table.notes)
    for e in table:
        assert sum(x for x in e.arm_variances if x is not None) == pytest.approx(e.v)
    with pytest.raises(vf.InputError, match="share patients"):
        vf.random_effects(table)


def test_standardised_differences_by_simulation(world: World) -> None:
    """Each with the SD of its own two arms."""
    sizes, means = {"low": 60, "high": 40, "placebo": 50}, {"low": 4.0, "high": 3.0, "placebo": 5.0}
    world.study("a", "low=drug", "high=drug", "placebo", n=90)
    for arm, n in sizes.items():
        world.mean("a", arm, means[arm], 1.0, n=n)
    table = world.compare(measure="SMD", multi_arm="each")
    rng = np.random.default_rng(8)
    reps = 60_000
    arms = {a: (rng.normal(means[a], 1 / math.sqrt(n), reps), np.sqrt(rng.chisquare(n - 1, reps) / (n - 1)), n)
            for a, n in sizes.items()}  # fmt: skip
    drawn = np.cov([standardised_mean_difference(*arms[a], *arms["placebo"])[0] for a in ("high", "low")])
    assert [e.arms[0] for e in table] == ["high", "low"]
    assert table.vcov is not None
    assert table.vcov[0, 1] == pytest.approx(drawn[0, 1], rel=0.03)
    assert np.diag(table.vcov) == pytest.approx(np.diag(drawn), rel=0.03)
    # without what the SDs share it would be off by more than that
    assert 1 / sizes["placebo"] < 0.9 * drawn[0, 1]


def test_the_same_arms_at_the_same_correlation_are_one_effect(world: World) -> None:
    """With phi = 1 and equal spreads later weeks add nothing: the correlation is 1."""
    world.study("a", "drug", "placebo")
    for week in WEEKS:
        world.mean("a", "drug", 4, 2, n=30, week=week)
        world.mean("a", "placebo", 5, 2, n=25, week=week)
    for measure in ("MD", "SMD"):
        table = world.compare(measure=measure, weeks=WEEKS)
        assert table.covariance(phi=1.0) == pytest.approx(np.full((2, 2), table.v[0]))
        assert table.covariance(phi=0.0) == pytest.approx(np.diag(table.v))


def test_several_weeks_are_one_table(world: World) -> None:
    trials(world)
    table = world.compare(weeks=WEEKS, **SCALED)
    singles = {w: world.compare(week=w, window=window, **SCALED) for w, window in WEEKS.items()}
    for w, one in singles.items():
        part = table.at(w)
        assert part.y.tolist() == one.y.tolist()
        assert part.v.tolist() == one.v.tolist()
        assert part.vcov is None
        assert vf.random_effects(part).estimate == vf.random_effects(one).estimate
    assert table.weeks == (4, 13)
    assert list(table.frame.target_week) == [4, 13, 4, 13]
    assert "week 13" in str(table)
    with pytest.raises(vf.InputError, match="stands more than once"):
        vf.random_effects(table)
    with pytest.raises(vf.InputError, match="nothing says how"):
        vf.multivariate(table, random="1 | study_id")
    with pytest.raises(vf.InputError, match="week 4 and A 2001, week 13 share patients; give phi"):
        table.correlated()
    with pytest.raises(vf.InputError, match="target weeks of this table are: 4, 13"):
        table.at(52)
    told = table.correlated(phi=0.95)
    assert told.vcov is not None
    assert any("0.95" in note for note in told.notes)
    fewer = told.without("a")
    np.testing.assert_array_equal(fewer.vcov, told.vcov[2:, 2:])
    fit = vf.multivariate(told, formula="~ 0 + C(target_week)")
    weights = np.linalg.inv(told.vcov)
    x = np.array([[1, 0], [0, 1], [1, 0], [0, 1]])
    np.testing.assert_allclose(fit.estimate, np.linalg.solve(x.T @ weights @ x, x.T @ weights @ told.y), rtol=1e-10)


def test_che_takes_the_covariance_of_the_table(world: World) -> None:
    trials(world)
    world.study("c", "drug", "placebo", year=2003)
    for week, mean in ((4, 3.0), (13, 2.0)):
        world.mean("c", "drug", mean, 2, n=30, week=week)
        world.mean("c", "placebo", 5, 2, n=25, week=week)
    table = world.compare(weeks=WEEKS, **SCALED).correlated(phi=0.9)
    fit = vf.che(table, cluster="study_id")
    assert fit.model is not None
    by_hand = vf.robust(
        vf.multivariate(
            y=table.y, V=table.vcov, data=table.frame.assign(effect=range(6)), random="1 | study_id/effect",
        ),
        "study_id",
    )  # fmt: skip
    np.testing.assert_allclose(fit.se, by_hand.se, rtol=1e-8)
    assert not np.allclose(vf.che(table, cluster="study_id", rho=0.1).se, fit.se, rtol=1e-6)


def test_a_study_of_no_week_says_why_at_each(world: World) -> None:
    trials(world)
    world.study("late", "drug", "placebo")
    world.contrast("late", "drug", "placebo", -1, -2, 0, week=52)
    world.study("silent", "drug", "placebo")
    table = world.compare(weeks=WEEKS, **SCALED)
    reasons = {x.study_id: x.reason for x in table.left_out}
    assert reasons["late"].startswith("week 4: no reading between week 2 and 8")
    assert "; week 13: no reading" in reasons["late"]
    assert reasons["silent"] == "it prints no figure for this outcome"


def test_what_is_not_known_of_the_arms_is_shared_out_and_said(world: World) -> None:
    world.study("a", "low=drug", "high=drug", "placebo", n=30)
    world.contrast("a", "low", "placebo", -1, se=0.4)
    world.contrast("a", "high", "placebo", -2, se=0.6)
    table = world.compare(multi_arm="each")
    assert table.vcov is not None
    assert table.vcov[0, 1] == pytest.approx(0.5 * 0.4 * 0.6)
    assert any("shared out by their sizes" in note for note in table.notes)


def test_a_split_control_arm_is_shared_by_nobody(world: World) -> None:
    trials(world)
    table = world.compare(week=4, window=(2, 8), multi_arm="split", **SCALED)
    assert table.vcov is None
    assert table.covariance() == pytest.approx(np.diag(table.v))
    vf.random_effects(table)


def test_an_arm_on_both_sides_correlates_negatively() -> None:
    rows = [
        Effect(study_id="a", label="a", y=0.0, v=3.0, arms=("x", "y"), arm_variances=(1.0, 2.0)),
        Effect(study_id="a", label="a", y=0.0, v=6.0, arms=("y", "z"), arm_variances=(2.0, 4.0)),
    ]
    table = EffectTable.of(vf.Question(measure="MD"), tuple(rows))
    assert table.vcov == pytest.approx(np.array([[3.0, -2.0], [-2.0, 6.0]]))


def test_v_is_positive_definite() -> None:
    rng = np.random.default_rng(5)
    for _ in range(30):
        rows = []
        for arm in ("a", "b", "c"):
            for week in (1.0, 6.0, 30.0):
                for outcome in ("pain", "ache"):
                    one, two = rng.uniform(0.1, 2, 2)
                    y = float(rng.normal())
                    rows.append(Effect(study_id="s", label="s", y=y, v=one + two, arms=(arm, "z"), week=week, outcome=outcome,
                                       arm_variances=(one, two)))  # fmt: skip
        V = EffectTable(vf.Question(measure="MD"), tuple(rows)).covariance(phi=float(rng.uniform(0.3, 0.99)), rho=0.6)
        assert np.linalg.eigvalsh(V)[0] > 0


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"weeks": {4: (2, 10), 13: (10, 16)}}, "windows of week 4 and 13 overlap"),
        ({"weeks": {4: (2, 8)}, "week": 4}, "Give weeks= or week="),
        ({"weeks": {}}, "weeks is a mapping"),
        ({"weeks": {4: 8}}, "window of week 4 is a pair"),
        ({"weeks": {4: (5, 8)}}, "target week 4 must lie inside"),
    ],
)
def test_weeks_that_cannot_be(world: World, options: dict, said: str) -> None:
    trials(world)
    with pytest.raises(vf.InputError, match=said):
        world.compare(**options, **SCALED)


def test_correlations_out_of_range_and_arms_without_a_name(world: World) -> None:
    table = trials(world).compare(weeks=WEEKS, **SCALED)
    with pytest.raises(vf.InputError, match=r"phi=1\.2 is a correlation"):
        table.covariance(phi=1.2)
    rows = tuple(Effect(study_id="a", label="a", y=float(i), v=1.0) for i in range(2))
    with pytest.raises(vf.InputError, match="arms the table does not name"):
        EffectTable(vf.Question(measure="MD"), rows).covariance(phi=0.5)
    with pytest.raises(vf.InputError, match="different measures"):
        table.joined(EffectTable(vf.Question(measure="RR"), rows))

"""Networks: held against the pairwise pool, whole matrices written out here, published answers and each other."""

from __future__ import annotations

import json
import math
import pickle
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from tests.reference_runner.common import run

import vfmeta as vf

FOLDER = Path(__file__).parent / "reference"
CASES = [
    {"family": "network", **c} for c in json.loads((FOLDER / "network.json").read_text(encoding="utf-8"))["cases"]
] + json.loads((FOLDER / "netmeta.json").read_text(encoding="utf-8"))
ARMS = pd.DataFrame({
    "study": ["a", "a", "b", "b", "c", "c", "c", "d", "d", "e", "e", "e", "e", "f", "f"],
    "treatment": ["drug", "sham", "brace", "sham", "drug", "brace", "sham", "gym", "sham", "gym", "drug", "brace", "sham",
                  "gym", "brace"],
    "mean": [3.1, 4.0, 3.6, 4.2, 2.9, 3.4, 3.9, 3.3, 4.4, 3.0, 3.5, 3.1, 4.6, 2.5, 3.6],
    "sd": [1.1, 1.2, 1.0, 1.3, 1.2, 1.1, 1.2, 1.4, 1.0, 1.3, 1.2, 1.1, 1.0, 1.6, 1.5],
    "n": [40, 42, 50, 48, 30, 31, 29, 55, 52, 33, 31, 36, 30, 44, 41],
})  # fmt: skip


def contrasts_of(arms: pd.DataFrame) -> pd.DataFrame:
    """Every contrast of every trial, as a paper would print them."""
    rows = []
    for study, own in arms.groupby("study", sort=False):
        v = own.sd**2 / own.n
        for i, j in combinations(own.index, 2):
            rows.append((study, own.treatment[i], own.treatment[j], own["mean"][i] - own["mean"][j], math.sqrt(v[i] + v[j])))
    return pd.DataFrame(rows, columns=["study", "treat1", "treat2", "y", "se"])


def whole(arms: pd.DataFrame, reference: str, tau2: float) -> tuple[np.ndarray, np.ndarray, float]:
    """Effects, covariance and restricted log likelihood by whole matrices, trials parted by their first arm."""
    names = sorted(set(arms.treatment) - {reference})
    ys, rows, blocks = [], [], []
    for _, own in arms.groupby("study", sort=False):
        v, m, t = (own.sd**2 / own.n).to_numpy(), own["mean"].to_numpy(), own.treatment.tolist()
        k = len(t) - 1
        blocks.append(np.diag(v[1:]) + v[0] + tau2 * (np.eye(k) + 1) / 2)
        ys += (m[1:] - m[0]).tolist()
        rows += [[(n == x) - (n == t[0]) for n in names] for x in t[1:]]
    y, x = np.array(ys), np.array(rows, dtype=float)
    V = np.zeros((len(y), len(y)))
    at = 0
    for block in blocks:
        V[at : at + len(block), at : at + len(block)] = block
        at += len(block)
    w = np.linalg.inv(V)
    cov = np.linalg.inv(x.T @ w @ x)
    b = cov @ x.T @ w @ y
    r = y - x @ b
    return b, cov, -0.5 * float(np.linalg.slogdet(V)[1] - np.linalg.slogdet(cov)[1] + r @ w @ r)


@pytest.mark.parametrize("case", CASES, ids=lambda c: c["id"])
def test_reference(case: dict[str, Any]) -> None:
    found = run(case)
    assert found.group in ("right", "explained", "not offered"), found.note or [c for c in found.compared if not c.right][:5]
    assert (found.group == "not offered") == (case["id"] == "netmetabin.smoking.NCH")


def test_reml_is_the_maximum_of_the_exact_likelihood() -> None:
    net = vf.network(ARMS, reference="sham", test="Wald")
    b, cov, top = whole(ARMS, "sham", net.tau2)
    assert net.terms == ("brace", "drug", "gym")
    np.testing.assert_allclose(net.estimate, b, rtol=1e-10)
    np.testing.assert_allclose(net.se, np.sqrt(np.diag(cov)), rtol=1e-10)
    assert all(whole(ARMS, "sham", t)[2] <= top + 1e-12 for t in (0.0, *(net.tau2 * f for f in (0.5, 0.9, 0.99, 1.01, 1.1, 2))))


@pytest.mark.parametrize("method", ["REML", "ML", "DL", "PM", "EB", "common"])
@pytest.mark.parametrize("test", ["Wald", "HKSJ", "t"])
def test_two_treatments_are_the_pool(method: str, test: str) -> None:
    y, se = [-0.5, -0.3, -0.9, 0.1, -0.4], [0.2, 0.15, 0.3, 0.2, 0.1]
    pool = vf.common_effect(y=y, se=se) if method == "common" else vf.random_effects(y=y, se=se, method=method, test=test)
    net = vf.network(
        y=y, se=se, treat1=["drug"] * 5, treat2=["sham"] * 5, study=list("abcde"), reference="sham", method=method,
        test="Wald" if method == "common" else test,
    )  # fmt: skip
    assert net.estimate[0] == pytest.approx(pool.estimate, rel=1e-10)
    assert net.se[0] == pytest.approx(pool.se, rel=1e-9)
    np.testing.assert_allclose(net.interval[0], pool.interval, rtol=1e-9)
    assert net.q.statistic == pytest.approx(pool.q.statistic, rel=1e-10)
    post = vf.networks.posterior(net, tau=vf.priors.HalfNormal(0.5))
    pair = vf.bayes.random_effects(y=y, se=se, tau=vf.priors.HalfNormal(0.5), mu=vf.priors.Flat())
    assert post.estimate[0] == pytest.approx(pair.estimate, rel=1e-7)
    np.testing.assert_allclose(post.interval[0], pair.interval, rtol=1e-6)


@pytest.mark.parametrize("seed", range(6))
def test_order_names_and_reference_change_nothing(seed: int) -> None:
    rng = np.random.default_rng(seed)
    names = dict(zip(["drug", "brace", "gym", "sham"], rng.permutation(["zeta", "alpha", "mid", "last"]), strict=True))
    other = ARMS.sample(frac=1, random_state=seed).assign(treatment=lambda f: f.treatment.map(names))
    reference = str(rng.choice(list(names)))
    one, two = vf.network(ARMS, reference="sham"), vf.network(other, reference=names[reference])
    assert two.tau2 == pytest.approx(one.tau2, rel=1e-7)
    pairs = {(names[a], names[b]): (e, s) for a, b, e, s in _told(one)}
    for a, b, e, s in _told(two):
        sign = 1 if (a, b) in pairs else -1
        want = pairs[(a, b) if sign == 1 else (b, a)]
        assert (sign * e, s) == pytest.approx(want, rel=1e-6, abs=1e-9)
    apart = one.coherence(), two.coherence()
    assert [t.statistic for t in apart[0]] == pytest.approx([t.statistic for t in apart[1]], rel=1e-8)


def _told(net: Any) -> list[tuple[str, str, float, float]]:
    frame = net.comparisons()
    return list(zip(frame.treatment, frame.control, frame.estimate, frame.se, strict=True))


def test_contrasts_with_their_errors_are_as_good_as_arms() -> None:
    arms, contrasts = vf.network(ARMS, reference="sham"), vf.network(contrasts_of(ARMS), reference="sham")
    np.testing.assert_allclose(arms.estimate, contrasts.estimate, rtol=1e-8)
    np.testing.assert_allclose(arms.vb, contrasts.vb, rtol=1e-7)
    assert len(arms.studies) == len(ARMS) - ARMS.study.nunique()


def test_comparisons_are_consistent() -> None:
    frame = vf.network(ARMS, reference="sham").comparisons().set_index(["treatment", "control"])
    d = frame.estimate
    assert d["brace", "sham"] - d["drug", "sham"] == pytest.approx(d["brace", "drug"], rel=1e-12)
    assert frame.trials["brace", "sham"] == 3
    ratios = vf.network(_counts(), reference="sham").comparisons(on="read")
    assert (ratios.scale == "OR").all()
    assert (ratios.ci_low > 0).all()


def test_effects_of_treatments_are_read_as_effects() -> None:
    """One scale in a row: effects against the reference are odds ratios, and no error of their logs stands beside them."""
    net = vf.network(_counts(), reference="sham", question=vf.Question(measure="OR", higher_is_worse=True))
    post = vf.networks.posterior(net, tau=vf.priors.HalfNormal(0.5))
    for found in (net, post):
        assert "ratio of OR" not in str(found)
        np.testing.assert_allclose(found.to_frame(on="read").estimate, np.exp(found.estimate))
    assert "network" in str(post).splitlines()[0]
    log, read = (vf.networks.split_sides(net, on=on) for on in ("analysis", "read"))
    np.testing.assert_allclose(read.direct, np.exp(log.direct))
    for name in ("difference", "difference_low", "difference_high"):
        np.testing.assert_allclose(read[name], np.exp(log[name]))
    assert read.direct_se.isna().all()
    inside = (log.difference_low < log.difference) & (log.difference < log.difference_high)
    assert inside.all()


@pytest.mark.parametrize("test", ["HKSJ", "t"])
def test_scores_hang_on_no_test(test: str) -> None:
    wald, other = (vf.network(ARMS, reference="sham", test=t).p_scores("low") for t in ("Wald", test))
    pd.testing.assert_series_equal(wald, other)


def _counts() -> pd.DataFrame:
    return pd.DataFrame({
        "study": ["a", "a", "b", "b", "c", "c", "c", "d", "d", "e", "e"],
        "treatment": ["drug", "sham", "brace", "sham", "drug", "brace", "sham", "drug", "sham", "brace", "sham"],
        "events": [3, 9, 0, 5, 4, 6, 8, 0, 0, 7, 11], "n": [50, 50, 40, 40, 30, 30, 30, 25, 25, 60, 61],
    })  # fmt: skip


def test_zero_cells_and_trials_without_events_follow_the_named_rules() -> None:
    with pytest.warns(vf.VfmetaWarning):
        net = vf.network(_counts(), reference="sham")
    assert [x.study_id for x in net.left_out] == ["d"]
    assert "no event" in net.left_out[0].reason
    assert any("0.5" in w and "b" in w for w in net.warnings)
    first = net.network.trials[1]
    assert first.label == "b"
    assert first.y[0] == pytest.approx(math.log(5.5 / 35.5) - math.log(0.5 / 40.5))


def test_a_split_is_two_fits_where_no_trial_has_more_arms() -> None:
    frame = contrasts_of(ARMS[ARMS.study.isin(["a", "b", "d", "f"])])
    direct = vf.network(frame, reference="sham", method="common", test="Wald")
    found = vf.networks.split_sides(direct)
    of = frame[(frame.treat1 == "gym") & (frame.treat2 == "sham")]
    row = found[(found.treatment == "gym") & (found.control == "sham")].iloc[0]
    assert row.direct == pytest.approx(of.y.iloc[0])
    rest = vf.network(frame.drop(of.index), reference="sham", method="common", test="Wald")
    assert row.indirect == pytest.approx(rest.estimate[rest.terms.index("gym")], rel=1e-9)
    assert row.difference == pytest.approx(row.direct - row.indirect, rel=1e-9)
    pairs = set(zip(found.treatment, found.control, strict=True))
    assert ("drug", "sham") not in pairs  # nothing else says anything of it


def test_a_comparison_inside_one_trial_only_is_never_split() -> None:
    frame = ARMS[ARMS.study.isin(["a", "b", "e"])]
    net = vf.network(frame, reference="sham", method="common", test="Wald")
    found = vf.networks.split_sides(net)
    assert {frozenset(p) for p in zip(found.treatment, found.control, strict=True)} <= {
        frozenset(("drug", "sham")), frozenset(("brace", "sham"))
    }  # fmt: skip


def test_ranks_of_exact_posterior() -> None:
    post = vf.networks.posterior(vf.network(ARMS, reference="sham"), tau=vf.priors.HalfNormal(0.5))
    ranks = post.ranks("low", draws=40_000)
    shares = ranks[["1", "2", "3", "4"]].to_numpy()
    np.testing.assert_allclose(shares.sum(axis=0), 1)
    np.testing.assert_allclose(shares.sum(axis=1), 1)
    np.testing.assert_allclose(shares @ [1, 2, 3, 4], ranks.mean_rank, atol=0.03)  # four errors of the draws
    assert ranks.sucra.mean() == pytest.approx(0.5)
    np.testing.assert_allclose(post.ranks("high", draws=10).sucra, 1 - ranks.sucra, atol=1e-9)
    assert vf.network(ARMS, reference="sham").p_scores("low").mean() == pytest.approx(0.5)


def test_answers_go_to_json_and_back() -> None:
    net = vf.network(ARMS, reference="sham")
    again = vf.read_result(net.to_json())
    assert again == net
    assert again.league().equals(net.league())
    assert pickle.loads(pickle.dumps(net)) == net
    post = vf.networks.posterior(net, tau=vf.priors.HalfNormal(0.5))
    assert vf.read_result(post.to_json()).comparisons().shape == post.comparisons().shape


def test_without_a_degree_of_freedom_tau2_is_not_estimable() -> None:
    with pytest.warns(vf.VfmetaWarning, match="not estimable"):
        net = vf.network(ARMS[ARMS.study == "c"], reference="sham")
    assert math.isnan(net.tau2)
    assert "not estimable" in str(net)
    assert net.se[0] == pytest.approx(math.sqrt(1.1**2 / 31 + 1.2**2 / 29))
    assert vf.read_result(net.to_json()) == net


BROKEN = {
    "two parts": (
        {"study": list("ab"), "treat1": list("AC"), "treat2": list("BD"), "y": [1.0, 2], "se": [0.1, 0.1]},
        "A, B; C, D",
    ),
    "a loop that does not close": (
        {"study": ["Kay"] * 3, "treat1": list("BCC"), "treat2": list("AAB"), "y": [0.1, 0.9, 0.2], "se": [0.2] * 3},
        "Kay: its contrasts contradict",
    ),
    "a missing contrast": (
        {"study": ["Kay"] * 2, "treat1": list("BC"), "treat2": list("AA"), "y": [0.1, 0.3], "se": [0.2] * 2},
        "Kay.*C with B|Kay.*missing",
    ),
    "impossible errors": (
        {"study": ["Kay"] * 3, "treat1": list("BCC"), "treat2": list("AAB"), "y": [0.1, 0.3, 0.2], "se": [0.1, 0.1, 0.9]},
        "Kay.*positive definite",
    ),
    "a treatment with itself": (
        {"study": ["Kay"], "treat1": ["A"], "treat2": ["A"], "y": [0.1], "se": [0.2]},
        "A with itself",
    ),
    "an empty treatment": (
        {"study": list("ab"), "treat1": ["B", ""], "treat2": ["A", "A"], "y": [0.1, 0.2], "se": [0.2, 0.2]},
        "row 2, column treat1",
    ),
    "no error": (
        {"study": ["a"], "treat1": ["B"], "treat2": ["A"], "y": [0.1], "se": [0.0]},
        "greater than 0",
    ),
    "one arm": (
        {"study": ["Kay"], "treatment": ["A"], "mean": [1.0], "sd": [1.0], "n": [10]},
        "Kay.*alone",
    ),
    "an arm twice": (
        {"study": ["Kay"] * 2, "treatment": ["A", "A"], "mean": [1.0, 2], "sd": [1.0, 1], "n": [10, 10]},
        "Kay: several arms of A",
    ),
    "a missing cell": (
        {"study": ["Kay"] * 2, "treatment": ["A", "B"], "mean": [1.0, None], "sd": [1.0, 1], "n": [10, 10]},
        "row 2 .Kay., column mean",
    ),
    "both kinds": (
        {"study": ["a"], "treat1": ["B"], "treat2": ["A"], "y": [0.1], "se": [0.1]},
        "not both",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_cannot_be_is_refused_by_name(name: str) -> None:
    data, said = BROKEN[name]
    more = {"mean": [1.0]} if name == "both kinds" else {}
    with pytest.raises(vf.InputError, match=f"(?s){said}"):
        vf.network(data, **more)


def test_rounded_contrasts_are_brought_together_and_it_is_said() -> None:
    frame = contrasts_of(ARMS)
    with pytest.warns(vf.VfmetaWarning, match="rounding"):
        rough = vf.network(frame.assign(y=frame.y + np.where(frame.index % 3 == 0, 0.005, 0.0)), reference="sham")
    np.testing.assert_allclose(rough.estimate, vf.network(frame, reference="sham").estimate, atol=0.01)


def test_a_direction_is_asked_for() -> None:
    with pytest.raises(vf.InputError, match="better"):
        vf.network(ARMS, reference="sham").p_scores()


def test_contrasts_with_one_arm_and_its_standard_error_are_the_trial() -> None:
    """What they share is the variance of that arm, whichever way round each contrast is printed."""
    of = contrasts_of(ARMS)
    base = {s: own.iloc[-1] for s, own in ARMS.groupby("study")}
    rows = []
    for row in of.itertuples(index=False):
        arm = base[row.study]
        if len(ARMS[ARMS.study == row.study]) > 2:
            if arm.treatment not in (row.treat1, row.treat2):
                continue
            rows.append((*row, arm.sd / math.sqrt(arm.n)))
        else:
            rows.append((*row, math.nan))
    few = pd.DataFrame(rows, columns=[*of.columns, "se_base"])
    few.loc[0, ["treat1", "treat2", "y"]] = few.loc[0, "treat2"], few.loc[0, "treat1"], -few.loc[0, "y"]
    want, got = vf.network(ARMS, reference="sham"), vf.network(few, reference="sham")
    np.testing.assert_allclose(got.estimate, want.estimate, rtol=1e-10)
    np.testing.assert_allclose(got.se, want.se, rtol=1e-10)
    assert got.tau2 == pytest.approx(want.tau2, rel=1e-7)
    wrong = few.assign(se_base=few.se_base * 10)
    with pytest.raises(vf.InputError, match="c: se_base is not below every standard error"):
        vf.network(wrong)
    with pytest.raises(vf.InputError, match=r"c has 3 arms.*se_base="):
        vf.network(few.drop(columns="se_base"))


COUNTS = pd.DataFrame({
    "study": list("aabbccdd"), "treatment": ["drug", "sham"] * 4, "events": [1, 5, 0, 3, 2, 2, 0, 0],
    "n": [50, 52, 40, 41, 100, 98, 30, 31],
})  # fmt: skip


def test_mantel_haenszel_of_two_treatments_is_the_pairwise_pool() -> None:
    wide = COUNTS.set_index(["study", "treatment"]).unstack()
    with pytest.warns(vf.VfmetaWarning, match=r"d \(no event in any arm\)"):
        net = vf.networks.mantel_haenszel(COUNTS, reference="sham")
    pair = vf.mantel_haenszel(
        "OR", events1=wide.events.drug, n1=wide.n.drug, events2=wide.events.sham, n2=wide.n.sham, study=list("abcd")
    )
    assert net.estimate[0] == pytest.approx(pair.estimate, rel=1e-12)
    assert net.se[0] == pytest.approx(pair.se, rel=1e-12)
    assert net.comparisons()["trials"].tolist() == [3]
    assert str(net).startswith("Network of 2 treatments in 3 trials")
    assert [x.label for x in net.left_out] == ["d"]
    assert vf.read_result(net.to_json()) == net
    with pytest.raises(vf.InputError, match="nothing of the heterogeneity"):
        vf.networks.posterior(net)


def test_covariance_of_a_pooled_design_is_that_of_many_draws() -> None:
    """Three arms, one odds ratio each against the first, 20,000 sets of four trials."""
    from vfmeta.networks.mantel_haenszel import pooled_design

    rng = np.random.default_rng(3)
    n = np.array([[150, 120, 160], [220, 210, 180], [130, 140, 150], [190, 200, 230]])
    log_odds = np.array([-1.2, -1.6, -0.8, -1.4])[:, None] + np.array([0.0, -0.5, 0.4])
    events = rng.binomial(n, 1 / (1 + np.exp(-log_odds)), (20_000, 4, 3))
    found = [pooled_design(e.astype(float), (n - e).astype(float)) for e in events]
    effects, covariances = (np.array([x[i] for x in found if x is not None]) for i in (0, 1))
    np.testing.assert_allclose(effects.mean(0), [-0.5, 0.4], atol=0.02)
    np.testing.assert_allclose(np.cov(effects.T), covariances.mean(0), rtol=0.04)


@pytest.mark.parametrize(("fault", "said"), [
    ({"events": [1, 5, 0, 3, 2, 2, 0, 40]}, "row 8"), ({"treatment": ["drug"] * 8}, "several arms of drug"),
])  # fmt: skip
def test_faulty_counts_of_a_network_are_named(fault: dict[str, Any], said: str) -> None:
    with pytest.raises(vf.InputError, match=said):
        vf.networks.mantel_haenszel(COUNTS.assign(**fault))


ALL_FIGURES = pd.DataFrame({
    "study": list("aabb"), "treatment": ["x", "s", "x", "s"], "mean": [1.0, 2.0, 1.5, 2.5], "sd": [1.0] * 4, "time": [9.0] * 4,
    "events": [4, 8, 5, 9], "n": [40, 41, 50, 52],
})  # fmt: skip


@pytest.mark.parametrize(("measure", "columns"), [
    ("MD", ["mean", "sd", "n"]), ("OR", ["events", "n"]), ("IRR", ["events", "time"]),
])  # fmt: skip
@pytest.mark.filterwarnings("ignore::vfmeta.VfmetaWarning")
def test_a_network_reads_the_columns_of_its_measure_and_leaves_others_alone(measure: str, columns: list[str]) -> None:
    own = ALL_FIGURES[["study", "treatment", *columns]]
    assert vf.network(ALL_FIGURES, measure=measure) == vf.network(own, measure=measure)
    asked = vf.Question(measure=measure)
    assert vf.network(ALL_FIGURES, question=asked).estimate == pytest.approx(vf.network(own, question=asked).estimate)
    many = vf.network_many(ALL_FIGURES.assign(net=1), "net", measure=measure)
    assert many["estimate"].to_numpy() == pytest.approx(vf.network(own, measure=measure).estimate)


def test_a_network_does_not_guess_between_figures() -> None:
    with pytest.raises(vf.InputError, match=r"suit MD, ROM, OR, RR, RD, IRR, IRD; say which with measure="):
        vf.network(ALL_FIGURES)
    with pytest.raises(vf.InputError, match=r"suit OR, RR, RD, IRR, IRD; say which with measure="):
        vf.network(ALL_FIGURES, events="events")


def test_ranks_are_drawn_at_least_once() -> None:
    net = vf.network(ALL_FIGURES, measure="MD", method="common", test="Wald")
    with pytest.raises(vf.InputError, match="draws=0 must be a whole number of at least 1"):
        net.ranks("low", draws=0)


@pytest.mark.parametrize("better", ["best", pd.NA, 1, ["low"]])
def test_what_is_no_side_is_refused_in_words(better: object) -> None:
    net = vf.network(study=list("abc"), treat1=list("BCC"), treat2=list("AAB"), y=[-0.5, -0.8, -0.2], se=[0.2] * 3)
    with pytest.raises(vf.InputError, match="better="):
        net.p_scores(better)  # type: ignore[arg-type]


def test_variances_that_no_float_holds_are_refused_by_their_trial() -> None:
    arms = {"study": list("aabb"), "treatment": list("ABAB"), "mean": [1.0, 2.0, 1e-200, 1.0], "sd": [1.0] * 4, "n": [20] * 4}
    with pytest.raises(vf.InputError, match="b: effects or variances"):
        vf.network(arms, measure="ROM")


def _split_risks() -> vf.networks.NetworkResult:
    arms = {
        "study": list("1122334455"), "arm": list("PAPBABPAPB"), "e": [10, 8, 12, 3, 20, 8, 30, 16, 44, 15],
        "n": [50, 52, 60, 58, 90, 91, 100, 103, 120, 118],
    }  # fmt: skip
    return vf.network(arms, measure="OR", events="e", n="n", study="study", treatment="arm", reference="P", method="common")


def test_split_sides_are_read_as_ratios_and_so_is_what_parts_them() -> None:
    """The direct odds ratio of A against B is that of study 3, (20 / 70) / (8 / 83); the difference is direct over indirect."""
    read, plain = (vf.networks.split_sides(_split_risks(), on=on) for on in ("read", "analysis"))
    row = read[(read.treatment == "A") & (read.control == "B")].iloc[0]
    assert row.direct == pytest.approx((20 / 70) / (8 / 83))
    assert row.difference == pytest.approx(row.direct / row.indirect)
    assert read.difference_low.to_numpy() == pytest.approx(np.exp(plain.difference_low))
    assert read[["direct_se", "indirect_se", "difference_se"]].isna().all(axis=None)
    assert read.scale.unique().tolist() == ["OR"]


@pytest.mark.parametrize("verb", [vf.network, vf.networks.mantel_haenszel])
def test_a_network_knows_no_other_null(verb: Any) -> None:
    question = vf.Question(measure="OR", no_difference=1.2)
    arms = {"events": [3, 4], "n": [9, 9], "study": ["a", "a"], "treatment": ["x", "y"], "question": question}
    with pytest.raises(vf.InputError, match=r"no_difference=1\.2: every comparison .* 1 means no difference"):
        verb(**arms)


def test_names_of_arms_that_differ_in_space_are_named_and_numbers_are_no_texts() -> None:
    with pytest.warns(vf.VfmetaWarning, match=r"column treat2: 'P' and 'P ' differ only in the space"):
        net = vf.network(y=[0.1, 0.2], se=[0.1, 0.2], study=["1", "2"], treat1=["A", "B"], treat2=["P", "P "])
    assert net.treatments == ("A", "B", "P")
    with pytest.raises(vf.InputError, match="holds 1 as a number in one row and as a text in another"):
        vf.network(y=[0.1, 0.2], se=[0.1, 0.2], study=["1", "2"], treat1=["A", "B"], treat2=[1, "1"])

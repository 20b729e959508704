"""A multiverse against its single fits, and its counts, shares and changes against arithmetic done here."""

from __future__ import annotations

import math
import warnings
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

import vfmeta as vf

quiet = pytest.mark.filterwarnings("ignore::vfmeta.VfmetaWarning")
FRAME = pd.DataFrame({
    "trial": [f"t{i}" for i in range(13)], "e1": [4, 6, 3, 62, 33, 180, 8, 505, 29, 17, 186, 5, 27],
    "n1": [123, 306, 231, 13598, 5069, 1541, 2545, 88391, 7499, 1716, 50634, 2498, 16913],
    "e2": [11, 29, 11, 248, 47, 372, 10, 499, 45, 65, 141, 3, 29],
    "n2": [139, 303, 220, 12867, 5808, 1451, 629, 88391, 7277, 1665, 27338, 2341, 17854],
    "year": [1948, 1949, 1960, 1977, 1973, 1953, 1973, 1980, 1968, 1961, 1974, 1969, 1976],
    "alloc": list("rrrrasaarssss"),
})  # fmt: skip  # the BCG trials of Colditz et al. 1994, JAMA 271:698-702
COLUMNS = {"events1": "e1", "n1": "n1", "events2": "e2", "n2": "n2"}


def bcg(measure: str = "RR", frame: pd.DataFrame = FRAME, **more: Any) -> vf.EffectTable:
    return vf.effect_size(measure, data=frame, study="trial", **COLUMNS, **more)


RULES = {"recent": "year >= 1960", "not systematic": "alloc != 's'"}


@pytest.fixture(scope="module")
def whole() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", vf.VfmetaWarning)
        return vf.multiverse(bcg(), measures=["OR"], include=RULES, favoured="lower", adjustments=ADJUSTMENTS)


ADJUSTMENTS = ["none", "trim and fill", "PET-PEESE", "step"]


def single(row: pd.Series) -> Any:
    """The same specification by the verbs that make one answer."""
    table = bcg(row["measure"])
    keep = np.ones(13, dtype=bool)
    if row["recent"] == "applied":
        keep &= FRAME["year"].to_numpy() >= 1960
    if row["not systematic"] == "applied":
        keep &= FRAME["alloc"].to_numpy() != "s"
    keep &= FRAME["trial"].to_numpy() != row["left_out"]
    part = table.without(*FRAME["trial"][~keep])
    if row["adjustment"] == "PET-PEESE":
        return vf.appraisal.pet_peese(part, favoured="lower")
    if row["adjustment"] == "step":
        return vf.appraisal.selection_model(part, favoured="lower")
    if row["method"] == "default prior":
        return vf.bayes.random_effects(part)
    if row["adjustment"] == "trim and fill":
        return vf.appraisal.trim_and_fill(part, method=row["method"], test=row["test"])
    if row["method"] == "common":
        return vf.common_effect(part)
    return vf.random_effects(part, method=row["method"], test=row["test"])


@quiet
def test_each_specification_is_its_own_single_fit(whole: Any) -> None:
    frame = whole.to_frame()
    rng = np.random.default_rng(3)
    picked = [0, *rng.choice(len(frame), 60, replace=False)]
    for name in ("PET-PEESE", "step", "trim and fill"):
        picked += rng.choice(np.flatnonzero(frame["adjustment"] == name), 8, replace=False).tolist()
    picked += rng.choice(np.flatnonzero(frame["method"] == "default prior"), 8, replace=False).tolist()
    met = set()
    for i in picked:
        row = frame.iloc[i]
        one = single(row)
        met.add((row["adjustment"], row["method"]))
        close = {"rel": 1e-5, "abs": 1e-7}  # the maxima of two searches
        assert row["k"] == one.k
        assert row["estimate"] == pytest.approx(one.estimate, **close), row
        assert row["ci_low"] == pytest.approx(one.interval[0], **close), row
        assert row["ci_high"] == pytest.approx(one.interval[1], **close), row
        if row["test"] != "posterior":
            assert row["p_value"] == pytest.approx(one.p_value, **close), row
            assert row["statistic"] == pytest.approx(one.statistic, **close), row
    assert {a for a, _ in met} == set(ADJUSTMENTS)


def test_combinations_counted_by_hand(whole: Any) -> None:
    # 4 estimators x 3 tests, a common effect, a prior; the same 13 pools trimmed; PET-PEESE; a step model
    models = 4 * 3 + 1 + 1 + 13 + 1 + 1
    sets = 2 * 2 * 2 * 14  # two measures, two rules, each of 13 trials left out or none
    assert whole.asked == models * sets == whole.refused["specifications"].sum() + len(whole.to_frame())
    frame = whole.to_frame()
    assert not frame.duplicated(list(whole.options)).any()
    recent, random = int((FRAME["year"] >= 1960).sum()), int((FRAME["alloc"] != "s").sum())
    both = int(((FRAME["year"] >= 1960) & (FRAME["alloc"] != "s")).sum())
    every, some = "all studies", "applied"
    for one, other, n in ((every, every, 13), (some, every, recent), (every, some, random), (some, some, both)):
        part = frame[(frame["recent"] == one) & (frame["not systematic"] == other) & (frame["adjustment"] == "none")]
        assert len(part) == 2 * 14 * (n + 1)
        assert set(part["k"]) == {n, n - 1}
    lost = whole.refused
    strangers = lost[lost["reason"].str.startswith("the study left out is not among")]
    assert len(strangers) == 2 * ((13 - recent) + (13 - random) + (13 - both))
    assert set(strangers["specifications"]) == {models}


def test_below_ten_studies_no_adjustment_is_made_unless_named() -> None:
    nine = bcg().without("t0", "t1", "t2", "t3")
    found = vf.multiverse(nine, measures=[], favoured="lower")
    assert set(found.to_frame()["adjustment"]) == {"none"}
    reasons = found.refused
    assert set(reasons["adjustment"]) == {"trim and fill", "PET-PEESE", "step"}
    assert reasons["reason"].str.startswith("fewer than 10 studies").all()
    assert reasons["specifications"].sum() == 10 * (13 + 1 + 1)  # nine left out or none, and the pools that are trimmed
    eleven = vf.multiverse(bcg().without("t0", "t1", "t2"), measures=[], favoured="lower", leaving_out=False)
    assert set(eleven.to_frame()["adjustment"]) == {"none", "trim and fill", "PET-PEESE", "step"}


def test_what_repeats_an_earlier_set_is_refused_and_says_which() -> None:
    found = vf.multiverse(bcg(), measures=[], include={"all": "year > 1900"}, leaving_out=False, adjustments=["none"], taus=[])
    assert len(found.to_frame()) == 13
    assert found.refused["reason"].tolist() == ["the same effects as in an earlier set: every choice at its first option"]
    assert found.refused["specifications"].tolist() == [13]


@quiet
def test_zero_rules_are_those_of_effect_size() -> None:
    frame = FRAME.assign(e1=[0, *FRAME["e1"][1:]])
    found = vf.multiverse(
        bcg(frame=frame), measures=[], leaving_out=False, adjustments=["none"], methods=["DL"], tests=["Wald"], taus=[]
    ).to_frame()
    assert found["zero"].tolist() == ["as given", "all", "none"]  # "only0" is as given
    for _, row in found.iterrows():
        if row["zero"] == "none":
            own = bcg(frame=frame[1:])
        else:
            own = bcg(frame=frame, to={"as given": "only0"}.get(row["zero"], row["zero"]))
        assert row["estimate"] == pytest.approx(vf.random_effects(own, method="DL", test="Wald").estimate, rel=1e-12)


def test_several_tables_are_a_choice_and_measures_a_scale() -> None:
    rows = [0.3, 0.5, 0.1, 0.4, 0.9], [0.1, 0.2, 0.15, 0.1, 0.3]
    one = vf.effect_table(y=rows[0], se=rows[1], measure="SMD")
    two = vf.effect_table(
        y=[2 * x for x in rows[0]], se=[2 * x for x in rows[1]], question=vf.Question(measure="MD", points=(0, 10))
    )
    found = vf.multiverse(
        {"standardised": one, "points": two}, leaving_out=False, adjustments=["none"], methods=["REML"], tests=["Wald"]
    )
    frame = found.to_frame()
    assert frame[["table", "scale"]].drop_duplicates().to_numpy().tolist() == [["standardised", "SMD"], ["points", "MD"]]
    plain = frame[frame["method"] == "REML"]
    assert plain["estimate"].iloc[1] == pytest.approx(2 * plain["estimate"].iloc[0], rel=1e-6)
    assert found.refused["reason"].str.contains("cannot be made").all()  # of the other table's measure
    assert found.moves().set_index("choice").loc["measure", "scale"] == "z"


def test_changes_and_shares_are_those_of_the_frame(whole: Any) -> None:
    frame = whole.to_frame()
    own = frame[frame["measure"] == "RR"]
    moved = whole.moves().set_index(["choice", "option"])
    others = [c for c in whole.options if c != "recent"]
    pair = own[own["recent"] == "all studies"].merge(own[own["recent"] == "applied"], on=others)
    change = (pair["estimate_y"] - pair["estimate_x"]).to_numpy()
    row = moved.loc[("recent", "applied")]
    assert row["pairs"] == len(pair) > 100
    assert row["mean_change"] == pytest.approx(change.mean(), rel=1e-12)
    assert row["largest_change"] == pytest.approx(change[np.abs(change).argmax()], rel=1e-12)
    verdict = [((pair[f"ci_low_{s}"] > 0) | (pair[f"ci_high_{s}"] < 0)).to_numpy() for s in "xy"]
    assert row["verdicts"] == pytest.approx((verdict[0] != verdict[1]).mean())
    means = own.groupby("recent")["estimate"].transform("mean")
    centre = own["estimate"].mean()
    assert row["share"] == pytest.approx(((means - centre) ** 2).sum() / ((own["estimate"] - centre) ** 2).sum(), rel=1e-9)


@quiet
def test_an_adjustment_with_its_own_model_is_held_against_the_first_one(whole: Any) -> None:
    frame = whole.to_frame()
    own = frame[frame["measure"] == "RR"]
    first = own[(own["adjustment"] == "none") & (own["method"] == "REML") & (own["test"] == "HKSJ")]
    pair = first.merge(own[own["adjustment"] == "PET-PEESE"], on=["recent", "not systematic", "left_out"])
    row = whole.moves().set_index(["choice", "option"]).loc[("adjustment", "PET-PEESE")]
    assert row["pairs"] == len(pair)
    assert row["mean_change"] == pytest.approx((pair["estimate_y"] - pair["estimate_x"]).mean(), rel=1e-12)


def test_shares_of_a_balanced_table_add_up() -> None:
    """Two choices that only add: their shares are those of a two-way analysis of variance."""
    found = vf.multiverse(
        bcg(), measures=[], leaving_out=False, adjustments=["none"], methods=["REML", "DL"], tests=["Wald", "HKSJ"], taus=[]
    )
    shares = found.moves().groupby("choice")["share"].first()
    assert shares["method"] == pytest.approx(1)
    assert shares["test"] == pytest.approx(0, abs=1e-12)


@quiet
def test_a_pool_brings_its_choices_first() -> None:
    fit = vf.random_effects(bcg(), method="PM", test="Wald", level=0.9)
    found = vf.multiverse(fit, measures=[], leaving_out=False, favoured="lower")
    row = found.to_frame().iloc[0]
    assert (row["method"], row["test"], found.level) == ("PM", "Wald", 0.9)
    assert row["estimate"] == pytest.approx(fit.estimate, rel=1e-12)
    assert (row["ci_low"], row["ci_high"]) == pytest.approx(fit.interval, rel=1e-9)


@quiet
def test_a_posterior_brings_its_priors() -> None:
    post = vf.bayes.random_effects(bcg(), tau=vf.priors.HalfNormal(0.2), mu=vf.priors.Normal(0, 0.3))
    frame = vf.multiverse(post, measures=[], leaving_out=False, adjustments=["none"]).to_frame()
    row = frame[frame["test"] == "posterior"].iloc[0]
    assert (row["estimate"], row["se"]) == pytest.approx((post.estimate, post.se), rel=1e-6)


def test_ratios_are_read_as_ratios(whole: Any) -> None:
    frame, read = whole.to_frame(), whole.to_frame(on="read")
    np.testing.assert_allclose(read["ci_high"], np.exp(frame["ci_high"]), rtol=1e-12)
    assert set(read["scale"]) == {"RR", "OR"}
    assert f"the first one is {math.exp(frame['estimate'][0]):.2f}" in whole.sentence()
    assert vf.read_result(whole.to_json()) == whole


@pytest.mark.parametrize(("given", "says"), [
    ({"include": "decade > 3"}, "cannot be read as a condition"), ({"include": {"a": [True, False]}}, "each of the 13 studies"),
    ({"include": "year"}, "is neither"), ({"include": {"estimate": "year > 1950"}}, "another name"),
    ({"include": {"zero": "year > 1950"}}, "another name"), ({"methods": ["GENQ"]}, "needs weights"),
    ({"methods": []}, "is empty"), ({"methods": ["REM"]}, "Did you mean 'REML"),
    ({"adjustments": ["steps"]}, "Did you mean 'step"),
    ({"tests": ["bootstrap"]}, "test="), ({"taus": [0.5]}, "not a prior of tau"), ({"measures": ["XX"]}, "XX"),
    ({"zeros": ["some"]}, "zeros='some' is unknown"), ({"level": 95}, "write 0.95"),
    ({"methods": 3j}, "method"), ({"tests": 5}, "test="), ({"taus": 0.5}, "not a prior of tau"), ({"include": 7}, "condition"),
    ({"measures": 1.5}, "1.5"), ({"zeros": 0}, "zeros=0"), ({"adjustments": 4.0}, "adjustments=4.0"),
])  # fmt: skip
def test_what_cannot_be_chosen_is_told(given: dict[str, Any], says: str) -> None:
    with pytest.raises(vf.InputError, match=says):
        vf.multiverse(bcg(), **given)


@quiet
def test_a_pool_with_a_tau2_of_its_own_asks_for_estimators() -> None:
    with pytest.raises(vf.InputError, match="name methods="):
        vf.multiverse(vf.random_effects(bcg(), tau2=0.1))


def test_what_is_no_pool_and_what_is_too_much_is_refused() -> None:
    with pytest.raises(vf.InputError, match="give a pool"):
        vf.multiverse(vf.appraisal.peters(vf.random_effects(bcg())))
    with pytest.raises(vf.InputError, match="more than 1,000,000"):
        vf.multiverse(bcg(), include={f"r{i}": f"year > {1950 + i}" for i in range(12)})


def test_two_studies_have_no_one_left_out() -> None:
    found = vf.multiverse(y=[0.1, 0.4], se=[0.1, 0.2], adjustments=["none"])
    assert set(found.to_frame()["left_out"]) == {"none"}
    assert found.refused["reason"].tolist() == ["one study is left, so that nothing is pooled"] * 2


@quiet
def test_the_curve_shows_every_answer_in_order(whole: Any) -> None:
    found = vf.multiverse(bcg(), measures=[], favoured="lower", leaving_out=False)
    ax = found.plot()
    frame = found.to_frame().sort_values("estimate", kind="stable")
    lines = {x.get_gid(): x for x in ax.lines}
    inside = lines["estimates"].get_ydata()
    assert set(np.round(inside, 12)) <= set(np.round(frame["estimate"], 12))
    beyond = sum(len(x.get_ydata()) for name, x in lines.items() if name and name.startswith("beyond"))
    assert len(inside) + beyond == len(frame)
    assert lines["first"].get_ydata() == pytest.approx([found.to_frame()["estimate"][0]])
    assert (np.diff(inside[np.argsort(lines["estimates"].get_xdata())]) >= 0).all()
    lower = ax.figure.axes[1]
    marks = {x.get_gid(): len(x.get_segments()) for x in lower.collections}
    assert marks["PM"] == (frame["method"] == "PM").sum()
    assert marks["posterior" if "posterior" in marks else "HKSJ"] == (frame["test"] == "HKSJ").sum()
    assert ax.get_label().endswith(found.sentence())
    plt.close("all")
    with pytest.raises(vf.InputError, match="measure='HR' is none of RR, OR"):
        whole.plot(measure="HR")
    assert whole.plot(measure="OR").get_ylabel() == "OR"
    plt.close("all")


@quiet
def test_a_saved_figure_keeps_what_it_says_of_itself(tmp_path: Any) -> None:
    found = vf.multiverse(bcg(), measures=[], methods=["REML"], tests=["HKSJ", "Wald"])
    (path,) = vf.plots.save(found.plot(), tmp_path / "curve", ["svg"], close=True)
    text = path.read_text(encoding="utf-8")
    assert "Specification curve: " in text
    assert 50 < len(found.codes) < 400
    assert "<image " in text  # marks are pixels, words are not: a path for each mark makes most of the file


def test_changes_are_told_in_what_people_read() -> None:
    from vfmeta.text.numbers import change_text

    assert change_text(vf.Question(measure="OR"), math.log(0.8)) == "times 0.80"
    assert change_text(vf.Question(measure="SMD"), 0.124) == "+0.12"
    assert change_text(vf.Question(measure="SMD"), -0.124) == "−0.12"
    assert change_text(vf.Question(measure="SMD"), 0.0004) == "0.00"

"""Figures of what a pool hangs on: where their artists stand, against numbers made here."""

from __future__ import annotations

import html
import math
import warnings
from collections.abc import Iterator
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import pytest
from scipy import stats

import vfmeta as vf
from vfmeta.results.verbs import LOOKS

P = vf.plots
Y = np.array([-0.6, -0.1, 0.4, -0.5, -0.3, -1.4, -0.2, -0.45])
V = np.array([0.04, 0.09, 0.05, 0.12, 0.06, 0.1, 0.07, 0.02])
STUDY = [f"S{i}" for i in range(8)]
RR = vf.Question(measure="RR", higher_is_worse=True)
COUNTS: dict[str, Any] = {"events1": [4, 6, 3, 7], "n1": [40, 55, 38, 60], "events2": [9, 8, 6, 12], "n2": [41, 50, 40, 61]}


def pool(**more: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", vf.VfmetaWarning)
        return vf.random_effects(y=Y, v=V, study=STUDY, question=RR, **more)


def network(tau2: float = 0.0) -> Any:
    sides = {"treat1": list("BBCCCB"), "treat2": list("AAABBA")}
    return vf.network(
        y=[-0.5, -0.3, -0.8, -0.2, -0.4, 0.1], se=[0.2, 0.1, 0.3, 0.2, 0.1, 0.3], study=list("abcdef"), reference="A",
        tau2=tau2, question=RR, **sides,
    )  # fmt: skip


def artists(ax: Any) -> dict[str, Any]:
    return {x.get_gid(): x for x in ax.get_children() if x.get_gid()}


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    yield
    plt.close("all")


@pytest.mark.filterwarnings("ignore::vfmeta.VfmetaWarning")
def test_rows_of_leave_one_out_are_pools_of_the_others() -> None:
    fit = pool(test="Wald")
    found = artists(P.leave_one_out(fit))
    for i, name in enumerate(STUDY):
        rest = vf.random_effects(y=np.delete(Y, i), v=np.delete(V, i), test="Wald")
        (x,), (row,) = found[f"estimate without {name}"].get_data()
        assert (x, row) == pytest.approx((rest.estimate, i), rel=1e-9)
        ends = found[f"interval without {name}"].get_xdata()
        assert ends == pytest.approx(rest.interval, rel=1e-9)
    assert found["all"].get_xdata()[0] == fit.estimate
    words = P.leave_one_out(fit).get_label()
    assert f"{math.exp(fit.estimate):.2f} ({math.exp(fit.interval[0]):.2f} to {math.exp(fit.interval[1]):.2f})" in words


@pytest.mark.filterwarnings("ignore::vfmeta.VfmetaWarning")
def test_a_study_that_decides_stands_out() -> None:
    fit = vf.common_effect(y=[-0.5, -0.05, 0.0], se=[0.1, 0.2, 0.2], study=["A", "B", "C"])
    found = artists(P.leave_one_out(fit))
    assert {n: found[f"estimate without {n}"].get_marker() for n in "ABC"} == {"A": "s", "B": "o", "C": "o"}
    assert "hangs on A." in P.leave_one_out(fit).get_label()
    assert P.leave_one_out(vf.bayes.random_effects(y=Y, v=V, tau=vf.priors.HalfNormal(0.5), question=RR)) is not None


def test_cumulative_rows_and_the_step_that_stays() -> None:
    fit = vf.common_effect(y=Y, v=V, study=STUDY, question=RR)
    order = np.argsort(V)
    ax = P.cumulative(fit, order=order)
    found = artists(ax)
    w, excludes = 1 / V[order], []
    for n in range(1, 9):
        mean, se = (w[:n] @ Y[order][:n]) / w[:n].sum(), 1 / math.sqrt(w[:n].sum())
        name = f"+ {STUDY[order[n - 1]]} ({n})"
        assert found[f"estimate {name}"].get_xdata()[0] == pytest.approx(mean, rel=1e-9)
        excludes.append(abs(mean) > 1.959964 * se)
    since = max((i for i, x in enumerate(excludes) if not x), default=-1) + 1
    marked = [n for n in found if n.startswith("estimate") and found[n].get_marker() == "s"]
    assert marked == [f"estimate + {STUDY[order[since]]} ({since + 1})"]
    assert since == 0  # the first study alone
    assert f"from {STUDY[order[since]]} on (1 study)" in ax.get_label()


def test_baujat_stands_on_its_definition() -> None:
    fit = vf.common_effect(y=Y, v=V, study=STUDY, question=RR)
    points = artists(P.baujat(fit))["studies"].get_offsets()
    w = 1 / V
    mean = w @ Y / w.sum()
    without = np.array([np.delete(w, i) @ np.delete(Y, i) / np.delete(w, i).sum() for i in range(8)])
    left = np.array([np.delete(w, i).sum() for i in range(8)])
    np.testing.assert_allclose(points[:, 0], w * (Y - mean) ** 2, rtol=1e-9)
    np.testing.assert_allclose(points[:, 1], (mean - without) ** 2 * left, rtol=1e-9)
    assert f"{STUDY[int(points[:, 1].argmax())]} moves the pool most" in P.baujat(fit).get_label()


def test_on_the_arc_of_a_radial_plot_an_effect_is_a_slope() -> None:
    fit = pool()
    ax = P.radial(fit)
    found = artists(ax)
    x = 1 / np.sqrt(V + fit.tau2)
    np.testing.assert_allclose(found["studies"].get_offsets(), np.column_stack([x, Y * x]), rtol=1e-12)
    line = found["pool"].get_data()
    assert line[1][1] / line[0][1] == pytest.approx(fit.estimate)
    for name, tick in ((n, a) for n, a in found.items() if n.startswith("tick ")):
        at, up = (values[0] for values in tick.get_data())
        assert math.exp(up / at) == pytest.approx(float(name.removeprefix("tick ")))
    arc = np.column_stack(found["arc"].get_data())
    reach = arc[:, 0].max()
    assert x.max() < reach
    far = np.flatnonzero(np.abs(Y - fit.estimate) * x > 1.96)
    assert all(STUDY[i] in ax.get_label() for i in far)


@pytest.mark.parametrize(("measure", "effect"), [("RR", lambda a, p: a * p), ("RD", lambda a, p: p + a),
                                                 ("OR", lambda a, p: a * p / (1 - p + a * p))])  # fmt: skip
@pytest.mark.filterwarnings("ignore::vfmeta.VfmetaWarning")
def test_labbe_shows_risks_and_the_pooled_effect(measure: str, effect: Any) -> None:
    fit = vf.random_effects(vf.effect_size(measure, **COUNTS))
    found = artists(P.labbe(fit))
    e1, n1, e2, n2 = (np.array(COUNTS[name]) for name in ("events1", "n1", "events2", "n2"))
    np.testing.assert_allclose(found["studies"].get_offsets(), np.column_stack([e2 / n2, e1 / n1]), rtol=1e-12)
    size = found["studies"].get_sizes() - 12
    np.testing.assert_allclose(size / size.max(), (n1 + n2) / (n1 + n2).max(), rtol=1e-12)
    risk, line = found["pool"].get_data()
    seen = np.isfinite(line)
    read = fit.question.display(fit.estimate)
    np.testing.assert_allclose(line[seen], effect(read, risk[seen]), rtol=1e-12)
    assert "In 4 it is lower" in P.labbe(fit).get_label()


def test_the_envelope_is_that_of_order_statistics_less_their_mean() -> None:
    """Order statistics of free normals have beta quantiles; less the mean, which is free of them, they vary by so much less."""
    rng = np.random.default_rng(8)
    y = rng.normal(0, 1, 60)
    frame = vf.normal_quantiles(vf.common_effect(y=y, v=np.ones(60)), draws=40_000)
    i = np.arange(1, 61)
    low, high = (stats.norm.ppf(stats.beta.ppf(p, i, 61 - i)) for p in (0.025, 0.975))
    middle = slice(12, 48)  # where they are all but normal
    half = np.sqrt(((high - low) / 2) ** 2 - stats.norm.ppf(0.975) ** 2 / 60) / math.sqrt(1 - 1 / 60)
    np.testing.assert_allclose(((frame["envelope_high"] - frame["envelope_low"]) / 2)[middle], half[middle], rtol=0.03)
    np.testing.assert_allclose(frame["standardised"], np.sort((y - y.mean()) / math.sqrt(1 - 1 / 60)), rtol=1e-9)
    np.testing.assert_allclose(frame["quantile"], stats.norm.ppf((i - 0.5) / 60), rtol=1e-9, atol=1e-12)


def test_residuals_of_three_alike_have_the_envelope_of_their_own_law() -> None:
    """Of three equal studies the largest standardised residual is sqrt(2) R cos of an angle within a third of a turn."""
    frame = vf.normal_quantiles(vf.common_effect(y=[0.1, 0.2, 0.6], v=[0.04] * 3), draws=200_000)
    rng = np.random.default_rng(5)
    # the residuals are a point in a plane: a Rayleigh radius and an angle; the largest of three lies within 60 degrees
    radius, angle = np.sqrt(2 * rng.exponential(size=400_000)), rng.uniform(-np.pi / 3, np.pi / 3, 400_000)
    largest = radius * np.cos(angle)
    assert frame["envelope_low"].iloc[2] == pytest.approx(np.quantile(largest, 0.025), abs=0.015)
    assert frame["envelope_high"].iloc[2] == pytest.approx(np.quantile(largest, 0.975), abs=0.03)


def test_residuals_outside_their_envelope_are_named() -> None:
    y = [0.1, 0.2, 0.15, 0.12, 0.18, 0.11, 0.16, 0.14, 0.13, 3.0]
    fit = vf.common_effect(y=y, v=[0.02] * 10, study=[f"T{i}" for i in range(10)])
    ax = P.normal_quantiles(fit, draws=1000)
    found = artists(ax)
    frame = vf.normal_quantiles(fit, draws=1000)
    out = (frame["standardised"] < frame["envelope_low"]) | (frame["standardised"] > frame["envelope_high"])
    np.testing.assert_allclose(found["outside"].get_ydata(), frame["standardised"][out])
    np.testing.assert_allclose(found["residuals"].get_ydata(), frame["standardised"][~out])
    assert out.iloc[-1]
    assert frame["study"].iloc[-1] == "T9"
    assert "T9" in ax.get_label()


def test_clusters_of_subsets_part_where_one_study_lies_apart() -> None:
    fit = vf.common_effect(y=[0.1, 0.2, 0.15, 0.12, 5.0], v=[0.01] * 5, study=list("ABCDE"))
    frame = vf.subset_clusters(fit, clusters=2)
    held = frame["mask"].to_numpy() >> 4 & 1
    assert len(frame) == 2**5 - 1 - 5
    assert all(len(set(held[frame["cluster"] == c])) == 1 for c in (1, 2))
    assert (frame["cluster"] == 1).sum() >= (frame["cluster"] == 2).sum()
    label = P.gosh(fit, clusters=2).get_label()
    assert "100% with E" in label
    assert "100% without E" in label
    with pytest.raises(vf.InputError, match="at most 6"):
        vf.subset_clusters(fit, clusters=7)


@pytest.mark.filterwarnings("ignore::vfmeta.VfmetaWarning")
def test_the_cloud_of_subsets_holds_each_of_them() -> None:
    fit = pool(method="DL")
    ax = P.gosh(fit, clusters=3, title="All subsets")
    frame = vf.all_subsets(fit)
    frame = frame[frame["k"] > 1]
    found = {x.get_gid(): x for each in ax.figure.axes for x in each.get_children() if x.get_gid()}
    low, high, bottom, top = found["subsets"].get_extent()
    assert low < frame["estimate"].min() < frame["estimate"].max() < high
    assert bottom < frame["i2"].min() <= frame["i2"].max() < top
    for which in ("estimates", "i2"):
        assert sum(found[f"{which} {c}"].get_data().values.sum() for c in (1, 2, 3)) == len(frame)
    picture = found["subsets"].get_array()
    column = int((frame["estimate"].iloc[0] - low) / (high - low) * picture.shape[1])
    row = int((frame["i2"].iloc[0] - bottom) / (top - bottom) * picture.shape[0])
    assert picture[row, column, 3] > 0


@pytest.mark.filterwarnings("ignore::vfmeta.VfmetaWarning")
def test_the_panel_shows_the_numbers_of_influence() -> None:
    fit = pool()
    ax = P.influence(fit)
    frame = vf.influence(fit)
    far = frame["influential"].to_numpy()
    shown = ("studentised", "dffits", "cook", "covratio", "tau2_without", "q_without", "hat", "weight")
    for small, name in zip(ax.figure.axes, shown, strict=True):
        found = artists(small)
        np.testing.assert_allclose(found[f"{name} others"].get_ydata(), frame[name][~far], rtol=1e-12)
        np.testing.assert_allclose(found[f"{name} influential"].get_ydata(), frame[name][far], rtol=1e-12)
    cook = artists(ax.figure.axes[2])["cook limit"].get_ydata()[0]
    assert stats.chi2.cdf(cook, 1) == pytest.approx(0.5)
    assert frame["study"][int(frame["cook"].argmax())] in ax.get_label()


def test_curves_of_a_drapery_cross_p_at_the_ends_of_intervals() -> None:
    fit = pool(test="HKSJ-adhoc")
    found = artists(P.drapery(fit))
    for name, ends in (("pool", fit.interval), ("prediction", fit.prediction)):
        x, p = found[name].get_data()
        for end in ends:
            assert np.interp(end, x, p) == pytest.approx(0.05, abs=2e-3)
        assert p.max() == pytest.approx(1)
    x, p = found["study S0"].get_data()
    np.testing.assert_allclose(p, 2 * stats.norm.sf(np.abs(x - Y[0]) / math.sqrt(V[0])), rtol=1e-9, atol=1e-15)
    with pytest.raises(vf.InputError, match="frequentist pool"):
        P.drapery(vf.bayes.random_effects(y=Y, v=V, tau=vf.priors.HalfNormal(0.5), question=RR))


def test_bands_of_a_sunset_end_where_the_power_is() -> None:
    fit = pool()
    found = artists(P.sunset(fit))
    z = stats.norm.ppf(0.975)

    def power(se: float) -> float:
        return float(stats.norm.sf(z - fit.estimate / se) + stats.norm.cdf(-z - fit.estimate / se))

    marks = [(n, a) for n, a in found.items() if n.startswith("power at ")]
    assert len(marks) > 1
    for name, text in marks:
        assert power(text.get_position()[1]) == pytest.approx(float(name.removeprefix("power at ")), abs=1e-3)
    np.testing.assert_allclose(found["studies"].get_offsets(), np.column_stack([Y, np.sqrt(V)]), rtol=1e-12)
    own = np.array([power(x) for x in np.sqrt(V)])
    significant = int((np.abs(Y) / np.sqrt(V) > z).sum())
    said = f"median power {100 * np.median(own):.0f}%; {significant} of 8 studies are significant, {own.sum():.1f} expected"
    assert said in P.sunset(fit).get_label()


def test_contrasts_of_a_network_are_centred_at_their_comparison() -> None:
    net = network()
    frame = vf.networks.comparison_adjusted(net, order=["A", "B", "C"])
    own = frame[(frame["treatment"] == "B") & (frame["control"] == "A")]
    w = 1 / np.array([0.2, 0.1, 0.3]) ** 2
    direct = w @ np.array([-0.5, -0.3, 0.1]) / w.sum()
    np.testing.assert_allclose(own["adjusted"], np.array([-0.5, -0.3, 0.1]) - direct, rtol=1e-9)
    assert own["trials"].tolist() == [3, 3, 3]
    turned = vf.networks.comparison_adjusted(net, order=["C", "B", "A"])
    back = turned[(turned["treatment"] == "A") & (turned["control"] == "B")]
    np.testing.assert_allclose(back["adjusted"], -own["adjusted"], rtol=1e-9)
    assert frame[frame["trials"] == 1]["adjusted"].tolist() == [0.0]
    found = artists(P.comparison_funnel(net, order=["A", "B", "C"]))
    np.testing.assert_allclose(found["B v A"].get_xdata(), own["adjusted"])
    np.testing.assert_allclose(found["B v A"].get_ydata(), [0.2, 0.1, 0.3], rtol=1e-9)
    assert found["C v A"].get_markerfacecolor() == "white"
    with pytest.raises(vf.InputError, match="every treatment once"):
        vf.networks.comparison_adjusted(net, order=["A", "B"])


def test_three_arms_give_three_contrasts_that_add_up() -> None:
    arms = {"study": ["a"] * 3 + ["b"] * 2, "treatment": list("ABCAB"), "events": [10, 6, 4, 9, 5], "n": [40, 41, 39, 50, 52]}
    frame = vf.networks.comparison_adjusted(vf.network(arms, measure="OR", reference="A", tau2=0.0), order=list("ABC"))
    own = frame[frame["study"] == "a"].set_index(["treatment", "control"])
    assert own.loc[("C", "A"), "estimate"] == pytest.approx(own.loc[("B", "A"), "estimate"] + own.loc[("C", "B"), "estimate"])
    assert own.loc[("C", "B"), "estimate"] == pytest.approx(math.log(4 * 35 / (35 * 6)))
    assert own.loc[("C", "B"), "se"] == pytest.approx(math.sqrt(1 / 4 + 1 / 35 + 1 / 6 + 1 / 35))


@pytest.mark.filterwarnings("ignore::vfmeta.VfmetaWarning")
def test_a_funnel_shows_the_mean_that_a_selection_model_finds() -> None:
    fit = vf.appraisal.selection_model(y=Y, v=V, study=STUDY, question=RR, favoured="lower")
    ax = P.funnel(fit)
    found = artists(ax)
    assert found["adjusted centre"].get_xdata()[0] == fit.estimate
    assert found["centre"].get_xdata()[0] == pytest.approx(vf.random_effects(y=Y, v=V, method="ML").estimate, rel=1e-6)
    assert ax.get_label() == P.funnel_text(fit)


FIGURES = (
    "leave_one_out", "cumulative", "baujat", "radial", "labbe", "normal_quantiles", "gosh", "influence", "drapery", "sunset",
)  # fmt: skip


@pytest.mark.parametrize("name", FIGURES)
def test_what_is_no_pool_is_refused(name: str) -> None:
    with pytest.raises(vf.InputError, match=f"{name}: "):
        getattr(P, name)(vf.common_effect(y=[0.1], v=[0.1]))
    with pytest.raises(vf.InputError, match=f"{name}: "):
        getattr(P, name)(network())


@pytest.mark.filterwarnings("ignore::vfmeta.VfmetaWarning")
def test_figures_say_themselves_and_keep_it_when_saved(tmp_path: Any) -> None:
    fit = vf.random_effects(vf.effect_size("RR", study=list("abcd"), **COUNTS))
    for name in FIGURES:
        ax = getattr(P, name)(fit)
        said = ax.get_label()
        assert len(said) > 60
        assert said.endswith(".")
        (path,) = P.save(ax, tmp_path / name, ["svg"], close=True)
        assert said in html.unescape(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", LOOKS)
def test_verbs_that_figures_look_up_are_there(name: str) -> None:
    import inspect

    found = LOOKS[name].load()
    assert found.__name__ == name
    assert next(iter(inspect.signature(found).parameters)) == LOOKS[name].takes
    assert any(getattr(home, name, None) is found for home in (vf, vf.appraisal, vf.networks))

"""What cannot be computed with is refused in words; what is huge still prints and draws; no letter is lost without a word."""

from __future__ import annotations

import inspect
import math
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest

import vfmeta as vf
from vfmeta.kernels.panels import MOST

mpl.use("Agg")
Y, V = [0.1, 0.3, 0.6, -0.2], [0.02, 0.03, 0.01, 0.05]

POOLS: dict[str, Callable[..., Any]] = {
    "random_effects": vf.random_effects,
    "common_effect": vf.common_effect,
    "bayes": vf.bayes.random_effects,
    "regression": lambda **x: vf.meta_regression(**x, data={"dose": [1, 2, 3, 4]}, formula="~ dose"),
    "multivariate": lambda **x: vf.multivariate(**x, data={"trial": list("abcd")}, random="1 | trial"),
    "subgroups": lambda **x: vf.subgroups(**x, by=list("aabb")),
    "table": vf.effect_table,
}


@pytest.mark.parametrize("held", [list, np.array], ids=["list", "array"])
@pytest.mark.parametrize("verb", POOLS)
def test_effects_and_variances_beyond_reach_are_named(verb: str, held: Any) -> None:
    for y, v, column in (
        ([0.1, 1e200, 0.6, -0.2], V, "column y: 1e[+]200 is too large"),
        (Y, [0.02, 0.03, 1e300, 0.05], "column v: 1e[+]300 is too large"),
        (Y, [0.02, 0.03, 1e-300, 0.05], "column v: 1e-300 is too small"),
    ):
        with pytest.raises(vf.InputError, match=f"row [23].*{column} to compute with.*unit"):
            POOLS[verb](y=held(y), v=held(v))


def test_what_is_within_reach_is_pooled() -> None:
    """Inverse variances by hand: with all variances alike the pool is the mean, with v / k."""
    for size in (1e-70, 1.0, 1e70):
        fit = vf.common_effect(y=np.array([1.0, 2.0, 6.0]) * size, v=np.full(3, 3.0) * size**2)
        assert fit.estimate == pytest.approx(3 * size, rel=1e-12)
        assert fit.se == pytest.approx(size, rel=1e-12)


def test_standard_errors_limits_and_weights_beyond_reach() -> None:
    with pytest.raises(vf.InputError, match=r"row 2.*column se: 1e-200 is too small"):
        vf.common_effect(y=Y, se=[0.1, 1e-200, 0.2, 0.3])
    with pytest.raises(vf.InputError, match=r"row 1.*column ci|row 1.*column low"):
        vf.common_effect(y=[0.0, *Y[1:]], ci=([-1e-200, 0, 0, -1], [1e-200, 1, 1, 1]))
    with pytest.raises(vf.InputError, match=r"row 4.*column weights: 1e[+]200 is too large"):
        vf.common_effect(y=Y, v=V, weights=[1, 1, 1, 1e200])
    with pytest.raises(vf.InputError, match=r"tau2=1e[+]200 is too large"):
        vf.random_effects(y=Y, v=V, tau2=1e200)


@pytest.mark.parametrize("size", [1e200, 1e-200])
def test_moderators_beyond_reach(size: float) -> None:
    dose = np.array([1.0, 2.0, 3.0, 4.0]) * size
    with pytest.raises(vf.InputError, match=r"column dose.*another unit"):
        vf.meta_regression(y=Y, v=V, data={"dose": dose}, formula="~ dose")
    with pytest.raises(vf.InputError, match=r"column dose.*another unit"):
        vf.meta_regression(y=Y, v=V, x=dose, names=["dose"])


@pytest.mark.parametrize("scale", [1e180, 1e-180, 10**400])
@pytest.mark.parametrize("make", [
    vf.priors.HalfNormal, vf.priors.HalfCauchy, vf.priors.Exponential, vf.priors.Uniform, lambda s: vf.priors.HalfT(3, s),
    lambda s: vf.priors.InverseGamma(1, s), lambda s: vf.priors.LogNormal(0, s), lambda s: vf.priors.LogT(0, s, 5),
    lambda s: vf.priors.Normal(0, s), lambda s: vf.priors.StudentT(3, 0, s), vf.priors.tau_below, vf.priors.mu_within,
])  # fmt: skip
def test_scales_of_priors_beyond_reach(make: Callable[[Any], Any], scale: Any) -> None:
    with pytest.raises(vf.InputError, match=r"beyond what can be computed with|must be a positive, finite number"):
        make(scale)


def test_compiled_panels_stay_inside_their_arrays() -> None:
    """A scale that asks for more panels than there is room for is not solved; it used to end the process."""
    from vfmeta.kernels.formulas import address
    from vfmeta.kernels.normal_normal import UNSOLVED, solve
    from vfmeta.priors.half_normal import HalfNormal

    y, v = np.array(Y), np.array(V)
    prior = np.array([1.0, 0.0, 0.0, address(HalfNormal.formula), 0.0])
    head, none = np.zeros(12), np.empty(0)
    for size, end in ((math.exp(MOST), math.inf), (1e300, 1e300), (1e-300, math.inf)):
        found = solve(y, v, prior, np.zeros(1), np.zeros(1), np.zeros(1), size, end, math.inf, np.array([0.5]), 0.0, none, 0.0,
                      none, head, np.zeros((3, 1)), np.zeros((2, 0)), np.empty((0, 0)), np.empty((2, 0)))  # fmt: skip
        assert found == UNSOLVED or abs(math.log(size)) < MOST / 4


def test_an_exact_permutation_of_many_rows_is_refused() -> None:
    """Reported for another package: 795 rows in three groups have some 10^376 arrangements."""
    group = np.repeat(list("abc"), 265)
    y = np.sin(np.arange(795.0))
    fit = vf.meta_regression(y=y, v=np.full(795, 0.3), data=pd.DataFrame({"A": group}), formula="~ A")
    digits = round((math.lgamma(796) - 3 * math.lgamma(266)) / math.log(10))
    with pytest.raises(vf.InputError, match=rf"too many arrangements.*10\^{digits}"):
        vf.permutation_test(fit, exact=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", vf.VfmetaWarning)
        alone = vf.random_effects(y=y, v=np.full(795, 0.3))
    with pytest.raises(vf.InputError, match=rf"too many arrangements.*10\^{round(795 * math.log10(2))}"):
        vf.permutation_test(alone, exact=True)


@pytest.mark.parametrize("y", [[0.5, 40.0], [-900.0, 0.1], [1e20, -1e20], [1e25, 2e25]])
@pytest.mark.parametrize("measure", ["OR", "MD", "IRLN"])
@pytest.mark.filterwarnings("ignore::vfmeta.VfmetaWarning")
def test_huge_effects_print_and_draw(y: list[float], measure: str, tmp_path: Path) -> None:
    fit = vf.random_effects(y=y, v=[0.1, 0.2], level=0.99, question=vf.Question(measure=measure))
    for text in (str(fit), fit.summary(), fit.to_frame(on="read").to_string(), str(vf.read_result(fit.to_json()))):
        assert len(text) < 5000
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        (path,) = vf.plots.save(fit.plot(), tmp_path / "figure", formats="svg", close=True)
    assert ElementTree.parse(path).getroot().tag.endswith("svg")


def _labels(ax: Any) -> list[str]:
    return [t.get_text() for t in ax.texts if t.get_gid() == "study-label"]


@pytest.mark.filterwarnings("ignore:The Hartung-Knapp|.*studies")
def test_letters_that_no_font_has_are_named_once_in_our_words(tmp_path: Path) -> None:
    fit = vf.random_effects(y=Y[:3], v=V[:3], study=["\u4e00\u4e8c 2015", "\u0b95 2016", "C 2017"])
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        ax = vf.plots.forest(fit)
        ax.figure.canvas.draw()
        (path,) = vf.plots.save(ax, tmp_path / "figure", formats="svg", close=True)
    assert {"\u4e00\u4e8c 2015", "\u0b95 2016", "C 2017"} <= set(_labels(ax))
    assert "\u4e00\u4e8c 2015" in path.read_text(encoding="utf-8")
    own = [w for w in said if issubclass(w.category, vf.VfmetaWarning) and "glyph" in str(w.message)]
    assert [w for w in said if not issubclass(w.category, vf.VfmetaWarning)] == []
    from matplotlib import font_manager as fonts

    known = {
        code for x in fonts.fontManager.ttflist if "Last Resort" not in x.name for code in fonts.get_font(x.fname).get_charmap()
    }
    lost = [c for c in "\u4e00\u4e8c\u0b95" if ord(c) not in known]
    assert len(own) == bool(lost)
    assert all(f"U+{ord(c):04X}" in str(w.message) for w in own for c in lost)


@pytest.mark.filterwarnings("ignore::vfmeta.VfmetaWarning")
def test_line_breaks_and_control_characters_in_names_do_no_harm(tmp_path: Path) -> None:
    names = ["Long\nname\r\nof a trial 2015", "Tab\tname 2016", "Bell\x07name 2017"]
    fit = vf.random_effects(y=Y[:3], v=V[:3], study=names, question=vf.Question(outcome="pain\nat rest"))
    ax = vf.plots.forest(fit, title="Two\nlines")
    (path,) = vf.plots.save(ax, tmp_path / "figure", formats="svg")
    assert ElementTree.parse(path).getroot().tag.endswith("svg")
    assert not [t.get_text() for t in ax.texts if not all(c.isprintable() for c in t.get_text())]
    renderer = ax.figure.canvas.get_renderer()
    boxes = [
        t.get_window_extent(renderer)
        for t in ax.texts
        if t.get_text().strip() and t.get_gid() in ("study-label", "pooled-label")
    ]
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[i + 1 :])


def test_one_cluster_only_is_named() -> None:
    with pytest.raises(vf.InputError, match=r"one cluster|1 cluster|single cluster|one group|1 group"):
        vf.che(y=[0.3, 0.5, 0.2, 0.4, 0.1], v=[0.04, 0.03, 0.02, 0.05, 0.03], cluster=["s"] * 5, rho=0.6)


def test_no_error_is_empty() -> None:
    for problems in ([], "", [""]):
        assert "0 problems" not in str(vf.InputError(problems))
        assert str(vf.InputError(problems)).strip()


def test_a_whole_number_no_float_holds_is_refused_as_tau2() -> None:
    with pytest.raises(vf.InputError, match="no variance"):
        vf.random_effects(y=[0.1, 0.2], v=[0.1, 0.2], tau2=10**400)


def test_a_matrix_of_lists_and_texts_is_refused_by_its_row() -> None:
    with pytest.raises(vf.InputError, match="text in row 2"):
        vf.bayes.meta_regression(y=[0.1, 0.2, 0.3], v=[0.1] * 3, x=[1.0, "a", [1, 2]])


def test_what_is_no_family_of_priors_is_refused() -> None:
    for family in (len, "HalfNormal", float):
        with pytest.raises(vf.InputError, match="family="):
            vf.bayes.prior_sensitivity(y=[0.1, 0.2], v=[0.1, 0.2], tau_scales=[1], mu_sds=[1], family=family)  # type: ignore[arg-type]


def test_a_moderator_no_float_holds_is_refused() -> None:
    with pytest.raises(vf.InputError, match="no float holds"):
        vf.meta_regression(y=[0.1, 0.2, 0.3], v=[0.1] * 3, data={"x": [10**400, 1, 2]}, formula="~ x")


def test_a_direction_that_is_a_column_is_refused_by_its_row() -> None:
    with pytest.raises(vf.InputError, match=r"row 1.*no direction"):
        vf.bayes.reports(kind=["direction"], y=[None], se=[0.3], direction=[pd.Series([], dtype=float)])


def test_reports_under_a_mixture_rest_on_no_halved_prior() -> None:
    mixture = vf.priors.Mixture((0.5, 0.5), (0.0, 0.1), (1.0, 2.0))
    tau = vf.priors.HalfNormal(0.5)
    post = vf.bayes.reports(kind=["full", "direction"], y=[0.1, None], se=[0.3, 0.4], direction=[None, 1], tau=tau, mu=mixture)
    assert not any("half as wide" in term for term in post.rests_on()["term"])


def test_complex_moderators_and_axes_without_end_are_refused_in_words() -> None:
    with pytest.raises(vf.InputError, match="x holds complex numbers"):
        vf.meta_regression(y=[0.1, 0.2, 0.4], v=[0.1] * 3, x=np.array([1 + 0j, 2, 3]))
    with pytest.raises(vf.InputError, match="reaches beyond what can be drawn"):
        vf.plots.prior_densities(vf.priors.LogT(0.0, 300.0, 0.6))


@pytest.mark.parametrize(
    "about",
    [{"measure": []}, {"measure": None}, {"experimental": 5}, {"outcome": None}, {"higher_is_worse": "yes"}, {"points": 10},
     {"points": (10, 0)}, {"points": (0, math.nan)}],
)  # fmt: skip
def test_questions_of_wrong_types_are_worded(about: dict[str, Any]) -> None:
    with pytest.raises(vf.InputError, match=rf"{next(iter(about))}="):
        vf.Question(**about)


def test_wrong_types_are_worded_by_what_takes_them() -> None:
    y, v = [0.1, 0.4, 0.2], [0.1, 0.2, 0.1]
    fit = vf.meta_regression(y=y, v=v, x=[[1, 1], [1, 2], [1, 4]])
    for ask, said in (
        (lambda: vf.effect_table(y=y, v=v, measure=[]), "measure=\\[\\]"), (lambda: vf.mantel_haenszel([]), "measure=\\[\\]"),
        (lambda: fit.contrast("x"), "one finite weight"), (lambda: fit.contrast([1j, 0]), "one finite weight"),
        (lambda: type(fit).from_dict("x"), "A str is no result"),
        (lambda: vf.appraisal.fail_safe(y=y, v=v, level=0.5), "level above 0.5"),
        (lambda: vf.appraisal.risk_of_bias({}), "no columns"),
        (lambda: vf.appraisal.risk_of_bias(study=["a"], domain=["D1"], judgement=math.inf), "judgement is a float"),
    ):  # fmt: skip
        with pytest.raises(vf.InputError, match=said):
            ask()  # type: ignore[no-untyped-call]


def test_what_is_no_axes_is_refused_by_every_figure() -> None:
    y, v, names = [0.1, 0.4, 0.2, 0.5], [0.1, 0.2, 0.1, 0.3], list("ABCD")
    fit, post = (
        vf.random_effects(y=y, v=v, study=names),
        vf.bayes.random_effects(y=y, v=v, study=names, tau=vf.priors.HalfNormal(1.0)),
    )
    signs = vf.appraisal.direction_of_effect(direction=[1, -1], n=[9, 60])
    net = vf.network(y=[0.1, 0.2, 0.15], se=[0.1] * 3, study=list("123"), treat1=list("ABA"), treat2=list("BCC"), reference="A")
    judged = vf.appraisal.risk_of_bias(study=["a"], domain=["D1"], judgement=["Low"])
    map_of = pd.DataFrame({"pain": [1]}, index=["drug"])
    drawn: dict[str, tuple[Any, ...]] = {
        "albatross": (vf.appraisal.combine_p_values(p=[0.1, 0.2], n=[9, 60], direction=[1, -1]),), "effect_direction": (signs,),
        "harvest": (signs,), "posterior": (post,), "prior_densities": (vf.priors.HalfNormal(1.0),),
        "bubble": (vf.meta_regression(y=y, v=v, x=[[1, 1], [1, 2], [1, 4], [1, 6]]),), "over_time": ([(1, fit, post)],),
        "settings": (vf.appraisal.setting_shares(fit, beyond=0.1),), "ranks": ([i / 50 for i in range(50)],),
        "contribution_map": (vf.networks.contributions(net),), "net_heat": (vf.networks.detached_designs(net),),
        "rank_probabilities": (vf.networks.posterior(net, tau=vf.priors.HalfNormal(1.0)).ranks("low"),),
        "network_graph": (net,), "hasse": (vf.networks.scores({"x": net}, "low"),),
        "rank_heat": (vf.networks.scores({"x": net}, "low"),), "comparison_funnel": (net,),
        "risk_of_bias": (judged,), "risk_of_bias_summary": (judged,),
        "gap_map": (map_of, map_of), "selection_function": (
            vf.appraisal.selection_model(y=y, v=v, favoured="higher", heterogeneity="common"),
        ),
    }  # fmt: skip
    pools = {"baujat", "cumulative", "drapery", "forest", "funnel", "leave_one_out", "normal_quantiles", "radial", "sunset"}
    drawn["sequential"] = (vf.random_effects(y=y, v=v, question=vf.Question(mid=0.5)),)
    for name in vf.plots.__all__:
        verb = getattr(vf.plots, name)
        if "ax" in inspect.signature(verb).parameters:
            known = name in drawn or name in pools
            for ax in ("x", 3):  # another figure says in words that it takes no pool
                with pytest.raises(vf.InputError, match=r"ax is an? (str|int); give matplotlib axes" if known else ""):
                    verb(*drawn.get(name, (fit,)), ax=ax)


def test_wrong_types_are_worded_by_later_verbs() -> None:
    fit = vf.random_effects(y=[0.1, 0.4], v=[0.1, 0.2], question=vf.Question(measure="RR"))
    net = vf.network(y=[0.1, 0.2, 0.15], se=[0.1] * 3, study=list("123"), treat1=list("ABA"), treat2=list("BCC"))
    asked: list[tuple[Callable[[], Any], str]] = [
        (lambda: vf.appraisal.certainty(fit, unread=-1), "unread=-1 must be names"),
        (lambda: vf.appraisal.summary_of_findings(fit), "a list of outcomes"),
        (lambda: vf.appraisal.setting_shares(fit, beyond=-1), "beyond=-1 is no risk ratio"),
        (lambda: vf.networks.comparison_adjusted(net, order=-1), "every treatment once"),
        (lambda: vf.bayes.calibrate_model("x"), "a model of vf.bayes.models"),
        (lambda: vf.bayes.reports(net, tau=vf.priors.HalfNormal(1.0)), "not from a NetworkResult"),
        (lambda: vf.plots.forest(net, width=math.nan), "width=nan must be"),
        (lambda: vf.plots.gap_map("x", "x"), "two data frames"),
        (lambda: vf.plots.ranks("x"), "numbers from 0 to 1"),
    ]
    for ask, said in asked:
        with pytest.raises(vf.InputError, match=said):
            ask()


def test_factors_of_inflation_of_studies_that_fit_exactly() -> None:
    """Two uncorrelated columns inflate each other by nothing, also where the Hartung-Knapp factor is 0."""
    fit = vf.meta_regression(y=[1.0, 1.0, 1.0, 1.0], v=[1.0] * 4, x=[[1, -1, -1], [1, -1, 1], [1, 1, -1], [1, 1, 1]])
    assert list(fit.vif().values())[-2:] == pytest.approx([1, 1])


@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_a_coefficient_of_one_cluster_divides_by_nothing() -> None:
    fit = vf.meta_regression(y=[0.1, 0.5, 0.2, 0.9, 0.7], v=[0.02] * 5, x=[[1, 0], [1, 0], [1, 0], [1, 0], [1, 1]])
    found = vf.robust(fit, list("aabbc"))
    assert math.isnan(found.se[1])
    assert math.isfinite(found.se[0])

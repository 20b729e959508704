"""Every result answers the names of the contract, or refuses in words; docs/results.md is the table of what does what."""

from __future__ import annotations

import csv
import functools
import importlib
import inspect
import io
import json
import math
import pickle
import re
import warnings
import xml.etree.ElementTree as ET
import zipfile
from collections.abc import Callable
from pathlib import Path
from statistics import NormalDist
from typing import Any

import numpy as np
import pandas as pd
import pytest

import vfmeta as vf
from vfmeta.results.codec import CONTRACT, Recorded
from vfmeta.results.verbs import VERBS

WORD = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
TABLE = Path(__file__).parent.parent / "docs" / "results.md"
Y, V = [-0.6, -0.1, 0.4, 0.2, -0.3, 0.5, 0.1], [0.04, 0.09, 0.05, 0.12, 0.06, 0.1, 0.07]
DOSE = [1.0, 2.0, 4.0, 3.0, 1.5, 5.0, 2.5]
COUNTS: dict[str, Any] = {"events1": [4, 6, 3, 7], "n1": [40, 55, 38, 60], "events2": [9, 8, 6, 12], "n2": [41, 50, 40, 61]}
RR = vf.Question(measure="RR")
HELD = {"study", "term", "estimate", "se", "ci_low", "ci_high", "statistic", "df", "p_value", "weight", "scale"}
STRANGE = {"y", "coefficient", "low", "high", "z", "p", "omitted", "added", "q_p", "effect", "parameter", "beta"}


def regression(**more: Any) -> Any:
    return vf.meta_regression(y=Y, v=V, data={"dose": DOSE}, formula="~ dose", question=RR, **more)


def pool(**more: Any) -> Any:
    return vf.random_effects(y=Y, v=V, question=RR, **more)


def levels() -> Any:
    frame = pd.DataFrame({"trial": ["a", "a", "b", "c", "c", "d", "e"]})
    return vf.multivariate(y=Y, v=V, data=frame, random="1 | trial", question=RR)


def network() -> Any:
    sides = {"treat1": list("BBCCCBB"), "treat2": list("AAABBAA")}
    return vf.network(y=Y, v=V, study=list("abcdefg"), **sides, reference="A", question=RR)


def posterior() -> Any:
    return vf.bayes.random_effects(y=Y, v=V, tau=vf.priors.HalfNormal(0.5), question=RR)


RESULTS: dict[str, Callable[[], Any]] = {
    "random_effects": pool,
    "common_effect": lambda: vf.common_effect(y=Y, v=V, question=RR),
    "mantel_haenszel": lambda: vf.mantel_haenszel("OR", **COUNTS),
    "peto": lambda: vf.peto(**COUNTS),
    "glmm": lambda: vf.glmm("OR", **COUNTS),
    "glmm, moderators": lambda: vf.glmm("OR", **COUNTS, formula="~ year", data={"year": [1, 2, 4, 7]}),
    "beta_binomial": lambda: vf.beta_binomial("OR", **COUNTS),
    "meta_regression": regression,
    "location_scale": lambda: vf.location_scale(
        y=np.linspace(-1, 1, 12) + np.tile([0.4, -0.5, 0.1], 4), v=np.full(12, 0.02), data={"x": np.arange(12.0)},
        formula="~ 1", scale="~ x", question=RR,
    ),
    "subgroups": lambda: vf.subgroups(by=list("aabbabb"), y=Y, v=V, question=RR),
    "subgroups, common tau2": lambda: vf.subgroups(by=list("aabbabb"), y=Y, v=V, question=RR, common_tau2=True),
    "multivariate": levels,
    "robust": lambda: vf.robust(levels(), "trial"),
    "bootstrap": lambda: vf.bootstrap(regression(), draws=100),
    "permutation_test": lambda: vf.permutation_test(regression(), draws=40),
    "likelihood_ratio": lambda: vf.likelihood_ratio(regression(method="ML"), pool(method="ML")),
    "bayes.random_effects": posterior,
    "bayes.reports": lambda: vf.bayes.reports(
        kind=["full", "full", "not_significant", "p_bound", "direction"], y=[*Y[:2], None, None, None],
        se=[0.2, 0.3, 0.25, 0.3, 0.4], p=[None, None, None, 0.01, None], direction=[None, None, None, -1, 1],
        tau=vf.priors.HalfNormal(0.5), mu=vf.priors.Normal(0, 1), question=RR,
    ),
    "bayes.meta_regression": lambda: vf.bayes.meta_regression(
        y=Y, v=V, data={"dose": DOSE}, formula="~ dose", tau=vf.priors.HalfNormal(0.5), question=RR
    ),
    "bayes.model_average": lambda: vf.bayes.model_average(
        vf.bayes.random_effects(y=Y, v=V, tau=vf.priors.HalfNormal(0.5), mu=vf.priors.Normal(0, 1), question=RR)
    ),
    "network": network,
    "networks.components": lambda: vf.networks.components(
        y=Y[:4], v=V[:4], study=list("abcd"), treat1=["d", "b", "d+b", "d+b"], treat2=["s", "s", "s", "d"], inactive="s",
        question=RR,
    ),
    "networks.counts": lambda: vf.networks.counts(
        study=list("aabbccdd"), treatment=["x", "s", "y", "s", "x", "y", "x", "s"], events=[4, 9, 6, 8, 3, 6, 7, 12],
        n=[40, 41, 55, 50, 38, 40, 60, 61], reference="s",
    ),
    "networks.classes": lambda: vf.networks.classes(network(), {"A": "none", "B": "drug", "C": "drug"}),
    "networks.regression": lambda: vf.networks.regression(network(), dict(zip("abcdefg", range(7), strict=True))),
    "networks.posterior": lambda: vf.networks.posterior(network(), tau=vf.priors.HalfNormal(0.5)),
    "networks.split_nodes": lambda: vf.networks.split_nodes(made("networks.posterior")),
    "networks.compare_models": lambda: vf.networks.compare_models({
        "consistency": made("networks.posterior"),
        "UME": vf.networks.posterior(network(), tau=vf.priors.HalfNormal(0.5), consistency="UME"),
    }),
    "appraisal.direction_of_effect": lambda: vf.appraisal.direction_of_effect(direction=[1, 1, -1, 0, None]),
    "appraisal.combine_p_values": lambda: vf.appraisal.combine_p_values(p=[0.02, 0.4, 0.1], n=[40, 60, 90]),
    "appraisal.selection_model": lambda: vf.appraisal.selection_model(y=Y, v=V, question=RR, favoured="higher"),
    "appraisal.selection_model, moderators": lambda: vf.appraisal.selection_model(
        y=Y, v=V, data={"dose": DOSE}, formula="~ dose", question=RR, favoured="lower", model="half-normal"
    ),
    "appraisal.selection_model, scale": lambda: vf.appraisal.selection_model(
        y=[*Y, *(2 * y for y in Y)], v=[*V, *V], data={"dose": [*DOSE, *(9 + d for d in DOSE)]}, scale="~ dose", question=RR,
        favoured="lower",
    ),
    "appraisal.risk_of_bias": lambda: vf.appraisal.risk_of_bias({"Study": ["a"], "D1": ["Low"], "Overall": ["High"]}),
    "appraisal.certainty": lambda: vf.appraisal.certainty(
        pool(), unread={"z": None}, panel={"level": "low", "reason": "as discussed", "date": "2026-03-01", "panel": "panel"}
    ),
    "appraisal.summary_of_findings": lambda: vf.appraisal.summary_of_findings([(pool(), vf.appraisal.certainty(pool()))]),
    "appraisal.effect_range": lambda: vf.appraisal.effect_range(y=Y),
    "appraisal.egger": lambda: vf.appraisal.egger(pool()),
    "appraisal.begg": lambda: vf.appraisal.begg(pool()),
    "appraisal.trim_and_fill": lambda: vf.appraisal.trim_and_fill(pool(), side="left"),
    "appraisal.pet_peese": lambda: vf.appraisal.pet_peese(pool(), favoured="higher"),
    "appraisal.henmi_copas": lambda: vf.appraisal.henmi_copas(pool()),
    "appraisal.limit_meta_analysis": lambda: vf.appraisal.limit_meta_analysis(pool()),
    "appraisal.p_uniform_star": lambda: vf.appraisal.p_uniform_star(pool(), favoured="higher"),
    "appraisal.robust_average": lambda: vf.appraisal.robust_average(
        y=Y, v=V, favoured="higher", question=vf.Question(measure="OR")
    ),
    "appraisal.worst_case": lambda: vf.appraisal.worst_case(pool(), favoured="higher"),
    "appraisal.lfk_index": lambda: vf.appraisal.lfk_index(pool()),
    "appraisal.p_curve": lambda: vf.appraisal.p_curve(pool()),
    "appraisal.copas": lambda: vf.appraisal.copas(pool(), at=[1, 0.7, 0.4]),
    "appraisal.fail_safe": lambda: vf.appraisal.fail_safe(pool()),
    "appraisal.next_trial": lambda: vf.appraisal.next_trial(pool()),
    "appraisal.heteroscedasticity": lambda: vf.appraisal.heteroscedasticity(pool(), draws=50),
    "appraisal.setting_shares": lambda: vf.appraisal.setting_shares(pool(), beyond=0.8),
    "appraisal.excess_significance": lambda: vf.appraisal.excess_significance(pool()),
    "multiverse": lambda: vf.multiverse(pool(), leaving_out=False, favoured="higher", adjustments=["none", "trim and fill"]),
    "bayes.power_scaling": lambda: vf.bayes.power_scaling(posterior()),
    "bayes.leave_one_out": lambda: vf.bayes.leave_one_out(posterior()),
    "bayes.predictive_check": lambda: vf.bayes.predictive_check(posterior(), draws=200),
}  # fmt: skip


@functools.cache
def made(name: str) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", vf.VfmetaWarning)
        return RESULTS[name]()


def cell(result: Any, name: str) -> str:
    """``answers``, or the sentence of the refusal."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = getattr(result, name)
            if callable(found):
                found()
    except vf.NotDefined as refusal:
        return str(refusal)
    finally:
        plt.close("all")
    return "answers"


@pytest.mark.parametrize("name", RESULTS)
def test_every_name_answers_or_refuses_in_a_sentence(name: str) -> None:
    for attribute in CONTRACT:
        said = cell(made(name), attribute)
        assert said == "answers" or (len(said) > 20 and said.endswith(".")), (attribute, said)


@pytest.mark.parametrize("name", RESULTS)
def test_json_pickle_and_equality_keep_a_result(name: str) -> None:
    fit = made(name)
    back = vf.read_result(fit.to_json())
    assert type(back) is type(fit)
    assert (back == fit) is True
    assert back.to_json() == fit.to_json()
    assert (pickle.loads(pickle.dumps(fit)) == fit) is True
    changed = json.loads(fit.to_json())
    changed["warnings"] = [*changed["warnings"], "another"]
    assert (vf.read_result(changed) == fit) is False
    assert (fit == 1) is False


@pytest.mark.parametrize("name", RESULTS)
def test_frames_have_the_names_of_the_contract(name: str) -> None:
    fit = made(name)
    for attribute in ("to_frame", "coefficients", "studies"):
        if cell(fit, attribute) != "answers":
            continue
        found = getattr(fit, attribute)
        frame = found() if callable(found) else found
        assert not STRANGE & set(frame.columns), attribute
        if "estimate" in frame:
            assert frame["scale"].notna().all()
    if cell(fit, "studies") == "answers":
        assert {"study", "estimate", "se", "ci_low", "ci_high", "weight", "scale"} <= set(fit.studies.columns)
        assert len(fit.studies) == fit.k


@pytest.mark.parametrize("name", RESULTS)
def test_every_result_is_written_as_the_same_table_everywhere(name: str, tmp_path: Path) -> None:
    fit = made(name)
    shown = fit._written()
    html = re.findall(r"<tr>(.*?)</tr>", fit.to_html())
    latex = [x for x in fit.to_latex().splitlines() if x.endswith(r" \\")]
    with zipfile.ZipFile(fit.to_docx(tmp_path / "table.docx")) as file:
        word = ET.fromstring(file.read("word/document.xml"))
    rows = len(shown.rows) + (len(shown.rows) > 0 and any(shown.columns))
    assert rows > 0
    assert (len(html), len(latex), len(list(word.iter(f"{WORD}tr")))) == (rows, rows, rows)
    last = ["".join(t.text or "" for t in cell.iter(f"{WORD}t")) for cell in list(word.iter(f"{WORD}tr"))[-1].iter(f"{WORD}tc")]
    assert last == list(shown.rows[-1])
    table = list(csv.reader(io.StringIO(fit.to_csv())))
    assert {len(row) for row in table} == {len(table[0])}
    if shown.frame is not None:
        assert table[0] == list(map(str, shown.frame.columns))
        assert len(table) == 1 + len(shown.frame)


def test_the_table_of_a_pool_ends_with_the_pool() -> None:
    table = vf.effect_size("RR", events1=[10, 15], n1=[100, 150], events2=[20, 30], n2=[100, 150], study=["A", "B"])
    fit = vf.common_effect(table)
    v = 1 / 10 + 1 / 20 - 2 / 100, 1 / 15 + 1 / 30 - 2 / 150  # RR 0.5 in both
    half = NormalDist().inv_cdf(0.975) * np.sqrt(1 / (1 / v[0] + 1 / v[1]))
    pooled = f"0.50 ({0.5 * np.exp(-half):.2f} to {0.5 * np.exp(half):.2f})"
    assert fit._written().rows[-1] == ("pooled (common)", "", "", pooled, "")
    assert fit._written().rows[0][:3] == ("A", "10/100", "20/100")
    *_, last = csv.DictReader(io.StringIO(fit.to_csv()))
    assert float(last["estimate"]) == pytest.approx(np.log(0.5), rel=1e-9)
    assert (last["study"], last["weight"], last["scale"]) == ("pooled", "", "log RR")


BATCH = pd.DataFrame({"question": list("aaabbbb"), "y": Y, "v": V})
# verbs whose answer is a frame, and what a row of it is
FRAMES: dict[str, tuple[Callable[[], pd.DataFrame], str]] = {
    "leave_one_out": (lambda: vf.leave_one_out(pool()), "study"),
    "leave_one_out, posterior": (lambda: vf.leave_one_out(posterior()), "study"),
    "leave_one_out, regression": (lambda: vf.leave_one_out(regression()), "study"),
    "leave_one_out, multivariate": (lambda: vf.leave_one_out(levels()), "study"),
    "cumulative": (lambda: vf.cumulative(pool()), "study"),
    "sequential": (lambda: vf.appraisal.sequential(pool(), mid=0.8), "study"),
    "influence": (lambda: vf.influence(pool()), "study"),
    "residuals": (lambda: vf.residuals(regression()), "study"),
    "study_intervals": (lambda: vf.study_intervals(y=Y, v=V), "study"),
    "blups": (lambda: levels().blups(), "study"),
    "random_effects": (lambda: levels().random_effects(), "term"),
    "component_intervals": (lambda: vf.component_intervals(levels()), "term"),
    "components": (lambda: levels().components, "term"),
    "residuals, pool": (lambda: vf.residuals(pool()), "study"),
    "residuals, multivariate": (lambda: vf.residuals(levels()), "study"),
    "residuals of a multivariate fit": (lambda: levels().residuals(), "study"),
    "influence, multivariate": (lambda: vf.influence(levels()), "study"),
    "baujat": (lambda: vf.baujat(pool()), "study"),
    "blups, pool": (lambda: vf.blups(pool()), "study"),
    "all_subsets": (lambda: vf.all_subsets(pool()), "mask"),
    "normal_quantiles": (lambda: vf.normal_quantiles(pool(), draws=100), "study"),
    "subset_clusters": (lambda: vf.subset_clusters(pool()), "mask"),
    "comparison_adjusted": (lambda: vf.networks.comparison_adjusted(network()), "study"),
    "profile_likelihood": (lambda: vf.profile_likelihood(pool()), "tau2"),
    "prior_sensitivity": (
        lambda: vf.bayes.prior_sensitivity(y=Y, v=V, tau_scales=[0.5, 1], mu_sds=[1, 10], question=RR), "tau_scale"
    ),
    "comparisons": (lambda: network().comparisons(), "treatment"),
    "comparisons, posterior": (lambda: made("networks.posterior").comparisons(), "treatment"),
    "comparisons, components": (lambda: made("networks.components").comparisons(), "treatment"),
    "comparisons, regression": (lambda: made("networks.regression").at(2.0), "treatment"),
    "modifiers": (
        lambda: vf.networks.modifiers(vf.network_from_trials(
            vf.load_trials(), ["placebo", "risedronate"], outcome="new_vertebral_fracture", measure="RR", week=156,
            window=(100, 170),
        )), "treatment",
    ),
    "scores": (lambda: vf.networks.scores({"pain": network()}, "low"), "pain"),
    "partial_order": (lambda: vf.networks.partial_order(network(), "low"), "above"),
    "contributions": (lambda: vf.networks.contributions(network()), "treatment"),
    "detached_designs": (lambda: vf.networks.detached_designs(network()), "design"),
    "loops": (lambda: vf.networks.loops(network()), "loop"),
    "split_sides": (lambda: vf.networks.split_sides(network()), "treatment"),
    "rests_on": (lambda: made("bayes.reports").rests_on(), "term"),
    "predict": (lambda: regression().predict(), "estimate"),
    "contrast": (lambda: regression().contrast([[1, 0]])[0], "estimate"),
    "network_many": (
        lambda: vf.network_many({
            "question": [1] * 3 + [2] * 3, "study": list("abc") * 2, "treat1": list("BCC") * 2, "treat2": list("AAB") * 2,
            "y": Y[:6], "v": V[:6],
        }), "question",
    ),
    "random_effects_many": (lambda: vf.random_effects_many(BATCH), "question"),
    "appraisal.egger_many": (lambda: vf.appraisal.egger_many(BATCH), "question"),
    "appraisal.selection_model_many": (lambda: vf.appraisal.selection_model_many(BATCH, favoured="higher"), "question"),
    "appraisal.trim_and_fill_many": (lambda: vf.appraisal.trim_and_fill_many(BATCH), "question"),
    "bayes.random_effects_many": (
        lambda: vf.bayes.random_effects_many(BATCH, "question", tau=vf.priors.HalfNormal(0.5)), "question"
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FRAMES)
@pytest.mark.filterwarnings("ignore::vfmeta.VfmetaWarning")
def test_frames_of_verbs_have_the_names_of_the_contract(name: str) -> None:
    make, row = FRAMES[name]
    frame = make()
    assert frame.columns[0] == row
    assert not STRANGE & set(frame.columns)
    assert ("ci_low" in frame) == ("ci_high" in frame)
    assert ("ci_low" not in frame) or "estimate" in frame
    assert ("statistic" in frame) == ("p_value" in frame)
    if {"estimate", "se", "residual", "ci_low"} & set(frame.columns):  # a number on a scale names it
        assert frame["scale"].notna().all()


def test_every_verb_whose_answer_is_a_frame_is_among_these() -> None:
    there = {
        name: f
        for home in (vf, vf.bayes, vf.networks, vf.appraisal)
        for name in home.__all__
        if inspect.isfunction(f := getattr(home, name)) and str(inspect.signature(f).return_annotation).endswith("DataFrame")
    }
    assert len(there) > 8
    assert set(there) - {"read_references", "read_network"} <= {name.rpartition(".")[2].partition(",")[0] for name in FRAMES}


def frames_of(fit: Any) -> dict[str, pd.DataFrame]:
    """Every frame that a result has or gives without an argument."""
    out = {}
    for name in (a for a in dir(type(fit)) if not a.startswith("_")):
        try:
            found = getattr(fit, name)
            if inspect.ismethod(found) and "DataFrame" in str(inspect.signature(found).return_annotation):
                found = found()
        except (vf.NotDefined, vf.InputError, TypeError):  # not of this result, or not without an argument
            continue
        if isinstance(found, pd.DataFrame):
            out[name] = found
    return out


@pytest.mark.filterwarnings("ignore::vfmeta.VfmetaWarning")
def test_every_frame_of_a_result_names_its_scale() -> None:
    every = {(n, a): frame for n in RESULTS for a, frame in frames_of(made(n)).items()}
    numbers = {at for at, frame in every.items() if {"estimate", "se", "residual", "ci_low"} & set(frame.columns)}
    assert len(numbers) > 50
    assert {at for at in numbers if "scale" not in every[at] or every[at]["scale"].isna().any()} == set()


def test_the_scale_people_read_is_the_turned_one() -> None:
    turned = [n for n in RESULTS if "on" in inspect.signature(type(made(n)).to_frame).parameters]
    assert len(turned) > 30
    for name in turned:
        fit = made(name)
        frame, read = fit.to_frame(), fit.to_frame(on="read")
        rows = frame["scale"].isin(["log RR", "log OR"]) if "estimate" in frame else slice(0, 0)
        if "estimate" in frame:
            assert rows.any(), name
            np.testing.assert_allclose(read["estimate"][rows], np.exp(frame["estimate"][rows]), rtol=1e-12, err_msg=name)
            np.testing.assert_allclose(read["ci_low"][rows], np.exp(frame["ci_low"][rows]), rtol=1e-12, err_msg=name)
            assert read["se"][rows].isna().all(), name
            assert set(read["scale"][rows]) <= {"RR", "OR"}, name
        with pytest.raises(vf.InputError, match="on='log'"):
            fit.to_frame(on="log")


def test_a_slope_is_not_turned_where_it_means_nothing() -> None:
    fit = vf.meta_regression(y=Y, v=V, data={"dose": DOSE}, formula="~ dose", question=vf.Question(measure="PLO"))
    with pytest.raises(vf.InputError, match="a coefficient of logit PR is no PR"):
        fit.to_frame(on="read")
    turned = fit.predict({"dose": [2.0]}, on="read")["estimate"][0]
    assert turned == pytest.approx(1 / (1 + math.exp(-fit.predict({"dose": [2.0]})["estimate"][0])))


def test_a_pool_answers_for_other_intervals_of_tau2() -> None:
    fit = pool(tau2_interval="profile-likelihood")
    same = fit.heterogeneity_interval("Q-profile", 0.9)
    asked = pool(level=0.9)
    assert same["tau2"] == pytest.approx(asked.tau2_interval, rel=1e-9)
    one = vf.meta_regression(y=Y, v=V, x=np.ones((7, 1)), names=["Intercept"], question=RR)
    assert fit.heterogeneity_interval("generalised-Q")["i2"] == pytest.approx(
        one.heterogeneity_interval("generalised-Q")["i2"], rel=1e-9
    )


@pytest.mark.parametrize(("method", "kind"), [(m, k) for m, kinds in VERBS.items() for k in kinds])
def test_methods_that_reach_up_are_there(method: str, kind: str) -> None:
    verb = VERBS[method][kind]
    package, name = verb.home.split(":")
    function = getattr(importlib.import_module(package), name)
    parameters = list(inspect.signature(function).parameters)
    assert verb.takes in parameters
    assert verb.keyword or parameters[0] == verb.takes
    assert callable(getattr(Recorded, method))


def test_models_keep_their_priors_themselves() -> None:
    tau, mu, sd = vf.priors.HalfNormal(0.5), vf.priors.Normal(0, 2), vf.priors.HalfNormal(0.3)
    models, own = vf.bayes.models, {"y": Y, "v": V, "tau": tau}
    for model, known in (
        (models.normal_normal(**own, mu=mu), {"tau": tau, "mu": mu}),
        (models.robust(**own, mu=mu), {"tau": tau, "mu": mu}),
        (models.meta_regression(**own, data={"dose": DOSE}, formula="~ dose", beta={"dose": mu}),
         {"tau": tau, "dose": mu, "Intercept": vf.priors.Flat()}),
        (models.binomial(**COUNTS, tau=tau, mu=mu, baseline="random", baseline_sd=sd), {"tau": tau, "baseline_sd": sd}),
        (models.classes(**own, mu=mu, class_sd=sd, intervention=list("abcabca"), klass=dict(zip("abc", "XXY", strict=True))),
         {"tau": tau, "class_mean": mu, "class_sd": sd}),
    ):  # fmt: skip
        assert {name: model.prior_objects[name] for name in known} == known


def table_of_results() -> str:
    names, every = (", ".join(f"`{n}`" for n in part) for part in (RESULTS, CONTRACT))
    lines = [
        "# What every result answers",
        "",
        "Made by `python -m tests.test_contract`; the test fails where this page is not what it finds.",
        "A name that is not listed answers; the others refuse with the sentence shown.",
        "",
        f"Results of: {names}.",
        "",
        f"Names: {every}. All answer, but for:",
    ]
    for name in RESULTS:
        refused = {a: said for a in CONTRACT if (said := cell(made(name), a)) != "answers"}
        if refused:
            lines += ["", f"## {name}", "", *(f"- `{a}`: {said}" for a, said in refused.items())]
    return "\n".join(lines) + "\n"


def test_the_table_of_results_is_that_of_today() -> None:
    assert TABLE.read_text(encoding="utf-8") == table_of_results()


if __name__ == "__main__":
    TABLE.write_text(table_of_results(), encoding="utf-8")

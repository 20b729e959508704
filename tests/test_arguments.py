"""Arguments of every public verb: one name, one meaning, one order, annotated; and every verb shows itself at work."""

from __future__ import annotations

import importlib
import inspect
from typing import Any, Literal, get_origin

import pytest

from vfmeta.core import params

# every argument of `vf`, `vf.bayes` and `vf.bayes.models`, in the order in which verbs take them
IN_ORDER = """
    fit fits post posts covariate sampled fuller simpler prior trials treatments source folder measure data out path sheet
    columns tool formula scale by k y v se se_base V ci arm mean sd events n time reference events1 n1 events2 n2 time1 time2
    study measures zeros include leaving_out adjustments methods tests taus treatment treat1 treat2 inactive separator
    interactions content triangle better longest name slopes centre intervention klass within experimental control cluster
    outcome domain judgement support period weeks sides higher_is_worse points mid mid_from time_control n_experimental
    n_control x z p direction predictor estimator unit_sd side favoured names random structure variances correlations R rho
    phi zero to add drop00 add_to_estimate vtype correct pool_add model cuts two_sided delta heterogeneity nAGQ consistency
    parametrisation baseline coding study_effects trial_design icc cluster_size correlation decimal curve at order tau mu beta
    class_sd baseline_prior baseline_sd between_trials between_arms memory lasting curve_sd tau_scales mu_sds family mu_mean
    bias rows title eligibility unread subgroups design baseline_risk baseline_from risk_difference panel method tau2
    common_tau2 kind instrument score sds sd_prior test df power level bias_tool interval omnibus weights target beyond
    truncation null p_effect p_heterogeneity p_bias question missing prediction tau2_interval tau2_limits studies on
    reestimate check components note exact runs clusters draws tune chains thin seed parameters backend jobs done say program
"""
ORDER = tuple(IN_ORDER.split())
# arguments of conversions, figures and priors, which follow the formula or the figure
FOLLOWING = """
    alt ax ax_or_fig baseline_risk better bias bins centre chi2 close cluster clusters column columns comparison continuity
    contours counts d data designs df digits distribution dpi draws estimate events f failed family fit fixed flag_note font
    formats found high index known labels layout level log low maximum mean measure median method mid minimum moderator n n1
    n2 notes odds_ratio order outcome overall p phi post posterior power prior priors probability q1 q3 question r ranks
    region results_by_week rho row scores sd sd_change sd_post sd_pre sections seed share shares show_prediction sides sign
    skew_test stem t tau2 title top total unit usable v value values weighted weights width wrap x xlim y z
"""
ELSEWHERE = set(FOLLOWING.split())
# what a name is, wherever it stands
MEANS: dict[str, set[str]] = {
    "level": {"float", "float | None"},
    "seed": {"int", "int | None"},
    "draws": {"int", "int | None"},
    "question": {"Question | None"},
    "missing": {"Missing"},
    "method": {"Method", "MethodOrCommon", "MethodOrCommon | None", "Likelihood"},
    "tau2": {"float | None"},
    "test": {"Test", "Test | None", "PoolTest", "RegressionTest", "StudyTest", "WaldTest", "WaldTest | None",
             "CountTest | None"},
    "kind": {"Influential", "Predicted | None", "Robust", "Bootstrap", "SampleSize", "Any"},  # a column of kinds, a report each
    "interval": {"IntervalKind"},
    "tau2_interval": {"Tau2Interval"},
    "prediction": {"Prediction", "ClosedPrediction"},
    "heterogeneity": {"Heterogeneity"},
    "on": {"OnScale"},
    "formula": {"str | None"},
    "study": {"Any", "str", "str | None"},
    "data": {"Any", "Mapping[str, EffectTable] | EffectTable | Any",
             "Mapping[float, EffectTable] | Sequence[tuple[float, EffectTable]] | EffectTable | Any"},
}  # fmt: skip
OPTIONS = {name for name, x in vars(params).items() if get_origin(x) is Literal}
MODELS, OTHERS = (
    ("vfmeta", "vfmeta.bayes", "vfmeta.bayes.models", "vfmeta.networks", "vfmeta.appraisal"),
    ("vfmeta.plots", "vfmeta.convert", "vfmeta.priors"),
)
# they sample with PyMC, or only describe what is sampled: compiling takes seconds
SAMPLED = {"sample", "sample_posterior", "agreement", "calibrate_model", "Model", "Sampled", "NetworkModel", "SampledNetwork"}


def public(*packages: str) -> list[Any]:
    found = []
    for package in packages:
        module = importlib.import_module(package)
        for name in module.__all__:
            verb = getattr(module, name)
            if inspect.isfunction(verb) or (isinstance(verb, type) and not issubclass(verb, (Exception, Warning))):
                found.append(pytest.param(verb, id=f"{package}.{name}"))
    return found


def functions(*packages: str) -> list[Any]:
    return [x for x in public(*packages) if inspect.isfunction(x.values[0])]


@pytest.mark.parametrize("verb", functions(*MODELS))
def test_arguments_stand_in_one_order(verb: Any) -> None:
    taken = inspect.signature(verb).parameters.values()
    for kinds in ((inspect.Parameter.POSITIONAL_OR_KEYWORD,), (inspect.Parameter.KEYWORD_ONLY,)):
        names = [p.name for p in taken if p.kind in kinds]
        assert not set(names) - set(ORDER), "a name that no other verb has: is there one that says the same?"
        assert names == sorted(names, key=ORDER.index)


def test_the_order_names_what_verbs_take_and_nothing_twice() -> None:
    taken = {p for verb in functions(*MODELS) for p in inspect.signature(verb.values[0]).parameters}
    assert taken - {"options"} == set(ORDER)
    assert len(ORDER) == len(set(ORDER))


def test_arguments_of_conversions_and_figures_are_declared() -> None:
    assert {p for verb in functions(*OTHERS) for p in inspect.signature(verb.values[0]).parameters} == ELSEWHERE


@pytest.mark.parametrize("verb", functions(*MODELS, *OTHERS))
def test_every_argument_is_annotated_and_options_by_their_alias(verb: Any) -> None:
    hints, taken = verb.__annotations__, inspect.signature(verb).parameters
    assert set(taken) | {"return"} == set(hints)
    for name, hint in hints.items():
        assert "Literal" not in str(hint)
        if name == "return":
            continue
        if verb.__module__.startswith(("vfmeta.plots", "vfmeta.convert", "vfmeta.priors")):
            continue
        if name in MEANS:
            assert str(hint) in MEANS[name], name
        usual = taken[name].default
        if isinstance(usual, str) and str(hint) == "str":  # a text by default, and no option: a name or a formula
            plain = "measure by y v study arm mean n sd scale note name separator title baseline_from"
            assert name in plain.split()


@pytest.mark.parametrize("verb", public(*MODELS, *OTHERS))
def test_every_verb_and_class_has_an_example_that_runs(verb: Any) -> None:
    """`test_docstrings` runs them; none is skipped but those that sample."""
    doc = inspect.getdoc(verb) or ""
    assert ">>>" in doc
    if verb.__name__ not in SAMPLED:
        assert "+SKIP" not in doc
    else:
        assert any(">>>" in line and "+SKIP" not in line for line in doc.splitlines())

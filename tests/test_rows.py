"""Rows of two inputs meet by name, unknown is no group, one column is one thing in every engine, no column vanishes."""

from __future__ import annotations

import datetime
import math
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

import vfmeta as vf

Y, V = [0.1, 0.9, 0.5, 0.2, 1.3, 0.4], [0.002, 0.003, 0.002, 0.005, 0.002, 0.004]
TAU = vf.priors.HalfNormal(0.5)
ENGINES = {
    "regression": lambda frame, formula: vf.meta_regression(frame, formula),
    "Bayesian regression": lambda frame, formula: vf.bayes.meta_regression(frame, formula, tau=TAU),
    "multivariate": lambda frame, formula: vf.multivariate(frame.assign(s=list("ABCDEF")), random="1 | s", formula=formula),
    "location": lambda frame, formula: vf.location_scale(frame, formula, "~ 1"),
}
GROUPED = {
    "subgroups": lambda frame, **k: tuple(vf.subgroups(frame, "g", **k).terms),
    "che": lambda frame, **k: vf.che(frame, cluster="g", **k).clusters,
    "multivariate": lambda frame, **k: vf.multivariate(frame, random="1 | g", **k).random[0].groups,
    **{name: lambda frame, f=f, **k: tuple(f(frame, "~ g").terms) for name, f in ENGINES.items() if name != "multivariate"},
}


def quiet(call: Any, *args: Any, **given: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", vf.VfmetaWarning)
        return call(*args, **given)


def frame(**more: Any) -> pd.DataFrame:
    return pd.DataFrame({"y": Y, "v": V, **more})


@pytest.fixture
def events() -> pd.DataFrame:
    """Trial C has no event in either arm, so that a ratio leaves it out."""
    return pd.DataFrame({
        "s": list("ABCDE"), "a": [1, 2, 0, 4, 3], "n": [50] * 5, "c": [3, 5, 0, 6, 7], "m": [50] * 5, "g": list("xxyyy"),
        "dose": [1.0, 2.0, 9.0, 4.0, 5.0],
    })  # fmt: skip


@pytest.fixture
def table(events: pd.DataFrame) -> Any:
    return quiet(vf.effect_size, "OR", data=events, study="s", events1="a", n1="n", events2="c", n2="m")


@pytest.mark.parametrize("turned", ["positions", "list", "names"])
def test_columns_of_the_data_fit_after_a_row_was_left_out(events: pd.DataFrame, table: Any, turned: str) -> None:
    """After a trial without events of dat.nielweise2007 in MAJOR."""
    want = quiet(vf.subgroups, table, by="g")
    by = {"positions": events.g, "list": events.g.tolist(), "names": events.set_index("s").g[::-1]}[turned]
    got = quiet(vf.subgroups, table, by=by)
    assert got.terms == want.terms
    assert got.estimate.tolist() == want.estimate.tolist()
    weights = {"positions": events.dose, "list": events.dose.tolist(), "names": events.set_index("s").dose[::-1]}[turned]
    assert quiet(vf.random_effects, table, weights=weights).estimate == pytest.approx(
        np.average(table.y, weights=[1.0, 2.0, 4.0, 5.0]), rel=1e-12
    )
    slope = quiet(vf.meta_regression, table, x=np.column_stack([np.ones(5), events.dose])).estimate
    assert slope == pytest.approx(quiet(vf.meta_regression, table, "~ dose").estimate, rel=1e-10)


def test_part_of_a_table_still_knows_its_rows(events: pd.DataFrame, table: Any) -> None:
    part = table.without("A")
    got = quiet(vf.random_effects, part, weights=events.dose)
    assert got.estimate == pytest.approx(np.average(part.y, weights=[2.0, 4.0, 5.0]), rel=1e-12)


def test_other_lengths_name_the_trial_that_was_left_out(table: Any) -> None:
    with pytest.raises(vf.InputError, match=r"by has 3 values for 4 rows.*left out C"):
        vf.subgroups(table, by=["x", "y", "y"])


@pytest.mark.parametrize("unknown", ["", "  ", None, np.nan, pd.NA])
@pytest.mark.parametrize("engine", GROUPED)
def test_unknown_is_no_group(engine: str, unknown: Any) -> None:
    data = frame(g=["a", "a", unknown, "b", "b", "b"])
    with pytest.raises(vf.InputError, match=r"row 3 .*column (g|cluster): missing value"):
        quiet(GROUPED[engine], data)


@pytest.mark.parametrize("engine", GROUPED)
@pytest.mark.parametrize("kind", ["object", "category", "string"])
def test_labels_that_differ_only_in_space_are_one_and_are_named(engine: str, kind: str) -> None:
    kinds: Any = pd.CategoricalDtype(["a", "a ", "b", " b"]) if kind == "category" else kind
    dirty = frame(g=pd.Series(["a", "a ", "a", "b", " b", "b"]).astype(kinds))
    with pytest.warns(vf.VfmetaWarning, match=r"'a' and 'a ' differ only in the space"):
        got = GROUPED[engine](dirty)
    assert got == quiet(GROUPED[engine], frame(g=list("aaabbb")))


@pytest.mark.parametrize("engine", ENGINES)
def test_numbers_written_as_text_are_refused_in_every_engine(engine: str) -> None:
    data = frame(x=["1", "2", "3", "1", "2", "3"])
    with pytest.raises(vf.InputError, match=r"column x holds numbers as text \('1', '2', '3'\)"):
        ENGINES[engine](data, "~ x")
    assert len(quiet(ENGINES[engine], data, "~ C(x)").terms) == 3
    with pytest.raises(vf.InputError, match="x holds text in row 1, 2"):
        vf.meta_regression(data, x=data.x)


@pytest.mark.parametrize("engine", ENGINES)
def test_dates_are_neither_groups_nor_numbers(engine: str) -> None:
    for days in (pd.date_range("2020-01-01", periods=6), [datetime.date(2020, 1, d) for d in range(1, 7)]):
        with pytest.raises(vf.InputError, match="column when holds dates"):
            ENGINES[engine](frame(when=days), "~ when")


@pytest.mark.parametrize("engine", ENGINES)
def test_formulas_name_any_column(engine: str) -> None:
    odd = frame(**{"my.dose": [1.0, 2, 3, 4, 6, 5], "my dose": [1.0, 2, 3, 4, 6, 5], "dose": [1.0, 2, 3, 4, 6, 5]})
    want = quiet(ENGINES[engine], odd, "~ dose").estimate
    for name in ("my.dose", "my dose"):
        np.testing.assert_array_equal(quiet(ENGINES[engine], odd, f"~ `{name}`").estimate, want)
    with pytest.raises(vf.InputError, match=r"Write `my\.dose`, with the backticks"):
        ENGINES[engine](odd.drop(columns="dose"), "~ my.dose")


@pytest.mark.parametrize("value", ["3", "high", True, datetime.date(2020, 1, 1), None, np.inf])
def test_predictions_of_another_kind_of_value_are_refused(value: Any) -> None:
    fit = quiet(vf.meta_regression, frame(dose=[1.0, 2, 3, 4, 6, 5]), "~ dose")
    with pytest.raises(vf.InputError, match="row 1, column dose"):
        fit.predict({"dose": [value]})


def test_predictions_know_groups_by_their_name() -> None:
    fit = quiet(vf.meta_regression, frame(g=list("aabbcc")), "~ g")
    assert quiet(fit.predict, {"g": ["b "]}).estimate.tolist() == fit.predict({"g": ["b"]}).estimate.tolist()
    with pytest.raises(vf.InputError, match=r"column g: 1 is not one of the values of the fit \(a, b, c\)"):
        fit.predict({"g": [1]})


def test_columns_of_the_data_never_vanish_under_ours() -> None:
    """`y`, `v` and `study` of the data that are something else stand beside the table's own."""
    data = pd.DataFrame({"d": Y, "s2": V, "y": list("uvwxyz"), "v": range(6), "name": list("ABCDEF"), "outcome": 1})
    table = vf.effect_table(data, y="d", v="s2", study="name")
    assert table.frame["y"].tolist() == Y
    assert table.frame["y (data)"].tolist() == list("uvwxyz")
    assert table.frame["v (data)"].tolist() == list(range(6))
    assert table.frame["outcome"].tolist() == [1] * 6
    assert "study (data)" not in table.frame
    assert not [c for c in vf.effect_table(frame(study=list("ABCDEF"))).frame if "(data)" in c]


def test_a_column_called_effect_or_cluster_is_what_the_formula_reads() -> None:
    data = frame(trial=list("abccde"), effect=[5.0, 4, 3, 2, 1, 0], cluster=[1.0, 0, 1, 0, 1, 1])
    other = data.rename(columns={"effect": "z", "cluster": "w"})
    got = quiet(vf.che, data, cluster="trial", formula="~ effect + cluster")
    np.testing.assert_allclose(got.estimate, quiet(vf.che, other, cluster="trial", formula="~ z + w").estimate, rtol=1e-12)


def test_what_is_no_count_is_named() -> None:
    counts = {"n1": [10, 10], "events2": [1, 2], "n2": [10, 10]}
    with pytest.raises(vf.InputError, match=r"row 1 .*events1: True is not a number"):
        vf.mantel_haenszel("OR", events1=[True, False], **counts)
    with pytest.raises(vf.InputError, match=r"row 2 .*events1: '<5' is a bound, not a number"):
        vf.mantel_haenszel("OR", events1=[1, "<5"], **counts)
    with pytest.raises(vf.InputError, match=r"row 2, column p: '<0.001' is a bound"):
        vf.effect_size("SMD", data=pd.DataFrame({"p": [0.03, "<0.001"], "n1": 9, "n2": 9}), p="p", n1="n1", n2="n2")


MANY = {
    "frequentist": lambda frame, **k: vf.random_effects_many(frame, **k),
    "Bayesian": lambda frame, **k: vf.bayes.random_effects_many(frame, tau=TAU, **k),
}


@pytest.mark.parametrize("engine", MANY)
def test_a_group_never_vanishes_under_a_statistic(engine: str) -> None:
    for name in MANY[engine](frame(g=list("aabbcc")), by="g").columns.drop("g"):
        with pytest.raises(vf.InputError, match=f"by='{name}': the answer has a column '{name}' of its own"):
            MANY[engine](pd.DataFrame({"yi": Y, "vi": V, name: list("aabbcc")}), by=name, y="yi", v="vi")


@pytest.mark.parametrize("engine", MANY)
@pytest.mark.parametrize("unknown", ["", "  ", None, np.nan, pd.NA])
def test_unknown_is_no_meta_analysis(engine: str, unknown: Any) -> None:
    with pytest.raises(vf.InputError, match="row 3, column g: missing value"):
        MANY[engine](frame(g=["a", "a", unknown, "b", "b", "b"]), by="g")
    with pytest.raises(vf.InputError, match="row 3, column g: missing value"):
        MANY[engine](frame(g=["a", "a", unknown, "b", "b", "b"], h=1), by=["h", "g"])


@pytest.mark.parametrize("engine", MANY)
def test_meta_analyses_have_one_spelling(engine: str) -> None:
    with pytest.warns(vf.VfmetaWarning, match="'a' and 'a ' differ only in the space"):
        got = MANY[engine](frame(g=["a", "a ", "a", "b", "b", "b"]), by="g")
    assert got["g"].tolist() == ["a", "b"]
    assert got["k"].tolist() == [3, 3]


@pytest.mark.parametrize("engine", ENGINES)
def test_a_formula_without_a_number_for_a_row_is_refused_and_drops_nothing(engine: str) -> None:
    data = frame(x=[1.0, 2.0, -3.0, 4.0, 0.5, 6.0])
    with pytest.raises(vf.InputError, match=r"row 3 .*column .*log.*: nan is not a finite number"):
        ENGINES[engine](data, "~ log(x)")
    fit = quiet(vf.meta_regression, data.assign(x=data.x.abs()), "~ log(x)")
    with pytest.raises(vf.InputError, match="no finite number for the new rows 2"):
        fit.predict({"x": [1.0, -1.0]})


NAMED = pd.DataFrame({"y": [0.1, np.nan, 0.5], "v": [0.1, 0.2, 0.3]}, index=["Abe", "Bo", "Cy"])


@pytest.mark.parametrize(
    "index", [["Abe", "Bo", "Cy"], pd.Index(["Abe", "Bo", "Cy"], name="trial"), pd.Index([101, 102, 103], name="trial")]
)
def test_rows_that_their_index_names_are_called_so(index: Any) -> None:
    data = NAMED.set_axis(pd.Index(index))
    names = [str(x) for x in index]
    with pytest.raises(vf.InputError, match=rf"row 2 \({names[1]}\), column y: missing"):
        vf.random_effects(data)
    fit = quiet(vf.random_effects, data, missing="drop")
    assert fit.labels == (names[0], names[2])
    assert f"{names[1]} (row 2: y)" in fit.warnings[0]
    assert quiet(vf.random_effects, y=data.y[::2], v=data.v[::2]).labels == (names[0], names[2])


def test_other_indexes_only_count_the_rows() -> None:
    cut = pd.DataFrame({"y": [0.1, 0.2, 0.5], "v": 0.1}, index=[4, 5, 9])  # what a filter left
    assert vf.random_effects(cut).labels == ("study 1", "study 2", "study 3")
    assert vf.random_effects(cut.set_axis(["a", "a", "b"])).labels == ("study 1", "study 2", "study 3")
    assert vf.random_effects(cut.assign(study=list("xyz")).set_axis(list("abc"))).labels == ("x", "y", "z")


def test_counts_and_reports_take_the_names_of_their_rows_too() -> None:
    counts = pd.DataFrame({"events1": [4, 6], "n1": [40, 55], "events2": [9, 8], "n2": [41, 50]}, index=["Abe", "Bo"])
    names = {name: name for name in counts}
    assert vf.effect_size("OR", data=counts, **names).labels == ("Abe", "Bo")
    assert vf.mantel_haenszel("OR", data=counts, **names).labels == ("Abe", "Bo")
    said = pd.DataFrame({"direction": [1, 2]}, index=["Abe", "Bo"])
    with pytest.raises(vf.InputError, match=r"row 2 \(Bo\)"):
        vf.appraisal.direction_of_effect(said, direction="direction")


@pytest.mark.parametrize("unknown", ["", "  ", "\u200b", None, math.nan])
def test_an_unknown_cluster_is_no_cluster_of_a_selection_model(unknown: Any) -> None:
    with pytest.raises(vf.InputError, match=r"row 3 \(study 3\), column cluster: missing"):
        vf.appraisal.selection_model(y=Y, v=V, cluster=["a", "a", unknown, "b", "b", "a"], favoured="higher", delta=[1, 0.5])


@pytest.mark.parametrize("verb", ["subgroups", "che", "selection_model", "robust"])
@pytest.mark.parametrize(
    ("labels", "said"),
    [([[1], [2]] * 3, r"row 1, column (by|cluster): \[1\] is a list"), ([1, "1", 2, "2", 1, 2], "1 as a number")],
)
def test_lists_and_numbers_beside_their_texts_are_no_labels(verb: str, labels: list[Any], said: str) -> None:
    ask: dict[str, Callable[[], Any]] = {
        "subgroups": lambda: vf.subgroups(y=Y, v=V, by=labels),
        "che": lambda: vf.che(y=Y, v=V, cluster=labels, rho=0.5),
        "selection_model": lambda: vf.appraisal.selection_model(y=Y, v=V, cluster=labels, favoured="higher", delta=[1, 0.5]),
        "robust": lambda: vf.robust(vf.random_effects(y=Y, v=V), labels),
    }
    with pytest.raises(vf.InputError, match=said):
        ask[verb]()


def test_labels_that_differ_by_a_space_no_one_sees_are_one() -> None:
    with pytest.warns(vf.VfmetaWarning, match="differ only in the space"):
        fit = vf.subgroups(y=Y, v=V, by=["a", "a\u200b", "\ufeffb", "b", "a", "b"])
    assert fit.terms == ("a", "b")


def test_a_matrix_and_weights_are_matched_by_the_names_of_the_effects() -> None:
    names, other = list("klmnop"), list("nlkopm")
    y, v = pd.Series(Y, index=names), pd.Series(V, index=names)
    weights = pd.Series(np.arange(1.0, 7.0), index=names)
    matrix = pd.DataFrame(np.diag(V), index=names, columns=names)
    expected = vf.multivariate(y=y, V=matrix, weights=weights.to_numpy()).estimate
    assert expected == pytest.approx(np.average(Y, weights=np.arange(1, 7)))
    assert vf.multivariate(y=y, V=matrix.loc[other, other], weights=weights[other]).estimate == pytest.approx(expected)
    assert vf.multivariate(y=y, v=v[other]).estimate == pytest.approx(vf.multivariate(y=y, v=v).estimate)
    with pytest.raises(vf.InputError, match=r"without a row or column are k, .* unknown are q"):
        vf.multivariate(y=y, V=matrix.rename(index={"k": "q"}, columns={"k": "q"}))


@pytest.mark.parametrize("verb", [vf.random_effects_many, vf.appraisal.egger_many, vf.appraisal.trim_and_fill_many])
def test_rows_of_no_meta_analysis_are_left_out_by_name_where_asked(verb: Any) -> None:
    frame = pd.DataFrame({"which": ["a", "a", "a", " ", None], "y": [0.1, 0.3, 0.2, 5.0, 6.0], "v": [0.1, 0.2, 0.15, 0.1, 0.1]})
    with pytest.warns(vf.VfmetaWarning, match="Left out because which is missing: row 4, 5"):
        found = verb(frame, "which", missing="drop")
    assert found["k"].tolist() == [3]
    with pytest.raises(vf.InputError, match="row 4, column which: missing"):
        verb(frame, "which")


def test_a_row_that_a_selection_model_drops_is_named() -> None:
    frame = pd.DataFrame({"y": Y, "v": V, "g": ["a", "b", None, "a", "b", "a"], "s": list("klmnop")})
    with pytest.warns(vf.VfmetaWarning, match="Left out because a moderator is missing: m"):
        vf.appraisal.selection_model(frame, "~ 1 + g", study="s", favoured="higher", delta=[1, 0.5], missing="drop",
                                     heterogeneity="common")  # fmt: skip


def test_groups_of_long_doubles_are_groups_of_numbers() -> None:
    by = np.array([0, 1, 2, 0, 1, 2], dtype=np.longdouble)
    assert quiet(vf.subgroups, y=Y, v=V, by=by).terms == ("0", "1", "2")
    assert quiet(vf.che, y=Y, v=V, cluster=by, rho=0.5).clusters == 3
    assert quiet(vf.meta_regression, pd.DataFrame({"y": Y, "v": V, "g": by}), "~ g").terms == ("Intercept", "g")
    assert quiet(vf.random_effects_many, pd.DataFrame({"y": Y, "v": V, "g": by}), "g")["k"].tolist() == [2, 2, 2]

"""What `vf.effect_size` refuses, whichever measure it is asked for; the five common ones are in `test_effects_sizes`."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest

import vfmeta as vf
from vfmeta.effects.formulas import ALIASES, FORMULAS, MEASURES

PLAIN = {
    "mean": 5.0, "sd": 2.0, "n": 30.0, "r": 0.4, "events": 7.0, "time": 90.0, "d": 0.4, "t": 2.0, "p": 0.03, "mean_change": 1.0,
    "sd_change": 2.0, "mean_post": 4.0, "sd_post": 2.0, "mean_pre": 6.0, "sd_pre": 1.8,
    "hr": 0.7, "ci_low": 0.5, "ci_high": 0.98, "oe": -3.0, "oe_v": 10.0,
}  # fmt: skip
LAYOUTS = [(m, names) for m in sorted(FORMULAS) for names in MEASURES[m].inputs]
every = pytest.mark.parametrize(("measure", "names"), LAYOUTS, ids=[f"{m}-{'-'.join(names)}" for m, names in LAYOUTS])


def plain(names: tuple[str, ...]) -> pd.DataFrame:
    """Two sound trials."""
    row = {f"c_{x}": PLAIN.get(x, PLAIN.get(x[:-1])) for x in names}
    return pd.DataFrame([row, row], dtype=object).assign(trial=["A", "B"])


def call(measure: str, names: tuple[str, ...], data: pd.DataFrame, **options: object) -> vf.EffectTable:
    return vf.effect_size(measure, data=data, study="trial", **{x: f"c_{x}" for x in names}, **options)  # type: ignore[arg-type]


def refused(measure: str, names: tuple[str, ...], data: pd.DataFrame, said: str, **options: object) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", vf.VfmetaWarning)
        with pytest.raises(vf.InputError, match=said):
            call(measure, names, data, **options)


@every
def test_what_is_no_number_is_named_by_row_and_column(measure: str, names: tuple[str, ...]) -> None:
    for name in names:
        for value in ("five", np.inf, pd.Timestamp("2020-01-01")):
            data = plain(names)
            data.loc[1, f"c_{name}"] = value
            refused(
                measure,
                names,
                data,
                rf"row 2 \(B\), column c_{name}: .*(is text, not|is not a number|is infinite)",
            )
        data = plain(names)
        data.loc[1, f"c_{name}"] = None
        refused(measure, names, data, rf"row 2 \(B\), column c_{name}: missing value; fill it in")
        data[f"c_{name}"] = pd.to_datetime(["2020-01-01", "2021-01-01"])
        refused(measure, names, data, rf"row 1 \(A\), column c_{name}")


@every
def test_what_cannot_be_is_named_also_after_a_drop(measure: str, names: tuple[str, ...]) -> None:
    impossible = {"sd": 0, "n": 0, "events": -1, "time": 0, "r": 1, "p": 2}
    for name in names:
        kind = name.rstrip("12").partition("_")[0]
        if kind not in impossible:
            continue
        data = pd.concat([plain(names), plain(names)], ignore_index=True).assign(trial=list("ABCD"))
        data.loc[0, f"c_{names[0]}"] = None
        data.loc[2, f"c_{name}"] = impossible[kind]
        refused(measure, names, data, rf"row 3 \(C\), column c_{name}: .*correct it or remove the row", missing="drop")


@every
def test_a_dropped_row_is_named_and_nothing_left_is_an_error(measure: str, names: tuple[str, ...]) -> None:
    data = plain(names)
    data.loc[0, f"c_{names[-1]}"] = None
    said = rf"row 1: c_{names[-1]}\)"
    with pytest.warns(vf.VfmetaWarning, match=rf"Left out because a value is missing: A \({said}"):
        assert call(measure, names, data, missing="drop").labels == ("B",)
    refused(measure, names, data.iloc[:1], rf"Every row has a missing value \(A \({said}\); nothing is left", missing="drop")
    data[f"c_{names[-1]}"] = [np.inf, 3.0]
    refused(measure, names, data, r"row 1 \(A\), column .*infinite", missing="drop")  # infinite is not missing
    refused(measure, names, data.iloc[:0], "k = 0")


@every
def test_repeated_rows(measure: str, names: tuple[str, ...]) -> None:
    data = plain(names)
    assert call(measure, names, data).labels == ("A", "B")
    refused(measure, names, data.assign(trial="A"), r"row 2 \(A\) repeats row 1")
    with pytest.warns(vf.VfmetaWarning, match="taken as another study: row 2"):
        unnamed = vf.effect_size(measure, data=data.drop(columns="trial"), **{x: f"c_{x}" for x in names})
    assert len(unnamed) == 2
    other = data.assign(trial="A")
    other.loc[1, f"c_{names[0]}"] *= 0.9
    with pytest.warns(vf.VfmetaWarning, match="More than one row for A"):
        assert len(call(measure, names, other)) == 2


@every
def test_wrong_calls(measure: str, names: tuple[str, ...]) -> None:
    data, columns = plain(names), {x: f"c_{x}" for x in names}
    with pytest.raises(vf.InputError, match="not known: nonsense"):
        vf.effect_size(measure, data=data, **columns, nonsense="c_n")
    with pytest.raises(vf.InputError, match=f"missing: .*{names[-1]}"):
        vf.effect_size(measure, data=data, **{x: columns[x] for x in names[:-1]})
    with pytest.raises(vf.InputError, match="No column 'nowhere'"):
        vf.effect_size(measure, data=data, **{**columns, names[0]: "nowhere"})
    with pytest.raises(vf.InputError, match="both name"):  # the first two of no measure are sizes, times or shared SDs
        vf.effect_size(measure, data=data, **{**columns, names[0]: columns[names[1]]})
    refused(measure, names, data.assign(trial=["A", None]), "row 2, column trial: empty name")
    refused(measure, names, pd.concat([data, data], axis=1), "twice")
    refused(measure, names, 3, "data frame")  # type: ignore[arg-type]
    refused(measure, names, data, "missing='ignore' is unknown", missing="ignore")
    refused(measure, names, data, "no variance type 'XX'", vtype="XX")
    refused(measure, names, data, "Unknown zero rule", zero="all")
    refused(measure, names, data, "question is about a GEN", question=vf.Question(measure="GEN"))
    refused(measure, names, data, "question is a str", question="pain")
    for option in ("correct", "drop00", "add_to_estimate"):
        refused(measure, names, data, f"{option}='no' must be True or False", **{option: "no"})


@pytest.mark.parametrize(
    ("measure", "zero", "row"),
    [("RD", "none", (0, 9, 8, 8)), ("IRD", "none", (0, 9, 0, 8)), ("PR", "none", (0, 9)), ("IR", "none", (0, 9)),
     ("PHI", None, (9, 9, 0, 9))],
)  # fmt: skip
def test_a_variance_of_zero_is_refused_and_kept_only_when_asked(measure: str, zero: str | None, row: tuple[int, ...]) -> None:
    names = MEASURES[measure].columns
    data = pd.DataFrame([row], columns=[f"c_{x}" for x in names]).assign(trial="A")
    refused(measure, names, data, rf"row 1 \(A\): the sampling variance of the {measure} is 0.*zero='only0'", zero=zero)
    with pytest.warns(vf.VfmetaWarning, match=rf"variance of the {measure} is 0 for row 1 \(A\)"):
        assert call(measure, names, data, zero=zero, missing="drop").v.tolist() == [0.0]


def test_two_groups_may_share_sizes_sds_and_times_but_not_what_was_counted() -> None:
    data = pd.DataFrame({"m1": [3.0], "m2": [4.0], "s": [2.0], "k": [20], "e1": [3], "e2": [5]})
    table = vf.effect_size("MD", data=data, mean1="m1", sd1="s", n1="k", mean2="m2", sd2="s", n2="k")
    assert table.v[0] == pytest.approx(2 * 4 / 20)
    assert vf.effect_size("IRR", data=data, events1="e1", time1="k", events2="e2", time2="k").y[0] == pytest.approx(np.log(0.6))
    for wrong in ({"mean1": "m2"}, {"n1": "s"}):
        names = {"mean1": "m1", "sd1": "s", "n1": "k", "mean2": "m2", "sd2": "s", "n2": "k"} | wrong
        with pytest.raises(vf.InputError, match="both name"):
            vf.effect_size("MD", data=data, **names)


def test_rows_that_do_not_exist_are_named_by_the_row_of_the_data() -> None:
    data = pd.DataFrame({"r": [0.1, 0.2, 0.3], "n": [np.nan, 3, 40], "trial": ["A", "B", "C"]})
    with pytest.warns(vf.VfmetaWarning) as said:
        table = vf.effect_size("ZCOR", data=data, study="trial", r="r", n="n", missing="drop")
    assert [str(w.message) for w in said] == [
        "Left out because a value is missing: A (row 1: n).", "Left out, because the ZCOR does not exist there: row 2 (B).",
    ]  # fmt: skip
    assert {w.filename for w in said} == {__file__}  # the line of the caller, not of vfmeta
    assert table.labels == ("C",)
    assert [(x.study_id, x.reason[:16]) for x in table.left_out] == [("A", "missing value of"), ("B", "ZCOR does not ex")]
    with pytest.raises(vf.InputError, match=r"row 2 \(B\): ZCOR does not exist"):
        vf.effect_size("ZCOR", data=data.iloc[1:].reset_index(drop=True).iloc[[1, 0]], study="trial", r="r", n="n")


@pytest.mark.parametrize(("alias", "name"), sorted(ALIASES.items()))
def test_another_name_gives_the_measure_under_its_main_name(alias: str, name: str) -> None:
    names = MEASURES[name].columns
    for question in (None, vf.Question(measure=alias, outcome="pain"), vf.Question(measure=name)):
        assert call(alias, names, plain(names), question=question).question.measure == name

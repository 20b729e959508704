"""One door: the same effects in every form give the same number, and the same faults the same sentence, whichever the verb."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import polars
import pyarrow
import pytest
from scipy.special import ndtri

import vfmeta as vf

Y = np.array([-0.5, -0.1, -0.9, 0.2, -0.4, -0.7])
V = np.array([0.04, 0.09, 0.0625, 0.16, 0.04, 0.25])
HALF = float(-ndtri(0.025)) * np.sqrt(V)
FRAME = pd.DataFrame({
    "trial": list("ABCDEF"), "yi": Y, "vi": V, "sei": np.sqrt(V), "low": Y - HALF, "high": Y + HALF,
    "dose": [1.0, 2.0, 3.0, 1.5, 2.5, 4.0], "arm": list("ababab"), "lab": list("uuvvww"), "class": list("XYXYXY"),
    "week": [4, 12] * 3,
    "e1": [4, 6, 3, 7, 5, 2], "n1": [40, 55, 38, 60, 50, 35], "e2": [9, 8, 6, 12, 6, 5], "n2": [41, 50, 40, 61, 49, 36],
})  # fmt: skip
TAU, MU = vf.priors.HalfNormal(0.5), vf.priors.Normal(0, 2)
BAYES: dict[str, Any] = {"tau": TAU, "mu": MU}

# read as `bayes.random_effects` reads, and then sampled; or no door (checked arrays, single intervals, the table itself)
OTHERWISE = {
    "network", "effect_table", "study_intervals", "bayes.sample", "bayes.sample_posterior", "bayes.posterior",
    "bayes.reports",  # whose rows need not have a figure
    "network_many",  # contrasts of two named treatments, in long frames
    "multiverse",  # of independent effects, or of several tables at once
}  # fmt: skip

# every public verb that takes effects, and a number of its answer
VERBS: dict[str, Callable[..., float]] = {
    "random_effects": lambda *a, **k: vf.random_effects(*a, **k).estimate,
    "common_effect": lambda *a, **k: vf.common_effect(*a, **k).estimate,
    "multivariate": lambda *a, **k: vf.multivariate(*a, **k).estimate[0],
    "bayes.random_effects": lambda *a, **k: vf.bayes.random_effects(*a, **k, **BAYES).estimate,
    "bayes.meta_regression": lambda *a, **k: vf.bayes.meta_regression(*a, **k, formula="~ 1", tau=TAU).estimate[0],
    "bayes.prior_sensitivity": lambda *a, **k: vf.bayes.prior_sensitivity(*a, **k, tau_scales=[0.5], mu_sds=[2.0])[
        "estimate"
    ].iloc[0],
    "bayes.models.normal_normal": lambda *a, **k: vf.bayes.models.normal_normal(*a, **k, **BAYES).data["y"].sum(),
    "bayes.models.robust": lambda *a, **k: vf.bayes.models.robust(*a, **k, **BAYES).data["v"].sum(),
}
WITH_COLUMNS: dict[str, Callable[..., float]] = {
    "meta_regression": lambda *a, **k: vf.meta_regression(*a, formula="~ dose + arm", **k).estimate[1],
    "location_scale": lambda *a, **k: vf.location_scale(*a, formula="~ dose", scale="~ 1", **k).tau2[0],
    "subgroups": lambda *a, **k: vf.subgroups(*a, by="arm", **k).between.statistic,
    "multivariate": lambda *a, **k: vf.multivariate(*a, random="1 | trial", **k).estimate[0],
    "che": lambda *a, **k: vf.che(*a, cluster="lab", **k).estimate[0],
    "bayes.models.meta_regression": lambda *a, **k: vf.bayes.models.meta_regression(
        *a, formula="~ dose + arm", tau=TAU, **k
    ).data["x"].sum(),
    "bayes.models.classes": lambda *a, **k: everything(vf.bayes.models.classes(
        *a, intervention="arm", klass="class", class_sd=TAU, **BAYES, **k
    )),
}  # fmt: skip
# a frame only: effects of one trial at several weeks, and many meta-analyses
LONG: dict[str, Callable[..., float]] = {
    "bayes.models.multilevel": lambda data, **k: everything(vf.bayes.models.multilevel(
        data, time="week", correlation=0.5, **BAYES, **{**k, "study": "lab"}
    )),
    "random_effects_many": lambda data, *, y, v, study: vf.random_effects_many(data, "arm", y=y, v=v)["estimate"].sum(),
    "bayes.random_effects_many": lambda data, *, y, v, study: vf.bayes.random_effects_many(
        data, "arm", y=y, v=v, study=study, **BAYES
    )["estimate"].sum(),
}  # fmt: skip


def everything(model: Any) -> float:
    """A number that hangs on all the data of a model and on where each value stands."""
    parts = (np.asarray(x, dtype=float).ravel() for _, x in sorted(model.data.items()))
    return float(sum((x * np.arange(1, len(x) + 1)).sum() for x in parts))


DECIMALS = FRAME.assign(**{c: [Decimal(repr(float(x))) for x in FRAME[c]] for c in ("yi", "vi", "sei", "low", "high", "dose")})
FRAMES: dict[str, Callable[[], Any]] = {
    "pandas": lambda: FRAME,
    "other index": lambda: FRAME.set_index(pd.Index(list("uvwxyz"))),
    "nullable": lambda: FRAME.convert_dtypes(),
    "pyarrow-backed": lambda: FRAME.convert_dtypes(dtype_backend="pyarrow"),
    "category": lambda: FRAME.assign(trial=FRAME["trial"].astype("category"), arm=FRAME["arm"].astype("category")),
    "Decimal": lambda: DECIMALS,
    "mapping of lists": lambda: FRAME.to_dict("list"),
    "list of rows": lambda: FRAME.to_dict("records"),
    "pyarrow": lambda: pyarrow.Table.from_pandas(FRAME),
    "polars": lambda: polars.DataFrame(FRAME.to_dict("list")),
}
SIDES = {"events1": "e1", "n1": "n1", "events2": "e2", "n2": "n2"}
# every public verb that takes counts of two arms, and a number of its answer
COUNTS: dict[str, Callable[..., float]] = {
    "mantel_haenszel": lambda **k: vf.mantel_haenszel("OR", **k).estimate,
    "peto": lambda **k: vf.peto(**k).estimate,
    "glmm": lambda **k: vf.glmm("OR", **k, model="CM.AL").estimate,
    "beta_binomial": lambda **k: vf.beta_binomial("OR", **k).estimate,
    "bayes.models.binomial": lambda **k: everything(vf.bayes.models.binomial(**k, **BAYES)),
    "bayes.models.poisson": lambda n1, n2, **k: everything(vf.bayes.models.poisson(time1=n1, time2=n2, **k, **BAYES)),
}
ERRORS: dict[str, dict[str, Any]] = {"v": {"v": "vi"}, "se": {"se": "sei"}, "ci": {"ci": ("low", "high")}}


def test_every_verb_that_takes_effects_is_known_here() -> None:
    found = set()
    for where, module in (("", vf), ("bayes.", vf.bayes), ("bayes.models.", vf.bayes.models)):
        for name in module.__all__:
            verb = getattr(module, name)
            if inspect.isfunction(verb) and "y" in (arguments := list(inspect.signature(verb).parameters)):
                found.add(where + name)
                if where + name not in {*OTHERWISE, *LONG}:
                    assert arguments[0] == "data", name
                    assert {"v", "se", "ci", "study"} < set(arguments), name
    assert found - OTHERWISE == {*VERBS, *WITH_COLUMNS, *LONG}


def test_every_verb_that_takes_counts_is_known_here() -> None:
    found = set()
    for where, module in (("", vf), ("bayes.models.", vf.bayes.models)):
        for name in module.__all__:
            verb = getattr(module, name)
            if inspect.isfunction(verb) and {"events1", "data", "study", "question", "missing"} <= set(
                inspect.signature(verb).parameters
            ):
                found.add(where + name)
    assert found == set(COUNTS)


@pytest.mark.parametrize("frame", FRAMES)
@pytest.mark.parametrize("verb", LONG)
def test_long_frames_of_any_kind_give_one_number(verb: str, frame: str) -> None:
    named = {"y": "yi", "v": "vi", "study": "trial"}
    assert quiet(LONG[verb], FRAMES[frame](), **named) == pytest.approx(quiet(LONG[verb], FRAME, **named), rel=1e-8)


@pytest.mark.parametrize("verb", COUNTS)
def test_counts_in_every_form_give_one_number(verb: str) -> None:
    call = COUNTS[verb]
    arrays = {name: FRAME[column].to_numpy() for name, column in SIDES.items()}
    known = quiet(call, **arrays)
    forms: list[dict[str, Any]] = [
        {name: x.tolist() for name, x in arrays.items()},
        {name: x.astype(float) for name, x in arrays.items()},
        {name: np.ma.masked_array(x) for name, x in arrays.items()},
        {name: [Decimal(int(i)) for i in x] for name, x in arrays.items()},
        {name: pd.array(x, dtype="Int64") for name, x in arrays.items()},
        # matched by name, not by place
        {name: pd.Series(x, list("uvwxyz"))[:: -1 if name == "n1" else 1] for name, x in arrays.items()},
        {**arrays, "study": FRAME["trial"].astype("category")},
    ]
    for form in forms:
        assert quiet(call, **form) == pytest.approx(known, rel=1e-9), form
    for make in FRAMES.values():
        assert quiet(call, data=make(), study="trial", **SIDES) == pytest.approx(known, rel=1e-9)
    if verb != "bayes.models.poisson":  # it takes person-time, which an effect table does not hold
        table = vf.effect_size("OR", data=FRAME, study="trial", **SIDES)
        assert quiet(call, data=table) == pytest.approx(known, rel=1e-9)


def quiet(function: Callable[..., float], *args: Any, **given: Any) -> float:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return float(function(*args, **given))


@pytest.mark.parametrize("verb", VERBS)
def test_arrays_lists_and_tables_give_one_number(verb: str) -> None:
    call = VERBS[verb]
    known = quiet(call, y=Y, v=V)
    forms: list[dict[str, Any]] = [
        {"y": Y.tolist(), "v": V.tolist()}, {"y": Y, "se": np.sqrt(V)}, {"y": Y, "V": np.diag(V)}, {"y": Y, "V": V},
        {"y": Y, "ci": (Y - HALF, Y + HALF)}, {"y": pd.Series(Y), "v": pd.Series(V)},
        {"y": np.ma.masked_array(Y), "v": np.ma.masked_array(V)}, {"y": [Decimal(repr(x)) for x in Y.tolist()], "v": V},
        {"y": pd.Series(Y, list("uvwxyz")), "v": pd.Series(V, list("uvwxyz"))[::-1]},
        {"y": Y, "v": V, "study": FRAME["trial"].astype("category")},
    ]  # fmt: skip
    for form in forms:
        assert quiet(call, **form) == pytest.approx(known, rel=1e-9), form
    for table in (vf.effect_table(y=Y, v=V), vf.effect_table(FRAME, y="yi", ci=("low", "high"), study="trial")):
        assert quiet(call, table) == pytest.approx(known, rel=1e-9)
        assert quiet(call, table.frame) == pytest.approx(known, rel=1e-9)  # its own names are found by themselves


@pytest.mark.parametrize("frame", FRAMES)
@pytest.mark.parametrize("verb", [*VERBS, *(f"{v} with columns" for v in WITH_COLUMNS)])
def test_frames_of_any_kind_give_one_number(verb: str, frame: str) -> None:
    call = VERBS[verb] if verb in VERBS else WITH_COLUMNS[verb.removesuffix(" with columns")]
    known = quiet(call, FRAME, y="yi", v="vi", study="trial")
    for error in ERRORS.values():
        assert quiet(call, FRAMES[frame](), y="yi", study="trial", **error) == pytest.approx(known, rel=1e-8)
    table = vf.effect_table(FRAMES[frame](), y="yi", v="vi", study="trial")
    assert quiet(call, table) == pytest.approx(known, rel=1e-9)


FAULTS: list[tuple[dict[str, Any], str]] = [
    ({"y": ["a", 1], "v": [1, 1]}, r"column y: 'a' is text, not a number"),
    ({"y": [0, 1], "v": [1, 0]}, r"column v: the sampling variance is 0; it must be greater than 0"),
    ({"y": [0, 1], "se": [1, -1]}, r"column se: the standard error is -1; it must be greater than 0"),
    ({"y": [0, None], "v": [1, 1]}, r"column y: missing value; fill it in, remove the row"),
    ({"y": [0, 1], "ci": ([-1, 2], [1, 1.5])}, r"the interval runs from 2 to 1.5"),
    ({"y": [0, 3], "ci": ([-1, 0], [1, 2])}, r"column y: the effect 3 lies outside its own interval \(0 to 2\)"),
    ({"y": [0, 1], "V": [[1, 0.5], [0.2, 1]]}, r"V is not symmetric: row 1, column 2 is 0.5"),
    ({"y": [0, 1], "v": [1, 2], "V": [[1, 0], [0, 1]]}, r"V has 1 on its diagonal and v says 2"),
    ({"y": [0, 1], "v": [1, 1], "se": [1, 1]}, r"v=, se= say the same; give one"),
    ({"y": [0, 1], "v": [1]}, r"y has 2 values and v has 1 values"),
    ({"y": "effect", "v": [1, 1]}, r"y='effect' is the name of a column; pass data="),
    ({"y": [], "v": []}, r"There are no studies \(k = 0\)"),
    ({"y": [0, 1], "v": [1, 1], "study": ["A", " "]}, r"row 2, column study: empty name"),
    ({"y": pd.Series([0, 1], ["A", "B"]), "v": pd.Series([1, 1], ["A", "C"])}, r"B only in y; C only in v"),
]  # fmt: skip


@pytest.mark.parametrize("verb", ["effect_table", *VERBS])
@pytest.mark.parametrize(("given", "said"), FAULTS)
def test_a_fault_is_told_in_one_sentence_by_every_verb(verb: str, given: dict[str, Any], said: str) -> None:
    call = vf.effect_table if verb == "effect_table" else VERBS[verb]
    with pytest.raises(vf.InputError, match=said):
        call(**given)


def test_a_cell_that_is_a_list_is_named_by_its_row() -> None:
    with pytest.raises(vf.InputError, match=r"row 2, column y: \[2\] is a list; a cell holds one value"):
        vf.random_effects(y=[1, [2], 3], v=[1, 1, 1])


@pytest.mark.parametrize("verb", [vf.random_effects, lambda table: vf.mantel_haenszel("OR", data=table)])
@pytest.mark.filterwarnings("ignore::vfmeta.VfmetaWarning")
def test_a_table_of_which_nothing_is_left_says_why(verb: Any) -> None:
    table = vf.effect_size("OR", events1=[0, 0], n1=[9, 8], events2=[0, 0], n2=[9, 9])
    with pytest.raises(vf.InputError, match=r"Every study was left out: row 1 \(no events in either arm.*nothing is left"):
        verb(table)


def test_every_fault_is_listed_with_the_users_own_names() -> None:
    frame = pd.DataFrame({"eff": ["x", 1, 2], "err": [1, 0, None], "who": ["A", "A", None]})
    with pytest.raises(vf.InputError) as caught:
        vf.random_effects(frame, y="eff", se="err", study="who")
    for part in ("column eff: 'x'", "column err: the standard error is 0", "column err: missing", "rows 1 and 2, column who",
                 "row 3, column who: empty"):  # fmt: skip
        assert any(part in p for p in caught.value.problems), part


def test_what_was_left_out_stays_with_the_table() -> None:
    with pytest.warns(vf.VfmetaWarning, match=r"B \(row 2: yi\)"):
        table = vf.effect_table(FRAME.assign(yi=[0.1, None, *Y[2:]]), y="yi", v="vi", study="trial", missing="drop")
    assert [(x.label, x.reason) for x in table.left_out] == [("B", "missing value of yi")]
    assert table.frame["dose"].tolist() == [1.0, 3.0, 1.5, 2.5, 4.0]


def test_moderators_of_another_frame_are_matched_by_name() -> None:
    table = vf.effect_table(y=Y, v=V, study=FRAME["trial"])
    joined = table.joined_with(FRAME[["trial", "dose", "arm"]].iloc[::-1].rename(columns={"trial": "study"}))
    assert joined.frame["dose"].tolist() == FRAME["dose"].tolist()
    with pytest.raises(vf.InputError, match=r"No row of the data is named 'B', 'C'.*of no study of the table: X"):
        table.joined_with({"study": list("ADEFX"), "dose": range(5)})
    weights = pd.Series([6.0, 5, 4, 3, 2, 1], list("FEDCBA"))
    by_name = quiet(VERBS["random_effects"], table, weights=weights)
    assert by_name == pytest.approx(quiet(VERBS["random_effects"], table, weights=[1.0, 2, 3, 4, 5, 6]))


def test_an_empty_cell_is_no_group() -> None:
    for empty in ("", None):
        with pytest.raises(vf.InputError, match=r"row 2 .*column arm: missing value"):
            vf.subgroups(FRAME.assign(arm=["a", empty, "a", "b", "a", "b"]), by="arm", y="yi", v="vi", study="trial")
        with pytest.raises(vf.InputError, match=r"row 2 .*column arm: missing value"):
            vf.che(FRAME.assign(arm=["a", empty, "a", "b", "a", "b"]), cluster="arm", y="yi", v="vi", study="trial")


def test_columns_of_sizes_ride_along_into_a_regression() -> None:
    data = {"e": [3, 5, 8, 2], "n": [20, 30, 40, 25], "c": [6, 9, 9, 4], "m": [20, 31, 39, 25], "dose": [1, 2, 3, 1]}
    table = vf.effect_size("RR", data=data, events1="e", n1="n", events2="c", n2="m")
    assert quiet(lambda: vf.meta_regression(table, "~ dose").estimate[1]) == pytest.approx(
        quiet(lambda: vf.meta_regression(y=table.y, v=table.v, data=data, formula="~ dose").estimate[1])
    )


@pytest.mark.parametrize("dtype", ["int64", "Int64", "int64[pyarrow]", "uint8"])
def test_whole_numbers_that_name_studies_stay_whole(dtype: str) -> None:
    frame = pd.DataFrame({"pmid": pd.Series([101, 7, 12], dtype=dtype), "y": Y[:3], "v": V[:3]})
    assert vf.effect_table(frame, study="pmid").labels == ("101", "7", "12")

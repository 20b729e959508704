"""The face: lazy and typed from one list, and no submodule takes a verb's place."""

from __future__ import annotations

import doctest
import importlib
import inspect
import math
import pkgutil
import re
import subprocess
import sys
from typing import Any, Literal, get_args, get_origin

import pytest

import vfmeta as vf
from vfmeta.core import params
from vfmeta.core.params import choice

LAZY = (
    "vfmeta",
    "vfmeta.bayes",
    "vfmeta.bayes.models",
    "vfmeta.plots",
    "vfmeta.evidence",
    "vfmeta.networks",
    "vfmeta.appraisal",
)
OPTIONS = {name: x for name, x in vars(params).items() if get_origin(x) is Literal}


def public() -> list[tuple[str, Any]]:
    found = []
    for package in (*LAZY, "vfmeta.convert"):
        module = importlib.import_module(package)
        found += [(f"{package}.{name}", getattr(module, name)) for name in module.__all__]
    return found


def functions() -> list[tuple[str, Any]]:
    return [(name, x) for name, x in public() if inspect.isfunction(x)]


def test_only_public_names_are_shown_and_every_one_is_there() -> None:
    for package in LAZY:
        module = importlib.import_module(package)
        assert set(dir(module)) == set(module.__all__)
        assert not [name for name in module.__all__ if name.startswith("_")]
        for name in module.__all__:
            assert getattr(module, name) is not None


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::vfmeta.VfmetaWarning")
def test_no_submodule_takes_the_place_of_a_verb() -> None:
    for package in LAZY:
        module = importlib.import_module(package)
        for found in pkgutil.walk_packages(module.__path__, f"{package}."):
            if not found.name.endswith("__main__"):
                importlib.import_module(found.name)
    runner, finder = doctest.DocTestRunner(verbose=False), doctest.DocTestFinder(recurse=False)
    for _ in range(2):
        for name, verb in functions():
            home, _, last = name.rpartition(".")
            assert getattr(importlib.import_module(home), last) is verb
            if home == "vfmeta.evidence":
                continue  # these read plans and builds from files; their own tests call them
            (shown,) = finder.find(verb, name, globs={})
            assert any(f"{last}(" in x.source for x in shown.examples)  # its own example calls it by its public name
            assert runner.run(shown).failed == 0


def test_packages_are_packages() -> None:
    code = (
        "import sys, vfmeta as vf; assert not {'numpy', 'pandas', 'scipy', 'pymc', 'matplotlib'} & set(sys.modules);"
        "import vfmeta.bayes; from vfmeta import convert, plots, priors; assert priors.HalfNormal(1.0);"
        "assert vfmeta.bayes is vf.bayes; assert 'pymc' not in sys.modules"
    )
    subprocess.run([sys.executable, "-W", "error::ImportWarning", "-c", code], check=True)


def test_what_is_not_there_is_named() -> None:
    with pytest.raises(AttributeError, match="no_such_verb"):
        vf.no_such_verb  # type: ignore[attr-defined] # noqa: B018


@pytest.mark.parametrize(("name", "value", "option", "meant"), [
    ("method", "reml", "Method", "REML"), ("method", "DerSimonian-Laird", "Method", "DL"), ("test", "hksj", "Test", "HKSJ"),
    ("test", "knha", "Test", "HKSJ"), ("test", "Hartung-Knapp", "Test", "HKSJ"), ("method", "HSk", "Method", "HSk"),
    ("method", "HS", "Method", "HS"), ("prediction", "partlett riley", "Prediction", "Partlett-Riley"),
    ("tau2_interval", "q-profile", "Tau2Interval", "Q-profile"),
])  # fmt: skip
def test_what_can_mean_one_thing_only_is_forgiven(name: str, value: str, option: str, meant: str) -> None:
    assert choice(name, value, OPTIONS[option]) == meant


def test_the_case_of_a_measure_is_forgiven_and_no_other_guess_is_made() -> None:
    assert [vf.Question(measure=m).measure for m in ("rr", "Or", "md", "lnvr")] == ["RR", "OR", "MD", "LNVR"]
    fit = vf.random_effects(y=[0.0, 0.4], v=[0.1, 0.1], question=vf.Question(measure="rr"))
    assert fit.to_frame(on="read")["estimate"].iloc[0] == pytest.approx(math.exp(0.2))
    assert vf.Question(measure="our own").measure == "our own"
    with pytest.raises(vf.InputError, match=r"Unknown measure 'smdd'.* Did you mean 'SMD'"):
        vf.effect_size("smdd")


def test_a_kind_is_named_with_its_article() -> None:
    for value, said in ((3, "y is an int"), ({}, "y is a dict")):
        with pytest.raises(vf.InputError, match=said):
            vf.random_effects(y=value, v=[1.0])  # type: ignore[arg-type,unused-ignore]


def test_two_spellings_that_differ_by_case_alone_are_no_guess() -> None:
    assert choice("x", "hsk", OPTIONS["Method"]) == "HSk"
    with pytest.raises(vf.InputError, match="is unknown; use 'a' or 'A'"):
        choice("x", "á", Literal["a", "A"])


@pytest.mark.parametrize(("value", "near"), [("REM", "REML"), ("DLL", "DL"), ("GENQN", "GENQ")])
def test_a_near_miss_is_told_what_it_may_have_meant(value: str, near: str) -> None:
    with pytest.raises(vf.InputError, match=rf"method='{value}' is unknown; use one of .*Did you mean '{near}"):
        vf.random_effects(y=[0, 1, 2], v=[1, 1, 1], method=value)  # type: ignore[arg-type]


def test_forgiven_spellings_reach_the_record_as_canonical_ones() -> None:
    fit = vf.random_effects(y=[0.0, 1.0, 3.0], v=[1, 1, 1], method="dl", test="wald")  # type: ignore[arg-type]
    assert (fit.method, fit.test, fit.call["method"], fit.call["test"]) == ("DL", "Wald", "DL", "Wald")


def test_no_other_name_stands_for_two_things() -> None:
    for name, others in params._OTHER_NAMES.items():
        known = {x for option in OPTIONS.values() for x in get_args(option)}
        assert set(others.values()) <= known, name
        assert all(key == params._plain(key) for key in others)


@pytest.mark.parametrize(("name", "verb"), functions(), ids=[name for name, _ in functions()])
def test_options_are_declared_checked_and_told_alike(name: str, verb: Any) -> None:
    """A parameter that is an option is annotated with it, and its docstring lists just its spellings."""
    doc = inspect.getdoc(verb) or ""
    for parameter, hint in verb.__annotations__.items():
        option = next((OPTIONS[word] for word in re.findall(r"\w+", str(hint)) if word in OPTIONS), None)
        line = next((x for x in doc.splitlines() if x.startswith(f"{parameter} : {{")), None)
        if parameter == "measure":
            continue  # a row of `vfmeta.core.measures`
        if option is None:
            assert line is None, f"{name}: {parameter} lists spellings but is no option of params"
        elif line is not None:
            listed = line.partition("{")[2].partition("}")[0].replace('"', "").split(", ")
            assert listed == list(params.choices(option)), f"{name}: {parameter}"

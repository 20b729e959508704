"""What adapters share: the exception for what is not offered, and the comparison of an answer with what was expected.

An adapter is a module ``adapt_<family>.py`` beside this file with ``def answer(case: dict) -> dict``. It calls public
functions of vfmeta, maps names and nothing more, and returns values named as in ``case["expect"]`` (a key left out is listed
as not compared). It never reads ``case["expect"]``. It raises `NotOffered` for what vfmeta does not have, and lets the errors
of vfmeta pass. A module that serves other families than the one in its name says so in ``FAMILIES = {...}``; where several
modules share a family, each says which functions it takes (``case["options"]["fun"]``) in ``FUNCTIONS = {...}``.
"""

from __future__ import annotations

import importlib
import math
import pkgutil
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from tests.reference_runner.explained import explanation

CLOSED_RTOL, ITERATED_RTOL, ATOL, SMALLEST_P = 1e-8, 1e-6, 1e-10, 1e-300
CLOSED_METHODS = frozenset({"EE", "FE", "CE", "DL", "HE", "HS", "HSk", "SJ", "GENQ"})
ITERATED_CONVERSIONS = frozenset({"qe", "bc", "mln"})  # conv.fivenum fits a curve there; elsewhere it evaluates a formula
SQUARED = frozenset(
    ["tau2", "tau2_lb", "tau2_ub", "se_tau2", "tau2_del", "sigma2", "sigma2_1", "sigma2_2", "gamma2", "vi", "vb", "V"]
)
PURE = frozenset([
    "zval", "tval", "zi", "I2", "I2_lb", "I2_ub", "H2", "H2_lb", "H2_ub", "R2", "Q", "QE", "QM", "QS", "QE_del", "QE_Wld",
    "QE_LRT", "ll", "dev", "AIC", "AICc", "BIC", "ll_ML", "ll_REML", "rho", "phi", "ddf", "df", "dfs", "k", "p", "hat",
    "vif", "rstudent", "rstandard", "dffits", "cook_d", "cov_r", "dfbs", "weight", "weights", "rstandard_z", "rstudent_z",
    "pearson", "cholesky", "MH", "CO", "BD", "TA",
])  # fmt: skip
P_VALUES = frozenset(["QEp", "QMp", "QEp_Wld", "QEp_LRT", "MHp", "COp", "BDp", "TAp", "Qp", "p_k0", "LRTp"])
BOUNDS = ("tau2", "I2", "H2")


class NotOffered(Exception):
    """A measure, function or option that vfmeta does not have. The message is its name, as listed by the runner."""


@dataclass
class Comparison:
    """One number (or text) compared.

    ``error`` is relative, 0 where the numbers agree near zero or to the letter; ``excused`` is the written reason of a known
    difference.
    """

    name: str
    expected: Any
    got: Any
    error: float
    right: bool
    why: str = ""
    excused: str = ""


@dataclass
class Outcome:
    """What came of one case: ``group`` is ``"right"``, ``"explained"``, ``"wrong"`` or ``"not offered"``."""

    case_id: str
    family: str
    group: str
    compared: list[Comparison] = field(default_factory=list)
    not_compared: list[str] = field(default_factory=list)
    note: str = ""

    @property
    def worst(self) -> float:
        return max((c.error for c in self.compared if c.right), default=0.0)


def rtol(case: dict[str, Any], path: str) -> float:
    """The relative tolerance of the reference README for one value; ``path`` is its dotted place in ``expect``."""
    options = case["options"]
    if "tolerance" in case:
        return float(_own_tolerance(case, path).get("rel", 0.0))
    if options.get("suggested_rtol") is not None:
        return float(options["suggested_rtol"])
    if "confint" in path.split("."):
        return ITERATED_RTOL
    if case["family"] == "convert":
        return ITERATED_RTOL if options.get("method") in ITERATED_CONVERSIONS else CLOSED_RTOL
    method = options.get("method")
    return CLOSED_RTOL if method is None or method in CLOSED_METHODS else ITERATED_RTOL


def atol(case: dict[str, Any], path: str) -> float:
    """The absolute tolerance near zero: 1e-10 times the scale of yi, its square for variances, or 1 for pure numbers."""
    name = path.split(".")[-1].split("[")[0]
    if "tolerance" in case:
        return float(_own_tolerance(case, path).get("abs", 0.0))
    if _is_p(path):
        return SMALLEST_P
    scale = _scale(case)
    if name in SQUARED:
        return ATOL * scale**2
    if name in {"I2", "H2"}:
        return ATOL * max(1.0, _tau2_into(case, path) * scale**2)
    return ATOL if name in PURE or path.startswith("fit_") else ATOL * scale


def _own_tolerance(case: dict[str, Any], path: str) -> dict[str, Any]:
    """Relative and absolute tolerance that a case brings itself, which may name single values."""
    given = case["tolerance"]
    return given | given.get(path.split(".")[-1].split("[")[0], {})


def _is_p(path: str) -> bool:
    name = path.split(".")[-1].split("[")[0]
    return name.startswith("pval") or name in P_VALUES


def _scale(case: dict[str, Any]) -> float:
    """Largest absolute yi; where a case starts from counts or means, its largest effect or limit of the summary."""
    for values in (case["inputs"].get("yi"), case["inputs"].get("y"), case["expect"].get("yi")):
        numbers = _finite(values)
        if numbers:
            return max(map(abs, numbers)) or 1.0
    numbers = [abs(x) for name in ("beta", "se", "ci_lb", "ci_ub", "y") for x in _finite(case["expect"].get(name))]
    return max(numbers, default=1.0) or 1.0


def _tau2_into(case: dict[str, Any], path: str) -> float:
    """How much a change of tau2 near zero moves I2 or H2 (100 / typical variance, or 1 / typical variance)."""
    tau2, i2 = case["expect"].get("tau2"), case["expect"].get("I2")
    if path.endswith("]") and isinstance(tau2, list) and isinstance(i2, list):  # one value of a column
        at = int(path[path.index("[") + 1 : -1]) - 1
        tau2, i2 = tau2[at], i2[at]
    if not (isinstance(tau2, float) and isinstance(i2, float) and 0 < i2 < 100 and tau2 > 0):
        return 0.0
    return (100.0 if path.startswith("I2") else 1.0) * i2 / (tau2 * (100 - i2))


def _finite(values: Any) -> list[float]:
    if not isinstance(values, list):
        values = [values]
    return [float(x) for x in values if isinstance(x, (int, float)) and not isinstance(x, bool) and math.isfinite(x)]


def compare(case: dict[str, Any], got: dict[str, Any]) -> tuple[list[Comparison], list[str]]:
    """Every value of ``expect`` that the answer holds too, compared; and the names of those that it does not hold."""
    done: list[Comparison] = []
    absent: list[str] = []
    _walk(case, case["expect"], got, "", done, absent)
    return done, absent


def _walk(
    case: dict[str, Any], want: dict[str, Any], got: dict[str, Any], at: str, done: list[Comparison], absent: list[str]
) -> None:
    for key, value in want.items():
        path = f"{at}{key}"
        if key in ("lb_sign", "ub_sign", "error", "refusal") or key.startswith("info_"):
            continue
        if key not in got:
            if _says_something(value):
                absent.append(path)
        elif isinstance(value, dict):
            if isinstance(got[key], dict):
                _walk(case, value, got[key], f"{path}.", done, absent)
            else:
                done.append(Comparison(path, "a group of values", got[key], math.inf, False))
        elif isinstance(value, list):
            done.extend(_arrays(case, path, value, got[key]))
        elif value is None:
            continue  # R leaves it undefined or does not compute it: a number of ours has nothing to be compared with
        else:
            done.append(_one(case, path, value, got[key], _sign(want, key)))


def _says_something(value: Any) -> bool:
    return any(map(_says_something, value.values())) if isinstance(value, dict) else value is not None


def _sign(group: dict[str, Any], key: str) -> str:
    """The sign R printed beside a limit where its search stopped at a bound."""
    for end in ("lb", "ub"):
        if key in {f"{name}_{end}" for name in BOUNDS}:
            return group.get(f"{end}_sign") or ""
    return ""


def _arrays(case: dict[str, Any], path: str, want: list[Any], got: Any) -> Iterator[Comparison]:
    expected, answered = list(_flat(want)), list(_flat(_listed(got)))
    if len(expected) != len(answered):
        yield Comparison(path, f"{len(expected)} values", f"{len(answered)} values", math.inf, False, "other length")
        return
    for i, (a, b) in enumerate(zip(expected, answered, strict=True)):
        name = path if len(expected) == 1 else f"{path}[{i + 1}]"
        if a is None:  # in a column, a value left undefined is an answer (a study without an effect)
            yield Comparison(name, a, b, 0.0 if _is_gap(b) else math.inf, _is_gap(b))
        else:
            yield _one(case, name, a, b, "")


def _listed(value: Any) -> list[Any]:
    if isinstance(value, np.ndarray):
        return value.tolist()
    if hasattr(value, "to_numpy"):
        return value.to_numpy().tolist()
    return list(value) if isinstance(value, (list, tuple)) else [value]


def _flat(values: list[Any]) -> Iterator[Any]:
    for value in values:
        if isinstance(value, (list, tuple, np.ndarray)):
            yield from _flat(_listed(value))
        else:
            yield value


def _one(case: dict[str, Any], path: str, want: Any, got: Any, sign: str) -> Comparison:
    if isinstance(want, bool) or (isinstance(want, str) and want not in ("Inf", "-Inf")):
        same = want == got
        return Comparison(path, want, got, 0.0 if same else math.inf, bool(same))
    expected = float(want)
    if _is_gap(got):
        undefined = _may_be_undefined(case, path)
        return Comparison(path, want, got, 0.0 if undefined else math.inf, undefined, "undefined here" if undefined else "")
    try:
        answered = float(got)
    except (TypeError, ValueError):
        return Comparison(path, want, got, math.inf, False, "not a number")
    if sign:
        beyond = answered <= expected if sign == "<" else answered >= expected
        if beyond or _near(case, path, expected, answered)[1]:
            return Comparison(path, want, got, 0.0, True, f"R: {sign}")
    error, right = _near(case, path, expected, answered)
    return Comparison(path, want, got, error, right)


def _near(case: dict[str, Any], path: str, expected: float, answered: float) -> tuple[float, bool]:
    if expected == answered:
        return 0.0, True
    if math.isinf(expected) or math.isinf(answered):
        return math.inf, False
    gap = abs(expected - answered)
    if gap <= atol(case, path):
        return 0.0, True
    error = gap / abs(expected) if expected else math.inf
    if "suggested_rtol" in case["options"]:  # that tolerance is for estimates and what is proportional to them
        if _is_p(path) and 0 < expected < 1:
            error /= max(1.0, -2 * math.log(expected))  # the relative error of the statistic behind it, or less
        elif path == "QM":
            error /= 2  # a squared statistic
    return error, error <= rtol(case, path)


def _is_gap(value: Any) -> bool:
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    return isinstance(value, (float, np.floating)) and math.isnan(value)


def _may_be_undefined(case: dict[str, Any], path: str) -> bool:
    """Where the README calls "not estimable" right although R prints a number."""
    k, parts = case["expect"].get("k"), path.split(".")
    if k == 1 and (path in {"tau2", "I2", "H2"} or parts[0] in {"predict", "predict_riley"}):
        return True
    return parts[0] == "predict_riley" and isinstance(k, int) and k < 3


@cache
def adapters() -> tuple[tuple[ModuleType, ...], dict[str, str]]:
    """The adapter modules beside this file, and why those that cannot be imported cannot."""
    found, broken = [], {}
    for module in sorted(pkgutil.iter_modules([str(Path(__file__).parent)]), key=lambda m: m.name):
        if module.name.startswith("adapt_"):
            try:
                found.append(importlib.import_module(f"{__package__}.{module.name}"))
            except Exception as error:
                broken[module.name] = f"{type(error).__name__}: {error}"
    return tuple(found), broken


def adapter(case: dict[str, Any]) -> Callable[[dict[str, Any]], dict[str, Any]] | None:
    """The ``answer`` function for a case, or None where no module takes its family."""
    general = None
    for module in adapters()[0]:
        own = module.__name__.rsplit(".", 1)[-1].removeprefix("adapt_")
        if case["family"] in getattr(module, "FAMILIES", {own}):
            functions = getattr(module, "FUNCTIONS", None)
            if functions is None:
                general = general or module.answer
            elif case["options"].get("fun") in functions:
                return module.answer  # type: ignore[no-any-return]
    return general


def run(case: dict[str, Any]) -> Outcome:
    """One case through its adapter; whatever happens becomes an outcome."""
    missing = [name for name in ("id", "family", "inputs", "options", "expect") if name not in case]
    if missing:
        note = f"not a case: no {', '.join(missing)}"
        return Outcome(str(case.get("id", "?")), str(case.get("family", "?")), "wrong", note=note)
    name, family = case["id"], case["family"]
    answer = adapter(case)
    if answer is None:
        fun = case["options"].get("fun", "")
        taken = any(family in getattr(m, "FAMILIES", {m.__name__.rsplit(".adapt_", 1)[-1]}) for m in adapters()[0])
        what = f"{family}: {fun}" if taken and fun else f"family {family}"
        return Outcome(name, family, "not offered", note=what)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            got = answer(case)
        except NotOffered as error:
            return Outcome(name, family, "not offered", note=str(error))
        except Exception as error:
            refused = type(error).__module__.startswith("vfmeta")
            named = (case["expect"].get("refusal") or {}).get("must_name", ())
            if "refusal" in case["expect"] and refused and all(x in str(error) for x in named):
                return Outcome(name, family, "right", note=f"refused, as it should be: {error}")
            if "error" in case["expect"] and refused:
                return Outcome(name, family, "right", note=f"refused, as R does: {error}")
            return Outcome(name, family, "wrong", note=f"{type(error).__name__}: {error}")
    if "error" in case["expect"]:
        return Outcome(name, family, "right", note="answered where R refuses")
    if "refusal" in case["expect"]:
        return Outcome(name, family, "wrong", note="answered where it should be refused")
    compared, absent = compare(case, got)
    vacuous = bool(absent) and not compared  # an answer that shares no name with what is asked is no answer
    for c in compared:
        if not c.right and isinstance(c.expected, (int, float)):
            c.excused = explanation(case, c.name, float(c.expected), c.got)
    if vacuous or any(not c.right and not c.excused for c in compared):
        group = "wrong"
    else:
        group = "right" if all(c.right for c in compared) else "explained"
    return Outcome(name, family, group, compared, absent, "nothing was compared" if vacuous else "")


def check(case: dict[str, Any]) -> Outcome:
    """For tests: `run`, with an AssertionError that lists expected and got where the case is wrong."""
    outcome = run(case)
    if outcome.group == "wrong":
        bad = [
            f"{c.name}: expected {c.expected!r}, got {c.got!r} ({c.error:.2g})"
            for c in outcome.compared
            if not c.right and not c.excused
        ]
        raise AssertionError("\n".join([f"{outcome.case_id} {outcome.note}", *bad]))
    return outcome

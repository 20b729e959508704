"""Results as plain data and back: the one writer and reader of byte-stable JSON that carries a schema version.

A result lists its own fields; what it was made from (design, fitted problem) it packs and unpacks itself. Numbers are cut to 10
significant digits; NaN is null and an infinite number the text "inf" or "-inf".
"""

from __future__ import annotations

import importlib
import json
import math
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any, ClassVar, Self

import numpy as np

from vfmeta.core.messages import InputError, NotDefined, kind_of
from vfmeta.core.origin import LeftOut, Origin
from vfmeta.core.question import Question
from vfmeta.results import verbs
from vfmeta.results.information import Information
from vfmeta.results.marginal import Marginal
from vfmeta.results.shown import Displayed, Lines
from vfmeta.results.wald import TestResult

SCHEMA_VERSION = 2
# what every result answers, or refuses in words
CONTRACT = (
    "estimate", "se", "statistic", "df", "p_value", "interval", "tau2", "tau2_se", "tau2_interval", "heterogeneity_interval",
    "i2", "h2", "q", "prediction", "information", "coefficients", "studies", "predict", "summary", "to_frame", "to_json",
    "plot", "level", "method", "test", "k", "question", "left_out", "warnings", "call",
)  # fmt: skip
# where each kind of result is at home; loaded when one is read
_HOMES = {
    "FrequentistResult": "results.fit",
    "BayesianResult": "results.posterior",
    "TablesResult": "frequentist.mantel_haenszel",
    "BetaBinomialResult": "frequentist.beta_binomial",
    "CountResult": "frequentist.glmm.result",
    "CountRegressionResult": "frequentist.glmm.result",
    "RegressionResult": "frequentist.regression_result",
    "LocationScaleResult": "frequentist.location_scale",
    "SubgroupResult": "frequentist.subgroups",
    "MultivariateResult": "frequentist.multivariate.result",
    "RobustResult": "frequentist.multivariate.robust",
    "BootstrapResult": "frequentist.after.bootstrap",
    "PermutationResult": "frequentist.after.permutation",
    "Comparison": "frequentist.after.likelihood_ratio",
    "ReportsResult": "bayes.partial",
    "RegressionPosterior": "bayes.regression",
    "ClassEffects": "networks.class_effects",
    "NetworkCounts": "networks.counts_result",
    "NetworkResult": "networks.result",
    "NetworkPosterior": "networks.posterior",
    "ComponentResult": "networks.composed",
    "NetworkRegression": "networks.covariates",
    "NodeSplits": "results.node_splits",
    "ModelComparison": "results.model_fit",
    "AsymmetryTest": "results.small_studies",
    "RankTest": "results.small_studies",
    "TrimAndFill": "results.trim_and_fill",
    "PrecisionEffect": "results.adjusted",
    "HenmiCopas": "results.adjusted",
    "LimitMetaAnalysis": "results.adjusted",
    "PUniformStar": "results.adjusted",
    "WorstCase": "results.adjusted",
    "FailSafe": "results.file_drawer",
    "NextTrial": "results.next_trial",
    "LfkIndex": "results.doubted",
    "PCurve": "results.doubted",
    "CopasPath": "results.doubted",
    "Multiverse": "results.multiverse",
    "ExcessSignificance": "results.significance",
    "Heteroscedasticity": "results.settings",
    "SettingShares": "results.settings",
    "Directions": "results.no_effects",
    "CombinedPValues": "results.no_effects",
    "EffectRange": "results.no_effects",
    "RiskOfBias": "results.risk_of_bias",
    "Certainty": "results.certainty",
    "SummaryOfFindings": "results.findings",
    "SelectionResult": "appraisal.selection_result",
    "SelectionRegression": "appraisal.selection_result",
    "SelectionLocationScale": "appraisal.selection_scale",
    "RobustAverage": "appraisal.averaging_result",
    "ModelAverage": "bayes.averaging",
    "PowerScaling": "bayes.scaling",
    "LeaveOneOut": "bayes.checks",
    "PredictiveCheck": "bayes.checks",
    "RegistryResults": "exchange.registry",
}


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Recorded(Displayed):
    """Verbs of every result that goes to JSON and back; two are equal where their JSON is (numbers to 10 digits).

    ``origin`` says where its studies stood in the data.
    """

    engine: ClassVar[str] = ""
    absent: ClassVar[dict[str, str]] = {}  # why a name of the contract means nothing here; "" for all that are missing
    packed: ClassVar[frozenset[str]] = frozenset()  # fields that `_pack` and `_unpack` see to

    origin: Origin = field(default_factory=Origin)

    @property
    def left_out(self) -> tuple[LeftOut, ...]:
        """Studies that are not in this result, each with the reason: those its table left out, and rows that lack a value."""
        return self.origin.left_out

    def to_dict(self) -> dict[str, Any]:
        """Plain data with a schema version; ``from_dict`` and ``vf.read_result`` read it back."""
        body = {f.name: plain(getattr(self, f.name)) for f in fields(self) if f.name not in self.packed}
        head = {"schema_version": SCHEMA_VERSION, "engine": self.engine, "result": type(self).__name__}
        return {**body, **self._pack(), **head}

    def to_json(self) -> str:
        """Byte-stable JSON: sorted keys, 10 significant digits, no time stamp and no path."""
        return dumps(self.to_dict())

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """The result that ``to_dict`` was called on, to 10 digits; a formula is not read back, only the design it made."""
        if not isinstance(data, dict):
            raise InputError(f"{kind_of(data, 'A')} is no result; give what to_dict() of one returned.")
        data = dict(data)
        version, kind = data.pop("schema_version", None), data.pop("result", None)
        if version != SCHEMA_VERSION or kind != cls.__name__:
            raise InputError(
                f"This is a {kind} of schema version {version}; {cls.__name__} reads its own kind of version {SCHEMA_VERSION}."
            )
        types = {f.name: str(f.type) for f in fields(cls)}
        try:
            own = {name: _value(kind, data[name]) for name, kind in types.items() if name in data and name not in cls.packed}
            return cls(**own, **cls._unpack(data, own))
        except InputError:
            raise
        except (TypeError, ValueError, LookupError, AttributeError, ArithmeticError) as error:
            raise InputError(f"This {cls.__name__} is damaged ({type(error).__name__}: {error}); write it anew.") from error

    def summary(self) -> str:
        """The result in words."""
        return Lines(str(self))

    def plot(self, *args: Any, **choices: Any) -> Any:
        """The figure of this kind of result; arguments as of the function of `vfmeta.plots` that draws it."""
        return verbs.call(self, "plot", *args, **choices)

    def forest(self, *args: Any, **choices: Any) -> Any:
        """Forest plot; arguments as of `vfmeta.plots.forest`."""
        return verbs.call(self, "forest", *args, **choices)

    def leave_one_out(self, *args: Any, **choices: Any) -> Any:
        """The same model without each study in turn; arguments as of `vfmeta.leave_one_out`."""
        return verbs.call(self, "leave_one_out", *args, **choices)

    def to_r(self) -> str:
        """R code that makes the fit again with metafor: its data and the call."""
        return verbs.call(self, "to_r")

    def __getattr__(self, name: str) -> Any:
        # only what is not found comes here
        if name in CONTRACT:
            own = self.absent.get(name) or self.absent.get("")
            if own is not None:
                raise NotDefined(f"{kind_of(self, 'A')} has no {name}: {own}")
        raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")

    def _pack(self) -> dict[str, Any]:
        return {}

    @classmethod
    def _unpack(cls, data: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
        return {}

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and isinstance(other, Recorded) and self.to_dict() == other.to_dict()

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return str(self)


def read_result(source: str | dict[str, Any]) -> Any:
    """The result that ``to_json`` or ``to_dict`` wrote, whatever its kind.

    Parameters
    ----------
    source : str or dict
        The JSON text, or the plain data in it.

    Examples
    --------
    >>> import vfmeta as vf
    >>> fit = vf.common_effect(y=[0.1, 0.3], v=[0.04, 0.09])
    >>> vf.read_result(fit.to_json()) == fit
    True
    """
    try:
        data = json.loads(source) if isinstance(source, str) else source
        kind = data["result"]
    except (ValueError, TypeError, KeyError):
        raise InputError("This is no result of vfmeta; give what to_json() or to_dict() of a result returned.") from None
    if kind not in _HOMES:
        raise InputError(f"No result is of kind {kind!r}; there are {', '.join(_HOMES)}.")
    return getattr(importlib.import_module(f"vfmeta.{_HOMES[kind]}"), kind).from_dict(data)


def dumps(data: Any) -> str:
    """Byte-stable JSON."""
    return json.dumps(data, sort_keys=True, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def read_back(data: Any) -> Any:
    """What `dumps` wrote of the data, read again; quicker, as only the encoder without indents is compiled."""
    return json.loads(json.dumps(data, sort_keys=True, allow_nan=False))


def plain(value: Any) -> Any:
    """JSON-ready copy of a value, floats cut to 10 significant digits so that bytes do not hang on the last bit."""
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, (float, np.floating)):
        if math.isfinite(value):
            return float(f"{value:.10g}")
        return None if math.isnan(value) else "inf" if value > 0 else "-inf"
    if isinstance(value, np.bool_):
        return bool(value)
    if isinstance(value, (int, np.integer)):
        return int(value)
    if isinstance(value, np.ndarray):
        return [plain(x) for x in value.tolist()]
    if isinstance(value, (tuple, list)):
        return [plain(x) for x in value]
    if isinstance(value, dict):
        return {str(k): plain(x) for k, x in value.items()}
    if is_dataclass(value) and not isinstance(value, type):
        own = value.to_dict() if hasattr(value, "to_dict") else {f.name: getattr(value, f.name) for f in fields(value)}
        return plain(own)
    return str(value)


def array(values: Any) -> np.ndarray:
    """Numbers of any nesting as an array of floats."""

    def number(x: Any) -> Any:
        return [number(y) for y in x] if isinstance(x, list) else math.nan if x is None else float(x)

    return np.array(number(values), dtype=float)


def _number(value: Any) -> float:
    return math.nan if value is None else float(value)


def _prior(value: Any) -> Any:
    from vfmeta.priors.family import from_dict  # pools have none

    return from_dict(value)


def _value(kind: str, value: Any) -> Any:
    """A field back from plain data, by its annotation."""
    if value is None:
        return math.nan if kind == "float" else None
    if kind.startswith("np.ndarray"):
        return array(value)
    if kind.startswith("TestResult"):
        residual = value["df_residual"]
        residual = None if residual is None else float(residual)
        return TestResult(_number(value["statistic"]), value["df"], residual, _number(value["p_value"]), value.get("note", ""))
    if kind == "Origin":
        left = tuple(LeftOut(**x) for x in value["left_out"])
        return Origin(left, np.array(value["places"], dtype=int), value["rows_read"])
    if kind == "Question":
        return Question.from_dict(value)
    if kind == "Marginal":
        made: dict[str, Any] = {n: tuple(map(_number, x)) if n == "interval" else _number(x) for n, x in value.items()}
        return Marginal(**made | ({"mode": None} if value["mode"] is None else {}))
    if kind == "tuple[Information, ...]":
        each: list[dict[str, Any]] = [{n: x if n == "kind" else _number(x) for n, x in i.items()} for i in value]
        return tuple(Information(**{**i, "parameters": int(i["parameters"])}) for i in each)
    if kind.startswith(("TauPrior", "MuPrior")):
        return _prior(value)
    if kind == "tuple[Normal | Flat, ...]":
        return tuple(map(_prior, value))
    if kind.startswith("Pair"):
        return _number(value[0]), _number(value[1])
    if kind == "tuple[Pair, ...]":
        return tuple((_number(low), _number(high)) for low, high in value)
    if kind in ("tuple[float, ...]", "tuple[float | None, ...]"):
        return tuple(None if x is None and "None" in kind else _number(x) for x in value)
    if kind in ("dict[str, float]", "dict[str, float | None]"):
        return {n: None if x is None and "None" in kind else _number(x) for n, x in value.items()}
    if kind == "dict[str, Pair]":
        return {n: (_number(x[0]), _number(x[1])) for n, x in value.items()}
    if kind.startswith("tuple["):
        return tuple(value)
    return float(value) if kind.startswith("float") else value

"""Results of the frequentist models as plain data and back: byte-stable JSON that carries a schema version.

A result lists its own fields; what it was made from (design, fitted problem) it packs and unpacks itself. Numbers are cut to 10
significant digits; NaN is null and an infinite number the text "inf" or "-inf".
"""

from __future__ import annotations

import json
import math
from dataclasses import fields, is_dataclass
from typing import Any, ClassVar, Self

import numpy as np

from vfmeta.core.messages import InputError
from vfmeta.core.question import Question
from vfmeta.effects.design import Design
from vfmeta.results.fit import SCHEMA_VERSION
from vfmeta.results.wald import TestResult


class Recorded:
    """Verbs of every result that goes to JSON and back."""

    engine: ClassVar[str] = ""
    packed: ClassVar[frozenset[str]] = frozenset()  # fields that `_pack` and `_unpack` see to

    def to_dict(self) -> dict[str, Any]:
        """Plain data with a schema version; ``from_dict`` reads it back."""
        body = {f.name: plain(getattr(self, f.name)) for f in fields(self) if f.name not in self.packed}  # type: ignore[arg-type]
        return {"schema_version": SCHEMA_VERSION, "engine": self.engine, **body, **self._pack()}

    def to_json(self) -> str:
        """Byte-stable JSON: sorted keys, 10 significant digits, no time stamp and no path."""
        return json.dumps(self.to_dict(), sort_keys=True, indent=1, ensure_ascii=False, allow_nan=False) + "\n"

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """The result that ``to_dict`` was called on, to 10 digits; a formula is not read back, only the design it made."""
        data = dict(data)
        version, engine = data.pop("schema_version", None), data.pop("engine", None)
        if version != SCHEMA_VERSION or engine != cls.engine:
            raise InputError(
                f"This is a {engine} result of schema version {version}; {cls.__name__} reads {cls.engine} of {SCHEMA_VERSION}."
            )
        types = {f.name: str(f.type) for f in fields(cls)}  # type: ignore[arg-type]
        own = {name: _value(kind, data[name]) for name, kind in types.items() if name in data and name not in cls.packed}
        return cls(**own, **cls._unpack(data, own))

    def _pack(self) -> dict[str, Any]:
        return {}

    @classmethod
    def _unpack(cls, data: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
        return {}

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        from html import escape

        return f"<pre>{escape(str(self))}</pre>"


def plain(value: Any) -> Any:
    """JSON-ready copy of a value."""
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    if isinstance(value, (float, np.floating)):
        if math.isfinite(value):
            return float(f"{value:.10g}")
        return None if math.isnan(value) else "inf" if value > 0 else "-inf"
    if isinstance(value, np.integer):
        return int(value)
    if isinstance(value, np.ndarray):
        return [plain(x) for x in value.tolist()]
    if isinstance(value, (tuple, list)):
        return [plain(x) for x in value]
    if isinstance(value, dict):
        return {str(k): plain(x) for k, x in value.items()}
    if isinstance(value, Question):
        return value.to_dict()
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain(getattr(value, f.name)) for f in fields(value)}
    return value if value is None or isinstance(value, (int, str)) else str(value)


def array(values: Any) -> np.ndarray:
    """Numbers of any nesting as an array of floats."""

    def number(x: Any) -> Any:
        return [number(y) for y in x] if isinstance(x, list) else math.nan if x is None else float(x)

    return np.array(number(values), dtype=float)


def pack_design(design: Design) -> dict[str, Any]:
    """The design matrix with its names."""
    return {"x": plain(design.x), "names": list(design.names), "formula": design.formula}


def unpack_design(data: dict[str, Any]) -> Design:
    """The design back, as one given by its matrix: new values of the moderators are rows of it."""
    names = tuple(data["names"])
    return Design(array(data["x"]).reshape(-1, len(names)), names, data["formula"])


def _value(kind: str, value: Any) -> Any:
    if value is None:
        return math.nan if kind == "float" else None
    if kind.startswith("np.ndarray"):
        return array(value)
    if kind == "TestResult":
        residual = value["df_residual"]
        return TestResult(
            float("nan" if value["statistic"] is None else value["statistic"]), value["df"],
            None if residual is None else float(residual), float("nan" if value["p_value"] is None else value["p_value"]),
        )  # fmt: skip
    if kind == "Question":
        return Question.from_dict(value)
    if kind.startswith("tuple["):
        return tuple(value)
    return float(value) if kind.startswith("float") else value

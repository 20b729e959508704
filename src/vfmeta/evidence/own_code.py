"""The code that makes the results of a sheet again: Python with vfmeta, R with metafor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from vfmeta.effects.table import EffectTable
from vfmeta.evidence.records import Record

#: tests of vfmeta as metafor calls them
_TESTS = {"HKSJ": "knha", "HKSJ-adhoc": "adhoc", "Wald": "z", "t": "t"}
_WHERE = "# to be run in the folder where it stands, beside the data"
_R_METHODS = ("REML", "DL", "PM", "ML", "EB", "HE", "HS", "HSk", "SJ")


def python(source: str, tables: Mapping[str, EffectTable], reading: Mapping[str, Any], choices: Mapping[str, Any]) -> str:
    """A script to be run in the folder of the data."""
    said = {k: v for k, v in reading.items() if v is not None and k not in ("outcome", "measure")}
    lines = [_WHERE, "import vfmeta as vf", ""]
    for outcome, table in tables.items():
        options = {"measure": table.question.measure, **({"outcome": outcome} if outcome else {}), **said}
        given = "".join(f", {k}={v!r}" for k, v in options.items())
        lines += [
            f"table = vf.read({source!r}{given})",
            f"fit = vf.random_effects(table, method={choices['method']!r}, test={choices['test']!r})",
            "print(fit.summary())",
            "",
        ]
    return "\n".join(lines)


def r(records: Sequence[Record], choices: Mapping[str, Any]) -> str:
    """A script to be run in the folder of the data: the effects of each outcome, pooled by metafor."""
    method = choices["method"]
    lines = [_WHERE, "library(metafor)", ""]
    if method not in _R_METHODS:
        lines += [f"# metafor has no estimator {method}; REML stands in its place", ""]
        method = "REML"
    for record in records:
        if not record.k:
            lines += [f"# {_comment(record.title)}: no study has a figure", ""]
            continue
        turned = ", transf = exp" if record.question.is_ratio else ""
        lines += [
            f"# {_comment(record.title)}: {record.question.facts.analysis_name}",
            f'dat <- read.csv("results/{record.plan}/{record.id}_studies.csv")',
            f'fit <- rma(yi = estimate, sei = se, data = dat, slab = study, method = "{method}", '
            f'test = "{_TESTS[choices["test"]]}")',
            "print(fit)",
            f"print(predict(fit{turned}))",
            f"forest(fit{turned})",
            "",
        ]
    return "\n".join(lines)


def _comment(text: str) -> str:
    return " ".join(text.split())

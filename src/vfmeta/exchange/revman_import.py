"""The four CSV files that RevMan Web imports: study information, arms, results and risk of bias.

Headings of arms and results are those of public tables that were made for that import; "Domain (judgement): ..." and "Domain
(support): ..." those of the data packages, and "Char: ..." that of study information as Covidence exports it for RevMan Web.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from vfmeta.core.files import write
from vfmeta.exchange.analysis import Analysis, BiasJudgement, Entry, Study
from vfmeta.text.csv_cells import as_csv

JUDGEMENT, SUPPORT, CHARACTERISTIC = "Domain (judgement): ", "Domain (support): ", "Char: "
ARMS = ("Study", "Arm", "Description", "Intervention")
RESULTS = (
    "Study", "Outcome", "Data type", "Effect measure", "Arm", "Reference arm", "Sample size", "Cases", "Mean", "SD", "SE",
    "Variance", "CI level", "CI start", "CI end", "Exp mean", "Exp CI start", "Exp CI end", "t-test", "z-test", "P value",
    "Covariance method", "Covariance", "Other arm 1", "Other arm 2", "Correlation arm 1", "Correlation arm 2", "Correlation",
    "Other mean", "Other SE", "Other variance", "Other CI level", "Other CI start", "Other CI end", "Other exp mean",
    "Other exp CI start", "Other exp CI end", "Other t-test", "Other z-test", "Other P value", "Footnotes",
)  # fmt: skip


def import_files(
    folder: str | Path, *, analyses: Sequence[Analysis], studies: Sequence[Study], judged: Sequence[BiasJudgement],
    characteristics: Mapping[str, Mapping[str, str]],
) -> tuple[Path, ...]:  # fmt: skip
    """Write what RevMan Web imports; all four tables are made before the first is written.

    Returns
    -------
    tuple of path
        Study information, study arms, study results and risk of bias.
    """
    made = {
        "study-information.csv": _information(studies, characteristics), "study-arms.csv": _arms(analyses),
        "study-results.csv": _results(analyses), "risk-of-bias.csv": _bias(judged),
    }  # fmt: skip
    for name, text in made.items():
        write(Path(folder) / name, b"\xef\xbb\xbf" + text.encode())
    return tuple(Path(folder) / name for name in made)


def _information(studies: Sequence[Study], characteristics: Mapping[str, Mapping[str, str]]) -> str:
    kinds = list(dict.fromkeys(k for own in characteristics.values() for k in own))
    rows = [(s.name, *(characteristics.get(s.study_id, {}).get(k, "") for k in kinds)) for s in studies if s.included]
    return as_csv(("Study", *(f"{CHARACTERISTIC}{k}" for k in kinds)), rows)


def _arms(analyses: Sequence[Analysis]) -> str:
    arms = dict.fromkeys((e.study, side) for a in analyses for e in a.entries for side in a.sides)
    return as_csv(ARMS, [(study, arm, "", arm) for study, arm in arms])


def _results(analyses: Sequence[Analysis]) -> str:
    """A row an arm where arms were entered, a row a contrast where effects were; each row once however often it is analysed."""
    rows: dict[tuple[Any, ...], None] = {}
    for a in analyses:
        for e in a.entries:
            for own in _of_entry(a, e):
                rows.setdefault(tuple(own.get(x) for x in RESULTS))
    return as_csv(RESULTS, list(rows))


def _of_entry(a: Analysis, e: Entry) -> list[dict[str, Any]]:
    both, d = {"Study": e.study, "Outcome": a.name}, e.data
    if a.kind in ("events", "means"):
        kind = {"Data type": "Dichotomous" if a.kind == "events" else "Continuous"}
        named = {"Cases": "events", "Mean": "mean", "SD": "sd", "Sample size": "n"}
        return [
            both | kind | {"Arm": arm} | {at: _whole(d[f"{x}{i}"]) for at, x in named.items() if f"{x}{i}" in d}
            for i, arm in zip("12", a.sides, strict=True)
        ]
    contrast = {"Arm": a.sides[0], "Reference arm": a.sides[1], "Effect measure": a.measure_words or a.measure}
    if a.kind == "o-e":  # as an effect on the log scale
        v = d["variance"]
        d = {"y": d["o_e"] / v, "se": v**-0.5} if v > 0 else {}
    y, se = d.get("y", math.nan), d.get("se", math.nan)
    if not (math.isfinite(y) and se > 0):
        return []
    kind = {"Data type": "Continuous" if a.measure in ("MD", "SMD") else "Dichotomous"}
    return [both | kind | contrast | {"Mean": y, "SE": se}]


def _whole(value: float) -> float | int | None:
    return None if math.isnan(value) else int(value) if float(value).is_integer() else value


def _bias(judged: Sequence[BiasJudgement]) -> str:
    domains = list(dict.fromkeys((x.domain, x.group) for x in judged))
    names = [f"{domain}: {group}" if group else domain for domain, group in domains]
    words = {"low": "Low risk", "high": "High risk", "unclear": "Unclear risk"}
    cells = {(x.study, x.domain, x.group): x for x in judged}
    rows = []
    for study in dict.fromkeys(x.study for x in judged):
        own = [cells.get((study, *at)) for at in domains]
        said = [(words.get(x.judgement, x.judgement), x.support) if x else ("", "") for x in own]
        rows.append((study, *(cell for pair in said for cell in pair)))
    return as_csv(("Study", *(f"{kind}{name}" for name in names for kind in (JUDGEMENT, SUPPORT))), rows)


__all__ = ["ARMS", "CHARACTERISTIC", "JUDGEMENT", "RESULTS", "SUPPORT", "import_files"]

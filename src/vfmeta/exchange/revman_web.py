"""Reviews of RevMan Web from their data package, a zip of CSV files.

What a package is like: the files begin with a byte-order mark; a number that is not used is 0.0 and not empty, so that the data
type says which count; "Log-scale data" is true beside an effect shown as a ratio; rows of totals have no data type or no study;
"#N/A" is no value.

Headings are those of packages that Cochrane publishes, as others read them: `read.cdir` of the R package meta takes settings,
rows, subgroups and the domains of risk of bias by these names.
"""

from __future__ import annotations

import csv
import io
import math
from pathlib import Path

from vfmeta.core.bias_tools import TOOLS
from vfmeta.core.measures import row as facts_of
from vfmeta.core.messages import InputError
from vfmeta.exchange.analysis import (
    DATA,
    Analysis,
    BiasJudgement,
    Entry,
    Study,
    Subgroup,
    log_effect,
    measure_of,
    number,
)  # fmt: skip
from vfmeta.exchange.guarded import members
from vfmeta.exchange.review import Review
from vfmeta.exchange.revman_import import CHARACTERISTIC, JUDGEMENT, SUPPORT
from vfmeta.exchange.sheets import refuse_sheet

Row = dict[str, str]
_KINDS = {"dichotomous": "events", "continuous": "means", "contrast level": "effects", "o-e and variance": "o-e"}
_KINDS |= {"generic inverse variance": "effects"}
_ENTERED = {
    "events1": "Experimental cases", "n1": "Experimental N", "events2": "Control cases", "n2": "Control N",
    "mean1": "Experimental mean", "sd1": "Experimental SD", "mean2": "Control mean", "sd2": "Control SD", "o_e": "O-E",
    "variance": "Variance", "y": "GIV Mean", "se": "GIV SE",
}  # fmt: skip
_STORED = {
    "Mean": "estimate", "CI start": "ci_low", "CI end": "ci_high", "Effect Z": "statistic", "Effect T": "t",
    "Effect P": "p_value",
    "Heterogeneity Chi²": "q", "Heterogeneity df": "q_df", "Heterogeneity P": "q_p_value", "Heterogeneity Tau²": "tau2",
    "Experimental N": "n1", "Control N": "n2", "Experimental cases": "events1", "Control cases": "events2", "Weight": "weight",
    "Subgroup Chi²": "subgroup_q", "Subgroup P": "subgroup_p_value",
}  # fmt: skip
_PERCENT = {"Heterogeneity I²": "i2", "Subgroup I²": "subgroup_i2"}
_FILES = {
    "settings": "-overall-estimates-and-settings.csv", "rows": "-data-rows.csv", "subgroups": "-subgroup-estimates.csv",
    "studies": "-study-information.csv", "bias": "-risk-of-bias.csv",
}  # fmt: skip


def read_package(path: str | Path, *, sheet: str | None = None) -> Review:
    """A review of RevMan Web from its data package, with an effect table of each analysis.

    Parameters
    ----------
    path : str or path
        The zip file. Names, sizes and ratios of its members are checked before anything is expanded; nothing is written.
    sheet : str, optional
        None: a package has no sheets; its analyses are picked by number.

    Returns
    -------
    Review

    Raises
    ------
    InputError
        No package, a broken one, or one that could do harm; faults name file, row and column.
    """
    path = Path(path)
    refuse_sheet(path, sheet)
    inside = members(path, lambda name: name.endswith(tuple(_FILES.values())))
    found: dict[str, tuple[str, list[Row]]] = {}
    for name, content in inside.items():
        part = next(p for p, end in _FILES.items() if name.endswith(end))
        if part in found:
            raise InputError(f"{path.name} holds two reviews ({found[part][0]}, {name}); read one at a time.")
        found[part] = name, _rows(path.name, name, content)
    lacking = [_FILES[part] for part in ("settings", "rows") if part not in found]
    if lacking:
        raise InputError(f"{path.name} is no data package of RevMan Web: no file in it ends in {' or '.join(lacking)}.")
    tables = {part: rows for part, (_, rows) in found.items()}
    names = {part: name for part, (name, _) in found.items()}
    problems: list[str] = []
    analyses = tuple(_analyses(tables, names, problems))
    if problems:
        raise InputError(problems)
    about = [r for r in tables.get("studies", []) if r.get("Study")]
    listed = dict.fromkeys([*(r["Study"] for r in about), *(e.study for a in analyses for e in a.entries)])
    years = {r["Study"]: r.get("Study year", "") for r in tables["rows"] if r.get("Study")}
    return Review(
        title=path.name.removesuffix(".zip"), source=path.name, program="RevMan Web", analyses=analyses,
        studies=tuple(Study(x, x, years.get(x, "")) for x in listed), judged=tuple(_judgements(tables, names)),
        characteristics={
            r["Study"]: {k.removeprefix(CHARACTERISTIC): x for k, x in r.items() if k.startswith(CHARACTERISTIC) and x}
            for r in about
        },
    )  # fmt: skip


def _rows(package: str, name: str, content: bytes) -> list[Row]:
    """Rows of a file of the package, "#N/A" as empty."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{package}, {name}: this is no UTF-8 text (byte {error.start}); export the package anew.") from None
    head, *body = [row for row in csv.reader(io.StringIO(text, newline="")) if row] or [[]]
    short = [i for i, row in enumerate(body) if len(row) != len(head)]
    if short:
        raise InputError(
            [f"{package}, {name}, row {i + 2}: {len(body[i])} cells below {len(head)} headings; the file is broken or cut off."
             for i in short]
        )  # fmt: skip
    return [{k.strip(): "" if x == "#N/A" else x for k, x in zip(head, row, strict=True)} for row in body]


def _analyses(tables: dict[str, list[Row]], names: dict[str, str], problems: list[str]) -> list[Analysis]:
    found = []
    for i, s in enumerate(tables["settings"]):
        if not s.get("Data type"):
            continue  # a row of totals
        kind, where = _KINDS.get(s["Data type"].lower()), f"{names['settings']}, row {i + 2}"
        if kind is None:
            problems.append(f"{where}, column Data type: {s['Data type']!r} is none of {', '.join(_KINDS)}.")
            continue
        at = _number_of(s)
        own = [(j, r) for j, r in enumerate(tables["rows"]) if _number_of(r) == at and not _total(r)]
        parts = [r for r in tables.get("subgroups", []) if _number_of(r) == at and r.get("Subgroup")]
        found.append(_analysis(s, kind, at, own, parts, names["rows"], where, problems))
    return found


def _analysis(
    s: Row, kind: str, at: str, own: list[tuple[int, Row]], parts: list[Row], name: str, where: str, problems: list[str]
) -> Analysis:  # fmt: skip
    measure, said = measure_of(s.get("Effect measure", "")), s.get("Effect measure", "")
    if kind in ("events", "means") and measure not in ("OR", "RR", "RD", "PETO", "MD", "SMD"):
        problems.append(f"{where}, column Effect measure: {said!r} is no measure of {s['Data type'].lower()} data.")
    method = s.get("Statistical method", "").lower()
    method = "PETO" if method.startswith("peto") and kind == "events" else "MH" if method.startswith("mantel") else "IV"
    random = s.get("Analysis model", "").lower().startswith("random")
    estimator = "REML" if s.get("Heterogeneity estimator", "").upper().startswith(("REML", "RESTRICTED")) else "DL"
    log = measure != "GEN" and facts_of(measure).is_ratio and kind == "effects"
    entries = []
    for j, r in own:
        place = f"{name}, row {j + 2}"
        data = {}
        for entered in DATA[kind]:
            text = r.get(_ENTERED[entered], "")
            value = number(text)
            if value is None and text:
                problems.append(f"{place}, column {_ENTERED[entered]}: {text!r} is no number.")
            data[entered] = math.nan if value is None else value
        if log and data["se"] > 0:
            try:
                data["y"] = log_effect(data["y"], number(r.get("Mean")), _true(s.get("Log-scale data")), place)
            except InputError as error:
                problems.append(str(error))
        stored = {_STORED[k]: r[k] for k in ("Mean", "CI start", "CI end", "Weight") if r.get(k)}
        entries.append(Entry(
            study_id=r["Study"], study=r["Study"], subgroup=r.get("Subgroup", ""), place=f"data row {j + 2}",
            estimable=_estimable(r), data=data, stored=stored,
        ))  # fmt: skip
    results = _results(s, kind)
    return Analysis(
        number=at, comparison=s.get("Analysis group name", ""), name=s.get("Analysis name", "") or at, kind=kind,
        measure=measure, measure_words=said, method=method, model="random" if random else "common",
        estimator="DL-MH" if random and method == "MH" and estimator == "DL" else estimator,
        test="HKSJ" if s.get("CI method", "").upper().startswith("HKSJ") else "Wald",
        level=_level(s, "CI/PI level", "Estimate CI"), study_level=_level(s, "Study CI"),
        sides=(s.get("Experimental group label") or "experimental", s.get("Control group label") or "control"),
        totals="YES" if _true(s.get("Overall estimates", "true")) else "SUB" if _true(s.get("Subgroup estimates")) else "NO",
        swapped=_true(s.get("Swap event and non-event")) and kind == "events", estimable=_estimable(s),
        calculated=bool(results),
        subgroup_test=_true(s.get("Test for subgroup differences")), entries=tuple(entries),
        subgroups=tuple(Subgroup(name=r["Subgroup"], estimable=_estimable(r), stored=_results(r, kind)) for r in parts),
        stored=results,
    )  # fmt: skip


def _results(r: Row, kind: str) -> dict[str, str]:
    """Results under vfmeta's names; I2 in percent, whether the file writes a percentage or a share."""
    found = {name: r[at] for at, name in _STORED.items() if r.get(at) and (kind == "events" or "events" not in name)}
    if number(r.get("Effect T")) == 0:
        found.pop("t", None)  # not used
    for at, name in _PERCENT.items():
        text = r.get(at, "")
        if text:
            found[name] = text.rstrip("%") if text.endswith("%") else _percent(r, at, text)
    return found


def _percent(r: Row, at: str, text: str) -> str:
    """I2 as stored, in percent: a share is told by the Q beside it."""
    value, side = number(text), "Subgroup" if at.startswith("Subgroup") else "Heterogeneity"
    q, df = number(r.get(f"{side} Chi²")), number(r.get(f"{side} df"))
    if value is None or not q or df is None or not 0 < value <= 1:
        return text
    whole = 100 * max(0.0, (q - df) / q)
    return repr(100 * value) if abs(100 * value - whole) < abs(value - whole) else text


def _estimable(r: Row) -> bool:
    """Whether there is a result: a weight or an interval that is not all zeros."""
    told = [number(r.get(x)) for x in ("Mean", "CI start", "CI end", "Weight") if r.get(x)]
    return not told or any(told)


def _total(r: Row) -> bool:
    return not r.get("Study") or r.get("Data type") == ""


def _number_of(r: Row) -> str:
    return f"{r.get('Analysis group', '').removesuffix('.0')}.{r.get('Analysis number', '').removesuffix('.0')}"


def _true(text: str | None) -> bool:
    return (text or "").strip().lower() in ("true", "yes", "1")


def _level(s: Row, *names: str) -> float:
    for name in names:
        percent = number(s.get(name, "").rstrip("%"))
        if percent:
            return percent / 100 if percent > 1 else percent
    return 0.95


def _judgements(tables: dict[str, list[Row]], names: dict[str, str]) -> list[BiasJudgement]:
    found = []
    for i, r in enumerate(tables.get("bias", [])):
        for column, word in r.items():
            if not column.startswith(JUDGEMENT) or not word:
                continue
            level = next((x for tool in TOOLS.values() if (x := tool.level(word))), None)
            if level is None:
                raise InputError(f"{names['bias']}, row {i + 2}, column {column}: {word!r} is no judgement of risk of bias.")
            domain, _, group = column.removeprefix(JUDGEMENT).partition(": ")
            support = r.get(column.replace(JUDGEMENT, SUPPORT, 1), "")
            found.append(
                BiasJudgement(r.get("Study", ""), domain, level.word, "" if group == "All outcomes" else group, support)
            )
    return found


__all__ = ["read_package"]

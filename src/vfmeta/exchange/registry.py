"""Results posted in ClinicalTrials.gov, as candidates that a person looks at before any of them is pooled."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

from vfmeta.core.messages import InputError, warn
from vfmeta.exchange import register_words as said
from vfmeta.exchange.sheets import parsed, there
from vfmeta.results.codec import Recorded, plain

if TYPE_CHECKING:
    import pandas as pd

NOT_STATED = "not_stated"
COLUMNS = (
    "row", "kind", "study", "outcome", "part", "time_frame", "role", "group", "statistic", "value", "spread", "spread_value",
    "low", "high", "ci_level", "n", "n_of", "p", "p_sign", "method", "direction", "unit", "problem", "note", "confirmed",
    "locator",
)  # fmt: skip
_RATIOS = ("HR", "OR", "RR", "IRR")
_ENDS = {"iqr": ("q1", "q3"), "range": ("min", "max")}


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class RegistryResults(Recorded):
    """Candidate rows from a register of trials; none is confirmed, and none is pooled before a person did.

    ``rows`` has a row for every value of a group (kind "arm") and every analysis (kind "analysis"), with the ``locator``
    where it stands in the file; ``problem`` says why one cannot be used. `confirm` makes the table that `vfmeta.read` takes.
    """

    absent: ClassVar[dict[str, str]] = {"": "it is pooled after a person confirmed its rows; confirm([...]) makes a table."}
    packed: ClassVar[frozenset[str]] = frozenset({"rows"})

    source: str
    rows: pd.DataFrame = field(repr=False)

    def to_frame(self) -> pd.DataFrame:
        """The candidate rows."""
        return self.rows

    def confirm(self, rows: Sequence[int] | int, *, sides: tuple[str, str] | None = None) -> pd.DataFrame:
        """The rows that a person has looked at, as a table for `vfmeta.read`.

        Parameters
        ----------
        rows : int or sequence of int
            Numbers of the column ``row``; all of kind "arm" or all of kind "analysis".
        sides : (str, str), optional
            Analyses only: which group's value comes first in the difference or is above the line of the ratio, and which
            comes second, as the paper says it; needed where ``direction`` is "not_stated".

        Returns
        -------
        data frame

        Raises
        ------
        InputError
            No such row, a row that cannot be used, both kinds together, or a direction that nobody stated.

        Warns
        -----
        VfmetaWarning
            What ``note`` says of the rows.
        """
        import pandas as pd

        numbers = [rows] if isinstance(rows, int) else list(rows)
        known = self.rows.set_index("row")
        problems = [f"rows: there is no row {n!r}; the rows are 1 to {len(known)}." for n in numbers if n not in known.index]
        if problems or not numbers:
            raise InputError(problems or ["rows: name at least one row."])
        twice = [n for n in dict.fromkeys(numbers) if numbers.count(n) > 1]
        chosen = [{"row": n, **known.loc[n].to_dict()} for n in dict.fromkeys(numbers)]
        problems = [f"rows: row {n} is named twice." for n in twice]
        problems += [f"row {x['row']}: {x['problem']}." for x in chosen if x["problem"]]
        kinds = {x["kind"] for x in chosen}
        if len(kinds) > 1:
            problems.append("rows: values of groups and analyses do not go into one table; confirm them apart.")
        if sides is not None and "arm" in kinds:
            problems.append("sides= is for analyses; of values of groups, vfmeta.read(..., sides=) asks which is which.")
        if not problems:
            for x in chosen if kinds == {"analysis"} else ():
                problems += _direction_faults(x, sides)
            levels = {x["ci_level"] for x in chosen if x["ci_level"] is not None}
            if len(levels) > 1:
                problems.append(f"rows: intervals of {' and '.join(f'{v:g}%' for v in sorted(levels))}; confirm them apart.")
        if problems:
            raise InputError(problems)
        for note in dict.fromkeys(x["note"] for x in chosen if x["note"]):
            concerned = [str(x["row"]) for x in chosen if x["note"] == note]
            warn(f"row{'s' * (len(concerned) > 1)} {', '.join(concerned)}: {note}.")
        made = [(_arm_row if x["kind"] == "arm" else _analysis_row)(x) for x in chosen]
        columns = list(dict.fromkeys(c for row in made for c in row))
        return pd.DataFrame([[row.get(c) for c in columns] for row in made], columns=columns, dtype=object)

    def _pack(self) -> dict[str, Any]:
        return {"rows": [[plain(x) for x in row] for row in self.rows.itertuples(index=False)]}

    @classmethod
    def _unpack(cls, data: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
        return {"rows": _frame(data["rows"])}

    def __str__(self) -> str:
        usable = int((self.rows["problem"] == "").sum())
        lines = [f"{self.source}: {len(self.rows)} candidate rows, {usable} usable, none confirmed"]
        for (study, outcome), part in self.rows.groupby(["study", "outcome"], sort=False):
            kinds = part["kind"].value_counts()
            lines.append(f"  {study}, {outcome}: {kinds.get('arm', 0)} values of groups, {kinds.get('analysis', 0)} analyses")
        return "\n".join([*lines, "Look at rows, then confirm([...]) makes the table that vfmeta.read takes."])


def read_registry(source: str | Path) -> RegistryResults:
    """Results of trials from a JSON file of ClinicalTrials.gov (API version 2), as candidates to be confirmed.

    Numbers are read from the texts they are, p values with their sign, each denominator from its class or else its outcome.
    The order of groups says nothing of the sign of an analysis: its ``direction`` is "not_stated" unless a text of the
    analysis says it with the titles of both groups ("Drug minus Placebo").

    Parameters
    ----------
    source : str or path
        A study, a list of studies or an answer of the search (``{"studies": [...]}``).

    Returns
    -------
    RegistryResults

    Raises
    ------
    InputError
        It is no such file, or none of its studies has posted results.

    Examples
    --------
    >>> import json, pathlib, tempfile, vfmeta as vf
    >>> groups = [{"id": "OG000", "title": "Drug"}, {"id": "OG001", "title": "Placebo"}]
    >>> outcome = {"title": "Pain", "paramType": "MEAN", "dispersionType": "Standard Deviation", "groups": groups,
    ...            "denoms": [{"units": "Participants", "counts": [{"groupId": g, "value": "40"} for g in ("OG000", "OG001")]}],
    ...            "classes": [{"categories": [{"measurements": [{"groupId": "OG000", "value": "3.1", "spread": "2.0"},
    ...                                                          {"groupId": "OG001", "value": "4.0", "spread": "2.2"}]}]}]}
    >>> study = {"protocolSection": {"identificationModule": {"nctId": "NCT01234567"}},
    ...          "resultsSection": {"outcomeMeasuresModule": {"outcomeMeasures": [outcome]}}}
    >>> file = pathlib.Path(tempfile.mkdtemp()) / "NCT01234567.json"
    >>> written = file.write_text(json.dumps(study))
    >>> found = vf.read_registry(file)
    >>> found.rows["confirmed"].any(), found.rows["group"].tolist()
    (np.False_, ['Drug', 'Placebo'])
    >>> vf.read(found.confirm([1, 2]), sides=("Drug", "Placebo")).y.round(2).tolist()
    [-0.9]
    """
    path = there(source)
    studies = list(_studies(path.name, parsed(path)))
    found = [row for place, study in studies for row in _of_study(place, study)]
    if not found:
        names = ", ".join(_nct(study) for _, study in studies[:5])
        raise InputError(f"{path.name}: no results of outcomes have been posted for {names}.")
    rows = [[i + 1, *(row.get(c) for c in COLUMNS[1:])] for i, row in enumerate(found)]
    return RegistryResults(source=path.name, rows=_frame(rows))


def _frame(rows: list[list[Any]]) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame(rows, columns=list(COLUMNS), dtype=object)


def not_unread(path: Path, *, sheet: str | None = None) -> NoReturn:
    """A record of a register is no table: it is looked at first."""
    raise InputError(
        f"{path.name} is a record of ClinicalTrials.gov, whose rows a person must look at first: "
        f"found = vf.read_registry({path.name!r}), then vf.read(found.confirm([1, 2]))."
    )


def _studies(name: str, found: Any) -> Iterator[tuple[str, Mapping[str, Any]]]:
    if isinstance(found, Mapping) and "studies" in found:
        listed, before = found["studies"], "studies"
    else:
        listed, before = ([found], "") if isinstance(found, Mapping) else (found, "")
    if not isinstance(listed, list) or not listed or not all(isinstance(x, Mapping) and "protocolSection" in x for x in listed):
        raise InputError(f"{name}: not studies of ClinicalTrials.gov (API version 2); each has a protocolSection.")
    alone = isinstance(found, Mapping) and not before
    for i, study in enumerate(listed):
        yield "" if alone else f"{before}[{i}].", study


def _nct(study: Mapping[str, Any]) -> str:
    return str(study.get("protocolSection", {}).get("identificationModule", {}).get("nctId", "a study without a number"))


def _of_study(place: str, study: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    outcomes = study.get("resultsSection", {}).get("outcomeMeasuresModule", {}).get("outcomeMeasures", [])
    for i, outcome in enumerate(outcomes):
        at = f"{place}resultsSection.outcomeMeasuresModule.outcomeMeasures[{i}]"
        shared = {
            "study": _nct(study),
            "outcome": str(outcome.get("title", "")),
            "time_frame": str(outcome.get("timeFrame", "")),
            "role": str(outcome.get("type", "")).casefold(),
            "unit": str(outcome.get("unitOfMeasure", "")),
            "confirmed": False,
            "direction": "",
            "problem": "",
            "note": "",
        }
        titles = {str(g.get("id")): str(g.get("title", "")) for g in outcome.get("groups", [])}
        for row in (*_values(outcome, titles, at), *_analyses(outcome, titles, at)):
            yield shared | row


def _denominators(holder: Mapping[str, Any], unit: str) -> dict[str, tuple[float | None, str]]:
    """Denominators by group, and of what: of the unit that the outcome counts, or of participants."""
    listed = holder.get("denoms", [])
    named = [d for d in listed if str(d.get("units", "")).casefold() == unit.casefold()] or listed[:1]
    return {str(c.get("groupId")): (said.number(c.get("value")), str(d.get("units", ""))) for d in named
            for c in d.get("counts", [])}  # fmt: skip


def _values(outcome: Mapping[str, Any], titles: Mapping[str, str], at: str) -> Iterator[dict[str, Any]]:
    statistic, note, problem = said.statistic(outcome.get("paramType"), outcome.get("unitOfMeasure"))
    kind = said.spread(outcome.get("dispersionType"))
    unit = str(outcome.get("denomUnitsSelected") or "Participants")
    whole = _denominators(outcome, unit)
    for c, group_class in enumerate(outcome.get("classes", [])):
        counted = whole | _denominators(group_class, unit)
        for k, category in enumerate(group_class.get("categories", [])):
            part = [str(x.get("title", "")).strip() for x in (group_class, category)]
            for m, cell in enumerate(category.get("measurements", [])):
                group = str(cell.get("groupId"))
                n, of = counted.get(group, (None, ""))
                low, high = (said.number(cell.get(x)) for x in ("lowerLimit", "upperLimit"))
                row = {
                    "kind": "arm",
                    "part": ", ".join(x for x in part if x),
                    "group": titles.get(group, group),
                    "statistic": statistic,
                    "value": said.number(cell.get("value")),
                    "spread": kind,
                    "spread_value": said.number(cell.get("spread")),
                    "low": low,
                    "high": high,
                    "ci_level": said.level(outcome.get("dispersionType")) if kind == "ci" else None,
                    "n": n,
                    "n_of": of,
                    "note": note if kind in ("se", "ci") else "",
                    "locator": f"{at}.classes[{c}].categories[{k}].measurements[{m}]",
                }
                yield row | {"problem": problem or _fault(row, cell)}


def _fault(row: Mapping[str, Any], cell: Mapping[str, Any]) -> str:
    """Why the value of a group cannot be used; empty where it can."""
    n, value, statistic = row["n"], row["value"], row["statistic"]
    if value is None:
        why = f" ({cell['comment']})" if cell.get("comment") else ""
        return f"the value is {cell.get('value') or 'empty'!r}, no number{why}"
    if n is None or n <= 0:
        return "no number of participants"
    if row["n_of"].casefold() != "participants":
        return f"the denominator counts {row['n_of'] or 'something unnamed'}, not participants"
    if statistic == "events" and (value > n or value < 0 or value != int(value)):
        return f"{value:g} participants of {n:g}"
    if statistic in ("mean", "median"):
        needs = {"sd": ("spread_value",), "se": ("spread_value",)}.get(row["spread"], ("low", "high"))
        if not row["spread"] or any(row[x] is None for x in needs):
            return f"a {statistic} without a spread that can be used"
        if row["spread"] == "ci" and row["ci_level"] is None:
            return f"a {statistic} with an interval whose level is not said"
    return ""


def _analyses(outcome: Mapping[str, Any], titles: Mapping[str, str], at: str) -> Iterator[dict[str, Any]]:
    for i, found in enumerate(outcome.get("analyses", [])):
        groups = tuple(titles.get(str(g), str(g)) for g in found.get("groupIds", []))
        p = said.p_value(found.get("pValue"))
        texts = tuple(str(found.get(x) or "") for x in (
            "groupDescription", "paramType", "estimateComment", "statisticalComment", "pValueComment",
            "otherAnalysisDescription",
        ))  # fmt: skip
        order = said.direction(texts, groups)
        spread = said.spread(found.get("dispersionType"))
        row = {
            "kind": "analysis",
            "part": " ".join(texts[0].split()),
            "group": " | ".join(groups),
            "statistic": said.measure(found.get("paramType")),
            "value": said.number(found.get("paramValue")),
            "spread": spread,
            "spread_value": said.number(found.get("dispersionValue")),
            "low": said.number(found.get("ciLowerLimit")),
            "high": said.number(found.get("ciUpperLimit")),
            "ci_level": said.level(found.get("ciPctValue")),
            "p": p.value,
            "p_sign": p.sign,
            "method": str(found.get("statisticalMethod", "")),
            "direction": f"{order[0]} | {order[1]}" if order else NOT_STATED,
            "locator": f"{at}.analyses[{i}]",
        }
        if str(found.get("ciNumSides", "TWO_SIDED")).upper() != "TWO_SIDED":
            row |= {"low": None, "high": None, "ci_level": None}
        yield row | {"problem": _analysis_fault(row, found, groups)}


def _analysis_fault(row: Mapping[str, Any], found: Mapping[str, Any], groups: tuple[str, ...]) -> str:
    if len(groups) != 2:
        return f"it compares {len(groups)} groups, not two"
    if not row["statistic"]:
        return f"{found.get('paramType') or 'an analysis without an estimate'}: no effect measure that is pooled"
    if row["value"] is None:
        return f"the estimate is {found.get('paramValue') or 'empty'!r}, no number"
    interval = row["low"] is not None and row["high"] is not None and row["ci_level"] is not None
    error = row["spread"] == "se" and row["spread_value"] is not None and row["statistic"] not in _RATIOS
    if not (interval or error or (row["p"] is not None and row["p_sign"] == "=")):
        return "no interval of two sides, standard error or exact p value"
    return ""


def _direction_faults(row: Mapping[str, Any], sides: tuple[str, str] | None) -> list[str]:
    groups = row["group"].split(" | ")
    if sides is None:
        if row["direction"] != NOT_STATED:
            return []
        return [
            f"row {row['row']}: nothing says which group comes first in the {row['statistic']}, and their order does not tell; "
            f"look at {row['locator']} and the paper, then add sides=({groups[0]!r}, {groups[1]!r}) or the reverse."
        ]
    if sorted(sides) != sorted(groups):
        return [f"row {row['row']}: sides={tuple(sides)!r} are not its groups, {groups[0]!r} and {groups[1]!r}."]
    stated = row["direction"]
    if stated not in (NOT_STATED, " | ".join(sides)):
        return [f"row {row['row']}: its own text says {stated.replace(' | ', ' against ')}, not the reverse; {row['locator']}."]
    return []


def _name(row: Mapping[str, Any]) -> str:
    return f"{row['outcome']}: {row['part']}" if row["part"] and row["kind"] == "arm" else str(row["outcome"])


def _interval(row: Mapping[str, Any]) -> dict[str, Any]:
    if row["low"] is None or row["high"] is None or row["ci_level"] is None:
        return {}
    return {f"lower {row['ci_level']:g}% CI": row["low"], f"upper {row['ci_level']:g}% CI": row["high"]}


def _arm_row(row: Mapping[str, Any]) -> dict[str, Any]:
    made = {"study": row["study"], "outcome": _name(row), "arm": row["group"], row["statistic"]: row["value"]}
    if row["statistic"] in ("mean", "median"):
        if row["spread"] in ("sd", "se"):
            made[row["spread"]] = row["spread_value"]
        elif row["spread"] == "ci":
            made |= _interval(row)
        else:
            made |= dict(zip(_ENDS[row["spread"]], (row["low"], row["high"]), strict=True))
    return made | {"n": row["n"], "locator": row["locator"]}


def _analysis_row(row: Mapping[str, Any]) -> dict[str, Any]:
    made = {"study": row["study"], "outcome": _name(row), row["statistic"]: row["value"], **_interval(row)}
    if row["spread"] == "se" and row["statistic"] not in _RATIOS:
        made["se"] = row["spread_value"]
    if row["p"] is not None and row["p_sign"] == "=":
        made["p"] = row["p"]
    return made | {"locator": row["locator"]}


__all__ = ["RegistryResults", "read_registry"]

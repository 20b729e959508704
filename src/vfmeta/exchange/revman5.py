"""Reviews of RevMan 5: the XML of an .rm5 file.

What such files are like: logs (``LOG_*``) are to base 10, while ``SE`` and ``VAR`` are of natural logs; ids hold characters as
``_xHHHH_`` in some places and as they are in others; a row that is not estimable holds zeros in place of its results, and so
does an outcome ("NaN" and "-Infinity" too); an outcome that nobody calculated holds empty texts; I2 is in percent; the measure
of a generic outcome is a child element in words, and ``LOG_DATA="NO"`` beside a ratio says that logs were entered.
"""

from __future__ import annotations

import math
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

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
from vfmeta.exchange.guarded import Elements, read_xml
from vfmeta.exchange.review import Review
from vfmeta.exchange.sheets import refuse_sheet

#: RevMan's judgements; YES answers "was this done well?", so that it is a low risk
WORDS = {"YES": "low", "NO": "high", "UNKNOWN": "unclear"}
_KINDS = {"DICH": "events", "CONT": "means", "IV": "effects", "IPD": "o-e"}
#: results by the attribute that holds them
_STORED = {
    "EFFECT_SIZE": "estimate", "CI_START": "ci_low", "CI_END": "ci_high", "LOG_EFFECT_SIZE": "log10 estimate",
    "LOG_CI_START": "log10 ci_low", "LOG_CI_END": "log10 ci_high", "Z": "statistic", "P_Z": "p_value", "CHI2": "q",
    "DF": "q_df", "P_CHI2": "q_p_value", "I2": "i2", "TAU2": "tau2", "STUDIES": "studies", "TOTAL_1": "n1", "TOTAL_2": "n2",
    "EVENTS_1": "events1", "EVENTS_2": "events2", "WEIGHT": "weight", "Q": "subgroup_q", "P_Q": "subgroup_p_value",
    "I2_Q": "subgroup_i2",
}  # fmt: skip
_ROW_STORED = {
    "EFFECT_SIZE": "estimate", "CI_START": "ci_low", "CI_END": "ci_high", "LOG_EFFECT_SIZE": "log10 estimate",
    "LOG_CI_START": "log10 ci_low", "LOG_CI_END": "log10 ci_high", "SE": "se", "VAR": "variance", "WEIGHT": "weight",
}  # fmt: skip
_ENTERED = {
    "events1": "EVENTS_1", "n1": "TOTAL_1", "events2": "EVENTS_2", "n2": "TOTAL_2", "mean1": "MEAN_1", "sd1": "SD_1",
    "mean2": "MEAN_2", "sd2": "SD_2", "o_e": "O_E", "variance": "VAR", "y": "ESTIMATE", "se": "SE",
}  # fmt: skip
_CHARACTERISTICS = {
    "CHAR_METHODS": "Methods", "CHAR_PARTICIPANTS": "Participants", "CHAR_INTERVENTIONS": "Interventions",
    "CHAR_OUTCOMES": "Outcomes", "CHAR_NOTES": "Notes",
}  # fmt: skip
_BELONGS = {"QUALITY_ITEM_DATA_ENTRY": "QUALITY_ITEM", "QUALITY_ITEM_DATA_ENTRY_GROUP": "QUALITY_ITEM"}
_ESCAPED = re.compile(r"_x([0-9a-fA-F]{4})_")


def read_revman5(path: str | Path, *, sheet: str | None = None) -> Review:
    """A review of RevMan 5, with an effect table of each analysis.

    Parameters
    ----------
    path : str or path
        The .rm5 file. Entities and references to other files are refused before anything is expanded.
    sheet : str, optional
        None: a review has no sheets; its analyses are picked by number.

    Returns
    -------
    Review

    Raises
    ------
    InputError
        A file that is no review, or a broken one; the message names line and element.
    """
    path = Path(path)
    refuse_sheet(path, sheet)
    reader = _Rm5(path.name)
    read_xml(path, reader)
    return reader.review()


def unescaped(name: str) -> str:
    """An id with the characters that RevMan wrote as ``_xHHHH_``.

    Examples
    --------
    >>> unescaped("STD-O_x0027_Neill-2001")
    "STD-O'Neill-2001"
    """
    return _ESCAPED.sub(lambda m: chr(int(m[1], 16)), name)


class _Rm5(Elements):
    """Comparisons, outcomes, subgroups and rows as they come by."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.title = self.version = ""
        self.studies: dict[str, Study] = {}
        self.study: dict[str, str] = {}
        self.comparison: dict[str, str] = {}
        self.outcome: dict[str, Any] = {}
        self.subgroup: dict[str, Any] = {}
        self.analyses: list[Analysis] = []
        self.item: dict[str, Any] = {}
        self.judgement: dict[str, str] = {}
        self.judged: list[dict[str, str]] = []
        self.characteristics: dict[str, dict[str, str]] = {}
        self.described = ""
        self.other = 0
        self.orders: dict[str, str] = {}
        self.notes: list[str] = []

    # elements

    def opened(self, element: str, attributes: dict[str, str]) -> None:
        if len(self.inside) == 1 and element != "COCHRANE_REVIEW":
            raise self.fault("a file of RevMan 5 begins with <COCHRANE_REVIEW>; this is something else.")
        kind, _, part = element.partition("_")
        belongs = (
            {"SUBGROUP": f"{kind}_OUTCOME", "DATA": f"{kind}_OUTCOME"}.get(part) if kind in _KINDS else _BELONGS.get(element)
        )
        if belongs and belongs not in self.inside[:-1]:
            raise self.fault(f"it stands outside of any <{belongs}>.")
        if kind in _KINDS and part in ("OUTCOME", "SUBGROUP") and any(x.endswith(part) for x in self.inside[:-1]):
            raise self.fault(f"it stands inside of another {part.lower()}.")
        if element == "COCHRANE_REVIEW":
            self.version = attributes.get("REVMAN_VERSION", "")
        elif element == "STUDY":
            self.study = attributes
        elif element == "COMPARISON":
            self.comparison = {"NO": attributes.get("NO", ""), "NAME": ""}
        elif kind in _KINDS and part == "OUTCOME":
            self.outcome = {"attributes": attributes, "kind": _KINDS[kind], "rows": [], "subgroups": [], "words": {}}
            self.subgroup = {}
        elif kind in _KINDS and part == "SUBGROUP":
            self.subgroup = {"attributes": attributes, "NAME": "", "place": len(self.outcome["subgroups"])}
        elif kind in _KINDS and part == "DATA":
            self._row(attributes)
        elif element == "OTHER_OUTCOME":
            self.other += 1
        elif element == "QUALITY_ITEM":
            self.item = {"NAME": "", "groups": {}}
        elif element == "QUALITY_ITEM_DATA_ENTRY":
            self.judgement = attributes | {"line": str(self.line)}
        elif element == "QUALITY_ITEM_DATA_ENTRY_GROUP":
            self.item["group"] = attributes.get("ID", "")
        elif element == "INCLUDED_CHAR":
            self.described = unescaped(attributes.get("STUDY_ID", ""))

    def closed(self, element: str, text: str) -> None:
        around = self.inside[-2] if len(self.inside) > 1 else ""
        kind, _, part = element.partition("_")
        if element == "TITLE" and around == "COVER_SHEET":
            self.title = text
        elif element in ("NAME", "GROUP_LABEL_1", "GROUP_LABEL_2", "EFFECT_MEASURE"):
            self._named(element, around, text)
        elif element == "STUDY":
            self._study()
        elif kind in _KINDS and part == "SUBGROUP":
            self.outcome["subgroups"].append(self.subgroup)
            self.subgroup = {}
        elif kind in _KINDS and part == "OUTCOME":
            self.analyses.append(self._analysis())
            self.outcome = {}
        elif element == "DESCRIPTION" and around == "QUALITY_ITEM_DATA_ENTRY":
            self.judgement["support"] = text
        elif element == "QUALITY_ITEM_DATA_ENTRY":
            self.judged.append(self.judgement | {"domain": self.item["NAME"], "group": self._group()})
        elif element in _CHARACTERISTICS and self.described:
            self.characteristics.setdefault(self.described, {})[_CHARACTERISTICS[element]] = text

    def _named(self, element: str, around: str, text: str) -> None:
        if around == "COMPARISON":
            self.comparison[element] = text
        elif around.endswith("_SUBGROUP") and self.subgroup:
            self.subgroup[element] = text
        elif around.endswith("_OUTCOME") and self.outcome:
            self.outcome["words"][element] = text
        elif around == "QUALITY_ITEM":
            self.item[element] = text
        elif around == "QUALITY_ITEM_DATA_ENTRY_GROUP":
            self.item["groups"][self.item["group"]] = text

    # studies and judgements

    @property
    def line(self) -> int:
        """The line the reader is at."""
        return (self._locator.getLineNumber() or 0) if self._locator else 0

    def _study(self) -> None:
        own = self.study
        if "ID" not in own:
            raise self.fault("a study without ID, by which rows name it.")
        key = unescaped(own["ID"])
        included = not any(x.startswith(("EXCLUDED", "ONGOING", "AWAITING")) for x in self.inside)
        self.studies[key] = Study(key, own.get("NAME", "") or key, own.get("YEAR", ""), own.get("DATA_SOURCE", ""), included)

    def _group(self) -> str:
        key = self.judgement.get("GROUP_ID", "")
        return self.item["groups"].get(key, key)

    def _judgements(self) -> tuple[BiasJudgement, ...]:
        found = []
        for x in self.judged:
            word = x.get("RESULT", "")
            if word not in WORDS:
                raise InputError(
                    f"{self.name}, line {x['line']}, element <QUALITY_ITEM_DATA_ENTRY>: the judgement {word!r} is none of "
                    f"{', '.join(WORDS)}."
                )
            study = self._name(unescaped(x.get("STUDY_ID", "")))
            found.append(BiasJudgement(study, x["domain"], WORDS[word], x["group"], x.get("support", "")))
        return tuple(found)

    def _name(self, study_id: str) -> str:
        known = self.studies.get(study_id)
        return known.name if known else study_id

    # rows and outcomes

    def _number(self, attributes: dict[str, str], name: str) -> float:
        text = attributes.get(name, "")
        if not text:
            return math.nan
        value = number(text)
        if value is None:
            raise self.fault(f"{name}={text!r} is no number.")
        return value

    def _row(self, attributes: dict[str, str]) -> None:
        if "STUDY_ID" not in attributes:
            raise self.fault("a row without STUDY_ID: which study is it of?")
        data = {name: self._number(attributes, _ENTERED[name]) for name in DATA[self.outcome["kind"]]}
        for name in _ROW_STORED:
            self._number(attributes, name)
        for name in ("n1", "n2", "events1", "events2"):
            if data.get(name, 0) < 0:
                raise self.fault(f"{_ENTERED[name]}={data[name]:g} is below 0.")
        for arm in "12":
            if data.get(f"events{arm}", 0) > data.get(f"n{arm}", math.inf):
                raise self.fault(f"EVENTS_{arm}={data[f'events{arm}']:g} is more than TOTAL_{arm}={data[f'n{arm}']:g}.")
        order = attributes.get("ORDER", "")
        if order and order in self.orders:
            self.notes.append(f"ORDER={order} stands in lines {self.orders[order]} and {self.line}; it should be unique.")
        self.orders.setdefault(order, str(self.line))
        self.outcome["rows"].append((attributes, data, self.subgroup, self.line))

    def _analysis(self) -> Analysis:
        attributes, kind, words = self.outcome["attributes"], self.outcome["kind"], self.outcome["words"]
        said = attributes.get("EFFECT_MEASURE") or words.get("EFFECT_MEASURE", "")
        number_of = f"{self.comparison.get('NO', '')}.{attributes.get('NO', '')}"
        named = [x["NAME"] or f"subgroup {i + 1}" for i, x in enumerate(self.outcome["subgroups"])]
        method = attributes.get("METHOD", "IV")
        method = "PETO" if method.startswith("PETO") and kind == "events" else "MH" if method == "MH" else "IV"
        measure = measure_of(said)
        notes = []
        if measure == "GEN" and said:
            log = " on the log scale" if attributes.get("LOG_DATA") == "NO" and kind == "effects" else ""
            notes.append(f"The measure {said!r} is not known to vfmeta; effects stand as entered{log}.")
        random = attributes.get("RANDOM") == "YES"
        level = self._level("CI_TOTAL")
        if facts_of(measure).inputs and kind in ("events", "means") and measure not in ("OR", "RR", "RD", "PETO", "MD", "SMD"):
            raise self.fault(f"the measure {said!r} is none of {'events' if kind == 'events' else 'means'} in RevMan.")
        if kind in ("events", "means") and measure == "GEN":
            raise self.fault(f"the measure {said!r} is unknown.")
        swapped = attributes.get("SWAP_EVENTS") == "YES" and kind == "events"
        notes += ["Events and non-events are swapped in this analysis, as the file asks."] if swapped else []
        results = [attributes.get(x, "") for x in ("EFFECT_SIZE", "CI_START", "CI_END", "CHI2", "Z")]
        analysis = Analysis(
            number=number_of, comparison=self.comparison.get("NAME", ""), name=words.get("NAME", "") or number_of, kind=kind,
            measure=measure, measure_words=said, method=method, model="random" if random else "common",
            estimator="DL-MH" if random and method == "MH" else "DL", level=level, study_level=self._level("CI_STUDY"),
            sides=(words.get("GROUP_LABEL_1") or "experimental", words.get("GROUP_LABEL_2") or "control"),
            totals=attributes.get("TOTALS", "YES"), swapped=swapped, estimable=attributes.get("ESTIMABLE") != "NO",
            calculated=any(results), subgroup_test=attributes.get("SUBGROUP_TEST") == "YES",
            subgroups=tuple(
                Subgroup(name=name, estimable=x["attributes"].get("ESTIMABLE") != "NO", stored=_stored(x["attributes"], kind))
                for name, x in zip(named, self.outcome["subgroups"], strict=True)
            ),
            stored=_stored(attributes, kind), notes=tuple(notes),
        )  # fmt: skip
        as_log = facts_of(measure).is_ratio and kind == "effects"
        entries = tuple(
            self._entry(row, named[row[2]["place"]] if row[2] else "", kind, measure, attributes if as_log else None)
            for row in self.outcome["rows"]
        )
        return replace(analysis, entries=entries)

    def _entry(
        self, row: tuple[dict[str, str], dict[str, float], dict[str, Any], int], subgroup: str, kind: str, measure: str,
        log: dict[str, str] | None,
    ) -> Entry:  # fmt: skip
        attributes, data, _, line = row
        place = f"ORDER {attributes['ORDER']}" if attributes.get("ORDER") else f"line {line}"
        estimable, study_id = attributes.get("ESTIMABLE") != "NO", unescaped(attributes["STUDY_ID"])
        if kind == "effects":
            shown = number(attributes.get("EFFECT_SIZE"))
            entered = None if math.isnan(data["y"]) else data["y"]
            if not estimable:
                data = data | {"se": math.nan}
            elif log is not None:
                where = f"{self.name}, line {line}, element <IV_DATA>"
                data = data | {"y": log_effect(entered, shown, log.get("LOG_DATA", "NO") == "NO", where)}
            elif entered is None and shown is not None:
                data = data | {"y": shown}
        stored = {name: attributes[at] for at, name in _ROW_STORED.items() if attributes.get(at)}
        if kind == "o-e":
            stored.pop("variance", None)  # there VAR is what was entered
        return Entry(
            study_id=study_id, study=self._name(study_id), subgroup=subgroup, place=place, estimable=estimable, data=data,
            stored=stored,
        )  # fmt: skip

    def _level(self, name: str) -> float:
        percent = self._number(self.outcome["attributes"], name)
        if math.isnan(percent):
            return 0.95
        if not 0 < percent < 100:
            raise self.fault(f"{name}={percent:g} is no level in percent.")
        return percent / 100

    def review(self) -> Review:
        """What was read."""
        if self.other:
            self.notes.append(f"{self.other} outcomes hold text only (<OTHER_OUTCOME>) and are passed over.")
        # the list of studies may stand below the analyses
        named = [replace(a, entries=tuple(replace(e, study=self._name(e.study_id)) for e in a.entries)) for a in self.analyses]
        strange = sorted({e.study_id for a in named for e in a.entries} - set(self.studies))
        if strange:
            self.notes.append(f"Rows name studies that the file does not list, shown by their ids: {', '.join(strange)}.")
        return Review(
            title=self.title, source=self.name, program=f"RevMan {self.version}".strip(), analyses=tuple(named),
            studies=tuple(self.studies.values()), judged=self._judgements(), notes=tuple(self.notes),
            characteristics=self.characteristics,
        )  # fmt: skip


def _stored(attributes: dict[str, str], kind: str) -> dict[str, str]:
    counted = kind in ("events", "o-e")
    return {name: attributes[at] for at, name in _STORED.items() if attributes.get(at) and (counted or "events" not in name)}


__all__ = ["read_revman5", "unescaped"]

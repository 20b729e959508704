"""Risk of bias as data: judgements read from a long table, from robvis' wide one, or from the RoB 2 Excel tool."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import numpy as np

from vfmeta.core.bias_tools import TOOLS, Tool
from vfmeta.core.messages import InputError
from vfmeta.core.params import BiasTool, choice
from vfmeta.effects import cells
from vfmeta.effects.columns import aligned, as_frame, look_up
from vfmeta.results.risk_of_bias import RiskOfBias

#: what the overall judgement is headed by
OVERALL = ("overall", "overall bias", "overall risk of bias", "overall judgement", "risk of bias", "rob")
_WEIGHT = ("weight", "weights")
#: columns of the sheet "Results" of the RoB 2 Excel tool, as programs that read its beta 8 name them
_EXCEL, _EXCEL_STUDY = re.compile(r"(?:([1-5])\.0 assessor'?s|assessor'?s overall) judge?ment", re.IGNORECASE), "Unique ID"


def risk_of_bias(
    data: Any = None,
    *,
    tool: BiasTool = "RoB 2",
    study: Any = None,
    domain: Any = None,
    judgement: Any = None,
    support: Any = None,
) -> RiskOfBias:
    """Judgements of risk of bias by trial and domain, every word checked against the instrument.

    Parameters
    ----------
    data : data frame or mapping of columns
        Long: a row a judgement, with study, domain and judgement. Wide (no column of judgements): a row a trial, first its
        name, then a column a domain (in full, or D1, D2, ...), and where there are some "Overall" and "Weight", as robvis
        takes it. Or the sheet "Results" of the RoB 2 Excel tool, ``pd.read_excel(file, sheet_name="Results", header=1)``.
    tool : {"RoB 2", "ROBINS-I", "ROBINS-I V2", "RoB 1", "QUADAS-2", "PEDro"}
        Judgements are written out ("some concerns", not "S"); an empty cell is not judged. Items of PEDro may be "yes" (low)
        or "no" (high).
    study, domain, judgement, support : column name or array-like, optional
        Of a long table, where they are called otherwise; ``support`` is what a judgement rests on. The domain "overall" is
        the overall judgement. Of the Excel tool's sheet ``study`` names the column of the trials, "Unique ID" when left out.

    Returns
    -------
    RiskOfBias

    Raises
    ------
    InputError
        Every unknown judgement, domain and repeated row, by row and column.

    Notes
    -----
    No overall judgement is made where none is given: it is one, and no sum (Sterne et al. 2019, BMJ 366:l4898). `worst` tells
    the worst domain. Of the Excel tool the assessor's judgement counts; what its algorithm proposed where no assessor judged
    stands as support and is no judgement. ROBINS-I V2 knows no "no information", and overall no plain "low".

    Examples
    --------
    >>> import vfmeta as vf
    >>> wide = {
    ...     "Study": ["Trial A", "Trial B"], "D1": ["Low", "Low"], "D2": ["High", "Low"], "D3": ["Some concerns", "Low"],
    ...     "D4": ["High", "Low"], "D5": ["Low", ""], "Overall": ["High", "Some concerns"],
    ... }
    >>> found = vf.appraisal.risk_of_bias(wide)
    >>> found.overall, found.worst()
    (('high', 'some concerns'), ('high', 'low'))
    """
    own = TOOLS[choice("tool", tool, BiasTool)]
    frame = None if data is None else as_frame(data)
    given = {"study": study, "domain": domain, "judgement": judgement, "support": support}
    if frame is not None:
        at = {str(c).strip().lower(): c for c in frame.columns}
        usual = {"study": ("study", "study_id"), "domain": ("domain",), "judgement": ("judgement", "judgment")}
        for name, called in (usual | {"support": ("support",)}).items():
            if given[name] is None:
                given[name] = next((at[c] for c in called if c in at), None)
        if any(_EXCEL.fullmatch(c) for c in at):
            return _excel(own, frame, _EXCEL_STUDY if study is None else study)
        if frame.shape[0] and _EXCEL_STUDY in map(cells.label, frame.iloc[0]):
            raise InputError(
                "The names of the columns of the RoB 2 Excel tool stand in the second row of its sheet, where "
                f"{_EXCEL_STUDY!r} is; read it with header=1."
            )
        if given["judgement"] is None:
            return _wide(own, frame)
    absent = [name for name in ("study", "domain", "judgement") if given[name] is None]
    if absent:
        raise InputError(f"Judgements take study, domain and judgement; missing: {', '.join(absent)}.")
    values, _, _ = aligned(look_up({n: x for n, x in given.items() if x is not None}, frame), frame)
    values["study"] = cells.one_spelling(values["study"], "study")
    return _long(own, {name: [cells.label(x) for x in column] for name, column in values.items()})


def _long(tool: Tool, columns: dict[str, list[str]]) -> RiskOfBias:
    labels = tuple(dict.fromkeys(x for x in columns["study"] if x))
    problems: list[str] = []
    words = np.full((len(labels), len(tool.domains) + 1), "", dtype=object)
    support = np.full(words.shape, "", dtype=object)
    seen: dict[tuple[int, int], int] = {}
    for i, (who, what, how) in enumerate(zip(columns["study"], columns["domain"], columns["judgement"], strict=True)):
        place = f"row {i + 1} ({who or 'no study'})"
        if not who:
            problems.append(f"row {i + 1}, column study: empty name; say which study it is.")
            continue
        found = "overall" if what.lower() in OVERALL else tool.domain(what)
        if found is None:
            problems.append(f"{place}, column domain: {what!r} is no domain of {tool.name}; there are {_listed(tool)}.")
            continue
        level = tool.level(how, found) if how else None
        if how and level is None:
            problems.append(f"{place}, column judgement: {_unknown(tool, how, found)}")
            continue
        at = labels.index(who), len(tool.domains) if found == "overall" else tool.domains.index(found)
        if at in seen:
            problems.append(f"rows {seen[at] + 1} and {i + 1}: {who} is judged twice on {found}; keep one row.")
            continue
        seen[at] = i
        words[at] = level.word if level else ""
        support[at] = columns.get("support", [""] * len(columns["study"]))[i]
    if problems:
        raise InputError(problems)
    return _made(tool, labels, words, support, None)


def _wide(tool: Tool, frame: Any) -> RiskOfBias:
    if frame.shape[1] == 0:
        raise InputError(
            "The table of judgements has no columns; give study, domain and judgement, or a column for each domain."
        )
    first = frame.columns[0]
    problems: list[str] = []
    names = cells.names(frame[first].tolist(), len(frame), shown=str(first), problems=problems)
    words = np.full((len(frame), len(tool.domains) + 1), "", dtype=object)
    weights, taken = None, dict[int, str]()
    for column in frame.columns[1:]:
        plain = " ".join(str(column).lower().replace(".", " ").replace("_", " ").split())
        if plain in _WEIGHT:
            weights = cells.numbers(frame[column], str(column), names, problems, "")
            continue
        found = "overall" if plain in OVERALL else tool.domain(column)
        if (ours := _EXCEL.fullmatch(str(column).strip())) is not None:
            found = tool.domains[int(ours[1]) - 1] if ours[1] else "overall"
        if found is None:
            problems.append(
                f"column {column!r} is no domain of {tool.name}; there are {_listed(tool)}, and Overall and Weight."
            )
            continue
        j = len(tool.domains) if found == "overall" else tool.domains.index(found)
        if j in taken:
            problems.append(f"columns {taken[j]!r} and {column!r} are both {found}; keep one.")
        taken[j] = str(column)
        for i, cell in enumerate(frame[column].tolist()):
            word = cells.label(cell)
            level = tool.level(word, found) if word else None
            if word and level is None:
                problems.append(f"row {i + 1} ({names[i]}), column {column}: {_unknown(tool, word, found)}")
            words[i, j] = level.word if level else ""
    if not taken and not problems:
        problems.append(f"No column of a domain of {tool.name}; there are {_listed(tool)}.")
    if problems:
        raise InputError(problems)
    return _made(tool, names, words, np.full(words.shape, "", dtype=object), weights)


def _excel(tool: Tool, frame: Any, study: Any) -> RiskOfBias:
    """The sheet of the RoB 2 Excel tool: what the assessor judged, and the notes it rests on."""
    if tool.name != "RoB 2":
        raise InputError(f"These are the columns of the RoB 2 Excel tool, which holds no judgement by {tool.name}.")
    if not isinstance(study, str) or study not in list(frame.columns):
        raise InputError(f"study={study!r} is no column of this sheet; name the one that holds the trials.")
    frame = frame.dropna(how="all")  # the sheet has room for 300
    judged = [c for c in frame.columns if _EXCEL.fullmatch(str(c).strip())]
    found = _wide(tool, frame[[study, *judged]])
    plain = {str(c).strip().lower(): c for c in frame.columns}
    support = np.full((found.k, len(tool.domains) + 1), "", dtype=object)
    for j in range(len(tool.domains) + 1):
        overall = j == len(tool.domains)
        notes = [c for name, c in plain.items() if not overall and name.startswith(f"note for {j + 1}.")]
        proposed = plain.get("algorithm's overall judgement" if overall else f"{j + 1}.0 algorithm result")
        for i in range(found.k):
            said = [x for c in notes if (x := cells.label(frame[c].iloc[i]))]
            word = found.overall[i] if overall else found.judgements[i][j]
            if not word and proposed is not None and (x := cells.label(frame[proposed].iloc[i])):
                said.append(f"not judged; the algorithm proposed: {x}")
            support[i, j] = " ".join(said)
    return replace(found, support=tuple(map(tuple, support.tolist())))


def _made(
    tool: Tool, labels: tuple[str, ...], words: np.ndarray, support: np.ndarray, weights: np.ndarray | None
) -> RiskOfBias:
    if not labels:
        raise InputError("There is no row with a judgement.")
    if weights is not None and (np.isnan(weights).any() or (weights < 0).any() or weights.sum() <= 0):
        raise InputError("Weights must be numbers of 0 or more, one a study, and not all 0; leave the column out otherwise.")
    return RiskOfBias(
        tool=tool.name, labels=labels, terms=tool.domains, judgements=tuple(map(tuple, words[:, :-1].tolist())),
        overall=tuple(words[:, -1].tolist()), support=tuple(map(tuple, support.tolist())),
        weights=np.full(len(labels), np.nan) if weights is None else weights,
        call={"function": "appraisal.risk_of_bias", "tool": tool.name},
    )  # fmt: skip


def _listed(tool: Tool) -> str:
    return "; ".join(f"D{i + 1} {name}" for i, name in enumerate(tool.domains))


def _unknown(tool: Tool, word: str, domain: str) -> str:
    levels = ", ".join(repr(x.word) for x in tool.allowed(domain))
    of = f" of {domain}" if tool.only else ""
    return (
        f"{word!r} is no judgement{of} of {tool.name}; write out one of {levels}, or leave it empty where nothing was judged."
    )


__all__ = ["OVERALL", "risk_of_bias"]

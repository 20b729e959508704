"""Judgements of risk of bias that stand in columns of a sheet of data, read as `vfmeta.appraisal.risk_of_bias` reads them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from vfmeta.appraisal.risk_of_bias import OVERALL, risk_of_bias
from vfmeta.core.bias_tools import TOOLS, Tool
from vfmeta.core.messages import InputError, warn
from vfmeta.effects import cells

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from vfmeta.core.params import BiasTool
    from vfmeta.results.risk_of_bias import RiskOfBias

_NUMBERED = re.compile(r"d(?:omain)?[ _.]?(\d+)", re.IGNORECASE)


def bias_in(
    frame: pd.DataFrame, labels: Sequence[str], rows: Sequence[int], tool: BiasTool | None = None
) -> tuple[RiskOfBias | None, str]:
    """Judgements of the studies of a sheet, and a line on what they were read from.

    Parameters
    ----------
    frame : data frame
        Columns of the sheet, one row a study.
    labels : sequence of str
        Names of the studies.
    rows : sequence of int
        Rows of the sheet they stand in, for messages.
    tool : str, optional
        The instrument; otherwise the only one whose domains the headings name and whose words the cells hold.

    Raises
    ------
    InputError
        A cell that is no judgement among others that are; no column of the instrument asked for.
    """
    names = [str(x) for x in frame.columns]
    texts = {x: [cells.label(c) if not cells.is_missing(c) else "" for c in frame[x]] for x in names}
    asked = [TOOLS[tool]] if tool else list(TOOLS.values())
    found = {t.name: _columns(t, names) for t in asked}
    fitting = {t.name: _share(t, found[t.name], texts) for t in asked if found[t.name]}
    if tool and not fitting:
        raise InputError(
            f"bias_tool={tool!r}: no column is headed by a domain of it ({'; '.join(TOOLS[tool].domains)}) or D1, D2, ..."
        )
    fitting = {name: share for name, share in fitting.items() if share > 0}
    if not fitting:
        return None, ""
    best = max((len(found[name]), share) for name, share in fitting.items())
    alike = [name for name, share in fitting.items() if (len(found[name]), share) == best]
    if len(alike) > 1:
        heads = f"Column{'s' * (best[0] > 1)} {', '.join(map(repr, found[alike[0]]))}"
        said = f"may hold judgements by {' or '.join(alike)} and {'are' if best[0] > 1 else 'is'} not read as such"
        warn(f"{heads} {said}; say which: bias_tool={alike[0]!r}.")
        return None, ""
    chosen = alike[0]
    _refuse_strange(TOOLS[chosen], found[chosen], texts, labels, rows)
    wide = {"study": list(labels)} | {("Overall" if d == "overall" else d): texts[x] for x, d in found[chosen].items()}
    made = risk_of_bias(wide, tool=chosen)  # type: ignore[arg-type]
    return made, f"risk of bias: {chosen} from {', '.join(map(repr, found[chosen]))}"


def _columns(tool: Tool, names: Sequence[str]) -> dict[str, str]:
    """Columns headed by a domain of a tool, or all of them numbered, with the domain; the overall judgement last."""
    numbered = {int(m[1]): x for x in names if (m := _NUMBERED.fullmatch(x.strip()))}
    if set(numbered) == set(range(1, len(tool.domains) + 1)):
        own = {numbered[i + 1]: d for i, d in enumerate(tool.domains)}
    else:
        named = {x: tool.domain(x) for x in names if not re.search(r"\d", x)}
        own = {x: d for x, d in named.items() if d is not None}
        own = {x: d for x, d in own.items() if list(own.values()).count(d) == 1}
    overall = [x for x in names if " ".join(x.lower().replace("_", " ").replace(".", " ").split()) in OVERALL]
    return own | ({overall[0]: "overall"} if len(overall) == 1 else {})


def _share(tool: Tool, columns: dict[str, str], texts: dict[str, list[str]]) -> float:
    """How many of the cells that hold something hold a judgement of the tool; 0 where none does."""
    said = [tool.level(word, domain) is not None for x, domain in columns.items() for word in texts[x] if word]
    return sum(said) / len(said) if said else 0.0


def _refuse_strange(
    tool: Tool, columns: dict[str, str], texts: dict[str, list[str]], labels: Sequence[str], rows: Sequence[int]
) -> None:
    problems = [
        f"row {row + 1} ({label}), column {x}: {texts[x][i]!r} is no judgement by {tool.name}; write one of "
        f"{', '.join(repr(level.word) for level in tool.allowed(domain))}, leave it empty where nothing was judged, or "
        "rename the column if it holds something else."
        for x, domain in columns.items()
        for i, (row, label) in enumerate(zip(rows, labels, strict=True))
        if texts[x][i] and tool.level(texts[x][i], domain) is None
    ]
    if problems:
        raise InputError(problems)


def judgements(found: RiskOfBias) -> list[dict[str, Any]]:
    """A row a judgement that was made: study, domain ("overall" last), judgement."""
    return [
        {"study": label, "domain": domain, "judgement": word}
        for label, own, last in zip(found.labels, found.judgements, found.overall, strict=True)
        for domain, word in zip((*found.terms, "overall"), (*own, last), strict=True) if word
    ]  # fmt: skip

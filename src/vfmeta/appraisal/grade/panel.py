"""Lines in which a panel decides, checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from vfmeta.core.grading import CONCERNS, DOMAINS, LEVELS
from vfmeta.core.messages import InputError, did_you_mean
from vfmeta.results.certainty import PanelLine

_NEEDED = ("level", "reason", "date", "panel")


def lines(panel: Sequence[Mapping[str, Any]] | Mapping[str, Any] | None) -> tuple[PanelLine, ...]:
    """The lines of a panel, every fault of them named."""
    given = [] if panel is None else [panel] if isinstance(panel, Mapping) else panel
    if isinstance(given, str) or not isinstance(given, Sequence) or not all(isinstance(x, Mapping) for x in given):
        raise InputError(f"panel={panel!r:.80}: give a mapping with {', '.join(_NEEDED)} (and domain), or several of them.")
    problems: list[str] = []
    for i, line in enumerate(given):
        where = f"panel line {i + 1}"
        lacking = [x for x in _NEEDED if line.get(x) in (None, "")]
        if lacking:
            problems.append(f"{where}: {', '.join(lacking)} {'is' if len(lacking) == 1 else 'are'} missing.")
        extra = sorted(set(line) - {*_NEEDED, "domain"})
        if extra:
            problems.append(f"{where}: {', '.join(extra)} is not known; there are {', '.join((*_NEEDED, 'domain'))}.")
        domain, level = line.get("domain", ""), line.get("level")
        if domain and domain not in DOMAINS:
            problems.append(f"{where}: {domain!r} is no domain.{did_you_mean(str(domain), DOMAINS)}")
        elif domain and level is not None and (isinstance(level, bool) or level not in CONCERNS):
            problems.append(f"{where}: the level of a domain is 0, -1 or -2, not {level!r}.")
        elif not domain and level is not None and level not in LEVELS:
            problems.append(f"{where}: level {level!r} is none of {', '.join(LEVELS)}.{did_you_mean(str(level), LEVELS)}")
        if line.get("date"):
            try:
                date.fromisoformat(str(line["date"]))
            except ValueError:
                problems.append(f"{where}: date {line['date']!r} must be written as 2026-03-01.")
    told = [x.get("domain") for x in given if x.get("domain")]
    problems += [f"panel: two lines on {x}; keep one." for x in dict.fromkeys(told) if told.count(x) > 1]
    if problems:
        raise InputError(problems)
    return tuple(
        PanelLine(**{n: str(x[n]) for n in ("reason", "date", "panel")}, level=x["level"], domain=x.get("domain", ""))
        for x in given
    )

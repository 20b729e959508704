"""How studies came to an answer, counted from the tables; what nobody counted is said to be that."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vfmeta.effects.compare.choice import NOT_PRINTED
from vfmeta.evidence.box import reason_of
from vfmeta.plots._prisma_flow import NOT_RECORDED

if TYPE_CHECKING:
    from vfmeta.evidence.plan import Plan
    from vfmeta.evidence.records import Record
    from vfmeta.trials import Trials


@dataclass(frozen=True)
class Box:
    """One box of the flow: its name, its number in print, and what stands beside it."""

    name: str
    count: str
    notes: tuple[str, ...] = ()


def flow(records: Sequence[Record], trials: Trials) -> list[Box]:
    """The boxes of the PRISMA 2020 flow in order. Searching and screening were never counted in the tables."""
    known, figure, pooled = _studies(records)
    randomised = trials.studies.design.isin(("parallel_rct", "crossover_rct", "cluster_rct"))
    count = counted(trials)
    return [
        Box("Records identified from databases and registers", NOT_RECORDED),
        Box("Records removed before screening", NOT_RECORDED),
        Box("Records screened", NOT_RECORDED),
        Box("Records excluded", NOT_RECORDED),
        Box("Reports sought for retrieval", NOT_RECORDED),
        Box("Reports not retrieved", NOT_RECORDED),
        Box("Reports read, of studies in the tables", f"{count['reports']:,}"),
        Box("Studies in the tables", f"{count['studies']:,}", (f"{int(randomised.sum())} of them randomised",)),
        Box("Studies of a comparison that the review asks about", f"{len(known):,}"),
        Box(
            "Of these, without a figure that any analysis uses",
            f"{len(known - figure):,}",
            tuple(reasons(records, known - figure)),
        ),
        Box("Studies with a figure in an analysis", f"{len(figure):,}"),
        Box("Studies in a pool of two or more", f"{len(pooled):,}"),
    ]


def counted(trials: Trials) -> dict[str, int]:
    """What the tables count of the PRISMA 2020 flow, as `vfmeta.plots.prisma_flow` takes it."""
    return {"studies": len(trials.studies), "reports": int(trials.study_sources.source_id.nunique())}


def per_plan(plans: Sequence[Plan], records: Sequence[Record]) -> list[dict[str, str]]:
    """The same numbers for each question."""
    rows = []
    for plan in plans:
        own = [r for r in records if r.plan == plan.id]
        known, figure, pooled = _studies(own)
        row = {"plan": plan.id, "page": plan.page, "title": plan.title, "reasons": "; ".join(reasons(own, known - figure))}
        rows.append(row | {"known": str(len(known)), "figure": str(len(figure)), "pooled": str(len(pooled))})
    return rows


def reasons(records: Sequence[Record], out: set[str]) -> list[str]:
    """Why studies gave no figure to any of the analyses, each study once, by the reason that says most."""
    found: dict[str, list[str]] = {}
    for record in records:
        for x in record.data["left_out"]:
            if x["study_id"] in out:
                found.setdefault(x["study_id"], []).append(_plain(reason_of(x)))
    first = [
        next((r for r in said if r != NOT_PRINTED), "no figure printed for any of these outcomes") for said in found.values()
    ]
    return [f"{n}: {reason}" for reason, n in sorted(Counter(first).items(), key=lambda x: (-x[1], x[0]))]


def _plain(reason: str) -> str:
    """Without what is particular to one row: flags in brackets, the visit before a colon."""
    return re.sub(r"^[^:]*(?:no time printed|months?|weeks?)[^:]*: |\s*\(.*\)", "", reason)


def _studies(records: Sequence[Record]) -> tuple[set[str], set[str], set[str]]:
    """Known, with a figure in a main analysis, in a pool of two or more."""
    figure = {s["study_id"] for r in records for s in r.data["studies"]}
    left = {x["study_id"] for r in records for x in r.data["left_out"]}
    pooled = {s["study_id"] for r in records if r.k > 1 for s in r.data["studies"]}
    return figure | left, figure, pooled

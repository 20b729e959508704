"""Which analyses of the plans a change of the tables moves, with the forest plots of before and after."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

from vfmeta.core.messages import VfmetaWarning
from vfmeta.effects.table import EffectTable
from vfmeta.evidence import fit
from vfmeta.evidence.plan import Plan
from vfmeta.evidence.run import choices_of, table_of
from vfmeta.evidence.snapshots import found_text
from vfmeta.text.answer import says
from vfmeta.trials import Trials


def moved(plans: list[Plan], before: Trials, after: Trials, out: str | Path) -> list[str]:
    """A line for each analysis whose trials or figures changed, and the forest plots, drawn below ``out``."""
    lines = []
    for plan in plans:
        for analysis in plan.analysis:
            tables = [table_of(plan, analysis, "", trials) for trials in (before, after)]
            if _held(tables[0]) == _held(tables[1]):
                continue
            choices = choices_of(plan, analysis)
            was, now = (fit.lead_of(t, choices) if len(t) else None for t in tables)
            names = [x for x in tables[1].labels if x not in tables[0].labels]
            gone = [x for x in tables[0].labels if x not in tables[1].labels]
            kinds = [f"added {', '.join(names)}"] * bool(names) + [f"gone {', '.join(gone)}"] * bool(gone)
            line = f"{plan.title}, {analysis.title}: {'; '.join(kinds) or 'figures changed'}."
            line += f" Before: {found_text(was)}. Now: {found_text(now)}."
            if was is not None and now is not None and says(was) != says(now):
                line += f" The conclusion is another one: before, {says(was)}; now, {says(now)}."
            lines.append(line)
            lines += [str(p) for p in _drawn(was, now, Path(out) / f"{plan.id}-{analysis.id}")]
    return lines


def _held(table: EffectTable) -> list[tuple[Any, ...]]:
    return list(zip(table.labels, table.y.tolist(), table.v.tolist(), strict=True))


def _drawn(was: Any, now: Any, stem: Path) -> list[Path]:
    from vfmeta import plots

    paths = []
    for name, result in (("before", was), ("after", now)):
        if result is not None:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", VfmetaWarning)
                paths += plots.save(result.forest(), f"{stem}-{name}", ("png",), close=True)
    return paths

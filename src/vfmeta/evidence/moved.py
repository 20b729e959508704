"""Which analyses of the plans a change of the tables moves, with the forest plots of before and after."""

from __future__ import annotations

import tempfile
import warnings
from pathlib import Path
from typing import Any

from vfmeta.core.messages import VfmetaWarning
from vfmeta.effects.table import EffectTable
from vfmeta.evidence.cache import Cache
from vfmeta.evidence.plan import Plan
from vfmeta.evidence.run import record_of, table_of
from vfmeta.evidence.snapshots import compare, snapshot
from vfmeta.trials import Trials


def moved(plans: list[Plan], before: Trials, after: Trials, out: str | Path) -> list[str]:
    """A line for each analysis whose answer, figures or certainty moved, and the forest plots, drawn below ``out``."""
    lines: list[str] = []
    with tempfile.TemporaryDirectory(prefix="vfmeta-") as room:
        cache = Cache(room)
        for plan in plans:
            for analysis in plan.analysis:
                if _held(table_of(plan, analysis, "", before)) == _held(table_of(plan, analysis, "", after)):
                    continue
                was, now = (record_of(plan, analysis, trials, cache) for trials in (before, after))
                told = compare(snapshot([was]), snapshot([now]), [now])
                lines += [line + _as_before(was, now) for line in told]
                if told:
                    lines += map(str, _drawn(was.lead, now.lead, Path(out) / f"{plan.id}-{analysis.id}"))
    return lines


def _held(table: EffectTable) -> list[Any]:
    """What answer and certainty rest on: the figures, and which trials have none."""
    return [list(zip(table.labels, table.y.tolist(), table.v.tolist(), strict=True)), [x.study_id for x in table.left_out]]


def _as_before(was: Any, now: Any) -> str:
    """The certainty where it did not move; how it moved is part of the line."""
    first, second = (next(iter(snapshot([x]).values()))["certainty"][0] for x in (was, now))
    return f" Certainty as before: {first}." if first == second else ""


def _drawn(was: Any, now: Any, stem: Path) -> list[Path]:
    from vfmeta import plots

    paths = []
    for name, result in (("before", was), ("after", now)):
        if result is not None:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", VfmetaWarning)
                paths += plots.save(result.forest(), f"{stem}-{name}", ("png",), close=True)
    return paths

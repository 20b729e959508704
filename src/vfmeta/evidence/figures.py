"""Forest plots of records, drawn once for the same numbers."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

from vfmeta.evidence.records import Record, sections, write
from vfmeta.evidence.run import Tick, digest_of
from vfmeta.results import BayesianResult, FrequentistResult

_DRAWING = ("plots", "results.py", "evidence/figures.py")


def draw_all(records: list[Record], out: str | Path = "build", *, tick: Tick | None = None) -> dict[str, list[dict[str, str]]]:
    """Draw every forest plot of the records into ``figures/`` as SVG and PNG.

    Returns
    -------
    dict
        Plan id to its figures in order, each with ``name``, ``title`` and ``alt`` text.
    """
    from joblib import Memory

    out = Path(out)
    remembered = Memory(out / "cache", verbose=0).cache(_drawn)
    code = digest_of(_DRAWING, ("matplotlib",))
    by_plan: dict[str, list[Record]] = {}
    for record in records:
        by_plan.setdefault(record.plan, []).append(record)
    made: dict[str, list[dict[str, str]]] = {}
    for plan, members in by_plan.items():
        made[plan] = []
        for name, group in sections(members):
            if tick:
                tick(name)
            svg, png, alt = remembered(_inputs(group), code)
            write(out / "figures" / f"{name}.svg", svg)
            write(out / "figures" / f"{name}.png", png)
            made[plan].append(
                {"name": name, "title": f"{group[0].data['plan']['title']}: {group[0].question.outcome}", "alt": alt}
            )
    kept = {f["name"] for figures in made.values() for f in figures}
    for old in (out / "figures").glob("*.*"):
        if old.stem not in kept:
            old.unlink()
    return made


def forest_of(records: list[Record], **kwargs: Any) -> Any:
    """The forest plot of records that share an axis, as matplotlib axes to go on drawing on."""
    from vfmeta import plots

    return plots.forest(sections=[(r.title, r.frequentist, r.posterior) for r in records], **kwargs)


def _inputs(group: list[Record]) -> str:
    parts = [[r.title, r.data["results"]["frequentist"], r.data["results"]["posterior"]] for r in group]
    return json.dumps(parts, sort_keys=True, ensure_ascii=False)


def _drawn(inputs: str, code: str) -> tuple[bytes, bytes, str]:
    """SVG, PNG and alt text; ``code`` takes no part in the drawing, only in what is remembered."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    from vfmeta import plots

    parts = [
        (title, FrequentistResult.from_dict(fit) if fit else None, BayesianResult.from_dict(post) if post else None)
        for title, fit, post in json.loads(inputs)
    ]
    ax = plots.forest(sections=parts)
    alt = plots.alt_text(sections=parts)
    with tempfile.TemporaryDirectory() as folder:
        plots.save(ax, Path(folder) / "forest", formats=("svg", "png"), alt=alt)
        body = [(Path(folder) / f"forest.{ext}").read_bytes() for ext in ("svg", "png")]
    plt.close("all")
    return body[0], body[1], alt

"""The answers of the first screen as one picture for a slide."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from vfmeta.evidence.cache import digest_of
from vfmeta.evidence.figures import DRAWING, Drawing, saved
from vfmeta.evidence.first_screen import LEGEND, answers
from vfmeta.evidence.render import REVIEW
from vfmeta.plots.layout import wrap
from vfmeta.plots.style import STYLE, applied, plain_axes
from vfmeta.text.numbers import number

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vfmeta.core.question import Question
    from vfmeta.evidence.plan import Plan
    from vfmeta.evidence.records import Record
    from vfmeta.evidence.render import Site
    from vfmeta.trials import Trials

NAME = "answers"
_TITLE = "Effect{} of each intervention: first comparison, first time of its plan"
_WIDE, _HIGH = 13.33, 7.5  # inches of a slide
_COLOURS = {"pool": STYLE["frequentist"], "trial": STYLE["study"], "words": STYLE["report"], "theirs": STYLE["bayesian"]}
_MARKERS = {"pool": "D", "trial": "s", "words": "o", "theirs": "^"}
_LINES = {"pool": "-", "trial": "-", "words": (0, (4, 2)), "theirs": (0, (1, 1.4))}
_PLOT, _PLOT_WIDE = 0.31, 0.25  # of the width
_LEFT, _NUMBERS, _WORDS = 0.03, 0.575, 0.76  # where texts begin
_SIZE = {"row": 12, "small": 9, "title": 18}  # points


def of_answers(
    plans: Sequence[Plan], records: Sequence[Record], trials: Trials, pages: Sequence[tuple[str, str]], site: Site = REVIEW
) -> Drawing:  # fmt: skip
    """The first screen, under the question of the review."""
    rows = [
        {
            "title": row["title"],
            "against": f"{row['against']}, {row['when'][:1].lower()}{row['when'][1:]}",
            "words": row["words"],
            "marks": [
                [x.mark.shape, x.mark.estimate, *x.mark.interval, f"{x.effect} {_unit(x.question)}"] for x in row["shown"]
            ],
            "drawn": [x.question.facts.on_scale for x in row["shown"]],
        }
        for row in answers(plans, records, trials, pages)["rows"]
    ]
    code = digest_of((*DRAWING, "evidence/picture.py"), ("matplotlib",))
    words = {
        "title": _TITLE.format(" on pain" if site.packaged else ""),
        "question": site.question or site.name,
        "axis": "Difference in pain, points of 0 to 10; left: less pain with the intervention"
        if site.packaged
        else "Difference in points; left: lower scores with the intervention",
    }
    return Drawing(NAME, words["title"], _drawn, json.dumps([rows, words], ensure_ascii=False), code)


def _unit(q: Question) -> str:
    return "points" if q.facts.on_scale else "as a ratio" if q.is_ratio else "SDs"


def _drawn(inputs: str, code: str, form: str) -> dict[str, Any]:
    import matplotlib.pyplot as plt
    from matplotlib.lines import Line2D

    rows, words = json.loads(inputs)
    with applied():
        figure = plt.figure(figsize=(_WIDE, _HIGH), facecolor="white")
        ax = figure.add_axes((_PLOT, 0.15, _PLOT_WIDE, 0.73))
        shown = [m for row in rows for m, drawn in zip(row["marks"], row["drawn"], strict=True) if drawn]
        ends = min([-1.0, *(m[2] for m in shown)]) - 0.3, max([1.0, *(m[3] for m in shown)]) + 0.3
        ax.set(xlim=ends, ylim=(len(rows) - 0.5, -0.5), yticks=[])
        plain_axes(ax, "bottom")
        ax.axvline(0, color=STYLE["null"], lw=1, zorder=1)
        ax.tick_params(axis="x", labelsize=_SIZE["small"])
        ax.set_xticks(ticks := [t for t in range(-20, 21) if ends[0] <= t <= ends[1]], [number(t, 0) for t in ticks])
        ax.set_xlabel(words["axis"], fontsize=_SIZE["small"])
        figure.text(0.03, 0.94, words["question"],
                    fontsize=_SIZE["title"], fontweight="bold", va="center")  # fmt: skip
        for i, row in enumerate(rows):
            _row(ax, i, row)
        used = dict.fromkeys(m[0] for row in rows for m in row["marks"])
        handles = [Line2D([], [], **_look(s), label=words) for s, words in LEGEND.items() if s in used]
        figure.legend(
            handles=handles, loc="lower left", bbox_to_anchor=(0.02, 0.0), ncols=2, frameon=False, fontsize=_SIZE["small"]
        )
    said = "; ".join(
        f"{r['title']}: {', '.join(m[4] for m in r['marks']) or 'no figure'}. {r['words'].rstrip('.')}" for r in rows
    )
    return saved(ax, f"{words['title']}. {said}.", form)


def _look(shape: str) -> dict[str, Any]:
    filled = shape in ("pool", "trial")
    return {"color": _COLOURS[shape], "marker": _MARKERS[shape], "ls": _LINES[shape], "lw": 2, "ms": 8,
            "mfc": _COLOURS[shape] if filled else "white", "mew": 1.6}  # fmt: skip


def _row(ax: Any, i: int, row: dict[str, Any]) -> None:
    at = ax.get_yaxis_transform()

    def write(x: float, y: float, words: str, room: float, **look: Any) -> None:
        size = look.setdefault("fontsize", _SIZE["small"])
        (line,) = wrap(words, room * _WIDE, size, most=1)
        ax.text((x - _PLOT) / _PLOT_WIDE, y, line, transform=at, va="center", parse_math=False, **look)

    if i:
        edges = [(x - _PLOT) / _PLOT_WIDE for x in (_LEFT, 0.99)]
        ax.plot(edges, [i - 0.5] * 2, color=STYLE["faint_rule"], lw=0.8, transform=at, clip_on=False)
    write(_LEFT, i - 0.22, row["title"], 0.3, fontsize=_SIZE["row"], fontweight="bold")
    for j, line in enumerate(wrap(row["against"], 0.275 * _WIDE, _SIZE["small"], most=2)):
        write(_LEFT, i + 0.11 + 0.24 * j, line, 0.28, color=STYLE["muted"])
    n = len(row["marks"])
    for j, ((shape, estimate, low, high, words), drawn) in enumerate(zip(row["marks"], row["drawn"], strict=True)):
        y = i + (j - (n - 1) / 2) * 0.34
        if drawn:
            look = _look(shape)
            ax.plot([low, high], [y, y], color=look["color"], ls=look["ls"], lw=look["lw"], solid_capstyle="butt", zorder=2)
            ax.plot([estimate], [y], **{**look, "ls": ""}, zorder=3)
        write(_NUMBERS, y, words, _WORDS - _NUMBERS, color=_COLOURS[shape])
    lines = wrap(row["words"], (0.985 - _WORDS) * _WIDE, _SIZE["small"], most=3)
    for j, line in enumerate(lines):
        write(_WORDS, i + (j - (len(lines) - 1) / 2) * 0.28, line, 0.25)

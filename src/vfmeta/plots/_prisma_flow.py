"""The flow of records, reports and studies of a review, after PRISMA 2020 (Page et al. 2021, BMJ 372:n71)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from vfmeta.core.messages import InputError, did_you_mean, kind_of, warn
from vfmeta.plots.glyphs import checked
from vfmeta.plots.layout import width, wrap
from vfmeta.plots.style import STYLE, applied, check_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

NOT_RECORDED = "not recorded"
_BOX, _SIDE, _GAP, _BETWEEN, _TALL = 2.35, 0.32, 0.4, 0.3, 0.15  # inches: a box, the names of stages, gaps, a line


class _Box(NamedTuple):
    """A box: its heading, what it counts (key and words of each line), where it stands, and which box leads to it."""

    heading: str
    lines: tuple[tuple[str, str], ...]
    column: int
    stage: int
    after: int | None = None


_BOXES = (
    _Box("Records identified from:", (("databases", "databases"), ("registers", "registers")), 0, 0),
    _Box("Records removed before screening:",
         (("duplicates", "duplicate records"), ("automation", "marked as ineligible by automation tools"),
          ("removed_otherwise", "removed for other reasons")), 1, 0, 0),
    _Box("", (("screened", "Records screened"),), 0, 1, 0),
    _Box("", (("excluded", "Records excluded"),), 1, 1, 2),
    _Box("", (("sought", "Reports sought for retrieval"),), 0, 2, 2),
    _Box("", (("not_retrieved", "Reports not retrieved"),), 1, 2, 4),
    _Box("", (("assessed", "Reports assessed for eligibility"),), 0, 3, 4),
    _Box("Reports excluded:", (("excluded_reports", "all reasons"),), 1, 3, 6),
    _Box("", (("studies", "Studies included in review"), ("reports", "Reports of included studies")), 0, 4, 6),
    _Box("Records identified from:",
         (("websites", "websites"), ("organisations", "organisations"), ("citations", "citation searching")), 2, 0),
    _Box("", (("other_sought", "Reports sought for retrieval"),), 2, 2, 9),
    _Box("", (("other_not_retrieved", "Reports not retrieved"),), 3, 2, 10),
    _Box("", (("other_assessed", "Reports assessed for eligibility"),), 2, 3, 10),
    _Box("Reports excluded:", (("other_excluded_reports", "all reasons"),), 3, 3, 12),
)  # fmt: skip
_KEYS = tuple(key for box in _BOXES for key, _ in box.lines)
_OTHERS = ("websites", "organisations", "citations")
_STAGES = (("Identification", 0, 0), ("Screening", 1, 3), ("Included", 4, 4))
# what is left of one box is what comes into the next
_SUMS = (
    ("screened", ("databases", "registers"), ("duplicates", "automation", "removed_otherwise")),
    ("sought", ("screened",), ("excluded",)),
    ("assessed", ("sought",), ("not_retrieved",)),
    ("reports", ("assessed", "other_assessed"), ("excluded_reports", "other_excluded_reports")),
    ("other_assessed", ("other_sought",), ("other_not_retrieved",)),
)


def prisma_flow(counts: Mapping[str, Any], ax: Axes | None = None, *, title: str = "") -> Axes:
    """Draw what a search found, what was left out at each stage and why, and what was included.

    Parameters
    ----------
    counts : mapping
        What was counted: ``databases, registers, duplicates, automation, removed_otherwise, screened, excluded, sought,
        not_retrieved, assessed, excluded_reports, studies, reports``; found otherwise: ``websites, organisations, citations,
        other_sought, other_not_retrieved, other_assessed, other_excluded_reports``. A number each, or a mapping from source
        or reason to number. What was never counted is left out or None: its box says "not recorded".
    ax : matplotlib Axes, optional
    title : str

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    InputError
        An unknown name, or what is no whole number of 0 or more.

    Warns
    -----
    VfmetaWarning
        Where what is left of one box is not what comes into the next.

    Examples
    --------
    >>> import vfmeta as vf
    >>> found = {"databases": {"MEDLINE": 812, "Embase": 901}, "duplicates": 400, "screened": 1313, "studies": 27}
    >>> axes = vf.plots.prisma_flow(found)
    """
    known = _checked(counts)
    boxes = [b for b in _BOXES if b.column < 2 or any(key.startswith("other_") or key in _OTHERS for key in known)]
    with applied():
        lines = [_lines(b, known) for b in boxes]
        tall = [
            max(_TALL * sum(map(len, each)) + 0.14, 0.68 if b.stage == 4 else 0.34)
            for b, each in zip(boxes, lines, strict=True)
        ]
        stages = [max(t for b, t in zip(boxes, tall, strict=True) if b.stage == s) for s in range(5)]
        tops = [sum(stages[:s]) + _BETWEEN * s for s in range(5)]
        wide = _SIDE + 0.3 + (_BOX + _GAP) * (1 + max(b.column for b in boxes)) - _GAP
        high = tops[-1] + stages[-1] + 0.2 + 0.3 * bool(title)
        check_axes(ax)
        if ax is None:
            import matplotlib.pyplot as plt

            ax = plt.figure(figsize=(wide, high), facecolor="white").add_axes((0, 0, 1, 1))
        ax.set(xlim=(0, wide), ylim=(high - 0.1 - 0.3 * bool(title), -0.1 - 0.3 * bool(title)))
        ax.set_axis_off()
        if title:
            ax.text(0.1, -0.25, title, ha="left", va="center", fontsize=STYLE["title"], fontweight="bold")
        _draw(ax, boxes, lines, tall, stages, tops)
    return checked(ax)


def prisma_flow_text(counts: Mapping[str, Any]) -> str:
    """The same flow in sentences, for those who do not see the figure.

    Parameters
    ----------
    counts : mapping
        As of `prisma_flow`.

    Examples
    --------
    >>> import vfmeta as vf
    >>> vf.plots.prisma_flow_text({"studies": 27}).rpartition(". ")[2]
    'Studies included in review: 27; Reports of included studies: not recorded.'
    """
    known = _checked(counts)
    out = []
    for box in _BOXES:
        if box.column < 2 or any(key in known for key, _ in box.lines):
            head = f"{box.heading} " if box.heading else ""
            out.append(
                head + "; ".join(f"{words}: {said}" for key, text in box.lines for words, said in _said(key, text, known))
            )
    return ". ".join(x[:1].upper() + x[1:] for x in out) + "."


def _checked(counts: Any) -> dict[str, Any]:
    if not isinstance(counts, Mapping):
        raise InputError(f"prisma_flow: {kind_of(counts)} was given; give a mapping such as {{'screened': 310}}.")
    problems = [f"counts: there is no box {name!r}.{did_you_mean(str(name), _KEYS)}" for name in counts if name not in _KEYS]
    known: dict[str, Any] = {}
    for name, value in counts.items():
        if value is None:
            continue
        parts = dict(value) if isinstance(value, Mapping) else {"": value}
        for part, n in parts.items():
            whole = n.item() if hasattr(n, "item") else n
            if isinstance(whole, bool) or not isinstance(whole, int) or whole < 0:
                place = f"{name}, {part}" if part else str(name)
                problems.append(f"counts, {place}: {n!r} is no whole number of 0 or more; leave out what was not counted.")
        known[str(name)] = value
    if problems:
        raise InputError(problems)
    for name, come, go in _SUMS:
        there = [k for k in (*come, *go) if k in known]
        # what nobody counted may be anything, so only whole sums are held against each other
        if name in known and all(k in known for k in come if not k.startswith("other_")) and go[0] in known:
            rest = sum(_total(known[k]) for k in there if k in come) - sum(_total(known[k]) for k in there if k in go)
            if rest != _total(known[name]):
                warn(f"{' + '.join(k for k in come if k in known)} less {', '.join(k for k in go if k in known)} leaves "
                     f"{rest:,}, but {name} is {_total(known[name]):,}.")  # fmt: skip
    return known


def _total(value: Any) -> int:
    return sum(value.values()) if isinstance(value, Mapping) else int(value)


def _said(key: str, text: str, known: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Words and number of each line of a count."""
    if key not in known:
        return [(text, NOT_RECORDED)]
    value = known[key]
    if isinstance(value, Mapping):
        return [*((str(part), f"{n:,}") for part, n in value.items())] or [(text, NOT_RECORDED)]
    return [(text, f"{int(value):,}")]


def _lines(box: _Box, known: Mapping[str, Any]) -> list[list[str]]:
    size, room = STYLE["text"], _BOX - 0.2
    said = [(words, n) for key, text in box.lines for words, n in _said(key, text, known)]
    out = [wrap(box.heading, room, size, bold=True)] if box.heading else []
    return out + [wrap(f"{words}: {n}" if n == NOT_RECORDED else f"{words} (n = {n})", room, size) for words, n in said]


def _draw(
    ax: Axes, boxes: list[_Box], lines: list[list[list[str]]], tall: list[float], stages: list[float], tops: list[float]
) -> None:
    from matplotlib.patches import Rectangle

    places: dict[int, tuple[float, float, float]] = {}  # by number in `_BOXES`: left, top, height
    for box, words, high in zip(boxes, lines, tall, strict=True):
        left = _SIDE + 0.2 + (_BOX + _GAP) * box.column
        top = tops[box.stage] + (stages[box.stage] - high) / 2
        places[_BOXES.index(box)] = (left, top, high)
        ax.add_patch(Rectangle((left, top), _BOX, high, fc="white", ec=STYLE["rule"], lw=0.9, gid="box", zorder=2))
        y = top + (high - _TALL * sum(map(len, words))) / 2 + _TALL / 2
        for i, each in enumerate(words):
            for line in each:
                colour = STYLE["muted"] if NOT_RECORDED in " ".join(each) else "black"
                weight = "bold" if box.heading and i == 0 else "normal"
                ax.text(
                    left + 0.1, y, line, ha="left", va="center", fontsize=STYLE["text"], zorder=3, gid="count",
                    fontweight=weight, color=colour,
                )  # fmt: skip
                y += _TALL
    for number, (left, top, high) in places.items():
        before = _BOXES[number].after
        if before is None:
            continue
        x, y, h = places[before]
        if _BOXES[before].stage == _BOXES[number].stage:  # what goes out to the side
            _arrow(ax, (x + _BOX, top + high / 2), (left, top + high / 2))
        else:
            _arrow(ax, (left + _BOX / 2, y + h), (left + _BOX / 2, top))
    if 12 in places:  # found otherwise, joining what is included
        (x, y, h), (left, top, high) = places[12], places[8]
        ax.plot([x + _BOX / 2] * 2, [y + h, top + high / 2], color=STYLE["rule"], lw=0.9, zorder=1)
        _arrow(ax, (x + _BOX / 2, top + high / 2), (left + _BOX, top + high / 2))
    for name, first, last in _STAGES:
        top, bottom = tops[first], tops[last] + stages[last]
        ax.add_patch(Rectangle((0.1, top), _SIDE, bottom - top, fc=STYLE["frequentist"], ec="none", gid="stage", zorder=2))
        size = min(STYLE["text"], STYLE["text"] * (bottom - top) / width(name, STYLE["text"], True))
        ax.text(0.1 + _SIDE / 2, (top + bottom) / 2, name, ha="center", va="center", rotation=90, color="white",
                fontsize=size, fontweight="bold", zorder=3, gid="stage-name")  # fmt: skip


def _arrow(ax: Axes, start: tuple[float, float], end: tuple[float, float]) -> None:
    ax.annotate("", xy=end, xytext=start, zorder=1,
                arrowprops={"arrowstyle": "-|>", "lw": 0.9, "color": STYLE["rule"], "shrinkA": 0, "shrinkB": 0})  # fmt: skip

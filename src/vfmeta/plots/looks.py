"""Layouts of a forest plot: which columns stand where, and in which sizes and colours."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from vfmeta.core.messages import InputError
from vfmeta.core.params import ForestLayout, choice
from vfmeta.plots.layout import USUAL
from vfmeta.plots.style import STYLE

if TYPE_CHECKING:
    from vfmeta.core.question import Pair, Question


@dataclass(frozen=True)
class Look:
    """One layout. Sizes of letters are in points, all others in inches; ``columns`` names "plot" where the axis stands."""

    columns: tuple[str, ...] = ("study", "arms", "weight", "effect", "plot")
    head: str = "Study"  # over the names
    split: bool = False  # events and totals in columns of their own
    sides_above: bool = False
    totals: bool = False  # "Total (95% CI)" beside the diamond, the model over the effects
    tested: bool = False  # the test of the overall effect below
    line_at_pool: bool = False
    through: bool = False  # prediction interval as a line through its diamond
    ruled: bool = False  # a rule above the head too
    text: float = STYLE["text"]
    small: float = STYLE["small"]
    heading: float = STYLE["heading"]
    title: float = STYLE["title"]
    row: float = STYLE["row"]
    line: float = STYLE["line"]
    gap: float = STYLE["gap"]
    width: Pair = STYLE["width"]
    plot: Pair = STYLE["plot"]
    font: str = USUAL
    paper: str = "white"
    ink: str = "black"
    muted: str = STYLE["muted"]
    rule: str = STYLE["rule"]
    faint_rule: str = STYLE["faint_rule"]
    stripe: str = ""
    study: str = STYLE["study"]
    square: str = STYLE["study"]
    frequentist: str = STYLE["frequentist"]
    bayesian: str = STYLE["bayesian"]
    prediction: str = STYLE["prediction"]
    report: str = STYLE["report"]
    null: str = STYLE["null"]
    mid: str = STYLE["mid"]
    region: str = "#E9EEF2"
    fitted: str = "#C9D6E2"


LOOKS: dict[str, Look] = {
    "revman": Look(
        columns=("study", "arms", "weight", "effect", "plot"), head="Study or subgroup", split=True, totals=True, tested=True,
        ruled=True, square="#1F5FBF", frequentist="#000000", bayesian="#7A2F00",
    ),
    "jama": Look(
        columns=("study", "arms", "effect", "plot", "weight"), head="Source", sides_above=True, tested=True, line_at_pool=True,
        square="#00477F", study="#00477F", frequentist="#B25E00", bayesian="#00477F", stripe="#F1F4F7",
    ),
    "bmj": Look(
        columns=("study", "arms", "plot", "weight", "effect"), tested=True, ruled=True, square="#2A6EBB", study="#1D1D1D",
        frequentist="#2A6EBB", bayesian="#B5123E",
    ),
    "compact": Look(
        columns=("study", "plot", "effect"), through=True, text=7.5, heading=7.5, title=9.0, row=0.165, line=0.13, gap=0.1,
        width=(4.6, 7.0), plot=(1.8, 2.4),
    ),
    "dark": Look(
        paper="#12161B", ink="#F0F0F0", muted="#B4BCC4", rule="#D0D0D0", faint_rule="#48505A", study="#E0E0E0",
        square="#E0E0E0", frequentist="#56B4E9", bayesian="#F0A030", prediction="#9AA3AC", report="#2CC79B", null="#D0D0D0",
        mid="#9AA3AC", region="#223040", fitted="#35506B",
    ),
    "plain": Look(),  # the house's own, with one result a pool and no word of the method
}  # fmt: skip


def look_of(layout: str | None, question: Question, font: str | None) -> Look:
    """The layout that was asked for, with the letters that were asked for."""
    name = None if layout is None else choice("layout", layout, ForestLayout)
    look = Look() if name is None else LOOKS[name]
    if name == "revman" and not question.is_ratio:  # as Cochrane's figures tell differences from ratios
        look = replace(look, square="#2E8B3D")
    if font is None:
        return look
    return replace(look, font=_known_font(font))


def _known_font(font: Any) -> str:
    from matplotlib.font_manager import fontManager

    names = {x.name for x in fontManager.ttflist}
    if font not in names:
        shown = ", ".join(sorted(names)[:12])
        raise InputError(f"font={font!r} is not installed here; there are {shown}{', ...' if len(names) > 12 else ''}.")
    return str(font)

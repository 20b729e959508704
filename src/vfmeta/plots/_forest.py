"""The forest plot."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vfmeta.core import quarto
from vfmeta.core.messages import InputError, kind_of, warn
from vfmeta.core.params import ForestLayout, choice, is_finite
from vfmeta.plots import arranged, axis
from vfmeta.plots import columns as cl
from vfmeta.plots import rows as rw
from vfmeta.plots.contents import Contents, Options, contents
from vfmeta.plots.drawing import Drawing
from vfmeta.plots.glyphs import checked
from vfmeta.plots.looks import Look, look_of
from vfmeta.plots.sheet import Sheet, build
from vfmeta.plots.style import applied, check_axes
from vfmeta.results.risk_of_bias import RiskOfBias
from vfmeta.text import numbers as tx

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes

    from vfmeta.core.question import Pair, Question
    from vfmeta.results.fit import FrequentistResult
    from vfmeta.results.posterior import BayesianResult

_MOST_DIGITS = 9


def forest(
    fit: Any = None,
    posterior: BayesianResult | None = None,
    *,
    sections: Sequence[tuple[str, FrequentistResult | None, BayesianResult | None]] | None = None,
    layout: ForestLayout | None = None,
    columns: Sequence[str | tuple[str, str]] | None = None,
    data: Any = None,
    order: str | Sequence[Any] | None = None,
    labels: Mapping[str, str] | None = None,
    sides: tuple[str, str] | None = None,
    overall: FrequentistResult | BayesianResult | None = None,
    region: bool | Pair = False,
    bias: RiskOfBias | None = None,
    question: Question | None = None,
    title: str | None = None,
    ax: Axes | None = None,
    notes: Sequence[str] = (),
    flag_note: str | None = None,
    xlim: Pair | None = None,
    show_prediction: bool = True,
    width: float | None = None,
    digits: int | None = None,
    font: str | None = None,
) -> Axes:
    r"""Draw a forest plot.

    Solid diamonds and bars are frequentist, hollow ones Bayesian. With two to four trials the Bayesian rows come first;
    with one trial there is no diamond. Squares have areas in proportion to the weights. A whisker that leaves the axis
    ends in an arrow head, an estimate beyond it in a larger triangle, and a name too long for its column stands in full below.

    Parameters
    ----------
    fit : result or data frame, optional
        Any pool, whose trials, weights and heterogeneity are shown; subgroups, with their diamonds and the test between them;
        a regression or multivariate model, with the mean it gives each study behind its square; a network, each treatment
        against the reference; or the table that `leave_one_out` or `cumulative` gives, a row an answer.
    posterior : BayesianResult, optional
        Drawn beside `fit`, or alone.
    sections : sequence of (heading, fit, posterior), optional
        Subgroups or time windows under one another on one axis, each with its own diamonds.
        ``(heading, None, None)`` says that a window has no trial.
    layout : {"revman", "jama", "bmj", "compact", "dark", "plain"}, optional
        Columns, sizes and colours as journals have them; the house's own when left out. "plain" shows the result that leads
        alone, in words without the method.
    columns : sequence of str or (head, name), optional
        What stands beside the axis, from left to right, with "plot" where the axis stands: "arms" (patients, or events and
        patients), "n", "events", "weight", "effect", and any column of `data` or of the details of the fit. A head of
        two lines ("drug\nmean") is one head over its neighbours of the same first line.
    data : data frame, mapping or effect table, optional
        Where further columns come from: its rows are matched by its column ``study``.
    order : str or sequence, optional
        Studies of each section by "estimate", "weight", "se", "study" or a column, with "-" before it downwards; or every
        study listed once, by name or by position.
    labels : mapping, optional
        Other names for studies.
    sides : (str, str), optional
        Words for the left and the right of "no difference", by default from the question.
    overall : FrequentistResult or BayesianResult, optional
        The pool of all studies, below subgroups, sections or the rows of a table.
    region : bool or (float, float)
        Shade what is too small to matter: smaller than the minimal important difference of the question (True), or between
        two ends on the scale people read.
    bias : RiskOfBias, optional
        From `vfmeta.appraisal.risk_of_bias`: a light a domain behind each study, matched by name.
    question : Question, optional
        Of a table, which does not say what it compares; that of the fit when it came from `leave_one_out` or `cumulative`.
    title : str, optional
    ax : matplotlib Axes, optional
        Where to draw; its whole box is used and text shrinks when it is too small (with a warning). Without it a new
        figure as high as its rows is made.
    notes : sequence of str
        Sentences under the figure.
    flag_note : str, optional
        What the double dagger means; by default the flags themselves are spelled out.
    xlim : (float, float), optional
        Ends of the axis on the scale people read; by default every estimate is inside.
    show_prediction : bool
        Whether prediction intervals are shown.
    width : float, optional
        Width of a new figure in inches; by default as the contents need, within the limits of the layout, and in a Quarto
        document no wider than its ``fig-width``.
    digits : int, optional
        Decimals of effects and intervals; by default those of the measure.
    font : str, optional
        Family of the letters, such as "Liberation Serif"; it must be installed.

    Returns
    -------
    matplotlib Axes
        The effect axis: x in display units (logarithmic for ratios), y in inches down from the first row.

    Raises
    ------
    InputError
        Not results, no studies, or lengths, measures, levels or arms that do not match; columns, studies or a font that there
        are none of.

    Examples
    --------
    >>> import vfmeta as vf
    >>> fit = vf.random_effects(y=[-0.5, -0.3, -0.8], se=[0.2, 0.15, 0.3], study=["A", "B", "C"])
    >>> axes = vf.plots.forest(fit)
    >>> doses = {"study": ["A", "B", "C"], "dose": [10, 20, 40]}
    >>> axes = vf.plots.forest(fit, data=doses, columns=["study", "dose", "plot", "effect"], order="dose", layout="bmj")
    """
    _check(digits, bias)
    if width is not None and not (is_finite(width) and width > 0):
        raise InputError(f"width={width!r} must be a number of inches above 0.")
    plain = layout is not None and choice("layout", layout, ForestLayout) == "plain"
    made = contents(fit, posterior, sections, overall, question, Options(show_prediction, digits, plain))
    q = made.question
    look, beside = look_of(layout, q, font), cl.Beside.of(data)
    made = arranged.for_look(arranged.named(arranged.ordered(made, order, beside), labels), look)
    shade, said = arranged.region_of(q, region), arranged.sides_of(q, sides)
    notes = [notes] if isinstance(notes, str) else list(notes)
    page = quarto.page_width() if width is None else None
    with applied():
        ends = axis.limits(made.rows, q, xlim, side=0.27)
        zero = q.null_effect
        null = 0.5 if zero is None else min(max(axis.share(q, ends, zero), 0.0), 1.0)
        under = [*_legend(made, look, ends, shade, bias), *_mark_notes(made, flag_note), *notes]
        sheet = build(
            made, look, cl.specs(made, look, columns, beside, bias), null=null, sides=said, title=title or "", notes=under,
            wide=(width or page) if ax is None else max(_box(ax)[0], look.width[0]),
        )  # fmt: skip
        ax, scale = _axes(sheet, look, ax, page)
        Drawing(ax, sheet, look, q, ends, scale, shade, bias.tool if bias is not None else "").draw()
    return checked(ax)


def _check(digits: Any, bias: Any) -> None:
    if digits is not None and (isinstance(digits, bool) or not isinstance(digits, int) or not 0 <= digits <= _MOST_DIGITS):
        raise InputError(f"digits={digits!r}; give a whole number of decimals from 0 to {_MOST_DIGITS}.")
    if bias is not None and not isinstance(bias, RiskOfBias):
        raise InputError(f"bias is {kind_of(bias)}; give what vf.appraisal.risk_of_bias returned.")


def _legend(made: Contents, look: Look, ends: Pair, shade: Pair | None, bias: RiskOfBias | None) -> list[str]:
    """What the shapes, the shading and the dashed line mean, and the priors."""
    kinds, rows, q = made.kinds, made.rows, made.question
    out = []
    if {"pooled", "bayes"} <= kinds:
        out.append("Solid diamond: frequentist; hollow diamond: Bayesian (posterior median and credible interval, CrI).")
    if any(r.through is not None for r in rows):
        out.append("Line through a diamond: prediction interval.")
    if any(r.reach is not None for r in rows):
        out.append(
            "Band: a trial that prints no estimate; the higher, the more probable its words if the effect were there. An arrow "
            "where they set no limit."
        )
    if any(r.hollow for r in rows):
        out.append("Hollow square: shown, not pooled.")
    if any(not ends[0] <= r.estimate <= ends[1] for r in made.studies if r.estimate == r.estimate):
        out.append("Large triangle at the edge: the estimate lies beyond the axis.")
    mid = q.mid_effect()
    if mid is not None and ends[0] < mid < ends[1]:
        out.append(tx.mid_note(q))
    if shade is not None:
        out.append(f"Shaded: too small to matter ({tx.interval_text(q, shade)}).")
    if bias is not None:
        out.append(cl.lights_note(bias))
    return [*out, *made.notes]


def _mark_notes(made: Contents, flag_note: str | None) -> list[str]:
    out = [rw.SINGLE_NOTE] if any(rw.DAGGER in r.marks for r in made.rows) else []
    flagged = [r for r in made.rows if r.flag]
    if flagged:
        out.append(f"{rw.DOUBLE_DAGGER} {flag_note or _flags_text(flagged)}")
    return out


def _flags_text(flagged: list[rw.Row]) -> str:
    """Each flag once, with the names of those it is about where not all are."""
    every = dict.fromkeys(r.label for r in flagged)
    found: dict[str, dict[str, None]] = {}
    for row in flagged:
        for flag in row.flag.split("; "):
            found.setdefault(flag, {})[row.label] = None
    return "; ".join(flag if whose == every else f"{flag} ({', '.join(whose)})" for flag, whose in found.items())


def _box(ax: Axes) -> tuple[float, float]:
    """Width and height of an axes in inches."""
    check_axes(ax)
    dpi = ax.get_figure(root=True).dpi  # type: ignore[union-attr]
    return float(ax.bbox.width / dpi), float(ax.bbox.height / dpi)


def _axes(sheet: Sheet, look: Look, ax: Axes | None, page: float | None) -> tuple[Axes, float]:
    """The effect axis in its place, and the factor by which text and lines shrink to fit a given box or page."""
    if ax is None:
        import matplotlib.pyplot as plt

        fit = min(1.0, (page or sheet.width) / sheet.width)
        box = (sheet.width * fit, sheet.height * fit)
        figure = plt.figure(figsize=box, facecolor=look.paper)
        ax, x0, y0, wide, high = figure.add_subplot(), 0.0, 0.0, 1.0, 1.0
    else:
        box = _box(ax)
        x0, y0, wide, high = ax.get_position().bounds
    scale = min(1.0, box[0] / sheet.width, box[1] / sheet.height)
    if scale * look.small < 6:
        warn(
            f"The axes are {box[0]:.1f} by {box[1]:.1f} in, the forest plot needs {sheet.width:.1f} by {sheet.height:.1f}: "
            f"text shrinks to {scale * look.small:.1f} pt. Give a larger figure{' or leave ax out' if page is None else ''}."
        )
    fx, fy = wide * scale / box[0], high * scale / box[1]
    bottom = y0 + high - (sheet.top + sheet.head + sheet.body) * fy
    ax.set_position((x0 + sheet.plot[0] * fx, bottom, (sheet.plot[1] - sheet.plot[0]) * fx, sheet.body * fy))
    return ax, scale

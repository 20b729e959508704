"""A figure beside its own interval, p value, scale and number of patients."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from statistics import NormalDist
from typing import Any

from vfmeta.core.question import Pair
from vfmeta.trials.slips.book import FACTOR, Book, Slip, centred, error_of, far, onto, with_interval


def _centred(book: Book, row: Any, centre: str, **instead: Pair) -> bool:
    estimate, low, high = (instead.get(c) or book.box(row, c) for c in (centre, "ci_low", "ci_high"))
    return centred(onto(row), estimate, low, high)


def _lopsided(book: Book) -> Iterator[Slip]:
    """A printed interval is symmetric about its estimate on the analysis scale, within rounding."""
    for row, centre in with_interval(book):
        if _centred(book, row, centre):
            continue
        f = onto(row)
        below, above = abs(f(getattr(row, centre)) - f(row.ci_low)), abs(f(row.ci_high) - f(getattr(row, centre)))
        scale = " on the log scale" if f is not float else ""
        message = (
            f"The interval is not symmetric about its {centre}{scale} ({below:.3g} below, {above:.3g} above): "
            "one of the three may be mistyped."
        )
        # a bootstrap or an exact interval leans to one side; none is many times longer there
        little = max(below, above) <= FACTOR * min(below, above)
        column = "ci_high" if above > below else "ci_low"
        yield Slip(((row.table, row.row_id, column),), message, ("asymmetric_as_printed",) if little else ())


def _finer_limit(book: Book) -> Iterator[Slip]:
    """A limit near zero may be a tenth of itself and still fit: its one decimal too many tells."""
    for row, centre in with_interval(book):
        units = {c: book.unit(row, c) for c in (centre, "ci_low", "ci_high")}
        for column in ("ci_low", "ci_high"):
            low, high = (10 * x for x in book.box(row, column))
            if units[column] < min(u for c, u in units.items() if c != column) and (
                "asymmetric_as_printed" in row.flags or _centred(book, row, centre, **{column: (low, high)})
            ):
                message = (
                    f"The limit has more decimals than the {centre} and the other limit: its decimal point may have slipped."
                )
                yield Slip(((row.table, row.row_id, column),), message, ())


def _p_apart(book: Book) -> Iterator[Slip]:
    """A printed p value is that of its estimate and interval; a tenth of z is left to another test (log-rank, exact)."""
    for row, centre in with_interval(book):
        if centre == "mean" or row.p_value is None:
            continue
        f = onto(row)
        e1, e2 = sorted(map(f, book.box(row, centre)))
        (l1, l2), (h1, h2) = (sorted(map(f, book.box(row, c))) for c in ("ci_low", "ci_high"))
        if f is not float and h1 < l1:  # a reduction in per cent: the higher is the smaller ratio
            (l1, l2), (h1, h2) = (h1, h2), (l1, l2)
        least, most = (0.0 if e1 <= 0 <= e2 else min(abs(e1), abs(e2))), max(abs(e1), abs(e2))
        level = (row.ci_level or 95) / 100
        sizes = [book.size(row, a) for a in (row.arm_experimental, row.arm_control)]
        df = sum(n or 0 for n in sizes) - 2 if None not in sizes else None
        if not any(_p_fits(book, row, (least, most), (h1 - l2, h2 - l1), level, d) for d in {None, df}):
            message = f"The p value is not that of the estimate and its {100 * level:g}% interval."
            yield Slip(((row.table, row.row_id, "p_value"),), message, ("disagreement",))


def _p_fits(
    book: Book, row: Any, estimate: tuple[float, float], width: tuple[float, float], level: float, df: float | None
) -> bool:
    quantile = _quantile(df)
    wide = quantile((1 + level) / 2) * 2
    low, high = estimate[0] / width[1] * wide, estimate[1] / max(width[0], 1e-12) * wide
    half = book.unit(row, "p_value") / 2
    largest, smallest = (quantile(1 - p / 2) for p in (max(row.p_value - half, 0.0), min(row.p_value + half, 1.0)))
    exact = quantile(1 - row.p_value / 2)
    if row.p_operator == "<":
        smallest, largest = exact, math.inf
    elif row.p_operator == ">":
        smallest, largest = 0.0, exact
    return low <= 1.1 * largest and high >= 0.9 * smallest


def _quantile(df: float | None) -> Callable[[float], float]:
    if df is None or df < 1:
        return lambda q: math.inf if q >= 1 else NormalDist().inv_cdf(q) if q > 0.5 else 0.0
    from scipy.special import stdtrit

    return lambda q: math.inf if q >= 1 else float(stdtrit(df, q)) if q > 0.5 else 0.0


def _beyond_the_scale(book: Book) -> Iterator[Slip]:
    """No difference of two means is wider than the instrument, and no limit of one either."""
    for row in book.rows("contrasts"):
        if row.measure not in ("MD", "adjusted_MD") or row.low_end is None:
            continue
        for column in ("ci_low", "ci_high"):
            limit = getattr(row, column)
            if limit is not None and abs(limit) > row.high_end - row.low_end + 1e-9:
                message = f"The limit lies beyond the whole width of its instrument ({row.low_end:g} to {row.high_end:g})."
                yield Slip(((row.table, row.row_id, column),), message, ())


def _width_apart(book: Book) -> Iterator[Slip]:
    """The width of an interval is that of the SDs on the instrument and of the patients."""
    for row, centre in with_interval(book):
        if row.analysis_set == "subgroup":
            continue  # of how many is not said
        if centre == "mean":
            sizes = [row.n if row.n is not None else book.size(row, row.arm_id)]
        elif row.measure in ("MD", "adjusted_MD"):
            sizes = [book.size(row, a) for a in (row.arm_experimental, row.arm_control)]
        else:
            continue
        sd = getattr(row, "sd", None) or book.usual_spread(row, own=True) or book.usual_spread(row, own=False)
        if sd is None or not all(sizes):
            continue
        se = error_of(row)
        expected = sd * math.sqrt(sum(1 / n for n in sizes if n))
        if far(se, expected):
            message = f"The interval gives a standard error of {se:.3g}; SDs and patients give about {expected:.3g}."
            yield Slip(((row.table, row.row_id, "ci_high"),), message, ("disagreement",))


RULES = (_lopsided, _finer_limit, _p_apart, _beyond_the_scale, _width_apart)

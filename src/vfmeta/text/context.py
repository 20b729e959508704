"""Figures of the chapter on the disease as people read them, from plain values."""

from __future__ import annotations


def figure_text(
    kind: str,
    *,
    events: float | None = None,
    total: float | None = None,
    percent: float | None = None,
    estimate: float | None = None,
    sd: float | None = None,
    limits: tuple[float, float] | None = None,
    level: float | None = None,
    unit: str = "",
) -> str:
    """``38 of 82 (46%)``, ``25.3% (95% CI 22.3 to 28.2)``, ``5.3 per 1,000 person-years``, ``4.48 (95% CI 2.02 to 9.94)``."""
    interval = "" if limits is None else f"{level or 95:g}% CI {limits[0]:g} to {limits[1]:g}"
    if kind == "proportion":
        if events is not None and total:
            shown = percent if percent is not None else round(100 * events / total)
            return f"{events:g} of {total:g} ({shown:g}%{'; ' + interval if interval else ''})"
        return f"{percent:g}%{f' ({interval})' if interval else ''}"
    spread = f"SD {sd:g}" if sd is not None else ""
    said = f"{estimate:g}" if kind == "ratio" else f"{estimate:g} {unit}"
    more = "; ".join(x for x in (spread, interval) if x)
    return f"{said} ({more})" if more else said


def share_text(share: float, limits: tuple[float, float]) -> str:
    """``40% (31 to 50)``: a share and its interval in per cent, a decimal where a whole number would say nothing."""
    digits = 1 if min(share, 1 - share) < 0.05 else 0
    low, high = (f"{100 * x:.{digits}f}" for x in limits)
    return f"{100 * share:.{digits}f}% ({low} to {high})"


def points_text(mean: float, limits: tuple[float, float]) -> str:
    """``7.4 (5.9 to 8.9)``: a mean score of 0 to 10 with its interval, which a wide one leaves at the ends of the scale."""
    low, high = (min(max(x, 0.0), 10.0) for x in limits)
    return f"{mean:.1f} ({low:.1f} to {high:.1f})"

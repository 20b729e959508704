"""Figures to disk: the same figure gives the same bytes, and nothing half-written is ever left."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vfmeta.core.files import whole
from vfmeta.core.messages import InputError, kind_of
from vfmeta.plots.style import applied

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Dates and program versions would make each run's bytes differ.
_METADATA: dict[str, dict[str, Any]] = {
    "svg": {"Date": None, "Creator": None},
    "png": {"Software": None},
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
}


def save(
    ax_or_fig: Axes | Figure,
    stem: str | os.PathLike[str],
    formats: Sequence[str] = ("svg", "png"),
    *,
    dpi: int = 200,
    alt: str = "",
    close: bool = False,
) -> list[Path]:
    """Write a figure as ``stem.svg``, ``stem.png``, ...; byte-identical for identical figures.

    Parameters
    ----------
    ax_or_fig : Axes or Figure
    stem : path
        Path without the ending; folders are made. A dot in the name is kept (``rr.v2`` becomes ``rr.v2.svg``).
    formats : sequence of str
        Any of ``"svg"``, ``"png"``, ``"pdf"``.
    dpi : int
        Resolution of PNG.
    alt : str
        Text alternative, put into the SVG and PDF as their description; by default what the figure says of itself, where it
        does (the label of its axes).
    close : bool
        Let pyplot forget the figure afterwards, for runs that draw many.

    Returns
    -------
    list of Path
        What was written, in the order of ``formats``.

    Raises
    ------
    InputError
        Not a figure, or an unknown format; nothing is written then.

    Examples
    --------
    >>> import vfmeta as vf
    >>> import tempfile
    >>> fit = vf.random_effects(y=[-0.5, -0.3, -0.8], se=[0.2, 0.15, 0.3], study=["A", "B", "C"])
    >>> axes = vf.plots.forest(fit)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     files = vf.plots.save(axes, f"{folder}/forest", ["svg"], close=True)
    >>> [file.suffix for file in files]
    ['.svg']
    """
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, FigureBase

    figure: Any = ax_or_fig.get_figure(root=True) if isinstance(ax_or_fig, (Axes, FigureBase)) else None
    if not isinstance(figure, Figure):
        raise InputError(f"save got {kind_of(ax_or_fig)}; give it the axes that a plot returned, or a figure.")
    formats = [formats] if isinstance(formats, str) else list(formats)
    unknown = [f for f in formats if f not in _METADATA]
    if unknown:
        raise InputError(f"Unknown figure format {', '.join(map(repr, unknown))}; choose from {', '.join(sorted(_METADATA))}.")
    alt = alt or next((str(ax.get_label()) for ax in figure.axes if " " in str(ax.get_label())), "")
    stem = Path(stem)
    stem.parent.mkdir(parents=True, exist_ok=True)
    paths = []
    for fmt in formats:
        metadata = dict(_METADATA[fmt])
        if alt and fmt != "png":
            metadata["Description" if fmt == "svg" else "Subject"] = alt
        paths.append(_write(figure, stem.with_name(f"{stem.name}.{fmt}"), fmt, dpi, metadata))
    if close:
        import matplotlib.pyplot as plt

        plt.close(figure)
    return paths


def _write(figure: Figure, path: Path, fmt: str, dpi: int, metadata: dict[str, Any]) -> Path:
    packed: dict[str, Any] = (
        {"pil_kwargs": {"compress_level": 3}} if fmt == "png" else {}
    )  # words and lines: no larger than 6, and quicker
    with whole(path) as temporary, applied(browser=fmt == "svg"):
        figure.savefig(temporary, format=fmt, dpi=dpi, metadata=metadata, facecolor="auto", **packed)
    return path

"""Where evidence is and where it is not: questions by domain, trials with a usable figure out of the trials known."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from vfmeta.core.messages import InputError
from vfmeta.plots.glyphs import checked, quiet
from vfmeta.plots.layout import wrap
from vfmeta.plots.style import STYLE, applied, check_axes, ink_on

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes


def gap_map(usable: pd.DataFrame, known: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Draw an evidence map.

    Parameters
    ----------
    usable, known : pandas.DataFrame
        One row a question, one column a domain: trials with a figure that an analysis uses, and trials of the comparison that
        are known. A missing value means that the question does not ask about the domain.
    ax : matplotlib Axes, optional

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    InputError
        The two tables differ in rows or columns, are empty, or a trial is usable that is not known.

    Examples
    --------
    >>> import vfmeta as vf
    >>> import pandas as pd
    >>> usable = pd.DataFrame({"pain": [2, 0]}, index=["drug v placebo", "exercise v none"])
    >>> axes = vf.plots.gap_map(usable, usable + 1)
    """
    import pandas as pd

    if not (isinstance(usable, pd.DataFrame) and isinstance(known, pd.DataFrame)):
        raise InputError("gap_map takes two data frames of pandas: trials that are usable, and trials that are known.")
    if usable.empty or not (usable.index.equals(known.index) and usable.columns.equals(known.columns)):
        raise InputError("gap_map takes two tables with the same rows and columns, at least one of each.")
    if (usable > known).to_numpy().any():
        raise InputError("gap_map: more trials are usable than are known; exchange the two tables.")
    import matplotlib.pyplot as plt
    import seaborn as sns

    asked = known.notna()
    if not asked.to_numpy().any():
        raise InputError("gap_map: no question asks about any domain; give the number of known trials where one does.")
    counts = usable.astype(float)
    # seaborn draws with the names it is given, so long ones are broken first
    counts.index, counts.columns = [_broken(n, 2.6) for n in counts.index], [_broken(n, 0.9) for n in counts.columns]
    cells = np.full(counts.shape, "", dtype=object)
    for i, j in zip(*np.nonzero(asked.to_numpy()), strict=True):
        cells[i, j] = f"{counts.iat[i, j]:.0f} of {known.iat[i, j]:.0f}"
    own = None
    with applied():
        check_axes(ax)
        if ax is None:
            tall, top = (max(str(n).count("\n") for n in names) for names in (counts.index, counts.columns))
            size = (3.6 + 0.95 * counts.shape[1], 1.5 + 0.14 * top + max(0.34, 0.1 + 0.15 * (tall + 1)) * counts.shape[0])
            ax = (own := plt.figure(figsize=size, facecolor="white")).add_subplot()
        most = max(4.0, float(np.nanmax(counts.to_numpy())))
        shown = {"annot": cells, "fmt": "", "annot_kws": {"size": STYLE["text"]}, "cbar": False}
        lines = {"linewidths": 1.5, "linecolor": "white"}
        before = len(ax.texts)
        with quiet():
            sns.heatmap(counts, mask=~asked.to_numpy(), cmap="Blues", vmin=0, vmax=most, ax=ax, **shown, **lines)
        mesh: Any = ax.collections[-1]
        filled = zip(mesh.get_facecolors(), mesh.get_array().flat, strict=True)
        for text, ground in zip(ax.texts[before:], [c for c, value in filled if value is not np.ma.masked], strict=True):
            text.set_color(ink_on(ground))
        ax.set(xlabel="", ylabel="")
        ax.xaxis.tick_top()
        ax.tick_params(axis="x", labelrotation=0)
        ax.tick_params(axis="y", labelrotation=0)
        ax.tick_params(length=0)
        ax.set_facecolor("#F2F2F2")
        if own is not None:  # only now: seaborn first draws long names upright, which leaves the axes no room
            own.set_layout_engine("constrained")
    return checked(ax)


def _broken(name: object, room: float) -> str:
    return "\n".join(wrap(str(name), room, STYLE["text"], most=3))

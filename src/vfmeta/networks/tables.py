"""Tables of a network for paper, page and spreadsheet: what is written as HTML, CSV, LaTeX and Word by the one writer."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from vfmeta.core.messages import InputError, kind_of
from vfmeta.core.params import NetworkContent, Triangle, choice
from vfmeta.networks.compared import Treatments, league_cells
from vfmeta.results.shown import Displayed, Shown, cells_of
from vfmeta.text import numbers as tx

if TYPE_CHECKING:
    import pandas as pd

#: what must stand beside any rank
ALONE = (
    "A rank says nothing of size, and treatments of the same effect share their ranks by chance: read it beside the effects."
)


@dataclass(frozen=True, eq=False, repr=False)
class NetworkTable(Displayed):
    """A table with its heading and what is said below it; `to_html`, `to_csv`, `to_latex`, `to_docx` write it.

    Examples
    --------
    >>> import vfmeta as vf
    >>> frame = {"study": list("abc"), "treat1": list("BCC"), "treat2": list("AAB"), "y": [-0.5, -0.8, -0.2], "se": [0.2] * 3}
    >>> net = vf.network(frame, reference="A", method="common", test="Wald")
    >>> vf.networks.table(net, triangle="lower").to_csv().splitlines()[0]
    'treatment,A,B,C'
    """

    head: str
    frame: pd.DataFrame = field(repr=False)
    lines: tuple[str, ...] = ()

    def to_frame(self) -> pd.DataFrame:
        """The table."""
        return self.frame

    def _display(self) -> Shown:
        return Shown(self.head, *cells_of(self.frame), self.lines)

    def __str__(self) -> str:
        return "\n".join([self.head, self.frame.to_string(index=False), *self.lines])

    def __repr__(self) -> str:
        return str(self)


def table(
    fit: Any, content: NetworkContent = "league", *, triangle: Triangle = "both", better: str | None = None
) -> NetworkTable:
    """A table of a network, ready to be written.

    Parameters
    ----------
    fit : NetworkResult, another model of a network, or NetworkPosterior
    content : {"league", "comparisons", "ranks"}
        The league table; every two treatments in a row each; or the ranks, with what a rank does not say below them.
    triangle : {"both", "lower", "upper"}
        Which half of the league table is filled.
    better : str, optional
        ``"low"`` or ``"high"``: which effects rank first; that of ``question.higher_is_worse`` when left out.

    Returns
    -------
    NetworkTable

    Examples
    --------
    >>> import vfmeta as vf
    >>> frame = {"study": list("abc"), "treat1": list("BCC"), "treat2": list("AAB"), "y": [-0.5, -0.8, -0.2], "se": [0.2] * 3}
    >>> net = vf.network(frame, reference="A", method="common", test="Wald")
    >>> vf.networks.table(net, "ranks", better="low").frame["treatment"].tolist()
    ['C', 'B', 'A']
    """
    if not all(hasattr(fit, name) for name in ("treatments", "comparisons", "ranks")):
        raise InputError(f"table takes a network (from vf.network or vf.networks), not {kind_of(fit)}.")
    content = choice("content", content, NetworkContent)
    q, own = fit.question, isinstance(fit, Treatments)
    if content == "league":
        triangle = choice("triangle", triangle, Triangle)
        frame = (fit.league(triangle) if own else _league(fit, triangle)).rename_axis("treatment").reset_index()
        level = tx.level_text(getattr(fit, "level", 0.95))
        return NetworkTable(f"League table: {q.shown} ({level} interval)", frame, ("Row against column.",))
    if content == "comparisons":
        return NetworkTable(f"Every two treatments: {q.shown}", fit.comparisons(on="read"))
    ranks = fit.ranks(better).sort_values("sucra", ascending=False, kind="stable")
    name = "P-score" if own else "SUCRA"
    best = [f"{100 * x:.0f}%" for x in ranks["1"]]
    spans = [f"{a} to {b}" for a, b in zip(ranks["rank_low"], ranks["rank_high"], strict=True)]
    frame = ranks[["sucra", "mean_rank"]].round(3).rename(columns={"sucra": name, "mean_rank": "mean rank"})
    frame = frame.assign(**{"95% of ranks": spans, "probability of being best": best})
    return NetworkTable("Ranks of treatments, 1 the best", frame.rename_axis("treatment").reset_index(), (ALONE,))


def _league(post: Any, triangle: str) -> pd.DataFrame:
    """The league table of a posterior, from its medians."""
    import pandas as pd

    frame = post.comparisons(on="read")
    pairs = list(zip(frame["treatment"], frame["control"], strict=True))
    shown = frame[["estimate", "ci_low", "ci_high"]].to_numpy().T
    return pd.DataFrame(*league_cells(post.treatments, pairs, shown, post.question.is_ratio, triangle))


__all__ = ["ALONE", "NetworkTable", "table"]

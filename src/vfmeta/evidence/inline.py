"""Figures inside a page: in the page's colours, and whatever is drawn for a row leads to where its numbers come from."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vfmeta.plots import style

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_ROW = "#row-"
_LINK = re.compile(rf'<a xlink:href="{_ROW}(\d+)"[^>]*>|</a>|<g id="([^"]+)">')
#: colours of figures as variables of the page, which has them twice: for light and for dark
_COLOURS = {
    "#ffffff": "paper", "#000000": "ink", style.STYLE["study"]: "ink", style.STYLE["muted"]: "soft", style.STYLE["mid"]: "soft",
    style.STYLE["faint_rule"]: "line", style.STYLE["frequentist"]: "blue", style.STYLE["bayesian"]: "orange",
    style.STYLE["report"]: "green", style.STYLE["prediction"]: "grey",
}  # fmt: skip
_SPELLED = {colour.lower(): colour for colour in _COLOURS}
_COLOUR = re.compile(rf"(?i): ({'|'.join(_COLOURS)})\b")
_MUTED = re.compile(rf"(?i): ({style.STYLE['muted']})\b")


@dataclass(frozen=True)
class Target:
    """Where a row of a figure leads: the id of its provenance, and what a screen reader says of it."""

    id: str
    said: str


def address(ax: Any) -> list[str]:
    """Give whatever is drawn for a row an address; the rows in the order of their numbers, by the names of their artists."""
    rows: dict[str, int] = {}
    for artist in ax.get_children():
        name = str(artist.get_label())
        if name.startswith("_row "):
            url = f"{_ROW}{rows.setdefault(name, len(rows))}"
            artist.set_urls([url]) if hasattr(artist, "set_urls") else artist.set_url(url)
    return list(rows)


def alone(svg: str) -> str:
    """The figure as a file of its own, where addresses lead nowhere."""
    return re.sub(rf'<a xlink:href="{_ROW}\d+"[^>]*>|</a>', "", svg)


def inline(
    svg: str, name: str, title: str, alt: str, rows: Sequence[str] = (), targets: Mapping[str, Target] | None = None
) -> str:
    """The figure as part of a page.

    Parameters
    ----------
    svg : str
        With its addresses.
    name, title, alt : str
        Of the figure; names are prefixes of all ids.
    rows : sequence of str
        From `address`.
    targets : mapping of str to Target
        Where the rows lead, by their names. Of each row one part, its effect, can be reached by keyboard.
    """
    body = svg[svg.index("<svg") :]
    body = re.sub(r"<metadata>.*?</metadata>|<style[^>]*>.*?</style>|<!--.*?-->", "", body, flags=re.DOTALL)
    body = re.sub(r' transform="rotate\(-0 [^"]*"', "", body)
    body = "".join(map(_coloured, re.split(r'(?=<g id=")', body)))
    body = re.sub(r"(font: [^';]*)'DejaVu Sans'[^;\"]*", r"\1var(--figures, sans-serif)", body)
    body = re.sub(r' d="[^"]*"', lambda m: re.sub(r"(\.\d\d)\d+", r"\1", m[0]), body)  # a hundredth of a point is enough
    body = _linked(body, rows, targets or {})
    meant = set(re.findall(r'(?:url\(|xlink:href=")#([^")]+)', body))  # other ids are names of parts, and stand more than once
    body = re.sub(r' id="(?!row-)([^"]+)"', lambda m: f' id="{name}--{m[1]}"' if m[1] in meant else "", body)
    body = re.sub(r'(url\(|xlink:href=")#', rf"\g<1>#{name}--", body).replace("xlink:href", "href")
    body = _once(body.replace(' id="row-', f' id="{name}--row-'))
    view = re.search(r'viewBox="([^"]+)"', body)
    assert view is not None
    head = (
        f'<svg class="drawn" viewBox="{view[1]}" style="max-width: {_width(view[1])}px" role="group" '
        f'aria-label="{html.escape(title)}"><desc>{html.escape(alt)}</desc>'
    )
    return head + re.sub(r"\s*\n\s*", " ", body[body.index(">") + 1 :])


def _coloured(part: str) -> str:
    """A part of a figure in the colours of the page; a light of a judgement keeps its own, its sign black or white on it."""
    if not part.startswith('<g id="light'):
        return _COLOUR.sub(_variable, part)
    part = _MUTED.sub(_variable, part)
    return re.sub(r'(<text style="(?![^"]*fill:)[^"]*)"', r'\1; fill: #000000"', part)


def _variable(found: re.Match[str]) -> str:
    colour = _SPELLED[found[1].lower()]
    return f": var(--{_COLOURS[colour]}, {colour})"


def _once(body: str) -> str:
    """Markers that are drawn in more than one part of a figure are defined in each of them: only the first is kept."""
    seen: set[str] = set()

    def kept(found: re.Match[str]) -> str:
        again = found[1] in seen
        seen.add(found[1])
        return "" if again else found[0]

    return re.sub(r'<defs>\s*<path id="([^"]+)"[^>]*/>\s*</defs>', kept, body)


def _width(view: str) -> int:
    """Pixels at which text is as large as on paper, a third more than points."""
    return round(float(view.split()[2]) * 4 / 3)


def _linked(body: str, rows: Sequence[str], targets: Mapping[str, Target]) -> str:
    seen: set[int] = set()
    part, close = "", "</g>"

    def turned(found: re.Match[str]) -> str:
        nonlocal part, close
        if found[2] is not None:
            part = found[2]
            return found[0]
        if found[0] == "</a>":
            return close
        row = int(found[1])
        target = targets.get(rows[row]) if row < len(rows) else None
        close = "</g>"
        if target is None:
            return "<g>"
        if part.endswith("-effect") and row not in seen:
            seen.add(row)
            close = "</a>"
            return f'<a class="from" id="row-{row}" href="#{target.id}" aria-label="{html.escape(target.said)}">'
        return f'<g data-from="{target.id}">'

    return _LINK.sub(turned, body)

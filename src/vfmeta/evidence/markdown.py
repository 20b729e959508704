"""A piece of a page as markdown, for what is no HTML: headings, tables and figures that pandoc lays out in PDF and Word."""

from __future__ import annotations

import base64
import math
import re
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path

from vfmeta.results.shown import marked

_VOID = {"br", "img", "col", "hr", "meta", "link", "input"}
_SILENT = {"script", "style", "svg", "template"}
_WORD = 18  # longest word, in letters, that a column keeps whole
_DPI = 200  # of the PNG twins
# typst keeps a table on one page otherwise, over its edge if need be
_TYPST = "```{=typst}\n#show figure: set block(breakable: true)\n```"


@dataclass
class _Node:
    tag: str
    attrs: dict[str, str] = field(default_factory=dict)
    children: list[_Node | str] = field(default_factory=list)

    def all(self, *tags: str) -> list[_Node]:
        """Nodes of these tags below, from top to bottom."""
        found: list[_Node] = []
        for child in self.children:
            if isinstance(child, _Node):
                found += [child] if child.tag in tags else []
                found += child.all(*tags)
        return found

    def text(self) -> str:
        return "".join(c if isinstance(c, str) else c.text() for c in self.children)


class _Tree(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.root = _Node("root")
        self.stack = [self.root]
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        node = _Node(tag, {k: v or "" for k, v in attrs})
        self.stack[-1].children.append(node)
        if tag not in _VOID:
            self.stack.append(node)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.stack[-1].children.append(_Node(tag, {k: v or "" for k, v in attrs}))

    def handle_endtag(self, tag: str) -> None:
        while len(self.stack) > 1:
            if self.stack.pop().tag == tag:
                break

    def handle_data(self, data: str) -> None:
        self.stack[-1].children.append(data)


def of_html(html: str, place: Callable[[str], tuple[str, float]], width: float) -> str:
    """The markdown of a fragment.

    Parameters
    ----------
    html : str
        As the pages have it, with links to the files of its figures.
    place : callable
        Takes the name of a figure and returns where its PNG is found, and its width in inches.
    width : float
        Of a page in inches; no figure is wider.
    """
    return "\n\n".join([_TYPST, *_Writer(place, width).blocks(_Tree(html).root)]) + "\n"


class _Writer:
    def __init__(self, place: Callable[[str], tuple[str, float]], width: float) -> None:
        self.place, self.width = place, width

    def blocks(self, node: _Node) -> list[str]:
        """Paragraphs, headings, lists, tables and figures of what a node holds."""
        out: list[str] = []
        loose: list[_Node | str] = []

        def flush() -> None:
            words = self.inline(loose)
            out.extend([words] if words else [])
            loose.clear()

        for child in node.children:
            own = self._block(child) if isinstance(child, _Node) else None
            if own is None:
                loose.append(child)
            else:
                flush()
                out += own
        flush()
        return out

    def _block(self, node: _Node) -> list[str] | None:
        """What a node is as blocks; None where it is part of a line."""
        tag = node.tag
        if re.fullmatch(r"h[1-6]", tag):
            anchor = f" {{#{node.attrs['id']}}}" if node.attrs.get("id") else ""
            return [f"{'#' * int(tag[1])} {self.inline(node.children)}{anchor}"]
        if tag == "p":
            words = self.inline(node.children)
            return (
                [] if not words else [f"::: {{.answer}}\n{words}\n:::"] if "answer" in node.attrs.get("class", "") else [words]
            )
        if tag in ("ul", "ol"):
            return [self._list(node)] if node.all("li") else []
        if tag == "dl":
            return self._definitions(node)
        if tag == "table":
            return self._table(node)
        if tag == "figure":
            return [self._figure(node)]
        if tag == "summary":
            return [f"**{self.inline(node.children)}**"]
        if tag in ("div", "section", "details", "main", "article", "nav", "root"):
            return self.blocks(node)
        return [] if tag in _SILENT else None

    def inline(self, parts: list[_Node | str]) -> str:
        """One line of marked words."""
        return " ".join("".join(self._inline(p) for p in parts).split())

    def _inline(self, part: _Node | str) -> str:
        if isinstance(part, str):
            return marked(part)
        tag = part.tag
        if tag in _SILENT or "files" in part.attrs.get("class", "").split():
            return ""
        if tag == "br":
            return "; "
        inside = "".join(self._inline(c) for c in part.children)
        if tag in ("li", "p", "div", "dd", "tr", "h4"):
            return f"{inside.strip()}; " if inside.strip() else ""
        bare = inside.strip()
        if not bare:
            return inside
        before, after = inside[: len(inside) - len(inside.lstrip())], inside[len(inside.rstrip()) :]
        if tag in ("strong", "b"):
            return f"{before}**{bare}**{after}"
        if tag in ("em", "i"):
            return f"{before}*{bare}*{after}"
        if tag in ("sup", "sub"):
            sign = "^" if tag == "sup" else "~"
            return f"{sign}{bare.replace(' ', chr(92) + ' ')}{sign}"
        if tag == "a":
            return self._link(part, before, bare, after)
        return inside

    def _link(self, node: _Node, before: str, bare: str, after: str) -> str:
        to = node.attrs.get("href", "")
        if re.match(r"https?://", to):
            return f"{before}[{bare}](<{to}>){after}"
        page, _, anchor = to.partition("#")
        if page.endswith(".html") and not page.startswith(
            "figures/"
        ):  # other pages of the review are documents beside this one
            return f"{before}[{bare}]({page.removesuffix('.html')}.qmd{'#' + anchor if anchor else ''}){after}"
        return f"{before}{bare}{after}"

    def _list(self, node: _Node) -> str:
        items = []
        for item in node.children:
            if isinstance(item, _Node) and item.tag == "li":
                words = re.sub(r"(; )+$", "", self.inline(item.children) + " ").strip().rstrip(";").strip()
                items.append(f"- {words}")
        return "\n".join(items)

    def _definitions(self, node: _Node) -> list[str]:
        out: list[str] = []
        for child in node.children:
            if isinstance(child, _Node) and child.tag == "dt":
                out.append(f"**{self.inline(child.children)}**")
            elif isinstance(child, _Node) and child.tag == "dd":
                out.append(self.inline(child.children))
        return out

    def _table(self, node: _Node) -> list[str]:
        rows = [self._cells(row) for row in node.all("tr")]
        rows = [row for row in rows if row]
        if not rows:
            return []
        wide = max(map(len, rows))
        rows = [row + [""] * (wide - len(row)) for row in rows]
        if not node.all("thead"):
            rows.insert(0, [""] * wide)
        lines = [rows[0], ["-" * _dashes([row[j] for row in rows]) for j in range(wide)], *rows[1:]]
        caption = next((self.inline(c.children) for c in node.all("caption")), "")
        body = "\n".join(f"| {' | '.join(row)} |" for row in lines)
        return [f"{body}\n\n: {caption}" if caption else body]

    def _cells(self, row: _Node) -> list[str]:
        out: list[str] = []
        for cell in row.children:
            if isinstance(cell, _Node) and cell.tag in ("td", "th"):
                words = re.sub(r"(\s*;)+\s*$", "", self.inline(cell.children))
                out += [words, *[""] * (int(cell.attrs.get("colspan", "1")) - 1)]
        return out

    def _figure(self, node: _Node) -> str:
        files = [x.attrs.get("src", x.attrs.get("href", "")) for x in node.all("img", "a")]
        name = next((Path(f).stem for f in files if f.startswith("figures/")), None)
        alt = next((x.attrs["alt"] for x in node.all("img") if x.attrs.get("alt")), "")
        alt = " ".join((alt or next((x.text() for x in node.all("desc")), "")).split())
        caption = next((self.inline(_without_files(c)) for c in node.all("figcaption")), "")
        if name is None:
            return caption
        source, wide = self.place(name)
        quoted = alt.replace("\\", "\\\\").replace('"', '\\"')
        return f'![{caption}]({source}){{alt="{quoted}" fig-alt="{quoted}" width={min(self.width, wide):.2f}in}}'


def _dashes(cells: list[str]) -> int:
    """How wide a column is beside the others, which is what pandoc parts the page by: long cells run over lines."""
    word = max((len(w) for cell in cells for w in cell.split()), default=1)
    return max(3, min(word, _WORD), round(3 * math.sqrt(max(map(len, cells)))))


def _without_files(caption: _Node) -> list[_Node | str]:
    """A caption without the links to its own files."""

    def is_file(part: _Node | str) -> bool:
        return isinstance(part, _Node) and (
            "files" in part.attrs.get("class", "") or part.attrs.get("href", "")[:8] == "figures/"
        )

    return [c for c in caption.children if not is_file(c)]


def png(file: Path) -> tuple[str, float]:
    """A PNG of ours inside the markdown, and its width in inches."""
    body = file.read_bytes()
    return f"data:image/png;base64,{base64.b64encode(body).decode()}", struct.unpack(">I", body[16:20])[0] / _DPI

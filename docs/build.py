"""Build the documentation as pages that need no network: ``python -m docs.build [FOLDER]``, to build/docs when left out."""

from __future__ import annotations

import re
import shutil
import sys
import tempfile
from html import escape
from pathlib import Path
from typing import Any

from docs import examples
from docs.reference import MODULES, Reference, coloured, page_of
from jinja2 import Environment, FileSystemLoader
from markdown_it import MarkdownIt

import vfmeta as vf

DOCS = Path(__file__).parent
STYLE = DOCS.parent / "src" / "vfmeta" / "evidence" / "templates" / "style.css"
# the pages in the order of the navigation
PAGES = {
    "index": "Start", "tutorial-own-data": "Own data", "tutorial-review": "The review's data", "how-to-network": "Networks",
    "how-to-small-studies": "Small studies", "how-to-bayesian": "Bayesian", "how-to-partial-reports": "Partial reports",
    "how-to-revman": "RevMan", "how-to-r": "R", "how-to-exchange": "Exchange",
    "metafor": "From metafor", "gallery": "Gallery", "reference": "Reference",
    "methods": "Methods", "results": "Results",
}  # fmt: skip


class Page:
    """One Markdown page: its examples run where they stand, what they print and draw put below them."""

    def __init__(self, name: str, out: Path) -> None:
        self.name, self.out, self.drawn = name, out, 0
        self.world: dict[str, Any] = {"__name__": name}

    def html(self) -> str:
        md = MarkdownIt("commonmark", {"html": False}).enable("table")
        text = (DOCS / f"{self.name}.md").read_text(encoding="utf-8")
        tokens = md.parse(text)
        heads: list[str] = []
        for i, token in enumerate(tokens):
            if token.type == "heading_open":
                token.attrSet("id", re.sub(r"[^\w\- ]", "", tokens[i + 1].content.lower()).replace(" ", "-"))
            elif token.type == "table_open":
                heads, column = [], 0
            elif token.type == "th_open":
                token.attrSet("scope", "col")
                heads.append(tokens[i + 1].content)
            elif token.type == "tr_open":
                column = 0
            elif token.type == "td_open":  # on a narrow page a cell stands under its heading
                token.attrSet("data-of", heads[column])
                column += 1
            elif token.type == "inline":
                for child in token.children or []:
                    if child.type == "link_open":
                        child.attrSet("href", _to(str(child.attrGet("href"))))
        md.add_render_rule("fence", lambda _, tokens, i, *__: self.fence(tokens[i]))
        return md.renderer.render(tokens, md.options, {})

    def fence(self, token: Any) -> str:
        one = examples.block(token.info, token.content, token.map[0])
        if one is None:
            return f'<pre tabindex="0"><code>{escape(token.content)}</code></pre>'
        made = [coloured(one.code)]
        if not one.slow:
            ran = examples.run(one, self.world, f"{self.name}.md")
            if ran.said:
                made.append(f'<pre class="said" tabindex="0"><samp>{escape(ran.said)}</samp></pre>')
            made += [self.figure(one, figure) for figure in ran.figures]
        return "\n".join(made)

    def figure(self, one: examples.Block, figure: Any) -> str:
        if not one.alt:
            raise ValueError(f"{self.name}.md, line {one.line}: a figure without alt:")
        self.drawn += 1
        (path,) = vf.plots.save(figure, self.out / "figures" / f"{self.name}-{self.drawn}", ["svg"], alt=one.alt, close=True)
        return f'<figure><img src="figures/{path.name}" alt="{escape(one.alt)}" loading="lazy"></figure>'


def _to(link: str) -> str:
    """Where a link of a page leads on the site: pages are there as HTML, decisions as they are."""
    name, hash_, part = link.partition("#")
    if ":" not in link and name.endswith(".md") and "/" not in name:
        name = name.removesuffix(".md") + ".html"
    return name + hash_ + part


def build(out: Path) -> list[Path]:
    """Write every page, whole or not at all."""
    with tempfile.TemporaryDirectory() as folder:
        made, desk = Path(folder) / "docs", Path(folder) / "desk"
        made.mkdir()
        desk.mkdir()
        template = Environment(loader=FileSystemLoader(DOCS), autoescape=True).get_template("page.html")
        reference = Reference()

        def write(name: str, title: str, body: str, current: str) -> None:
            text = template.render(title=title, body=body, pages=PAGES, current=current, version=vf.__version__)
            (made / name).write_text(text, encoding="utf-8")

        for name in PAGES:
            with tempfile.TemporaryDirectory(dir=desk) as at, examples.desk(Path(at)):
                body = Page(name, made).html()
            body += {"reference": reference.index, "methods": reference.methods}.get(name, str)()
            title = re.sub(r"<[^>]+>", "", body.partition("</h1>")[0]).strip()
            write(f"{name}.html", title, body, name)
        for module in MODULES:
            write(page_of(module), f"vfmeta.{module}".rstrip("."), reference.page(module), "reference")
        shutil.copy(STYLE, made / "style.css")
        shutil.copy(DOCS / "docs.css", made / "docs.css")
        shutil.copytree(DOCS / "data", made / "data")
        shutil.copytree(DOCS / "decisions", made / "decisions")
        shutil.rmtree(out, ignore_errors=True)
        out.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(made, out)
    return sorted(out.glob("*.html"))


if __name__ == "__main__":
    target = Path(sys.argv[1] if len(sys.argv) > 1 else "build/docs")
    pages = build(target.absolute())
    print(f"{len(pages)} pages: {target / 'index.html'}")

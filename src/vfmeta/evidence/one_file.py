"""All pages in one file that can be mailed: nothing is fetched, and every link inside it leads to a place inside it."""

from __future__ import annotations

import re
from collections.abc import Mapping

#: no page of a plan can have it: identifiers hold no hyphen
NAME = "one-file.html"
_SCRIPT = re.compile(r'<script src="[^"]*" defer></script>')
_FILES = re.compile(r'<span class="files">.*?</span>', re.DOTALL)
#: figures for statisticians, of many points each: all together they weigh more than the rest of the file
_HEAVY = re.compile(r'(<figure class="multiverse">).*?(?=<figcaption>)', re.DOTALL)
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:"


def one_file(pages: Mapping[str, str], style: str, scripts: Mapping[str, str]) -> str:
    """The pages under one another in the frame of the first.

    Parameters
    ----------
    pages : mapping of str to str
        Pages by file name, the first screen first.
    style : str
    scripts : mapping of str to str
        What pages link to, by file name, and the file holds.
    """
    first = next(iter(pages.values()))
    articles = [_article(name.removesuffix(".html"), page, set(pages)) for name, page in pages.items()]
    before, rest = first.split('<main id="main">', 1)
    after = rest.split("</main>", 1)[1]
    head = before.replace('<link rel="stylesheet" href="style.css">', f"<style>\n{style}</style>")
    head = _without(_SCRIPT, head)
    head = head.replace(
        '<meta charset="utf-8">', f'<meta charset="utf-8">\n<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
    )
    head = _inner(head, "index", set(pages))
    held = "".join(f"<script>\n{script}</script>\n" for script in scripts.values())
    end = _inner(after, "index", set(pages)).replace("</body>", f"{held}</body>")
    return f'{head}<main id="main">\n' + "\n".join(articles) + f"\n</main>{end}"


def elsewhere(name: str) -> str:
    """What stands in the place of a figure that this file leaves out."""
    return f"This figure is not in this file, which it would make too large to be mailed; it stands in {name}.html of the site."


def _article(name: str, page: str, files: set[str]) -> str:
    body = page.split('<main id="main">', 1)[1].split("</main>", 1)[0]
    body = _without(_SCRIPT, body)
    body = _HEAVY.sub(rf"\1<p>{elsewhere(name)}</p>", body)
    body = _without(_FILES, body)
    body = re.sub(r'(\sid|\sdata-from)="([^"]+)"', rf'\1="{name}--\2"', body)
    body = re.sub(r"url\(#", f"url(#{name}--", body)
    if name != "index":  # the file has one heading of the first order
        body = re.sub(r"<(/?)h([1-5])\b", lambda m: f"<{m[1]}h{int(m[2]) + 1}", body)
    return f'<article id="{name}">{_inner(body, name, files)}</article>'


def _without(part: re.Pattern[str], markup: str) -> str:
    """The markup without such parts, and without the blanks before each."""
    kept, at = [], 0
    for found in part.finditer(markup):
        kept.append(markup[at : found.start()].rstrip())
        at = found.end()
    return "".join([*kept, markup[at:]])


def _inner(markup: str, name: str, files: set[str]) -> str:
    """Links between pages as links inside the file; to what lies beside the pages and does not come along, none."""

    def turned(found: re.Match[str]) -> str:
        to, words = found[2], found[0]
        if re.match(r"https?://|data:", to):
            return words
        file, _, anchor = to.partition("#")
        if not file:
            target = anchor if anchor == "main" else f"{name}--{anchor}"
        elif file in files:
            page = file.removesuffix(".html")
            target = f"{page}--{anchor}" if anchor else page
        else:
            return f"{found[1]}{found[3]}"
        return f'{found[1]} href="#{target}"{found[3]}'

    return re.sub(r'(<(?:a|use|link)\b[^>]*?) href="([^"]*)"([^>]*>)', turned, markup)

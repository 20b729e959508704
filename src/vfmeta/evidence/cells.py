"""Tables that become cards on a phone: each cell carries the heading of its column, which is then written before it."""

from __future__ import annotations

import html
import re

_TABLE = re.compile(r"<table.*?</table>", re.DOTALL)
_HEAD = re.compile(r"<thead>.*?</thead>", re.DOTALL)
_ROW = re.compile(r"<tr\b.*?</tr>", re.DOTALL)
_CELL = re.compile(r"<(t[hd])\b([^>]*)>")


def labelled(page: str) -> str:
    """The page with ``data-of`` on every cell of every table that has a head; headings that stand there already stay."""
    return _TABLE.sub(_table, page)


def _table(found: re.Match[str]) -> str:
    table = found[0]
    head = _HEAD.search(table)
    if head is None:
        return table
    names = [_text(x) for x in re.findall(r"<th\b[^>]*>(.*?)</th>", head[0], re.DOTALL)]
    before, after = table[: head.end()], table[head.end() :]
    return before + _ROW.sub(lambda row: _row(row[0], names), after)


def _row(row: str, names: list[str]) -> str:
    at = 0

    def cell(found: re.Match[str]) -> str:
        nonlocal at
        kind, attributes = found.groups()
        spans = re.search(r'colspan="(\d+)"', attributes)
        here, at = at, at + (int(spans[1]) if spans else 1)
        if kind == "th" or spans or "data-of=" in attributes or here >= len(names):
            return found[0]
        return f'<td{attributes} data-of="{names[here]}">'

    return _CELL.sub(cell, row)


def _text(markup: str) -> str:
    return html.escape(html.unescape(re.sub(r"<[^>]+>", "", markup)).strip())

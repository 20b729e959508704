"""One table as a Word file: the few parts of Office Open XML (ECMA-376) that it takes, the same bytes every time."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from xml.sax.saxutils import escape

_W = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
_TYPES = "application/vnd.openxmlformats-officedocument.wordprocessingml"
_REL = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006/relationships"
_HEAD = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>'
_PARTS = {
    "[Content_Types].xml": (
        f'{_HEAD}<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
        '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        '<Default Extension="xml" ContentType="application/xml"/>'
        f'<Override PartName="/word/document.xml" ContentType="{_TYPES}.document.main+xml"/>'
        f'<Override PartName="/word/styles.xml" ContentType="{_TYPES}.styles+xml"/></Types>'
    ),
    "_rels/.rels": (
        f'{_HEAD}<Relationships xmlns="{_PACKAGE}"><Relationship Id="rId1" Type="{_REL}/officeDocument" '
        'Target="word/document.xml"/></Relationships>'
    ),
    "word/_rels/document.xml.rels": (
        f'{_HEAD}<Relationships xmlns="{_PACKAGE}"><Relationship Id="rId1" Type="{_REL}/styles" Target="styles.xml"/>'
        "</Relationships>"
    ),
    "word/styles.xml": (
        f'{_HEAD}<w:styles xmlns:w="{_W}">'
        '<w:style w:type="paragraph" w:default="1" w:styleId="Normal"><w:name w:val="Normal"/><w:rPr><w:sz w:val="18"/></w:rPr>'
        '</w:style><w:style w:type="paragraph" w:styleId="Heading1"><w:name w:val="heading 1"/>'
        '<w:pPr><w:keepNext/><w:outlineLvl w:val="0"/></w:pPr><w:rPr><w:b/><w:sz w:val="26"/></w:rPr></w:style></w:styles>'
    ),
}  # fmt: skip
_BORDERS = "".join(f'<w:{side} w:val="single" w:sz="4" w:color="808080"/>' for side in ("top", "bottom", "insideH"))
_MARGINS = '<w:pgMar w:top="850" w:right="850" w:bottom="850" w:left="850"/>'
_LANDSCAPE = f'<w:sectPr><w:pgSz w:w="16838" w:h="11906" w:orient="landscape"/>{_MARGINS}</w:sectPr>'
_PORTRAIT = f'<w:sectPr><w:pgSz w:w="11906" w:h="16838"/>{_MARGINS}</w:sectPr>'


def document(
    title: str, header: Sequence[str], rows: Sequence[Sequence[str]], notes: Sequence[str] = (), *, landscape: bool = False
) -> bytes:
    """A heading, a table whose first row is repeated on every page (none where it is empty), and lines below it."""
    grid = '<w:gridCol w:w="1890"/>' * len(header)
    head = _row(header, head=True) if any(header) else ""
    table = (
        f'<w:tbl><w:tblPr><w:tblW w:w="5000" w:type="pct"/><w:tblBorders>{_BORDERS}</w:tblBorders></w:tblPr>'
        f"<w:tblGrid>{grid}</w:tblGrid>{head}{''.join(_row(x) for x in rows)}</w:tbl>"
    )
    body = _paragraph(title, "Heading1") + (table if rows else "") + "".join(_paragraph(x) for x in ("", *notes))
    page = _LANDSCAPE if landscape else _PORTRAIT
    parts = _PARTS | {"word/document.xml": f'{_HEAD}<w:document xmlns:w="{_W}"><w:body>{body}{page}</w:body></w:document>'}
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as file:
        for name, text in parts.items():
            file.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), text.encode(), zipfile.ZIP_DEFLATED)
    return packed.getvalue()


def _row(cells: Sequence[str], *, head: bool = False) -> str:
    own = "<w:trPr><w:cantSplit/><w:tblHeader/></w:trPr>" if head else "<w:trPr><w:cantSplit/></w:trPr>"
    return f"<w:tr>{own}{''.join(f'<w:tc>{_paragraph(x, bold=head)}</w:tc>' for x in cells)}</w:tr>"


def _paragraph(text: str, style: str = "", *, bold: bool = False) -> str:
    kind = f'<w:pPr><w:pStyle w:val="{style}"/></w:pPr>' if style else ""
    look = "<w:rPr><w:b/></w:rPr>" if bold else ""
    clean = "".join(c for c in text if c >= " " or c in "\t\n")  # what XML 1.0 has no place for
    return f'<w:p>{kind}<w:r>{look}<w:t xml:space="preserve">{escape(clean)}</w:t></w:r></w:p>'


__all__ = ["document"]

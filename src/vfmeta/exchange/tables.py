"""A summary of findings as HTML, CSV and LaTeX."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from vfmeta.core.files import write
from vfmeta.results.findings import COLUMNS, letter
from vfmeta.text.csv_cells import as_csv

if TYPE_CHECKING:
    from vfmeta.results.findings import SummaryOfFindings

_LATEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "−": "$-$", "⊕": r"$\oplus$", "⊝": r"$\ominus$",
    "²": r"\textsuperscript{2}",
    "β": r"$\beta$", "τ": r"$\tau$", "<": r"\textless{}", ">": r"\textgreater{}",
}  # fmt: skip


def to_html(found: SummaryOfFindings) -> str:
    """A table with caption, headings and footnotes.

    Parameters
    ----------
    found : SummaryOfFindings
    """
    head = "".join(f'<th scope="col">{escape(x)}</th>' for x in COLUMNS)
    body = "".join(
        f'<tr><th scope="row">{escape(first)}</th>{"".join(f"<td>{escape(x)}</td>" for x in rest)}</tr>'
        for first, *rest in found.cells()
    )
    foot = "".join(f"<li>{escape(x)}</li>" for x in found.notes)
    return (
        f'<table class="findings"><caption>Summary of findings: {escape(found.title)}</caption><thead><tr>{head}</tr></thead>'
        f'<tbody>{body}</tbody></table><ol type="a" class="footnotes">{foot}</ol>'
    )


def to_csv(found: SummaryOfFindings) -> str:
    """The table as CSV, with the footnotes below it.

    Parameters
    ----------
    found : SummaryOfFindings
    """
    empty = [""] * (len(COLUMNS) - 2)
    notes = [[f"[{letter(i)}]", x, *empty] for i, x in enumerate(found.notes)]
    return as_csv(COLUMNS, [*found.cells(), *notes])


def to_latex(found: SummaryOfFindings) -> str:
    """The table for LaTeX, of the packages booktabs and tabularx, with the footnotes below it.

    Parameters
    ----------
    found : SummaryOfFindings
    """
    rows = [" & ".join(map(_tex, row)) + r" \\" for row in (COLUMNS, *found.cells())]
    columns = len(COLUMNS) * r">{\raggedright\arraybackslash}X"
    notes = [rf"\par {{[{letter(i)}]}} {_tex(x)}" for i, x in enumerate(found.notes)]
    return "\n".join([
        r"\begin{table}", rf"\caption{{Summary of findings: {_tex(found.title)}}}", r"\footnotesize",
        rf"\begin{{tabularx}}{{\linewidth}}{{{columns}}}", r"\toprule", rows[0], r"\midrule", *rows[1:], r"\bottomrule",
        r"\end{tabularx}", *notes, r"\end{table}", "",
    ])  # fmt: skip


def to_docx(found: SummaryOfFindings, path: str | Path) -> Path:
    """Write the table as a Word file, on a page of landscape, and return its path.

    Parameters
    ----------
    found : SummaryOfFindings
    path : str or path
    """
    from vfmeta.exchange.word import document

    notes = [f"[{letter(i)}] {x}" for i, x in enumerate(found.notes)]
    target = Path(path)
    write(target, document(f"Summary of findings: {found.title}", COLUMNS, found.cells(), notes))
    return target


def _tex(text: str) -> str:
    # braces, for a number or bracket at the start of a cell is taken for an argument by some readers
    return ("{}" if text[:1].isdigit() or text[:1] == "[" else "") + "".join(_LATEX.get(x, x) for x in text)


__all__ = ["to_csv", "to_docx", "to_html", "to_latex"]

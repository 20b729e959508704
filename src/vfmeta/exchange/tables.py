"""The one writer of tables: whatever is shown as a table, as HTML, CSV, LaTeX and Word."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from vfmeta.core.files import write
from vfmeta.text.csv_cells import as_csv

if TYPE_CHECKING:
    from vfmeta.results.shown import Displayed

_LATEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "−": "$-$", "⊕": r"$\oplus$", "⊝": r"$\ominus$",
    "²": r"\textsuperscript{2}", "∞": r"$\infty$", "≤": r"$\le$", "≥": r"$\ge$", "±": r"$\pm$", "×": r"$\times$",
    "β": r"$\beta$", "τ": r"$\tau$", "<": r"\textless{}", ">": r"\textgreater{}",
}  # fmt: skip
_PORTRAIT = 6  # columns that a page held upright has room for


def to_html(shown: Displayed) -> str:
    """A table with its caption and headings, and a paragraph a sentence below it.

    Parameters
    ----------
    shown : result, effect table or anything that is shown as a table
    """
    return shown._written().html()


def to_csv(shown: Displayed) -> str:
    """The numbers of the table as CSV, ten digits each, on the scale that its column ``scale`` names.

    A table of words (a summary of findings) is written as it is read, with its footnotes below it.

    Parameters
    ----------
    shown : result, effect table or anything that is shown as a table
    """
    table = shown._written()
    if table.frame is not None:
        known = table.frame.astype(object).where(table.frame.notna(), None)
        return as_csv([str(c) for c in known.columns], [[_plain(x) for x in row] for row in known.itertuples(index=False)])
    width = max(len(table.columns), 1)
    return as_csv(table.columns, [*table.rows, *([x, *[""] * (width - 1)] for x in table.lines)])


def to_latex(shown: Displayed) -> str:
    """The table for LaTeX, of the packages booktabs and tabularx, with what is said of it below.

    Parameters
    ----------
    shown : result, effect table or anything that is shown as a table
    """
    table = shown._written()
    rows = [" & ".join(map(_tex, row)) + r" \\" for row in table.rows]
    head = [" & ".join(map(_tex, table.columns)) + r" \\", r"\midrule"] if any(table.columns) else []
    columns = len(table.columns) * r">{\raggedright\arraybackslash}X"
    body = [rf"\begin{{tabularx}}{{\linewidth}}{{{columns}}}", r"\toprule", *head, *rows, r"\bottomrule", r"\end{tabularx}"]
    return "\n".join([
        r"\begin{table}", rf"\caption{{{_tex(table.head)}}}", r"\footnotesize", *(body if rows else []),
        *(rf"\par {{{_tex(x)}}}" for x in table.lines), r"\end{table}", "",
    ])  # fmt: skip


def to_docx(shown: Displayed, path: str | Path) -> Path:
    """Write the table as a Word file and return its path; the page lies on its side where columns are many.

    Parameters
    ----------
    shown : result, effect table or anything that is shown as a table
    path : str or path
    """
    from vfmeta.exchange.word import document

    table, target = shown._written(), Path(path)
    wide = len(table.columns) > _PORTRAIT
    write(target, document(table.head, table.columns, table.rows, table.lines, landscape=wide))
    return target


def _plain(value: object) -> object:
    return value.item() if hasattr(value, "item") else value


def _tex(text: str) -> str:
    # braces, for a number or bracket at the start of a cell is taken for an argument by some readers
    return ("{}" if text[:1].isdigit() or text[:1] == "[" else "") + "".join(_LATEX.get(x, x) for x in text)


__all__ = ["to_csv", "to_docx", "to_html", "to_latex"]

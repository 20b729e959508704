"""The one writer of tables: whatever is shown as a table, as HTML, CSV, LaTeX and Word."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from vfmeta.core.files import write
from vfmeta.core.messages import InputError, kind_of
from vfmeta.results.shown import Shown, cells_of
from vfmeta.text.csv_cells import as_csv

_LATEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "−": "$-$", "⊕": r"$\oplus$", "⊝": r"$\ominus$",
    "²": r"\textsuperscript{2}", "∞": r"$\infty$", "≤": r"$\le$", "≥": r"$\ge$", "±": r"$\pm$", "×": r"$\times$",
    "β": r"$\beta$", "τ": r"$\tau$", "<": r"\textless{}", ">": r"\textgreater{}",
}  # fmt: skip
_PORTRAIT = 6  # columns that a page held upright has room for


def save_table(data: Any, path: str | Path, *, title: str = "") -> Path:
    """Write a table as a Word file, LaTeX, HTML or CSV, by the ending of its name.

    Parameters
    ----------
    data : result, effect table, review or data frame
        Whatever is shown as a table: a pool with its studies, coefficients, an effect table, what `vf.leave_one_out` and other
        verbs return.
    path : str or path
        Ending in .docx, .tex, .html or .csv.
    title : str
        Caption of a data frame, which has none of its own.

    Returns
    -------
    path
        The file, written whole or not at all.

    Raises
    ------
    InputError
        Another ending, or nothing that is a table.

    Examples
    --------
    >>> import pathlib, tempfile, vfmeta as vf
    >>> fit = vf.common_effect(y=[-0.5, -0.3, -0.8], se=[0.2, 0.15, 0.3], study=["A", "B", "C"])
    >>> path = vf.save_table(vf.leave_one_out(fit), pathlib.Path(tempfile.mkdtemp()) / "without.csv")
    >>> path.read_text().splitlines()[0].split(",")[:3]
    ['study', 'k', 'estimate']
    """
    target = Path(path)
    made = {".html": to_html, ".csv": to_csv, ".tex": to_latex}
    ending = target.suffix.lower()
    if ending not in (*made, ".docx"):
        raise InputError(f"{target.name}: tables are written to names that end in .docx, {', '.join(made)}.")
    table = _Titled(_table(data), title)
    if ending == ".docx":
        return to_docx(table, target)
    head = '<!doctype html>\n<meta charset="utf-8">\n' if ending == ".html" else ""  # a file says how it is written
    write(target, head + made[ending](table))
    return target


class _Titled:
    """A table under the title it was given."""

    def __init__(self, table: Shown, title: str) -> None:
        self.table = replace(table, head=title) if title else table

    def _written(self) -> Shown:
        return self.table


def _table(shown: Any) -> Shown:
    """What is to be written."""
    if hasattr(shown, "_written"):
        return shown._written()
    import pandas as pd

    if not isinstance(shown, pd.DataFrame):
        raise InputError(f"{kind_of(shown, 'A')} is no table; give a result, an effect table or a data frame.")
    columns, rows = cells_of(shown)
    return Shown("", columns, rows, tuple(shown.attrs.get("notes", ())), shown)


def to_html(shown: Any) -> str:
    """A table with its caption and headings, and a paragraph a sentence below it.

    Parameters
    ----------
    shown : result, effect table, data frame or anything that is shown as a table
    """
    return _table(shown).html()


def to_csv(shown: Any) -> str:
    """The numbers of the table as CSV, ten digits each, on the scale that its column ``scale`` names.

    A table of words (a summary of findings) is written as it is read, with its footnotes below it.

    Parameters
    ----------
    shown : result, effect table, data frame or anything that is shown as a table
    """
    table = _table(shown)
    if table.frame is not None:
        known = table.frame.astype(object).where(table.frame.notna(), None)
        return as_csv([str(c) for c in known.columns], [[_plain(x) for x in row] for row in known.itertuples(index=False)])
    width = max(len(table.columns), 1)
    return as_csv(table.columns, [*table.rows, *([x, *[""] * (width - 1)] for x in table.lines)])


def to_latex(shown: Any) -> str:
    """The table for LaTeX, of the packages booktabs and tabularx, with what is said of it below.

    Parameters
    ----------
    shown : result, effect table, data frame or anything that is shown as a table
    """
    table = _table(shown)
    rows = [" & ".join(map(_tex, row)) + r" \\" for row in table.rows]
    head = [" & ".join(map(_tex, table.columns)) + r" \\", r"\midrule"] if any(table.columns) else []
    columns = len(table.columns) * r">{\raggedright\arraybackslash}X"
    body = [rf"\begin{{tabularx}}{{\linewidth}}{{{columns}}}", r"\toprule", *head, *rows, r"\bottomrule", r"\end{tabularx}"]
    return "\n".join([
        r"\begin{table}", rf"\caption{{{_tex(table.head)}}}", r"\footnotesize", *(body if rows else []),
        *(rf"\par {{{_tex(x)}}}" for x in table.lines), r"\end{table}", "",
    ])  # fmt: skip


def to_docx(shown: Any, path: str | Path) -> Path:
    """Write the table as a Word file and return its path; the page lies on its side where columns are many.

    Parameters
    ----------
    shown : result, effect table, data frame or anything that is shown as a table
    path : str or path
    """
    from vfmeta.exchange.word import document

    table, target = _table(shown), Path(path)
    wide = len(table.columns) > _PORTRAIT
    write(target, document(table.head, table.columns, table.rows, table.lines, landscape=wide))
    return target


def _plain(value: object) -> object:
    return value.item() if hasattr(value, "item") else value


def _tex(text: str) -> str:
    # braces, for a number or bracket at the start of a cell is taken for an argument by some readers
    return ("{}" if text[:1].isdigit() or text[:1] == "[" else "") + "".join(_LATEX.get(x, x) for x in text)


__all__ = ["save_table", "to_csv", "to_docx", "to_html", "to_latex"]

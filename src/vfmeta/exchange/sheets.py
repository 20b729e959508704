"""Spreadsheets and tables of data as they stand in files: cells as they were written, nothing guessed about what they mean.

A cell of a text file is text, and an empty one None; "NA", "None" and "007" stay what they are until it is known what a column
holds (`vfmeta.effects.sheet` decides).
"""

from __future__ import annotations

import csv
import io
import json
import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vfmeta.core.messages import InputError, did_you_mean, warn
from vfmeta.exchange.guarded import members
from vfmeta.text.csv_cells import as_meant

if TYPE_CHECKING:
    import pandas as pd

_SEPARATORS = ("\t", ";", ",", "|")


def refuse_sheet(path: Path, sheet: str | None) -> None:
    """An error where a sheet of a review is asked for."""
    if sheet is not None:
        raise InputError(f"{path.name}: a review has analyses and no sheets; pick one by its number, review['1.1'].")


def there(source: str | Path) -> Path:
    """The path of a file, which must be there."""
    path = Path(source)
    if path.is_dir():
        raise InputError(f"{path} is a folder; name a file in it.")
    if not path.is_file():
        raise InputError(f"There is no file {path}.")
    return path


def delimited(path: Path, *, sheet: str | None = None) -> pd.DataFrame:
    """A table of text: CSV with commas or semicolons, TSV, or parted by "|"; which, the line of names says."""
    _no_sheet(path, sheet)
    text = decoded(path)
    lines = text.split("\n", 1)
    separator = None
    if lines[0].lower().startswith("sep=") and len(lines[0].strip()) <= 5:  # Excel writes it to say what parts cells
        separator, text = lines[0].rstrip("\r\n")[4:5] or "\t", lines[1] if len(lines) > 1 else ""
    separator = separator or _separator(text)
    try:
        rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True))
    except csv.Error as error:
        raise InputError(f"{path.name}: not a table of text ({error}); check its quotation marks.") from error
    return frame_of(path.name, [[as_meant(cell) if cell.strip() else None for cell in row] for row in rows])


def workbook(path: Path, *, sheet: str | None = None) -> pd.DataFrame:
    """One sheet of an Excel workbook: the only one that holds anything, or the one named."""
    try:
        import openpyxl
    except ImportError as error:
        raise InputError(f"{path.name}: Excel files are read by openpyxl; install it, or save the sheet as CSV.") from error
    if not zipfile.is_zipfile(path):
        raise InputError(f"{path.name}: not an Excel workbook (.xlsx). Save it again, or as CSV.")
    members(path, lambda name: False)  # looked through before anything is unpacked
    try:
        shown = openpyxl.load_workbook(path, read_only=True, data_only=True)
        written = openpyxl.load_workbook(path, read_only=True, data_only=False)
    except Exception as error:  # openpyxl lets whatever goes wrong inside through
        raise InputError(f"{path.name}: not an Excel workbook that can be read ({error}). Save it again, or as CSV.") from error
    try:
        filled = {s.title: list(s.iter_rows(values_only=True)) for s in shown.worksheets}
        filled = {name: rows for name, rows in filled.items() if any(x is not None for row in rows for x in row)}
        name = _chosen(path, sheet, list(filled))
        formulas = written[name].iter_rows()
        lost = [c.coordinate for row, own in zip(filled[name], formulas, strict=False)
                for value, c in zip(row, own, strict=False) if value is None and c.data_type == "f"]  # fmt: skip
    finally:
        shown.close()
        written.close()
    if lost:
        more = f" and {len(lost) - 10} more" if len(lost) > 10 else ""
        raise InputError(
            f"{path.name}, sheet {name!r}: the formulas of {', '.join(lost[:10])}{more} were saved without their results; open "
            "the file in a spreadsheet program and save it, or paste the values."
        )
    return frame_of(path.name, [[_blank(x) for x in row] for row in filled[name]])


def records(path: Path, *, sheet: str | None = None) -> pd.DataFrame:
    """A table in JSON: a list of rows, a mapping of columns, or one of these under the only key (``{"data": [...]}``)."""
    _no_sheet(path, sheet)
    return table_of_json(path.name, parsed(path))


def parsed(path: Path) -> Any:
    """What a JSON file holds; a broken one is named with its line."""
    try:
        return json.loads(decoded(path))
    except (json.JSONDecodeError, RecursionError) as error:
        raise InputError(f"{path.name}: not JSON ({error}).") from error


def table_of_json(name: str, found: Any) -> pd.DataFrame:
    """The table that parsed JSON holds."""
    import pandas as pd

    if isinstance(found, dict) and {"columns", "data"} <= found.keys():
        return frame_of(name, [found["columns"], *found["data"]])
    while isinstance(found, dict) and len(found) == 1 and isinstance(next(iter(found.values())), (list, dict)):
        inner = next(iter(found.values()))
        if isinstance(inner, list) and not all(isinstance(x, dict) for x in inner):
            break
        found = inner
    if isinstance(found, list) and found and all(isinstance(row, dict) for row in found):
        columns = list(dict.fromkeys(key for row in found for key in row))
        cells = [[row.get(c) for c in columns] for row in found]
    elif isinstance(found, dict) and found and all(isinstance(x, list) for x in found.values()):
        columns, lengths = list(found), {len(x) for x in found.values()}
        if len(lengths) > 1:
            raise InputError(f"{name}: its columns differ in length ({', '.join(map(str, sorted(lengths)))}).")
        cells = list(map(list, zip(*found.values(), strict=True)))
    else:
        raise InputError(f"{name}: this JSON holds no table; give a list of rows or a mapping of columns.")
    nested = next(((i, c) for i, row in enumerate(cells) for c, x in zip(columns, row, strict=True)
                   if isinstance(x, (list, dict))), None)  # fmt: skip
    if nested:
        raise InputError(f"{name}, row {nested[0] + 1}, column {nested[1]}: a list stands where one value must.")
    return pd.DataFrame(cells, columns=columns, dtype=object).map(_blank)


def parquet(path: Path, *, sheet: str | None = None) -> pd.DataFrame:
    """A table in parquet; its columns keep the types they were written with."""
    import pandas as pd

    _no_sheet(path, sheet)
    try:
        return pd.read_parquet(path)
    except ImportError as error:
        raise InputError(f"{path.name}: parquet files are read by pyarrow; install it, or save the table as CSV.") from error
    except Exception as error:  # pyarrow's errors have many parents
        raise InputError(f"{path.name}: not a parquet file that can be read ({error}).") from error


def frame_of(name: str, rows: Iterable[Sequence[Any]]) -> pd.DataFrame:
    """Rows of cells as a frame: the first row that holds anything names the columns, empty rows and columns go."""
    import pandas as pd

    kept = [list(row) for row in rows]
    numbered = [(i + 1, row) for i, row in enumerate(kept) if any(x is not None for x in row)]
    if not numbered:
        raise InputError(f"{name}: there is nothing in it.")
    numbered = _one_line_of_names(name, numbered)
    at, head = numbered[0]
    width = max(len(row) for _, row in numbered)
    full = [row + [None] * (width - len(row)) for _, row in numbered[1:]]
    used = [j for j in range(width) if (j < len(head) and head[j] is not None) or any(row[j] is not None for row in full)]
    if used and used[0] == 0 and head[0] is None and [str(row[0]) for row in full] == [str(i + 1) for i in range(len(full))]:
        used = used[1:]  # row numbers, as R's write.csv puts them in front
    names = [str(head[j]).strip() if j < len(head) and head[j] is not None else "" for j in used]
    problems = [
        f"{name}, line {line}: {len(row)} cells under {len(head)} names; one cell a column, text with a separator in quotation "
        "marks."
        for line, row in numbered[1:]
        if any(x is not None for x in row[len(head) :])
    ]
    if not problems:
        problems += [f"{name}, line {at}, column {j + 1}: no name; every column that holds something needs one."
                     for j, found in zip(used, names, strict=True) if not found]  # fmt: skip
    twice = [x for x in dict.fromkeys(names) if x and names.count(x) > 1]
    problems += [f"{name}: two columns are called {x!r}; rename one of them." for x in twice]
    if problems:
        raise InputError(problems)
    if not full:
        raise InputError(f"{name}: a line of names and no row below it.")
    return pd.DataFrame([[row[j] for j in used] for row in full], columns=names, dtype=object)


def _one_line_of_names(name: str, numbered: list[tuple[int, list[Any]]]) -> list[tuple[int, list[Any]]]:
    """Rows below a title, refused; and names in two lines, groups above and statistics below, as one line."""
    if len(numbered) < 2:
        return numbered
    (at, head), (below, second) = numbered[:2]
    filled = [j for j, x in enumerate(head) if x is not None]
    under = [j for j, x in enumerate(second) if x is not None]
    if len(filled) == 1 and len(under) > 1 and filled[0] <= under[0]:
        raise InputError(
            f"{name}, line {at}: {str(head[filled[0]])!r} stands alone. Is there a title above the line of names? Remove it, "
            "so that the first line names the columns."
        )
    gaps = [j for j in under if j >= len(head) or head[j] is None]
    if (
        len(numbered) < 3
        or not gaps
        or not all(x is None or (isinstance(x, str) and not any(c.isdigit() for c in x)) for x in second)
    ):
        return numbered
    made, group = [], ""
    for j in range(max(len(head), len(second))):
        top = head[j] if j < len(head) else None
        own = second[j] if j < len(second) else None
        group = str(top).strip() if top is not None else group
        made.append(f"{group} {str(own).strip()}" if own is not None else str(top).strip() if top is not None else None)
    shown = ", ".join(repr(x) for x in made if x)
    warn(f"{name}: the names of the columns stand in lines {at} and {below} and are read as {shown}.")
    return [(below, made), *numbered[2:]]


def _blank(value: Any) -> Any:
    return None if isinstance(value, str) and not value.strip() else value


def _no_sheet(path: Path, sheet: str | None) -> None:
    if sheet is not None:
        raise InputError(f"{path.name} is no workbook: it has no sheets to choose from; leave sheet= out.")


def _chosen(path: Path, sheet: str | None, filled: list[str]) -> str:
    if not filled:
        raise InputError(f"{path.name}: there is nothing in it.")
    if sheet is None and len(filled) == 1:
        return filled[0]
    has = ", ".join(map(repr, filled))
    if sheet is None:
        raise InputError(f"{path.name} has several sheets that hold something: {has}; name one, such as sheet={filled[0]!r}.")
    if sheet not in filled:
        raise InputError(f"{path.name} has no filled sheet {sheet!r}.{did_you_mean(sheet, filled)} It has {has}.")
    return sheet


def decoded(path: Path) -> str:
    """The text of a file, whatever it is written in."""
    body = path.read_bytes()
    for mark, encoding in ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16")):
        if body.startswith(mark):
            try:
                return body.decode(encoding)
            except UnicodeDecodeError as error:
                raise InputError(f"{path.name}: it begins as {encoding} and is not ({error}). Save it as UTF-8.") from error
    if b"\0" in body:
        raise InputError(f"{path.name}: not a text file. Save it as CSV in UTF-8, or give it the ending of what it is.")
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError:
        warn(f"{path.name} is not in UTF-8 and is read as Windows-1252; check names with accents, or save it as UTF-8.")
        return body.decode("cp1252", errors="replace")


def _separator(text: str) -> str:
    """What parts the cells of the line of names; a comma where there is one name only."""
    head = next((line for line in text.splitlines() if line.strip()), "")
    quoted = False
    counts = dict.fromkeys(_SEPARATORS, 0)
    for x in head:
        quoted ^= x == '"'
        if not quoted and x in counts:
            counts[x] += 1
    best = max(counts, key=lambda x: counts[x])
    return best if counts[best] else ","

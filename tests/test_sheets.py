"""Files of tables: what stands in them comes in as it was written, and what is broken is named with its place."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

import vfmeta as vf
from vfmeta.exchange import opening

ROWS = [("A", "None", "007", "1.5"), ("B", "NA", "010", "2")]


def test_every_format_resolves_to_a_function() -> None:
    for where in (*opening.FORMATS.values(), *opening.JSON_KEYS.values()):
        assert callable(opening._function(where))


@pytest.mark.parametrize(("ending", "separator"), [(".csv", ","), (".csv", ";"), (".tsv", "\t"), (".txt", "|")])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_names_stay_names_and_codes_stay_text(tmp_path: Path, ending: str, separator: str, encoding: str) -> None:
    file = tmp_path / f"my{ending}"
    file.write_text("\n".join(separator.join(row) for row in [("study", "arm", "code", "y"), *ROWS]), encoding=encoding)
    frame = opening.opened(file)
    assert frame.values.tolist() == [list(row) for row in ROWS]


def test_a_line_that_names_the_separator_is_no_row(tmp_path: Path) -> None:
    file = tmp_path / "excel.csv"
    file.write_text("sep=;\r\nstudy;y\r\nA;1,5\r\n")
    assert opening.opened(file).to_dict("list") == {"study": ["A"], "y": ["1,5"]}


def test_the_same_table_from_workbook_json_and_parquet(tmp_path: Path) -> None:
    pytest.importorskip("openpyxl")
    frame = pd.DataFrame({"study": ["A", "B"], "arm": ["None", "NA"], "n": [10, 20]})
    frame.to_excel(tmp_path / "a.xlsx", index=False)
    frame.to_parquet(tmp_path / "a.parquet")
    (tmp_path / "rows.json").write_text(frame.to_json(orient="records"))
    (tmp_path / "columns.json").write_text(json.dumps(frame.to_dict("list")))
    (tmp_path / "split.json").write_text(frame.to_json(orient="split", index=False))
    (tmp_path / "wrapped.json").write_text(json.dumps({"data": frame.to_dict("records")}))
    for file in sorted(tmp_path.iterdir()):
        assert opening.opened(file).to_dict("list") == frame.to_dict("list"), file.name


def test_a_workbook_says_which_sheets_it_has(tmp_path: Path) -> None:
    pytest.importorskip("openpyxl")
    file = tmp_path / "two.xlsx"
    with pd.ExcelWriter(file) as book:
        pd.DataFrame({"study": ["A"]}).to_excel(book, sheet_name="pain", index=False)
        pd.DataFrame({"study": ["B"]}).to_excel(book, sheet_name="harm", index=False)
        pd.DataFrame().to_excel(book, sheet_name="empty", index=False)
    with pytest.raises(vf.InputError, match="'pain', 'harm'; name one, such as sheet='pain'"):
        opening.opened(file)
    with pytest.raises(vf.InputError, match="Did you mean 'harm'"):
        opening.opened(file, sheet="harms")
    assert opening.opened(file, sheet="harm")["study"].tolist() == ["B"]


def test_a_formula_without_its_result_is_named(tmp_path: Path) -> None:
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    for row in (["study", "y"], ["A", "=1+1"]):
        book.active.append(row)
    book.save(tmp_path / "formula.xlsx")
    with pytest.raises(vf.InputError, match="formulas of B2 were saved without their results"):
        opening.opened(tmp_path / "formula.xlsx")


def test_row_numbers_that_r_puts_in_front_are_no_column(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text('"","study","y"\n"1","A",2\n"2","B",3\n', encoding="utf-8")
    assert opening.opened(tmp_path / "a.csv").to_dict("list") == {"study": ["A", "B"], "y": ["2", "3"]}
    (tmp_path / "a.csv").write_text('"","y"\n"A",2\n"B",3\n', encoding="utf-8")
    with pytest.raises(vf.InputError, match="line 1, column 1: no name"):
        opening.opened(tmp_path / "a.csv")


def test_a_table_of_ours_that_went_through_another_program_is_the_same(tmp_path: Path) -> None:
    """JASP and jamovi take y and se of it; the apostrophe that keeps a spreadsheet from running a name is no part of it."""
    names = ["=A", "B-1", "-C"]
    table = vf.effect_size("OR", study=names, events1=[4, 9, 3], n1=[40, 50, 60], events2=[8, 12, 5], n2=[41, 50, 61])
    back = vf.read(vf.save_table(table, tmp_path / "for_jasp.csv"))
    assert back.labels == tuple(names)
    assert back.question.measure == "OR"
    assert back.y.tolist() == pytest.approx(table.y.tolist(), rel=1e-9)
    assert back.v.tolist() == pytest.approx(table.v.tolist(), rel=1e-9)


def test_columns_as_jasp_computes_them_are_known(tmp_path: Path) -> None:
    text = "Study Label,Effect Size,Effect Size Standard Error,Effect Size Type\nA,-0.7,0.5,SMD\nB,0.3,0.4,SMD\n"
    (tmp_path / "jasp.csv").write_text(text, encoding="utf-8")
    table = vf.read(tmp_path / "jasp.csv")
    assert (table.question.measure, table.y.tolist()) == ("SMD", [-0.7, 0.3])
    assert table.v.tolist() == pytest.approx([0.25, 0.16])


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.csv", "study,y\nA,1,2\n", "line 2: 3 cells under 2 names"),
        ("a.csv", "Table 1\nstudy,y\nA,2\n", "Is there a title above the line of names"),
        ("a.csv", "study,,y\nA,5,2\n", "line 1, column 2: no name"),
        ("a.csv", "y,y\n1,2\n", "two columns are called 'y'"),
        ("a.csv", "study,y\n", "no row below"),
        ("a.csv", "\n\n", "nothing in it"),
        ("a.csv", 'study,y\n"A,1\n', "quotation"),
        ("a.json", '{"a": [1, 2}', "not JSON"),
        ("a.json", '{"a": 1}', "holds no table"),
        ("a.json", '{"a": [1, 2], "b": [1]}', "differ in length"),
        ("a.json", '[{"a": [1]}]', "row 1, column a: a list"),
        ("a.xlsx", "study,y\nA,1\n", "not an Excel workbook"),
        ("a.xls", "study,y\nA,1\n", "Save it as .xlsx"),
        ("a.parquet", "study", "not a parquet file"),
    ],
)
def test_what_is_broken_is_named(tmp_path: Path, name: str, text: str, said: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(vf.InputError, match=said):
        opening.opened(tmp_path / name)


def test_a_workbook_that_would_unpack_beyond_measure_is_not_opened(tmp_path: Path) -> None:
    import zipfile

    file = tmp_path / "swollen.xlsx"
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/worksheets/sheet1.xml", b"0" * 1_000_000)
    with pytest.raises(vf.InputError, match=r"sheet1\.xml would expand [0-9]+-fold"):
        opening.opened(file)


def test_no_file_and_a_folder_are_told(tmp_path: Path) -> None:
    for path, said in ((tmp_path / "no.csv", "There is no file"), (tmp_path, "is a folder")):
        with pytest.raises(vf.InputError, match=said):
            opening.opened(path)


def test_names_in_two_lines_are_put_together_and_told(tmp_path: Path) -> None:
    import openpyxl

    book = openpyxl.Workbook()
    for row in (["Study", "Drug", None, None, "Control", None, None], [None, "Mean", "SD", "N", "Mean", "SD", "N"],
                ["a", 3.5, 1.2, 40, 4.0, 1.3, 41]):  # fmt: skip
        book.active.append(row)
    book.active.merge_cells("A1:A2")
    book.active.merge_cells("B1:D1")
    book.active.merge_cells("E1:G1")
    book.save(tmp_path / "two.xlsx")
    with pytest.warns(vf.VfmetaWarning, match="lines 1 and 2 and are read as 'Study', 'Drug Mean'"):
        table = vf.read(tmp_path / "two.xlsx")
    assert table.y.tolist() == [-0.5]
    assert table.effects[0].n == (40, 41)


def test_a_title_above_the_names_is_one_fault(tmp_path: Path) -> None:
    import openpyxl

    book = openpyxl.Workbook()
    for row in (["Table 1. Pain"], ["Study", "yi", "vi"], ["a", 0.1, 0.04]):
        book.active.append(row)
    book.save(tmp_path / "titled.xlsx")
    with pytest.raises(vf.InputError, match=r"line 1: 'Table 1\. Pain' stands alone"):
        vf.read(tmp_path / "titled.xlsx")

"""Files that could do harm are refused before anything is expanded; all of these are small and harmless."""

from __future__ import annotations

import stat
import zipfile
from pathlib import Path

import pytest

import vfmeta as vf
from vfmeta.exchange import guarded

REVIEW = '<?xml version="1.0"?>\n{}<COCHRANE_REVIEW><COVER_SHEET><TITLE>{}</TITLE></COVER_SHEET></COCHRANE_REVIEW>'


def rm5(folder: Path, doctype: str, title: str) -> Path:
    path = folder / "review.rm5"
    path.write_text(REVIEW.format(doctype, title), encoding="utf-8")
    return path


@pytest.mark.parametrize(("doctype", "title"), [
    ('<!DOCTYPE r [<!ENTITY one "two">]>', "&one;"),
    ('<!DOCTYPE r [<!ENTITY one "two">]>', "never asked for"),
    ('<!DOCTYPE r [<!ENTITY file SYSTEM "title.txt">]>', "&file;"),
    ('<!DOCTYPE r [<!ENTITY % more SYSTEM "more.dtd"> %more;]>', "x"),
])  # fmt: skip
def test_entities_are_refused(tmp_path: Path, doctype: str, title: str) -> None:
    (tmp_path / "title.txt").write_text("read from beside it")
    with pytest.raises(vf.InputError, match="declares entities or refers to other files"):
        vf.read_revman(rm5(tmp_path, doctype, title))


def test_the_five_entities_of_xml_and_plain_characters_are_read(tmp_path: Path) -> None:
    assert vf.read_revman(rm5(tmp_path, "", "A &lt; B &amp; &#252;")).title == "A < B & ü"


def packed(path: Path, files: dict[str, bytes], **attributes: int) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            info = zipfile.ZipInfo(name)
            info.compress_type = zipfile.ZIP_DEFLATED
            for key, value in attributes.items():
                setattr(info, key, value)
            archive.writestr(info, content)
    return path


def test_what_is_in_order_is_read_and_only_what_is_wanted(tmp_path: Path) -> None:
    path = packed(tmp_path / "a.zip", {"x/a.csv": b"1", "x/b.txt": b"2"})
    assert guarded.members(path, lambda name: name.endswith(".csv")) == {"x/a.csv": b"1"}
    assert [p.name for p in tmp_path.iterdir()] == ["a.zip"]  # nothing is written


@pytest.mark.parametrize("name", ["../a.csv", "x/../../a.csv", "/a.csv", "x\\..\\a.csv", "C:a.csv"])
def test_a_name_that_leads_out_of_the_archive_is_refused(tmp_path: Path, name: str) -> None:
    path = packed(tmp_path / "a.zip", {"b.csv": b"1", name: b"1"})
    with pytest.raises(vf.InputError, match="leads out of the archive"):
        guarded.members(path, lambda wanted: wanted == "b.csv")


def test_a_link_is_refused(tmp_path: Path) -> None:
    path = packed(tmp_path / "a.zip", {"a.csv": b"b.csv"}, external_attr=(stat.S_IFLNK | 0o777) << 16)
    with pytest.raises(vf.InputError, match="is a link"):
        guarded.members(path, bool)


def test_a_ratio_just_over_the_limit_is_refused_and_one_below_is_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = packed(tmp_path / "a.zip", {"a.csv": b"0" * 30_000})
    with zipfile.ZipFile(path) as archive:
        info = archive.infolist()[0]
    ratio = info.file_size / info.compress_size
    monkeypatch.setattr(guarded, "MOST_RATIO", ratio * 0.999)
    with pytest.raises(vf.InputError, match=f"would expand {ratio:.0f}-fold"):
        guarded.members(path, bool)
    monkeypatch.setattr(guarded, "MOST_RATIO", ratio * 1.001)
    assert len(guarded.members(path, bool)["a.csv"]) == 30_000


def test_too_many_and_too_large_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = packed(tmp_path / "a.zip", {"a.csv": b"12", "b.csv": b"34"})
    monkeypatch.setattr(guarded, "MOST_MEMBERS", 1)
    monkeypatch.setattr(guarded, "MOST_BYTES", 3)
    with pytest.raises(vf.InputError) as refused:
        guarded.members(path, bool)
    assert [x.split(",")[0] for x in refused.value.problems] == ["a.zip holds 2 files", "a.zip would expand to 0 MB"]


def test_a_size_that_is_a_lie_is_found_out(tmp_path: Path) -> None:
    path = packed(tmp_path / "a.zip", {"a.csv": b"123456"})
    with zipfile.ZipFile(path) as archive:
        info = archive.infolist()[0]
        info.file_size = 3
        with pytest.raises((vf.InputError, zipfile.BadZipFile)):
            guarded._expanded(archive, info, "a.zip")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_name_that_stands_twice_and_what_is_no_archive_are_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("a.csv", "1")
        archive.writestr("a.csv", "2")
    with pytest.raises(vf.InputError, match="stands in it twice"):
        guarded.members(tmp_path / "a.zip", bool)
    (tmp_path / "b.zip").write_bytes(b"no archive")
    with pytest.raises(vf.InputError, match=r"b\.zip is no zip archive, or a broken one"):
        guarded.members(tmp_path / "b.zip", bool)
    whole = (tmp_path / "a.zip").read_bytes()
    (tmp_path / "c.zip").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(vf.InputError, match=r"c\.zip is no zip archive, or a broken one"):
        guarded.members(tmp_path / "c.zip", bool)


def test_a_workbook_is_looked_through_too(tmp_path: Path) -> None:
    path = packed(tmp_path / "a.xlsx", {"xl/workbook.xml": b"1", "../b.xml": b"1"})
    with pytest.raises(vf.InputError, match="leads out of the archive"):
        vf.read(path)


@pytest.mark.parametrize(("text", "said"), [
    ('<COCHRANE_REVIEW><DICH_SUBGROUP /></COCHRANE_REVIEW>', "<DICH_SUBGROUP>: it stands outside of any <DICH_"),
    ("<COCHRANE_REVIEW><IV_OUTCOME><CONT_DATA/></IV_OUTCOME></COCHRANE_REVIEW>", "it stands outside of any <CONT_OUTCOME>"),
    ("<COCHRANE_REVIEW><IV_OUTCOME><IV_OUTCOME/></IV_OUTCOME></COCHRANE_REVIEW>", "it stands inside of another outcome"),
    ('<COCHRANE_REVIEW><QUALITY_ITEM_DATA_ENTRY RESULT="YES"/></COCHRANE_REVIEW>', "it stands outside of any <QUALITY_ITEM>"),
    ('<?xml version="1.0" encoding="nonsense"?><COCHRANE_REVIEW/>', "unknown encoding"),
])  # fmt: skip
def test_what_stands_in_the_wrong_place_is_told(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "review.rm5").write_text(text)
    with pytest.raises(vf.InputError, match=said):
        vf.read_revman(tmp_path / "review.rm5")

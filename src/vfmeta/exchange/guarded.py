"""Files of other people, opened so that they can do no harm: XML without entities, archives checked before they are expanded.

What is refused is refused before anything is expanded, by what the file says of itself, and once more while it is read.
"""

from __future__ import annotations

import stat
import zipfile
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING
from xml.sax.handler import ContentHandler

from vfmeta.core.messages import InputError

if TYPE_CHECKING:
    from xml.sax.xmlreader import AttributesImpl, Locator

MOST_MEMBERS = 2_000
MOST_BYTES = 500_000_000  # of all members together, expanded
MOST_RATIO = 200  # a table of text shrinks to a tenth; what expands more than this is no table


class Elements(ContentHandler):
    """Elements of an XML file with the line they stand in; a reader overrides `opened` and `closed`.

    ``inside`` names the open elements, the outermost first.
    """

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name
        self.inside: list[str] = []
        self._locator: Locator | None = None
        self._text: list[list[str]] = []

    def opened(self, element: str, attributes: dict[str, str]) -> None:
        """An element begins."""

    def closed(self, element: str, text: str) -> None:
        """An element ends; ``text`` is all that stands in it, white space drawn together."""

    def fault(self, said: str) -> InputError:
        """An error that names file, line and element."""
        line = self._locator.getLineNumber() if self._locator else None
        where = f", element <{self.inside[-1]}>" if self.inside else ""
        return InputError(f"{self.name}, line {line}{where}: {said}")

    def setDocumentLocator(self, locator: Locator) -> None:
        self._locator = locator

    def startElement(self, name: str, attrs: AttributesImpl) -> None:
        self.inside.append(name)
        self._text.append([])
        self.opened(name, dict(attrs.items()))

    def characters(self, content: str) -> None:
        if self._text:
            self._text[-1].append(content)

    def endElement(self, name: str) -> None:
        words = " ".join("".join(self._text.pop()).split())
        self.closed(name, words)
        if self._text and words:
            self._text[-1] += [" ", words, " "]  # what stands in an element stands in those around it
        self.inside.pop()


def read_xml(path: Path, reader: Elements) -> None:
    """Hand the elements of a file to a reader.

    Raises
    ------
    InputError
        It declares entities or asks for other files, which no data file needs; or it is broken, with the line.
    """
    from xml.sax import SAXParseException

    from defusedxml import DefusedXmlException
    from defusedxml.sax import parse

    try:
        with path.open("rb") as file:
            parse(file, reader, forbid_entities=True, forbid_external=True)
    except DefusedXmlException as error:
        raise InputError(
            f"{path.name} declares entities or refers to other files ({type(error).__name__}), which a file of data has no "
            "need of and which can be made to do harm; it is not read."
        ) from None
    except LookupError as error:
        if isinstance(error, (KeyError, IndexError)):
            raise
        raise InputError(f"{path.name}: {error}; it must say in its first line how it is written, such as UTF-8.") from None
    except SAXParseException as error:
        last = f", in element <{reader.inside[-1]}>" if reader.inside else ""
        raise InputError(
            f"{path.name}, line {error.getLineNumber()}{last}: this is no well-formed XML ({error.getMessage()}). The file is "
            "broken or cut off; export it anew."
        ) from None


def members(path: Path, wanted: Callable[[str], bool]) -> dict[str, bytes]:
    """The files of a zip archive whose names are wanted, by name; nothing is written to disk.

    Raises
    ------
    InputError
        It is no archive or broken; a member is encrypted, a link, outside the archive by its name, or stands twice; or the
        members are too many, too large or shrunk too well to be tables. All members are looked at first, wanted or not.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            listed = archive.infolist()
            problems = _faults(path.name, listed)
            if problems:
                raise InputError(problems)
            return {info.filename: _expanded(archive, info, path.name) for info in listed if wanted(info.filename)}
    except (zipfile.BadZipFile, EOFError, zipfile.zlib.error) as error:  # type: ignore[attr-defined]
        raise InputError(f"{path.name} is no zip archive, or a broken one ({error}).") from None


def _expanded(archive: zipfile.ZipFile, info: zipfile.ZipInfo, name: str) -> bytes:
    with archive.open(info) as file:
        content = file.read(info.file_size + 1)
    if len(content) > info.file_size:
        raise InputError(f"{name}: {info.filename} is larger than the archive says; it is not read.")
    return content


def _faults(name: str, listed: list[zipfile.ZipInfo]) -> list[str]:
    found = []
    if len(listed) > MOST_MEMBERS:
        found.append(f"{name} holds {len(listed)} files, more than the {MOST_MEMBERS} that are looked into.")
    total = sum(info.file_size for info in listed)
    if total > MOST_BYTES:
        found.append(f"{name} would expand to {total / 1e6:.0f} MB, more than the {MOST_BYTES / 1e6:.0f} MB that are read.")
    seen: set[str] = set()
    for info in listed:
        own = info.filename
        parts = PurePosixPath(own.replace("\\", "/")).parts
        if own.startswith(("/", "\\")) or ".." in parts or ":" in own:
            found.append(f"{name}: the name {own!r} leads out of the archive.")
        if stat.S_ISLNK(info.external_attr >> 16):
            found.append(f"{name}: {own} is a link to another file.")
        if info.flag_bits & 1:
            found.append(f"{name}: {own} is encrypted; unpack it and make the archive anew without a password.")
        if info.file_size > MOST_RATIO * max(info.compress_size, 1):
            found.append(
                f"{name}: {own} would expand {info.file_size / max(info.compress_size, 1):.0f}-fold, more than the "
                f"{MOST_RATIO}-fold that tables do."
            )
        if own in seen:
            found.append(f"{name}: {own} stands in it twice.")
        seen.add(own)
    return found


__all__ = ["MOST_BYTES", "MOST_MEMBERS", "MOST_RATIO", "Elements", "members", "read_xml"]

"""References as reference managers and PubMed write them: RIS, BibTeX and the tagged format of PubMed, as one table."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vfmeta.core.messages import InputError
from vfmeta.exchange.sheets import decoded, there

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = (
    "record", "line", "key", "type", "title", "authors", "year", "journal", "volume", "issue", "pages", "doi", "pmid",
    "registration", "url", "abstract", "citation",
)  # fmt: skip
#: numbers of the registers of trials that the WHO lists
_REGISTRATION = re.compile(
    r"\b(?:NCT\d{8}|ISRCTN\d{8}|ACTRN\d{14}|ChiCTR[\w-]*\d{5,}|CTRI/\d{4}/\d{2,3}/\d{6}|DRKS\d{8}|EUCTR\d{4}-\d{6}-\d{2}"
    r"|IRCT\w*\d{6,}\w*|JPRN-\w+\d+|jRCTs?\d{9,}|KCT\d{7}|NTR\d{2,5}|PACTR\d{15}|RBR-\w{5,}|SLCTR/\d{4}/\d{3}|TCTR\d{11}"
    r"|UMIN\d{9})\b"
)
_DOI = re.compile(r"10\.\d{4,9}/\S+")
_YEAR = re.compile(r"(?<!\d)(?:1[89]|20)\d{2}(?!\d)")
_RIS_TAG = re.compile(r"\s*([A-Z][A-Z0-9])\s{1,2}-(?:\s|$)")
#: RIS below lines of another kind: the Cochrane Library writes "Record #1 of 20" and more above each record
_RIS_BELOW = re.compile(r"\A(?!\s*(?:PMID|@)).{0,2000}?^TY {1,2}- ?[A-Z]{2,8} *$", re.MULTILINE | re.DOTALL)
_NBIB_TAG = re.compile(r"([A-Z]{2,4}) *- (.*)")


def read_references(source: str | Path) -> pd.DataFrame:
    """References from a RIS, BibTeX or PubMed (.nbib) file, one row a record.

    Parameters
    ----------
    source : str or path
        The file. What it is, its content says, not its name.

    Returns
    -------
    data frame
        ``record`` (its number in the file), ``line`` (where it begins), ``key``, ``type``, ``title``, ``authors`` ("Adams A;
        Brown B"), ``year``, ``journal``, ``volume``, ``issue``, ``pages``, ``doi``, ``pmid``, ``registration`` (numbers of
        registers of trials that stand in the record), ``url``, ``abstract`` and a ``citation`` in the style of Vancouver. What
        a record does not say is None.

    Raises
    ------
    InputError
        It is none of the three, or a record has no end, stands in another or is broken, with its line.

    Examples
    --------
    >>> import pathlib, tempfile, vfmeta as vf
    >>> file = pathlib.Path(tempfile.mkdtemp()) / "found.ris"
    >>> written = file.write_text('''TY  - JOUR
    ... AU  - Adams, Anna
    ... TI  - A trial of rest (NCT01234567)
    ... JO  - J Rest
    ... PY  - 2021
    ... DO  - 10.1000/rest.1
    ... ER  -
    ... ''')
    >>> vf.read_references(file)[["authors", "year", "registration", "citation"]].iloc[0].astype(str).tolist()
    ['Adams A', '2021', 'NCT01234567', 'Adams A. A trial of rest (NCT01234567). J Rest 2021. doi:10.1000/rest.1']
    """
    import pandas as pd

    path = there(source)
    text = re.sub(r"\r\n?", "\n", decoded(path))
    begins = next((line for line in text.split("\n") if line.strip()), "")
    if re.match(r"\s*TY\s*-", begins) or _RIS_BELOW.search(text):
        found = _of_ris(path.name, text)
    elif re.match(r"(PMID|OWN|STAT|PT|DP|TI) *- ", begins):
        found = _of_nbib(path.name, text)
    elif re.search(r"^\s*@\w+\s*[{(]", text, re.MULTILINE):
        found = _of_bibtex(path.name, text)
    else:
        raise InputError(
            f"{path.name}: no references. RIS begins with a line TY, a file of PubMed with PMID, and BibTeX has records such "
            "as @article{...}."
            + (" Web of Science's own tagged format (FN, PT) is not read: export RIS." if begins.startswith("FN ") else "")
        )
    rows = [{"record": i + 1, **row, "citation": _citation(row)} for i, row in enumerate(found)]
    frame = pd.DataFrame([[row.get(c) or None for c in COLUMNS] for row in rows], columns=list(COLUMNS), dtype=object)
    return frame.astype({"record": int, "line": int, "year": "Int64"})


def _of_ris(name: str, text: str) -> list[dict[str, Any]]:
    import rispy

    # a record that has no end swallows the next one, and blank lines are taken for text by rispy
    lines = [(i + 1, line) for i, line in enumerate(text.split("\n")) if line.strip()]
    begun, open_at, problems, kept = [], 0, [], []
    for at, line in lines:
        found = _RIS_TAG.match(line)
        tag = found.group(1) if found else re.sub(r"\W", "", line) if line.strip() in ("ER", "ER -", "ER-") else ""
        if tag == "TY":
            if open_at:
                problems.append(f"{name}, line {open_at}: the record that begins here (TY) has no end (ER) before line {at}.")
            begun.append(at)
            open_at = at
        elif tag == "ER":
            if not open_at:
                problems.append(f"{name}, line {at}: a record ends here (ER) and none is open.")
            open_at = 0
            kept.append(line)
        if open_at:  # what stands between records belongs to none
            kept.append(line)
    if open_at:
        problems.append(f"{name}, line {open_at}: the record that begins here (TY) has no end (ER); the file may be cut off.")
    if problems:
        raise InputError(problems)
    records = rispy.loads("\n".join(_RIS_TAG.sub(r"\1  - ", line) for line in kept))
    if len(records) != len(begun):
        raise InputError(f"{name}: {len(begun)} records begin (TY) and {len(records)} were read; write each tag as 'TY  - '.")
    return [{"line": at, **_ris_row(record)} for at, record in zip(begun, records, strict=True)]


def _ris_row(record: Mapping[str, Any]) -> dict[str, Any]:
    def first(*names: str) -> str:
        return next((str(record[n]).strip() for n in names if record.get(n)), "")

    pages = [first("start_page", "custom7"), first("end_page")]
    urls = record.get("urls") or []
    said = " ".join(_texts(record.values()))
    number = first("accession_number")
    own = re.search(r"pubmed\S*?/(\d{4,8})\b", " ".join(map(str, urls))) or re.search(
        r"\bPUBMED (\d{4,8})\b",
        first("custom3"),  # as the Cochrane Library has it
    )
    medline = re.search(r"medline|pubmed", first("name_of_database", "database_provider"), re.IGNORECASE)
    return {
        "key": first("id", "label"),
        "type": first("type_of_reference"),
        "title": first("title", "primary_title"),
        "authors": _people(record.get("authors") or record.get("first_authors") or ()),
        "year": _year(first("year", "publication_year", "date")),
        "journal": first("journal_name", "alternate_title2", "alternate_title3", "secondary_title", "alternate_title1"),
        "volume": first("volume"),
        "issue": first("number"),
        "pages": pages[0] if "-" in pages[0] or not pages[1] else "-".join(x for x in pages if x),
        "doi": _doi(first("doi") or next((u for u in map(str, urls) if "doi.org/" in u), "")),
        "pmid": own.group(1) if own else number if medline and re.fullmatch(r"\d{4,8}", number) else "",
        "registration": _registrations(said),
        "url": str(urls[0]) if urls else "",
        "abstract": first("abstract", "notes_abstract"),
    }


def _of_nbib(name: str, text: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    record: dict[str, list[str]] = {}
    tag, at, begins = "", 0, 1
    for at, line in enumerate([*text.split("\n"), ""], start=1):
        tagged = _NBIB_TAG.match(line)
        if tagged is None and line.startswith("      ") and record:
            record[tag][-1] += " " + line.strip()
        elif tagged is None and line.strip():
            raise InputError(f"{name}, line {at}: neither a tag such as 'TI  - ' nor the text of one: {line[:40]!r}.")
        elif record and (tagged is None or tagged.group(1) == "PMID"):
            found.append({"line": begins, **_nbib_row(record)})
            record = {}
        if tagged is not None:
            begins = begins if record else at
            tag = tagged.group(1)
            record.setdefault(tag, []).append(tagged.group(2).strip())
    return found


def _nbib_row(record: Mapping[str, list[str]]) -> dict[str, Any]:
    def first(*tags: str) -> str:
        return next((record[t][0] for t in tags if record.get(t)), "")

    ids = [*record.get("LID", ()), *record.get("AID", ())]
    pmid = first("PMID")
    return {
        "key": pmid,
        "type": "; ".join(record.get("PT", ())),
        "title": first("TI", "TT").rstrip("."),
        "authors": "; ".join([*(record.get("AU") or filter(None, [_people(record.get("FAU", ()))])), *record.get("CN", ())]),
        "year": _year(first("DP", "DEP")),
        "journal": first("TA", "JT"),
        "volume": first("VI"),
        "issue": first("IP"),
        "pages": first("PG"),
        "doi": _doi(next((x for x in ids if x.endswith("[doi]")), "")),
        "pmid": pmid,
        "registration": _registrations(" ".join([*record.get("SI", ()), *record.get("AB", ()), first("TI")])),
        "url": f"https://pubmed.ncbi.nlm.nih.gov/{pmid}/" if pmid else "",
        "abstract": first("AB"),
    }


def _of_bibtex(name: str, text: str) -> list[dict[str, Any]]:
    import bibtexparser
    from bibtexparser.middlewares import LatexDecodingMiddleware
    from bibtexparser.model import DuplicateBlockKeyBlock, MiddlewareErrorBlock

    library = bibtexparser.parse_string(text, append_middleware=[LatexDecodingMiddleware(keep_braced_groups=True)])
    problems = []
    for block in library.failed_blocks:
        at = (block.start_line or 0) + 1
        if isinstance(block, DuplicateBlockKeyBlock):
            problems.append(f"{name}, line {at}: the key {block.key!r} stands twice; rename one of them.")
        else:
            kind = "LaTeX that cannot be read" if isinstance(block, MiddlewareErrorBlock) else "a broken record"
            problems.append(f"{name}, line {at}: {kind} ({' '.join(str(block.error).split())[:120]}).")
    if problems:
        raise InputError(problems)
    if not library.entries:
        raise InputError(f"{name}: BibTeX without a record.")
    return [
        {"line": (entry.start_line or 0) + 1, "key": entry.key, "type": entry.entry_type,
         **_bibtex_row({f.key.lower(): str(f.value) for f in entry.fields})}
        for entry in library.entries
    ]  # fmt: skip


def _bibtex_row(written: Mapping[str, str]) -> dict[str, Any]:
    fields = {name: re.sub(r"[{}]", "", value).strip() for name, value in written.items()}
    authors = re.split(r"\s+and\s+", written.get("author", "").strip())

    def first(*names: str) -> str:
        return next((" ".join(fields[n].split()) for n in names if fields.get(n)), "")

    url = first("url")
    own = re.search(r"pubmed\S*?/(\d{4,8})\b", url)
    return {
        "title": first("title"),
        "authors": "; ".join(filter(None, map(_of_bibtex_name, authors))),
        "year": _year(first("year", "date")),
        "journal": first("journal", "journaltitle", "booktitle", "publisher", "institution", "school"),
        "volume": first("volume"),
        "issue": first("number", "issue"),
        "pages": re.sub(r"\s*[-–]+\s*", "-", first("pages")),
        "doi": _doi(first("doi") or ("doi.org/" in url and url) or ""),
        "pmid": first("pmid") or (own.group(1) if own else ""),
        "registration": _registrations(" ".join(fields.values())),
        "url": url,
        "abstract": first("abstract"),
    }


def _of_bibtex_name(written: str) -> str:
    """A name as BibTeX has it: in braces it is that of a group, and one without a comma has the family last."""
    name = " ".join(re.sub(r"[{}]", "", written).split())
    if re.fullmatch(r"\{[^{}]*\}", written.strip()):
        return name
    if name == "others":
        return "et al"
    if "," not in name and " " in name and not re.search(r"\s[A-Z]{1,3}$", name):
        parts = name.split()
        at = next((i for i, x in enumerate(parts) if i and x[0].islower()), len(parts) - 1)  # "Ada de Brown"
        name = f"{' '.join(parts[at:])}, {' '.join(parts[:at])}"
    return _people([name])


def _people(names: Iterable[str]) -> str:
    """Names "Family, Given" as "Family Initials", joined by semicolons; one without a comma ("Adams A", a group) stays."""
    out = []
    for name in (" ".join(str(n).split()) for n in names):
        family, _, given = name.partition(",")
        initials = "".join(part[0].upper() for part in re.split(r"[\s.\-]+", given) if part and part[0].isalpha())
        out.append(f"{family.strip()} {initials}".strip())
    return "; ".join(x for x in out if x)


def _texts(values: Iterable[Any]) -> Iterable[str]:
    for value in values:
        if isinstance(value, Mapping):
            yield from _texts(value.values())
        elif isinstance(value, (list, tuple)):
            yield from _texts(value)
        else:
            yield str(value)


def _registrations(text: str) -> str:
    return "; ".join(dict.fromkeys(_REGISTRATION.findall(text)))


def _doi(text: str) -> str:
    found = _DOI.search(text)
    return found.group().removesuffix("[doi]").rstrip(" .;,") if found else ""


def _year(text: str) -> int | None:
    found = _YEAR.search(text)
    return int(found.group()) if found else None


def _citation(row: Mapping[str, Any]) -> str:
    people = str(row.get("authors") or "").split("; ")
    who = ", ".join(people[:6]) + (", et al" if len(people) > 6 else "")
    issue = f"({row['issue']})" if row.get("issue") else ""
    where = f"{row.get('volume') or ''}{issue}"
    published = " ".join(str(x) for x in (row.get("journal"), row.get("year")) if x) + (f";{where}" if where else "")
    published += f":{row['pages']}" if row.get("pages") else ""
    parts = (who, str(row.get("title") or "").rstrip("."), published, f"doi:{row['doi']}" if row.get("doi") else "")
    return ". ".join(x for x in parts if x)


__all__ = ["read_references"]

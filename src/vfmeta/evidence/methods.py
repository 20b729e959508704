"""The page of methods: written from the plans, with the study flow, what can be downloaded and how to cite."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import vfmeta
from vfmeta.evidence.flow import flow, per_plan
from vfmeta.evidence.render import site_now
from vfmeta.evidence.second_reading import RECORD, agreement, recorded
from vfmeta.trials import schema
from vfmeta.trials.schema import packaged_folder

if TYPE_CHECKING:
    from vfmeta.evidence.plan import Analysis, Plan
    from vfmeta.evidence.records import Record
    from vfmeta.trials import Trials

_CITATION = "CITATION.cff"


def methods_view(plans: Sequence[Plan], records: Sequence[Record], trials: Trials) -> dict[str, Any]:
    """Everything the page of methods shows."""
    names = trials.names("outcomes")
    digest, day = tables_digest(Path(trials.folder)), built()
    return {
        "lede": "Written from the plans that the analyses were made by, and counted from the tables.",
        "made": _made(Path(trials.folder), digest, day, _recovered(records)),
        "licence": "The tables are under CC-BY-4.0, the program under the MIT licence."
        if site_now().packaged
        else "The tables of this review, and every result. The program is under the MIT licence.",
        "code": [],
        "plans": [
            {
                "plan": p,
                "analyses": [_analysis(a, names) for a in p.analysis],
                "excluded": [trials.labels[s] for s in p.exclude],
            }
            for p in plans
        ],
        "flow": flow(records, trials),
        "per_plan": per_plan(plans, records),
        "tables": [
            {"file": r["path"], "title": r["title"], "said": r.get("description", "")}
            for name, r in schema.tables().items()
            if site_now().packaged or len(trials.frames[name])
        ],
        "results": [{"plan": p.title, "records": [r for r in records if r.plan == p.id]} for p in plans],
        "tables_digest": digest,
        "built": day,
        "cite": citation(),
    }


def _recovered(records: Sequence[Record]) -> str:
    """In how many trials an SD was made from something else, and what that takes for granted; read from the steps."""
    trials: dict[str, set[str]] = {"all": set(), "an SD": set(), "the mean too": set()}
    for record in records:
        for study in record.data["studies"]:
            trials["all"].add(study["study_id"])
            for step in study["steps"]:
                if re.search(r"\bSD \S+ from (quartiles|range|median)", step):
                    trials["an SD"].add(study["study_id"])
                if re.search(r"\band SD \S+ from median", step):
                    trials["the mean too"].add(study["study_id"])
    every, sds, means = (len(x) for x in trials.values())
    if not sds:
        return f"In none of the {every} trials was an SD made from quartiles or a range."
    return (
        f"In {sds} of {every} trials an SD was made from quartiles or a range ({means} with the mean, from the median). That "
        "takes the data for normal, which such numbers hardly contradict: the test of skewness lets about nine in ten skewed "
        "(log-normal) samples pass."
    )


def _made(tables: Path, digest: str, day: str, recovered: str) -> list[tuple[str, str]]:
    """How the pages of the review were made, in words."""
    stamp = f"; built {day}" if day else ""
    unstamped = "" if day else "; the date of the build is not stamped"
    return [
        ("Version", f"vfmeta {vfmeta.__version__}; trial tables {digest}{stamp}. The same tables, plans and version give the "
                    f"same pages, byte for byte{unstamped}."),
        ("Searching", "When and where was searched is not recorded in the tables."),
        ("Reading", "A figure stands as printed, with its source, and enters a main pool only after a second reading at its "
                    "source. Every conversion is a step that each number opens to."),
        ("Recovering SDs", recovered),
        ("Agreement of readers", " ".join(agreement(recorded(tables / RECORD)))),
        ("Pooling", "Two trials or more are pooled, allowing for differences between trials that chance does not explain, in "
                    "two ways that are told apart under “For statisticians” on each page; one trial is shown alone. What a "
                    "plan chooses differently stands below."),
        ("Deciding", "A side is named only where the interval excludes no difference; an effect is called important only "
                     "beyond a threshold whose source is named."),
    ]  # fmt: skip


def _analysis(a: Analysis, names: dict[str, str]) -> dict[str, str]:
    when = "no visit asked for" if a.week is None else f"week {a.week:g}"
    if a.window is not None:
        when += f", from {a.window[0]:g} to {a.window[1]:g}"
    stated = a.stated()
    keep = {k: v for k, v in stated.items() if k not in ("week", "window")}
    said = "; ".join(f"{k.replace('_', ' ')}: {_said(v)}" for k, v in keep.items())
    sensitivity = "; ".join(s.title for s in a.sensitivity)
    return {"title": a.title, "outcome": names[a.outcome], "when": when, "measure": a.measure, "said": said,
            "sensitivity": sensitivity, "lead": "yes" if a.lead else ""}  # fmt: skip


def _said(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{k} {_said(v)}" for k, v in value.items())
    return ", ".join(map(_said, value)) if isinstance(value, (list, tuple)) else str(value).replace("_", " ")


def tables_digest(folder: Path) -> str:
    """What tells these tables from any others: twelve digits of the SHA-256 of their files."""
    hashed = hashlib.sha256()
    for file in sorted(folder.glob("*.csv")):
        hashed.update(file.name.encode() + b"\0" + file.read_bytes())
    return hashed.hexdigest()[:12]


def built() -> str:
    """The date of ``SOURCE_DATE_EPOCH``, which reproducible builds state; the clock would give each build other bytes."""
    stated = os.environ.get("SOURCE_DATE_EPOCH", "")
    return f"{datetime.fromtimestamp(int(stated), UTC):%Y-%m-%d}" if stated.isdecimal() else ""


def citation() -> dict[str, str]:
    """Title, authors and version as the citation file has them; the file itself as text."""
    text = citation_file()
    found = dict(re.findall(r'^(title|version): "?(.*?)"?$', text, re.MULTILINE))
    authors = re.findall(r'^  - name: "?(.*?)"?$', text, re.MULTILINE)
    return {**found, "authors": ", ".join(authors)}


def citation_file() -> str:
    """The citation file of the project, from a checkout or an installed wheel."""
    tables = packaged_folder()
    places = (tables.parent / _CITATION, tables.parents[1] / _CITATION)
    return next(p for p in places if p.is_file()).read_text(encoding="utf-8")


def downloads(build: Path, trials: Trials) -> dict[str, bytes]:
    """Files beside the pages: every table of trials, every result with its table of studies, the citation file."""
    tables, results = Path(trials.folder), build / "results"
    found = {f"data/{p.name}": p.read_bytes() for p in sorted(tables.glob("*.csv"))}
    found["data/datapackage.json"] = (packaged_folder() / "datapackage.json").read_bytes()
    for p in sorted(results.rglob("*")):
        if p.suffix in (".json", ".csv") and p.is_file():
            found[f"data/results/{p.relative_to(results).as_posix()}"] = p.read_bytes()
    found[f"data/{_CITATION}"] = citation_file().encode()
    return found

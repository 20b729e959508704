"""Inputs from files: trial tables with damaged cells, plans with damaged text, build folders with damaged state."""

from __future__ import annotations

import csv
import io
import json
import shutil
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

from benchmarks.fuzz import values as x

Call = tuple[str, Callable[[], Any]]
CELLS = (
    "",
    " ",
    "nan",
    "NaN",
    "inf",
    "-inf",
    "1e400",
    "1e308",
    "-1e308",
    "1e-320",
    "-1",
    "0",
    "1",
    "0.5",
    "5 ",
    " 5",
    "1,5",
    "٣",
    "=1+1",
    "@x",
    "\t",
    "\x00",
    "a\nb",
    '"',
    "'",
    "a" * 3000,
    "true",
    "2020-01-02",
    "<0.001",
    "NA",
    "None",
    "null",
    "一二",
    "🙂",
    "../../x",
    "99999999999999999999",
    "1_000",
    "0x10",
    "++1",
)
BYTES = (b"", b"\x00", b"\xff\xfe", b"[", b"{}", b"null", b"7", b'"x"', b"[" * 50_000, b"\x80\x04\x95", b"NaN", b"\xef\xbb\xbf")


@cache
def _tables() -> dict[str, list[list[str]]]:
    from vfmeta.trials.schema import packaged_folder

    read = {p.name: p.read_text(encoding="utf-8") for p in sorted(packaged_folder().glob("*.csv"))}
    return {name: list(csv.reader(io.StringIO(text, newline=""))) for name, text in read.items()}


@cache
def _plans() -> dict[str, str]:
    from vfmeta.trials.schema import packaged_folder

    return {p.name: p.read_text(encoding="utf-8") for p in sorted(packaged_folder("analyses").glob("*.toml"))}


def cells(r: Random) -> Call:
    """A copy of the packaged tables with some cells, rows or columns damaged; what validates is compared."""
    changed = {name: [list(row) for row in rows] for name, rows in _tables().items()}
    said = []
    for _ in range(r.randint(1, 3)):
        name = r.choice([n for n, rows in changed.items() if len(rows) > 1])
        rows = changed[name]
        i, j = r.randrange(1, len(rows)), r.randrange(len(rows[0]))
        match r.randrange(12):
            case 0:
                rows.append(rows[i])
            case 1:
                del rows[i]
            case 2:
                rows[i] = rows[i][:-1] if r.random() < 0.5 else [*rows[i], "more"]
            case 3:
                rows[0][j] = r.choice(("nonsense", "", rows[0][0]))
            case 4:
                rows[i][j % len(rows[i])] = r.choice(rows[r.randrange(1, len(rows))])
            case 5:
                rows[i][j % len(rows[i])] += r.choice("05.- a")
            case _:
                rows[i][j % len(rows[i])] = r.choice(CELLS)
        said.append(f"{name} row {i + 1} column {j + 1}: {str(rows[min(i, len(rows) - 1)])[:150]}")

    def call() -> None:
        import vfmeta as vf
        from vfmeta.trials.schema import packaged_folder

        with tempfile.TemporaryDirectory() as folder:
            for name, rows in changed.items():
                with (Path(folder) / name).open("w", encoding="utf-8", newline="") as file:
                    csv.writer(file, lineterminator="\n").writerows(rows)
            for other in packaged_folder().iterdir():
                if other.suffix != ".csv" and other.is_file():
                    shutil.copy(other, folder)
            trials = vf.load_trials(folder)
            vf.compare(
                trials,
                "vertebroplasty",
                "sham_vertebroplasty",
                outcome="pain_overall",
                week=52,
                window=(40, 60),
                measure="MD",
                points=(0, 10),
            )

    return "; ".join(said), call


def plan(r: Random) -> Call:
    """A packaged plan with a line, a word, a value or a byte changed."""
    name = r.choice(list(_plans()))
    lines = _plans()[name].splitlines()
    for _ in range(r.randint(1, 3)):
        i = r.randrange(len(lines))
        match r.randrange(7):
            case 0:
                del lines[i]
            case 1:
                lines.insert(i, lines[r.randrange(len(lines))])
            case 2 | 3 if "=" in lines[i]:
                key = lines[i].partition("=")[0]
                odd = (
                    '""',
                    "[]",
                    "{}",
                    "-1",
                    "nan",
                    "inf",
                    "1e400",
                    "true",
                    "2020-01-02",
                    '"' + "a" * 5000 + '"',
                    "[[[]]]",
                    '"../x"',
                    "10" * 30,
                    '"\\u0000"',
                )
                lines[i] = f"{key}= {r.choice(odd)}"
            case 4:
                lines[i] = lines[i].replace("=", r.choice(("", "==", ":")), 1)
            case 5:
                lines[i] = r.choice(
                    (
                        'tau_prior = {family = "HalfNormal", scale = 1e180}',
                        'mu_prior = {family = "Normal"}',
                        "level = 95",
                        'page = "index"',
                        "[analysis]",
                        "[[analysis]]",
                        *x.WORDS,
                    )
                )
            case _:
                j = r.randrange(len(lines[i]) + 1)
                lines[i] = lines[i][:j] + r.choice("\"'[]{}=#\n\t\x01é") + lines[i][j:]
        if not lines:
            lines = [""]
    body = "\n".join(lines).encode() if r.random() < 0.95 else r.choice(BYTES)

    def call() -> None:
        from vfmeta.evidence import load_plan

        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / name).write_bytes(body)
            load_plan(Path(folder) / name)

    return f"plan {name}: {body[:4000]!r}", call


@cache
def _record() -> str:
    """One record as it is kept, of a plan of one analysis by the common effect (no sampler is asked)."""
    from vfmeta.evidence.plan import load_plans
    from vfmeta.evidence.run import run
    from vfmeta.trials import load_trials

    with tempfile.TemporaryDirectory() as folder:
        first = load_plans()[0]
        one = first.model_copy(
            update={"analysis": (first.analysis[0].model_copy(update={"model": "common", "sensitivity": ()}),)}
        )
        records = run([one], load_trials(), folder)
        return (Path(folder) / "results" / f"{records[0].plan}/{records[0].id}.json").read_text(encoding="utf-8")


def folder(r: Random) -> Call:
    """A build folder whose records, lists and memory hold something else than was written."""
    from vfmeta.evidence.folder import keep_only, recall, remember, tidy

    text = _record()
    what = r.choice(("record", "record", "index", "listing", "memory"))
    i = r.randrange(len(text))
    value = r.choice(("null", '"x"', "7", "[]", "{}", "NaN", "1e400", "true", '"../../x"'))
    body: bytes = r.choice(
        (
            text[:i].encode(),
            (text[:i] + r.choice('x]}",9{') + text[i + 1 :]).encode(),
            text.replace(f": {text[text.index(':') + 2]}", f": {value}", 1).encode(),
            _with_another(r, text).encode(),
            _with_another(r, text).encode(),
            r.choice(BYTES),
        )
    )

    def call() -> Any:
        from vfmeta.evidence import load_records
        from vfmeta.evidence.changes import changes

        with tempfile.TemporaryDirectory() as name:
            home = Path(name)
            (home / "results").mkdir()
            (home / "results" / "a.json").write_bytes(body if what == "record" else text.encode())
            names = (
                [r.choice(("a.json", "../a.json", "/etc/hostname", 5, None, "a\0b", "nowhere.json"))]
                if what == "index"
                else ["a.json"]
            )
            (home / "results" / "index.json").write_bytes(
                json.dumps({"records": names}).encode() if what != "index" or r.random() < 0.5 else body[:200]
            )
            if what == "listing":
                (home / "results" / ".vfmeta").write_bytes(body[:500])
                keep_only(home / "results", {"a.json", "index.json"})
            if what == "memory":
                remember(home / "cache" / "k.json", "k", {"a": 1.5})
                (home / "cache" / "k.json").write_bytes(body)
                if recall(home / "cache" / "k.json", "k") is not None:
                    raise AssertionError("a damaged memory was believed")
            tidy(home)
            found = load_records(home)
            changes(found, found)

    return f"{what} of a build: {body[:3000]!r}", call


def _with_another(r: Random, text: str) -> str:
    """The record with one value, wherever it stands, replaced."""
    data = json.loads(text)
    here: Any = data
    while True:
        key = r.choice(list(here) if isinstance(here, dict) else range(len(here)))
        if isinstance(here[key], (dict, list)) and here[key] and r.random() < 0.85:
            here = here[key]
            continue
        here[key] = r.choice((None, "x", 7, [], {}, True, 1e308, -1, "../x", "inf", [[1]]))
        return json.dumps(data)


KINDS: tuple[tuple[Callable[[Random], Call], float], ...] = ((plan, 0.02), (folder, 0.02), (cells, 0.004))

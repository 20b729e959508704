"""Inputs from files: trial tables with damaged cells, plans with damaged text, build folders with damaged state."""

from __future__ import annotations

import atexit
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
NUMBERS = (
    "0",
    "1",
    "-1",
    "0.5",
    "0.001",
    "2.5",
    "7",
    "10",
    "36.6",
    "99.9",
    "100",
    "1e6",
    "1e12",
    "1e-99",
    "-0.0",
    "+3",
    "5.",
    ".5",
)
BYTES = (b"", b"\x00", b"\xff\xfe", b"[", b"{}", b"null", b"7", b'"x"', b"[" * 50_000, b"\x80\x04\x95", b"NaN", b"\xef\xbb\xbf")


@cache
def _tables() -> dict[str, list[list[str]]]:
    from vfmeta.trials.schema import packaged_folder

    read = {p.name: p.read_text(encoding="utf-8") for p in sorted(packaged_folder().glob("*.csv"))}
    return {name: list(csv.reader(io.StringIO(text, newline=""))) for name, text in read.items()}


# arms with means, counts, contrasts, flags and two cohorts that compare what `cells` asks for
FEW = {"buchbinder2009", "clark2016", "firanescu2018", "klazen2010", "bennell2010", "barker2019"}


@cache
def _few_tables() -> dict[str, list[list[str]]]:
    """The packaged tables cut down to a few trials, and to what these refer to: they are read in a fifth of the time."""
    tables = {name: [dict(zip(rows[0], row, strict=True)) for row in rows[1:]] for name, rows in _tables().items()}
    few = {name: [r for r in rows if r.get("study_id", "") in {"", *FEW}] for name, rows in tables.items()}
    few["context.csv"], few["published_pools.csv"] = few["context.csv"][:4], few["published_pools.csv"][:4]
    pools = {r["pool_id"] for r in few["published_pools.csv"]}
    few["pool_studies.csv"] = [r for r in few["pool_studies.csv"] if r["pool_id"] in pools]
    rows = {r["row_id"] for name in few for r in few[name] if name != "row_flags.csv" and "row_id" in r}
    few["row_flags.csv"] = [r for r in few["row_flags.csv"] if r["row_id"] in rows]
    for name, key in (("sources.csv", "source_id"), ("interventions.csv", "intervention_id"), ("outcomes.csv", "outcome_id")):
        named = {cell for other in few if other != name for r in few[other] for cell in r.values()}
        few[name] = [r for r in few[name] if r[key] in named]
    return {name: [_tables()[name][0], *([*r.values()] for r in rows)] for name, rows in few.items()}


@cache
def _checked() -> Any:
    """Where it is remembered what the few tables passed: only what is damaged is held against the schema again."""
    from vfmeta.evidence.cache import Cache
    from vfmeta.evidence.tables import load

    home = Path(tempfile.mkdtemp(prefix="fuzz-"))
    atexit.register(shutil.rmtree, home, ignore_errors=True)
    cache = Cache(home)
    _written(_few_tables(), home / "trials")
    cache.pass_on(load(home / "trials", cache)[1])
    return cache


def _written(tables: dict[str, list[list[str]]], folder: Path) -> None:
    from vfmeta.trials.schema import packaged_folder

    folder.mkdir(exist_ok=True)
    for name, rows in tables.items():
        with (folder / name).open("w", encoding="utf-8", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows(rows)
    shutil.copy(packaged_folder() / "datapackage.json", folder)


# lines that a plan may hold somewhere, sensible or not
LINES = (
    *(f'measure = "{m}"' for m in ("MD", "SMD", "ROM", "RR", "OR", "RD", "IRR", "HR", "PLO", "MN", "GENQ", "GENQM", "")),
    *(f'method = "{m}"' for m in ("DL", "PM", "ML", "reml", "SJ", "GENQ", "GENQM", "HS", "EB", "common", "nonsense")),
    *(f'test = "{t}"' for t in ("Wald", "HKSJ", "HKSJ-adhoc", "t", "hksj", "")),
    *(f'multi_arm = "{m}"' for m in ("each", "combine", "pairs", "split", "largest")),
    'model = "common"', 'model = "random"', 'zero = "drop"', 'zero = "add"', 'design = "any"', "week = 52", "window = [0, 500]",
    "window = [60, 40]", "points = [0, 10]", "points = [0, 0]", "points = [0, 1e300]", "correlation = 0.5", "correlation = 1.0",
    "p_bound = true", "counts_from_percent = true", 'use = ["pool", "sensitivity", "no"]', 'n_missing = "randomised"',
    'assume_direction = "benefit_positive"', "assume_points = [0, 100]", 'time_kind = ["visit"]', 'prefer = ["nonsense"]',
    'exclude_studies = ["buchbinder2009"]', 'exclude_studies = ["nobody"]', 'exclude_rows = ["nothing"]',
    'drop_flags = ["high_risk"]', 'outcome = "pain_overall"', 'outcome = "new_vertebral_fracture"', 'experimental = ["none"]',
    'control = ["placebo"]', "higher_is_worse = false", 'mid_from = "pain_vas_0_10"', 'unit = ["patient"]', "level = 95",
    'page = "index"', 'pools = ["nothing"]', 'tau_prior = {family = "HalfNormal", scale = 1e180}',
    'tau_prior = {family = "HalfCauchy", scale = 0.5}', 'tau_prior = {family = "Jeffreys"}', 'mu_prior = {family = "Normal"}',
    'mu_prior = {family = "Normal", mean = 0, sd = 1}', 'mu_prior = {family = "Flat"}',
)  # fmt: skip


@cache
def _plans() -> dict[str, str]:
    from vfmeta.trials.schema import packaged_folder

    return {p.name: p.read_text(encoding="utf-8") for p in sorted(packaged_folder("analyses").glob("*.toml"))}


def cells(r: Random) -> Call:
    """The few tables, or one time in fifty all, with some cells, rows or columns damaged."""
    whole = r.random() < 0.02
    changed = {name: [list(row) for row in rows] for name, rows in (_tables() if whole else _few_tables()).items()}
    said = []
    for _ in range(r.choice((1, 1, 2, 3))):
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
                rows[i][j % len(rows[i])] = r.choice([row[j] if j < len(row) else "" for row in rows[1:]])
            case 5:
                rows[i][j % len(rows[i])] += r.choice("05.- a")
            case _:
                rows[i][j % len(rows[i])] = r.choice(CELLS)
        said.append(f"{name} row {i + 1} column {j + 1}: {str(rows[min(i, len(rows) - 1)])[:150]}")

    def call() -> None:
        import vfmeta as vf
        from vfmeta.evidence.tables import load

        with tempfile.TemporaryDirectory() as folder:
            home = Path(folder) / "trials"
            _written(changed, home)
            _compared(vf.load_trials(home) if whole else load(home, _checked())[0])

    return "; ".join(said), call


def typed(r: Random) -> Call:
    """The few tables with other numbers that the schema lets pass: rules, slips and pools see them."""
    from vfmeta.trials import schema

    changed = {name: [list(row) for row in rows] for name, rows in _few_tables().items()}
    said = []
    for _ in range(r.choice((1, 1, 2, 4))):
        table = r.choice((*schema.FIGURE_TABLES, "arms", "instruments"))
        rows = changed[f"{table}.csv"]
        names = [n for n, f in schema.fields(table).items() if f["type"] in ("number", "integer")]
        i, name = r.randrange(1, len(rows)), r.choice(names)
        field = schema.fields(table)[name]
        limits = field.get("constraints", {})
        numbers = ["", *NUMBERS] if not limits.get("required") else NUMBERS
        fit = [n for n in numbers if not n or limits.get("minimum", -1e13) <= float(n) <= limits.get("maximum", 1e13)]
        fit = [n for n in fit if field["type"] == "number" or not n or n.isdigit()] or ["1"]
        j = list(schema.fields(table)).index(name)
        beside = [c for c in fit if c not in ("", "0")] if rows[i][j] else fit
        rows[i][j] = r.choice(beside or fit)
        said.append(f"{rows[i][0]}, {name} = {rows[i][j]}")

    def call() -> None:
        from vfmeta.trials.loading import load_checked

        with tempfile.TemporaryDirectory() as folder:
            home = Path(folder) / "trials"
            _written(changed, home)
            _compared(load_checked(home, lambda _: []))

    return "; ".join(said), call


def _compared(trials: Any) -> None:
    """What is asked of tables that load."""
    import vfmeta as vf

    week = {"week": 52, "window": (40, 60)}
    vf.compare(trials, "vertebroplasty", "sham_vertebroplasty", outcome="pain_overall", measure="MD", points=(0, 10), **week)
    vf.compare(trials, "vertebroplasty", "sham_vertebroplasty", outcome="pain_overall", measure="SMD", **week)


def plan(r: Random) -> Call:
    """A packaged plan with a line, a word, a value or a byte changed; what is a plan still is carried out."""
    name = r.choice(list(_plans()))
    lines = _plans()[name].splitlines()
    for _ in range(r.randint(1, 3)):
        i = r.randrange(len(lines))
        match r.randrange(8):
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
                lines[i] = r.choice((*LINES, "[analysis]", "[[analysis]]", *x.WORDS))
            case 5 if "=" in lines[i]:
                lines.insert(i + 1, r.choice(LINES))
            case _:
                j = r.randrange(len(lines[i]) + 1)
                lines[i] = lines[i][:j] + r.choice("\"'[]{}=#\n\t\x01é") + lines[i][j:]
        if not lines:
            lines = [""]
    body = "\n".join(lines).encode() if r.random() < 0.95 else r.choice(BYTES)

    def call() -> None:
        from vfmeta.evidence import load_plan
        from vfmeta.evidence.run import review_cases

        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / name).write_bytes(body)
            asked = load_plan(Path(folder) / name)
        review_cases([asked], _trials())

    return f"plan {name}: {body[:4000]!r}", call


@cache
def _trials() -> Any:
    from vfmeta.trials import load_trials

    return load_trials()


@cache
def _record() -> str:
    """One record as it is kept, of a plan of one analysis by the common effect (no sampler is asked)."""
    from vfmeta.evidence.plan import load_plans
    from vfmeta.evidence.run import run

    with tempfile.TemporaryDirectory() as folder:
        first = load_plans()[0]
        one = first.model_copy(
            update={"analysis": (first.analysis[0].model_copy(update={"model": "common", "sensitivity": ()}),)}
        )
        records = run([one], _trials(), folder)
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


KINDS: tuple[tuple[Callable[[Random], Call], float], ...] = (
    (plan, 0.10),
    (folder, 0.10),
    (cells, 0.02),
    (typed, 0.08),
)

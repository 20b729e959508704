"""``python benchmarks/same.py OLD NEW``: every public verb in two checkouts, and what differs. Exit status 1 if anything does.

Options: ``CASES=path`` (once or more: files or folders of reference cases, beside OLD's ``tests/reference``), ``parts=`` of
cases, probes, records, models (those by default) and draws (minutes: PyMC compiles), ``show=40`` (lines of a list),
``jobs=2``, ``fresh`` (OLD's answers are otherwise kept between runs, in the temporary folder). Numbers whose names differ in
the two houses are matched by value before they count as on one side only. A scaffold: it goes when the rebuilt house stands.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

PARTS = ("cases", "probes", "records", "models", "draws")
RTOL = {"closed": 1e-9, "iterated": 1e-7, "sampled": 1e-7}
# last name of a path, old -> new; both sides are read through it. What is missing here is matched by value.
RENAMED = {
    "q_p": "q.p_value", "q_df": "q.df", "p_values": "p_value", "intervals": "interval", "labels": "study", "low": "ci_low",
    "high": "ci_high", "beta": "estimate", "names": "terms", "coefficient": "term", "parameter": "term", "omitted": "study",
    "added": "study", "z": "statistic", "notes": "warnings", "alpha": "scale_estimate", "va": "scale_vb", "table": "to_frame",
}  # fmt: skip
# differences that are meant, (start of the answer's name, end of the path): reason
MEANT: dict[tuple[str, str], str] = {}
Columns = dict[str, list[float | None]]


def main(arguments: list[str]) -> int:
    options = {a.split("=", 1)[0]: a.split("=", 1)[1] for a in arguments if "=" in a and not a.startswith("CASES=")}
    places = [a for a in arguments if "=" not in a and a != "fresh"]
    if len(places) != 2:
        print(__doc__)
        return 2
    old, new = (Path(p).resolve() for p in places)
    given = [Path(a.removeprefix("CASES=")).resolve() for a in arguments if a.startswith("CASES=")]
    files = [f for p in (old / "tests" / "reference", *given) for f in (sorted(p.glob("*.json")) if p.is_dir() else [p])]
    parts = options.get("parts", "cases,probes,records,models").replace("all", ",".join(PARTS)).split(",")
    start = time.perf_counter()
    with ThreadPoolExecutor(int(options.get("jobs", 2))) as pool:
        keep = "fresh" not in arguments
        waiting = [(p, pool.submit(run, old, p, files, keep), pool.submit(run, new, p, files, False)) for p in parts]
        wrong = 0
        for part, first, second in waiting:
            (before, was), (after, took) = first.result(), second.result()
            print(f"\n=== {part}: OLD {was}, NEW {took} ===")
            wrong += report(before, after, int(options.get("show", 40)))
            sys.stdout.flush()
    print(f"\n{wrong} differences in {', '.join(parts)}; {time.perf_counter() - start:.0f} s.")
    return 1 if wrong else 0


# ---- running one part in one checkout ------------------------------------------------------------------------------------
def run(home: Path, part: str, files: list[Path], keep: bool) -> tuple[dict[str, Any], str]:
    """The answers, and how long they took."""
    own = home / ".venv" / "3.13" / "bin" / "python"
    python = str(own if own.exists() else sys.executable)
    probes = Path(__file__).with_name("same_probes.py")
    told = [*(f.read_bytes() for f in (probes, *files)), python.encode(), commit(home)]
    kept = Path(tempfile.gettempdir()) / f"vfmeta-same-{part}-{hashlib.sha256(b''.join(told)).hexdigest()[:20]}.json"
    if keep and kept.exists():
        return json.loads(kept.read_text(encoding="utf-8")), "as kept"
    work = Path(tempfile.mkdtemp(prefix="vfmeta-same-"))
    paths = os.pathsep.join([str(home / "src"), str(home)])
    env = {**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "PYTHONHASHSEED": "0"}
    start = time.perf_counter()
    if part == "records":
        entry = "vfmeta" if (home / "src/vfmeta/__main__.py").exists() else "vfmeta.cli"
        command = ["-m", entry, "run", "--trials", "data/trials", "--plans", "analyses", "--out", str(work / "build")]
    else:
        command = ["-P", str(probes), part, str(work / "out.json"), *(map(str, files) if part == "cases" else ())]
    try:
        found = subprocess.run(["nice", python, *command], cwd=home, env=env, capture_output=True, text=True, check=False)
        if found.returncode:
            raise SystemExit(f"{part} in {home} broke off:\n{found.stdout[-2000:]}{found.stderr[-3000:]}")
        answers = records(work / "build") if part == "records" else json.loads((work / "out.json").read_text(encoding="utf-8"))
    finally:
        shutil.rmtree(work, ignore_errors=True)
    if keep:
        half = kept.with_suffix(f".{os.getpid()}")
        half.write_text(json.dumps(answers), encoding="utf-8")
        half.replace(kept)
    return answers, f"{time.perf_counter() - start:.0f} s"


def commit(home: Path) -> bytes:
    """What the checkout is: its commit, and what is not committed."""
    return b"".join(
        subprocess.run(["git", "-C", str(home), *a.split()], capture_output=True).stdout
        for a in ("rev-parse HEAD", "diff HEAD")
    )


def records(build: Path) -> dict[str, Any]:
    """Every number of every JSON and CSV file of results; texts are kept beside."""
    import pandas as pd

    sys.path.insert(0, str(Path(__file__).parent))
    from same_probes import flatten

    answers: dict[str, Any] = {}
    for file in sorted((build / "results").rglob("*")):
        if file.suffix == ".json":
            content: Any = json.loads(file.read_text(encoding="utf-8"))
        elif file.suffix == ".csv":
            content = pd.read_csv(file)
        else:
            continue
        name = f"record {file.suffix[1:]}: {file.relative_to(build / 'results')}"
        answers[name] = {"kind": "iterated", "values": flatten(content)}
        if file.suffix == ".json":
            answers[name]["texts"] = sorted(set(texts(content)))
    return answers


def texts(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [t for p in parts for t in texts(p)]


# ---- comparison ----------------------------------------------------------------------------------------------------------
def report(old: dict[str, Any], new: dict[str, Any], show: int) -> int:
    """Print what differs; how many differences."""
    lines: dict[str, list[str]] = defaultdict(list)
    counted: Counter[str] = Counter()
    alone: dict[str, dict[str, Counter[str]]] = {"OLD": defaultdict(Counter), "NEW": defaultdict(Counter)}
    renamed: Counter[str] = Counter()
    differing = 0
    for name in dict.fromkeys([*old, *new]):
        a, b = old.get(name), new.get(name)
        if a is None or b is None:
            lines[f"answers only in {'NEW' if a is None else 'OLD'}"].append(
                name + (f" ({(a or b).get('error')})" if (a or b).get("error") else "")
            )
            continue
        if "error" in a or "error" in b:
            if "error" not in a:
                differing += 1
                lines["REFUSED in NEW, answered in OLD"].append(f"{name}: {b['error']}: {b['said']}")
            elif "error" not in b:
                lines["answered in NEW, refused in OLD"].append(f"{name}: {a['error']}: {a['said'][:120]}")
            else:
                counted["refused in both"] += 1
                if a["error"] != b["error"]:
                    lines["another kind of error"].append(f"{name}: {a['error']} -> {b['error']}: {b['said'][:160]}")
            continue
        found, pairs, more = compare(a["values"], b["values"], a["kind"])
        counted["answers"] += 1
        counted["numbers"] += pairs
        verb = name.split(":")[0]
        for path, text in found:
            meant = next((why for (start, end), why in MEANT.items() if name.startswith(start) and path.endswith(end)), "")
            heading = f"meant: {meant}" if meant else "draws that moved" if a["kind"] == "sampled" else "DIFFERENT"
            differing += heading == "DIFFERENT"
            lines[heading].append(f"{name} | {path} | {text}")
        for side, paths in more["alone"].items():
            alone[side][verb].update(paths)
        renamed.update(more["renamed"])
        gone, come = set(a.get("texts", [])) - set(b.get("texts", [])), set(b.get("texts", [])) - set(a.get("texts", []))
        if gone or come:
            lines["records whose texts changed (no fault by itself)"].append(f"{name}: {cut(gone)} -> {cut(come)}")
    verbs = {n.split(":")[0] for n in old if n in new}
    answers, numbers, refused = (counted[c] for c in ("answers", "numbers", "refused in both"))
    print(f"{len(verbs)} verbs, {answers} answers, {numbers} numbers compared, {refused} refused in both")
    for heading in sorted(lines, key=lambda h: (h not in ("DIFFERENT", "REFUSED in NEW, answered in OLD"), h)):
        print(f"-- {heading}: {len(lines[heading])}")
        print("".join(f"   {line}\n" for line in lines[heading][:show]), end="")
        if len(lines[heading]) > show:
            rest = Counter(line.split(":")[0] for line in lines[heading][show:])
            print(f"   ... and {len(lines[heading]) - show} more: {', '.join(f'{v} ({n})' for v, n in rest.most_common())}")
    for side, by_verb in alone.items():
        if any(by_verb.values()):
            print(f"-- numbers only in {side} (their values are nowhere in the other's answer)")
            for verb, paths in sorted((v, p) for v, p in by_verb.items() if p):
                print(
                    f"   {verb}: {', '.join(f'{p} ({n})' for p, n in paths.most_common(12))}{' ...' if len(paths) > 12 else ''}"
                )
    if renamed:
        print(f"-- matched by value under another name: {', '.join(f'{n} ({k})' for n, k in renamed.most_common(show))}")
    return differing


def compare(old: Columns, new: Columns, kind: str) -> tuple[list[tuple[str, str]], int, dict[str, Any]]:
    """Differences, numbers compared, and what has no partner."""
    a, b = canonical(old), canonical(new)
    finite = [abs(x) for values in a.values() for x in values if x is not None and math.isfinite(x)]
    scale = min(1.0, max(finite, default=1.0))
    found: list[tuple[str, str]] = []
    compared = 0
    alone: dict[str, list[str]] = {"OLD": [], "NEW": []}
    renamed: list[str] = []
    matched = set()
    for path, x in a.items():
        loose = "iterated" if kind == "closed" and "confint" in path else kind
        y = b.get(path)
        where = y and first_difference(path, x, y, loose, scale)
        if y is not None and not where:
            compared += len(x)
            continue
        twin = next((p for p, z in b.items() if len(z) == len(x) and not first_difference(path, x, z, loose, scale)), None)
        if y is None and twin is not None:
            compared += len(x)
            matched.add(twin)
            renamed.append(f"{path.split('.')[-1]} -> {twin.split('.')[-1]}")
        elif y is None:
            alone["OLD"].append(tidy(path))
        else:
            compared += len(x)
            found.append((path, f"{where}{f' (the old value is now at {twin})' if twin else ''}"))
    for path, y in b.items():
        known = path in a or path in matched
        if not known and not any(len(x) == len(y) and not first_difference(path, x, y, kind, scale) for x in a.values()):
            alone["NEW"].append(tidy(path))
    return found, compared, {"alone": alone, "renamed": renamed}


def canonical(columns: Columns) -> Columns:
    out: Columns = {}
    for path, values in columns.items():
        head, _, last = path.rpartition(".")
        now = RENAMED.get(last, last)
        now = f"{head}.{now}" if head else now
        out[path if now in columns or now in out else now] = values
    return out


def tidy(path: str) -> str:
    return path if len(path) < 60 else f"...{path[-57:]}"


def first_difference(path: str, x: list[float | None], y: list[float | None], kind: str, scale: float) -> str:
    """In words, the largest difference of two columns; empty where they agree."""
    if len(x) != len(y):
        return f"{len(x)} numbers -> {len(y)} numbers"
    worst, said, number = 0.0, "", 0
    for i, (p, q) in enumerate(zip(x, y, strict=True)):
        gap = error(path, p, q, kind, scale)
        number += gap > 1
        if gap > max(worst, 1):
            worst, said = gap, f"[{i}] {p!r} -> {q!r}, rel {gap * RTOL.get(kind, 1e-7):.1e}"
    return said + (f" ({number} of {len(x)})" if number > 1 else "")


def error(path: str, p: float | None, q: float | None, kind: str, scale: float) -> float:
    """How far two numbers are apart, in units of what is allowed."""
    if p == q or (p is not None and q is not None and p != p and q != q):
        return 0.0
    if p is None or q is None or not math.isfinite(p) or not math.isfinite(q):
        return math.inf
    last = path.split(".")[-1]
    chance = last.startswith(("p_", "pval", "QEp", "QMp")) or last.endswith("_p")
    if abs(p - q) <= (1e-300 if chance else 1e-3 * RTOL.get(kind, 1e-7) * scale):
        return 0.0
    gap = abs(p - q) / max(abs(p), abs(q)) / RTOL.get(kind, 1e-7)
    return gap / max(1.0, -2 * math.log(p)) if chance and 0 < p < 1 else gap


def cut(found: set[str]) -> str:
    return " / ".join(t if len(t) < 90 else f"{t[:87]}..." for t in sorted(found)[:2]) or "nothing"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

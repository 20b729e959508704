"""How long a review of RevMan and a sheet of one's own take: a part of ``make bench``.

It writes its section of ``benchmarks/results.md``.

A file of 200 rows in 20 analyses is read, and every stored number computed again. Beside it R pools the same analyses: its
package meta where it is there, and a bare script of xml2 and metafor, which compares nothing with what is stored.
"""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import vfmeta as vf

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))  # run as a script

from benchmarks.bench import best  # noqa: E402
from tests.revman_files import Outcome, Row, review_xml  # noqa: E402

TITLE = "## Reviews of RevMan"
TARGET, SHEET_TARGET = 1.0, 10.0
_META = """
suppressMessages(library(meta))
one <- function() { r <- read.rm5("{file}"); for (o in 1:20) suppressWarnings(metacr(r, 1, o)) }
one(); cat(min(replicate(3, system.time(one())["elapsed"])))
"""
_BARE = """
suppressMessages({ library(xml2); library(metafor) })
one <- function() for (o in xml_find_all(read_xml("{file}"), ".//DICH_OUTCOME|.//CONT_OUTCOME|.//IV_OUTCOME")) {
  rows <- xml_find_all(o, ".//DICH_DATA|.//CONT_DATA|.//IV_DATA")
  x <- function(n) as.numeric(xml_attr(rows, n))
  m <- xml_attr(o, "EFFECT_MEASURE"); t <- if (xml_attr(o, "RANDOM") == "YES") "DL" else "EE"
  if (xml_name(o) == "IV_OUTCOME") rma(x("ESTIMATE"), sei = x("SE"), method = t)
  else if (xml_name(o) == "CONT_OUTCOME") rma(m1i = x("MEAN_1"), sd1i = x("SD_1"), n1i = x("TOTAL_1"), m2i = x("MEAN_2"),
    sd2i = x("SD_2"), n2i = x("TOTAL_2"), measure = m, method = t)
  else rma(ai = x("EVENTS_1"), n1i = x("TOTAL_1"), ci = x("EVENTS_2"), n2i = x("TOTAL_2"), measure = m, method = t)
}
one(); cat(min(replicate(5, system.time(one())["elapsed"])))
"""


def make_review(seed: int = 1) -> str:
    """A file of 20 analyses of 10 rows each: events, means and generic effects of 40 studies."""
    r = random.Random(seed)
    studies = {f"STD-S{i}-2000": f"S{i} 2000" for i in range(40)}
    kinds = [("events", "OR", "MH"), ("events", "RR", "MH"), ("means", "SMD", "IV"), ("means", "MD", "IV"),
             ("effects", "Hazard Ratio", "IV")]  # fmt: skip
    made = {
        "events": lambda: (r.randint(0, 20), 60, r.randint(0, 25), 62),
        "means": lambda: (r.gauss(3, 1), 2.0, 40, r.gauss(4, 1), 2.1, 41),
        "effects": lambda: (r.gauss(-0.2, 0.2), 0.2),
    }
    outcomes = []
    for j in range(20):
        kind, measure, method = kinds[j % 5]
        rows = [Row(key, made[kind]()) for key in r.sample(list(studies), 10)]
        outcomes.append(Outcome(f"outcome {j + 1}", kind, measure, method, j % 2 == 0, rows))
    return review_xml(outcomes, studies)


def make_sheet(seed: int = 1) -> str:
    """A sheet of 500 studies, means of 20 outcomes."""
    r = random.Random(seed)
    lines = ["study,outcome,mean treat,sd treat,n treat,mean control,sd control,n control"]
    for i in range(500):
        n, both = r.randint(20, 80), [f"{r.gauss(m, 0.5):.2f},{r.uniform(1.6, 2.4):.2f}" for m in (4.2, 5.0)]
        lines.append(f"Study {i + 1} {1990 + i % 30},outcome {i % 20 + 1:02d},{both[0]},{n},{both[1]},{n + r.randint(-3, 3)}")
    return "\n".join(lines) + "\n"


def pages_of(file: Path) -> float:
    """Seconds that ``vfmeta analyse`` takes from the command line, to pages with all their figures."""
    out = file.parent / "pages"
    command = [sys.executable, "-m", "vfmeta", "analyse", str(file), "--out", str(out)]
    taken = best(lambda: subprocess.run(command, check=True, capture_output=True), 2)
    assert len(list((out / "figures").glob("*-main.svg"))) == 20
    return taken


def once(file: Path) -> int:
    """Read and compute again; how many stored numbers were held to new ones."""
    found = vf.read_revman(file).differences()
    assert found.empty
    return int(found.attrs["compared"])


def in_r(code: str, file: Path) -> float | None:
    """Seconds that R takes; None where R or a package is missing."""
    if shutil.which("Rscript") is None:
        return None
    run = subprocess.run(["Rscript", "-e", code.replace("{file}", str(file))], capture_output=True, text=True)
    return float(run.stdout.split()[-1]) if run.returncode == 0 and run.stdout.split() else None


def section() -> str:
    """The section of ``results.md``."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "review.rm5"
        file.write_text(make_review(), encoding="utf-8")
        compared, own = once(file), best(lambda: once(file), 15)
        sheet = Path(folder) / "sheet.csv"
        sheet.write_text(make_sheet(), encoding="utf-8")
        pages = pages_of(sheet)
        others = {"meta": in_r(_META, file), "xml2 and metafor": in_r(_BARE, file)}
    cells = ["" if x is None else f"{1e3 * x:.3g} ms ({x / own:.0f} x)" for x in others.values()]
    absent = [name for name, x in others.items() if x is None]
    note = f" R's {', '.join(absent)} could not be timed here." if absent else ""
    said = (
        f"Load {os.getloadavg()[0]:.1f} when done; smallest of several timings, in brackets how many times as long as vfmeta, "
        f"which reads, pools and holds {compared:,} stored numbers to new ones, where R reads and pools.{note}"
    )
    return "\n".join([
        TITLE, "", said, "",
        "| task | target | vfmeta | meta | xml2 and metafor |", "|---|---|---|---|---|",
        f"| an .rm5 of 200 rows in 20 analyses | {TARGET:g} s | {1e3 * own:.3g} ms | {' | '.join(cells)} |",
        f"| `vfmeta analyse` of 500 studies, 20 outcomes, with figures | {SHEET_TARGET:g} s | {pages:.3g} s |  |  |", "",
    ])  # fmt: skip


def main() -> None:
    """Replace the section in ``results.md``."""
    path = HERE / "results.md"
    before, _, after = path.read_text(encoding="utf-8").partition(TITLE) if path.exists() else ("", "", "")
    rest = "## " + after.partition("\n## ")[2] if "\n## " in after else ""
    path.write_text(before.rstrip() + "\n\n" + section() + (f"\n{rest}" if rest else ""), encoding="utf-8")
    print(f"{path.name}: {TITLE[3:]}")


if __name__ == "__main__":
    main()

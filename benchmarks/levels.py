"""How often tests reject what is true and intervals hold it, verb by verb: ``reports/levels.csv``, ``levels.md``, pictures.

``python -m benchmarks.levels`` runs the blocks that have no rows in the table yet, ``--only VERB`` runs those of a verb again,
and ``--all`` everything, as `make simulate` does. A block is a verb with what to draw; the modules ``benchmarks/levels_*.py``
hold them in ``BLOCKS``. Each block has random numbers of its own, made of the seed and its name.
"""

from __future__ import annotations

import argparse
import importlib
import math
import time
import warnings
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

import vfmeta as vf

REPORTS = Path(__file__).parent.parent / "reports"
COLUMNS = ("verb", "what", "setting", "procedure", "nominal", "share", "error", "width", "draws")
MISSES = 0.03  # beyond this from what was asked a verb says so itself
LEVEL, COVERAGE = "rejects", "covers"
NOTICES = "notices"  # rejects what is false: power, without a level to be held
NOMINAL = {LEVEL: 0.05, COVERAGE: 0.95, NOTICES: math.nan}


class Answer(NamedTuple):
    """What one procedure said of a set or a batch: ``hit`` (a test rejected, an interval held), NaN where it had no answer."""

    what: str
    hit: Any
    width: Any = math.nan


@dataclass(frozen=True)
class Block:
    """A verb in one or more settings.

    ``settings`` gives for each setting a function of a random generator (and, where ``batched``, the number of sets) that draws
    data; ``answers`` says of them, by the name of the procedure, what each answered.
    """

    verb: str
    settings: Mapping[str, Callable[..., Any]]
    answers: Callable[[Any], Mapping[str, Answer]]
    draws: int = 2000
    batched: bool = False

    @property
    def name(self) -> str:
        return f"{self.verb}: {', '.join(self.settings)}"

    def run(self, draws: int | None = None, seed: int = 1) -> pd.DataFrame:
        """One row a setting and procedure."""
        rows = [row for setting in self.settings for row in self._setting(setting, draws or self.draws, seed)]
        return pd.DataFrame(rows, columns=list(COLUMNS))

    def _setting(self, setting: str, draws: int, seed: int) -> Iterator[dict[str, Any]]:
        rng = np.random.default_rng([seed, zlib.crc32(f"{self.verb} {setting}".encode())])
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            if self.batched:
                every = [self.answers(self.settings[setting](rng, draws))]
            else:
                every = [_answered(self.answers, self.settings[setting](rng)) for _ in range(draws)]
        names = dict.fromkeys((name, a.what) for one in every for name, a in one.items())
        for name, what in names:
            own = [one[name] for one in every if name in one]
            hit = np.concatenate([np.atleast_1d(np.asarray(a.hit, dtype=float)) for a in own])
            width = np.concatenate([np.atleast_1d(np.asarray(a.width, dtype=float)) for a in own])
            known = np.isfinite(hit)
            share = float(hit[known].mean()) if known.any() else math.nan
            of = known & np.isfinite(width) if width.shape == hit.shape else np.isfinite(width)
            yield {
                "verb": self.verb, "what": what, "setting": setting, "procedure": name,
                "nominal": NOMINAL[what], "share": round(share, 5),
                "error": round(math.sqrt(share * (1 - share) / max(int(known.sum()), 1)), 5),
                "width": round(float(width[of].mean()), 4) if of.any() else math.nan, "draws": int(known.sum()),
            }  # fmt: skip


def _answered(answers: Callable[[Any], Mapping[str, Answer]], data: Any) -> Mapping[str, Answer]:
    """What a set was answered, nothing where the verb refused it."""
    try:
        return answers(data)
    except (vf.ConvergenceError, vf.InputError):
        return {}


def rejects(p: Any) -> Answer:
    """Whether a p value is below 5%."""
    p = np.asarray(p, dtype=float)
    return Answer(LEVEL, np.where(np.isnan(p), np.nan, p < 0.05))


def covers(low: Any, high: Any, truth: Any) -> Answer:
    """Whether an interval holds the truth, and how wide it is."""
    low, high = (np.asarray(x, dtype=float) for x in (low, high))
    held = np.where(np.isnan(low + high), np.nan, (low <= truth) & (truth <= high))
    return Answer(COVERAGE, held, high - low)


def blocks() -> list[Block]:
    """Those of all modules beside this one, in the order of the modules' names."""
    names = sorted(p.stem for p in Path(__file__).parent.glob("levels_*.py") if p.stem != "levels_report")
    return [block for name in names for block in importlib.import_module(f"benchmarks.{name}").BLOCKS]


def write_table(table: pd.DataFrame, path: Path) -> None:
    """Fixed order and digits: the same seed gives the same bytes."""
    order = {verb: i for i, verb in enumerate(sorted(set(table["verb"])))}
    table.assign(_at=table["verb"].map(order)).sort_values("_at", kind="stable").drop(columns="_at").to_csv(
        path, index=False, lineterminator="\n"
    )


def write(folder: Path, draws: int | None = None, seed: int = 1, only: str = "", fresh: bool = True) -> None:
    """Run the blocks that are asked for, each written when it is done, and the report of all that there is."""
    from benchmarks import levels_report

    path = folder / "levels.csv"
    table = pd.read_csv(path) if path.exists() and not fresh else pd.DataFrame(columns=list(COLUMNS))
    for block in blocks():
        ours = (table["verb"] == block.verb) & table["setting"].isin(block.settings)
        if (only and block.verb != only) or (not fresh and not only and ours.any()):
            continue
        start = time.process_time()
        found = block.run(draws, seed)
        table = pd.concat([part for part in (table[~ours], found) if len(part)], ignore_index=True)
        write_table(table, path)
        print(f"{block.name}: {time.process_time() - start:.1f} s", flush=True)
    levels_report.write(pd.read_csv(path), folder)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--draws", type=int, help="sets in each setting; by default those of the block")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="", help="the blocks of this verb, again")
    parser.add_argument("--all", action="store_true", help="everything again")
    parser.add_argument("--out", type=Path, default=REPORTS)
    given = parser.parse_args()
    write(given.out, given.draws, given.seed, given.only, given.all)


if __name__ == "__main__":
    main()

"""Run the fuzzer: `python -m benchmarks.fuzz [inputs] [--seed 1] [--only kind] [--case 17]`.

Every input is made from the seed and its number, in processes of its own: one that dies or hangs is counted, the rest goes on.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections import Counter

from benchmarks.fuzz.run import made
from benchmarks.fuzz.workers import Worker

_FAULTS = ("raw", "warned", "silent", "wordless", "crash", "hang")


def main() -> int:
    ask = argparse.ArgumentParser(prog="python -m benchmarks.fuzz", description=__doc__)
    ask.add_argument("inputs", nargs="?", type=int, default=25_000)
    ask.add_argument("--seed", type=int, default=1)
    ask.add_argument(
        "--only", default="", help="one kind of input, such as estimate or plan, or a file of them, such as appraisal"
    )
    ask.add_argument("--case", type=int, help="one input, by its number, in this process")
    ask.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    asked = ask.parse_args()
    if asked.case is not None:
        name, call = made(asked.seed, asked.case, asked.only)
        print(name)
        print(call())
        return 0
    began = time.monotonic()
    numbers = range(asked.inputs)
    workers = [Worker(asked.seed, list(numbers[j :: asked.jobs]), asked.only) for j in range(asked.jobs)]
    outcomes: Counter[str] = Counter()
    faults: dict[tuple[str, str, str], list[tuple[int, str]]] = {}
    while any(not w.done for w in workers):
        for worker in workers:
            for i, (outcome, fault, where, name) in worker.collect() if not worker.done else ():
                outcomes[outcome] += 1
                if outcome in _FAULTS:
                    faults.setdefault((outcome, fault.partition(":")[0], where), []).append((i, f"{fault} <- {name}"))
    for (outcome, kind, where), found in sorted(faults.items(), key=lambda x: -len(x[1])):
        print(f"{outcome}, {len(found)} times: {kind} at {where}")
        for i, text in found[:3]:
            print(f"    --seed {asked.seed} --case {i}: {text[:600]}")
    said = ", ".join(f"{n} {name}" for name, n in outcomes.most_common())
    print(f"{sum(outcomes.values())} inputs in {time.monotonic() - began:.0f} s: {said}")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())

"""Two builds side by side, by turns in one run: ``make bench OLD=checkout`` prints seconds of both and their ratio.

Each build runs in a process of its own, with its own environment (``checkout/.venv``), and does every task in turn with the
other, so that both meet the same load of the machine; the smallest of the timings counts.
"""

from __future__ import annotations

import inspect
import os
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROUNDS = 7


def tasks(share: int = 1) -> dict[str, tuple[Callable[[], Any], int]]:
    """Each task and how often it is done for one timing; of whatever comes by the thousand, one in ``share``."""
    import bench
    import numpy as np
    import pandas as pd

    import vfmeta as vf

    data = bench.make_data(share=share)
    y, v = (data["one"][c].to_numpy() for c in ("yi", "vi"))
    large, levels, nested, batch = (data[name] for name in ("large", "levels", "nested", "batch"))
    yb, vb = (batch[c].to_numpy()[:20] for c in ("y", "v"))
    few = data["large"].head(20)
    dl = {"method" if "method" in inspect.signature(vf.random_effects).parameters else "tau2": "DL"}
    draws = "draws" if "draws" in inspect.signature(vf.permutation_test).parameters else "arrangements"
    counts = pd.DataFrame({"a": [4, 6, 3, 62, 33], "c": [11, 29, 11, 248, 47], "n": 500})
    table = vf.effect_size("RR", data=counts, events1="a", n1="n", events2="c", n2="n")
    whole = vf.random_effects(y=large["y"].to_numpy(), v=large["v"].to_numpy())
    some, many = vf.random_effects(y=yb[:15], v=vb[:15]), vf.random_effects(y=yb, v=vb, **dl)
    regression = vf.meta_regression(y=few["y"], v=few["v"], data={"dose": np.arange(20.0)}, formula="~ dose")
    return {
        "one": (lambda: vf.random_effects(y=y, v=v), 200),
        "one_table": (lambda: vf.random_effects(table), 200),
        "batch": (lambda: vf.random_effects_many(batch), 1),
        "leave_one_out": (lambda: vf.leave_one_out(whole), 5),
        "subsets_reml": (lambda: vf.all_subsets(some), 3),
        "subsets_dl": (lambda: vf.all_subsets(many), 1),
        "three_levels": (
            lambda: vf.multivariate(y=levels["y"], v=levels["v"], data=levels, random="1 | district/study"), 20,
        ),
        "cluster": (lambda: vf.che(y=nested["y"], v=nested["v"], data=nested, cluster="trial"), 1),
        "permutation": (lambda: vf.permutation_test(regression, **{draws: 10_000 // share}), 1),
        "bootstrap": (lambda: vf.bootstrap(regression, draws=5_000 // share), 1),
    }  # fmt: skip


def work() -> None:
    """Do each task whose name comes in, and say how long it took."""
    warnings.simplefilter("ignore")
    todo = tasks()
    print(" ".join(todo), flush=True)
    for line in sys.stdin:
        code, times = todo[line.strip()]
        start = time.perf_counter()
        for _ in range(times):
            code()
        print((time.perf_counter() - start) / times, flush=True)


def main(old: Path) -> None:
    """Print the table."""
    from bench import FIRST

    here = Path(__file__).parents[1]
    found = sorted((old / ".venv").glob("*/bin/python")) + sorted((old / ".venv").glob("bin/python"))
    if not found:
        raise SystemExit(f"{old} has no environment (.venv); set it up there first.")
    starts = []
    for python, root in ((str(found[-1]), old), (sys.executable, here)):
        path = os.pathsep.join([str(root / "src"), str(here / "benchmarks")])
        starts.append(([python, "-W", "ignore"], os.environ | {"PYTHONPATH": path}))
    pair = [
        subprocess.Popen([*command, __file__, "--work"], env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for command, env in starts
    ]

    def ask(process: subprocess.Popen[str], task: str) -> float:
        assert process.stdin
        assert process.stdout
        print(task, file=process.stdin, flush=True)
        return float(process.stdout.readline())

    def fresh(start: tuple[list[str], dict[str, str]]) -> float:
        begun = time.perf_counter()
        subprocess.run([*start[0], "-c", FIRST], env=start[1], check=True)
        return time.perf_counter() - begun

    names = [p.stdout.readline().split() for p in pair if p.stdout][-1]
    print("| task | old, ms | new, ms | ratio |\n|---|---|---|---|")
    for task in [*names, "first"]:
        times = [[fresh(s) for s in starts] if task == "first" else [ask(p, task) for p in pair] for _ in range(ROUNDS + 1)]
        before, now = (min(column) for column in zip(*times[1:], strict=True))
        print(f"| {task} | {1e3 * before:.3g} | {1e3 * now:.3g} | {now / before:.2f} |", flush=True)
    for p in pair:
        p.communicate()


if __name__ == "__main__":
    work() if sys.argv[1:] == ["--work"] else main(Path(sys.argv[1]))

"""How long vfmeta and others take on the same data in one run: ``make bench`` writes ``benchmarks/results.md`` and
``growth.png``.

Others are timed where they can be imported (PyMARE, statsmodels, pimeta) or found (metafor, by Rscript); what is missing is
left blank.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numba import njit, prange

import vfmeta as vf

HERE = Path(__file__).parent
TASKS = {
    "one": "one REML fit of 13 studies: Hartung-Knapp, prediction, Q-profile",
    "one_table": "the same from an effect table",
    "loop": "10,000 separate REML fits of 10 studies in a loop",
    "batch": "100,000 meta-analyses of 10 studies, tidy frame out",
    "leave_one_out": "leave-one-out of 500 studies (REML)",
    "subsets_reml": "all 32,767 subsets of 15 studies (REML)",
    "subsets_dl": "all 1,048,575 subsets of 20 studies (DL)",
    "three_levels": "three-level model of 56 effects in 11 districts",
    "cluster": "correlated and hierarchical effects, 1,000 trials of 4",
    "linked": "the same trials in 6 laboratories, crossed",
    "egger": "Egger's test of 37 studies of passive smoking",
    "trim_and_fill": "trim and fill of the same (L0, REML), with both pools",
    "selection_step": "selection model with one cut of the same",
    "selection_beta": "beta selection model of the same",
    "robust_average": "robust Bayesian averaging of the same over 36 models",
    "multiverse": "multiverse of more than 10,000 specifications of 26 trials: measures, rules, models, leave-one-out",
    "egger_many": "Egger's test of 9,000 meta-analyses of 37 studies, tidy frame out",
    "trim_and_fill_many": "trim and fill of the same 9,000",
    "selection_many": "selection model with one cut of the same 9,000",
    "permutation": "10,000 permutations of a meta-regression of 20 studies",
    "bootstrap": "5,000 bootstrap samples of the same",
    "load": "reading and checking the packaged tables",
    "compare": "one comparison out of the packaged tables",
    "import": "`import vfmeta` in a fresh process, beyond an empty one",
    "first": "first fit in a fresh process, loading included",
}
TARGETS = {
    "one": 0.2e-3, "one_table": 1e-3, "egger": 0.1e-3, "trim_and_fill": 0.3e-3,
    "selection_step": 2e-3, "selection_beta": 20e-3, "robust_average": 2.0, "multiverse": 2.0, "subsets_reml": 0.2,
    "subsets_dl": 2.0, "cluster": 1.0, "linked": 3.0, "load": 2.5, "compare": 10e-3, "import": 0.6, "first": 2.5,
}  # fmt: skip

FIRST = "import vfmeta as vf; vf.random_effects(y=[0.1, 0.4, 0.3], v=[0.1, 0.2, 0.1])"


def best(code: Callable[[], Any], times: int = 5, inner: int = 1) -> float:
    """Smallest of some timings, seconds a call: the machine's other work only adds."""
    out = []
    for _ in range(times):
        start = time.perf_counter()
        for _ in range(inner):
            code()
        out.append((time.perf_counter() - start) / inner)
    return min(out)


@njit(parallel=True, fastmath=True)
def plain_loop(y, v, out):  # type: ignore[no-untyped-def]
    """A plain fixed-point REML loop on every core, relative tolerance 1e-10: the yardstick of a batch."""
    for b in prange(y.shape[0]):
        t = 0.1
        for _ in range(1000):
            w1, wy = 0.0, 0.0
            for i in range(y.shape[1]):
                w = 1 / (v[b, i] + t)
                w1 += w
                wy += w * y[b, i]
            mean, w2, top = wy / w1, 0.0, 0.0
            for i in range(y.shape[1]):
                w = 1 / (v[b, i] + t)
                w2 += w * w
                top += w * w * ((y[b, i] - mean) ** 2 - v[b, i])
            new = max(top / w2 + 1 / w1, 0.0)
            done = abs(new - t) <= 1e-10 * t
            t = new
            if done:
                break
        out[b] = t


def make_data(seed: int = 1, share: int = 1) -> dict[str, pd.DataFrame]:
    """Simulated studies: normal effects, variances as of trials of 10 to 200 patients; of the many, one in ``share``."""
    rng = np.random.default_rng(seed)

    def studies(n: int) -> pd.DataFrame:
        v = 4 / rng.integers(10, 200, n)
        return pd.DataFrame({"y": rng.normal(-0.3, np.sqrt(v + 0.05)), "v": v})

    one = studies(13)
    district = np.repeat(np.arange(11), [4, 4, 8, 6, 3, 4, 5, 5, 6, 6, 5])
    levels = studies(len(district)).assign(district=district, study=np.arange(len(district)))
    levels["y"] += rng.normal(0, 0.3, 11)[district]
    n, many = 4000 // share, 100_000 // share
    nested = studies(n).assign(trial=np.arange(n) // 4, effect=np.arange(n), lab=rng.integers(0, 6, n))
    return {
        "one": pd.DataFrame({"yi": one["y"], "vi": one["v"]}),
        "nested": nested,
        "batch": studies(10 * many).assign(question=np.repeat(np.arange(many), 10)),
        "large": studies(500),
        "levels": levels,
        "smoking": smoking(),
    }


def smoking() -> pd.DataFrame:
    """The 37 studies of passive smoking and lung cancer of Hackshaw et al. 1997, from the reference cases."""
    cases = json.loads((HERE.parent / "tests" / "reference" / "diagnostics.json").read_text(encoding="utf-8"))
    (inputs,) = [c["inputs"] for c in cases if c["id"] == "diag.ranktest.dat_hackshaw1998.REML.z"]
    return pd.DataFrame({"yi": inputs["yi"], "vi": inputs["vi"]})


Task = tuple[Callable[[], Any], int, int]  # what is done, how many timings, how often in each


def tasks(data: dict[str, pd.DataFrame], share: int = 1) -> dict[str, Task]:
    """What vfmeta is timed at in this process; of whatever comes by the thousand, one in ``share``."""
    y, v = (data["one"][c].to_numpy() for c in ("yi", "vi"))
    events1, events2 = [4, 6, 3, 62, 33, 180, 8], [11, 29, 11, 248, 47, 372, 10]
    counts = pd.DataFrame({"events1": events1, "events2": events2, "n1": 500, "n2": 520})
    table = vf.effect_size("RR", data=counts, events1="events1", n1="n1", events2="events2", n2="n2")
    yb, vb = (data["batch"][c].to_numpy().reshape(-1, 10) for c in ("y", "v"))

    def loop() -> None:
        for i in range(10_000 // share):
            vf.random_effects(y=yb[i], v=vb[i])

    large = vf.random_effects(y=data["large"]["y"].to_numpy(), v=data["large"]["v"].to_numpy())
    few = vf.random_effects(y=yb[:2].ravel()[:15], v=vb[:2].ravel()[:15])
    some = vf.random_effects(y=yb[:2].ravel(), v=vb[:2].ravel(), method="DL")
    levels = data["levels"]
    return {
        "one": (lambda: vf.random_effects(y=y, v=v), 5, 200),
        "one_table": (lambda: vf.random_effects(table), 5, 100),
        "loop": (loop, 2, 1),
        "leave_one_out": (lambda: vf.leave_one_out(large), 5, 1),
        "subsets_reml": (lambda: vf.all_subsets(few), 5, 1),
        "subsets_dl": (lambda: vf.all_subsets(some), 3, 1),
        "three_levels": (
            lambda: vf.multivariate(y=levels["y"], v=levels["v"], data=levels, random="1 | district/study"), 3, 1,
        ),
        **funnels(data["smoking"], 9_000 // share), **specifications(share), **dependent(data["nested"]),
        **resampling(data["large"].head(20), share), **tables(),
    }  # fmt: skip


def fresh(code: str) -> float:
    """Time of a process that runs ``code``, from its start to its end."""
    run = [sys.executable, "-W", "ignore", "-c", code]
    return best(lambda: subprocess.run(run, check=True, capture_output=True), 3)


def funnels(studies: pd.DataFrame, size: int) -> dict[str, Task]:
    """Small-study effects of one meta-analysis, and of very many like it."""
    y, v = (studies[c].to_numpy() for c in ("yi", "vi"))
    rng, odds = np.random.default_rng(5), vf.Question(measure="OR")
    many = pd.DataFrame({"question": np.repeat(np.arange(size), len(y)), "v": np.tile(v, size)})
    many["y"] = np.tile(y, size) + rng.normal(0, np.sqrt(many["v"]))
    return {
        "egger": (lambda: vf.appraisal.egger(y=y, v=v), 5, 200),
        "trim_and_fill": (lambda: vf.appraisal.trim_and_fill(y=y, v=v), 5, 100),
        "selection_step": (lambda: vf.appraisal.selection_model(y=y, v=v, favoured="higher"), 5, 50),
        "selection_beta": (lambda: vf.appraisal.selection_model(y=y, v=v, favoured="higher", model="beta"), 5, 5),
        "robust_average": (lambda: vf.appraisal.robust_average(y=y, v=v, favoured="higher", question=odds), 3, 1),
        "egger_many": (lambda: vf.appraisal.egger_many(many), 3, 1),
        "trim_and_fill_many": (lambda: vf.appraisal.trim_and_fill_many(many), 3, 1),
        "selection_many": (lambda: vf.appraisal.selection_model_many(many, favoured="higher"), 3, 1),
    }


def specifications(share: int = 1) -> dict[str, Task]:
    """A multiverse of simulated tables of events; with ``share`` no trial is left out in turn."""
    rng = np.random.default_rng(11)
    n = rng.integers(40, 400, 26)
    frame = pd.DataFrame({"n1": n, "n2": n, "events1": rng.binomial(n, 0.1), "events2": rng.binomial(n, 0.17)})
    frame["year"], frame["blinded"] = 1990 + np.arange(26), np.arange(26) % 6 > 0
    frame["large"] = n > 60
    table = vf.effect_size("RR", data=frame, events1="events1", n1="n1", events2="events2", n2="n2")
    rules = {"recent": "year >= 1993", "blinded": "blinded", "large": "large"}
    return {"multiverse": (lambda: vf.multiverse(table, include=rules, favoured="lower", leaving_out=share == 1), 3, 1)}


def dependent(nested: pd.DataFrame) -> dict[str, Task]:
    """Many trials with several effects each: one block a trial, and laboratories that link all of them."""
    given = {"y": nested["y"], "v": nested["v"], "data": nested}
    return {
        "cluster": (lambda: vf.che(cluster="trial", **given), 3, 1),
        "linked": (lambda: vf.multivariate(random=["1 | lab", "1 | trial/effect"], **given), 3, 1),
    }


def resampling(studies: pd.DataFrame, share: int) -> dict[str, Task]:
    """Very many refits of one meta-regression."""
    fit = vf.meta_regression(y=studies["y"], v=studies["v"], data={"dose": np.arange(20.0)}, formula="~ dose")
    vf.permutation_test(fit, draws=20)
    return {
        "permutation": (lambda: vf.permutation_test(fit, draws=10_000 // share), 2, 1),
        "bootstrap": (lambda: vf.bootstrap(fit, kind="studies", draws=5_000 // share), 2, 1),
    }


def tables() -> dict[str, Task]:
    """From the packaged tables to an effect table."""
    trials = vf.load_trials()
    asked = {"outcome": "pain_overall", "week": 52, "window": (39, 78), "points": (0, 10)}
    return {
        "load": (vf.load_trials, 3, 1),
        "compare": (lambda: vf.compare(trials, "vertebroplasty", "sham", **asked), 10, 1),
    }


def time_pymare(data: dict[str, pd.DataFrame]) -> dict[str, float]:
    from pymare import Dataset
    from pymare.estimators import VarianceBasedLikelihoodEstimator

    def fit(y: np.ndarray, v: np.ndarray) -> None:
        s = VarianceBasedLikelihoodEstimator(method="REML").fit_dataset(Dataset(y=y, v=v)).summary()
        s.get_fe_stats()
        s.get_re_stats()

    y, v = (data["one"][c].to_numpy()[:, None] for c in ("yi", "vi"))
    yb, vb = (data["batch"][c].to_numpy().reshape(-1, 10) for c in ("y", "v"))
    loop = best(lambda: [fit(yb[i][:, None], vb[i][:, None]) for i in range(100)], 1) * 100
    return {"one": best(lambda: fit(y, v), 3, 5), "loop": loop}


def time_statsmodels(data: dict[str, pd.DataFrame]) -> dict[str, float]:
    """No REML there: Paule-Mandel, no Q-profile interval."""
    from statsmodels.stats.meta_analysis import combine_effects

    y, v = (data["one"][c].to_numpy() for c in ("yi", "vi"))
    yb, vb = (data["batch"][c].to_numpy().reshape(-1, 10) for c in ("y", "v"))

    def fit(a: np.ndarray, b: np.ndarray) -> None:
        combine_effects(a, b, method_re="iterated", use_t=True).summary_frame()

    loop = best(lambda: [fit(yb[i], vb[i]) for i in range(500)], 1) * 20
    return {"one": best(lambda: fit(y, v), 3, 20), "loop": loop}


def time_pimeta(data: dict[str, pd.DataFrame]) -> dict[str, float]:
    import pimeta

    y, v = (data["one"][c].to_numpy() for c in ("yi", "vi"))
    yb, vb = (data["batch"][c].to_numpy().reshape(-1, 10) for c in ("y", "v"))

    def fit() -> None:
        f = pimeta.rma(y, v, test="knha")
        pimeta.predict(f)
        pimeta.confint(f)

    loop = best(lambda: [pimeta.rma(yb[i], vb[i], test="knha") for i in range(500)], 1) * 20
    few = yb[:2].ravel()[:15], vb[:2].ravel()[:15]
    large = data["large"]["y"].to_numpy(), data["large"]["v"].to_numpy()
    return {
        "one": best(fit, 3, 5),
        "loop": loop,
        "leave_one_out": best(lambda: [pimeta.rma(*(np.delete(x, i) for x in large)) for i in range(10)], 1) * 50,
        "subsets_reml": best(lambda: pimeta.gosh(*few, subsets=32_767), 1),
    }


def time_metafor(data: dict[str, pd.DataFrame]) -> tuple[str, dict[str, float]]:
    with tempfile.TemporaryDirectory() as folder:
        for name, frame in (*data.items(), ("loop", data["batch"].head(2_000))):
            if name not in ("batch", "nested"):  # neither is asked of it
                frame.to_csv(Path(folder) / f"{name}.csv", index=False)
        run = subprocess.run(["Rscript", str(HERE / "metafor.R"), folder], check=True, capture_output=True, text=True)
    said = dict(line.split() for line in run.stdout.splitlines() if len(line.split()) == 2)
    version = said.pop("version")
    times = {task: float(seconds) for task, seconds in said.items()}
    times["loop"] *= 50  # 200 of the 10,000 fits
    times["leave_one_out"] *= 100
    return version, times


def growth(path: Path) -> list[tuple[int, float]]:
    """Time of one whole fit against the number of studies in it, drawn."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    rng = np.random.default_rng(3)
    points = []
    for k in (10, 30, 100, 300, 1_000, 3_000, 10_000, 30_000, 100_000):
        v = 4 / rng.integers(10, 200, k)
        y = rng.normal(-0.3, np.sqrt(v + 0.05))
        points.append((k, best(lambda y=y, v=v: vf.random_effects(y=y, v=v), 5, max(1, 2_000 // k))))
    k, seconds = np.array(points).T
    fig, ax = plt.subplots(figsize=(5, 3.6), layout="constrained")
    ax.loglog(k, 1e3 * seconds, "o-", label="REML, Hartung-Knapp, prediction, Q-profile")
    ax.loglog(k, 1e3 * seconds[-1] * k / k[-1], ":", color="0.5", label="proportional to k")
    ax.set(xlabel="studies in one analysis", ylabel="milliseconds a fit")
    ax.legend(frameon=False)
    fig.savefig(path, dpi=110)
    return points


def _time(seconds: float | None) -> str:
    if seconds is None:
        return ""
    return f"{1e3 * seconds:.3g} ms" if seconds < 1 else f"{seconds:.3g} s"


def main() -> None:
    """Time everything, print and write the table."""
    warnings.simplefilter("ignore")
    data = make_data()
    columns: dict[str, dict[str, float]] = {}
    yb, vb = (data["batch"][c].to_numpy().reshape(-1, 10) for c in ("y", "v"))
    plain_loop(yb[:9], vb[:9], np.empty(9))
    vf.random_effects_many(data["batch"].head(100))
    plain = whole = np.inf
    for _ in range(10):  # by turns, so that both meet the same load of the machine
        plain = min(plain, best(lambda: plain_loop(yb, vb, np.empty(len(yb))), 1))
        whole = min(whole, best(lambda: vf.random_effects_many(data["batch"]), 1))
    columns[f"vfmeta {vf.__version__}"] = ours = {task: best(*how) for task, how in tasks(data).items()}
    ours |= {"batch": whole, "import": fresh("import vfmeta") - fresh("pass"), "first": fresh(FIRST)}
    for package, run in (("PyMARE", time_pymare), ("statsmodels", time_statsmodels), ("pimeta", time_pimeta)):
        try:
            columns[f"{package} {importlib.metadata.version(package)}"] = run(data)
        except ImportError:  # not installed: its column is left out
            print(f"{package} cannot be imported; it is not timed.")
    if shutil.which("Rscript"):
        try:
            version, columns[version] = (lambda r: (f"metafor {r[0]}", r[1]))(time_metafor(data))
        except subprocess.CalledProcessError:
            print("metafor does not run here; it is not timed.")
    else:
        print("R is not on this machine; metafor is not timed.")
    points = growth(HERE / "growth.png")
    text = report(columns, ours, plain, points)
    path = HERE / "results.md"
    bayesian = path.read_text(encoding="utf-8").partition("## The Bayesian engine")[1:] if path.exists() else ()
    path.write_text("\n".join([text, "".join(bayesian)]), encoding="utf-8")  # that section is bayes.py's
    print(text)


def report(columns: dict[str, dict[str, float]], ours: dict[str, float], plain: float, points: list[tuple[int, float]]) -> str:
    """The table of times, with how many times longer others take in brackets."""
    names = list(columns)
    lines = [
        "# How long it takes", "",
        f"`make bench` on {date.today().isoformat()}: {platform.machine()}, {_cpu()}, {os.cpu_count()} cores, "
        f"load {os.getloadavg()[0]:.1f} when done; "
        f"Python {platform.python_version()}, numpy {np.__version__}, numba {importlib.metadata.version('numba')}.",
        "Smallest of several timings; in brackets, how many times as long as vfmeta. Blank: not offered there, or not timed.",
        "",
        "| task | target | " + " | ".join(names) + " |", "|---|---|" + "---|" * len(names),
    ]  # fmt: skip
    for task, said in TASKS.items():
        cells = []
        for i, name in enumerate(names):
            seconds = columns[name].get(task)
            ratio = f" ({seconds / ours[task]:.0f} x)" if i and seconds is not None and task in ours else ""
            cells.append(_time(seconds) + ratio)
        target = _time(TARGETS.get(task)) or (_time(2 * plain) if task == "batch" else "")
        lines.append(f"| {said} | {target} | " + " | ".join(cells) + " |")
    lines += [
        "",
        "A plain numba fixed-point REML loop over the same 100,000 meta-analyses (relative tolerance 1e-10, all cores, "
        f"tau2 only, no table): {_time(plain)}; vfmeta, whole table: {ours['batch'] / plain:.2f} times that.",
        "statsmodels has no REML: Paule-Mandel is timed, without the interval of tau2. PyMARE is timed through its "
        "summary. Loops and leave-one-out of others are timed on a part and multiplied.", "",
        "Time of one fit grows in proportion to its number of studies ([plot](growth.png)): "
        + ", ".join(f"{k:,}: {_time(s)}" for k, s in points) + ".", "",
    ]  # fmt: skip
    return "\n".join(lines)


def _cpu() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or "unknown processor"


if __name__ == "__main__":
    main()

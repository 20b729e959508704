"""How long the Bayesian engine and others take on the same data: the second part of ``make bench``.

Writes its section of ``benchmarks/results.md`` and leaves the rest of the file alone (``bench.py`` does likewise). bayesmeta is
timed where R has it, PyMC's own sampler and nutpie in processes of their own, so that "cold" holds everything: start, imports,
compilation without any cache, sampling.
"""

from __future__ import annotations

import importlib.metadata
import os
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

import vfmeta as vf
from vfmeta import priors
from vfmeta.bayes import compiled, posterior

HERE = Path(__file__).parent
TITLE = "## The Bayesian engine"
TASKS = {
    "one": ("full posterior of 13 studies: every interval, density and shrunken effect", 1e-3),
    "shortest": ("the same with shortest intervals", 1e-3),
    "batch": ("10,000 posteriors of 10 studies, tidy frame out", 2.0),
    "batch_studies": ("the same with every shrunken effect", None),
    "batch_t": ("1,000 posteriors of 10 studies under a t prior of mu", None),
    "grid": ("prior sensitivity of 13 studies over 50 x 50 priors", 0.5),
    "conflict": ("a prior in hopeless conflict: tau below 0.03, effects 100 apart", 2.0),
    "calibration": ("simulation-based calibration, 1,000 runs of 4 studies", None),
    "reports": ("14 reports of mixed kinds, standard errors known", 20e-3),
    "reports_sd": ("14 reports of mixed kinds, 10 of them without a standard error", 20e-3),
    "first": ("first posterior in a fresh process, loading included", None),
}
FIRST = "import vfmeta as vf; vf.bayes.random_effects(y=[0.1, 0.4, 0.3], v=[0.1, 0.2, 0.1], tau=vf.priors.HalfNormal(0.5))"
SAMPLING = {
    "pymc": """
import numpy as np, pymc as pm
def model(y, v):
    with pm.Model() as m:
        mu, tau = pm.Normal("mu", 0, 10), pm.HalfNormal("tau", 0.5)
        theta = pm.Deterministic("theta", mu + tau * pm.Normal("z", 0, 1, shape=len(y)))
        pm.Normal("y", theta, np.sqrt(v), observed=y)
    return m
def run(y, v):
    with model(y, v):
        pm.sample(1000, tune=1000, chains=4, random_seed=1, progressbar=False, nuts_sampler="pymc")
""",
    "nutpie": """
import numpy as np, pymc as pm, nutpie
def model(y, v):
    with pm.Model() as m:
        mu, tau = pm.Normal("mu", 0, 10), pm.HalfNormal("tau", 0.5)
        theta = pm.Deterministic("theta", mu + tau * pm.Normal("z", 0, 1, shape=len(y)))
        pm.Normal("y", theta, np.sqrt(v), observed=y)
    return m
def run(y, v):
    made = nutpie.compile_pymc_model(model(y, v), backend="numba")
    nutpie.sample(made, draws=1000, tune=1000, chains=4, seed=1, progress_bar=False)
""",
    "vfmeta": """
import warnings
import vfmeta as vf
warnings.simplefilter("ignore")
def run(y, v):
    vf.bayes.sample(y=y, v=v, tau=vf.priors.HalfNormal(0.5), mu=vf.priors.Normal(0, 10), seed=1)
""",
}
_TIMED = """
import time
began = float({began!r})
{code}
import numpy as np
rng = np.random.default_rng(1)
v = 4 / rng.integers(10, 200, 13)
y = rng.normal(-0.3, np.sqrt(v + 0.05))
run(y, v)
print("cold", time.time() - began)
again = time.perf_counter()
run(y + 0.1, v)
print("warm", time.perf_counter() - again)
"""


def best(code: Callable[[], Any], times: int = 5, inner: int = 1) -> float:
    """Smallest of some timings, seconds a call."""
    out = []
    for _ in range(times):
        start = time.perf_counter()
        for _ in range(inner):
            code()
        out.append((time.perf_counter() - start) / inner)
    return min(out)


def make_data(seed: int = 1, questions: int = 10_000) -> tuple[pd.DataFrame, pd.DataFrame]:
    """13 studies, and many questions of 10: normal effects, variances as of trials of 10 to 200 patients."""
    rng = np.random.default_rng(seed)

    def studies(n: int) -> pd.DataFrame:
        v = 4 / rng.integers(10, 200, n)
        return pd.DataFrame({"y": rng.normal(-0.3, np.sqrt(v + 0.05)), "v": v})

    return studies(13), studies(10 * questions).assign(question=np.repeat(np.arange(questions), 10))


def tasks(one: pd.DataFrame, batch: pd.DataFrame, share: int = 1) -> dict[str, tuple[Callable[[], Any], int, int]]:
    """What the exact engine does in this process, with timings and calls in each; of the many, one in ``share``."""
    y, v, tau = one["y"].to_numpy(), one["v"].to_numpy(), priors.HalfNormal(0.5)
    scales, sds = np.geomspace(0.05, 2, 50), np.geomspace(0.1, 10, 50)
    few, t = batch.head(10_000 // share), priors.StudentT(4, 0, 1)
    apart = np.array([2.9, 1.6, 16.5, -11.9, 51.0, -36.0]), np.array([3e-5, 5e-5, 0.2, 0.01, 1e-4, 0.03])
    return {
        "one": (lambda: vf.bayes.random_effects(y=y, v=v, tau=tau), 5, 200),
        "shortest": (lambda: vf.bayes.random_effects(y=y, v=v, tau=tau, interval="shortest"), 5, 100),
        "batch": (lambda: vf.bayes.random_effects_many(batch, "question", tau=tau), 5, 1),
        "batch_studies": (lambda: vf.bayes.random_effects_many(batch, "question", tau=tau, studies=True), 3, 1),
        "batch_t": (lambda: vf.bayes.random_effects_many(few, "question", tau=tau, mu=t), 3, 1),
        "grid": (lambda: vf.bayes.prior_sensitivity(y=y, v=v, tau_scales=scales, mu_sds=sds), 5, 1),
        "conflict": (lambda: posterior(*apart, priors.Uniform(0.03)), 2, 1),
        "calibration": (lambda: vf.bayes.calibrate(4, runs=1000 // share), 2, 1),
        "reports": (lambda: vf.bayes.reports(**make_reports(known=True)), 5, 10),
        "reports_sd": (lambda: vf.bayes.reports(**make_reports(known=False)), 5, 10),
    }


def make_reports(known: bool) -> dict[str, Any]:
    """14 reports: every kind, with standard errors or with the sizes of the arms and 20 printed SDs of two instruments."""
    rng = np.random.default_rng(2)
    kinds = ["full"] * 4 + ["p_bound"] * 2 + ["not_significant"] * 4 + ["direction"] * 2 + ["significant"] * 2
    n = rng.integers(20, 60, 14)
    error = 2.3 * np.sqrt(2 / n)
    open_ = {"n1": n, "n2": n, "instrument": ["VAS"] * 9 + ["NRS"] * 5}
    printed = {"instrument": ["VAS"] * 12 + ["NRS"] * 8, "sd": 2.3 * np.exp(0.25 * rng.standard_normal(20)), "n": [40] * 20}
    return {
        "kind": kinds, "y": [-0.5, -1.2, 0.1, -0.7] + [None] * 10, "p": [None] * 4 + [0.05, 0.01] + [None] * 8,
        "direction": [None] * 4 + [-1, -1, None, -1, 1, None, -1, -1, -1, -1],
        "se": error if known else [*error[:4], *[None] * 10], **({} if known else open_ | {"sds": printed}),
        "tau": priors.HalfNormal(0.5), "mu": priors.Normal(0, 2), "question": vf.Question(measure="MD", points=(0, 10)),
    }  # fmt: skip


def time_plain_reports() -> float:
    """A bare product of normal probabilities on 200 x 400 steps of tau and mu: the yardstick of the reports."""
    from scipy.special import ndtr

    given = make_reports(known=True)
    se = np.asarray(given["se"], dtype=float)[4:]
    tau, mu = np.linspace(0.005, 3, 200)[:, None], np.linspace(-4, 4, 400)

    def mean() -> float:
        p = np.exp(-0.5 * (mu / 2) ** 2 - 2 * tau**2)
        for s in se:
            p = p * ndtr((-1.96 * s - mu) / np.hypot(s, tau))
        return float((p * mu).sum() / p.sum())

    return best(mean, 5, 5)


def time_plain(one: pd.DataFrame) -> float:
    """Plain numpy quadrature of the mean effect alone on 2,000 equal steps of tau: the yardstick of the issue."""
    y, v = one["y"].to_numpy(), one["v"].to_numpy()
    tau = np.linspace(0.0005, 3, 2000)

    def mean() -> float:
        w = 1 / (v + tau[:, None] ** 2)
        total = w.sum(1)
        pooled = (w @ y) / total
        log = 0.5 * (np.log(w).sum(1) - np.log(total) - (w * (y - pooled[:, None]) ** 2).sum(1)) - 2 * tau**2
        p = np.exp(log - log.max())
        return float(p @ pooled / p.sum())

    exact = posterior(y, v, priors.HalfNormal(0.5)).mu.mean
    if abs(mean() - exact) > 1e-4:
        raise ArithmeticError(f"The plain quadrature gives {mean()}, the engine {exact}.")
    return best(mean, 5, 20)


def time_samplers() -> dict[str, dict[str, float]]:
    """Cold and warm seconds of 4 chains of 1,000 draws after 1,000 of tuning; empty where a package is missing."""
    out = {}
    for name, code in SAMPLING.items():
        with tempfile.TemporaryDirectory() as folder:
            flags = f"base_compiledir={folder},cxx="
            given = {**os.environ, "PYTENSOR_FLAGS": flags, "NUMBA_CACHE_DIR": folder}
            script = Path(folder) / "timed.py"
            script.write_text(_TIMED.format(began=time.time(), code=code), encoding="utf-8")
            run = subprocess.run([sys.executable, "-W", "ignore", str(script)], env=given, capture_output=True, text=True)
        if run.returncode:
            print(f"{name} could not be timed: {run.stderr.strip().splitlines()[-1:]}")
            continue
        out[name] = {a: float(b) for a, b in (line.split() for line in run.stdout.splitlines() if line.count(" ") == 1)}
    return out


def time_bayesmeta(one: pd.DataFrame) -> tuple[str, dict[str, float]]:
    """What R's bayesmeta takes, or why it was not timed."""
    if not shutil.which("Rscript"):
        return "R is not on this machine, so bayesmeta is not timed.", {}
    asked = subprocess.run(
        ["Rscript", "-e", 'quit(status = !requireNamespace("bayesmeta", quietly = TRUE))'], capture_output=True
    )
    if asked.returncode:
        return "R is here, its package bayesmeta is not: it is not timed.", {}
    with tempfile.TemporaryDirectory() as folder:
        one.to_csv(Path(folder) / "one.csv", index=False)
        run = subprocess.run(["Rscript", str(HERE / "bayes.R"), folder], capture_output=True, text=True)
    if run.returncode:
        return f"bayesmeta failed ({run.stderr.strip().splitlines()[-1:]}) and is not timed.", {}
    said = dict(line.split() for line in run.stdout.splitlines() if len(line.split()) == 2)
    version = said.pop("version")
    return f"bayesmeta {version}; its grid is 4 of the 2,500 priors, multiplied.", {k: float(x) for k, x in said.items()}


def _time(seconds: float | None) -> str:
    if seconds is None:
        return ""
    return f"{1e3 * seconds:.3g} ms" if seconds < 1 else f"{seconds:.3g} s"


def section() -> str:
    """Time everything; the section of the report."""
    one, batch = make_data()
    compiled.warm()
    ours, plain = {task: best(*how) for task, how in tasks(one, batch).items()}, time_plain(one)
    run = [sys.executable, "-W", "ignore", "-c", FIRST]
    ours["first"] = best(lambda: subprocess.run(run, check=True, capture_output=True), 3)
    note, r = time_bayesmeta(one)
    samplers = time_samplers()
    lines = [
        TITLE, "",
        f"`make bench` on {date.today().isoformat()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} when done; "
        f"numba {importlib.metadata.version('numba')}. Half-normal(0.5) on tau; smallest of several timings, compiled "
        "beforehand. In brackets, how many times as long as vfmeta.", "",
        f"| task | target | vfmeta {vf.__version__} |" + (" bayesmeta |" if r else ""), "|---|---|---|" + ("---|" if r else ""),
    ]  # fmt: skip
    for task, (said, target) in TASKS.items():
        row = f"| {said} | {_time(target)} | {_time(ours[task])} |"
        if r:
            row += f" {_time(r[task])} ({r[task] / ours[task]:.0f} x) |" if task in r else " |"
        lines.append(row)
    names = {"pymc": "PyMC, its own NUTS", "nutpie": "nutpie (numba)", "vfmeta": "`vf.bayes.sample`"}
    versions = {n: importlib.metadata.version(n) for n in ("pymc", "nutpie")}
    lines += [
        "", f"{note} Plain numpy quadrature of the mean effect alone (2,000 steps): {_time(plain)}. A bare product "
        f"of ten normal probabilities on 200 x 400 steps of tau and mu: {_time(time_plain_reports())}.", "",
        f"Sampling the same 13 studies, 4 chains of 1,000 draws after 1,000 of tuning (PyMC {versions['pymc']}, nutpie "
        f"{versions['nutpie']}). Cold is a fresh process with empty caches, imports included; warm is other data in the same "
        "process.", "", "| sampler | cold | warm | warm, times the exact posterior |", "|---|---|---|---|",
    ]  # fmt: skip
    lines += [
        f"| {names[n]} | {_time(t['cold'])} | {_time(t['warm'])} | {t['warm'] / ours['one']:,.0f} |"
        for n, t in samplers.items()
    ]
    lines += ["", "`vf.bayes.sample` keeps its compiled model when only data change; the other two build theirs anew.", ""]
    return "\n".join(lines)


def main() -> None:
    """Replace the section in ``results.md``."""
    warnings.simplefilter("ignore")
    text, path = section(), HERE / "results.md"
    rest = path.read_text(encoding="utf-8").partition(TITLE)[0].rstrip() + "\n\n" if path.exists() else ""
    path.write_text(rest + text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()

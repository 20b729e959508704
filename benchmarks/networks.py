"""How long networks take: the third part of ``make bench``, which writes its section of ``benchmarks/results.md``.

Beside vfmeta stands a bare numpy kernel that does the least a network needs: REML by Fisher scoring over blocks of trials, the
coefficients and their covariance, nothing else. netmeta is timed where R has it, pimeta where it can be imported.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import vfmeta as vf

try:
    from benchmarks.bench import best
except ImportError:  # run as a script
    from bench import best

HERE = Path(__file__).parent
TITLE = "## Networks"
TASKS = {
    "small": ("10 treatments in 26 trials: REML, league table, P-scores, Q split, every side split", 10e-3),
    "small_fit": ("the fit alone", None),
    "large": ("50 treatments in 200 trials: REML and every comparison", 30e-3),
    "exact": ("exact posterior of 10 treatments with ranks", 100e-3),
    "exact_large": ("exact posterior of 50 treatments, no ranks", None),
}
_NETMETA = """
library(netmeta); d <- read.csv("{file}"); t <- system.time({{
  n <- netmeta(y, se, treat1, treat2, study, data = d, method.tau = "REML", random = TRUE, common = FALSE)
  netleague(n); netrank(n); decomp.design(n); netsplit(n)
}}); cat(sum(t[1:2]))
"""


def make_data(trials: int, treatments: int, seed: int = 1) -> pd.DataFrame:
    """Simulated two-arm trials of a joined network: effects -1 to 1 on some scale, tau 0.2."""
    rng = np.random.default_rng(seed)
    names = [f"t{i:03d}" for i in range(treatments)]
    pairs = [(rng.integers(0, i), i) for i in range(1, treatments)]  # joined
    while len(pairs) < trials:
        a, b = sorted(rng.choice(treatments, 2, replace=False).tolist())
        pairs.append((a, b))
    effect = np.concatenate([[0.0], rng.uniform(-1, 1, treatments - 1)])
    se = rng.uniform(0.1, 0.4, trials)
    y = [effect[b] - effect[a] for a, b in pairs] + rng.normal(0, np.sqrt(se**2 + 0.04))
    return pd.DataFrame({
        "study": [f"s{i:03d}" for i in range(trials)], "treat1": [names[b] for _, b in pairs],
        "treat2": [names[a] for a, _ in pairs], "y": y, "se": se,
    })  # fmt: skip


def plain(frame: pd.DataFrame) -> tuple[np.ndarray, np.ndarray, float]:
    """Coefficients, covariance and tau2 by bare numpy."""
    names = sorted({*frame.treat1, *frame.treat2})
    at = {t: i for i, t in enumerate(names)}
    x = np.zeros((len(frame), len(names)))
    rows = np.arange(len(frame))
    x[rows, [at[t] for t in frame.treat1]] += 1
    x[rows, [at[t] for t in frame.treat2]] -= 1
    x, y, v, tau2 = x[:, 1:], frame.y.to_numpy(), frame.se.to_numpy() ** 2, 0.05
    for _ in range(200):
        w = 1 / (v + tau2)
        cov = np.linalg.inv((x * w[:, None]).T @ x)
        beta = cov @ (x.T @ (w * y))
        h = np.einsum("ij,jk,ik->i", x, cov, x)
        score = (-w + w**2 * h + w**2 * (y - x @ beta) ** 2).sum()
        wx = x * w[:, None]
        p = np.diag(w) - wx @ cov @ wx.T
        step = score / (p * p).sum()
        tau2 = max(0.0, tau2 + step)
        if abs(step) < 1e-10 * (tau2 + 1e-3):
            break
    return beta, cov, tau2


def whole(frame: pd.DataFrame) -> Any:
    """All that people read of a network."""
    fit = vf.network(frame, question=vf.Question(measure="MD", higher_is_worse=True))
    return fit, fit.league(), fit.p_scores(), fit.coherence(), vf.networks.split_sides(fit)


def tasks() -> dict[str, tuple[Callable[[], Any], Callable[[], Any] | None]]:
    """What is timed, and the bare kernel beside it."""
    small, large = make_data(26, 10), make_data(200, 50)
    one, many = vf.network(small), vf.network(large)
    prior = vf.priors.HalfNormal(0.5)
    return {
        "small": (lambda: whole(small), lambda: plain(small)),
        "small_fit": (lambda: vf.network(small), lambda: plain(small)),
        "large": (lambda: vf.network(large).comparisons(), lambda: plain(large)),
        "exact": (lambda: vf.networks.posterior(one, tau=prior).ranks("low"), None),
        "exact_large": (lambda: vf.networks.posterior(many, tau=prior), None),
    }


def growth() -> list[tuple[int, int, float]]:
    """Trials, treatments and CPU seconds of a fit with its comparisons, the least of three."""
    found = []
    for treatments in (10, 25, 50):
        for trials in (50, 100, 200, 400, 800):
            data, seconds = make_data(trials, treatments), []
            for _ in range(3):
                start = time.process_time()
                vf.network(data).comparisons()
                seconds.append(time.process_time() - start)
            found.append((trials, treatments, min(seconds)))
    return found


def picture(found: list[tuple[int, int, float]], path: Path) -> None:
    """CPU time over trials, a line a number of treatments."""
    import matplotlib.pyplot as plt

    figure, ax = plt.subplots(figsize=(4.8, 3.2), layout="constrained")
    for (treatments, colour), marker in zip(((10, "#0072B2"), (25, "#E69F00"), (50, "#009E73")), "os^", strict=True):
        own = [(k, 1e3 * s) for k, t, s in found if t == treatments]
        ax.plot(*zip(*own, strict=True), color=colour, marker=marker, ms=4, lw=1.2, label=f"{treatments} treatments")
    ax.set(xscale="log", yscale="log", xlabel="Trials", ylabel="CPU time of fit and comparisons, ms")
    ax.set_xticks(sorted({k for k, _, _ in found}), sorted({k for k, _, _ in found}), minor=False)
    ax.minorticks_off()
    ax.legend(frameon=False, fontsize=8)
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)
    figure.savefig(path, dpi=150, metadata={"Software": None})
    plt.close(figure)


def netmeta() -> float | None:
    """CPU seconds of netmeta for the small network; None where R has no netmeta."""
    if shutil.which("Rscript") is None:
        return None
    there = subprocess.run(
        ["Rscript", "-e", 'cat(requireNamespace("netmeta", quietly = TRUE))'], capture_output=True, text=True
    )
    if there.stdout.strip() != "TRUE":
        return None
    with tempfile.TemporaryDirectory() as folder:
        make_data(26, 10).to_csv(Path(folder) / "d.csv", index=False)
        (Path(folder) / "run.R").write_text(_NETMETA.format(file=Path(folder) / "d.csv"), encoding="utf-8")
        done = subprocess.run(["Rscript", str(Path(folder) / "run.R")], capture_output=True, text=True, check=True)
    return float(done.stdout.split()[-1])


def pimeta() -> float | None:
    """Seconds of pimeta for the small network, by REML, with league, ranks and splits; None where it is missing."""
    try:
        import pimeta as other
    except ImportError:
        return None
    d = make_data(26, 10)

    def run() -> None:
        n = other.netmeta(d.y, d.se, d.treat1, d.treat2, d.study, method_tau="REML", common=False)
        other.netleague(n), other.netrank(n), other.netsplit(n)

    return best(run, 5)


def section() -> str:
    rows, rival, port = [], netmeta(), pimeta()
    for name, (ours, bare) in tasks().items():
        said, target = TASKS[name]
        seconds = best(ours, 5)
        kernel = best(bare, 5) if bare else None
        cells = [said, f"{1e3 * target:g} ms" if target else "", f"{1e3 * seconds:.3g} ms",
                 f"{1e3 * kernel:.3g} ms ({kernel / seconds:.2g} x)" if kernel else "",
                 f"{1e3 * port:.3g} ms ({port / seconds:.2g} x)" if port and name == "small" else "",
                 f"{rival:.3g} s ({rival / seconds:.0f} x)" if rival and name == "small" else ""]  # fmt: skip
        rows.append("| " + " | ".join(cells) + " |")
    points = growth()
    picture(points, HERE / "network_growth.png")
    grown = "; ".join(f"{k} trials of {t}: {1e3 * s:.3g} ms" for k, t, s in points)
    missing = [name for name, found in (("netmeta", rival), ("pimeta", port)) if not found]
    note = f" Not on this machine: {', '.join(missing)}." if missing else ""
    return "\n".join([
        TITLE, "", f"Smallest of several timings; in brackets how many times as long as vfmeta.{note}", "",
        "| task | target | vfmeta | bare numpy kernel | pimeta | netmeta, CPU |", "|---|---|---|---|---|---|", *rows, "",
        f"How a fit with all comparisons grows with trials and treatments ([plot](network_growth.png), CPU time): {grown}.", "",
    ])  # fmt: skip


def main() -> None:
    """Replace the section in ``results.md``."""
    path = HERE / "results.md"
    before = path.read_text(encoding="utf-8").partition(TITLE)[0] if path.exists() else ""
    path.write_text(before.rstrip() + "\n\n" + section(), encoding="utf-8")
    print(f"{path.name}: {TITLE[3:]}")


if __name__ == "__main__":
    main()

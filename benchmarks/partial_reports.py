"""Trials that print words instead of figures: calibration of `vf.bayes.reports`, and what it gains beside what others do.

The part of ``make simulate`` that writes ``partial_calibration.csv``, ``partial_reports.csv``, ``partial_reports.png`` and
``partial_reports.md`` to ``reports/``.
"""

from __future__ import annotations

import argparse
import math
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from benchmarks.simulate import REPORTS
from joblib import Parallel, delayed
from scipy import optimize, stats

import vfmeta as vf

Z = float(stats.norm.isf(0.025))
TAU, MU = vf.priors.HalfNormal(0.5), vf.priors.Normal(0, 2)
SD = vf.priors.InstrumentSD()
ARM = 30  # patients in each arm where standard errors hang on SDs
RUNS, DRAWS, K = 400, 500, 8
Report = dict[str, Any]


def _full(y: float, se: float) -> Report:
    return {"kind": "full", "y": y, "se": se}


def _significance(y: float, se: float) -> Report:
    if abs(y / se) > Z:
        return {"kind": "significant", "direction": np.sign(y), "se": se}
    return {"kind": "not_significant", "se": se}


def _side(y: float, se: float) -> Report:
    return {"kind": "not_significant" if abs(y / se) < Z else "significant", "direction": np.sign(y), "se": se}


def _bound(y: float, se: float) -> Report:
    if abs(y / se) > stats.norm.isf(0.0005):
        return {"kind": "p_bound", "p": 0.001, "direction": np.sign(y), "se": se}
    return {"kind": "not_significant", "p": 0.001, "se": se}


def _direction(y: float, se: float) -> Report:
    return {"kind": "direction", "direction": np.sign(y), "se": se}


def _exact_p(y: float, se: float) -> Report:
    return {"kind": "p_exact", "p": 2 * stats.norm.sf(abs(y / se)), "direction": np.sign(y), "se": se}


def _estimate(y: float, se: float) -> Report:
    return {"kind": "estimate_only", "y": y, "se": se}


#: what a trial prints, by name; each splits all outcomes into parts, as a likelihood needs
SAYS: dict[str, Callable[[float, float], Report]] = {
    "significant or not": _significance, "the same with a direction": _side, "p < 0.001 or not": _bound,
    "direction": _direction, "p value": _exact_p, "estimate alone": _estimate,
}  # fmt: skip


def calibrated(says: str, known: bool, seed: int) -> tuple[float, float, float]:
    """Posterior probabilities below the true mean, tau and next effect of one set of trials drawn from the priors."""
    rng = np.random.default_rng(seed)
    mu, tau = 2 * rng.standard_normal(), 0.5 * abs(rng.standard_normal())
    k, sds = 6, None
    if known:
        se = rng.uniform(0.3, 0.9, k)
    else:
        m, s = SD.centre + SD.spread * rng.standard_normal(), SD.between * abs(rng.standard_normal())
        own = np.exp(m + s * rng.standard_normal(k + 4))
        se = own[:k] * math.sqrt(2 / ARM)
        printed = own[k:] * np.sqrt(rng.chisquare(2 * ARM - 1, 4) / (2 * ARM - 1))
        sds = {"sd": printed, "n": [2 * ARM] * 4, "instrument": ["VAS"] * 4}
    y = mu + tau * rng.standard_normal(k) + se * rng.standard_normal(k)
    # an estimate whose standard error is known is a full report
    every = [name for name in SAYS if not (known and name == "estimate alone")]
    names = every if says == "each of these" else [says] * 4
    rows = [SAYS[names[i]](y[i], se[i]) if i < len(names) else _full(y[i], se[i]) for i in range(k)]
    frame = pd.DataFrame(rows, columns=["kind", "y", "se", "p", "direction"])
    if not known:
        frame.loc[frame["kind"] != "full", "se"] = np.nan
        frame = frame.assign(n1=ARM, n2=ARM, instrument="VAS")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", vf.VfmetaWarning)
        fit = vf.bayes.reports(frame, tau=TAU, mu=MU, sds=sds, question=vf.Question(measure="MD", points=(0, 10)))
    post = fit.exact_posterior()
    following = mu + tau * rng.standard_normal()
    return float(post.mu.cdf(mu)), float(post.tau.cdf(tau)), float(post.next_trial.cdf(following))


def calibration(runs: int, seed: int, jobs: int) -> pd.DataFrame:
    """A row a kind of report and quantity: Kolmogorov's test of the posterior probabilities below the truth."""
    settings = [(says, known) for known in (True, False) for says in (*SAYS, "each of these")]
    settings.remove(("estimate alone", True))
    rows = []
    with Parallel(n_jobs=jobs) as pool:
        for n, (says, known) in enumerate(settings):
            print(
                f"calibration {n + 1} of {len(settings)}: {says}, standard errors {'known' if known else 'unknown'}", flush=True
            )
            seeds = np.random.SeedSequence([seed, n]).generate_state(runs)
            below = np.array(pool(delayed(calibrated)(says, known, int(s)) for s in seeds))
            for name, u in zip(("mean", "tau", "next effect"), below.T, strict=True):
                test = stats.kstest(u, "uniform")
                rows.append({
                    "report": says, "standard_errors": "known" if known else "unknown", "quantity": name, "runs": runs,
                    "below_0.1": round(float((u < 0.1).mean()), 4), "above_0.9": round(float((u > 0.9).mean()), 4),
                    "p": round(float(test.pvalue), 4),
                })  # fmt: skip
    return pd.DataFrame(rows)


def imputed(y: np.ndarray, v: np.ndarray, told: np.ndarray, rng: np.random.Generator, m: int = 50) -> tuple[float, float]:
    """Estimate and standard error of imputation as MetaNSUE is described.

    Mean and tau2 by maximum likelihood, in which a trial that is "not significant" has the probability of that; its effect is
    then drawn ``m`` times between the limits of significance from the normal of mean and total variance; each completed set is
    pooled by REML, and the pools are put together by Rubin's rules.
    """
    ends = Z * np.sqrt(v[~told])

    def minus_log(at: np.ndarray) -> float:
        mean, wide = at[0], np.sqrt(v + at[1] ** 2)
        inside = stats.norm.cdf((ends - mean) / wide[~told]) - stats.norm.cdf((-ends - mean) / wide[~told])
        return float(-stats.norm.logpdf(y[told], mean, wide[told]).sum() - np.log(np.maximum(inside, 1e-300)).sum())

    start = float(y[told].mean()) if told.any() else 0.0
    found = min(
        (optimize.minimize(minus_log, [start, t], method="Nelder-Mead") for t in (0.05, 0.5)), key=lambda x: float(x.fun)
    )
    mean, wide = found.x[0], np.sqrt(v + found.x[1] ** 2)[~told]
    low, high = (stats.norm.cdf((sign * ends - mean) / wide) for sign in (-1, 1))
    whole = np.tile(y, (m, 1))
    whole[:, ~told] = mean + wide * stats.norm.ppf(low + (high - low) * rng.random((m, len(ends))))
    frame = pd.DataFrame({"set": np.repeat(np.arange(m), len(y)), "y": whole.ravel(), "v": np.tile(v, m)})
    pools = vf.random_effects_many(frame, by="set", test="Wald")
    between = float(pools["estimate"].var(ddof=1))
    return float(pools["estimate"].mean()), math.sqrt(float((pools["se"] ** 2).mean()) + (1 + 1 / m) * between)


METHODS = {
    "all reports": "`vf.bayes.reports`: words enter with their probability",
    "dropped": "the exact Bayesian pool of the trials that print a figure",
    "zero": "the same with 0 for every trial that is not significant",
    "imputed": "multiple imputation, as MetaNSUE is described, REML and Rubin's rules",
}
SILENCE = {
    "none": 'every trial that is not significant says "not significant"',
    "half": "half of them print nothing at all, whatever their side",
    "wrong side": "those that favour the control print nothing at all",
}


def one(mean: float, tau: float, silence: str, seed: int) -> list[tuple[str, float, float, float]]:
    """Estimate and limits by each method of one set of `K` trials, of which those that are not significant print words."""
    rng = np.random.default_rng(seed)
    se = rng.uniform(0.3, 0.9, K)
    y = mean + tau * rng.standard_normal(K) + se * rng.standard_normal(K)
    told = np.abs(y / se) > Z
    told |= rng.random(K) < 0.25  # some print their figures whatever they are
    heard = told | (silence == "none") | ((silence == "half") & (rng.random(K) < 0.5)) | ((silence == "wrong side") & (y < 0))
    if not told.any():
        return []
    y, se, told = y[heard], se[heard], told[heard]
    rows = [_full(a, b) if t else {"kind": "not_significant", "se": b} for a, b, t in zip(y, se, told, strict=True)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", vf.VfmetaWarning)
        fits = {
            "all reports": vf.bayes.reports(pd.DataFrame(rows, columns=["kind", "y", "se"]), tau=TAU, mu=MU),
            "dropped": vf.bayes.random_effects(y=y[told], se=se[told], tau=TAU, mu=MU),
            "zero": vf.bayes.random_effects(y=np.where(told, y, 0.0), se=se, tau=TAU, mu=MU),
        }
        middle, spread = imputed(y, se**2, told, rng)
    out = [(name, float(fit.estimate), *fit.interval) for name, fit in fits.items()]
    return [*out, ("imputed", middle, middle - Z * spread, middle + Z * spread)]


def study(draws: int, seed: int, jobs: int) -> pd.DataFrame:
    """A row a setting and method: bias, root mean squared error, width and coverage of the 95% interval."""
    settings = [(mean, tau, silence) for silence in SILENCE for tau in (0.1, 0.4) for mean in (0.0, -0.5, -1.0)]
    rows = []
    with Parallel(n_jobs=jobs) as pool:
        for n, (mean, tau, silence) in enumerate(settings):
            print(f"comparison {n + 1} of {len(settings)}: mean {mean:g}, tau {tau:g}, silent: {silence}", flush=True)
            seeds = np.random.SeedSequence([seed, 100 + n]).generate_state(draws)
            found = [row for rows in pool(delayed(one)(mean, tau, silence, int(s)) for s in seeds) for row in rows]
            for name, own in pd.DataFrame(found, columns=["method", "x", "low", "high"]).groupby("method", sort=False):
                rows.append({
                    "silent": silence, "mean": mean, "tau": tau, "method": name, "draws": len(own),
                    "bias": round(float(own["x"].mean() - mean), 4),
                    "rmse": round(float(np.sqrt(((own["x"] - mean) ** 2).mean())), 4),
                    "width": round(float((own["high"] - own["low"]).mean()), 4),
                    "coverage": round(float(((own["low"] <= mean) & (mean <= own["high"])).mean()), 4),
                })  # fmt: skip
    return pd.DataFrame(rows)


def picture(table: pd.DataFrame, path: Path) -> None:
    """Bias and coverage by method, a column for each kind of silence."""
    import matplotlib

    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    shapes = dict(zip(METHODS, ("o", "s", "^", "D"), strict=True))
    colours = dict(zip(METHODS, ("#0072B2", "#D55E00", "#999999", "#009E73"), strict=True))
    fig, axes = plt.subplots(2, len(SILENCE), figsize=(10, 6), sharex=True, sharey="row", layout="constrained")
    for column, silence in enumerate(SILENCE):
        own = table[table["silent"] == silence]
        places = {pair: i for i, pair in enumerate(own[["tau", "mean"]].drop_duplicates().itertuples(index=False, name=None))}
        for j, name in enumerate(METHODS):
            part = own[own["method"] == name]
            x = [places[pair] + 0.17 * (j - 1.5) for pair in part[["tau", "mean"]].itertuples(index=False, name=None)]
            style = {"ls": "", "marker": shapes[name], "color": colours[name], "ms": 6}
            axes[0, column].plot(x, part["bias"], label=name, **style)
            axes[1, column].plot(x, 100 * part["coverage"], **style)
        axes[0, column].axhline(0, color="0.6", lw=0.8, zorder=0)
        axes[1, column].axhline(95, color="0.6", lw=0.8, zorder=0)
        axes[0, column].set_title(f"silent: {silence}", fontsize=10)
        axes[1, column].set_xticks(list(places.values()), [f"{mean:g}\n{tau:g}" for tau, mean in places], fontsize=8)
        axes[1, column].set_xlabel("true mean, and tau below it")
    axes[0, 0].set_ylabel("bias of the mean (points)")
    axes[1, 0].set_ylabel("coverage of the 95% interval (%)")
    fig.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=len(METHODS), frameon=False)
    fig.savefig(path, dpi=120, metadata={"Software": None})
    plt.close(fig)


def text(calibrated: pd.DataFrame, table: pd.DataFrame) -> str:
    """The report, every number of it from the tables."""
    least, tests = float(calibrated["p"].min()), len(calibrated)
    worst = 100 * math.sqrt(0.05 * 0.95 / int(table["draws"].min()))
    lines = [
        "# Trials that print words instead of figures", "",
        "What `vf.bayes.reports` does with them, tried on trials whose truth is known. `make simulate` writes this page; its "
        "numbers are read from [partial_calibration.csv](partial_calibration.csv) and "
        "[partial_reports.csv](partial_reports.csv).", "",
        "## Calibration", "",
        f"Mean, tau, SDs and effects are drawn from the priors ({TAU}; {MU}; {SD}), what six trials print from these, four of "
        f"them the report named and two their full result. In the posterior of a right engine the probability below the truth "
        f"is uniform. {int(calibrated['runs'].min()):,} sets each; Kolmogorov's p, of which the smallest of {tests} is "
        f"{least:.3g}.", "",
        "| report | standard errors | mean | tau | next effect |", "|---|---|---|---|---|",
    ]  # fmt: skip
    for (says, known), own in calibrated.groupby(["report", "standard_errors"], sort=False):
        p = own.set_index("quantity")["p"]
        lines.append(f"| {says} | {known} | " + " | ".join(f"{p[q]:.2f}" for q in ("mean", "tau", "next effect")) + " |")
    lines += [
        "", "## Beside what else is done", "",
        f"{K} trials, standard errors 0.3 to 0.9 points; a quarter of the trials prints its figures whatever they are, of the "
        "others those that are significant. Negative favours the treatment. Sets in which no trial prints a figure are left "
        f"out. Monte Carlo error of a coverage near 95%: {worst:.1f} points.", "",
        *(f"- *{name}*: {said}." for name, said in METHODS.items()), "",
        "Who is silent:", "", *(f"- *{name}*: {said}." for name, said in SILENCE.items()), "",
        "![Bias and coverage of four methods under three kinds of silence](partial_reports.png)", "",
        "| silent | mean | tau | method | bias | root mean squared error | width | coverage |",
        "|---|---|---|---|---|---|---|---|",
        *(
            f"| {r.silent} | {r.mean:g} | {r.tau:g} | {r.method} | {r.bias:.2f} | {r.rmse:.2f} | {r.width:.2f} | "
            f"{100 * r.coverage:.1f}% |"
            for r in table.itertuples(index=False)
        ),
        "", *findings(table), "",
    ]  # fmt: skip
    return "\n".join(lines)


def findings(table: pd.DataFrame) -> list[str]:
    """Sentences on the largest bias and the smallest coverage of each method, with everyone heard and with some silent."""
    out = []
    for silence in SILENCE:
        own = table[table["silent"] == silence]
        parts = []
        for name in METHODS:
            part = own[own["method"] == name]
            bias = part.loc[part["bias"].abs().idxmax(), "bias"]
            parts.append(f"{name} {bias:+.2f} and {100 * part['coverage'].min():.0f}%")
        out.append(f"- Silent: {silence}. Largest bias and smallest coverage: {'; '.join(parts)}.")
    return ["## In short", "", *out]


def write(folder: Path, runs: int, draws: int, seed: int, jobs: int) -> None:
    """The two tables, the picture and the page in ``folder``."""
    for name, table in (("partial_calibration", calibration(runs, seed, jobs)), ("partial_reports", study(draws, seed, jobs))):
        table.to_csv(folder / f"{name}.csv", index=False, lineterminator="\n")
    calibration_, compared = (pd.read_csv(folder / f"{n}.csv") for n in ("partial_calibration", "partial_reports"))
    picture(compared, folder / "partial_reports.png")
    (folder / "partial_reports.md").write_text(text(calibration_, compared), encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=RUNS, help="sets of trials for each row of the calibration")
    parser.add_argument("--draws", type=int, default=DRAWS, help="sets of trials in each setting of the comparison")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=-1, help="processes, -1 for one a core")
    parser.add_argument("--out", type=Path, default=REPORTS)
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    write(given.out, given.runs, given.draws, given.seed, given.jobs)


if __name__ == "__main__":
    main()

"""Multilevel and class models: against the exact normal-normal solution, closed-form Gaussian posteriors and grids."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import vfmeta as vf
import vfmeta.bayes.models as models
from vfmeta import priors
from vfmeta.bayes import versions as compat
from vfmeta.core.messages import InputError
from vfmeta.core.question import Question

Y, V = [-1.2, -0.3, -0.9, 0.4], [0.20, 0.15, 0.30, 0.25]
MU, TAU = priors.Normal(0.0, 3.0), priors.HalfNormal(0.7)


@pytest.fixture(autouse=True)
def quiet() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", vf.VfmetaWarning)
        yield


def away(x: np.ndarray, mean: float, sd: float) -> float:
    """Distance of the mean and the SD of draws (chains, draws) from what they should be, in Monte Carlo standard errors."""
    square = (x - x.mean()) ** 2
    error = x.std() / math.sqrt(compat.ess(x, "mean"))
    error_sd = square.std() / math.sqrt(compat.ess(square, "mean")) / (2 * x.std())
    return max(abs(x.mean() - mean) / error, abs(x.std() - sd) / error_sd)


def known(x: float) -> priors.LogNormal:
    """As good as a fixed number."""
    return priors.LogNormal(math.log(x), 1e-4)


@pytest.mark.slow
def test_one_time_without_correlation_is_the_exact_model() -> None:
    exact = vf.bayes.posterior(y=Y, v=V, tau=TAU, mu=MU)
    model = models.multilevel(study=list("ABCD"), time=[12.0] * 4, y=Y, v=V, mu=MU, tau=TAU)
    assert model.watch == ("curve", "tau")  # nothing to be forgotten where nobody is followed
    found = model.sample(draws=2000)
    assert not found.gate.warnings
    for name, draws in (("mu", found.draws("curve")[..., 0, 0]), ("tau", found.draws("tau")[..., 0]),
                        ("next_trial", found.draws("next_trial")[..., 0, 0])):  # fmt: skip
        want = getattr(exact, name)
        assert away(draws, want.mean, want.sd) < 4.5, name
    for i in range(4):
        assert away(found.draws("theta")[..., i], exact.shrunken_mean[i], exact.shrunken_sd[i]) < 4.5
    total = found.draws("trial", "log_likelihood")
    off = np.array(Y) - found.draws("curve")[..., 0]
    var = np.array(V) + found.draws("tau") ** 2
    assert total == pytest.approx(stats.norm.logpdf(off, 0, np.sqrt(var)), abs=1e-9)


FOLLOWED = pd.DataFrame({
    "trial": ["A", "A", "A", "B", "B", "C", "C"], "kind": ["pain", "pain", "function", "pain", "function", "pain", "pain"],
    "week": [1.0, 12.0, 12.0, 1.0, 1.0, 1.0, 12.0], "d": [-1.1, -0.5, -0.2, -0.3, 0.3, -0.9, -1.3],
    "var": [0.2, 0.3, 0.25, 0.15, 0.2, 0.4, 0.35],
})  # fmt: skip
LASTING, MEMORY, RHO = 0.3, 9.0, 0.5


@pytest.mark.slow
def test_curves_of_two_outcomes_against_the_closed_form() -> None:
    spread = {"pain": 0.6, "function": 0.4}
    share = 4e6
    model = models.multilevel(
        FOLLOWED, study="trial", outcome="kind", time="week", y="d", v="var", correlation=RHO, mu=MU,
        tau={name: known(x) for name, x in spread.items()}, memory=known(MEMORY),
        lasting=(share * LASTING, share * (1 - LASTING)),
    )  # fmt: skip
    assert list(model.coords["outcome"]) == ["pain", "function"]
    assert list(model.coords["time"]) == [1.0, 12.0]
    found = model.sample(draws=2000)
    # the correlation between outcomes is the one thing left to learn: the closed form is averaged over its draws
    between = found.draws("between").ravel()[::40]
    f = FOLLOWED.assign(place=FOLLOWED["kind"].map({"pain": 0, "function": 1})).sort_values(["trial", "place", "week"])
    y, sd = f["d"].to_numpy(), np.sqrt(f["var"].to_numpy())
    same = f["trial"].to_numpy()[:, None] == f["trial"].to_numpy()
    alike = f["kind"].to_numpy()[:, None] == f["kind"].to_numpy()
    tau = f["kind"].map(spread).to_numpy()
    gap = np.abs(f["week"].to_numpy()[:, None] - f["week"].to_numpy())
    kept = LASTING + (1 - LASTING) * np.exp(-gap / MEMORY)
    cells = [(o, t) for o in ("pain", "function") for t in (1.0, 12.0)]
    X = np.array([[(o, t) == cell for cell in cells] for o, t in zip(f["kind"], f["week"], strict=True)], dtype=float)
    sampling = np.outer(sd, sd) * np.where(np.eye(7, dtype=bool), 1.0, RHO * same)
    means, squares, true, true_squares = [], [], [], []
    for r in between:
        G = np.outer(tau, tau) * same * np.where(alike, 1.0, r) * kept
        total = np.linalg.inv(G + sampling)
        cov = np.linalg.inv(X.T @ total @ X + np.eye(4) / MU.sd**2)
        b = cov @ (X.T @ total @ y)
        pull = G @ total
        center = X @ b + pull @ (y - X @ b)
        move = (np.eye(7) - pull) @ X
        spread_true = G - pull @ G + move @ cov @ move.T
        means.append(b)
        squares.append(np.diag(cov) + b**2)
        true.append(center)
        true_squares.append(np.diag(spread_true) + center**2)
    for name, first, second in (("curve", means, squares), ("theta", true, true_squares)):
        draws = found.draws(name).reshape(4, 2000, -1)
        mean = np.mean(first, axis=0)
        sd = np.sqrt(np.mean(second, axis=0) - mean**2)
        for i in range(draws.shape[2]):
            assert away(draws[..., i], float(mean[i]), float(sd[i])) < 4.5, (name, i)
    ahead = found.draws("next_trial") - found.draws("curve")
    flat = ahead.reshape(-1, 4)
    cov = np.cov(flat.T)
    fade = LASTING + (1 - LASTING) * math.exp(-11 / MEMORY)
    assert cov[0, 0] == pytest.approx(0.36, rel=0.08)
    assert cov[2, 2] == pytest.approx(0.16, rel=0.08)
    assert cov[0, 1] / 0.36 == pytest.approx(fade, abs=0.05)
    assert cov[0, 3] / 0.24 == pytest.approx(fade * found.draws("between").mean(), abs=0.06)


def test_prior_of_a_smooth_curve_is_the_process_it_says() -> None:
    model = models.multilevel(
        study=["A", "A", "B"], time=[2.0, 30.0, 6.0], y=[-1, -0.5, -0.2], v=[0.1, 0.1, 0.2], correlation=(0.2, 0.7),
        curve="smooth", at=(10, 52), mu=priors.Normal(1.0, 0.5), tau=TAU, curve_sd=known(0.8), memory=known(12.0),
    )  # fmt: skip
    weeks = np.array([2.0, 6.0, 10.0, 30.0, 52.0])
    assert list(model.coords["time"]) == weeks.tolist()
    drawn = model.prior_predictive(draws=8000, seed=2)["prior"]
    path = np.asarray(drawn["curve"].values)[0, :, 0]
    want = 0.25 + 0.64 * np.exp(-np.abs(weeks[:, None] - weeks) / 12.0)
    assert path.mean(0) == pytest.approx(np.ones(5), abs=0.05)
    assert np.cov(path.T) == pytest.approx(want, abs=0.06)
    rho = np.asarray(drawn["correlation"].values)
    assert stats.kstest(rho.ravel(), stats.uniform(0.2, 0.5).cdf).pvalue > 1e-3
    assert any("uniform(0.2, 0.7)" in said for said in model.priors)


def test_prior_predictive_has_the_sampling_covariance() -> None:
    given = np.array([[0.2, 0.12, 0], [0.12, 0.3, 0], [0, 0, 0.25]])
    model = models.multilevel(
        study=["A", "A", "B"], time=[2.0, 30.0, 2.0], y=[-1, -0.5, -0.2], V=given, mu=priors.Normal(0, 1e-3), tau=known(1e-3)
    )
    seen = np.asarray(model.prior_predictive(draws=8000)["prior_predictive"]["y"].values)[0]
    assert np.cov(seen.T) == pytest.approx(given, abs=0.02)


def test_packaged_pain_over_weeks(packaged: vf.Trials) -> None:
    windows = {1: (0.1, 1.99), 13.04: (8.01, 20), 52.2: (39.01, 78), 104.4: (78.01, 130)}
    tables = {
        week: vf.compare(packaged, "vertebroplasty", "sham", outcome="pain_overall", measure="MD", points=(0, 10), week=week,
                         window=window)
        for week, window in windows.items()
    }  # fmt: skip
    model = models.multilevel(tables, correlation=0.5)
    filled = [week for week in windows if len(tables[week])]
    assert list(model.coords["time"]) == filled
    assert len(model.coords["effect"]) == sum(len(t) for t in tables.values())
    assert model.priors[:2] == ("tau ~ half-normal(1)", "curve at every period ~ N(0, 10)")
    assert "correlation of the errors of a trial's effects = 0.5 (assumed)" in model.priors
    for week in set(windows) - set(filled):
        assert f"No trial has an effect at week {week}." in model.notes
    with pytest.raises(InputError, match="several effects from the same patients"):
        models.multilevel(tables)


def test_a_table_of_several_times_brings_its_weeks_and_covariances(packaged: vf.Trials) -> None:
    table = vf.compare(
        packaged, "vertebroplasty", "sham_vertebroplasty", outcome="pain_overall", measure="MD", points=(0, 10),
        weeks={13: (8, 20), 52: (40, 60), 104: (90, 120)},
    )  # fmt: skip
    stated = table.correlated(phi=0.98)
    model = models.multilevel(stated)
    assert model.coords["time"] == [13.0, 52.0, 104.0]
    assert list(model.data["V"][np.tril_indices(3, -1)]) == pytest.approx(list(stated.vcov[np.tril_indices(3, -1)]))
    with pytest.raises(InputError, match="correlation="):  # not stated in the table, so the model asks
        models.multilevel(table)
    assert models.multilevel(table, correlation=(0.2, 0.8)).coords["time"] == [13.0, 52.0, 104.0]


BAD_ROWS: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "variance": ({"var": [0.2, -1, 0.2, 0.2, 0.2, 0.2, 0.2]}, {}, r"row 2 \(A\), column var: the sampling variance is -1"),
    "text": ({"d": [1, "x", 1, 1, 1, 1, 1]}, {}, r"row 2 \(A\), column d: 'x' is text"),
    "missing": ({"week": [1.0, None, 12, 1, 1, 1, 12]}, {}, r"row 2 \(A\), column week: missing"),
    "negative": ({"week": [-1.0, 12, 12, 1, 1, 1, 12]}, {}, r"row 1 \(A\), column week: -1 weeks"),
    "twice": ({"week": [1.0, 1, 12, 1, 1, 1, 12]}, {}, "rows 1 and 2: A has pain at week 1 twice"),
    "correlation": ({}, {"correlation": 1.0}, "correlation=1.0 must be a number from 0 to below 1"),
    "ends": ({}, {"correlation": (0.7, 0.2)}, "the lower end comes first"),
    "unsaid": ({}, {"correlation": None}, "A, B, C have several effects"),
    "curve": ({}, {"curve": "line"}, "curve='line' is unknown"),
    "weeks": ({}, {"at": (3,)}, "at= names weeks of a smooth curve"),
    "apart": ({}, {"correlation": None, "v": None, "V": np.eye(7) + 0.1}, r"V ties row 1 \(A\) to row 4 \(B\)"),
    "flat": ({}, {"mu": priors.Flat()}, "takes a normal prior"),
    "no prior": ({}, {"tau": {"pain": TAU}}, "tau= has no prior for outcome 'function'"),
    "lasting": ({}, {"lasting": (0, 1)}, "two positive parameters of a beta prior"),
}


@pytest.mark.parametrize("case", BAD_ROWS)
def test_faulty_rows_are_named(case: str) -> None:
    columns, options, said = BAD_ROWS[case]
    given: dict[str, Any] = {"study": "trial", "outcome": "kind", "time": "week", "y": "d", "v": "var", "correlation": 0.5,
                             "mu": MU, "tau": TAU}  # fmt: skip
    with pytest.raises(InputError, match=said):
        models.multilevel(FOLLOWED.assign(**columns), **(given | options))


YC, VC = np.array([-0.5, -0.4, -0.1, -0.6, -0.2, -0.3, 0.5]), np.array([0.04, 0.05, 0.04, 0.03, 0.06, 0.05, 0.07])
DRUG, KLASS = list("aabcdde"), {"a": "X", "b": "X", "c": "X", "d": "Y", "e": "Y"}
WITHIN, APART, MEAN = priors.HalfNormal(0.4), priors.HalfNormal(0.5), priors.Normal(0.0, 2.0)


@pytest.mark.slow
def test_classes_against_a_grid() -> None:
    found = models.classes(y=YC, v=VC, intervention=DRUG, klass=KLASS, mu=MEAN, tau=WITHIN, class_sd=APART).sample(draws=2000)
    drug = np.array([[d == x for x in "abcde"] for d in DRUG], dtype=float)
    group = np.array([[KLASS[x] == c for c in "XY"] for x in "abcde"], dtype=float)
    t, s = (np.arange(90) + 0.5) * 2 / 90, (np.arange(110) + 0.5) * 2.6 / 110
    weight = np.empty((len(t), len(s)))
    mean, square = np.empty((len(t), len(s), 14)), np.empty((len(t), len(s), 14))
    # effects, class means and trials are jointly normal with the data given tau and the class SD
    for i, a in enumerate(t):
        for j, b in enumerate(s):
            classes = MEAN.sd**2 * np.eye(2)
            effects = group @ classes @ group.T + b**2 * np.eye(5)
            trials = drug @ effects @ drug.T + a**2 * np.eye(7)
            joint = np.vstack([effects @ drug.T, classes @ group.T @ drug.T, trials])
            own = np.concatenate([np.diag(effects), np.diag(classes), np.diag(trials)])
            total = trials + np.diag(VC)
            weight[i, j] = stats.multivariate_normal.logpdf(YC, np.zeros(7), total)
            gain = joint @ np.linalg.inv(total)
            mean[i, j] = gain @ YC
            square[i, j] = own - (gain * joint).sum(1) + mean[i, j] ** 2
    p = np.exp(weight - weight.max()) * stats.halfnorm.pdf(t, scale=0.4)[:, None] * stats.halfnorm.pdf(s, scale=0.5)
    p /= p.sum()
    want = {"tau": (p.sum(1) @ t, p.sum(1) @ t**2), "class_sd": (p.sum(0) @ s, p.sum(0) @ s**2)}
    for name, (first, second) in want.items():
        assert away(found.draws(name), first, math.sqrt(second - first**2)) < 4.5, name
    first, second = np.einsum("ij,ijk->k", p, mean), np.einsum("ij,ijk->k", p, square)
    draws = np.concatenate([found.draws(name) for name in ("effect", "class_mean", "theta")], axis=2)
    for i in range(14):
        assert away(draws[..., i], first[i], math.sqrt(second[i] - first[i] ** 2)) < 4.5, i


@pytest.mark.slow
def test_one_intervention_is_the_exact_model() -> None:
    # the class SD only widens the prior of the one effect: a mixture of normals over its prior
    s = APART.quantile((np.arange(400) + 0.5) / 400)
    mixture = priors.Mixture([1 / 400] * 400, [0.0] * 400, np.hypot(s, MEAN.sd).tolist())
    exact = vf.bayes.posterior(y=Y, v=V, tau=TAU, mu=mixture)
    model = models.classes(y=Y, v=V, intervention=["a"] * 4, klass={"a": "X"}, mu=MEAN, tau=TAU, class_sd=APART)
    assert "Every class holds a single intervention" in model.notes[0]
    found = model.sample(draws=2000)
    assert away(found.draws("effect")[..., 0], exact.mu.mean, exact.mu.sd) < 4.5
    assert away(found.draws("tau"), exact.tau.mean, exact.tau.sd) < 4.5
    assert away(found.draws("next_trial")[..., 0], exact.next_trial.mean, exact.next_trial.sd) < 4.5
    for i in range(4):
        assert away(found.draws("theta")[..., i], exact.shrunken_mean[i], exact.shrunken_sd[i]) < 4.5


def test_what_decides_the_class_sd_is_said() -> None:
    thin = models.classes(
        y=[-0.5, -0.4], v=[0.04, 0.05], intervention=["a", "b"], klass=["X", "X"], mu=MEAN, tau=WITHIN, class_sd=APART
    )
    assert "decided by its prior more than by the trials: 1 difference between" in thin.notes[0]
    rng = np.random.default_rng(5)
    y = np.repeat(rng.normal(0, 0.3, 12), 3) + rng.normal(0, 0.05, 36)
    rich = models.classes(
        y=y, v=np.full(36, 0.0025), intervention=[f"d{i // 3}" for i in range(36)], klass=["X"] * 36, mu=MEAN, tau=WITHIN,
        class_sd=APART,
    )  # fmt: skip
    assert rich.notes == ()
    alone = models.classes(y=YC, v=VC, intervention=list("aabcdde"), klass=list("XXXXYYZ"), mu=MEAN, tau=WITHIN, class_sd=APART)
    assert alone.notes[-1].startswith("Y, Z: a single intervention")


def test_tables_by_intervention() -> None:
    asked = Question(measure="SMD", outcome="pain", higher_is_worse=True)
    frame = pd.DataFrame({"s": ["A", "B"], "d": [-0.5, -0.2], "n": [40, 30], "m": [41, 30]})
    one = vf.effect_size("SMD", data=frame, study="s", d="d", n1="n", n2="m", question=asked)
    two = vf.effect_size("SMD", data=frame.assign(s=["C", "D"]), study="s", d="d", n1="n", n2="m", question=asked)
    model = models.classes({"drug": one, "other": two}, klass={"drug": "X", "other": "X"})
    assert list(model.coords["study"]) == ["A", "B", "C", "D"]
    assert model.priors == ("tau ~ half-normal(0.5)", "class SD ~ half-normal(0.5)", "class mean ~ N(0, 2)")
    with pytest.raises(InputError, match="A stands under drug and other"):
        models.classes({"drug": one, "other": one}, klass={"drug": "X", "other": "X"})


BAD_CLASSES: dict[str, tuple[dict[str, Any], str]] = {
    "two homes": ({"klass": list("XYXXYYY")}, r"rows 1 \(study 1\) and 2 \(study 2\), column klass: a stands in X and in Y"),
    "no class": ({"klass": {"a": "X"}}, "klass has no class for b, c, d, e"),
    "length": ({"intervention": ["a"]}, "intervention has 1 values for 7 rows"),
    "empty": ({"intervention": ["a", None, *"bcdde"]}, r"row 2 \(study 2\), column intervention: missing value"),
    "absent": ({"intervention": None}, "Give intervention="),
    "flat": ({"mu": priors.Flat()}, "class means take a normal prior"),
    "improper": ({"class_sd": priors.Uniform()}, "only a proper prior"),
}


@pytest.mark.parametrize("case", BAD_CLASSES)
def test_faulty_classes_are_named(case: str) -> None:
    options, said = BAD_CLASSES[case]
    given: dict[str, Any] = {"y": YC, "v": VC, "intervention": DRUG, "klass": KLASS, "mu": MEAN, "tau": WITHIN,
                             "class_sd": APART}  # fmt: skip
    with pytest.raises(InputError, match=said):
        models.classes(**(given | options))

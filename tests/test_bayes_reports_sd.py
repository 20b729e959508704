"""Reports without a standard error: the SD of the instrument summed over, held to sums done another way."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np
import pytest
from scipy import stats
from scipy.special import ndtr

import vfmeta as vf

TAU, MU = vf.priors.HalfNormal(0.5), vf.priors.Normal(0, 2)
PAIN = vf.Question(measure="MD", points=(0, 10), higher_is_worse=True, mid=1.0, experimental="drug", control="placebo")
SDS = {"instrument": ["VAS"] * 4, "sd": [2.1, 2.9, 2.4, 1.7], "n": [40, 25, 60, 31]}
ROWS: dict[str, Any] = {
    "trial": ["A", "B", "C", "D", "E"],
    "kind": ["full", "not_significant", "estimate_only", "p_exact", "significant"],
    "y": [-0.6, None, -1.1, None, -1.4], "se": [0.3, None, None, None, None], "n1": [None, 30, 25, 40, 20],
    "n2": [None, 28, 25, 41, 22], "p": [None, None, None, 0.04, None], "direction": [None, -1, None, -1, None],
    "instrument": ["VAS"] * 5,
}  # fmt: skip


def pooled(rows: dict[str, Any] = ROWS, **more: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", vf.VfmetaWarning)
        return vf.bayes.reports(rows, study="trial", **{"tau": TAU, "mu": MU, "question": PAIN, "sds": SDS} | more)


def legendre(low: float, high: float, n: int) -> tuple[np.ndarray, np.ndarray]:
    x, w = np.polynomial.legendre.leggauss(n)
    return low + (high - low) * (x + 1) / 2, w * (high - low) / 2


_Z, _ROOT_E = stats.norm.isf(0.025), math.sqrt(1 / 20 + 1 / 22)
_BOUND = math.log(1.4 / _Z / _ROOT_E)  # of the log SD of trial E, whose -1.4 is significant: where s is small, a step in m


def conditional(f: Any, m: np.ndarray, s: np.ndarray, end: float = math.inf) -> np.ndarray:
    """Integral of ``f`` of the SD over log SD ~ N(m, s^2) up to a bound; (M, S) before what ``f`` adds on the left."""
    low, high = m[:, None] - 7 * s, np.minimum(m[:, None] + 7 * s, end)
    high = np.maximum(low, high)
    u, w = np.polynomial.legendre.leggauss(64)
    x = low[..., None] + (high - low)[..., None] * (u + 1) / 2
    mass = stats.norm.pdf(x, m[:, None, None], s[:, None]) * (high - low)[..., None] / 2 * w
    return np.asarray((f(np.exp(x)) * mass).sum(-1))


def summed() -> dict[str, float]:
    """Mean and SD of mu, mean of tau and log total, by products of Gauss-Legendre nodes over everything."""
    below, above = legendre(_BOUND - 1.0, _BOUND, 28), legendre(_BOUND, _BOUND + 1.0, 28)
    m, wm = np.concatenate([below[0], above[0]]), np.concatenate([below[1], above[1]])
    s, ws = legendre(0, 1.5, 16)
    grid = stats.norm.pdf(m, math.log(2.5), 0.5)[:, None] * stats.halfnorm.pdf(s, scale=0.3) * wm[:, None] * ws
    for sd, n in zip(SDS["sd"], SDS["n"], strict=True):

        def printed(true: np.ndarray, sd: float = sd, df: int = n - 1) -> np.ndarray:
            return np.asarray(stats.chi2.pdf(df * sd**2 / true**2, df) / true**2)

        grid = grid * conditional(printed, m, s)
    grid = grid / grid.sum()
    mu, wmu = legendre(-3, 1.5, 36)
    tau, wt = legendre(0, 2.5, 18)
    height = np.empty((len(tau), len(mu)))
    centre = mu[:, None, None, None]
    for i, t in enumerate(tau):

        def within(sd: np.ndarray, t: float = t) -> np.ndarray:
            se = sd * math.sqrt(1 / 30 + 1 / 28)
            wide = np.hypot(se, t)
            return ndtr(-centre / wide) - ndtr((-_Z * se - centre) / wide)

        def at(sd: np.ndarray, y: float, root: float, t: float = t) -> np.ndarray:
            wide = np.hypot(sd * root, t)
            return np.exp(-0.5 * ((y - centre) / wide) ** 2) / wide / math.sqrt(2 * math.pi)

        def z_printed(sd: np.ndarray, t: float = t) -> np.ndarray:  # of p = 0.04
            se = sd * math.sqrt(1 / 40 + 1 / 41)
            wide = np.hypot(se, t)
            return se * np.exp(-0.5 * ((-stats.norm.isf(0.02) * se - centre) / wide) ** 2) / wide / math.sqrt(2 * math.pi)

        roots = math.sqrt(2 / 25), _ROOT_E
        product = conditional(within, m, s) * conditional(lambda sd, r=roots[0]: at(sd, -1.1, r), m, s)
        product = product * conditional(z_printed, m, s)
        product = product * conditional(lambda sd, r=roots[1]: at(sd, -1.4, r), m, s, _BOUND)
        height[i] = (product * grid).sum((1, 2)) * stats.norm.pdf(-0.6, mu, math.hypot(0.3, t))
    mass = height * stats.norm.pdf(mu, 0, 2) * stats.halfnorm.pdf(tau, scale=0.5)[:, None] * wmu * wt[:, None]
    total = mass.sum()
    mean = (mass * mu).sum() / total
    return {
        "mean": mean, "sd": math.sqrt((mass * (mu - mean) ** 2).sum() / total), "tau": (mass.sum(1) @ tau) / total,
        "log": math.log(total),
    }  # fmt: skip


def test_the_sd_is_summed_over() -> None:
    fit, want = pooled(), summed()
    assert fit.mu.mean == pytest.approx(want["mean"], abs=5e-5)
    assert fit.mu.sd == pytest.approx(want["sd"], abs=5e-5)
    assert fit.tau.mean == pytest.approx(want["tau"], abs=5e-5)
    assert fit.log_evidence == pytest.approx(want["log"], abs=1e-3)


def test_a_known_sd_is_a_known_standard_error() -> None:
    """Thousands of trials of thousands of patients that print one SD leave nothing to sum over."""
    sure = {"instrument": ["VAS"] * 400, "sd": [2.0] * 400, "n": [100_000] * 400}
    rows = {name: [values[i] for i in (0, 1, 3)] for name, values in ROWS.items()}
    fit = pooled(rows, sds=sure)
    se = [0.3, *(2.0 * math.sqrt(1 / a + 1 / b) for a, b in ((30, 28), (40, 41)))]
    known = pooled(rows | {"se": se}, sds=None)
    assert fit.interval == pytest.approx(known.interval, abs=2e-3)
    assert fit.instrument_sds()["q50"].tolist() == pytest.approx([2.0], abs=1e-3)


def test_few_printed_sds_are_marked_and_shown_at_three() -> None:
    few = {name: values[:2] for name, values in SDS.items()}
    with pytest.warns(vf.VfmetaWarning, match="SD assumed of VAS"):
        fit = vf.bayes.reports(ROWS, study="trial", tau=TAU, mu=MU, question=PAIN, sds=few)
    assert fit.sd_assumed == ("VAS",)
    sds = fit.instrument_sds().iloc[0]
    at = fit.by_sd()
    for i, name in enumerate(("q10", "q50", "q90")):
        # the estimate of E is significant only at a small SD; as a known standard error the words add nothing
        se = [sds[name] * math.sqrt(1 / a + 1 / b) if a else 0.3 for a, b in zip(ROWS["n1"], ROWS["n2"], strict=True)]
        kinds = ["full" if y is not None else kind for y, kind in zip(ROWS["y"], ROWS["kind"], strict=True)]
        known = pooled(ROWS | {"se": se, "kind": kinds}, sds=None)
        assert at.loc[i, ["ci_low", "ci_high"]].tolist() == pytest.approx(list(known.interval), abs=1e-7)
    with pytest.raises(vf.InputError, match="No SD is assumed"):
        pooled().by_sd()


def test_arms_of_a_trial_have_one_sd() -> None:
    """Their squares are put together by degrees of freedom."""
    arms = {"study": ["a", "a", "b", "c"], "instrument": ["VAS"] * 4, "sd": [2.0, 3.0, 2.2, 2.6], "n": [11, 31, 50, 40]}
    one = {"study": ["a", "b", "c"], "instrument": ["VAS"] * 3, "n": [41, 50, 40], "sd": [math.sqrt((40 + 270) / 40), 2.2, 2.6]}
    assert pooled(sds=arms).interval == pytest.approx(pooled(sds=one).interval, abs=1e-9)


def test_a_trial_of_unknown_size_is_listed_and_not_used() -> None:
    rows = {name: [*values, extra] for (name, values), extra in zip(
        ROWS.items(), ["F", "significant", None, None, None, 30, None, -1, "VAS"], strict=True)}  # fmt: skip
    with pytest.warns(vf.VfmetaWarning, match="Left out: F"):
        fit = vf.bayes.reports(rows, study="trial", tau=TAU, mu=MU, question=PAIN, sds=SDS)
    assert [x.label for x in fit.left_out] == ["F"]
    assert fit.interval == pytest.approx(pooled().interval, abs=1e-12)


def test_a_result_comes_back_and_is_asked_again() -> None:
    fit = pooled()
    back = vf.read_result(fit.to_json())
    assert back == fit
    rests = back.rests_on().set_index("term")
    without = {name: [x for i, x in enumerate(values) if i != 1] for name, values in ROWS.items()}
    assert rests.loc["without B", "ci_low"] == pytest.approx(pooled(without).interval[0], abs=1e-6)
    assert vf.leave_one_out(fit).set_index("study").loc["B", "ci_low"] == pytest.approx(
        rests.loc["without B", "ci_low"], abs=1e-6
    )


def test_what_cannot_be_told_from_sizes_is_refused() -> None:
    with pytest.raises(vf.InputError, match="its scale is not known"):
        pooled(question=vf.Question(measure="MD"))
    with pytest.raises(vf.InputError, match=r"row 2 .*column se: missing value"):
        pooled(question=vf.Question(measure="RR"))
    with pytest.raises(vf.InputError, match="the SD is -1; it must be greater than 0"):
        pooled(sds={"sd": [-1.0], "n": [20]})


def test_words_alone_under_a_wide_prior_are_integrated_whole() -> None:
    """Two reports without any standard error: far from the middle their probabilities are rounding, and are no density."""
    sds = {"instrument": ["VAS"] * 2, "sd": [2.1, 2.7], "n": [19, 114]}
    rows: dict[str, Any] = {
        "kind": ["not_significant", "significant"], "direction": [None, -1], "n1": [30, 101], "n2": [30, 97],
        "instrument": ["VAS"] * 2,
    }  # fmt: skip
    fit = pooled(rows | {"trial": ["A", "B"]}, sds=sds, mu=vf.priors.Normal(0, 4))
    m, wm = legendre(math.log(2.4) - 1.8, math.log(2.4) + 1.8, 45)
    s, ws = legendre(0, 1.5, 16)
    grid = stats.norm.pdf(m, math.log(2.5), 0.5)[:, None] * stats.halfnorm.pdf(s, scale=0.3) * wm[:, None] * ws
    for sd, n in zip(sds["sd"], sds["n"], strict=True):
        grid = grid * conditional(lambda t, sd=sd, d=n - 1: stats.chi2.pdf(d * sd**2 / t**2, d) / t**2, m, s)
    grid = grid / grid.sum()
    mu, wmu = legendre(-14, 5, 64)
    tau, wt = legendre(0, 2.2, 10)
    centre, roots = mu[:, None, None, None], (math.sqrt(2 / 30), math.sqrt(1 / 101 + 1 / 97))
    mass = np.empty((len(tau), len(mu)))
    for i, t in enumerate(tau):

        def below(sd: np.ndarray, root: float, z: float, t: float = t) -> np.ndarray:
            return np.asarray(ndtr((z * sd * root - centre) / np.hypot(sd * root, t)))

        within = conditional(lambda sd, f=below: f(sd, roots[0], _Z) - f(sd, roots[0], -_Z), m, s)
        lower = conditional(lambda sd, f=below: f(sd, roots[1], -_Z), m, s)
        mass[i] = (within * lower * grid).sum((1, 2))
    mass = mass * stats.norm.pdf(mu, 0, 4) * stats.halfnorm.pdf(tau, scale=0.5)[:, None] * wmu * wt[:, None]
    mean = (mass * mu).sum() / mass.sum()
    assert fit.mu.mean == pytest.approx(mean, abs=1e-3)
    assert fit.mu.sd == pytest.approx(math.sqrt((mass * (mu - mean) ** 2).sum() / mass.sum()), abs=1e-3)
    assert fit.log_evidence == pytest.approx(math.log(mass.sum()), abs=1e-3)
    assert -6 < fit.interval[0] < fit.interval[1] < 2


def test_printed_sds_without_their_sizes_are_refused_by_their_name() -> None:
    with pytest.raises(vf.InputError, match="sds holds numbers alone"):
        vf.bayes.reports(y=[-1.0], se=[0.3], kind=["full"], tau=vf.priors.HalfNormal(0.5), sds=[2.0, 2.5])

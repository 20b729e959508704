"""What must hold for every estimator of tau2 and every interval, whatever the data (hypothesis).

Equivariance, order, duplicated studies, a study that knows nothing, tau2 near its limits, and no NaN without an error.
"""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.stats import chi2
from tests.regression_data import held

import vfmeta as vf
from vfmeta.kernels.tau2 import ESTIMATORS
from vfmeta.results.fit import FrequentistResult

METHODS: list[str | float] = [*(m for m, e in ESTIMATORS.items() if e.about is None), 0.0, 0.2]
PRECISION = [
    m for m in ESTIMATORS if m not in ("HE", "SJ", "GENQ", "GENQM", "DL-MH")
]  # those that let imprecise studies say little
INTERVALS = ("HKSJ", "HKSJ-adhoc", "Wald", "t")
PREDICTIONS = ("auto", "fitted", "HTS", "Partlett-Riley")

seeds = st.integers(0, 2**32)
methods, intervals, predictions = st.sampled_from(METHODS), st.sampled_from(INTERVALS), st.sampled_from(PREDICTIONS)
units = st.sampled_from([1e-6, 0.3, 40, 1e7])
limits = st.sampled_from(["Q-profile", "generalised-Q", "profile-likelihood"])
often = settings(max_examples=120, deadline=None)


def fit(y: Any, v: Any, tau2: str | float = "REML", a: Any = None, **choices: Any) -> FrequentistResult:
    if choices.get("tau2_interval") == "profile-likelihood" and tau2 not in ("ML", "REML"):
        choices["tau2_interval"] = "auto"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", vf.VfmetaWarning)
        return vf.random_effects(y=y, v=v, **held(tau2), weights=a, **choices)


def studies(seed: int, k: int, span: float = 1.2) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Effects, variances over ``2 span`` powers of ten, and weights; heterogeneity none, some or much."""
    rng = np.random.default_rng(seed)
    v = 10 ** rng.uniform(-span, span, k)
    return rng.normal(0.4, np.sqrt(v + rng.choice([0, 0.1, 3]))), v, rng.uniform(0.5, 3, k)


def user(method: str | float, a: np.ndarray) -> np.ndarray | None:
    return a if method in ("GENQ", "GENQM") else None


def pairs(result: FrequentistResult) -> dict[str, tuple[float, float] | None]:
    """Every interval of the scale of the effects."""
    return {"interval": result.interval, "prediction": result.prediction, "adhoc": result.adhoc_interval}


def numbers(result: FrequentistResult) -> list[float]:
    names = ("estimate", "se", "p_value", "tau2", "tau2_se", "i2", "h2", "typical_variance")
    found = [x for name in names if (x := getattr(result, name)) is not None]
    for pair in (*pairs(result).values(), *(result.heterogeneity_interval() or {}).values()):
        found += pair or ()
    return [*found, result.q.statistic, result.q.p_value, *result.weights]


@often
@given(seeds, st.integers(2, 9), methods, intervals, predictions, limits, st.floats(-5, 5), units)
def test_shift_scale_and_order(
    seed: int, k: int, method: str | float, interval: str, prediction: str, limit: str, shift: float, unit: float
) -> None:
    y, v, a = studies(seed, k)
    order = np.random.default_rng(seed).permutation(k)
    choices = {"test": interval, "prediction": prediction, "tau2_interval": limit}
    one = fit(y, v, method, user(method, a), **choices)
    scaled = method * unit**2 if isinstance(method, float) else method
    weights = user(method, a)
    other = fit(
        unit * (y[order] + shift), unit**2 * v[order], scaled, None if weights is None else 7 * weights[order], **choices
    )
    size = math.sqrt(v.min() + one.tau2)  # the rounding of a shift is felt in units of the smallest standard error
    near = 1e-9 * (size + abs(shift) + abs(one.estimate))
    assert other.estimate / unit - shift == pytest.approx(one.estimate, rel=1e-8, abs=near)
    assert other.se / unit == pytest.approx(one.se, rel=1e-7, abs=near)
    assert other.tau2 / unit**2 == pytest.approx(one.tau2, rel=1e-7, abs=near * size)
    assert (other.q.statistic, other.i2) == pytest.approx((one.q.statistic, one.i2), rel=1e-7, abs=1e-6)
    np.testing.assert_allclose(other.weights, one.weights[order], rtol=1e-6)
    for name, pair in pairs(one).items():
        moved = pairs(other)[name]
        if name == "adhoc" and (pair is None) != (moved is None):
            continue  # shown where q < 1: rounding may tip it
        assert (pair is None) == (moved is None), name
        if pair is not None and moved is not None:
            wide = near * (1 + (pair[1] - pair[0]) / size)
            assert [x / unit - shift for x in moved] == pytest.approx(list(pair), rel=1e-6, abs=wide), name
    assert (one.tau2_interval is None) == (other.tau2_interval is None)
    if one.tau2_interval is not None:
        near2 = 1e-6 * (v.min() + one.tau2)
        assert [x / unit**2 for x in other.tau2_interval] == pytest.approx(list(one.tau2_interval), rel=1e-6, abs=near2)
    if shift == 0:
        assert other.p_value == pytest.approx(one.p_value, rel=1e-6, abs=1e-12)


@often
@given(seeds, st.integers(2, 9), methods, intervals)
def test_mirror_image(seed: int, k: int, method: str | float, interval: str) -> None:
    y, v, a = studies(seed, k)
    one, other = (fit(s * y, v, method, user(method, a), test=interval) for s in (1, -1))
    assert (other.estimate, other.se, other.tau2) == pytest.approx((-one.estimate, one.se, one.tau2), rel=1e-12, abs=1e-15)
    assert other.p_value == pytest.approx(one.p_value, rel=1e-10)


@often
@given(seeds, st.integers(2, 7), st.sampled_from([0.0, 0.05, 1.0]), st.integers(2, 4))
def test_copies_of_a_study_are_one_study_with_their_mean_variance(seed: int, k: int, tau2: float, copies: int) -> None:
    # at a given tau2, n copies of variance v weigh as one study of total variance (v + tau2) / n
    y, v, _ = studies(seed, k)
    v[0] = copies * tau2 + v[0]  # so that the one study has a sampling variance above 0
    several = fit(np.append(y, [y[0]] * (copies - 1)), np.append(v, [v[0]] * (copies - 1)), tau2, test="Wald")
    v[0] = (v[0] + tau2) / copies - tau2
    one = fit(y, v, tau2, test="Wald")
    assert (several.estimate, several.se, *several.interval) == pytest.approx((one.estimate, one.se, *one.interval), rel=1e-10)


@often
@given(seeds, st.integers(2, 7), methods, intervals)
def test_duplicating_a_study(seed: int, k: int, method: str | float, interval: str) -> None:
    y, v, a = studies(seed, k)
    twice = np.append(np.arange(k), 0)
    more = fit(y[twice], v[twice], method, user(method, a[twice]), test=interval)
    moved = fit(y[twice[::-1]], v[twice[::-1]], method, user(method, a[twice[::-1]]), test=interval)
    assert np.isfinite(numbers(more)).all()
    assert more.weights[0] == pytest.approx(more.weights[-1], rel=1e-12)
    assert (more.estimate, more.se) == pytest.approx((moved.estimate, moved.se), rel=1e-8, abs=1e-10)
    # at the same tau2 the mean moves towards the study that now stands twice, and its variance falls
    tau2 = float(more.tau2)
    before, after = (fit(y[i], v[i], tau2, test="Wald") for i in (np.arange(k), twice))
    assert abs(y[0] - after.estimate) <= abs(y[0] - before.estimate) * (1 + 1e-12)
    assert after.se < before.se


@often
@given(seeds, st.integers(2, 7), st.sampled_from(["REML", "ML", "PM", "DL", "HE"]), st.integers(2, 3))
def test_all_studies_copied(seed: int, k: int, method: str, copies: int) -> None:
    y, v, _ = studies(seed, k)
    one, many = fit(y, v, "ML"), fit(np.tile(y, copies), np.tile(v, copies), "ML")
    assert many.tau2 == pytest.approx(one.tau2, rel=1e-7, abs=1e-9 * v.min())  # the likelihood to a power
    assert many.se == pytest.approx(one.se * math.sqrt((k - 1) / (copies * k - 1)), rel=1e-7)  # Hartung-Knapp: mean squares
    some = fit(np.tile(y, copies), np.tile(v, copies), method)
    assert some.q.statistic == pytest.approx(copies * one.q.statistic, rel=1e-10, abs=1e-12)
    assert np.isfinite(numbers(some)).all()


@often
@given(seeds, st.integers(2, 7), methods, intervals, predictions, limits, st.sampled_from([1e13, 1e20, 1e60]))
@example(21890, 2, "REML", "HKSJ", "auto", "Q-profile", 1e13)  # effects so alike that a residual of 4e-13 is seen beside theirs
def test_a_study_of_infinite_variance(
    seed: int, k: int, method: str | float, interval: str, prediction: str, limit: str, huge: float
) -> None:
    y, v, a = studies(seed, k)
    y2, v2, a2 = np.append(y, 2.0), np.append(v, huge), np.append(a, 1.0)
    more = fit(y2, v2, method, user(method, a2), test=interval, prediction=prediction, tau2_interval=limit)
    assert np.isfinite(numbers(more)).all()
    if method in ("GENQ", "GENQM"):
        return  # given weights may give it any say
    same = fit(y, v, float(more.tau2), test="Wald")  # nothing is added to the mean at the same tau2
    known = fit(y2, v2, float(more.tau2), test="Wald")
    assert (known.estimate, known.se) == pytest.approx((same.estimate, same.se), rel=1e-9, abs=1e-10)
    assert more.estimate == pytest.approx(same.estimate, rel=1e-9, abs=1e-10)
    if interval == "HKSJ":  # it counts, k degrees of freedom for k - 1, and its residual is next to nothing
        knapp, residual = fit(y, v, float(more.tau2), test="HKSJ"), (2.0 - same.estimate) ** 2 / (huge + more.tau2)
        squares = knapp.se**2 * (k - 1) + same.se**2 * residual
        assert more.se == pytest.approx(math.sqrt(squares / k), rel=1e-7)


@often
@given(seeds, st.integers(2, 7), st.sampled_from(PRECISION))
def test_limit_of_tau2_with_a_study_of_infinite_variance(seed: int, k: int, method: str) -> None:
    """Likelihoods do not notice it; equations in Q expect a square more than it brings."""
    y, v, _ = studies(seed, k)
    found = fit(np.append(y, 2.0), np.append(v, 1e14), method).tau2
    w = 1 / v
    q = float(w @ (y - w @ y / w.sum()) ** 2)
    near = {"rel": 1e-5, "abs": 1e-7 * v.min()}
    if method in ("REML", "ML"):
        assert found == pytest.approx(fit(y, v, method).tau2, **near)
    elif method in ("PM", "EB", "DLIT", "SJIT", "PMM"):
        target = chi2.median(k) if method == "PMM" else k
        if found == 0:
            assert q <= target * (1 + 1e-9)
        else:
            u = 1 / (v + found)
            assert u @ (y - u @ y / u.sum()) ** 2 == pytest.approx(target, rel=1e-7)
    elif method == "DL":
        assert found == pytest.approx(max(0.0, (q - k) / (w.sum() - w @ w / w.sum())), **near)
    elif method in ("HS", "HSk"):
        factor = 1 if method == "HS" else (k + 1) / k
        assert found == pytest.approx(max(0.0, (factor * q - k - 1) / w.sum()), **near)


@often
@given(seeds, st.integers(2, 8), methods, intervals)
def test_no_heterogeneity(seed: int, k: int, method: str | float, interval: str) -> None:
    """Effects drawn together: tau2 falls to 0, without a jump, and the pool becomes the common-effect one."""
    y, v, a = studies(seed, k)
    together = 0.4 + 1e-3 * math.sqrt(v.min()) * np.tanh(y)
    result = fit(together, v, method, user(method, a), test=interval)
    if isinstance(method, str) and method != "SJ":
        assert result.tau2 == 0
        assert result.i2 == 0
    elif method == "SJ":  # never 0 by its making
        assert 0 < result.tau2 <= together.var()
    same = fit(np.full(k, 0.4), v, method, user(method, a), test=interval)
    assert same.estimate == pytest.approx(0.4, rel=1e-14)
    assert same.q.statistic == pytest.approx(0, abs=1e-20)
    assert np.isfinite(numbers(same)).all()
    if isinstance(method, str):
        assert same.tau2 == 0


@often
@given(seeds, st.integers(2, 8), intervals, predictions)
def test_limits_of_a_given_tau2(seed: int, k: int, interval: str, prediction: str) -> None:
    y, v, _ = studies(seed, k)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", vf.VfmetaWarning)
        flat = vf.common_effect(y=y, v=v)
    none, hardly = (fit(y, v, t, test=interval, prediction=prediction) for t in (0.0, 1e-13 * v.min()))
    assert none.estimate == pytest.approx(flat.estimate, rel=1e-12, abs=1e-14)
    for name, pair in pairs(none).items():
        limit = pairs(hardly)[name]
        assert (pair is None) == (limit is None)
        if pair is not None and limit is not None:
            assert limit == pytest.approx(pair, rel=1e-9, abs=1e-6 * (pair[1] - pair[0]) + 1e-9)
    endless = fit(y, v, 1e12 * v.max(), test=interval)
    assert endless.estimate == pytest.approx(y.mean(), rel=1e-9, abs=1e-9)
    assert endless.weights == pytest.approx(np.full(k, 100 / k))
    if interval == "HKSJ":
        assert endless.se == pytest.approx(y.std(ddof=1) / math.sqrt(k), rel=1e-9)  # Student's


@often
@given(seeds, methods, intervals, predictions, limits, st.sampled_from([0.5, 3, 9, 40]))
def test_random_input_gives_numbers_or_an_error(
    seed: int, method: str | float, interval: str, prediction: str, limit: str, span: float
) -> None:
    rng = np.random.default_rng(seed)
    k = int(rng.integers(1, 10))
    v = 10.0 ** rng.uniform(-span, span, k)
    normal = rng.normal(size=k)
    y = rng.choice([normal, np.round(normal), np.ones(k), np.sqrt(v)]) * 10.0 ** rng.uniform(-span, span)
    weights = 10.0 ** rng.uniform(-span, span, k)
    a = weights if method in ("GENQ", "GENQM") or rng.random() < 0.2 else None
    try:
        result = fit(y, v, method, a, test=interval, prediction=prediction, tau2_interval=limit)
    except (vf.InputError, vf.ConvergenceError):
        assert span > 3, "an error within six powers of ten"
        return
    assert np.isfinite(numbers(result)).all()
    assert result.interval[0] <= result.estimate <= result.interval[1]
    if k > 1:
        assert result.tau2 >= 0
        assert 0 <= result.i2 <= 100
        assert result.weights.sum() == pytest.approx(100)
    if result.prediction is not None:
        wider = 1e-9 * (result.prediction[1] - result.prediction[0]) + 1e-300
        assert result.prediction[0] - wider <= result.estimate <= result.prediction[1] + wider
    if result.tau2_interval is not None:
        assert 0 <= result.tau2_interval[0] <= result.tau2_interval[1]


@settings(max_examples=60, deadline=None)
@given(seeds, st.sampled_from([m for m in METHODS if m not in ("GENQ", "GENQM")]), intervals, st.sampled_from([0.5, 3, 9]))
def test_random_tables_give_numbers(seed: int, method: str | float, interval: str, span: float) -> None:
    """Many at once, without each study in turn, and growing: nothing undefined but where the columns say so."""
    import pandas as pd

    rng = np.random.default_rng(seed)
    k = rng.integers(1, 6, 12)
    v = 10.0 ** rng.uniform(-span, span, k.sum())
    frame = pd.DataFrame({"question": np.repeat(np.arange(12), k), "y": rng.normal(size=len(v)) * np.sqrt(v), "v": v})
    many = vf.random_effects_many(frame, **held(method), test=interval)
    always = ["estimate", "se", "ci_low", "ci_high", "p_value", "q", "q_p_value"]
    assert np.isfinite(many[always]).all(axis=None)
    assert np.isfinite(many.loc[many["k"] > 1, ["tau2", "i2", "h2"]]).all(axis=None)
    largest = frame[frame["question"] == int(np.argmax(k))]
    if len(largest) > 1:
        pool = fit(largest["y"], largest["v"], method, test=interval)
        for table in (vf.leave_one_out(pool), vf.cumulative(pool)):
            assert np.isfinite(table[["estimate", "se", "ci_low", "ci_high", "p_value"]]).all(axis=None)


@settings(max_examples=60, deadline=None)
@given(seeds, st.integers(3, 8), st.sampled_from(["REML", "ML", "DL", "PM", "HE"]), intervals, st.sampled_from([0.5, 3]))
def test_questions_to_a_fit_give_numbers_or_a_warning(seed: int, k: int, method: str, interval: str, span: float) -> None:
    y, v, _ = studies(seed, k, span)
    if seed % 3 == 0:
        y = np.full(k, y[0])
    pool = fit(y, v, method, test=interval)
    for ask in (vf.residuals, vf.influence, vf.baujat, vf.blups):
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always", vf.VfmetaWarning)
            table = ask(pool)
        held = table.drop(columns="studentised_df", errors="ignore")  # infinite where the normal distribution is asked
        if not np.isfinite(held.select_dtypes("number")).all(axis=None):
            assert any("the diagnostics are undefined there" in str(w.message) for w in said), ask.__name__


def test_identical_effects_have_no_diagnostics_by_hartung_and_knapp() -> None:
    pool = fit([0.5] * 3, [0.1, 0.2, 0.3])
    for ask in (vf.residuals, vf.influence, vf.baujat):
        with pytest.warns(vf.VfmetaWarning, match="The fit without study 1, study 2, study 3 leaves no residual"):
            ask(pool)
    assert (vf.residuals(fit([0.5] * 3, [0.1, 0.2, 0.3], test="HKSJ-adhoc"))["studentised"] == 0).all()

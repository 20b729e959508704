"""Boundary cases put to every verb of the frequentist engine: a finite answer, or an error in words."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from scipy.special import stdtrit

import vfmeta as vf
from vfmeta.kernels import kenward_roger

RNG = np.random.default_rng(0)
DATA = {
    "one study": ([0.3], [0.1]),
    "two studies": ([0.3, 0.5], [0.1, 0.2]),
    "two alike": ([0.3, 0.3], [0.1, 0.2]),
    "all alike": ([0.3] * 4, [0.1, 0.2, 0.3, 0.1]),
    "all zero": ([0.0] * 4, [0.1] * 4),
    "less than chance": ([0.1, 0.11, 0.09, 0.1, 0.105, 0.1], [0.5] * 6),
    "one precise": ([0.1, 0.5, -0.2, 0.8, 0.3, 0.2], [1e-12, 1.0, 2.0, 1.0, 0.5, 3.0]),
    "one vague": ([0.1, 0.5, -0.2, 0.8, 0.3, 0.2], [1e12, 1.0, 2.0, 1.0, 0.5, 3.0]),
    "both": ([0.1, 0.5, -0.2, 0.8, 0.3, 0.2], [1e-9, 1e9, 2.0, 1.0, 0.5, 3.0]),
    "far apart": ([1e8, -1e8, 3e8, 1e7, 2e8], [1.0, 2.0, 3.0, 1.0, 1.0]),
    "ordinary": (RNG.normal(0, 1, 8).tolist(), RNG.uniform(0.1, 0.5, 8).tolist()),
}
# what must be a number wherever there is an answer at all
CORE = ("estimate", "se", "beta", "vb", "intervals", "interval", "p_value", "p_value", "alpha", "alpha_se", "statistic")


def columns(k):
    return {"x": np.arange(float(k)), "i": np.arange(k), "g": [f"g{i % 2}" for i in range(k)], "h": np.arange(k) // 2}


def fits(y, v):
    """Every model, as a function."""
    given = {"y": y, "v": v}
    more = {**given, "data": columns(len(y))}
    for interval, methods in (("HKSJ", ("REML", "DL")), ("HKSJ-adhoc", ("PM",)), ("Wald", ("ML",)), ("t", ("SJ",))):
        for tau2 in methods:
            yield lambda i=interval, t=tau2: vf.random_effects(method=t, test=i, **given)
            yield lambda i=interval, t=tau2: vf.meta_regression(formula="~ x", method=t, test=i, **more)
        yield lambda i=interval: vf.common_effect(test=i, **given)
        yield lambda i=interval: vf.meta_regression(formula="~ x", method="common", test=i, **more)
    yield lambda: vf.meta_regression(formula="~ x", test="KR", **more)
    yield lambda: vf.location_scale(scale="~ x", **more)
    for common in (True, False):
        yield lambda c=common: vf.subgroups(by="g", common_tau2=c, **more)
    for random, structure in (
        (None, "CS"), ("1 | i", "CS"), ("1 | g", "CS"), ("1 | g/i", "CS"), ("g | h", "CS"), ("g | h", "UN"), ("g | h", "HCS"),
        ("i | g", "AR"), ("x | g", "GEN"), ("i | g", "CAR"),
    ):  # fmt: skip
        yield lambda r=random, s=structure: vf.multivariate(random=r, structure=s, test="t" if s == "CS" else "Wald", **more)
    yield lambda: vf.che(cluster="h", **more)


def method(name):
    """A method of the result, where it has it."""
    return lambda fit: getattr(fit, name, lambda: "none")()


VERBS = (
    vf.influence, vf.residuals, vf.blups, vf.leave_one_out, vf.cumulative, vf.all_subsets, vf.baujat, vf.component_intervals,
    vf.profile_likelihood, lambda f: vf.permutation_test(f, draws=20, exact=False),
    lambda f: vf.bootstrap(f, draws=100), lambda f: vf.robust(f, list(range(len(f.y)))) if hasattr(f, "y") else "none",
    method("predict"),
    method("random_effects"), lambda f: type(f).from_dict(f.to_dict()), str,
)  # fmt: skip
OURS = (vf.InputError, vf.ConvergenceError)


def ask(verb, *what):
    """The answer, or the words of the error."""
    try:
        return verb(*what), ""
    except OURS as error:
        return None, str(error)


@pytest.mark.parametrize("name", DATA)
def test_an_answer_or_an_error_in_words(name):
    y, v = (np.array(a, dtype=float) for a in DATA[name])
    answered = 0
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        for model in fits(y, v):
            fit, words = ask(model)
            assert fit is not None or len(words) > 20
            if fit is None:
                continue
            answered += 1
            for part in CORE:
                if getattr(fit, part, None) is not None:
                    value = np.asarray(getattr(fit, part), dtype=float)
                    assert not np.isnan(value).any(), part
                    assert np.isfinite(value).all() or part == "statistic", part
            for verb in VERBS:
                answer, words = ask(verb, fit)
                assert answer is not None or len(words) > 20
    assert answered >= 8
    # what numpy says must not reach the user
    assert [f"{w.message} ({w.filename}:{w.lineno})" for w in seen if not issubclass(w.category, vf.VfmetaWarning)] == []


def test_kenward_roger_of_one_coefficient_is_satterthwaite_however_few_the_studies():
    """The df are 2 Var^2 / Var(Var), with the derivative of the variance in tau2 by finite differences."""
    rng = np.random.default_rng(1)
    for k, spread in ((4, 0.01), (5, 1.0), (20, 1.0)):
        x, v = np.column_stack([np.ones(k), np.arange(k)]), rng.uniform(0.1, 0.5, k)

        def variance(t, row, x=x, v=v):
            return row @ np.linalg.inv((x.T / (v + t)) @ x) @ row

        for row in np.eye(2):
            slope = (variance(0.2 + 1e-5, row) - variance(0.2 - 1e-5, row)) / 2e-5
            phi = np.linalg.inv((x.T / (v + 0.2)) @ x)
            df, factor = kenward_roger.degrees_of_freedom(x, 1 / (v + 0.2), phi, spread, row[None])
            assert df == pytest.approx(2 * variance(0.2, row) ** 2 / (spread * slope**2), rel=1e-7)
            assert factor == 1


def test_a_study_without_weight_moves_nothing():
    y, v = (np.array(a) for a in DATA["both"])
    table = vf.influence(vf.random_effects(y=y, v=v))
    assert table["dffits"][1] == pytest.approx(0, abs=1e-6)
    assert np.isfinite(table.drop(columns="study").to_numpy(dtype=float)).all()


def test_multivariate_refusals():
    y, v, data = [0.1, 0.5, -0.2, 0.8], [0.1, 0.2, 0.1, 0.3], pd.DataFrame(columns(4))
    given = {"y": y, "v": v, "data": data}
    with pytest.raises(vf.InputError, match="leaves no column"):
        vf.multivariate(formula="~ 0", random="1 | i", **given)
    V = np.diag(v)
    V[0, 2] = V[2, 0] = np.inf
    with pytest.raises(vf.InputError, match=r"infinite in row 1 .*, column 3"):
        vf.multivariate(y=y, V=V, data=data, random="1 | i")
    far = DATA["far apart"]
    with pytest.raises(vf.InputError, match="orders of magnitude"):
        vf.multivariate(y=far[0], v=far[1], data=columns(5), random="1 | g")
    with pytest.raises(vf.InputError, match="FrequentistResult was given"):
        vf.component_intervals(vf.random_effects(y=y, v=v))
    with pytest.raises(vf.InputError, match="cluster=None: give a column"):
        vf.robust(vf.random_effects(y=y, v=v), None)
    with pytest.warns(vf.VfmetaWarning, match="no degree of freedom is left"):
        left = vf.leave_one_out(vf.multivariate(y=y[:2], v=v[:2], data=data[:2], test="t", df="residual"))
    assert np.isnan(left.ci_low).all()
    assert np.isfinite(left.estimate).all()


@pytest.mark.filterwarnings("ignore::vfmeta.VfmetaWarning")
def test_t_intervals_use_the_degrees_of_freedom_left():
    y, v = DATA["ordinary"]
    fit = vf.multivariate(y=y, v=v, data=columns(8), random="1 | i", test="t", df="residual")
    left = vf.leave_one_out(fit)
    half = (left.ci_high - left.ci_low) / 2
    np.testing.assert_allclose(half, stdtrit(6, 0.975) * left.se, rtol=1e-10)

"""Boundaries for looking again with every study: published ones, the error they keep, and what a pool says between them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.stats import multivariate_normal, norm

import vfmeta as vf
from vfmeta.kernels.spending import boundaries

pytestmark = pytest.mark.filterwarnings("ignore::vfmeta.VfmetaWarning")
STUDY = list("ABCD")
Y, SE = [-0.5, -0.3, -0.8, -0.4], [0.3, 0.25, 0.3, 0.2]


def test_five_equal_looks_have_the_published_boundaries() -> None:
    """Reboussin, DeMets, Kim & Lan 2000, Control Clin Trials 21:190-207, and R's gsDesign: two-sided 0.05."""
    assert boundaries(np.arange(1, 6) / 5, 0.05) == pytest.approx([4.8769, 3.3569, 2.6803, 2.2898, 2.0310], abs=2e-4)


@pytest.mark.parametrize("share", [(1.0,), (0.5, 1.0), (0.3, 0.45, 1.0), (0.6, 0.62, 0.65, 1.0), (0.5, 0.50001, 1.0)])
@pytest.mark.parametrize("alpha", [0.05, 0.1])
def test_the_error_of_all_looks_is_alpha(share: tuple[float, ...], alpha: float) -> None:
    t = np.array(share)
    found = boundaries(t, alpha)
    correlation = np.sqrt(np.minimum.outer(t, t) / np.maximum.outer(t, t))
    law = multivariate_normal(cov=correlation, allow_singular=True, abseps=1e-7, releps=1e-7, maxpts=2_000_000, seed=1)
    stay = law.cdf(found, lower_limit=-found)
    assert 1 - stay == pytest.approx(alpha, abs=2e-5)
    if len(t) > 1:  # what the first look spends is the closed form
        assert 2 * norm.sf(found[0]) == pytest.approx(4 * norm.sf(norm.isf(alpha / 4) / np.sqrt(t[0])), rel=1e-8)


def test_looks_that_add_next_to_nothing_leave_the_last_boundary_alone() -> None:
    """A tiny study after a large one, and many before anything may be spent."""
    once = boundaries(np.array([0.5, 1.0]), 0.05)
    found = boundaries(np.array([0.5, 0.5 + 1e-7, 0.5 + 1e-5, 1.0]), 0.05)
    assert found[[0, -1]] == pytest.approx(once, abs=2e-5)
    assert found[1] == pytest.approx(once[0], rel=1e-6)
    assert boundaries(np.array([*np.linspace(1e-4, 0.019, 100), 0.5, 1.0]), 0.05)[-2:] == pytest.approx(once, abs=1e-9)
    assert boundaries(np.array([0.5, 1 - 1e-9, 1.0]), 0.05)[1:] == pytest.approx(once[1], abs=2e-4)


def test_nothing_is_spent_long_before_and_nothing_is_left_after() -> None:
    found = boundaries(np.array([0.01, 0.5, 1.3, 1.5]), 0.05)
    assert np.isposinf(found[0])
    assert np.isfinite(found[1:3]).all()
    assert np.isnan(found[3])


def test_a_look_is_the_pool_so_far_with_the_heterogeneity_of_all() -> None:
    fit = vf.random_effects(y=Y, se=SE, study=STUDY, tau2=0.02, test="Wald")
    order = ["C", "A", "B", "D"]
    found = vf.appraisal.sequential(fit, order, mid=0.4, power=0.9)
    w = 1 / (np.array([0.3, 0.3, 0.25, 0.2]) ** 2 + 0.02)
    y = np.array([-0.8, -0.5, -0.3, -0.4])
    assert found["study"].tolist() == order
    assert found["estimate"].tolist() == pytest.approx((np.cumsum(w * y) / np.cumsum(w)).tolist())
    assert found["estimate"].iloc[-1] == pytest.approx(fit.estimate)
    assert found["statistic"].tolist() == pytest.approx((np.cumsum(w * y) / np.sqrt(np.cumsum(w))).tolist())
    needed = ((norm.isf(0.025) + norm.isf(0.1)) / 0.4) ** 2
    assert found.attrs["needed"] == pytest.approx(needed)
    assert found["information"].tolist() == pytest.approx((np.cumsum(w) / needed).tolist())
    wide = found["boundary"] * found["se"]
    assert found["ci_high"].tolist() == pytest.approx((found["estimate"] + wide).tolist())
    out = found["ci_high"] < 0  # the interval leaves out no difference just where z leaves the boundary
    assert out.equals(found["statistic"].abs() >= found["boundary"])
    assert found.attrs["reached"] == (found["study"][out].iloc[0] if out.any() else "")


def test_ratios_are_told_as_ratios_and_a_posterior_serves() -> None:
    q = vf.Question(measure="RR", mid=0.8)
    fit = vf.common_effect(y=Y, se=SE, study=STUDY, question=q)
    own = vf.appraisal.sequential(fit, on="read")
    assert own.attrs["needed"] == pytest.approx(((norm.isf(0.025) + norm.isf(0.2)) / np.log(0.8)) ** 2)
    assert own["estimate"].iloc[-1] == pytest.approx(np.exp(fit.estimate))
    post = vf.bayes.random_effects(y=Y, se=SE, study=STUDY, question=q, tau=vf.priors.HalfNormal(0.5))
    held = vf.random_effects(y=Y, se=SE, study=STUDY, question=q, tau2=post.tau2)
    assert np.allclose(vf.appraisal.sequential(post)["statistic"], vf.appraisal.sequential(held)["statistic"])


@pytest.mark.parametrize(
    ("choices", "said"),
    [
        ({}, "mid= is missing"),
        ({"mid": 0}, "mid=0 must be a difference above 0"),
        ({"mid": 0.5, "power": 1}, "power=1 must be"),
        ({"mid": 0.5, "order": ["A"]}, "each of the 4 studies once"),
    ],
)
def test_what_cannot_be_asked_is_refused(choices: dict[str, Any], said: str) -> None:
    with pytest.raises(vf.InputError, match=said):
        vf.appraisal.sequential(vf.common_effect(y=Y, se=SE, study=STUDY), **choices)


def test_other_answers_are_refused() -> None:
    with pytest.raises(vf.InputError, match="two studies or more"):
        vf.appraisal.sequential(vf.common_effect(y=[0.1], se=[0.1]), mid=0.5)
    with pytest.raises(vf.InputError):
        vf.appraisal.sequential(vf.meta_regression(y=Y, se=SE, x=[[1, 1], [1, 2], [1, 3], [1, 5]]), mid=0.5)


def test_the_figure_shows_the_numbers_and_says_whether_it_was_enough() -> None:
    q = vf.Question(measure="MD", higher_is_worse=True, mid=0.5, experimental="rest", control="walks")
    fit = vf.common_effect(y=Y, se=SE, study=STUDY, question=q)
    ax, found = vf.plots.sequential(fit), vf.appraisal.sequential(fit)
    drawn = {line.get_gid(): line for line in ax.lines}
    assert drawn["statistic"].get_ydata()[1:].tolist() == found["statistic"].tolist()
    assert drawn["boundary reached"].get_xdata().tolist() == [found["information"].iloc[2]]
    assert {t.get_text() for t in ax.texts} >= {"favours rest", "favours walks"}
    low, high = (t.get_position()[1] for x in ("favours rest", "favours walks") for t in ax.texts if t.get_text() == x)
    assert low < high  # lower is better, and rest is experimental
    assert "The boundary was reached with C (3 studies)." in ax.get_label()
    assert "the evidence is not enough yet" in vf.plots.sequential(fit, mid=0.1).get_label()
    null = vf.common_effect(y=[0.1, -0.1], se=[0.1, 0.1], question=vf.Question(mid=0.5))
    assert "it would have been with a probability of about 0.8." in vf.plots.sequential(null).get_label()


@pytest.mark.parametrize(
    ("mid", "said"), [(0.8, "0.8 or 1.25"), (0.98, "0.98 or 1.02"), (1.004, "0.996 or 1.004"), (3.0, "0.33 or 3")]
)
def test_the_ratio_that_is_looked_for_is_never_read_as_one(mid: float, said: str) -> None:
    fit = vf.common_effect(y=Y, se=SE, study=STUDY, question=vf.Question(measure="RR"))
    assert f"information needed for a ratio of {said} " in vf.plots.sequential(fit, mid=mid).get_xlabel()


def test_one_study_is_no_studies() -> None:
    fit = vf.common_effect(y=[-0.9, -0.5], se=[0.1, 0.2], study=["Öst", "Foa"])
    assert "with Öst (1 study)." in vf.plots.sequential(fit, mid=0.3).get_label()
    assert "from Öst on (1 study)." in vf.plots.cumulative(fit).get_label()

"""LFK index, p-curve and Copas path: figures of their papers and of other programs, and their criticism before all else."""

from __future__ import annotations

import math
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import pytest
from scipy import integrate, optimize, stats

import vfmeta as vf
from vfmeta.appraisal.copas_path import _log_likelihood

A = vf.appraisal
quiet = pytest.mark.filterwarnings("ignore::vfmeta.VfmetaWarning")
# 18 made-up studies, half of them significant
MADE_SE = [0.26, 0.20, 0.35, 0.12, 0.15, 0.20, 0.22, 0.21, 0.17, 0.34, 0.19, 0.23, 0.24, 0.26, 0.35, 0.32, 0.23, 0.25]
MADE = [0.71, 0.35, 1.79, 0.18, 0.42, 0.63, 0.72, 0.53, 0.28, 1.28, 0.10, 0.39, 0.54, 0.43, 0.52, 1.48, 0.61, 0.60]
# log RR of lung cancer with passive smoking, 37 studies, and their variances: Hackshaw, Law & Wald 1997, BMJ 315:980-988
SMOKING = (
    [
        0.1655144385, 0.3715635564, 0.7030975114, 0.1823215568, -0.2876820725, 0.7275486073, 0.7561219797,
        -0.2231435513, -0.2357223335, 0.6981347221, 0.2070141694, 0.1823215568, 0.4187103349, 0.02955880224,
        0.4382549309, 0.02955880224, 0.8501509294, 0.5007752879, 0.1739533071, 0.4187103349, 0.7701082217,
        0.07696104114, 0.9360933592, 0.4824261492, 0.05826890812, -0.2357223335, -0.3011050928, 0.8197798315,
        -0.03045920748, 0.4700036292, 0.1739533071, 0.5068176024, 0.231111721, 0.0953101798, 0.5068176024, 0.1484200051,
        0.1043600153,
    ],
    [
        0.01877688549, 0.03304403891, 0.5401958653, 0.03126761449, 0.0796556541, 0.2273205917, 0.08892156271,
        0.1926796031, 0.3390163475, 0.09806620244, 0.04555554858, 0.2317499696, 0.07964292202, 0.2173950247,
        0.07695797404, 0.07150176353, 0.2925657721, 0.03243750743, 0.03627334664, 0.4838512418, 0.1238162019,
        0.07108519172, 0.3981954334, 0.08962312407, 0.03371988833, 0.01612949092, 0.1802334734, 0.3171477229,
        0.01254684515, 0.1136962924, 0.08933678042, 0.1759855948, 0.01002904743, 0.08621435589, 0.03987496754,
        0.03639975557, 0.06641950662,
    ],
)  # fmt: skip


@pytest.mark.parametrize(("y", "se", "index"), [
    # what metasens 1.5 says of these, as its users print it
    ([0.05, 0.08, 0.12, 0.20, 0.55, 0.62, 0.85, 1.10, 1.35, 1.60],
     [0.08, 0.09, 0.10, 0.12, 0.30, 0.33, 0.40, 0.48, 0.55, 0.62], 6.68755816),
    ([-0.3, -0.1, 0.0, 0.1, 0.2, 0.35], [0.2, 0.18, 0.15, 0.16, 0.19, 0.22], 0.63617512),
])  # fmt: skip
def test_the_index_is_that_of_another_program(y: list[float], se: list[float], index: float) -> None:
    found = A.lfk_index(y=y, se=se)
    assert found.index == pytest.approx(index, abs=1e-8)
    assert A.lfk_index(y=[-a for a in y], se=se).index != pytest.approx(index)  # it is not odd: the unit step is one-sided
    shuffled = np.random.default_rng(2).permutation(len(y))
    assert A.lfk_index(y=np.array(y)[shuffled], se=np.array(se)[shuffled]).index == pytest.approx(index, abs=1e-8)


def test_scores_worked_out_by_hand() -> None:
    """Three studies of one precision: 100 units each, mid-ranks 50, 150, 250 of 300."""
    found = A.lfk_index(y=[0.0, 1.0, 4.0], se=[0.2] * 3)
    z = stats.norm.ppf((np.array([50, 150, 250]) - 0.5) / 300)
    np.testing.assert_allclose(found.to_frame()["score"], z, rtol=1e-12)
    by_hand = 2.5 * (z.sum() + (z[2] - z[0]) / 4 * (-1 + 0 + 3)) / 3
    assert found.index == pytest.approx(by_hand, rel=1e-12)


def test_the_p_curve_by_its_definitions() -> None:
    """Each test of Simonsohn, Nelson & Simmons 2015 written out with scipy's noncentral distribution, for made-up studies."""
    x = np.array([2.1, -2.3, 2.6, 3.4, 4.1, 1.2, 0.4, 2.0, 5.2])
    found = A.p_curve(y=0.3 * x, se=[0.3] * len(x))
    p = stats.chi2.sf(x**2, 1)
    kept, low = p[p < 0.05], p[p < 0.025]
    assert found.significant == len(kept) == 7

    def power(d2: float, cut: float) -> float:
        return float(stats.ncx2.sf(stats.chi2.isf(cut, 1), 1, d2))

    def stouffer(pp: np.ndarray) -> float:
        return float(stats.norm.ppf(pp).sum() / np.sqrt(len(pp)))

    third = optimize.brentq(lambda d2: power(d2, 0.05) - 1 / 3, 0.1, 10, xtol=1e-13)
    inner = power(third, 0.025)
    wanted = {
        "right-skew, full curve": stouffer(kept / 0.05),
        "right-skew, half curve": stouffer(low / 0.025),
        "flatter than a third, full curve": stouffer((1 / 3 - stats.ncx2.sf(stats.chi2.isf(kept, 1), 1, third)) * 3),
        "flatter than a third, half curve": stouffer((inner - stats.ncx2.sf(stats.chi2.isf(low, 1), 1, third)) / inner),
    }
    # of a third: how much of the curve lies above p, so that large p, a flat curve, gives a small probability
    z, tests = dict(zip(found.terms, found.statistic, strict=True)), dict(zip(found.terms, found.p_value, strict=True))
    assert {name: z[name] for name in wanted} == pytest.approx(wanted, rel=1e-7)
    assert tests["right-skew, count below 0.025"] == pytest.approx(stats.binom.sf(len(low) - 1, len(kept), 0.5))
    assert tests["flatter than a third, count"] == pytest.approx(stats.binom.cdf(len(low), len(kept), inner * 3), rel=1e-9)
    best = optimize.brentq(
        lambda d2: stouffer((power(d2, 0.05) - stats.ncx2.sf(stats.chi2.isf(kept, 1), 1, d2)) / power(d2, 0.05)), 0.1, 30
    )
    assert found.power == pytest.approx(power(best, 0.05), rel=1e-6)


def test_terms_of_the_p_curve_are_uniform_where_they_should_be() -> None:
    """Stouffer's z of p values drawn under no effect, and under a power of a third, is standard normal: half curve included."""
    rng = np.random.default_rng(4)
    shift = 1.5288  # of a two-sided power of 1/3 at 0.05
    assert stats.norm.sf(1.959964 - shift) + stats.norm.cdf(-1.959964 - shift) == pytest.approx(1 / 3, abs=2e-4)
    for d, rows in ((0.0, (1, 2)), (shift, (4, 5))):
        x = rng.normal(d, 1, 60_000)
        found = A.p_curve(y=x[np.abs(x) > 1.96], se=np.ones((np.abs(x) > 1.96).sum()))
        assert np.all(np.abs(found.statistic[list(rows)]) < 3.5)
    assert found.power == pytest.approx(1 / 3, abs=0.02)


def test_the_likelihood_is_a_density_of_what_is_published() -> None:
    """Over all effects it adds up to 1, whatever selection and correlation."""

    def density(y: float, u: float, tau: float, rho: float) -> float:
        return math.exp(_log_likelihood(np.array([y]), np.array([0.5]), np.array([u]), tau, rho, np.zeros(1)))

    for given in ((0.3, 0.2, 0.7), (-1.0, 0.0, -0.5), (2.0, 0.4, 0.95)):
        assert integrate.quad(density, -12, 12, args=given, limit=300)[0] == pytest.approx(1, abs=1e-6)


@quiet
def test_without_selection_it_is_the_model_without() -> None:
    y, v = SMOKING
    found = A.copas(y=y, v=v, at=[1.0])
    fit = vf.random_effects(y=y, v=v, method="ML", test="Wald")
    assert found.mean[0] == pytest.approx(fit.estimate, abs=1e-6)
    assert found.tau2_path[0] == pytest.approx(fit.tau2, abs=1e-6)
    assert found.log_likelihood[0] == pytest.approx(fit.information("ML").log_likelihood, abs=1e-7)
    assert found.unpublished[0] == 0


@quiet
def test_the_path_of_copas_and_shi_for_passive_smoking() -> None:
    """Copas & Shi 2000, BMJ 320:417-418: 24% excess risk in the 37 studies; 15% if 60% of all studies had been published."""
    y, v = SMOKING
    found = A.copas(y=y, v=v, at=[1.0, 0.39])
    assert math.exp(found.mean[0]) == pytest.approx(1.24, abs=0.005)
    share = 37 / (37 + found.unpublished[1])
    assert share == pytest.approx(0.60, abs=0.01)
    assert math.exp(found.mean[1]) == pytest.approx(1.15, abs=0.005)


@quiet
def test_a_maximum_is_higher_than_its_neighbours() -> None:
    y, v = (np.array(x) for x in SMOKING)
    found = A.copas(y=y, v=v, at=[0.6])
    s = np.sqrt(v)
    high, low = stats.norm.ppf(0.99), stats.norm.ppf(0.6)
    slope = (high - low) / (1 / s.min() - 1 / s.max())
    u = low + slope * (1 / s - 1 / s.max())
    np.testing.assert_allclose(found.unpublished[0], ((1 - stats.norm.cdf(u)) / stats.norm.cdf(u)).sum(), rtol=1e-9)
    mean, tau, rho = found.mean[0], math.sqrt(found.tau2_path[0]), found.rho[0]
    at = _log_likelihood(y, s, u, tau, rho, np.full(37, mean))
    assert found.log_likelihood[0] == pytest.approx(at, abs=1e-8)
    for step in (-0.01, 0.01):
        assert _log_likelihood(y, s, u, tau, rho, np.full(37, mean + step)) < at
        assert _log_likelihood(y, s, u, tau + step, rho, np.full(37, mean)) < at
        assert _log_likelihood(y, s, u, tau, rho + step, np.full(37, mean)) < at


@quiet
@pytest.mark.parametrize("verb", [A.lfk_index, A.p_curve, A.copas])
def test_the_criticism_is_the_first_line_of_print_and_figure(verb: Any) -> None:
    found = verb(y=MADE, se=MADE_SE)
    assert str(found).splitlines()[0] == type(found).criticism
    assert len(type(found).criticism) > 100
    ax = found.plot()
    assert ax.get_label().startswith(type(found).criticism)
    assert vf.read_result(found.to_json()) == found
    plt.close("all")


@quiet
def test_figures_stand_where_the_numbers_are() -> None:
    lfk, curve, path = (verb(y=MADE, se=MADE_SE) for verb in (A.lfk_index, A.p_curve, A.copas))

    def artists(ax: Any) -> dict[str, Any]:
        return {x.get_gid(): x for x in ax.get_children() if x.get_gid()}

    found = artists(lfk.plot())
    np.testing.assert_allclose(found["studies"].get_data(), [np.sort(MADE), np.abs(lfk.z)], rtol=1e-12)
    found = artists(curve.plot())
    below = np.array([((curve.p < c).sum()) for c in (0.01, 0.02, 0.03, 0.04, 0.05)]) / 11
    np.testing.assert_allclose(np.cumsum(found["curve"].get_ydata()) / 100, below, rtol=1e-9)
    assert found["a third"].get_ydata().sum() == pytest.approx(100)
    found = artists(path.plot())
    np.testing.assert_allclose(found["path"].get_ydata(), path.mean)
    assert found["rule"].get_xydata()[0] == pytest.approx((100 * path.chance[path.at], path.estimate))
    plt.close("all")


@pytest.mark.parametrize(("call", "says"), [
    (lambda: A.lfk_index(y=[0.1, 0.2], se=[0.1, 0.1]), "takes 3"), (lambda: A.lfk_index(y=[0.1] * 4, se=[0.1] * 4), "no width"),
    (lambda: A.p_curve(y=[0.1, 0.1], se=[0.2, 0.2]), "no study is significant"),
    (lambda: A.copas(y=[0.1, 0.2, 0.4], se=[0.1, 0.2, 0.3]), "takes 4"),
    (lambda: A.copas(y=[0.1, 0.2, 0.4, 0.3], se=[0.1] * 4), "are the same"),
    (lambda: A.copas(y=MADE, se=MADE_SE, at=[0.5, 0.8]), "highest down"),
    (lambda: A.copas(y=MADE, se=MADE_SE, at=[0]), "above 0"),
    (lambda: A.copas(y=MADE, se=MADE_SE, at="half"), "no numbers"), (lambda: vf.plots.doi(1), "lfk_index returned"),
    (lambda: vf.plots.p_curve(1), "p_curve returned"), (lambda: vf.plots.copas(1), "copas returned"),
])  # fmt: skip
def test_what_they_cannot_say_is_refused(call: Any, says: str) -> None:
    with pytest.raises(vf.InputError, match=says):
        call()


def test_a_curve_without_a_half_says_so() -> None:
    with pytest.warns(vf.VfmetaWarning, match=r"No p value lies below 0.025"):
        found = A.p_curve(y=[2.0, 2.1, 0.3], se=[1.0, 1.0, 1.0])  # two-sided p = 0.0455, 0.0357, 0.76
    assert found.significant == 2
    assert np.isnan(found.p_value).any()


def test_a_trend_at_every_chance_is_said() -> None:
    se = np.linspace(0.1, 1, 12)
    with pytest.warns(vf.VfmetaWarning, match="A trend is left at every chance"):
        found = A.copas(y=4 * se + np.tile([0.01, -0.01], 6), se=se, at=[1.0, 0.95])
    assert found.at == 1
    assert "A trend is left at every chance here" in found.sentence()

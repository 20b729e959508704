"""Every public verb with a test or an interval has its levels in a report, and every pointer to one resolves."""

from __future__ import annotations

import importlib
import inspect
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from benchmarks import levels, levels_report
from benchmarks.levels import COVERAGE, LEVEL, Answer, Block, covers, rejects

import vfmeta as vf
from vfmeta.frequentist.multivariate.result import MultivariateResult

ROOT = Path(__file__).parent.parent
REPORT = (ROOT / "reports" / "levels.md").read_text(encoding="utf-8")
TABLE = pd.read_csv(ROOT / "reports" / "levels.csv")
# neither a test nor an interval of their own: data, files, weights, looks at a posterior, other people's ratings
LOOKS = """
    all_subsets analyse baujat compare effect_size effect_table load_trials normal_quantiles profile_likelihood read
    read_network read_prisma_flow read_references read_registry read_result read_revman sampling_covariance save_network
    save_table subset_clusters validate certainty effect_range fail_safe lfk_index network_certainty risk_of_bias
    summary_of_findings networks.arm_model networks.compare_models networks.comparison_adjusted networks.contributions
    networks.modifiers networks.network networks.partial_order networks.scores networks.table bayes.agreement
    bayes.calibrate bayes.calibrate_model bayes.effective_sample_size bayes.leave_one_out bayes.map_prior bayes.posterior
    bayes.power_scaling bayes.predictive_check bayes.prior_sensitivity bayes.sample bayes.sample_posterior
"""
NEITHER = LOOKS.split()


def public() -> set[str]:
    """Public verbs, those of networks and bayes with the name of the package."""
    found = set()
    for package, prefix in (
        ("vfmeta", ""),
        ("vfmeta.appraisal", ""),
        ("vfmeta.networks", "networks."),
        ("vfmeta.bayes", "bayes."),
    ):
        module = importlib.import_module(package)
        found |= {prefix + name for name in module.__all__ if inspect.isfunction(getattr(module, name))}
    return found


def slug(heading: str) -> str:
    """The anchor of a heading, as GitHub makes it."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


def test_every_verb_with_a_test_or_an_interval_has_its_place() -> None:
    here = set(TABLE["verb"])
    known = here | set(levels_report.ELSEWHERE) | set(levels_report.OPEN) | set(NEITHER)
    assert public() - known == set()
    assert known - public() == {"mean_sd_from_quantiles"}  # of vf.convert: its test of skewness
    for group in (levels_report.ELSEWHERE, levels_report.OPEN, NEITHER):
        assert not here & set(group)
    assert here == {block.verb for block in levels.blocks()}


def test_every_pointer_resolves() -> None:
    anchors = {slug(x) for x in re.findall(r"^#+ (.*)$", REPORT, re.MULTILINE)}
    for x in re.findall(r"\]\(#([^)]+)\)", REPORT):
        assert x in anchors, x
    for x in re.findall(r"\]\(((?!#|http)[^)#]+)", REPORT):
        assert (ROOT / "reports" / x).is_file(), x
    for path in (ROOT / "src").rglob("*.py"):
        said = path.read_text(encoding="utf-8")
        assert set(re.findall(r"reports/levels\.md#(\w+)", said)) <= anchors, path.name
        for name in re.findall(r"reports/(\w+\.md)", said):
            assert (ROOT / "reports" / name).is_file(), (path.name, name)


@pytest.mark.parametrize("verb", sorted(set(TABLE["verb"])))
def test_the_docstring_of_a_verb_points_to_its_row(verb: str) -> None:
    package, _, name = verb.rpartition(".")
    homes = (getattr(vf, package),) if package else (vf, vf.appraisal, vf.convert)
    home = next(m for m in homes if hasattr(m, name))
    assert f"reports/levels.md#{slug(verb)}``" in (inspect.getdoc(getattr(home, name)) or "")


def test_the_report_is_made_of_its_table() -> None:
    assert levels_report.text(TABLE) == REPORT


def test_what_misses_says_so_with_its_row() -> None:
    """Each line below a result stands for cells of the report that are off, of the procedures a user gets by default."""
    from vfmeta.text import levels as said

    for name in said._SAID:
        verb = name.partition(":")[0]
        assert said.level_note(name, False) == []
        if verb in said._HOMES:
            assert (ROOT / "reports" / said._HOMES[verb]).is_file()
            assert f"(reports/{said._HOMES[verb]})" in said.level_note(name)[0]
            continue
        assert TABLE[TABLE["verb"] == verb].apply(levels_report.off, axis=1).any(), name
        assert f"(reports/levels.md#{verb})" in said.level_note(name)[0]
    means = {"mean1": [5, 4], "sd1": [2, 2], "n1": [8, 9], "mean2": [4, 4], "sd2": [2, 3], "n2": [8, 8]}
    assert "Q rejects 8%" in str(vf.random_effects(vf.effect_size("MD", **means)))
    y, v = [0.9, -0.6, 0.4, 1.5, -1.1], [0.05] * 5
    assert "holds the truth in 86 to 91%" in str(vf.random_effects(y=y, v=v, test="Wald"))
    assert "level:" not in str(vf.random_effects(y=y, v=v))
    assert "86 to 89%" in str(vf.appraisal.worst_case(vf.random_effects(y=y, v=v), favoured="higher"))
    three = vf.subgroups(vf.random_effects(y=y[:4] + y + y[1:], v=[0.05] * 13), by=["a"] * 4 + ["b"] * 5 + ["c"] * 4)
    assert "rejects 7 to 8% at 5%" in str(three)


def span(*shares: pd.Series) -> str:
    """From the lowest to the highest share, in whole percent."""
    every = 100 * pd.concat(shares)
    return f"{every.min():.0f} to {every.max():.0f}%"


def test_words_on_tau2_and_on_groups_are_of_the_table() -> None:
    from vfmeta.text.levels import level_note

    ml = TABLE[(TABLE["procedure"] == "tau2, profile likelihood ML") & TABLE["setting"].str.contains("I2 75%")]
    skewed = ml["setting"].str.contains("skewed")
    said = level_note("random_effects: profile by ML")[0]
    assert f"in {span(ml.loc[~skewed, 'share'])}, with skewed effects in {span(ml.loc[skewed, 'share'])}" in said
    y, v = [0.9, -0.6, 0.4, 1.5, -1.1], [0.05] * 5
    assert said in str(vf.random_effects(y=y, v=v, method="ML", tau2_interval="profile-likelihood"))
    assert said not in str(vf.random_effects(y=y, v=v, method="REML", tau2_interval="profile-likelihood"))
    three = TABLE[TABLE["setting"].str.fullmatch(r"(3 \+ 3 \+ 3|5 \+ 5 \+ 5) trials, variances spread, I2 (50|75)%")]
    welch = three.loc[three["procedure"] == "Welch's F (default)", "share"]
    assert f"rejects {span(welch)}" in level_note("subgroups: several")[0]


def test_words_on_likelihood_ratios_are_of_the_table() -> None:
    of = TABLE[(TABLE["verb"] == "likelihood_ratio") & TABLE["setting"].str.contains("I2 50%")]
    data = {"y": [0.9, -0.6, 0.4, 1.5, -1.1], "v": [0.05] * 5, "x": [1, 2, 3, 5, 4]}
    fuller, simpler = (vf.meta_regression(data, formula, method="ML") for formula in ("~ x", "~ 1"))
    assert f"rejects {span(of['share'])} at 5%" in str(vf.likelihood_ratio(fuller, simpler))


def test_words_on_designs_that_agree_are_of_the_table() -> None:
    of = TABLE[(TABLE["procedure"] == "designs agree") & TABLE["setting"].str.contains("risk 2%")]
    arms = {"study": list("aabbcc"), "treatment": list("ABBCAC"), "events": [1, 4, 2, 5, 1, 3], "n": [60] * 6}
    assert f"rejects {span(of['share'])} at 5%" in vf.networks.mantel_haenszel(arms).q.note
    ratio = TABLE[TABLE["procedure"].str.contains("heterogeneity, .*LRT") & (TABLE["setting"] == "three arms, risk 2%")]
    assert span(ratio["share"]) == "11 to 11%"
    fit = vf.networks.counts(arms, model="CM.EL", heterogeneity="common")
    assert "rejects about 11% at 5%" in fit.q.note
    assert vf.networks.mantel_haenszel(arms | {"events": [10, 14, 12, 15, 11, 13]}).q.note == ""


@pytest.mark.filterwarnings("ignore::vfmeta.VfmetaWarning")
def test_words_on_models_of_counts_are_of_their_table() -> None:
    table = pd.read_csv(ROOT / "reports" / "glmm_levels.csv")

    def of(kind: str, method: str, rows: pd.Series | None = None) -> str:
        mine = (table["kind"] == kind) & (table["method"] == method) & (table["tau2"] > 0 if rows is None else rows)
        return span(table.loc[mine, "rate"])

    counts = {
        "events1": [12, 25, 9, 30, 14],
        "n1": [50, 80, 60, 70, 55],
        "events2": [20, 18, 22, 21, 10],
        "n2": [50, 80, 60, 70, 55],
    }
    wald, t, default = (str(vf.glmm("OR", **counts, **more)) for more in ({"test": "Wald"}, {"test": "t"}, {}))
    doc = " ".join((inspect.getdoc(vf.glmm) or "").split())
    mean, ahead = of("mean", "Wald"), of("next trial", "Wald")
    assert f"Wald intervals cover the mean in about {mean} and the effect of a next trial in {ahead}" in wald
    assert f"covers {mean} and {ahead} there" in doc
    assert f"covers in about {of('next trial', 't')}" in t
    assert f"{of('mean', 't')} and {of('next trial', 't')}." in doc
    assert f"that of the mean covers in {of('mean', 'integrated')} and that" in doc
    assert f"next trial's effect in {of('next trial', 'integrated')} (" in doc
    profile = of("tau2", "profile", (table["tau2"] == 0.5) & (table["risk"] == 0.2))
    assert f"interval of tau2 holds the truth in {profile} (reports/glmm_levels.md)" in default
    assert f"it covers in {profile}" in doc
    sparse = {name: x if name.startswith("n") else [k // 6 for k in x] for name, x in counts.items()}
    few = vf.glmm("OR", **sparse, heterogeneity="common").q.note
    assert f"rejects {of('heterogeneity', 'LRT', table['risk'] == 0.05)} at 5%" in few
    assert vf.glmm("OR", **counts).q.note == ""


@pytest.mark.filterwarnings("ignore::vfmeta.VfmetaWarning")
def test_words_on_dependent_effects_are_of_their_table() -> None:
    table = pd.read_csv(ROOT / "reports" / "multivariate_levels.csv")
    table = table[(table["between"] > 0) & table["kind"].isin(["mean", "between", "within"])]
    wald, default, residual = (span(table.loc[table["method"] == m, "rate"]) for m in ("Wald", "Satterthwaite", "residual"))
    doc = " ".join((inspect.getdoc(vf.multivariate) or "").split())
    assert f"Wald's intervals cover in about {wald} where effects differ, those of the default in {default}" in doc
    blups = TABLE.loc[TABLE["procedure"] == "true effects, multivariate", "share"]
    said = " ".join((inspect.getdoc(MultivariateResult.blups) or "").split())
    assert f"with 5 to 10 clusters hold the truth in {span(blups)} at 95%" in said
    data = {"y": [0.1, 0.9, 0.4, 1.2, -0.3, 0.2], "v": [0.05] * 6, "trial": [1, 1, 2, 2, 3, 3], "effect": list(range(6))}
    assert f"cover in about {wald}" in str(vf.multivariate(data, random="1 | trial/effect", test="Wald"))
    assert f"cover in about {residual}" in str(vf.multivariate(data, random="1 | trial/effect", df="residual"))


GUARDED = {
    "random_effects": "5 trials, variances spread, I2 75%",
    "mantel_haenszel": "15 trials, risk 0.5%, arms 2:1",
    "study_intervals": "8 patients an arm, second SD 1",
    "subgroups": "3 + 10 trials, variances spread, I2 75%",
}


@pytest.mark.slow
@pytest.mark.parametrize("verb", GUARDED)
def test_the_worst_cells_are_as_reported(verb: str) -> None:
    """Drawn again by another seed, the shares are those of the report."""
    setting = GUARDED[verb]
    block = next(b for b in levels.blocks() if b.verb == verb and setting in b.settings)
    again = replace(block, settings={setting: block.settings[setting]}).run(1000, seed=2)
    reported = TABLE[(TABLE["verb"] == verb) & (TABLE["setting"] == setting)]
    both = again.merge(reported, on=["what", "procedure"], suffixes=("", "_reported"))
    assert len(both) == len(reported)
    share = both["share_reported"].clip(0.002, 0.998)
    error = np.sqrt(share * (1 - share) * (1 / both["draws"] + 1 / both["draws_reported"]))
    assert (abs(both["share"] - both["share_reported"]) < 4.5 * error).all()


def test_shares_are_counted() -> None:
    """Of a fair coin; a set without an answer does not count."""

    def answers(x: float) -> dict[str, Answer]:
        if x > 0.9:
            raise vf.InputError("none")
        return {"p": rejects(x), "interval": covers(x, x + 0.5, 0.7)}

    found = Block("made up", {"uniform": lambda rng: rng.uniform()}, answers, draws=4000).run().set_index("what", drop=False)
    n = found.loc[LEVEL, "draws"]
    assert abs(n / 4000 - 0.9) < 4 * np.sqrt(0.09 / 4000)
    assert abs(found.loc[LEVEL, "share"] - 0.05 / 0.9) < 4 * np.sqrt(0.05 * 0.95 / n)
    assert abs(found.loc[COVERAGE, "share"] - 0.5 / 0.9) < 4 * np.sqrt(0.25 / n)
    assert found.loc[COVERAGE, "width"] == pytest.approx(0.5)
    assert levels_report.wrong(found.loc[COVERAGE])
    assert not levels_report.off(found.loc[LEVEL])


def test_networks_of_counts_say_what_wald_covers_beside_random_effects() -> None:
    arms = {
        "study": [1, 1, 2, 2, 3, 3, 4, 4],
        "treatment": list("ABABABAB"),
        "events": [5, 9, 8, 8, 3, 12, 10, 11],
        "n": [50] * 8,
    }
    share = TABLE[(TABLE["verb"] == "networks.counts") & TABLE["procedure"].str.endswith("random, Wald")]["share"].item()
    assert any(
        f"cover about {100 * share:.0f}% at 95%" in w for w in vf.networks.counts(arms, reference="A", test="Wald").warnings
    )
    net = vf.networks.counts(arms, reference="A")
    assert net.test == "t"
    assert not any("cover about" in w for w in net.warnings)
    assert vf.networks.counts(arms, reference="A", heterogeneity="common").test == "Wald"

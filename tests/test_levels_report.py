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


@pytest.mark.parametrize("verb", sorted(set(TABLE["verb"])))
def test_the_docstring_of_a_verb_points_to_its_row(verb: str) -> None:
    home = next(m for m in (vf, vf.appraisal, vf.convert) if hasattr(m, verb))
    assert f"reports/levels.md#{verb}" in (inspect.getdoc(getattr(home, verb)) or "")


def test_the_report_is_made_of_its_table() -> None:
    assert levels_report.text(TABLE) == REPORT


def test_what_misses_says_so_with_its_row() -> None:
    """Each line below a result stands for cells of the report that are off, of the procedures a user gets by default."""
    from vfmeta.text import levels as said

    for name in said._SAID:
        verb = name.partition(":")[0]
        assert TABLE[TABLE["verb"] == verb].apply(levels_report.off, axis=1).any(), name
        assert f"(reports/levels.md#{verb})" in said.level_note(name)[0]
        assert said.level_note(name, False) == []
    means = {"mean1": [5, 4], "sd1": [2, 2], "n1": [8, 9], "mean2": [4, 4], "sd2": [2, 3], "n2": [8, 8]}
    assert "Q rejects 8%" in str(vf.random_effects(vf.effect_size("MD", **means)))
    y, v = [0.9, -0.6, 0.4, 1.5, -1.1], [0.05] * 5
    assert "holds the truth in 86 to 91%" in str(vf.random_effects(y=y, v=v, test="Wald"))
    assert "level:" not in str(vf.random_effects(y=y, v=v))
    assert "86 to 90%" in str(vf.appraisal.worst_case(vf.random_effects(y=y, v=v), favoured="higher"))


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

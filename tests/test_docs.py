"""The documentation is run: every example, every call of the table for users of metafor, and the site with all its links."""

from __future__ import annotations

import inspect
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from docs import build, examples
from docs.reference import Reference, papers

import vfmeta as vf

DOCS = Path(build.DOCS)
WITH_CODE = sorted(p.stem for p in DOCS.glob("*.md") if examples.blocks(p.read_text(encoding="utf-8")))


def text_of(name: str) -> str:
    return (DOCS / f"{name}.md").read_text(encoding="utf-8")


def run_to(name: str, folder: Path, *, slow: bool) -> dict[str, Any]:
    world: dict[str, Any] = {}
    with examples.desk(folder):
        for one in examples.blocks(text_of(name)):
            if slow or not one.slow:
                ran = examples.run(one, world, f"{name}.md")
                assert not ran.figures or one.alt, f"{name}.md, line {one.line}: a figure needs its text"
    return world


@pytest.mark.parametrize("name", WITH_CODE)
def test_every_example_of_a_page_runs(name: str, tmp_path: Path) -> None:
    run_to(name, tmp_path, slow=False)


@pytest.mark.slow
@pytest.mark.parametrize("name", [n for n in WITH_CODE if any(b.slow for b in examples.blocks(text_of(n)))])
def test_every_sampled_example_runs(name: str, tmp_path: Path) -> None:
    run_to(name, tmp_path, slow=True)


def test_an_example_that_fails_names_page_and_line() -> None:
    (one,) = examples.blocks("# Page\n\n```python\nx = 1\nraise ValueError('no')\n```\n")
    with pytest.raises(ValueError, match="no") as error:
        examples.run(one, {}, "page.md")
    last = error.traceback[-1]
    assert (str(last.path).rpartition("/")[2], last.lineno + 1) == ("page.md", 5)


def test_what_the_tutorial_writes_is_there(tmp_path: Path) -> None:
    run_to("tutorial-own-data", tmp_path, slow=False)
    assert {"forest.svg", "forest.png", "pain.docx", "without-one.docx"} <= {p.name for p in tmp_path.iterdir()}


@pytest.mark.filterwarnings("ignore::vfmeta.VfmetaWarning")
def test_every_call_beside_metafors_runs_and_pools_agree_with_metafor(tmp_path: Path) -> None:
    calls = examples.calls(text_of("metafor"))
    assert len(calls) == len(re.findall(r"^\| `", text_of("metafor"), flags=re.MULTILINE))
    world = run_to("metafor", tmp_path, slow=False)
    answers = {call: eval(call, dict(world)) for call in calls}
    cases = {c["id"]: c["expect"] for c in json.loads((DOCS.parent / "tests/reference/rma_uni.json").read_text())}
    for call, case in (
        ('vf.random_effects(y=y, v=v, test="Wald")', "rma.dat_bcg_RR.REML.z"),
        ('vf.random_effects(y=y, v=v, method="DL", test="Wald")', "rma.dat_bcg_RR.DL.z"),
        ("vf.common_effect(y=y, v=v)", "rma.dat_bcg_RR.EE.z"),
    ):
        (mean,), (low,), (high,) = (cases[case][x] for x in ("beta", "ci_lb", "ci_ub"))
        np.testing.assert_allclose([answers[call].estimate, *answers[call].interval], [mean, low, high], rtol=1e-6)
    # metafor 3.8-1 of the calls on the left, for what has an answer of another kind by another choice
    for call, names, expected in (
        ("vf.appraisal.egger(res)", ("statistic", "p_value"), (-1.401282002, 0.188706995)),
        ('vf.appraisal.egger(res, model="mixed")', ("statistic", "p_value"), (-0.7811541, 0.4511967)),
        ('vf.appraisal.selection_model(res, favoured="lower", cuts=[0.025])', ("estimate",), (-0.620563623,)),
        ("vf.appraisal.excess_significance(res, tau2=res.tau2)", ("expected", "p_value"), (7.80883036, 0.58405852)),
        ("vf.appraisal.henmi_copas(res)", ("estimate",), (-0.43028516,)),
        ('vf.robust(vf.multivariate(two, y="y", V=V, random="1 | trial"), "trial")', ("se", "df"), (0.22546249, 2.0)),
        ('vf.likelihood_ratio(vf.meta_regression(es, "~ ablat", method="ML"), vf.random_effects(es, method="ML"))',
         ("statistic", "p_value"), (9.9588216053, 0.0016008048)),
        ('vf.effect_size("ZCOR", r=[0.3], n=[50])', ("y", "v"), (0.309519604, 0.021276596)),
    ):  # fmt: skip
        found = [float(np.ravel(getattr(answers[call], x))[0]) for x in names]
        np.testing.assert_allclose(found, expected, rtol=5e-5, err_msg=call)
    frames = {'vf.blups(res, kind="plug-in")': ("estimate", -0.80023357), "vf.residuals(res)": ("studentised", -0.21359785),
              "vf.leave_one_out(res)": ("estimate", -0.70708379)}  # fmt: skip
    for call, (column, expected_first) in frames.items():
        np.testing.assert_allclose(float(answers[call][column].iloc[0]), expected_first, rtol=5e-5, err_msg=call)
    np.testing.assert_allclose(answers['res.information("REML")'].aic, 28.4047428, rtol=1e-7)


class Links(HTMLParser):
    """Links, images and anchors of a page."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.to: list[str] = []
        self.ids: set[str] = set()
        self.images: list[dict[str, str | None]] = []
        self.feed(page.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if given.get("id"):
            self.ids.add(str(given["id"]))
        if tag == "img":
            self.images.append(given)
        self.to += [str(given[x]) for x in ("href", "src") if given.get(x)]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Links]:
    out = tmp_path_factory.mktemp("site") / "docs"
    # the examples have tests of their own: here a block is not run
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(examples, "run", lambda *_: examples.Ran("said"))
        return {p.name: Links(p) for p in build.build(out)} | {"": Links(out / "index.html")}


def test_every_link_of_the_site_leads_somewhere_and_none_to_the_network(site: dict[str, Links]) -> None:
    folders = {f"data/{p.name}" for p in (DOCS / "data").iterdir()} | {"style.css", "docs.css", "decisions/README.md"}
    for page, found in site.items():
        for to in found.to:
            if to.startswith("data:"):
                continue
            assert ":" not in to, f"{page}: {to}"
            name, _, part = to.partition("#")
            assert not name or name in site or name in folders, f"{page}: {to}"
            if part:
                assert part in site[name or page].ids, f"{page}: {to}"


def test_every_page_of_the_folder_is_in_the_navigation() -> None:
    assert {p.stem for p in DOCS.glob("*.md")} == set(build.PAGES)


def test_every_public_name_is_in_the_reference_with_its_docstring(site: dict[str, Links]) -> None:
    found = Reference()
    assert set(found.names[""]) == {n for n in vf.__all__ if not inspect.ismodule(getattr(vf, n)) and n != "__version__"}
    for to in found.where.values():
        page, _, name = to.partition("#")
        assert name in site[page].ids
    assert all(inspect.getdoc(x) for names in found.names.values() for x in names.values())


def test_a_docstring_becomes_terms_code_and_links() -> None:
    made = Reference().docstring("As `egger`, with ``level``.\n\nParameters\n----------\nx : float\n    A < B.", "appraisal")
    assert '<a href="reference-vfmeta-appraisal.html#egger"><code>egger</code></a>, with <code>level</code>' in made
    assert "<dt>x : float</dt>\n<dd>A &lt; B.</dd>" in made


def test_papers_are_found_as_docstrings_name_them() -> None:
    doc = (
        "Duval & Tweedie 2000, Biometrics 56:455-463, and `x`. Van den Noortgate & Onghena 2005, Behav Res Methods 37:11-22. "
        "Kuss (Kuss 2015, Stat Med\n34:1097-1116) and Lau et al. 1992, NEJM 327:248-254."
    )
    assert papers(doc) == [
        "Duval & Tweedie 2000, Biometrics 56:455-463",
        "Van den Noortgate & Onghena 2005, Behav Res Methods 37:11-22",
        "Kuss 2015, Stat Med 34:1097-1116",
        "Lau et al. 1992, NEJM 327:248-254",
    ]

"""The whole way: what a new trial changes, what it leaves alone, and what a fault leaves standing."""

from __future__ import annotations

import html
import math
import os
import re
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from scipy import stats

import evidence_world as ew
import vfmeta as vf
from vfmeta.cli import app
from vfmeta.core.messages import InputError
from vfmeta.evidence import one_file
from vfmeta.evidence.build import build
from vfmeta.evidence.cache import Cache
from vfmeta.evidence.changes import changes
from vfmeta.evidence.plan import PAGES, WHOLE
from vfmeta.evidence.records import load_records
from vfmeta.text import numbers as tx
from vfmeta.trials.schema import packaged_folder

pytest_plugins = ("evidence_builds",)

NEW = "zzz2030"
VOID = {"meta", "link", "img", "br", "col"}


def copy_of(built: Any, home: Path) -> tuple[Path, Path]:
    """Results, figures and memory of a build, with its site, to change without harm."""
    shutil.copytree(built.out, home / "build")
    shutil.copytree(built.site, home / "site")
    return home / "build", home / "site"


def tables_of(built: Any, home: Path) -> Path:
    shutil.copytree(built.trials or packaged_folder(), home / "trials")
    return home / "trials"


def build_again(built: Any, home: Path, trials: Path, said: list[str] | None = None) -> None:
    lines: list[str] = [] if said is None else said
    build("report", trials=trials, plans=built.plans, out=home / "build", site=home / "site", say=lines.append)


def fits_seen(patch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """The trials of each pool that is fitted from here on."""
    from vfmeta.frequentist import univariate

    seen: list[tuple[str, ...]] = []
    patch.setattr(Cache, "offer", lambda *_: None)  # of what the process beside fits nothing is seen

    def counted(real: Any) -> Any:
        def call(table: Any, **kwargs: Any) -> Any:
            seen.append(tuple(table.labels))
            return real(table, **kwargs)

        return call

    for name in ("random_effects", "common_effect"):
        patch.setattr(univariate, name, counted(getattr(univariate, name)))
    return seen


def changed(before: dict[str, bytes], after: dict[str, bytes]) -> set[str]:
    return {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}


# a new trial


@pytest.fixture(scope="module")
def with_new_trial(real_build: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The packaged tables with one made-up trial of vertebroplasty against sham: 3 points (2 to 4) less pain at 12 months."""
    home = tmp_path_factory.mktemp("new_trial")
    copy_of(real_build, home)
    trials = tables_of(real_build, home)
    for table, rows in ew.study_rows(
        NEW, "Zzz 2030", {"experimental": "vertebroplasty", "control": "sham_vertebroplasty"}, 100
    ).items():
        ew.add(trials, table, *rows)
    row = ew.contrast(NEW, 12, outcome_id="pain_overall", instrument_id="pain_vas_0_10", instrument_printed="VAS", scale_min=0,
                      scale_max=10, estimate=-3, ci_low=-4, ci_high=-2, ci_level=95)  # fmt: skip
    ew.add(trials, "contrasts", row)
    with pytest.MonkeyPatch.context() as patch:
        seen = fits_seen(patch)
        build_again(real_build, home, trials)
    records = {f"{r.plan}/{r.id}": r for r in load_records(home / "build")}
    return home, records, seen


QUESTION, ANALYSIS = "vertebroplasty_sham", "vertebroplasty_sham/pain_12m"


def test_a_new_trial_enters_the_pool(real_build: Any, with_new_trial: Any) -> None:
    _, records, _ = with_new_trial
    before, after = real_build.records[ANALYSIS], records[ANALYSIS]
    assert after.k == before.k + 1
    (new,) = [s for s in after.data["studies"] if s["label"] == "Zzz 2030"]
    se = 1 / stats.t.ppf(0.975, 198)  # half the interval over the t quantile of 100 + 100 - 2 degrees of freedom
    assert (new["estimate"], new["se"]) == (-3, pytest.approx(se))
    y, errors = ([s[x] for s in before.data["studies"]] for x in ("estimate", "se"))
    assert min(y) > -3
    assert after.frequentist.estimate < before.frequentist.estimate
    assert after.posterior.estimate < before.posterior.estimate
    found = {s.data["id"]: s for s in after.sensitivity}
    (common,) = [s for s in found.values() if s.data["choices"].get("model") == "common"]
    (laird,) = [s for s in found.values() if s.data["choices"].get("method") == "DL"]
    assert common.frequentist.estimate == pytest.approx(ew.common([*y, -3], [*errors, se])[0])
    mean, error, tau2 = ew.dersimonian_laird([*y, -3], [*errors, se])
    assert laird.frequentist.estimate == pytest.approx(mean)
    assert laird.frequentist.tau2 == pytest.approx(tau2)
    assert laird.frequentist.interval == pytest.approx((mean - ew.Z * error, mean + ew.Z * error))


def test_a_new_trial_shows_in_the_plot_and_on_the_page(real_build: Any, with_new_trial: Any) -> None:
    home, records, _ = with_new_trial
    own = f"{ew.said(-3)} ({ew.said(-4)} to {ew.said(-2)})"  # the limits it prints
    name = f"{QUESTION}-pain.svg"
    old, new = ((folder / "figures" / name).read_text(encoding="utf-8") for folder in (real_build.out, home / "build"))
    drawn = re.findall(r"<text[^>]*>([^<]*)</text>", new)
    assert "Zzz 2030" in drawn
    assert own in html.unescape(new)
    assert "Zzz 2030" not in old
    page = html.unescape((home / "site" / "vertebroplasty.html").read_text(encoding="utf-8"))
    assert records[ANALYSIS].data["answer"] in page
    assert real_build.records[ANALYSIS].data["answer"] in html.unescape(real_build.page("vertebroplasty"))
    assert real_build.records[ANALYSIS].data["answer"] not in page
    assert f"Zzz 2030: {own}" in re.sub(r"<[^>]+>", "", page)
    cell = rf'<th scope="row">{re.escape(records[ANALYSIS].title)}</th><td[^>]*>(\d+)</td>'
    counts = [int(re.findall(cell, p)[0]) for p in (real_build.page("vertebroplasty"), page)]
    assert counts[1] == counts[0] + 1
    assert 'href="https://example.org/zzz2030"' in page
    overview = html.unescape((home / "site" / "index.html").read_text(encoding="utf-8"))
    assert f"{len(vf.load_trials().studies) + 1} studies are in the tables" in overview
    (lead,) = [r for r in records.values() if r.plan == QUESTION and r.data["analysis"]["lead"]]  # 1 month, not 12
    assert lead.data["answer"] in overview


def test_a_new_trial_changes_nothing_else(real_build: Any, with_new_trial: Any) -> None:
    home, _, _ = with_new_trial
    results = changed(ew.files(real_build.out / "results"), ew.files(home / "build" / "results"))
    assert f"{ANALYSIS}.json" in results
    assert {name.split("/")[0] for name in results} == {QUESTION}
    assert [name for name in results if name.endswith(".csv")] == [f"{ANALYSIS}_studies.csv"]
    figures = changed(ew.files(real_build.out / "figures"), ew.files(home / "build" / "figures"))
    assert {name.rsplit(".", 1)[0] for name in figures} == {
        f"{QUESTION}-pain", f"{ANALYSIS.replace('/', '-')}-multiverse", "evidence_map", "prisma_flow",
    }  # fmt: skip
    pages = changed(ew.files(real_build.site), ew.files(home / "site"))
    whole = {"index.html", "methods.html", "networks.html", "studies.html", one_file.NAME}  # a study more, and other tables
    assert {name for name in pages if name.endswith(".html")} == {"vertebroplasty.html", *whole}


def test_only_the_pools_of_the_new_trial_were_fitted_again(with_new_trial: Any) -> None:
    _, records, seen = with_new_trial
    parts = [records[ANALYSIS], *records[ANALYSIS].sensitivity]
    pools = [[s["label"] for s in p.data["studies"]] for p in parts]
    assert len(parts) > 3
    assert sorted(map(list, seen)) == sorted(labels for labels in pools if "Zzz 2030" in labels)


def before_of(records: list[Any]) -> Any:
    """The certainty of the analysis that the made-up trial enters, before it did."""
    return next(r.certainty for r in records if f"{r.plan}/{r.id}" == ANALYSIS)


def test_changes_says_what_moved_and_nothing_more(real_build: Any, with_new_trial: Any) -> None:
    home, records, _ = with_new_trial
    before = load_records(real_build.out)
    assert changes(before, before) == ["No conclusion changed."]
    (line,) = changes(before, load_records(home / "build"))
    plan, record = records[ANALYSIS].data["plan"]["title"], records[ANALYSIS]
    assert line.startswith(f"{plan}, {record.title}: added Zzz 2030. Before: ")
    was, now = line.split("Before: ")[1].split(". Now: ")
    assert was.endswith(f"from {record.k - 1} trials")
    led = record.posterior  # whatever the number of trials
    interval = " to ".join(map(ew.said, led.interval))
    assert now.startswith(f"{ew.said(led.estimate)} ({interval}) from {record.k} trials.")
    moved = now.partition("trials. ")[2]
    assert moved.startswith("Certainty moved from at most ") == (before_of(before).at_most != record.certainty.at_most)
    (back,) = changes(load_records(home / "build"), before)
    assert ": gone Zzz 2030. Before: " in back


def test_changes_names_questions_that_came_and_went_in_order(toy_build: Any) -> None:
    cement, drug = ([r for r in toy_build.records.values() if r.plan == plan] for plan in ("cement", "drug"))
    gone = changes([*cement, *drug], drug)
    assert gone == [f"Vertebroplasty against sham, {r.title}: no longer analysed." for r in cement]
    assert changes(cement, [*cement, *drug]) == [f"Drug against placebo, New fractures: new. {drug[0].data['answer']}"]


# one row edited


def test_an_edited_row_reruns_only_what_uses_it(real_build: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copy_of(real_build, tmp_path)
    trials = tables_of(real_build, tmp_path)
    counts = {r["row_id"]: int(r["events"]) for r in ew.read(trials, "outcomes_binary") if r["events"]}
    pooled = [r for r in real_build.records.values() if r.k > 1 and r.question.is_ratio]
    row = next(x for r in pooled for s in r.data["studies"] for x in s["rows"] if counts.get(x, 0) > 2)
    users = {
        name: r
        for name, r in real_build.records.items()
        if any(row in s["rows"] for part in (r.data, *r.data["sensitivity"]) for s in part.get("studies", []))
    }
    ew.edit(trials, "outcomes_binary", row, events=counts[row] - 1, percent="")
    seen = fits_seen(monkeypatch)
    said: list[str] = []
    build_again(real_build, tmp_path, trials, said)
    reused, asked = (int(x) for x in re.findall(r"analyses, reused (\d+) of (\d+) results", " ".join(said))[0])
    others = sum(len(x) > 1 for x in seen)  # of a pool the second engines' answers too, of a main one the certainty
    certainties = sum(any(row in s["rows"] for s in r.data["studies"]) for r in users.values())
    assert asked - reused == len(seen) + others + certainties
    results = changed(ew.files(real_build.out / "results"), ew.files(tmp_path / "build" / "results"))
    assert {name.split(".")[0].removesuffix("_studies") for name in results} == set(users)
    study = next(s["label"] for r in users.values() for s in r.data["studies"] if row in s["rows"])
    assert seen
    assert all(study in labels for labels in seen)
    pages = changed(ew.files(real_build.site), ew.files(tmp_path / "site"))
    allowed = {r.data["plan"]["page"] + ".html" for r in users.values()} | {"index.html", "methods.html", one_file.NAME}
    assert {name for name in pages if name.endswith(".html")} <= allowed
    again = {f"{r.plan}/{r.id}": r for r in load_records(tmp_path / "build")}
    edited = []
    for name, record in users.items():
        pairs = zip(record.data["studies"], again[name].data["studies"], strict=True)
        edited += [(old["estimate"], new["estimate"]) for old, new in pairs if row in old["rows"]]
    assert edited
    assert all(a != b for a, b in edited)


def test_a_png_that_is_no_longer_right_goes_with_the_edit(toy_build: Any, tmp_path: Path) -> None:
    copy_of(toy_build, tmp_path)
    trials = tables_of(toy_build, tmp_path)
    build("figures", trials=trials, plans=toy_build.plans, out=tmp_path / "build", say=lambda line: None)
    before = ew.files(tmp_path / "build" / "figures")
    drawn = {name.removesuffix(".svg") for name in before if name.endswith(".svg")}
    assert {f"{name}.png" for name in drawn} <= set(before)
    row = ew.read(trials, "contrasts")[0]
    ew.edit(trials, "contrasts", row["row_id"], estimate=float(row["estimate"]) - 0.1)
    build_again(toy_build, tmp_path, trials)
    after = ew.files(tmp_path / "build" / "figures")
    moved = {name for name in drawn if after[f"{name}.svg"] != before[f"{name}.svg"]}
    assert moved
    for name in drawn - {"answers", "evidence_map"}:  # drawn anew for slides
        assert (f"{name}.png" in after) == (name not in moved), name
        assert name in moved or after[f"{name}.png"] == before[f"{name}.png"]
    said: list[str] = []
    folders = {"trials": trials, "plans": toy_build.plans, "out": tmp_path / "build"}
    build("figures", **folders, say=said.append)
    assert not any("nothing has changed" in line for line in said)
    assert {f"{name}.png" for name in drawn} <= set(ew.files(tmp_path / "build" / "figures"))


# the same again


def test_nothing_changed_is_said_at_once(real_build: Any) -> None:
    said: list[str] = []
    before = ew.files(real_build.out / "results"), ew.files(real_build.site)
    build("report", out=real_build.out, site=real_build.site, say=said.append)
    assert said == [f"nothing has changed since the last build: {real_build.site / 'index.html'}"]
    assert (ew.files(real_build.out / "results"), ew.files(real_build.site)) == before


def test_each_step_is_named_with_its_time(real_build: Any) -> None:
    steps = [re.fullmatch(r"(.+): \d+\.\d s", line) for line in real_build.said[:-1]]
    assert all(steps)
    assert any(step and step[1].startswith(f"{len(real_build.records)} analyses, reused ") for step in steps)
    assert re.fullmatch(rf"done in \d+\.\d s: {re.escape(str(real_build.site / 'index.html'))}", real_build.said[-1])


@pytest.mark.parametrize(
    "touched", ["site/vertebroplasty.html", "build/figures/drug-harms.svg", "build/results/drug/fracture.json"]
)
def test_what_somebody_touched_is_made_again(toy_build: Any, tmp_path: Path, touched: str) -> None:
    copy_of(toy_build, tmp_path)
    build_again(toy_build, tmp_path, toy_build.trials)
    whole = ew.files(tmp_path / "site"), ew.files(tmp_path / "build" / "figures"), ew.files(tmp_path / "build" / "results")
    (tmp_path / touched).write_text("{}", encoding="utf-8")
    build_again(toy_build, tmp_path, toy_build.trials)
    assert (
        ew.files(tmp_path / "site"),
        ew.files(tmp_path / "build" / "figures"),
        ew.files(tmp_path / "build" / "results"),
    ) == whole


# what a process did before, and what is compiled already, may not show in what it writes
CHILD = """
import sys, vfmeta as vf
vf.bayes.sample(y=[0.0, 1.0, 2.0], v=[1.0, 1.0, 2.0], tau=vf.priors.HalfCauchy(1.0), draws=100, tune=100)
from vfmeta.cli import main
from vfmeta.text import numbers as tx
sys.argv = "vfmeta report --trials trials --plans analyses --out b --site s".split()
main()
"""


@pytest.mark.slow
def test_two_fresh_builds_are_byte_identical(toy_build: Any, tmp_path: Path) -> None:
    """In a process that sampled before, without compiled models, from another folder and with another hash seed."""
    for name in ("trials", "analyses"):
        shutil.copytree(toy_build.out.parent / name, tmp_path / "elsewhere" / name)
    done = subprocess.run(
        [sys.executable, "-c", CHILD],
        cwd=tmp_path / "elsewhere",
        env={**os.environ, "PYTHONHASHSEED": "1", "PYTENSOR_FLAGS": f"base_compiledir={tmp_path / 'compiled'}"},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    assert "done in" in done.stdout
    home = tmp_path / "elsewhere"
    for ours, theirs in (
        (toy_build.out / "results", "b/results"),
        (toy_build.out / "figures", "b/figures"),
        (toy_build.site, "s"),
    ):
        assert changed(ew.files(ours), ew.files(home / theirs)) == set()
        assert len(ew.files(ours)) > 5


@pytest.mark.parametrize("name", [pytest.param("real_build", marks=pytest.mark.slow), "toy_build"])
def test_no_path_and_no_time_stamp_in_what_is_made(name: str, request: pytest.FixtureRequest) -> None:
    built = request.getfixturevalue(name)
    now = datetime.now(UTC)
    strangers = [
        str(built.out.parent),
        str(packaged_folder().parents[1]),
        f"{now:%Y-%m-%d}",
        f"{now:%d %B %Y}",
    ]
    for folder in (built.out / "results", built.out / "figures", built.site):
        for file, body in ew.files(folder).items():
            found = [x for x in strangers if x.encode() in body]
            assert not found, (file, found)
            assert not re.search(rb"\d{4}-\d\d-\d\dT\d\d:\d\d|0x[0-9a-f]{8,}", body), file


# faults


def unknown_arm(home: Path) -> str:
    ew.edit(home / "trials", "contrasts", "able-1m", arm_control="nobody")
    return "contrasts.csv, row 2"


def negative_se(home: Path) -> str:
    ew.edit(home / "trials", "contrasts", "baker-3m", se="-0.5")
    return "contrasts.csv, row 4, column se (value '-0.5')"


def text_for_a_number(home: Path) -> str:
    ew.edit(home / "trials", "outcomes_binary", "foster-control", events="ten")
    return "outcomes_binary.csv, row 3, column events (value 'ten')"


def no_table(home: Path) -> str:
    (home / "trials" / "arms.csv").unlink()
    return "arms.csv: The file is missing"


def broken_plan(home: Path) -> str:
    (home / "analyses" / "drug.toml").write_text(
        ew.PLAN_DRUG.replace('outcome = "fracture"', 'outcome = "nothing"'), encoding="utf-8"
    )
    return "drug.toml, analysis fracture: Unknown outcome 'nothing'"


def no_plan(home: Path) -> str:
    for file in (home / "analyses").glob("*.toml"):
        file.unlink()
    return "holds no .toml plan"


@pytest.mark.parametrize("spoil", [unknown_arm, negative_se, text_for_a_number, no_table, broken_plan, no_plan])
def test_a_fault_leaves_the_build_as_it_was(toy_build: Any, tmp_path: Path, spoil: Any) -> None:
    copy_of(toy_build, tmp_path)
    for name in ("trials", "analyses"):
        shutil.copytree(toy_build.out.parent / name, tmp_path / name)
    place = spoil(tmp_path)
    before = ew.files(tmp_path)
    with pytest.raises(InputError) as caught:
        build("report", trials=tmp_path / "trials", plans=tmp_path / "analyses", out=tmp_path / "build", site=tmp_path / "site")
    assert any(place in p for p in caught.value.problems), caught.value.problems
    assert ew.files(tmp_path) == before


def test_a_fault_on_fresh_ground_writes_nothing(toy_build: Any, tmp_path: Path) -> None:
    for name in ("trials", "analyses"):
        shutil.copytree(toy_build.out.parent / name, tmp_path / name)
    broken_plan(tmp_path)
    with pytest.raises(InputError):
        build("report", trials=tmp_path / "trials", plans=tmp_path / "analyses", out=tmp_path / "build", site=tmp_path / "site")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["analyses", "trials"]


def test_an_unknown_stage_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="stage is one of analyses, figures, report"):
        build("pages", out=tmp_path / "build")
    assert not (tmp_path / "build").exists()


def test_files_of_others_stay_and_pages_of_plans_that_are_gone_go(toy_build: Any, tmp_path: Path) -> None:
    copy_of(toy_build, tmp_path)
    mine = [
        tmp_path / "site" / "thesis.html",
        tmp_path / "site" / "figures" / "photo.png",
        tmp_path / "build" / "figures" / "mine.svg",
    ]
    for file in mine:
        file.write_text("mine", encoding="utf-8")
    (tmp_path / "analyses").mkdir()
    shutil.copy(toy_build.plans / "drug.toml", tmp_path / "analyses")
    folders = {"plans": tmp_path / "analyses", "out": tmp_path / "build", "site": tmp_path / "site"}
    build("report", trials=toy_build.trials, **folders)
    assert [file.read_text(encoding="utf-8") for file in mine] == ["mine"] * 3
    assert not (tmp_path / "site" / "vertebroplasty.html").exists()
    assert not (tmp_path / "site" / "figures" / "cement-pain.svg").exists()
    assert not (tmp_path / "build" / "figures" / "cement-pain.svg").exists()
    assert (tmp_path / "site" / "teriparatide.html").exists()


# pages


class Page(HTMLParser):
    """Links, anchors, pictures and unbalanced tags of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.ids: list[str] = []
        self.pictures: list[dict[str, str | None]] = []
        self.tags: list[str] = []
        self.open: list[str] = []
        self.faults: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.tags.append(tag)
        if "id" in values:
            self.ids.append(values["id"] or "")
        if tag == "img":
            self.pictures.append(values)
        self.links += [values[x] or "" for x in ("href", "src") if x in values]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.faults.append(f"</{tag}> at {self.getpos()}")


def test_every_link_of_the_site_leads_somewhere(real_build: Any) -> None:
    pages = {p.name: Page(p.read_text(encoding="utf-8")) for p in real_build.site.glob("*.html")}
    assert {*(f"{name}.html" for name in (*PAGES, *WHOLE)), one_file.NAME} == set(pages)
    for name, page in pages.items():
        assert not page.faults, name
        assert not page.open, name
        assert len(page.ids) == len(set(page.ids)), name
        assert page.tags.count("h1") == 1, name
        assert all((p.get("alt") or "").strip() for p in page.pictures), name
        for link in page.links:
            if re.fullmatch(r"https?://\S+|data:,|data:image/png;base64,[\s\w+/=]+", link):
                continue
            file, _, anchor = link.partition("#")
            assert not file or (real_build.site / file).is_file(), (name, link)
            assert not anchor or anchor in pages[file or name].ids, (name, link)


def test_every_pooled_trial_links_to_a_source(real_build: Any) -> None:
    for record in real_build.records.values():
        page = html.unescape(real_build.page(record.data["plan"]["page"]))
        for study in record.data["studies"]:
            assert f'href="studies.html#{study["study_id"]}"' in page
            assert study["sources"], study["label"]
            for source in study["sources"]:
                known = record.data["sources"][source]
                assert known["citation"] in page
                address = known["url"] or (known["doi"] and f"https://doi.org/{known['doi']}")
                linked = re.fullmatch(r"https?://\S+", address or "")
                assert not linked or f'href="{address}"' in page, source


def test_every_study_of_the_tables_is_on_the_site(real_build: Any) -> None:
    ids = set(Page(real_build.page("studies")).ids)
    assert set(vf.load_trials().studies.study_id) <= ids


def test_names_from_the_tables_are_text_and_never_markup(toy_build: Any, tmp_path: Path) -> None:
    from xml.etree import ElementTree

    copy_of(toy_build, tmp_path)
    trials = tables_of(toy_build, tmp_path)
    studies = ew.read(trials, "studies")
    for row in studies:
        if row["study_id"] == "foster":
            row["first_author"] = '<b onclick="x">F&amp;Co</b>'
    ew.write(trials, "studies", studies)
    build_again(toy_build, tmp_path, trials)
    page = (tmp_path / "site" / "teriparatide.html").read_text(encoding="utf-8")
    assert "<b onclick" not in page
    assert "&lt;b onclick=" in page
    svg = ElementTree.parse(tmp_path / "site" / "figures" / "drug-harms.svg")
    assert '<b onclick="x">F&amp;Co</b> 2010' in {t.text for t in svg.iter("{http://www.w3.org/2000/svg}text")}


def test_the_answer_of_the_lead_analysis_is_the_answer_of_the_question(real_build: Any) -> None:
    overview = html.unescape(real_build.page("index"))
    for record in real_build.records.values():
        page = html.unescape(real_build.page(record.data["plan"]["page"]))
        sentence = f"<strong>{record.title}.</strong> {record.data['answer']}"
        if record.data["analysis"]["lead"]:
            assert sentence in page
            assert sentence in overview


def test_every_answer_says_the_side_of_its_sign(real_build: Any) -> None:
    said = 0
    for record in real_build.records.values():
        result = record.frequentist if record.k < 2 else record.posterior
        if result is None or record.question.higher_is_worse is None or result.estimate == 0:
            continue
        better = (result.estimate < 0) == record.question.higher_is_worse
        names = record.data["plan"]["names"]
        side = f"in favour of {names[0] if better else names[1]}"
        low, high = result.wider_interval  # a side is named only where this rules out no difference
        null = tx.value_text(record.question, record.question.null_effect)
        alike = null in {tx.value_text(record.question, x) for x in (low, high)}  # printed 1.00 excludes nothing
        named = (low > record.question.null_effect or high < record.question.null_effect) and not alike
        assert (side in record.data["answer"]) == named == ("in favour of" in record.data["answer"]), record.title
        assert math.isfinite(result.estimate)
        said += 1
    assert said > 20


def test_the_command_line_and_the_function_are_one_way(toy_build: Any, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--trials", str(toy_build.trials), "--plans", str(toy_build.plans), "--out", str(toy_build.out)]
    assert app(["report", *arguments, "--site", str(toy_build.site)], result_action="return_value") == 0
    assert capsys.readouterr().out == f"nothing has changed since the last build: {toy_build.site / 'index.html'}\n"

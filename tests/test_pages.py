"""Pages that people decide from: the first screen, what a number opens to, the one file, methods and what changed."""

from __future__ import annotations

import html
import json
import math
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pandas as pd
import pytest

import evidence_world as ew
import vfmeta as vf
from vfmeta.core.messages import InputError
from vfmeta.core.question import Question
from vfmeta.evidence import figures, further, one_file, provenance, snapshots
from vfmeta.evidence.cells import labelled
from vfmeta.evidence.changes import since
from vfmeta.evidence.first_screen import shade, short_citation
from vfmeta.evidence.flow import NOT_RECORDED, flow, reasons
from vfmeta.evidence.inline import Target, alone, inline
from vfmeta.evidence.strips import Mark, strip
from vfmeta.text import numbers as tx

pytest_plugins = ("evidence_builds",)

PAIN = Question(measure="MD", experimental="cement", control="sham", outcome="pain", higher_is_worse=True, points=(0, 10))
RATIO = Question(measure="RR", experimental="drug", control="placebo", outcome="fracture", higher_is_worse=True)


# what is drawn beside numbers


def places(svg: str, kind: str) -> list[float]:
    """Left ends of lines of a class."""
    return [float(x) for x in re.findall(rf'<line class="{kind}" x1="([\d.]+)"', svg)]


def test_an_interval_is_drawn_where_its_numbers_are() -> None:
    svg = strip([Mark("trial", -1.0, (-2.0, 0.0), "x", "t")], PAIN, (-4.0, 4.0))
    wide = float(re.search(r'viewBox="0 0 ([\d.]+)', svg)[1])  # type: ignore[index]
    (null,) = places(svg, "null")
    assert null == pytest.approx(wide / 2, abs=0.06)  # the axis runs as far to either side
    low, high = (float(x) for x in re.search(r'class="whisker trial" x1="([\d.]+)" x2="([\d.]+)"', svg).groups())  # type: ignore[union-attr]
    square = re.search(r'<rect class="shape trial" x="([\d.]+)" y="[\d.]+" width="(\d+)"', svg)
    assert square
    middle = float(square[1]) + float(square[2]) / 2
    assert high == pytest.approx(null, abs=0.06)
    assert middle == pytest.approx((low + high) / 2, abs=0.06)
    assert null - low == pytest.approx((wide - 2 * 6) / 4, abs=0.06)  # two of eight points
    assert 'data-from="t"' in svg


def test_ratios_are_drawn_on_a_logarithmic_axis() -> None:
    marks = [Mark("pool", math.log(x), (math.log(x / 2), math.log(2 * x)), "x", "t") for x in (0.5, 1.0, 2.0)]
    svg = strip(marks, RATIO, (math.log(0.2), math.log(5)))
    ends = [tuple(map(float, x)) for x in re.findall(r'class="whisker pool" x1="([\d.]+)" x2="([\d.]+)"', svg)]
    assert len({round(b - a) for a, b in ends}) == 1  # the same factor is as wide anywhere
    assert ends[1][0] + ends[1][1] == pytest.approx(2 * places(svg, "null")[0], abs=0.2)


def test_what_leaves_the_axis_ends_in_a_head_and_what_lies_outside_has_no_shape() -> None:
    svg = strip([Mark("trial", 0.0, (-9.0, 1.0), "x", "t"), Mark("pool", -7.0, (-9.0, -5.0), "x", "u")], PAIN, (-4.0, 4.0))
    assert svg.count('class="head trial"') == 1
    assert svg.count('class="head pool"') == 1  # its far end lies beyond as well, where there is nothing to see
    assert "shape trial" in svg
    assert "shape pool" not in svg


def test_the_shapes_differ_in_form_and_not_in_colour_alone() -> None:
    drawn = {}
    for shape in ("pool", "trial", "words", "theirs"):
        svg = strip([Mark(shape, 0.0, (-1.0, 1.0), "x", "t")], PAIN, (-4.0, 4.0))
        drawn[shape] = re.search(r'<(\w+) class="shape \w+"[^>]*>', svg)[0].replace(shape, "")  # type: ignore[index]
    assert len(set(drawn.values())) == 4


# figures in the page


def figure() -> tuple[dict[str, Any], Any]:
    fit = vf.random_effects(y=[-0.5, -0.3, -0.8], se=[0.2, 0.15, 0.3], study=["A <&> B", "C", "D"], question=PAIN)
    return figures.saved(vf.plots.forest(fit), "alt"), fit


def test_parts_of_a_figure_lead_to_their_targets_and_the_file_of_it_has_no_links() -> None:
    drawn, fit = figure()
    rows = drawn["rows"]
    leads = {name: Target(f"to-{i}", f"row {i}") for i, name in enumerate(rows)}
    svg = inline(drawn["svg"], "fig", "Title", "Alt & text", rows, leads)
    studies = [i for i, name in enumerate(rows) if " study " in name]
    assert [rows[i].split(" study ")[1] for i in studies] == list(fit.labels)
    for i in studies:
        link = re.findall(rf'<a class="from" id="fig--row-{i}" href="#to-{i}" aria-label="row {i}">(.*?)</a>', svg, re.DOTALL)
        assert len(link) == 1  # one stop for the keyboard a row
        shown = fit.studies.iloc[studies.index(i)]
        assert f"{shown.estimate:.2f}".replace("-", "\u2212") in link[0]
        assert svg.count(f'data-from="to-{i}"') >= 3  # name, whisker, square
    ids = re.findall(r'\sid="([^"]+)"', svg)
    assert all(x.startswith("fig--") for x in ids)
    assert set(re.findall(r'(?:url\(#|href="#)(fig--[^")]+)', svg)) <= set(ids)
    assert "xlink" not in svg
    assert "<desc>Alt &amp; text</desc>" in svg
    assert "<a " not in alone(drawn["svg"])
    assert "#row-" not in alone(drawn["svg"])


def test_a_light_keeps_its_colour_and_its_sign_is_read_on_it_in_dark_too() -> None:
    """Everything else takes the colours of the page, which has others in the dark."""
    _, fit = figure()
    words = ["low", "high", "some concerns"]
    table = pd.DataFrame({"study": fit.labels, "domain": "D1", "judgement": words})
    bias = vf.appraisal.risk_of_bias(table, tool="RoB 2")
    svg = inline(figures.saved(vf.plots.forest(fit, bias=bias, layout="plain"), "alt")["svg"], "fig", "t", "a")
    signs = dict(zip(["+", "\u00d7", "-"], words, strict=True))
    shown = re.findall(r'<text style="([^"]*)"[^>]*>([+\u00d7\u2212\u2013-])</text>', svg)
    inks = {sign: re.search(r"fill: (#\w+)", style)[1] for style, sign in shown if "700" in style}  # type: ignore[index]
    assert len(inks) == len(signs)
    level = {x.sign: x for x in bias.instrument.levels}
    for sign, ink in inks.items():
        assert f"fill: {level[sign].colour.lower()}" in svg.lower()  # no variable of the page
        assert contrast(ink, level[sign].colour) >= 4.5, sign
    told = provenance._lights(bias)
    assert list(told.values()) == ["low D1", "high D1", "some concerns D1"]


def test_a_marker_that_is_drawn_in_two_parts_of_a_figure_is_defined_once() -> None:
    import matplotlib.pyplot as plt

    fig, axes = plt.subplots(2)
    for ax in axes:
        ax.scatter([1, 2], [1, 2], marker="s")
    svg = inline(figures.saved(axes[0], "alt")["svg"], "fig", "t", "a")
    plt.close(fig)
    ids = re.findall(r'\sid="([^"]+)"', svg)
    assert len(ids) == len(set(ids)) > 0
    used = re.findall(r'<use href="#([^"]+)"', svg)
    assert set(used) <= set(ids)
    assert max(map(used.count, ids)) >= 4  # both parts point to it
    assert ElementTree.fromstring(svg).tag == "svg"


def test_rows_without_a_target_open_nothing() -> None:
    drawn, _ = figure()
    svg = inline(drawn["svg"], "fig", "t", "a", drawn["rows"], {})
    assert "data-from" not in svg
    assert "<a " not in svg
    assert ElementTree.fromstring(svg).tag == "svg"  # whole, whatever was taken out


# the first screen


def test_the_first_screen_has_a_row_an_intervention_with_the_numbers_of_its_records(toy_build: Any) -> None:
    page = html.unescape(toy_build.page("index"))
    table = page[page.index('<table class="cards answers') :].split("</table>")[0]
    rows = re.findall(r"<tr>.*?</tr>", table.split("<tbody>")[1], re.DOTALL)
    assert len(rows) == 2
    cement = toy_build.records["cement/pain_12m"]
    low, high = cement.posterior.interval
    assert f"{ew.said(cement.posterior.estimate)} ({ew.said(low)} to {ew.said(high)})" in next(r for r in rows if "sham" in r)
    drug = toy_build.records["drug/fracture"].posterior
    shown = f"{math.exp(drug.estimate):.2f} ({math.exp(drug.interval[0]):.2f} to {math.exp(drug.interval[1]):.2f})"
    row = next(r for r in rows if "placebo" in r)
    assert shown in row
    assert "2 of 3 trials" in row  # Hale 2012 is known without a figure
    assert "400 people" in row


def test_a_difference_of_risks_is_that_of_the_summary_of_findings(real_build: Any) -> None:
    """A limit below no event at all is none: with 1 of 63 without it, at most 16 of 1,000 are fewer."""
    record = real_build.records["vertebroplasty_sham/serious_ae"]
    assert "72" in tx.effect_text(record.question, record.lead.estimate, record.lead.interval)
    for page in ("index", "vertebroplasty"):
        assert "1.2 fewer of 1,000 (16 fewer to 65 more)" in html.unescape(real_build.page(page))


def test_provenance_of_the_first_screen_names_the_question(real_build: Any) -> None:
    page = html.unescape(real_build.page("index")).split('id="from"')[1]
    heads = re.findall(r"<summary>(.*?)</summary>", page)
    assert len(heads) == len(set(heads))
    assert "Vertebroplasty against a sham procedure: pain at about 1 month (standardised mean difference)" in heads


def test_every_table_of_effects_names_the_measure(real_build: Any) -> None:
    for plan in ("vertebroplasty", "calcitonin"):
        heads = re.findall(r"<thead>(.*?)</thead>", real_build.page(plan), re.DOTALL)
        wanted = [x for x in heads if re.search(r">Sensitivity analysis<|Result shown|>Frequentist \(95%", x)]
        assert wanted
        assert all(">Measure<" in x for x in wanted)


def test_every_number_of_the_first_screen_opens_on_the_same_page(real_build: Any) -> None:
    page = real_build.page("index")
    targets = set(re.findall(r'(?:class="from" href="#|data-from=")([^"]+)"', page))
    assert len(targets) > 15
    assert targets <= set(re.findall(r'\sid="([^"]+)"', page))


def test_what_is_drawn_opens_on_every_page(real_build: Any) -> None:
    for file in real_build.site.glob("*.html"):
        page = file.read_text(encoding="utf-8")
        ids = re.findall(r'\sid="([^"]+)"', page)
        assert len(ids) == len(set(ids)), file.name
        assert set(re.findall(r'data-from="([^"]+)"', page)) <= set(ids), file.name


def test_the_provenance_of_a_number_holds_its_figure_steps_and_citation(real_build: Any) -> None:
    for record in real_build.records.values():
        page = html.unescape(real_build.page(record.data["plan"]["page"]))
        for s in record.data["studies"]:
            name = f"from-{record.plan}-{record.id}-{s['study_id']}"
            trace = page.split(f'<div class="trace" id="{name}">')[1].split("</div>")[0]
            assert all(x in trace for x in (*s["printed"], *s["steps"]))
            assert all(record.data["sources"][x]["citation"] in trace for x in s["sources"])
        if record.k:
            pool = page.split(f'<div class="trace" id="from-{record.plan}-{record.id}-result">')[1].split("</div>")[0]
            assert all(s["label"] in pool for s in record.data["studies"])


def test_other_reviews_are_named_by_author_and_year() -> None:
    assert short_citation("Boucher E, Rosgen B, Lang E. Can J Emerg Med 2020;22(3):359-367 (abstract)") == "Boucher E 2020"
    assert short_citation("Cochrane review CD006349. 2018") == "Cochrane review 2018"


# the map of the evidence


def luminance(colour: str) -> float:
    """Relative luminance, WCAG 2.2."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    lin = [x / 12.92 if x <= 0.04045 else ((x + 0.055) / 1.055) ** 2.4 for x in parts]
    return 0.2126 * lin[0] + 0.7152 * lin[1] + 0.0722 * lin[2]


def contrast(one: str, two: str) -> float:
    """Contrast ratio, WCAG 2.2."""
    a, b = sorted((luminance(one), luminance(two)))
    return (b + 0.05) / (a + 0.05)


def test_contrast_is_that_of_the_standard() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.005)  # as WCAG's own examples have it


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_what_is_written_can_be_read_on_what_it_stands_on(toy_build: Any, theme: int) -> None:
    style = (toy_build.site / "style.css").read_text(encoding="utf-8")
    block = re.findall(r":root \{(.*?)\}", style, re.DOTALL)[theme]
    colours = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", block))
    for i in range(5):
        assert contrast(colours[f"shade{i}"], colours[f"shade{i}-ink"]) >= 4.5, i
    for name in ("ink", "soft", "link", "alarm", "blue", "orange", "green", "grey"):
        for ground in ("paper", "tint"):
            assert contrast(colours[name], colours[ground]) >= 4.5, (name, ground)


def test_more_trials_are_darker() -> None:
    assert [shade(n) for n in (0, 1, 2, 4, 5, 9, 10, 99)] == [0, 1, 2, 2, 3, 3, 4, 4]


# tables that become cards


def test_cells_carry_the_heading_of_their_column() -> None:
    page = (
        "<table><thead><tr><th>A &amp; b</th><th><em>C</em></th></tr></thead><tbody><tr><th>1</th><td class='x'>2</td></tr>"
        '<tr><td colspan="2">3</td></tr><tr><td>4</td><td data-of="own">5</td></tr></tbody></table>'
        "<table><tr><td>6</td></tr></table>"
    )
    assert labelled(page) == page.replace("<td class='x'>", "<td class='x' data-of=\"C\">").replace(
        "<tr><td>4", '<tr><td data-of="A &amp; b">4'
    )


# the one file


def test_the_one_file_holds_every_page_and_asks_for_nothing(real_build: Any) -> None:
    file = real_build.site / one_file.NAME
    page = file.read_text(encoding="utf-8")
    assert file.stat().st_size < 5e6
    names = {p.stem for p in real_build.site.glob("*.html")} - {file.stem}
    assert set(re.findall(r'<article id="([^"]+)">', page)) == names
    ids = re.findall(r'\sid="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    links = re.findall(r'\s(?:href|data-from|src)="([^"]*)"', page)
    inner = {x.removeprefix("#") for x in links if not re.match(r"https?://|data:", x)}
    assert inner <= set(ids)
    assert len(inner) > 500
    assert not re.search(r'<(?:img|script|iframe)[^>]+src=|<link[^>]+href="(?!data:)|@import|url\((?!#)', page)
    assert page.count("<h1") == 1
    for name in names:  # nothing of a page is lost but links to files, and curves of specifications, where it says so
        body = real_build.page(name).split('<main id="main">')[1].split("</main>")[0]
        heavy = r'(?<=<figure class="multiverse">).*?(?=<figcaption>)'
        body = re.sub(heavy, one_file.elsewhere(name), body, flags=re.DOTALL)
        of = re.sub(r'<span class="files">.*?</span>|<[^>]+>|\s+', "", body, flags=re.DOTALL)
        article = page.split(f'<article id="{name}">')[1].split("</article>")[0]
        assert re.sub(r"<[^>]+>|\s+", "", article) == of, name


# methods and flow


def test_the_flow_counts_what_the_tables_hold_and_says_what_nobody_counted(toy_build: Any) -> None:
    trials = vf.load_trials(toy_build.trials)
    boxes = {b.name: b for b in flow(list(toy_build.records.values()), trials)}
    counted = {name: b.count for name, b in boxes.items() if b.count != NOT_RECORDED}
    # of eight studies Hale 2012 prints no figure; all others stand in a pool
    assert list(counted.values()) == ["8", "8", "8", "1", "7", "7"]
    assert boxes["Of these, without a figure that any analysis uses"].notes == (
        "1: no figure printed for any of these outcomes",
    )
    assert [b.count for b in boxes.values()][:6] == [NOT_RECORDED] * 6
    page = toy_build.page("methods")
    assert page.count(NOT_RECORDED) >= 6
    assert "Pain at 12 months" in page


def test_numbers_of_the_flow_add_up(real_build: Any, packaged: vf.Trials) -> None:
    records = list(real_build.records.values())
    counts = {b.name: int(b.count.replace(",", "")) for b in flow(records, packaged) if b.count != NOT_RECORDED}
    known, out = (
        counts["Studies of a comparison that the review asks about"],
        "Of these, without a figure that any analysis uses",
    )
    figure = counts["Studies with a figure in an analysis"]
    assert known == counts[out] + figure
    assert (
        counts["Studies in a pool of two or more"]
        <= figure
        <= known
        <= counts["Studies in the tables"]
        == len(packaged.studies)
    )
    used = {s["study_id"] for r in records for s in r.data["studies"]}
    left = {x["study_id"] for r in records for x in r.data["left_out"]} - used
    said = reasons(records, left)
    assert sum(int(x.split(":")[0]) for x in said) == counts[out]


def test_what_can_be_downloaded_is_what_was_used(toy_build: Any) -> None:
    data = toy_build.site / "data"
    for table in toy_build.trials.glob("*.csv"):
        assert (data / table.name).read_bytes() == table.read_bytes()
    for result in (toy_build.out / "results").rglob("*.json"):
        assert (data / "results" / result.relative_to(toy_build.out / "results")).read_bytes() == result.read_bytes()
    assert "cff-version" in (data / "CITATION.cff").read_text(encoding="utf-8")


# what changed


def taken(**found: tuple[dict[str, str], str]) -> snapshots.Snapshot:
    return {k: {"name": k, "trials": t, "found": a, "answer": a, "certainty": ["low", []]} for k, (t, a) in found.items()}


def test_conclusions_are_compared_by_trials_and_answer() -> None:
    before = taken(a=({"X": "1 1"}, "less"), b=({}, "none of 2"), c=({"Y": "1 1"}, "same"), d=({}, "x"))
    after = taken(a=({"X": "2 1", "Z": "0 1"}, "more"), b=({}, "none of 3"), c=({"Y": "1 1"}, "same"), e=({}, "fresh"))
    assert snapshots.compare(before, after) == [
        "d: no longer analysed.",
        "a: added Z; changed X. Before: less. Now: more.",
        "e: new. fresh",
    ]


def test_a_snapshot_is_kept_when_conclusions_move_and_compared_with_the_one_before(toy_build: Any, tmp_path: Any) -> None:
    records = list(toy_build.records.values())
    assert snapshots.keep(records, tmp_path) == ("", [])
    first = (tmp_path / "0001.json").read_bytes()
    assert snapshots.keep(records, tmp_path) == ("", [])  # the same build again: nothing new, and the same words
    assert [p.name for p in tmp_path.iterdir()] == ["0001.json"]
    fewer = [r for r in records if r.id != "fracture"]
    for _ in range(2):
        name, lines = snapshots.keep(fewer, tmp_path)
        assert (name, lines) == ("0001.json", ["Drug against placebo, New fractures: no longer analysed."])
    assert sorted(p.name for p in tmp_path.iterdir()) == ["0001.json", "0002.json"]
    assert (tmp_path / "0001.json").read_bytes() == first
    held = json.loads(first)["analyses"]["drug/fracture"]
    assert set(held["trials"]) == {"Foster 2010", "Grant 2011"}
    a, n, b, m = ew.FRACTURES["foster"]
    log_ratio, se = math.log(a / n) - math.log(b / m), math.sqrt(1 / a - 1 / n + 1 / b - 1 / m)
    assert held["trials"]["Foster 2010"] == f"{log_ratio:.6g} {se:.6g}"


def test_what_trials_moved_is_told_from_what_the_model_did(toy_build: Any) -> None:
    record = next(r for r in toy_build.records.values() if r.k > 2 and r.posterior is not None)
    now = snapshots.snapshot([record])
    ((key, held),) = now.items()
    moved = {key: {**held, "found": "1.5 (1.0 to 2.0) from 9 trials", "answer": "another"}}
    (line,) = snapshots.compare(moved, now, [record])
    assert line.endswith("The trials are the same: only how they are analysed moved it.")
    # trials far away on the other side: the conclusion of now is another one
    side = 1 if record.posterior.estimate < 0 else -1
    far = dict.fromkeys("XYZ", f"{side * 3} 0.01")
    (line,) = snapshots.compare({key: {**held, "trials": far}}, now, [record])
    post = record.posterior
    again = vf.bayes.random_effects(
        y=[side * 3.0] * 3, se=[0.01] * 3, tau=post.tau_prior, mu=post.mu_prior, question=record.question
    )
    shown = tx.effect_text(record.question, again.estimate, again.interval)
    assert f"Analysed as now, the trials of before give {shown} from 3 trials: how they are analysed moved the rest." in line
    assert "The conclusion is another one, by its trials: before, in favour of " in line
    assert "Probability of benefit: " in line


def test_a_choice_of_the_model_that_turns_a_conclusion_is_told(toy_build: Any) -> None:
    record = next(r for r in toy_build.records.values() if r.k > 2 and r.posterior is not None)
    now = snapshots.snapshot([record])
    ((key, held),) = now.items()
    assert held["says"]
    moved = {key: {**held, "found": "1.5 (1.0 to 2.0) from 9 trials", "answer": "another", "says": "in favour of rest"}}
    (line,) = snapshots.compare(moved, now, [record])
    assert line.endswith(f"by that alone: before, in favour of rest; now, {held['says']}.")
    # other trials that say the same, analysed as now
    name, told = next(iter(held["trials"].items()))
    estimate, se = map(float, told.split())
    near = {key: {**moved[key], "trials": {**held["trials"], name: f"{estimate + 0.001} {se}"}}}
    (line,) = snapshots.compare(near, now, [record])
    assert line.endswith(f"by how the trials are analysed: before, in favour of rest; now, {held['says']}.")
    (line,) = snapshots.compare({key: {**moved[key], "trials": {name: told}}}, now, [record])  # one trial stands as printed
    assert f"The conclusion is another one: before, in favour of rest; now, {held['says']}." in line


def test_a_snapshot_of_before_says_were_kept_is_still_the_same(toy_build: Any, tmp_path: Any) -> None:
    records = list(toy_build.records.values())
    old = {k: {n: x for n, x in v.items() if n != "says"} for k, v in snapshots.snapshot(records).items()}
    (tmp_path / "0001.json").write_text(snapshots.body(old), encoding="utf-8")
    assert snapshots.keep(records, tmp_path) == ("", [])
    assert [p.name for p in tmp_path.iterdir()] == ["0001.json"]


def test_changes_holds_the_last_snapshot_against_now(toy_build: Any, tmp_path: Any) -> None:
    records = list(toy_build.records.values())
    with pytest.raises(InputError, match="no snapshot"):
        since(None, toy_build.out, tmp_path)
    snapshots.keep([r for r in records if r.id != "fracture"], tmp_path)
    answer = next(r for r in records if r.id == "fracture").data["answer"]
    told = ["Since snapshot 0001:", f"Drug against placebo, New fractures: new. {answer}"]
    assert since(None, toy_build.out, tmp_path) == told
    snapshots.keep(records, tmp_path)  # the last one is of this very build
    assert since(None, toy_build.out, tmp_path) == told
    assert since(tmp_path / "0002.json", toy_build.out, tmp_path) == ["Since snapshot 0002:", "No conclusion changed."]
    assert since(toy_build.out, toy_build.out, tmp_path) == ["No conclusion changed."]
    (tmp_path / "0001.json").unlink()
    assert since(None, toy_build.out, tmp_path) == ["Since snapshot 0002:", "No conclusion changed."]


def test_a_pool_says_what_a_further_trial_would_change(toy_build: Any) -> None:
    for name, record in toy_build.records.items():
        told = further.lines(record)
        assert bool(told) == (record.k > 1), name
        for line in told:
            assert line.split(" (probability")[0] in html.unescape(toy_build.page(record.data["plan"]["page"]))


def test_a_damaged_snapshot_is_named(toy_build: Any, tmp_path: Any) -> None:
    (tmp_path / "0001.json").write_text("{", encoding="utf-8")
    with pytest.raises(InputError, match=r"0001\.json: the snapshot is damaged"):
        snapshots.keep(list(toy_build.records.values()), tmp_path)
    (tmp_path / "0001.json").write_text('{"snapshot_version": 99, "analyses": {}}', encoding="utf-8")
    assert [p.name for p in tmp_path.iterdir()] == ["0001.json"]  # nothing is kept beside what cannot be read
    with pytest.raises(InputError, match="version 99"):
        snapshots.keep(list(toy_build.records.values()), tmp_path)


def test_the_snapshots_of_the_repository_can_be_read_and_are_as_they_would_be_written() -> None:
    folder = Path(__file__).parents[1] / "reports" / "snapshots"
    kept = sorted(folder.iterdir())
    assert [p.name for p in kept] == [f"{i:04d}.json" for i in range(1, len(kept) + 1)]
    for file in kept:
        text = file.read_text(encoding="utf-8")
        assert snapshots.body(json.loads(text)["analyses"]) == text
        assert file.stat().st_size < 150_000


def test_the_leading_pool_is_shown_as_its_trials_came_in(toy_build: Any) -> None:
    page = html.unescape(toy_build.page("vertebroplasty"))
    lead = next(r for r in toy_build.records.values() if r.id == "pain_12m").lead
    looks = vf.appraisal.sequential(lead)
    assert page.count("As the trials came in") == 1
    assert "Cumulative forest plot of 5 studies" in page
    assert f"{100 * looks['information'].iloc[-1]:.0f}% of the information needed for a difference of 1.5" in page
    said = (
        f"The boundary was reached with {looks.attrs['reached']}" if looks.attrs["reached"] else "The boundary was not reached"
    )
    assert said in page
    assert "As the trials came in" not in toy_build.page("teriparatide")  # two trials

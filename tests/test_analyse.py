"""A sheet of one's own becomes pages of one's own: whole or not at all, with code that gives the same numbers."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import vfmeta as vf
from vfmeta.evidence import own, own_pages
from vfmeta.text import numbers as tx

HEAD = "study,outcome,events treat,n treat,events control,n control,mean treat,SD treat,mean control,SD control,higher worse"
SHEET = f"""{HEAD}
Aronson 1948,Death,4,123,11,139,,,,,yes
Ferguson 1949,Death,6,306,29,303,,,,,yes
Rosenthal 1960,Death,3,231,11,220,,,,,yes
Hart 1977,Death,NR,100,9,100,,,,,yes
Aronson 1948,Pain,,40,,41,4.0,2.0,5.0,2.1,yes
Ferguson 1949,Pain,,38,,40,3.5,1.9,4.9,2.0,yes
Hart 1977,Pain,,60,,61,4.4,2.2,4.7,2.1,yes
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    folder = tmp_path_factory.mktemp("analyse")
    (folder / "my.csv").write_text(SHEET)
    said: list[str] = []
    own.analyse(folder / "my.csv", folder / "pages", say=said.append)
    return folder / "pages", said


def test_each_outcome_has_its_page_and_its_numbers(made: tuple[Path, list[str]]) -> None:
    pages, said = made
    with pytest.warns(vf.VfmetaWarning):
        death = vf.random_effects(vf.read(pages / "data" / "my.csv", outcome="Death", missing="drop"))
    shown = tx.effect_text(death.question, death.estimate, death.interval)
    page = (pages / "death.html").read_text()
    assert shown in page
    assert "Hart 1977" in page
    assert "the number of events" in page or "no figures of an effect" in page  # why it is out
    assert (pages / "figures" / "death-main.svg").is_file()
    assert (pages / "pain.html").is_file()
    index = (pages / "index.html").read_text()
    assert 'href="death.html"' in index
    others = "".join((pages / name).read_text() for name in ("pain.html", "studies.html", "methods.html"))
    assert not re.search(r"vertebr|fracture|osteopor", (index + page + others).replace("vfmeta", ""))  # nothing of the review
    assert any("measure: RR, as all rows hold counts" in x for x in said)
    assert any("columns: study from 'study'" in x for x in said)


def test_a_page_says_its_outcome_once_over_the_answer_and_shows_no_empty_column(made: tuple[Path, list[str]]) -> None:
    pages, _ = made
    pain = (pages / "pain.html").read_text()
    assert "<h1>Pain</h1>" in pain
    assert "<h2>What do the studies say of pain?</h2>" in pain
    assert not re.search(r"<h2>Pain</h2>|Pain: pain", pain, re.IGNORECASE)
    assert "of the plan" not in pain
    assert "Relative effect" not in pain  # a mean difference has none
    head = re.findall(r'<th scope="col">(.*?)</th>', (pages / "studies.html").read_text().split("<tbody>")[0])
    assert head == ["Study", "Patients"]  # the sheet says nothing of design, arms or sources


def test_every_link_of_the_pages_leads_somewhere(made: tuple[Path, list[str]]) -> None:
    pages, _ = made
    files = {p.relative_to(pages).as_posix() for p in pages.rglob("*") if p.is_file()}
    for page in pages.glob("*.html"):
        text = page.read_text()
        ids = set(re.findall(r'\sid="([^"]+)"', text))
        for to in re.findall(r'(?:href|src)="([^"]+)"', text):
            name, _, place = to.partition("#")
            if to.startswith(("http", "data:")):
                continue
            assert not name or name in files, f"{page.name}: {to}"
            if place and not name:
                assert place in ids, f"{page.name}: {to}"
    assert set((pages / ".vfmeta").read_text().splitlines()) == files - {".vfmeta"}


def test_the_python_code_gives_the_numbers_of_the_page(made: tuple[Path, list[str]]) -> None:
    pages, _ = made
    code = (pages / "data" / "analysis.py").read_text().replace("print(fit.summary())", "print(repr(fit.estimate))")
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], cwd=pages / "data", capture_output=True, text=True, check=True
    )
    found = [float(x) for x in done.stdout.split()]
    kept = [json.loads((pages / f"data/results/{x}/all.json").read_text()) for x in ("death", "pain")]
    assert found == pytest.approx([x["results"]["frequentist"]["estimate"] for x in kept], rel=1e-9)


@pytest.mark.skipif(shutil.which("Rscript") is None, reason="R is not here")
def test_the_r_code_gives_the_numbers_of_the_page(made: tuple[Path, list[str]]) -> None:
    pages, _ = made
    code = (pages / "data" / "analysis.R").read_text()
    code = re.sub(r"^(print|forest)\(.*$", "", code, flags=re.M).replace("slab = study,", "slab = study,")
    code = re.sub(r'(test = "knha"\))', r'\1; cat(format(c(fit$b, fit$ci.lb, fit$ci.ub), digits = 15), "\\n")', code)
    done = subprocess.run(["Rscript", "-e", code], cwd=pages / "data", capture_output=True, text=True)
    if "metafor" in done.stderr and done.returncode:
        pytest.skip("R has no metafor")
    found = [[float(x) for x in line.split()] for line in done.stdout.splitlines() if line.strip()]
    for name, row in zip(("death", "pain"), found, strict=True):
        fit = json.loads((pages / f"data/results/{name}/all.json").read_text())["results"]["frequentist"]
        assert row == pytest.approx([fit["estimate"], *fit["interval"]], abs=2e-5)


def test_the_methods_say_how_the_sheet_was_read_and_offer_all_data(made: tuple[Path, list[str]]) -> None:
    page = (made[0] / "methods.html").read_text()
    assert "events1 from" in page
    assert "library(metafor)" in page
    assert 'href="data/my.csv"' in page
    assert "points=(low, high)" in page  # why the mean difference has no Bayesian result


def test_a_refused_sheet_writes_nothing_and_leaves_what_was_there(tmp_path: Path) -> None:
    file = tmp_path / "bad.csv"
    file.write_text("study,mean_A,sd_A,mean_B,sd_B\na,1,1,2,1\n")
    with pytest.raises(vf.InputError, match="nothing says which is experimental"):
        own.analyse(file, tmp_path / "pages")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["bad.csv"]


def test_a_folder_of_other_things_is_left_alone(tmp_path: Path) -> None:
    file, folder = tmp_path / "my.csv", tmp_path / "thesis"
    file.write_text("study,yi,vi\na,0.1,0.04\nb,0.3,0.09\n")
    folder.mkdir()
    (folder / "chapter.txt").write_text("mine")
    with pytest.raises(vf.InputError, match="holds something else"):
        own.analyse(file, folder)
    assert [p.name for p in folder.iterdir()] == ["chapter.txt"]


def test_pages_are_replaced_whole_and_only_if_nothing_strange_is_among_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, folder = tmp_path / "my.csv", tmp_path / "pages"
    file.write_text("study,yi,vi\na,0.1,0.04\nb,0.3,0.09\n")
    own.analyse(file, folder)
    first = (folder / "index.html").read_bytes()
    file.write_text("study,yi,vi\na,0.1,0.04\nb,0.5,0.09\n")

    def broken(*_: object, **more: object) -> None:
        raise OSError("no space left")

    with monkeypatch.context() as m:
        m.setattr(own_pages, "render", broken)
        with pytest.raises(OSError, match="no space"):
            own.analyse(file, folder)
    assert (folder / "index.html").read_bytes() == first
    assert sorted(p.name for p in tmp_path.iterdir()) == ["my.csv", "pages"]
    own.analyse(file, folder)
    assert (folder / "index.html").read_bytes() != first
    assert sorted(p.name for p in tmp_path.iterdir()) == ["my.csv", "pages"]
    (folder / "notes.txt").write_text("mine")
    with pytest.raises(vf.InputError, match=r"holds notes\.txt, which these pages did not bring"):
        own.analyse(file, folder)


def test_names_of_outcomes_make_pages_of_their_own(tmp_path: Path) -> None:
    file = tmp_path / "my.csv"
    rows = [
        f"{s},{o},{y},0.04"
        for o in ("Methods", "index", "Schmerz (VAS)", "schmerz vas", "<b>x</b>")
        for s, y in (("a", 0.1), ("b", 0.2))
    ]
    file.write_text("study,outcome,yi,vi\n" + "\n".join(rows) + "\n")
    own.analyse(file, tmp_path / "pages")
    names = {p.name for p in (tmp_path / "pages").glob("*.html")}
    assert names == {
        "index.html", "methods.html", "studies.html", "methods_outcome.html", "index_outcome.html", "schmerz_vas.html",
        "schmerz_vas_2.html", "b_x_b.html",
    }  # fmt: skip
    assert "<b>x</b>" not in (tmp_path / "pages" / "b_x_b.html").read_text()


def test_the_command_says_what_it_took(tmp_path: Path) -> None:
    (tmp_path / "my.csv").write_text("trial,M new,S new,n new,M old,S old,n old\na,1,1,20,2,1,20\nb,1.5,1,30,2,1.1,31\n")
    command = [sys.executable, "-m", "vfmeta", "analyse", "my.csv", "--out", "pages"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 1
    assert "nothing says which is" in done.stderr
    assert "Here options are typed: --measure MD, --sides " in done.stderr
    assert not (tmp_path / "pages").exists()
    done = subprocess.run([*command, "--sides", "new", "old"], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "group 1 is new, group 2 is old" in done.stdout
    assert (tmp_path / "pages" / "index.html").is_file()


def test_judgements_of_a_sheet_are_lights_and_part_of_the_certainty(tmp_path: Path) -> None:
    rows = [line.split(",") for line in SHEET.splitlines()]
    judged = {"Aronson 1948": ("Low", "High"), "Ferguson 1949": ("High", "High"), "Rosenthal 1960": ("Low", "Low")}
    lines = [",".join([*rows[0], *(f"D{i}" for i in range(1, 6)), "Overall"])]
    for row in rows[1:]:
        if row[0] in judged:  # of one outcome otherwise than of the other, as RoB 2 judges results
            word = judged[row[0]][row[1] == "Pain"]
            lines.append(",".join([*row, *["Low"] * 4, word, word]))
    (tmp_path / "my.csv").write_text("\n".join(lines))
    made = vf.analyse(tmp_path / "my.csv", tmp_path / "pages")
    for outcome, said in (("Death", ["low", "high", "low"]), ("Pain", ["high", "high"])):
        record = json.loads((tmp_path / f"pages/data/results/{outcome.lower()}/all.json").read_text())
        assert record["bias"]["overall"] == said
        table = made.tables[outcome]
        assert table.bias is not None
        assert list(table.bias.overall) == said
        svg = (tmp_path / f"pages/figures/{outcome.lower()}-main.svg").read_text()
        assert svg.count('id="light-high"') == 2 * said.count("high")


def test_the_verb_gives_what_the_pages_say(made: tuple[Path, list[str]], tmp_path: Path) -> None:
    found = vf.analyse(made[0] / "data" / "my.csv", tmp_path / "again", outcome="Death")
    assert found.page == tmp_path / "again" / "index.html"
    table = found.tables["Death"]
    fit = vf.random_effects(table)
    assert found.fits["Death"] is not None
    ours = found.fits["Death"]
    assert [ours.estimate, *ours.interval] == pytest.approx([fit.estimate, *fit.interval], rel=1e-9)
    assert found.answers["Death"] in found.page.read_text()
    assert str(found) == f"Death: {found.answers['Death']}\nPages: {found.page}"
    assert any("Hart 1977" in x for x in found.said)


def test_judgements_of_domains_alone_are_told_and_make_no_overall_one(tmp_path: Path) -> None:
    heads = ["Random sequence generation (selection bias)", "Allocation concealment (selection bias)"]
    judged = dict(zip(heads, (["Low risk", "High risk"], ["Low", ""]), strict=True))
    sheet = {"study": ["a", "b"], "yi": [0.1, 0.3], "vi": [0.04, 0.09]} | judged
    vf.analyse(sheet, tmp_path / "pages")
    bias = json.loads((tmp_path / "pages/data/results/effect/all.json").read_text())["bias"]
    assert (bias["tool"], bias["overall"]) == ("RoB 1", ["", ""])
    assert "published: RoB 1 (the sheet): high on random sequence generation" in bias["support"][1][-1]


@pytest.mark.parametrize(
    ("names", "drawn"),
    [(["A 1999", "B (2004)", "C 2004b"], True), (["A 2004", "B 1999", "C 2010"], False), (["A 1999", "B", "C 2004"], False)],
)
def test_a_pool_as_the_studies_came_in_needs_their_years(tmp_path: Path, names: list[str], drawn: bool) -> None:
    vf.analyse({"study": names, "yi": [0.1, 0.3, 0.2], "vi": [0.04, 0.09, 0.05]}, tmp_path / "pages", measure="MD")
    assert (tmp_path / "pages/figures/effect-all-cumulative.svg").is_file() is drawn
    said = "do not stand in the order of years" in (tmp_path / "pages/methods.html").read_text()
    assert said is not drawn

"""What people type, what they are told, and the exit status that scripts look at."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import evidence_world as ew
from vfmeta import __version__, cli
from vfmeta.core.extras import MissingExtra

pytest_plugins = ("evidence_builds",)
pytestmark = pytest.mark.filterwarnings("ignore:Cyclopts application invoked without tokens")  # main() reads sys.argv here too


class Typed:
    """One command: exit status and what was printed."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self.monkeypatch, self.capsys = monkeypatch, capsys

    def __call__(self, *words: Any) -> tuple[int, str, str]:
        self.monkeypatch.setattr(sys, "argv", ["vfmeta", *map(str, words)])
        with pytest.raises(SystemExit) as left:
            cli.main()
        said = self.capsys.readouterr()
        assert isinstance(left.value.code, int)
        return left.value.code, said.out, said.err


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Typed:
    return Typed(monkeypatch, capsys)


@pytest.fixture
def toy(toy_build: Any, tmp_path: Path) -> Path:
    """The toy world with its build, to change without harm."""
    shutil.copytree(toy_build.out.parent, tmp_path / "toy")
    return tmp_path / "toy"


def of(home: Path) -> list[Any]:
    return ["--trials", home / "trials", "--plans", home / "analyses", "--out", home / "build"]


def test_help_lists_every_command_and_each_has_its_own(typed: Typed) -> None:
    status, out, _ = typed("--help")
    assert status == 0
    for command in ("validate", "run", "figures", "report", "changes"):
        assert command in out
        status, own, _ = typed(command, "--help")
        assert status == 0
        assert f"vfmeta {command}" in own


def test_version(typed: Typed) -> None:
    assert typed("--version") == (0, f"{__version__}\n", "")


@pytest.mark.parametrize(
    "words", [("repot",), ("report", "--no-such-option", "x"), ("changes", "a", "b", "third"), ("validate", "a", "b")]
)
def test_what_is_not_known_is_refused_in_words(typed: Typed, words: tuple[str, ...]) -> None:
    status, out, err = typed(*words)
    assert status != 0
    said = out + err
    assert "Traceback" not in said
    assert {"repot": "repot", "report": "no-such-option", "changes": "third", "validate": "b"}[words[0]] in said


def test_validate_packaged_tables(typed: Typed) -> None:
    assert typed("validate") == (0, "The tables are sound.\n", "")


def test_validate_lists_each_problem_on_its_line(typed: Typed, toy: Path) -> None:
    ew.edit(toy / "trials", "contrasts", "able-1m", arm_control="nobody")
    ew.edit(toy / "trials", "outcomes_binary", "foster-control", events="ten")
    status, out, _ = typed("validate", toy / "trials")
    lines = out.splitlines()
    assert status == 1
    assert len(lines) == 3
    assert lines[0].startswith("contrasts.csv, row 2, column study_id, arm_control (value 'able, nobody')")
    assert lines[1].startswith("outcomes_binary.csv, row 3, column events (value 'ten')")
    assert lines[2] == "2 problems found."


def test_validate_a_sound_a_missing_and_an_empty_folder(typed: Typed, toy: Path, tmp_path: Path) -> None:
    assert typed("validate", toy / "trials")[:2] == (0, "The tables are sound.\n")
    status, out, _ = typed("validate", tmp_path / "nowhere")
    assert status == 1
    assert "There is no such folder" in out
    (tmp_path / "empty").mkdir()
    status, out, _ = typed("validate", tmp_path / "empty")
    assert status == 1
    assert "studies.csv: The file is missing" in out


def endings(home: Path, name: str) -> set[str]:
    """The forms in which a figure stands in a folder."""
    return {p.suffix for p in (home / "figures").glob(f"{name}.*")}


def test_run_figures_and_report_go_as_far_as_they_say(typed: Typed, toy: Path) -> None:
    for home in (toy / "build", toy / "site"):  # pages draw in SVG, and offer these two for slides
        assert endings(home, "cement-pain") == endings(home, "prisma_flow") == {".svg"}
        assert endings(home, "evidence_map") == endings(home, "answers") == {".svg", ".png"}
    for made in ("results", "figures"):
        shutil.rmtree(toy / "build" / made)
    shutil.rmtree(toy / "site")
    (toy / "build" / "state.json").unlink()
    status, out, _ = typed("run", *of(toy))
    assert status == 0
    assert out.splitlines()[-1].endswith(f": {toy / 'build' / 'results'}")
    assert (toy / "build" / "results" / "drug" / "fracture.json").is_file()
    assert not (toy / "build" / "figures").exists()
    status, out, _ = typed("figures", *of(toy))
    assert status == 0
    assert endings(toy / "build", "cement-pain") == endings(toy / "build", "prisma_flow") == {".svg", ".png"}
    assert not (toy / "site").exists()
    status, out, _ = typed("report", *of(toy), "--site", toy / "site")
    assert status == 0
    assert "7 analyses, reused " in out
    assert out.splitlines()[-1].endswith(f": {toy / 'site' / 'index.html'}")
    assert (toy / "site" / "vertebroplasty.html").is_file()
    assert endings(toy / "build", "cement-pain") == {".svg", ".png"}
    assert endings(toy / "site", "cement-pain") == {".svg"}
    for stage in ("run", "figures"):
        assert "nothing has changed" in typed(stage, *of(toy))[1]


def test_changes_between_two_builds(typed: Typed, toy: Path, toy_build: Any) -> None:
    assert typed("changes", toy_build.out, toy / "build") == (0, "No conclusion changed.\n", "")
    ew.edit(toy / "trials", "contrasts", "able-1m", estimate="-2")
    assert typed("run", *of(toy))[0] == 0
    status, out, _ = typed("changes", toy_build.out, toy / "build")
    half = 0.5 * ew.Z
    before, now = (f"{ew.said(y)} ({ew.said(y - half)} to {ew.said(y + half)}) from 1 trial" for y in (-1, -2))
    assert status == 0
    assert out == f"Vertebroplasty against sham, Pain at 1 months: changed Able 2001. Before: {before}. Now: {now}.\n"


def test_changes_without_a_build_says_what_to_do(typed: Typed, toy: Path, tmp_path: Path) -> None:
    status, out, err = typed("changes", tmp_path / "nowhere", toy / "build")
    assert (status, out) == (1, "")
    assert "no results yet" in err
    assert "Traceback" not in err


def spoil_table(home: Path) -> list[str]:
    ew.edit(home / "trials", "contrasts", "baker-3m", se="-0.5")
    ew.edit(home / "trials", "contrasts", "able-1m", arm_control="nobody")
    return ["contrasts.csv, row 2", "contrasts.csv, row 4, column se (value '-0.5')"]


def spoil_plan(home: Path) -> list[str]:
    (home / "analyses" / "drug.toml").write_text(ew.PLAN_DRUG + "\nweek = 80\nwindow = [40, 60]\n", encoding="utf-8")
    return ["drug.toml, analysis 1 (fracture): week 80.0 must lie inside window (40.0, 60.0)"]


@pytest.mark.parametrize("spoil", [spoil_table, spoil_plan])
@pytest.mark.parametrize("command", ["run", "report"])
def test_a_fault_ends_in_words_status_1_and_an_untouched_build(typed: Typed, toy: Path, spoil: Any, command: str) -> None:
    places = spoil(toy)
    before = ew.files(toy)
    site = ["--site", toy / "site"] if command == "report" else []
    status, out, err = typed(command, *of(toy), *site)
    assert status == 1
    for place in places:
        assert any(line.startswith(place) for line in err.splitlines()), err
    assert "done in" not in out
    assert "Traceback" not in err
    assert ew.files(toy) == before


def test_a_missing_folder_of_tables_or_plans(typed: Typed, toy: Path, tmp_path: Path) -> None:
    for words in (["--trials", tmp_path / "no"], ["--trials", toy / "trials", "--plans", tmp_path / "no"]):
        status, _, err = typed("run", *words, "--out", tmp_path / "build")
        assert status == 1
        assert "no such folder" in err
    assert not (tmp_path / "build").exists()


@pytest.mark.parametrize("option", ["--out", "--site"])
def test_a_file_where_a_folder_should_be(typed: Typed, toy: Path, tmp_path: Path, option: str) -> None:
    (tmp_path / "taken").write_text("mine", encoding="utf-8")
    (toy / "build" / "state.json").unlink()  # so that there is something to write
    words = {"--trials": toy / "trials", "--plans": toy / "analyses", "--out": toy / "build", "--site": toy / "site"}
    words[option] = tmp_path / "taken"
    status, _, err = typed("report", *[x for pair in words.items() for x in pair])
    assert status == 1
    assert str(tmp_path / "taken") in err
    assert "Traceback" not in err
    assert (tmp_path / "taken").read_text(encoding="utf-8") == "mine"


def test_in_a_process_of_its_own_a_fault_shows_no_traceback(toy: Path) -> None:
    (place,) = spoil_plan(toy)
    words = ["-m", "vfmeta", "run", *map(str, of(toy))]
    done = subprocess.run([sys.executable, *words], capture_output=True, text=True, timeout=120)
    assert done.returncode == 1
    assert done.stderr.strip() == place + "."


# the weight of an import

_FORBIDDEN = (
    "pandas",
    "scipy",
    "numba",
    "statsmodels",
    "matplotlib",
    "pymc",
    "pytensor",
    "arviz",
    "seaborn",
    "jinja2",
    "pydantic",
)
_CHILD = """
import sys
import vfmeta
top = {name.partition(".")[0] for name in sys.modules}
print(*sorted(top))
"""


def test_import_loads_nothing_heavy() -> None:
    done = subprocess.run([sys.executable, "-c", _CHILD], capture_output=True, text=True, check=True, timeout=60)
    loaded = done.stdout.split()
    assert "vfmeta" in loaded
    assert not set(_FORBIDDEN) & set(loaded)


def test_help_loads_nothing_heavy() -> None:
    child = "import sys; sys.argv = ['vfmeta', '--help']\nfrom vfmeta.cli import main\ntry: main()\nexcept SystemExit: pass\n"
    child += "print('LOADED', *sorted({n.partition('.')[0] for n in sys.modules}))"
    done = subprocess.run([sys.executable, "-c", child], capture_output=True, text=True, check=True, timeout=60)
    loaded = done.stdout.rpartition("LOADED")[2].split()
    assert "cyclopts" in loaded
    assert not {"pandas", "scipy", "numba", "matplotlib", "pymc"} & set(loaded)


def test_what_is_not_installed_is_said_in_words(typed: Typed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import vfmeta.evidence.own as own

    def without_jinja2(*_: Any, **__: Any) -> None:
        raise MissingExtra('This needs jinja2, which is not installed. Run: pip install "vfmeta[report]"')

    monkeypatch.setattr(own, "analyse", without_jinja2)
    status, out, err = typed("analyse", tmp_path / "my.csv")
    assert (status, out) == (1, "")
    assert err.startswith("This needs jinja2")
    assert "Traceback" not in err

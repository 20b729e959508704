"""The README is run: its example gives the output it shows, its commands exist, its picture is there."""

from __future__ import annotations

import contextlib
import io
import re
import subprocess
import warnings
from pathlib import Path

import pytest
from docs import examples

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


def test_the_example_prints_what_the_readme_shows():
    code, (shown,) = blocks("python")[1], blocks("text")
    said = io.StringIO()
    with contextlib.redirect_stdout(said), warnings.catch_warnings():
        warnings.simplefilter("error")
        exec(compile(code, "README.md", "exec"), {})
    assert said.getvalue() == shown


@pytest.mark.slow
def test_the_sampled_example_runs_and_answers_to_the_names_beside_it():
    code = blocks("python")[2]
    world = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        exec(compile(blocks("python")[0].splitlines()[0] + "\n" + code, "README.md", "exec"), world)
    named = re.findall(r"post\.([a-z_]+)", code)
    assert set(named) == {"to_frame", "gate", "loo", "arviz"}
    assert all(hasattr(world["post"], name) for name in named)
    assert "mu" in set(world["post"].to_frame()["term"])


def test_the_example_is_five_lines():
    assert len(blocks("python")[1].strip().splitlines()) == 5


def test_own_data_become_a_table_for_word_and_a_forest_plot_in_ten_lines(tmp_path: Path):
    code = blocks("python")[0]
    assert len(code.strip().splitlines()) <= 10
    with examples.desk(tmp_path):
        examples.run(examples.Block(code, 0), {}, "README.md")
    assert {"pain.docx", "forest.svg", "forest.png"} <= {p.name for p in tmp_path.iterdir()}


def test_every_make_target_of_the_readme_exists():
    named = set(re.findall(r"(?:^|`)make ([a-z-]+)", README, flags=re.MULTILINE))
    listed = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert named <= set(re.findall(r"^make ([a-z-]+)", listed, flags=re.MULTILINE))
    assert {"report", "test", "validate"} <= named


def test_every_file_the_readme_names_is_there():
    for name in re.findall(r"\]\(([^)]+)\)", README):
        if not name.startswith("http"):
            assert (ROOT / name).is_file(), name

"""What a stranger looks for in a repository is there, and its parts agree with each other."""

from __future__ import annotations

import operator
import re
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml

import vfmeta

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
DECISIONS = ROOT / "docs" / "decisions"
LINK = re.compile(r"\]\(([^)\s]+)\)")
FENCED = re.compile(r"^```.*?^```", flags=re.DOTALL | re.MULTILINE)
MADE = {"build", "dist", "_site", "_quarto_site"}  # folders that builds fill
PAGES = sorted(
    page
    for folder in ROOT.iterdir()
    if not folder.name.startswith(".") and folder.name not in MADE
    for page in (folder.rglob("*.md") if folder.is_dir() else [folder])
    if page.suffix == ".md" and not MADE & set(page.relative_to(ROOT).parts)
)
FINDINGS = sorted((ROOT / "findings").glob("*.sh"))


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def anchor(title: str) -> str:
    """The anchor a heading gets: lower case, punctuation gone, hyphens for spaces."""
    return re.sub(r"[^\w\- ]", "", title.strip().lower()).replace(" ", "-")


def test_licence_and_project_agree() -> None:
    text = read("LICENSE")
    assert PROJECT["license"] == "MIT"
    assert text.startswith("MIT License\n\nCopyright (c) 2026 vfmeta contributors\n")
    assert "without restriction" in text
    assert yaml.safe_load(read("CITATION.cff"))["license"] == PROJECT["license"]


def test_citation_names_nobody_but_the_contributors() -> None:
    citation = yaml.safe_load(read("CITATION.cff"))
    assert citation["cff-version"] == "1.2.0"
    assert {"message", "title", "authors"} <= set(citation)
    assert citation["authors"] == [{"name": "vfmeta contributors"}]
    assert not {"doi", "identifiers", "contact"} & set(citation)


def test_one_version() -> None:
    assert "version" not in PROJECT
    assert "version" in PROJECT["dynamic"]
    newest = re.findall(r"^## \[([^\]]+)\]", read("CHANGELOG.md"), flags=re.MULTILINE)[0]
    assert newest == vfmeta.__version__
    assert str(yaml.safe_load(read("CITATION.cff"))["version"]) == vfmeta.__version__


def test_the_index_of_decisions_lists_each_page_once_and_no_other() -> None:
    listed = LINK.findall((DECISIONS / "README.md").read_text(encoding="utf-8"))
    there = {page.name for page in DECISIONS.iterdir()} - {"README.md"}
    assert sorted(listed) == sorted(there)


@pytest.mark.parametrize("page", sorted(set(DECISIONS.glob("*.md")) - {DECISIONS / "README.md"}), ids=lambda p: p.stem)
def test_a_decision_says_why_and_what_would_change_it(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    headings = re.findall(r"^#+ .*$", text, flags=re.MULTILINE)
    assert headings[1:] == ["## Context", "## Decision", "## Consequences", "## What would make us change it"]
    assert len(text.splitlines()) <= 45, "one page"


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    for link in LINK.findall(FENCED.sub("", page.read_text(encoding="utf-8"))):
        if re.match(r"[a-z]+:", link):
            continue
        name, _, part = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        assert target.is_relative_to(ROOT), link
        assert target.exists(), link
        if part:
            titles = re.findall(r"^#+ (.*)$", target.read_text(encoding="utf-8"), flags=re.MULTILINE)
            assert part in map(anchor, titles), link


TOLD = [page for page in PAGES if page.name != "CHANGELOG.md"]  # which tells of names that went


@pytest.mark.parametrize("page", TOLD, ids=lambda p: str(p.relative_to(ROOT)))
def test_files_and_verbs_that_a_page_names_are_there(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    package = ROOT / "src" / "vfmeta"
    homes = (ROOT, package, package / "kernels", page.parent)
    for said in re.findall(r"`([^`\n]+)`", FENCED.sub("", text)):
        for name in re.findall(r"(?<![\w./-])(?:[\w.-]+/)+[\w.-]+|(?<![\w./-])\w+\.py\b", said):
            parts = name.split("/")
            ours = name.endswith(".py") or any((home / parts[0]).is_dir() for home in homes)
            if ours and not MADE & set(parts) and parts[0] != ".venv" and "NAME" not in name:
                assert any((home / name).exists() for home in homes), name
    for name in re.findall(r"(?<![\w.])vf\.([a-z_][\w.]*\w)", text):
        operator.attrgetter(name)(vfmeta)


def test_the_links_tested_are_those_of_the_pages_a_stranger_opens() -> None:
    assert {"README.md", "CONTRIBUTING.md", "CHANGELOG.md"} <= {str(p.relative_to(ROOT)) for p in PAGES}


def test_make_targets_that_the_guide_names_exist() -> None:
    named = set(re.findall(r"(?:^|`)make ([a-z-]+)", read("CONTRIBUTING.md"), flags=re.MULTILINE))
    listed = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert named <= set(re.findall(r"^make ([a-z-]+)", listed, flags=re.MULTILINE))


def test_hooks_fetch_nothing() -> None:
    repositories = yaml.safe_load(read(".pre-commit-config.yaml"))["repos"]
    assert [r["repo"] for r in repositories] == ["local"]
    hooks = repositories[0]["hooks"]
    assert all(h["language"] == "system" and "additional_dependencies" not in h for h in hooks)
    assert {tuple(h["entry"].split()[:2]) for h in hooks} == {
        (".ci/in-venv", tool) for tool in ("ruff", "mypy", "lint-imports", "vfmeta")
    }


def environment(root: Path, version: str, *, ready: bool = True) -> None:
    tool = root / ".venv" / version / "bin" / "say"
    tool.parent.mkdir(parents=True)
    tool.write_text(f'#!/bin/sh\necho {version} "$@"\n', encoding="utf-8")
    tool.chmod(0o755)
    if ready:
        (root / ".venv" / version / "ready").touch()


def test_hooks_run_in_the_newest_environment_that_is_whole(tmp_path: Path) -> None:
    script = tmp_path / ".ci" / "in-venv"
    script.parent.mkdir()
    script.write_bytes((ROOT / ".ci" / "in-venv").read_bytes())

    def run() -> subprocess.CompletedProcess[str]:
        return subprocess.run(["sh", script, "say", "a b", "c"], capture_output=True, text=True)

    without = run()
    assert without.returncode == 1
    assert "make setup" in without.stderr
    environment(tmp_path, "3.11")
    environment(tmp_path, "3.12")
    environment(tmp_path, "3.13", ready=False)
    assert run().stdout == "3.12 a b c\n"


@pytest.mark.parametrize("script", FINDINGS, ids=lambda p: p.stem)
def test_a_finding_is_pinned_alone_and_not_ours(script: Path) -> None:
    text = script.read_text(encoding="utf-8")
    assert text.splitlines()[1].startswith("# Guess: "), "the first line says what one would guess"
    assert "mktemp -d" in text
    assert "vfmeta" not in text
    assert "set -euo pipefail" in text
    subprocess.run(["bash", "-n", script], check=True)
    installs = re.findall(r"pip install((?:.|\\\n)*?[^\\])\n", text)
    assert installs
    for line in installs:
        packages = [word for word in line.replace("\\\n", " ").split() if not word.startswith("-")]
        assert packages
        assert all(re.fullmatch(r"[\w.\-\[\]]+==[\w.]+", word) for word in packages), packages


def test_every_finding_that_a_page_names_is_there() -> None:
    named = {name for page in PAGES for name in re.findall(r"findings/(\w+\.sh)", page.read_text(encoding="utf-8"))}
    assert named - {"NAME.sh"} <= {script.name for script in FINDINGS}

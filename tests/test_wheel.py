"""The wheel carries the trial tables and the plans, so that it works away from the checkout."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built wheel, installed alone into an empty folder."""
    where = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(where)], cwd=ROOT, check=True, capture_output=True
    )
    (wheel,) = where.glob("*.whl")
    pip = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--no-index",
        "--target",
        str(where / "site"),
        str(wheel),
    ]
    subprocess.run(pip, check=True, capture_output=True)
    return where / "site"


def run(installed: Path, code: str) -> str:
    start = f"import sys; sys.path.insert(0, {str(installed)!r})\n"
    return subprocess.run(
        [sys.executable, "-c", start + code], cwd=installed, check=True, capture_output=True, text=True
    ).stdout


def test_the_installed_wheel_loads_its_own_tables(installed: Path):
    out = run(
        installed, "import vfmeta as vf; print(vf.__file__); t = vf.load_trials(); print(t.folder); print(len(t.studies) > 100)"
    )
    where, folder, enough = out.split("\n")[:3]
    assert where.startswith(str(installed))
    assert folder.startswith(str(installed))
    assert enough == "True"


def test_the_installed_wheel_knows_the_plans(installed: Path):
    out = run(installed, "from vfmeta.evidence import load_plans; print(len(load_plans()))")
    assert int(out) == len(list((ROOT / "analyses").glob("*.toml")))

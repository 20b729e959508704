"""Builds that many tests look at, made once a session; a test that changes one works on a copy."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from evidence_world import world
from vfmeta.evidence.build import build
from vfmeta.evidence.records import Record, load_records


@dataclass(frozen=True)
class Built:
    """A build: where it is, what it was made from, and what was said while it was made."""

    out: Path
    site: Path
    trials: Path | None
    plans: Path | None
    said: tuple[str, ...]

    @property
    def records(self) -> dict[str, Record]:
        """Records by ``plan/analysis``."""
        return {f"{r.plan}/{r.id}": r for r in load_records(self.out)}

    def page(self, name: str) -> str:
        """A page of the site."""
        return (self.site / f"{name}.html").read_text(encoding="utf-8")


def _build(home: Path, trials: Path | None, plans: Path | None) -> Built:
    lines: list[str] = []
    build("report", trials=trials, plans=plans, out=home / "build", site=home / "site", say=lines.append)
    return Built(home / "build", home / "site", trials, plans, tuple(lines))


@pytest.fixture(scope="session")
def real_build(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """Everything: the packaged tables and plans, PyMC included."""
    return _build(tmp_path_factory.mktemp("real"), None, None)


@pytest.fixture(scope="session")
def toy_build(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """The made-up world of `evidence_world`."""
    home = world(tmp_path_factory.mktemp("toy"))
    return _build(home, home / "trials", home / "analyses")

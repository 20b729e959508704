"""Builds that many tests look at, made once a session; a test that changes one works on a copy."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pytest

from evidence_world import world
from vfmeta.evidence import build as building
from vfmeta.evidence.beside import Beside
from vfmeta.evidence.build import build
from vfmeta.evidence.cache import Cache
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


class OneProcess(Cache):
    """The memory of a build whose process beside, in which PyMC is loaded, serves the next build too."""

    held: ClassVar[Beside | None] = None

    def _open(self) -> Beside:
        self._pool = self._pool or OneProcess.held
        OneProcess.held = super()._open()
        return OneProcess.held

    def close(self) -> None:
        self._pool = None

    @classmethod
    def end(cls) -> None:
        if cls.held is not None:
            cls.held.close()
            cls.held = None


@pytest.fixture(scope="session", autouse=True)
def one_process_beside() -> Iterator[None]:
    """All builds of the session load PyMC once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(building, "Cache", OneProcess)
        yield
        OneProcess.end()


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

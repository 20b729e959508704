"""The notebooks run as they stand, and print what they show."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).parents[1] / "examples"
BOOKS = sorted(FOLDER.glob("*.ipynb"))


def printed(book: Any) -> list[str]:
    return ["".join(o["text"] for o in cell.get("outputs", []) if o.get("name") == "stdout") for cell in book.cells]


def drawn(book: Any) -> list[int]:
    return [sum("image/png" in o.get("data", {}) for o in cell.get("outputs", [])) for cell in book.cells]


def test_there_are_three() -> None:
    assert [p.stem for p in BOOKS] == ["network", "own-data", "vertebroplasty"]


@pytest.mark.parametrize(
    "path", [pytest.param(p, id=p.stem, marks=() if p.stem == "own-data" else pytest.mark.slow) for p in BOOKS]
)
def test_a_notebook_runs_and_prints_what_it_shows(path: Path) -> None:
    import nbformat
    from nbclient import NotebookClient

    kept = nbformat.read(path, as_version=4)
    book = nbformat.read(path, as_version=4)
    client = NotebookClient(book, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(FOLDER)}})
    client.execute()
    assert printed(book) == printed(kept)
    assert drawn(book) == drawn(kept)
    assert path.stat().st_size < 200_000, "outputs are kept small"

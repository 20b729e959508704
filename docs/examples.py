"""The Python examples of a page: found, and run in one world a page, in a folder that holds the data."""

from __future__ import annotations

import contextlib
import io
import os
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

DOCS = Path(__file__).parent
ROOT = DOCS.parent
_CALL = re.compile(r"^\|(?:[^|\\]|\\.)*\| *`((?:[^`])+)` *\|$", flags=re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """A fenced block of Python and what stands behind its language: ``slow``, or ``alt:`` and the text of its figure."""

    code: str
    line: int
    slow: bool = False
    alt: str = ""


@dataclass
class Ran:
    """What a block printed, and the figures it drew."""

    said: str
    figures: list[Any] = field(default_factory=list)


def block(info: str, code: str, line: int) -> Block | None:
    """A fence as a block, or None where it is no Python."""
    language, _, more = info.strip().partition(" ")
    if language != "python":
        return None
    return Block(code, line, more == "slow", more.removeprefix("alt:").strip() if more.startswith("alt:") else "")


def blocks(text: str) -> list[Block]:
    """The blocks of a page, in its order."""
    found = [
        block(m[1], m[2], text.count("\n", 0, m.start()) + 1)
        for m in re.finditer(r"^```([^\n]*)\n(.*?)^```$", text, flags=re.DOTALL | re.MULTILINE)
    ]
    return [x for x in found if x]


def calls(text: str) -> list[str]:
    """The code in the last cells of the tables of a page."""
    return [m.replace("\\|", "|") for m in _CALL.findall(text)]


@contextlib.contextmanager
def desk(folder: Path) -> Iterator[None]:
    """Work in a folder that shows the data as the pages and the README name them; what examples write stays there."""
    before = Path.cwd()
    for name, target in (("data", DOCS / "data"), ("docs", DOCS)):
        (folder / name).symlink_to(target, target_is_directory=True)
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def run(one: Block, world: dict[str, Any], name: str) -> Ran:
    """Run a block; warnings are part of what it says, as a reader would see them."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    plt.close("all")
    said = io.StringIO()
    with contextlib.redirect_stdout(said), warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        exec(compile("\n" * one.line + one.code, name, "exec"), world)
    ours = [f"{type(w.message).__name__}: {w.message}" for w in warned if type(w.message).__module__.startswith("vfmeta")]
    return Ran("\n".join([*dict.fromkeys(ours), said.getvalue()]).strip(), [plt.figure(i) for i in plt.get_fignums()])

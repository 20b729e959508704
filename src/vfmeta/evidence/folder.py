"""The folders of a build: whoever wrote into them, what stands there is data, and nothing outside is touched."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from vfmeta.core.files import PART, write
from vfmeta.core.messages import InputError

STATE = "state.json"
_LISTING = ".vfmeta"
_PARTS = ("results", "figures", "cache")
_END = b"}\n"
_ENDINGS = {".json", ".csv", ".svg", ".png"}
# what reading a file can raise that holds something else than was written
DAMAGE = (OSError, ValueError, KeyError, TypeError, RecursionError)


def inside(folder: Path, name: str) -> Path | None:
    """The file of that name in a folder; None where the name leads out of it, by dots, a root or a link."""
    try:
        path = folder / name
        home = folder.resolve()
        parent = path.parent.resolve()
    except (OSError, ValueError, RuntimeError):  # no name of a file; a link in a circle
        return None
    sound = path.name not in ("", ".", "..") and "\0" not in name and parent.is_relative_to(home)
    return path if sound else None


def tidy(out: Path) -> None:
    """Make a build folder fit to be written to: what a killed build left goes, and what stands in the way of a file or folder.

    Raises
    ------
    InputError
        A link in it leads out of it: what is written there would land elsewhere.
    """
    _sweep([out])
    _make_way(out / STATE)
    for part in _PARTS:
        folder = out / part
        if folder.is_symlink():
            _refuse_link(out, folder)
        elif folder.is_file():
            folder.unlink()
        for path in sorted(folder.rglob("*")):
            if path.is_symlink():
                _refuse_link(out, path)
            elif path.is_dir() and (path.suffix in _ENDINGS or path.name == _LISTING):
                _make_way(path)
        _sweep([folder, *(p for p in folder.rglob("*") if p.is_dir())])


def _make_way(file: Path) -> None:
    if file.is_dir() and not file.is_symlink():
        shutil.rmtree(file)


def _refuse_link(out: Path, link: Path) -> None:
    if link.is_dir() and not link.resolve().is_relative_to(out.resolve()):
        raise InputError(
            f"{link} is a link to {link.resolve()}, outside the build folder {out}. Remove the link and build again."
        )


def sweep(site: Path) -> None:
    """Remove what a killed build left half-written among the pages of a site."""
    _sweep([site, site / "figures"])


def _sweep(folders: Iterable[Path]) -> None:
    for folder in folders:
        for path in folder.glob(f"{PART}*") if folder.is_dir() else ():
            if not path.is_dir() or path.is_symlink():
                path.unlink(missing_ok=True)


def keep_only(folder: Path, names: set[str]) -> None:
    """Remove what an earlier run wrote to a folder and this one did not; a file that is not ours is never touched."""
    listing = folder / _LISTING
    try:
        earlier = set(listing.read_text(encoding="utf-8").splitlines())
    except (OSError, ValueError):
        earlier = set()
    for name in earlier - names:
        path = inside(folder, name)
        with suppress(OSError):  # a folder of that name is not ours
            if path is not None:
                path.unlink(missing_ok=True)
    write(listing, "\n".join(sorted(names)) + "\n")


def recall(file: Path, inputs: str) -> Any:
    """The value that `remember` kept of these inputs; None where there is none, or it is not what was written."""
    try:
        found = file.read_bytes()
        body = found[len(_head(inputs, b"")) : -len(_END)]
        return json.loads(body) if found == _head(inputs, body) + body + _END else None
    except DAMAGE:
        return None


def remember(file: Path, inputs: str, value: Any) -> Any:
    """Keep a value of plain data beside the digest of its inputs and its own; what `recall` will return is handed back."""
    body = json.dumps(value).encode()
    _make_way(file)
    write(file, _head(inputs, body) + body + _END)
    return json.loads(body)


def _head(inputs: str, body: bytes) -> bytes:
    """What stands before a value in its file; of the same length for the same inputs."""
    content = hashlib.sha256(body).hexdigest()
    return json.dumps({"inputs": inputs, "content": content})[:-1].encode() + b', "value": '


def put(folder: Path, out: Path) -> None:
    """The finished folder in its place, that which stood there away only then."""
    os.chmod(folder, 0o755)
    if not out.exists():
        os.rename(folder, out)
        return
    before = Path(tempfile.mkdtemp(dir=out.parent, prefix=PART)) / "before"
    os.rename(out, before)
    try:
        os.rename(folder, out)
    except OSError:
        os.rename(before, out)
        raise
    finally:
        shutil.rmtree(before.parent, ignore_errors=True)

"""The one memory of a build: what was made from the same inputs by the same code is read, not made again.

It is a folder of JSON files, each named by the digest of its inputs and holding that of its content: a build folder from
elsewhere is data and never code, and what was altered or damaged is made anew without a word.

What takes long and is not waited for, the checks by other engines, is made beside the build by one process of its own. It can
be begun before it is known whether there is something to check, as loading the engines takes as long as reading the tables.
Should that process die, the checks are made in the caller's, and a warning says so.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, Future
from contextlib import suppress
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from vfmeta.core.messages import warn
from vfmeta.evidence.beside import Beside
from vfmeta.evidence.folder import recall, remember

_PASSED = "passed"
HOME = Path(__file__).resolve().parents[1]


def digest(files: Iterable[Path], root: Path, libraries: Iterable[str] = (), code: str = "") -> str:
    """Digest of files, with their names below ``root``, of versions of libraries, and of what else the outcome hangs on."""
    return _digest(files, root, libraries, code, Path.read_bytes)


def _digest(files: Iterable[Path], root: Path, libraries: Iterable[str], code: str, content: Callable[[Path], bytes]) -> str:
    hashed, below = hashlib.sha256(code.encode()), len(str(root)) + 1
    for file in files:
        hashed.update(str(file)[below:].encode() + b"\0" + content(file))
    hashed.update(" ".join(f"{name} {_version(name)}" for name in libraries).encode())
    return hashed.hexdigest()


_version = cache(version)


@cache
def _content(file: Path) -> bytes:
    """Digest of a file of the code, which is part of several parts of it."""
    return hashlib.sha256(file.read_bytes()).digest()


@cache
def digest_of(parts: tuple[str, ...], libraries: tuple[str, ...]) -> str:
    """Digest of the Python files of parts of the package and of the versions of libraries they rest on: of the code that this
    process runs, which does not change under it.
    """
    paths = [HOME / part for part in parts]
    return _digest((f for p in paths for f in _sources(p)), HOME, libraries, "", _content)


@cache
def _sources(part: Path) -> list[Path]:
    return sorted(part.rglob("*.py")) if part.is_dir() else [part]


def _begin_beside() -> None:
    """In the process beside, whose death the build survives, compiled PyMC models are kept from build to build."""
    from vfmeta.bayes import kept

    kept.use()


def _load_engines() -> None:
    """Import what checks of any result need."""
    from vfmeta.bayes import versions
    from vfmeta.evidence import fit  # noqa: F401

    versions.load_nutpie()


class Cache:
    """Remembers below ``out/cache`` what pure functions of strings return, plain data, and counts what it did not have to make.

    Parameters
    ----------
    out : str or path
        Folder of a build.
    beside : bool
        Make what is asked for `ahead` in a process of its own, while the caller goes on.
    """

    def __init__(self, out: str | Path, *, beside: bool = False) -> None:
        self._folder = Path(out) / "cache"
        self._beside = beside
        self._pool: Beside | None = None
        self._offered: dict[str, Future[Any]] = {}
        self._read: dict[str, Any] = {}  # what was found when it was offered, until it is asked for
        self._warned = False
        self.asked = self.reused = 0

    def get(self, function: Callable[..., Any], *given: str) -> Any:
        """``function(*given)``, made or remembered; a digest of the code it runs is one of what is given."""
        key = _key(function, given)
        offered = self._offered.pop(key, None)
        if offered is None:
            key, known = self._known(function, given)
            return _made(self._folder, key, function, given) if known is None else known
        self.asked += 1  # and made in this build, here or there
        if not offered.cancel():
            with suppress(BrokenExecutor):
                return offered.result()
        return _made(self._folder, key, function, given)

    def offer(self, calls: Iterable[tuple[Any, ...]]) -> None:
        """Say what `get` will be asked for, in order: a process beside makes it from the end, until both meet."""
        if self._pool is None:
            return
        for function, *given in reversed(list(calls)):
            key = _key(function, given)
            if key in self._offered or key in self._read:
                continue
            if (known := recall(_file(self._folder, key), key)) is not None:
                self._read[key] = known
            else:
                self._offered[key] = self._pool.submit(_made, self._folder, key, function, given)

    def awaits(self, function: Callable[..., Any], *given: str) -> bool:
        """Whether it was offered and has to be made."""
        return _key(function, given) in self._offered

    def ahead(self, function: Callable[..., Any], *given: str) -> Callable[[], Any]:
        """The same, begun now and waited for when the returned function is called."""
        key, known = self._known(function, given)
        if known is not None or not self._beside:
            value = _made(self._folder, key, function, given) if known is None else known
            return lambda: value
        return self.aside(_made, self._folder, key, function, given)

    def aside(self, function: Callable[..., Any], *given: Any) -> Callable[[], Any]:
        """The same of any function of a module and whatever it takes, of which nothing is remembered."""
        if not self._beside:
            return lambda: function(*given)
        promised = self._open().submit(function, *given)

        def wait() -> Any:
            try:
                return promised.result()
            except BrokenExecutor:
                self._died()
                return function(*given)

        return wait

    def shared(self, calls: Sequence[tuple[Any, ...]]) -> Iterator[tuple[int, Any]]:
        """What `get` returns for each call, with its place among them: those remembered first, while others are made beside."""
        self.offer(calls)
        for i in sorted(range(len(calls)), key=lambda i: self.awaits(*calls[i])):
            yield i, self.get(*calls[i])

    def prepare(self, load: Callable[[], None] = _load_engines) -> None:
        """Begin the process beside, if there is to be one, and let it load its engines while the caller goes on."""
        if self._beside:
            self._open().submit(load)  # what goes wrong is met again when there is something to check

    def _open(self) -> Beside:
        if self._pool is None:
            self._pool = Beside(_begin_beside)
        return self._pool

    def _died(self) -> None:
        """Say once that what the process beside did not live to make is made here."""
        if not self._warned:
            from vfmeta.bayes import kept, sampled

            kept.forget(Path(sampled.__file__))  # if one of them was the cause, it will not be twice
            warn("The process that makes the checks beside the build died; this one makes them, with models compiled anew.")
            self._warned = True

    def knows(self, function: Callable[..., Any], *given: str) -> bool:
        """Whether `get` would be answered from a file; what is in it is looked at then."""
        return _file(self._folder, _key(function, given)).is_file()

    def passed(self) -> set[str]:
        """Digests of what passed a check in the last build, from `pass_on`; nothing is written by asking."""
        found = recall(_file(self._folder, _PASSED), _PASSED)
        return {x for x in found if isinstance(x, str)} if isinstance(found, list) else set()

    def pass_on(self, digests: Iterable[str]) -> None:
        """Remember the digests of what passed, in place of those of the last build."""
        remember(_file(self._folder, _PASSED), _PASSED, sorted(digests))

    def close(self) -> None:
        """End the process beside."""
        if self._pool is not None:
            self._pool.close()
            self._pool = None

    def said(self) -> str:
        """How much was reused, in words."""
        return f"reused {self.reused} of {self.asked} results"

    def _known(self, function: Callable[..., Any], given: Sequence[str]) -> tuple[str, Any]:
        """What a call is kept by, and what it returned, or None."""
        key = _key(function, given)
        known = self._read.pop(key, None)
        if known is None:
            known = recall(_file(self._folder, key), key)
        self.asked, self.reused = self.asked + 1, self.reused + (known is not None)
        return key, known


def _key(function: Callable[..., Any], given: Sequence[str]) -> str:
    named = (function.__module__, function.__qualname__, *given)
    return hashlib.sha256(json.dumps(named).encode()).hexdigest()


def _file(folder: Path, key: str) -> Path:
    return folder / f"{key}.json"


def _made(folder: Path, key: str, function: Callable[..., Any], given: Sequence[str]) -> Any:
    return remember(_file(folder, key), key, function(*given))

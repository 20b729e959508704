"""Files written whole or not at all; what cannot be written is named."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

PART = ".part-"  # how a file begins that is not whole yet; what a killed process leaves is known by it


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """A temporary file beside ``path`` that takes its place at the end; nothing is left of it when something goes wrong.

    Raises
    ------
    OSError
        It cannot be written (a full disk, a folder in its place): the error names ``path``, which stands as it was.
    """
    temporary: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=PART)
        os.close(handle)
        temporary = Path(name)
        yield temporary
        os.chmod(temporary, 0o644)  # mkstemp makes files that only their owner reads
        os.replace(temporary, path)
    except OSError as error:
        named = error.filename
        if error.errno is None or (named is not None and Path(named).parent != path.parent):
            raise
        raise OSError(error.errno, os.strerror(error.errno), str(path)) from error
    finally:
        if temporary is not None:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)


def write(path: Path, content: str | bytes) -> None:
    """Write whole or not at all; an equal file is left alone."""
    body = content.encode() if isinstance(content, str) else content
    with suppress(OSError):  # one that cannot be read is replaced
        if path.is_file() and path.read_bytes() == body:
            return
    with whole(path) as temporary:
        temporary.write_bytes(body)

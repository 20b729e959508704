"""Trial tables of a build: what passed the schema before, with the tables whose keys it names, is not held against it again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from vfmeta.evidence.cache import HOME, Cache, digest
from vfmeta.trials import Trials, schema
from vfmeta.trials.loading import faults_of, load_checked
from vfmeta.trials.problem import Problem

_CODE = ("trials/loading.py", "trials/schema.py", "trials/problem.py")


def load(folder: Path, cache: Cache) -> Callable[[], tuple[Trials, set[str]]]:
    """Tables read and checked as by `vfmeta.load_trials`; what Frictionless found in order is remembered in the cache.

    Frictionless is asked at once, in the process beside if there is one. The rules across tables and columns are held against
    every table every time: they are quick, and look everywhere.

    Returns
    -------
    callable
        Reads the tables: it returns them, and what is to be remembered by `Cache.pass_on` once the build is not refused.
    """
    code = digest([HOME / name for name in _CODE], HOME, ("frictionless",)) + repr(schema.package())
    current = {name: digest_of(name, folder, code) for name in schema.tables()}
    known = cache.passed()
    changed = [name for name, found in current.items() if found not in known]
    asked = cache.aside(_faults, folder, changed) if changed and folder.is_dir() else list
    return lambda: (load_checked(folder, lambda _: asked()), set(current.values()))


def _faults(folder: Path, changed: list[str]) -> list[Problem]:
    return faults_of(folder, changed)


def digest_of(table: str, folder: Path, code: str) -> str:
    """Digest of a table, of those its keys refer to, and of what checks them; a missing file has one of its own."""
    names = dict.fromkeys([table, *schema.references(table)])
    files = [folder / schema.tables()[name]["path"] for name in names]
    return digest((f for f in files if f.is_file()), folder, code=code)

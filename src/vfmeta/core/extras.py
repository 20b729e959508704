"""What the core does without, and which extra brings it.

The finder below comes last: it is asked only for what is not installed, and speaks only where vfmeta itself asked, so that an
import of yours, or of another library, fails as it always did.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from types import ModuleType

#: library -> extra of vfmeta that installs it
EXTRAS = {
    "pymc": "bayes",
    "pytensor": "bayes",
    "arviz": "bayes",
    "nutpie": "bayes",
    "frictionless": "report",
    "pydantic": "report",
    "jinja2": "report",
    "seaborn": "report",
    "bibtexparser": "sheets",
    "openpyxl": "sheets",
    "pyarrow": "sheets",
    "rdata": "sheets",
    "rispy": "sheets",
}


class MissingExtra(ModuleNotFoundError):
    """A library that an extra of vfmeta brings is not installed."""


class _Teller(MetaPathFinder):
    def find_spec(self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> None:
        extra = EXTRAS.get(fullname)
        if extra is not None and _asked_by_us():
            raise MissingExtra(
                f'This needs {fullname}, which is not installed. Run: pip install "vfmeta[{extra}]" '
                '("vfmeta[all]" brings everything).',
                name=fullname,
            )


def tell() -> None:
    """From now on a library that is missing says which extra brings it."""
    if not any(isinstance(finder, _Teller) for finder in sys.meta_path):
        sys.meta_path.append(_Teller())


def _asked_by_us() -> bool:
    frame = sys._getframe(2)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith("importlib"):
        frame = frame.f_back
    return str(frame.f_globals.get("__name__", "")).startswith("vfmeta.")

"""Templates of the pages, filled."""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vfmeta.core.messages import InputError
from vfmeta.evidence.cells import labelled
from vfmeta.text.answer import count

if TYPE_CHECKING:
    from jinja2 import BytecodeCache, Environment
    from jinja2.bccache import Bucket


@dataclass(frozen=True)
class Site:
    """What stands around every page: the name in its head, pages before and after those of ``nav``, the foot.

    ``packaged`` tells the review of this project, whose pages say what only it can say: of its disease, and of pain.
    """

    name: str
    kind: str
    first: tuple[tuple[str, str], ...]
    last: tuple[tuple[str, str], ...]
    footer: str
    question: str = ""
    packaged: bool = False


REVIEW = Site(
    name="Painful osteoporotic vertebral fractures",
    kind="a living review",
    first=(("index", "Overview"), ("context", "Without treatment")),
    last=(
        ("networks", "All together"), ("eligibility", "Eligibility"), ("methods", "Methods"),
        ("studies", "Studies and sources"),
    ),
    footer="Made by vfmeta from the trial tables; every number on this page is read from a computed record. Nothing here is "
    "medical advice.",
    question="Which treatment relieves the pain of an osteoporotic vertebral fracture?",
    packaged=True,
)  # fmt: skip


_SITE: ContextVar[Site] = ContextVar("site", default=REVIEW)


@cache
def environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    env = Environment(
        loader=PackageLoader("vfmeta.evidence"),
        bytecode_cache=_compiled(),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    env.filters["count"] = count
    # what is no web address (a note, a script) is shown and never linked
    env.filters["address"] = lambda url: url if re.fullmatch(r"https?://\S+", url) else ""
    return env


def _compiled() -> BytecodeCache | None:
    """Compiled templates, kept as Python keeps its own code: beside the source, or nowhere."""
    from importlib.metadata import version

    from jinja2 import FileSystemBytecodeCache

    class Kept(FileSystemBytecodeCache):
        def dump_bytecode(self, bucket: Bucket) -> None:
            with suppress(OSError):  # a folder that cannot be written to: compiled anew next time
                super().dump_bytecode(bucket)

    folder = Path(__file__).parent / "templates" / "__pycache__"
    with suppress(OSError):
        folder.mkdir(exist_ok=True)
    return None if sys.dont_write_bytecode or not folder.is_dir() else Kept(str(folder), f"jinja-{version('jinja2')}-%s.cache")


def render(template: str, **context: Any) -> str:
    """A template with what it is to show."""
    return labelled(environment().get_template(template).render(**{"site": _SITE.get(), **context}))


def site_now() -> Site:
    """What stands around the pages that are rendered now."""
    return _SITE.get()


@contextmanager
def named(site: Site) -> Iterator[None]:
    """Pages that are rendered meanwhile carry this name, unless they bring their own."""
    token = _SITE.set(site)
    try:
        yield
    finally:
        _SITE.reset(token)


def site_of(plans: Path) -> Site:
    """The name that ``site/site.toml`` of a folder of plans gives the review; that of the packaged one where there is none.

    Raises
    ------
    InputError
        The file is no TOML, or says something else than name, kind and question.
    """
    path = plans / "site" / "site.toml"
    if not path.is_file():
        return REVIEW
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"site.toml: not valid TOML ({error}). Correct the line named.") from error
    faults = [f"site.toml, {k}: write a text." for k, v in found.items() if not isinstance(v, str)]
    faults += [
        f"site.toml, {k}: unknown; it takes name, kind and question." for k in found if k not in ("name", "kind", "question")
    ]
    if faults:
        raise InputError(faults)
    first = tuple(x for x in REVIEW.first if x[0] != "context")
    return replace(REVIEW, first=first, packaged=False, **{"kind": "", "question": "", **found})


def file(name: str) -> str:
    """A file that pages link to, as it stands."""
    return (Path(__file__).parent / "templates" / name).read_text(encoding="utf-8")

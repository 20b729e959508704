"""Templates of the pages, filled."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vfmeta.evidence.cells import labelled
from vfmeta.text.answer import count

if TYPE_CHECKING:
    from jinja2 import Environment


@dataclass(frozen=True)
class Site:
    """What stands around every page: the name in its head, pages before and after those of ``nav``, the foot."""

    name: str
    kind: str
    first: tuple[tuple[str, str], ...]
    last: tuple[tuple[str, str], ...]
    footer: str


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
)  # fmt: skip


@cache
def environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    env = Environment(
        loader=PackageLoader("vfmeta.evidence"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    env.globals["site"] = REVIEW  # pages of a sheet bring their own
    env.filters["count"] = count
    # what is no web address (a note, a script) is shown and never linked
    env.filters["address"] = lambda url: url if re.fullmatch(r"https?://\S+", url) else ""
    return env


def render(template: str, **context: Any) -> str:
    """A template with what it is to show."""
    return labelled(environment().get_template(template).render(**context))


def file(name: str) -> str:
    """A file that pages link to, as it stands."""
    return (Path(__file__).parent / "templates" / name).read_text(encoding="utf-8")

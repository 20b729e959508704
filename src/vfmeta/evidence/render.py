"""Templates of the pages, filled."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vfmeta.evidence.cells import labelled
from vfmeta.text.answer import count

if TYPE_CHECKING:
    from jinja2 import Environment


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

"""A bar on the terminal that says what is being done now."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress


def ticking() -> Progress:
    """A bar with the task, how long it has run and, in the field ``now``, what it is at; silent where there is no terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), TextColumn("[dim]{task.fields[now]}"))
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)

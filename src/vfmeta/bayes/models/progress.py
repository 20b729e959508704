"""Progress of sampling on the terminal, shown by rich when asked for."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

from vfmeta.bayes import versions as compat


class Progress:
    """A bar over all chains; silent and free unless ``wanted``."""

    def __init__(self, name: str, settings: Mapping[str, int], wanted: bool) -> None:
        self._name = name
        self._bar: Any = None
        self._task: Any = None
        self._total = settings["chains"] * (settings["draws"] + settings["tune"])
        if wanted:
            from rich.console import Console
            from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
            from rich.progress import Progress as Rich

            columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
            self._bar = Rich(*columns, console=Console(stderr=True), transient=True)

    def __enter__(self) -> Self:
        if self._bar is not None:
            self._bar.start()
            self._task = self._bar.add_task(self._name, total=None)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._bar is not None:
            self._bar.stop()

    def stage(self, what: str) -> None:
        """Say what is being done."""
        if self._bar is not None:
            self._bar.update(self._task, description=f"{self._name}: {what}")

    def for_nutpie(self) -> dict[str, Any]:
        """What nutpie has to be told so that the bar moves; a version without callbacks leaves it pulsing."""
        if self._bar is None or "progress_callback" not in inspect.signature(compat.load_nutpie().sample).parameters:
            return {}
        return {"progress_callback": lambda chains: self._at(sum(c.finished_draws for c in chains)), "progress_rate": 100}

    def for_pymc(self) -> dict[str, Any]:
        """What PyMC has to be told so that the bar moves."""
        if self._bar is None:
            return {}
        done = 0

        def step(trace: Any, draw: Any) -> None:
            nonlocal done
            done += 1
            self._at(done)

        return {"callback": step}

    def _at(self, done: int) -> None:
        if self._bar is not None:
            self._bar.update(self._task, total=self._total, completed=done)

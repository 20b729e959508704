"""A small world of trials for the tests of tables and effect sizes: sound as it stands, broken one cell at a time."""

from __future__ import annotations

import csv
import gc
import itertools
import os
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before numpy: threads of small products only take turns with other workers

import pandas as pd
import pytest
from hypothesis import settings

import vfmeta as vf
from vfmeta.bayes import kept
from vfmeta.core import quarto
from vfmeta.evidence import tables
from vfmeta.trials import Problem, loading, schema
from vfmeta.trials.rules import broken_rules
from vfmeta.trials.store import assemble

settings.register_profile("vfmeta", deadline=None)  # a busy machine is no fault of an example
settings.load_profile("vfmeta")
kept.use()  # a model whose source has not changed is compiled once for all processes and runs


def asked_once(against_schema: Any) -> Any:
    """What Frictionless says of a table, a second if of all, asked once a process for the same bytes of it and of those its
    keys refer to.
    """
    said: dict[str, list[Problem]] = {}

    def faults_of(folder: Path, names: Any = None) -> list[Problem]:
        code = repr(schema.package())
        asked = {name: tables.digest_of(name, Path(folder), code) for name in (schema.tables() if names is None else names)}
        new = [name for name, key in asked.items() if key not in said]
        found = against_schema(folder, new) if new else []
        if any(p.file == "datapackage.json" for p in found):  # no table was looked at
            return list(found)
        for name in new:
            said[asked[name]] = [p for p in found if p.file == schema.tables()[name]["path"]]
        return [p for key in asked.values() for p in said[key]]

    return faults_of


tables.faults_of = loading.faults_of = asked_once(loading.faults_of)

INTERVENTIONS = {"drug": "medicine", "other_drug": "medicine", "cement": "procedure", "placebo": "placebo", "brace": "support"}
# instrument: lower end, upper end, whether higher is worse (empty where unknown)
INSTRUMENTS: dict[str, tuple[Any, Any, str]] = {
    "vas10": (0, 10, "true"), "vas100": (0, 100, "true"), "qol": (0, 50, "false"), "endless": ("", "", "true"),
    "mute": (0, 10, ""), "log": (0, 10, "true"),
}  # fmt: skip
# outcome: domain, kind, whether higher (or the event) is worse
OUTCOMES = {
    "pain": ("pain", "continuous", ""), "ache": ("pain", "continuous", "true"), "fracture": ("fracture", "binary", "true"),
    "responder": ("pain", "binary", "false"), "leak": ("harm", "binary", "true"), "sore": ("pain", "binary", "true"),
    "analysed": ("disposition", "binary", ""), "oddity": ("function", "binary", ""),
}  # fmt: skip
READ = {"source_id": "paper", "locator": "table 2", "reading": "agrees", "reading_source_id": "paper", "use": "pool"}


def as_text(table: str, rows: list[dict[str, Any]]) -> pd.DataFrame:
    columns = list(schema.fields(table))
    return pd.DataFrame([[str(row.get(c, "")) for c in columns] for row in rows], columns=columns, dtype="str")


@cache
def without_rows(table: str) -> pd.DataFrame:
    return as_text(table, [])


class World:
    """Tables under construction; every verb adds one row, with sound values for what is left out."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.count = itertools.count(1)
        self.tables: dict[str, list[dict[str, Any]]] = {name: [] for name in schema.tables()}
        self.add(
            "sources",
            source_id="paper",
            citation="A. Author. A paper. 2001.",
            url="https://example.org/paper",
            kind="primary_report",
        )
        for name, group in INTERVENTIONS.items():
            self.add(
                "interventions",
                intervention_id=name,
                name=name.replace("_", " "),
                intervention_class=group,
                review_intervention="true",
            )
        for name, (low, high, worse) in INSTRUMENTS.items():
            self.add(
                "instruments",
                instrument_id=name,
                name=name,
                construct="pain",
                scale_min=low,
                scale_max=high,
                higher_is_worse=worse,
            )
        for name, (domain, kind, worse) in OUTCOMES.items():
            self.add("outcomes", outcome_id=name, name=name, domain=domain, kind=kind, higher_is_worse=worse)

    def add(self, table: str, /, **cells: Any) -> str:
        """One row; names a column cannot have are an error of the test."""
        unknown = set(cells) - set(schema.fields(table))
        assert not unknown, f"{table} has no {unknown}"
        strange = {c: v for c, v in cells.items() if v != "" and schema.allowed(table, c) and v not in schema.allowed(table, c)}
        assert not strange, f"{table} does not allow {strange}"
        self.tables[table].append(cells)
        return str(cells.get("row_id", ""))

    def study(
        self, study_id: str, *arms: str, n: int | str = 50, design: str = "parallel_rct", cohort: str = "", year: int = 2001
    ) -> None:
        """A study with one arm for each intervention; an arm is named after it, ``name=intervention`` names it otherwise."""
        names = {"study_id": study_id, "cohort_id": cohort or study_id, "first_author": study_id.title()}
        self.add("studies", **names, year=year, design=design, blinding="open_label", phase="acute")
        for arm in arms:
            name, _, given = arm.partition("=")
            self.add("arms", study_id=study_id, arm_id=name, intervention_id=given or name, role="experimental", n_randomised=n)

    def _figure(self, table: str, cells: dict[str, Any], week: Any) -> str:
        when = {"time_value": "", "time_unit": ""} if week == "" else {"time_value": week, "time_unit": "week"}
        own = {"row_id": f"r{next(self.count)}", **READ, "time_kind": "visit", "analysis_set": "itt", **when}
        return self.add(table, **{**own, **cells})

    def mean(self, study_id: str, arm_id: str, mean: Any = "", sd: Any = "", n: Any = 20, week: Any = 12, **cells: Any) -> str:
        own = {"outcome_id": "pain", "instrument_id": "vas10", "value_type": "final"}
        return self._figure(
            "outcomes_continuous",
            {**own, "study_id": study_id, "arm_id": arm_id, "mean": mean, "sd": sd, "n": n, **cells},
            week,
        )

    def events(self, study_id: str, arm_id: str, events: Any, total: Any, week: Any = 12, **cells: Any) -> str:
        own = {"outcome_id": "fracture", "unit": "patient"}
        return self._figure(
            "outcomes_binary", {**own, "study_id": study_id, "arm_id": arm_id, "events": events, "total": total, **cells}, week
        )

    def contrast(
        self,
        study_id: str,
        experimental: str,
        control: str,
        estimate: Any,
        low: Any = "",
        high: Any = "",
        week: Any = 12,
        **cells: Any,
    ) -> str:
        own = {
            "outcome_id": "pain", "instrument_id": "vas10", "unit": "patient", "measure": "MD", "contrast_of": "final",
            "printed_as": "experimental_minus_control", "study_id": study_id, "arm_experimental": experimental,
            "arm_control": control, "estimate": estimate, "ci_low": low, "ci_high": high, "ci_level": 95 if low != "" else "",
        }  # fmt: skip
        return self._figure("contrasts", {**own, **cells}, week)

    def flag(self, table: str, row_id: str, flag: str) -> None:
        self.add("row_flags", table=table, row_id=row_id, flag=flag)

    def set(self, row_id: str, /, **cells: Any) -> None:
        """Change a figure already added."""
        row = next(r for name in schema.FIGURE_TABLES for r in self.tables[name] if r["row_id"] == row_id)
        row.update(cells)

    def write(self) -> Path:
        self.folder.mkdir(exist_ok=True)
        for name, resource in schema.tables().items():
            with (self.folder / resource["path"]).open("w", newline="", encoding="utf-8") as file:
                rows = csv.DictWriter(file, list(schema.fields(name)), restval="", lineterminator="\n")
                rows.writeheader()
                rows.writerows(self.tables[name])
        return self.folder

    def text(self) -> dict[str, pd.DataFrame]:
        """The tables as they would be read (`test_trials_files` goes through the files)."""
        return {name: as_text(name, rows) if rows else without_rows(name) for name, rows in self.tables.items()}

    def load(self) -> vf.Trials:
        """The tables held against the rules; `add` held them against the schema (Frictionless takes half a second a folder)."""
        text = self.text()
        frames = assemble(text)
        assert [str(p) for p in broken_rules(text, frames)] == []
        return vf.Trials(self.folder, frames)

    def broken(self) -> list[Problem]:
        """The rules that do not hold."""
        text = self.text()
        return broken_rules(text, assemble(text))

    def compare(
        self, experimental: Any = "drug", control: Any = "placebo", outcome: str = "pain", **options: Any
    ) -> vf.EffectTable:
        return vf.compare(self.load(), experimental, control, outcome=outcome, **options)


@pytest.fixture
def world(tmp_path: Path) -> World:
    """An empty world: vocabularies but no study."""
    return World(tmp_path / "tables")


@pytest.fixture
def quarto_says(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str, str], None]]:
    """Sets what Quarto tells its cells; whether it runs is asked once a process otherwise."""
    quarto.running.cache_clear()
    yield monkeypatch.setenv
    quarto.running.cache_clear()


@pytest.fixture(scope="session")
def packaged() -> vf.Trials:
    """The packaged tables, read once."""
    return vf.load_trials()


# files that meet in one process: they look at the same builds, or load PyMC and compile the same models
MODELS = ("agreement", "bayes_sampled", "models_")
# what is longest goes first, so that no worker is left alone with it at the end; the contract compiles nearly every kernel
FIRST = (
    "builds", "models", "test_contract.py", "test_boundaries.py", "test_trials_slips.py", "test_plots.py",
    "test_trials_rules.py", "test_bayes_checks.py", "test_bayes_engine.py",
)  # fmt: skip


@cache
def group(path: str) -> str:
    """Tests of one group meet in one process, so that builds and compiled models are made once."""
    file = Path(__file__).parents[1] / path
    if file.stem.removeprefix("test_").startswith(MODELS):
        return "models"
    return "builds" if '"evidence_builds"' in file.read_text(encoding="utf-8") else file.name


def file_of(nodeid: str) -> str:
    return nodeid.partition("::")[0]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:  # a build of the whole review, and a browser, take longer than all that is then looked at
        if {"real_build", "browser"} & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.slow)
    items.sort(key=lambda item: FIRST.index(found) if (found := group(file_of(item.nodeid))) in FIRST else len(FIRST))


def pytest_collection_finish() -> None:
    """Modules and tests stay to the end; looking through them for garbage again and again takes some 7% of the time."""
    gc.freeze()
    gc.set_threshold(200_000, 20, 100)


@pytest.hookimpl(optionalhook=True)  # asked by pytest-xdist
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    from xdist.scheduler import LoadScopeScheduling

    class Grouped(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return group(file_of(nodeid))

    return Grouped(config, log)

"""An analysis plan is data: one TOML file a question, checked before anything runs."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Sequence
from datetime import date
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Self, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from vfmeta.core.messages import InputError, did_you_mean
from vfmeta.core.params import (
    Design,
    Heterogeneity,
    Method,
    MissingSize,
    MultiArm,
    PrintedAs,
    Reporting,
    SingleZero,
    TableMeasure,
    Test,
    Use,
    choice,
)
from vfmeta.core.question import Question
from vfmeta.trials.schema import allowed, packaged_folder

# Pages of the review in the order they are read; a user's own plans may name others.
PAGES = {
    "calcitonin": "Calcitonin",
    "bisphosphonates": "Bisphosphonates, denosumab and strontium",
    "teriparatide": "Teriparatide and other anabolic drugs",
    "vertebroplasty": "Vertebroplasty",
    "kyphoplasty": "Kyphoplasty",
    "analgesics": "Analgesics and nerve blocks",
    "exercise": "Exercise",
    "orthoses": "Orthoses",
    "psychological_support": "Psychological support and education",
}

# Pages that every summary has; no page of a plan may take their names, nor the end of the tables of studies beside the results.
WHOLE = {
    "index": "Evidence summary",
    "context": "What happens without treatment",
    "eligibility": "Eligibility criteria",
    "methods": "Methods",
    "studies": "Studies and sources",
    "networks": "All treatments together",
}

Identifier = Field(pattern=r"^[a-z0-9][a-z0-9_]*$")


def _free(name: str) -> str:
    if name in WHOLE or name.endswith("_studies"):
        raise ValueError(f"{name!r} is a name that the pages and results keep for themselves; take another")
    return name


Name = Annotated[str, Identifier, AfterValidator(_free)]


P = TypeVar("P", bound="Strict")


class Strict(BaseModel):
    """A part of a plan: nothing that it does not know, nothing changed after it was read."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Prior(BaseModel):
    """A prior by family and parameters, such as ``{family = "HalfNormal", scale = 1.0}``: any of `vfmeta.priors`.

    The parameters are those of the family; `vfmeta.priors.stated` says more.
    """

    model_config = ConfigDict(extra="allow", frozen=True)

    family: str

    @model_validator(mode="after")
    def _coherent(self) -> Prior:
        from vfmeta.priors import stated as stated_priors

        _say(partial(stated_priors.check, self.model_dump()))
        return self


def _say(ask: Callable[[], Any], where: str = "") -> None:
    """Turn a fault of the house into one that pydantic gathers with all others."""
    try:
        ask()
    except InputError as error:
        raise ValueError(where + str(error).rstrip(".")) from error


def _forgiven(name: str, value: str, option: Any) -> str:
    try:
        return choice(name, value, option)
    except InputError:
        return value


class Scattered(Strict):
    """From where on trials are said to disagree: an I2 above ``i2`` (per cent) of ``k`` trials or more.

    Such a pool is shown with its prediction interval, with a t of ``df`` degrees of freedom between the trials, and without
    each trial in turn; no trial leaves it for its result.
    """

    i2: float = Field(default=75.0, gt=0, lt=100)
    k: int = Field(default=5, ge=3)
    df: float = Field(default=4.0, gt=2)


class Only(Strict):
    """A subset of the trials, by what is known of a trial before its results and by nothing else."""

    phase: tuple[str, ...] | None = Field(default=None, min_length=1)
    blinding: tuple[str, ...] | None = Field(default=None, min_length=1)

    @model_validator(mode="after")
    def _known(self) -> Self:
        for name, values in self.model_dump(exclude_none=True).items():
            known = allowed("studies", name)
            for value in values:
                if value not in known:
                    raise ValueError(f"{name}: {value!r} is none of {', '.join(known)}.{did_you_mean(value, known)}")
        return self


class Choices(Strict):
    """What an analysis asks of the tables and of the models; a sensitivity analysis restates only what it changes."""

    week: float | None = Field(default=None, ge=0)
    window: tuple[float, float] | None = None
    points: tuple[float, float] | None = None
    design: Design | None = None
    prefer: tuple[str, ...] | None = None
    background: tuple[str, ...] | None = None
    unit: tuple[str, ...] | None = None
    analysis_set: tuple[str, ...] | None = None
    time_kind: tuple[str, ...] | None = None
    use: tuple[Use, ...] | None = None
    multi_arm: MultiArm | None = None
    zero: SingleZero | None = None
    n_missing: MissingSize | None = None
    counts_from_percent: bool | None = None
    correlation: float | None = Field(default=None, gt=-1, lt=1)
    p_bound: bool | None = None
    assume_direction: PrintedAs | None = None
    assume_points: tuple[float, float] | None = None
    drop_flags: tuple[str, ...] | None = None
    exclude_studies: tuple[str, ...] | None = None
    exclude_rows: tuple[str, ...] | None = None
    only: Only | None = None
    reports: Reporting | None = None
    responders: tuple[str, ...] | None = None
    selective: bool | None = None
    equal_arms: bool | None = None
    method: Method | None = None
    test: Test | None = None
    model: Heterogeneity | None = None
    tau_prior: Prior | None = None
    mu_prior: Prior | None = None

    @model_validator(mode="before")
    @classmethod
    def _spelling(cls, data: Any) -> Any:
        """What the engines forgive is forgiven here; what they refuse is left for the message."""
        if not isinstance(data, dict):
            return data
        known = {"method": Method, "test": Test}
        return data | {k: _forgiven(k, data[k], option) for k, option in known.items() if isinstance(data.get(k), str)}

    @field_validator("points", "assume_points")
    @classmethod
    def _from_low_to_high(cls, points: tuple[float, float] | None) -> tuple[float, float] | None:
        if points is not None:
            _say(partial(Question, points=points))
        return points

    @field_validator("method")
    @classmethod
    def _weightless(cls, method: str | None) -> str | None:
        if method in ("GENQ", "GENQM"):
            raise ValueError(
                f"{method} estimates tau2 with weights of one's own, which a plan has no place for; choose another, such as "
                f'"DL" (with those of the inverse variances), or call vf.random_effects(..., method="{method}", weights=...)'
            )
        return method

    @model_validator(mode="after")
    def _priors(self) -> Self:
        from vfmeta.priors.stated import is_of_mu

        if self.tau_prior is not None and is_of_mu(self.tau_prior.family):
            raise ValueError(f"tau_prior: {self.tau_prior.family} is not a prior of tau")
        if self.mu_prior is not None and not is_of_mu(self.mu_prior.family):
            raise ValueError(f"mu_prior: {self.mu_prior.family} is not a prior of mu")
        return self

    def stated(self) -> dict[str, Any]:
        """Only what the plan states."""
        return {k: v for k, v in self.model_dump(exclude_none=True).items() if k in Choices.model_fields}


class Sensitivity(Choices):
    """One departure from the main analysis; with another measure it stands beside the main one and is not counted again."""

    id: str = Identifier
    title: str
    measure: TableMeasure | None = None


class Panel(Strict):
    """What a panel decided: the level of all ("low"), or the levels down of one ``domain`` (0, -1, -2)."""

    level: str | int
    reason: str = Field(min_length=1)
    date: str
    panel: str = Field(min_length=1)
    domain: str = ""

    @model_validator(mode="before")
    @classmethod
    def _dated(cls, data: Any) -> Any:
        """TOML has dates of its own."""
        is_date = isinstance(data, dict) and isinstance(data.get("date"), date)
        return data | {"date": data["date"].isoformat()} if is_date else data

    @model_validator(mode="after")
    def _known(self) -> Self:
        from vfmeta.appraisal.grade.panel import lines

        _say(partial(lines, self.model_dump()))
        return self


class Analysis(Choices):
    """One pool: an outcome, a time window, a measure. ``points`` of an SMD are the scale it is carried to."""

    id: Name
    title: str
    outcome: str
    measure: TableMeasure
    figure: str = Field(default="main", pattern=r"^[a-z0-9][a-z0-9_]*$")
    lead: bool = False
    higher_is_worse: bool | None = None
    mid_from: str | None = None
    note: str = ""
    panel: tuple[Panel, ...] = ()
    sensitivity: tuple[Sensitivity, ...] = ()

    @model_validator(mode="after")
    def _coherent(self) -> Analysis:
        if self.window is not None and (self.week is None or not self.window[0] <= self.week <= self.window[1]):
            raise ValueError(f"week {self.week} must lie inside window {self.window}")
        if len({s.id for s in self.sensitivity}) < len(self.sensitivity):
            raise ValueError("two sensitivity analyses share an id")
        self._priors_suit_the_measure("", self, self.measure)
        for i, s in enumerate(self.sensitivity):
            self._priors_suit_the_measure(f"sensitivity {i + 1} ({s.id}), ", s, s.measure or self.measure)
        return self

    def _priors_suit_the_measure(self, where: str, choices: Choices, measure: str) -> None:
        from vfmeta.priors import stated as stated_priors

        for name in ("tau_prior", "mu_prior"):
            prior = getattr(choices, name)
            if prior is not None:
                _say(partial(stated_priors.make, prior.model_dump(), measure), f"{where}{name}: ")


class Plan(Strict):
    """One question: population, interventions, comparators and its analyses."""

    id: Name
    title: str
    page: Name
    question: str
    population: str
    experimental: tuple[str, ...] = Field(min_length=1)
    control: tuple[str, ...] = Field(min_length=1)
    names: tuple[str, str]
    background: tuple[str, ...] | None = None
    design: Design = "randomised"
    rank: int = Field(default=9, ge=1)
    exclude: tuple[str, ...] = ()
    pools: tuple[str, ...] = ()
    note: str = ""
    scattered: Scattered = Scattered()
    analysis: tuple[Analysis, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _distinct(self) -> Plan:
        ids = [a.id for a in self.analysis]
        if len(set(ids)) < len(ids):
            raise ValueError(f"analyses share an id: {', '.join(sorted({i for i in ids if ids.count(i) > 1}))}")
        return self


def load_plan(path: str | Path) -> Plan:
    """Read and check one plan.

    Raises
    ------
    InputError
        The file is missing, is not TOML, or states something a plan does not know; every fault is named with its place.
    """
    return read_plan(Path(path), Plan)


def read_plan(path: Path, kind: type[P]) -> P:
    """A plan of this kind; its ``id`` is the name of the file."""
    if not path.is_file():
        raise InputError(f"{path.name}: there is no such plan. Name a .toml file, or use the folder with --plans.")
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path.name}: not valid TOML ({error}). Correct the line named.") from error
    try:
        plan = kind.model_validate(data)
    except ValidationError as error:
        # an item at fault is not a missing one, though pydantic says both
        faults = [e for e in error.errors() if e["type"] != "too_short" or not e["input"]] or error.errors()
        said = [
            f"{path.name}, {_place(e['loc'], data)}: {e['msg'].removeprefix('Value error, ')}{_given(e)}.{_nearest(e)}"
            for e in faults
        ]
        raise InputError(said) from error
    if (named := getattr(plan, "id", path.stem)) != path.stem:
        raise InputError(f"{path.name}, id: {named!r} must equal the file name; rename one of them.")
    return plan


def load_plans(folder: str | Path | None = None) -> list[Plan]:
    """All plans of a folder by page and rank (the packaged plans when left out)."""
    path = Path(folder) if folder is not None else packaged_folder("analyses")
    if not path.is_dir():
        raise InputError(f"{folder}: there is no such folder of plans.")
    files = sorted(path.glob("*.toml"))
    if not files:
        raise InputError(f"{folder or path.name}: the folder holds no .toml plan.")
    problems: list[str] = []
    plans: list[Plan] = []
    for file in files:
        try:
            plans.append(load_plan(file))
        except InputError as error:
            problems += error.problems
    if problems:
        raise InputError(problems)
    return sorted(plans, key=lambda p: (p.page, p.rank, p.id))


def pages_of(plans: Sequence[Plan]) -> list[tuple[str, str]]:
    """Pages and their titles in the order of the review; a page of a user's own plans comes after them."""
    used = {p.page for p in plans}
    own = sorted(used - set(PAGES))
    return [(p, t) for p, t in PAGES.items() if p in used] + [(p, p.replace("_", " ").capitalize()) for p in own]


def _place(loc: tuple[int | str, ...], data: dict[str, Any]) -> str:
    """A pydantic location as ``analysis 2 (pain_12_months), week``."""
    parts: list[str] = []
    here: Any = data
    for step in loc:
        try:
            here = here[step]
        except (KeyError, IndexError, TypeError):  # the place is missing, or is a type and not a key
            here = None
        if isinstance(step, int) and parts:
            name = f" ({here['id']})" if isinstance(here, dict) and "id" in here else ""
            parts[-1] += f" {step + 1}{name}"
        else:
            parts.append(str(step))
    return ", ".join(parts) or "plan"


def _nearest(error: Any) -> str:
    """The word that was probably meant, where a plan has one that is not known."""
    if error["type"] == "literal_error" and isinstance(error["input"], str):
        return did_you_mean(error["input"], re.findall(r"'([^']+)'", error["ctx"]["expected"]))
    if error["type"] == "extra_forbidden":
        return did_you_mean(str(error["loc"][-1]), {*Plan.model_fields, *Analysis.model_fields})
    return ""


def _given(error: Any) -> str:
    value = error.get("input")
    return f" (given: {value!r})" if isinstance(value, (str, int, float, bool)) else ""

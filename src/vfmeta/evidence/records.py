"""The computed record of one analysis: the one place that figure, table, page and sentence are made from."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vfmeta.core.messages import InputError
from vfmeta.core.question import Question
from vfmeta.evidence.folder import DAMAGE, inside
from vfmeta.results.fit import FrequentistResult
from vfmeta.results.leading import leading
from vfmeta.results.posterior import BayesianResult

if TYPE_CHECKING:
    from vfmeta.appraisal.second_engine import SecondPool
    from vfmeta.bayes.checks import LeaveOneOut, PredictiveCheck
    from vfmeta.bayes.partial import ReportsResult
    from vfmeta.bayes.scaling import PowerScaling
    from vfmeta.results.certainty import Certainty
    from vfmeta.results.risk_of_bias import RiskOfBias

RECORD_VERSION = 10


@dataclass(frozen=True)
class Record:
    """One analysis as computed; ``data`` is exactly what stands in its JSON file."""

    data: dict[str, Any]

    @property
    def plan(self) -> str:
        return self.data["plan"]["id"]

    @property
    def id(self) -> str:
        return self.data["analysis"]["id"]

    @property
    def title(self) -> str:
        return self.data["analysis"]["title"]

    @property
    def k(self) -> int:
        return len(self.data["studies"])

    @cached_property
    def question(self) -> Question:
        return Question.from_dict(self.data["question"])

    @cached_property
    def frequentist(self) -> FrequentistResult | None:
        found = self.data["results"]["frequentist"]
        return FrequentistResult.from_dict(found) if found else None

    @cached_property
    def posterior(self) -> BayesianResult | None:
        found = self.data["results"]["posterior"]
        return BayesianResult.from_dict(found) if found else None

    @property
    def lead(self) -> FrequentistResult | BayesianResult | None:
        """The result that page, figure and `changes` speak of; None without a usable figure."""
        return leading(self.frequentist, self.posterior)

    @cached_property
    def second(self) -> SecondPool | None:
        """The frequentist pool by statsmodels; None where nothing was pooled or it has no such pool."""
        from vfmeta.appraisal.second_engine import SecondPool

        found = self.data["results"]["second"]
        return None if not found or "refused" in found else SecondPool.from_dict(found)

    @cached_property
    def power_scaling(self) -> PowerScaling | None:
        """How much the prior decides."""
        from vfmeta.bayes.scaling import PowerScaling

        found = self._check("power_scaling")
        return PowerScaling.from_dict(found) if found else None

    @cached_property
    def leave_one_out(self) -> LeaveOneOut | None:
        """Each trial as the others predict it; None where nothing was pooled or the check was refused."""
        from vfmeta.bayes.checks import LeaveOneOut

        found = self._check("leave_one_out")
        return LeaveOneOut.from_dict(found) if found else None

    @cached_property
    def predictive_check(self) -> PredictiveCheck | None:
        """Replicated trials beside the real ones; None as above."""
        from vfmeta.bayes.checks import PredictiveCheck

        found = self._check("predictive_check")
        return PredictiveCheck.from_dict(found) if found else None

    def _check(self, name: str) -> dict[str, Any] | None:
        found = (self.data["results"]["checks"] or {}).get(name)
        return None if found is None or "refused" in found else found

    @cached_property
    def words(self) -> ReportsResult | None:
        """The second answer, with trials that print no figure; None where it was not asked for or cannot be given."""
        from vfmeta.bayes.partial import ReportsResult

        found = (self.data.get("words") or {}).get("result")
        return ReportsResult.from_dict(found["posterior"]) if found and "refused" not in found else None

    @cached_property
    def certainty(self) -> Certainty | None:
        """GRADE of the result that leads; None without a usable figure."""
        from vfmeta.results.certainty import Certainty

        found = self.data["certainty"]
        return Certainty.from_dict(found) if found else None

    @cached_property
    def bias(self) -> RiskOfBias | None:
        """Judgements of the trials, with what is known of those that nobody judged; None without a usable figure."""
        from vfmeta.results.risk_of_bias import RiskOfBias

        found = self.data["bias"]
        return RiskOfBias.from_dict(found) if found else None

    @property
    def refused_checks(self) -> list[str]:
        """Why a check could not be made."""
        checks = self.data["results"]["checks"] or {}
        return [found["refused"] for found in checks.values() if "refused" in found]

    @cached_property
    def sensitivity(self) -> list[Record]:
        """Sensitivity analyses that rest on other trials, figures or methods than the main one."""
        return [Record({**self.data, **s}) for s in self.data["sensitivity"] if not s["same_as_main"]]


def load_records(folder: str | Path = "build") -> list[Record]:
    """Records of a build, in the order of plans and analyses.

    Raises
    ------
    InputError
        Nothing was built there yet.
    """
    index = Path(folder) / "results" / "index.json"
    if not index.exists():
        raise InputError(f"{folder}: no results yet. Run 'make analyses' or 'vfmeta run' first.")
    try:
        names = json.loads(index.read_text(encoding="utf-8"))["records"]
        records = [Record(_read(index.parent, name)) for name in names]
        versions = {str(r.data["record_version"]) for r in records}
    except DAMAGE as error:
        raise InputError(f"{folder}: its results are damaged ({error}). Run 'vfmeta run' again.") from error
    if versions - {str(RECORD_VERSION)}:
        raise InputError(
            f"{folder}: its results were written by another version of vfmeta (record version "
            f"{', '.join(sorted(versions))}; this one reads {RECORD_VERSION}). "
            "Run 'vfmeta run' again; an old snapshot is read by the version that wrote it."
        )
    for name, record in zip(names, records, strict=True):
        try:
            _check(record)
        except (*DAMAGE, AttributeError) as error:
            said = f"its results are damaged ({name}: {type(error).__name__}, {error})"
            raise InputError(f"{folder}: {said}. Run 'vfmeta run' again.") from error
    return records


def _read(folder: Path, name: str) -> dict[str, Any]:
    path = inside(folder, name)
    if path is None or path.is_symlink():
        raise ValueError(f"{name!r} is no file of this folder")
    return json.loads(path.read_text(encoding="utf-8"))


def _check(record: Record) -> None:
    """Take out once everything that figures, pages and comparisons take from a record."""
    for part in (record, *record.sensitivity):
        for name in ("question", "frequentist", "posterior", "second", "power_scaling", "leave_one_out", "predictive_check"):
            getattr(part, name)
        if part is record:
            for name in ("certainty", "bias"):
                getattr(part, name)
        if part.words is not None and not math.isfinite(part.words.estimate):
            raise ValueError("a figure is no number")
        if not all(math.isfinite(study["estimate"] + study["se"]) for study in part.data["studies"]):
            raise ValueError("a figure is no number")
    if any(not isinstance(x, str) for x in (record.plan, record.id, record.title, record.data["answer"], record.data["why"])):
        raise ValueError("its texts are none")


def sections(records: list[Record]) -> Iterator[tuple[str, list[Record]]]:
    """Records of one plan by the figure they are drawn in: same group, measure, scale and direction share an axis."""
    groups: dict[tuple, list[Record]] = {}
    for record in records:
        q = record.question
        key = (record.data["analysis"]["figure"], q.measure, q.points, q.higher_is_worse, q.mid)
        groups.setdefault(key, []).append(record)
    names: dict[str, int] = {}
    for key, members in groups.items():
        names[key[0]] = names.get(key[0], 0) + 1
        drawn = [r for r in members if r.k]
        if drawn:
            yield f"{members[0].plan}-{key[0]}" + (f"-{names[key[0]]}" if names[key[0]] > 1 else ""), drawn

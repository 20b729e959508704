"""The risk without the treatment: the one home of every "of 100 people" that is said of a control group."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vfmeta.evidence.untreated.pools import OneGroup, shares

if TYPE_CHECKING:
    from vfmeta.evidence.cache import Cache
    from vfmeta.evidence.records import Record
    from vfmeta.trials import Trials

_TABLE = "outcomes_binary"
_NEAR = 4.0  # weeks between a visit and the count of the same follow-up


@dataclass(frozen=True)
class BaselineRisk:
    """The share of people with the event in the control arms of an analysis.

    ``rebuilt`` names the trials whose count was made from a printed percentage, ``missing`` those of the analysis that print
    neither for their control arm.
    """

    pool: OneGroup
    rebuilt: tuple[str, ...]
    missing: tuple[str, ...]


def baseline_risk(record: Record, trials: Trials, cache: Cache | None = None) -> BaselineRisk | None:
    """The risk in the control arms of the trials of an analysis of counts, pooled over them.

    Parameters
    ----------
    record : Record
        An analysis of an event, whatever its measure.
    trials : Trials
        The tables that it was made from. A trial that enters by a printed ratio has the counts of its arms there.
    cache : Cache, optional
        Of the build.

    Returns
    -------
    BaselineRisk or None
        None where no trial of the analysis says how many of its control arm had the event.
    """
    counts: dict[str, tuple[float, float]] = {}
    rebuilt, missing = [], []
    for study in record.data["studies"]:
        label = study["label"]
        found = _own(study) or _printed(record, study, trials)
        if found is None:
            missing.append(label)
            continue
        events, total, made = found
        if made:
            rebuilt.append(label)
        counts[label] = (events, total)
    if not counts:
        return None
    columns = [x for x, _ in counts.values()], [n for _, n in counts.values()]
    pool = shares(list(counts), *columns, record.question.outcome, cache=cache)
    return BaselineRisk(pool, tuple(rebuilt), tuple(missing))


def _own(study: dict[str, Any]) -> tuple[float, float, bool] | None:
    """The counts that entered the analysis; a share of a split arm is no arm."""
    events, total = study.get("events_control"), study.get("n_control")
    if events is None or not total or not float(events).is_integer() or not float(total).is_integer():
        return None
    return float(events), float(total), False


def _printed(record: Record, study: dict[str, Any], trials: Trials) -> tuple[float, float, bool] | None:
    """The counts of the control arm in the tables, at the follow-up of the analysis; events, people, made from a percentage."""
    given = trials.interventions_in(list(record.data["plan"]["control"]))
    arms = {arm for s, arm, intervention, _ in trials.arm_list if s == study["study_id"] and intervention in given}
    week, found = study.get("week"), []
    for r in trials.figures.get((_TABLE, study["study_id"], record.data["analysis"]["outcome"]), []):
        apart = 0.0 if r.week is None and week is None else _NEAR + 1 if None in (r.week, week) else abs(r.week - week)
        sound = r.unit == "patient" and r.reading != "single" and (_TABLE, r.row_id) not in trials.slips
        total = r.total or trials.arm_sizes.get((r.study_id, r.arm_id))
        if r.arm_id not in arms or apart > _NEAR or not sound or not total:
            continue
        if r.events is not None and r.total:
            found.append((False, apart, float(r.events), float(r.total)))
        elif r.percent is not None:
            found.append((True, apart, float(round(r.percent * total / 100)), float(total)))
    if not found:
        return None
    made, _, events, total = min(found, key=lambda x: x[:2])
    return events, total, made

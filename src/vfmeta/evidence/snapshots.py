"""Conclusions of a build in a small file that is committed: what a later build is compared with."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from vfmeta.core.files import write
from vfmeta.core.messages import InputError
from vfmeta.evidence import fit, points
from vfmeta.evidence.certain import answers
from vfmeta.evidence.records import Record
from vfmeta.text import numbers as tx
from vfmeta.text.answer import says
from vfmeta.text.certainty import moved_text

VERSION = 1
Snapshot = dict[str, dict[str, Any]]


def snapshot(records: Sequence[Record]) -> Snapshot:
    """Each analysis by ``plan/analysis``: name, trials with effect and standard error, what was found, answer, certainty."""
    return {
        f"{r.plan}/{r.id}": {
            "name": f"{r.data['plan']['title']}, {r.title}",
            # six digits: no rounding of another machine reaches them
            "trials": {s["label"]: f"{tx.short(s['estimate'], 6)} {tx.short(s['se'], 6)}" for s in r.data["studies"]},
            "found": found_text(r.lead),
            "says": _says(r.lead, r),
            "answer": r.data["answer"],
            "certainty": _certainty(r),
        }
        for r in records
    }


def _says(result: Any, record: Record) -> str:
    """What a result of an analysis says in a few words; empty without one."""
    return "" if result is None else says(points.in_points(result, record.data.get("points")))


def _certainty(record: Record) -> list[Any]:
    """The level as shown, and the answer of each domain."""
    level, domains = answers(record)
    return [level, [list(x) for x in domains]]


def found_text(result: Any) -> str:
    """An effect with its interval and how many trials it rests on."""
    if result is None:
        return "nothing to pool"
    effect = tx.effect_text(result.question, result.estimate, result.interval)
    return f"{effect} from {result.k} trial{'' if result.k == 1 else 's'}"


def compare(before: Snapshot, after: Snapshot, records: Sequence[Record] = ()) -> list[str]:
    """One line for each analysis whose trials or answer changed, came or went; none where nothing did.

    With the records of ``after`` like is held against like: the trials of before are pooled by engine and choices of now, so
    that what the trials moved is told apart from what their analysis (the model, or how an interval is made) did.
    """
    known = {f"{r.plan}/{r.id}": r for r in records}
    lines = [f"{old['name']}: no longer analysed." for key, old in before.items() if key not in after]
    for key, new in after.items():
        if key not in before:
            lines.append(f"{new['name']}: new. {new['answer']}")
        elif line := _moved(before[key], new):
            lines.append(line + (_apart(before[key], new, known[key]) if key in known else ""))
    return lines


def _apart(old: Mapping[str, Any], new: Mapping[str, Any], record: Record) -> str:
    """What trials did, and what the model did; and whether the conclusion is another one now."""
    before, after = old.get("says", ""), new.get("says", "")  # the oldest snapshots do not say it
    flipped = f"before, {before}; now, {after}." if before and after and before != after else ""
    if old["trials"] == new["trials"]:
        if old["found"] == new["found"]:
            return ""
        only = " The trials are the same: only how they are analysed moved it."
        return f"{only} The conclusion is another one by that alone: {flipped}" if flipped else only
    again, now = _again(old, record), record.lead
    told = ""
    if again is not None and old["found"] != found_text(again):
        told = f" Analysed as now, the trials of before give {found_text(again)}: how they are analysed moved the rest."
    if again is None or now is None:
        return told + (f" The conclusion is another one: {flipped}" if flipped else "")
    was, found = (_says(x, record) for x in (again, now))
    if was != found:
        told += f" The conclusion is another one, by its trials: before, {was}; now, {found}."
    elif flipped:
        told += f" The conclusion is another one, by how the trials are analysed: {flipped}"
    chances = [p for x in (again, now) if (p := getattr(x, "p_benefit", None)) is not None]
    if len(chances) == 2:
        first, second = (tx.probability_text(p).removeprefix("= ") for p in chances)
        told += f" Probability of benefit: {first} before, {second} now." if first != second else ""
    return told


def _again(old: Mapping[str, Any], record: Record) -> Any:
    """The trials of a snapshot as the plan of now pools them; None of fewer than two (one stands as its source prints it)."""
    held = [(name, *map(float, said.split())) for name, said in old["trials"].items()]
    return fit.lead_of(fit.table_of(record.question, held), record.data["choices"]) if len(held) > 1 else None


def _moved(old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    was, now = old["trials"], new["trials"]
    came, went = [x for x in now if x not in was], [x for x in was if x not in now]
    altered = [x for x in now if x in was and now[x] != was[x]]
    if not was and not now:
        return ""  # nothing to pool, before as now: how many trials are known without figures is no conclusion
    graded = moved_text(*((x["certainty"][0], [(a, b) for a, b in x["certainty"][1]]) for x in (old, new)))
    if not (came or went or altered or graded) and old["answer"] == new["answer"]:
        return ""
    kinds = {"added": came, "gone": went, "changed": altered}
    parts = [f"{kind} {', '.join(names)}" for kind, names in kinds.items() if names]
    moved = f" {graded[:1].upper()}{graded[1:]}." if graded else ""
    return f"{new['name']}: {'; '.join(parts) or 'same trials'}. Before: {old['found']}. Now: {new['found']}.{moved}"


def body(taken: Snapshot) -> str:
    """A snapshot as its file holds it: the same conclusions give the same bytes."""
    return json.dumps({"snapshot_version": VERSION, "analyses": taken}, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def keep(records: Sequence[Record], folder: Path) -> tuple[str, list[str]]:
    """Keep the conclusions of a build, unless the last snapshot holds the same, and compare them with those before.

    Parameters
    ----------
    records : sequence of Record
    folder : path
        Of files ``0001.json``, ``0002.json``, ... in the order they were taken.

    Returns
    -------
    str, list of str
        The file compared with, empty where there is none, and a line for each conclusion that moved since.

    Raises
    ------
    InputError
        The last snapshot is damaged, or of another version of this format.
    """
    taken = snapshot(records)
    written, known = body(taken), sorted(folder.glob("[0-9][0-9][0-9][0-9].json"))
    new = not known or not _same(read(known[-1]), taken)
    earlier = known if new else known[:-1]  # the last one may be of this very build: what is asked is what that changed
    before = read(earlier[-1]) if earlier else None
    if new:
        write(folder / f"{int(known[-1].stem) + 1 if known else 1:04d}.json", written)
    return ("", []) if before is None else (earlier[-1].name, compare(before, taken, records))


def _same(kept: Snapshot, taken: Snapshot) -> bool:
    """Whether a snapshot holds the conclusions of a build, as far as it says them."""
    return kept.keys() == taken.keys() and all(
        taken[key].get(name) == value for key, own in kept.items() for name, value in own.items()
    )


def last(folder: Path, records: Sequence[Record]) -> tuple[str, Snapshot]:
    """The last snapshot of other conclusions than these (the last one where all hold the same), and its name.

    Raises
    ------
    InputError
        There is none, or it is damaged.
    """
    taken, known = snapshot(records), sorted(folder.glob("[0-9][0-9][0-9][0-9].json"), reverse=True)
    if not known:
        raise InputError(f"{folder}: no snapshot. 'vfmeta report --snapshots {folder}' keeps them.")
    file = next((x for x in known if not _same(read(x), taken)), known[0])
    return file.name, read(file)


def read(file: Path) -> Snapshot:
    """The conclusions that a file keeps."""
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
        version, analyses = found["snapshot_version"], found["analyses"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{file.name}: the snapshot is damaged ({error}). Restore it from the history of the repository."
        ) from error
    if version != VERSION:
        raise InputError(
            f"{file.name}: a snapshot of version {version}; this program reads {VERSION}. Remove it or take it anew."
        )
    return analyses

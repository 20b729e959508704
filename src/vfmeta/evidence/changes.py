"""What a new trial did to the conclusions: two sets of records side by side."""

from __future__ import annotations

from vfmeta.evidence.certain import answers
from vfmeta.evidence.records import Record
from vfmeta.text import numbers as tx
from vfmeta.text.certainty import moved_text


def changes(before: list[Record], after: list[Record]) -> list[str]:
    """One line for each analysis whose trials or answer changed; a single line where nothing did.

    Parameters
    ----------
    before, after : list of Record
        From `vfmeta.evidence.load_records`.
    """
    old = {(r.plan, r.id): r for r in before}
    new = {(r.plan, r.id): r for r in after}
    lines = [f"{_name(record)}: no longer analysed." for key, record in old.items() if key not in new]
    for key, record in new.items():
        if key not in old:
            lines.append(f"{_name(record)}: new. {record.data['answer']}")
        elif line := _moved(old[key], record):
            lines.append(line)
    return lines or ["No conclusion changed."]


def _moved(old: Record, new: Record) -> str:
    was, now = ({s["label"]: (s["estimate"], s["se"]) for s in r.data["studies"]} for r in (old, new))
    came, went = [x for x in now if x not in was], [x for x in was if x not in now]
    altered = [x for x in now if x in was and now[x] != was[x]]
    if not was and not now:
        return ""  # nothing to pool, before as now: how many trials are known without figures is no conclusion
    graded = moved_text(answers(old), answers(new))
    if not (came or went or altered or graded) and old.data["answer"] == new.data["answer"]:
        return ""
    kinds = {"added": came, "gone": went, "changed": altered}
    parts = [f"{kind} {', '.join(names)}" for kind, names in kinds.items() if names]
    moved = f" {graded[:1].upper()}{graded[1:]}." if graded else ""
    return f"{_name(new)}: {'; '.join(parts) or 'same trials'}. Before: {_said(old)}. Now: {_said(new)}.{moved}"


def _name(record: Record) -> str:
    return f"{record.data['plan']['title']}, {record.title}"


def _said(record: Record) -> str:
    result = record.lead
    if result is None:
        return "nothing to pool"
    effect = tx.effect_text(record.question, result.estimate, result.interval)
    return f"{effect} from {record.k} trial{'' if record.k == 1 else 's'}"

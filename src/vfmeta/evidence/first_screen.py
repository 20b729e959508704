"""The first screen: one row an intervention, its effect on pain drawn and in words, and the map of where evidence is."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vfmeta.core.question import Question
from vfmeta.evidence import points
from vfmeta.evidence.box import known_trials, leader, nearest_pools, people, printed_and_turned
from vfmeta.evidence.certain import certainty_row, finding_of
from vfmeta.evidence.figures import map_counts
from vfmeta.evidence.provenance import pool_id, said_id, theirs_id
from vfmeta.evidence.strips import Mark, ends, key, strip
from vfmeta.results.findings import difference_text
from vfmeta.text import numbers as tx
from vfmeta.text.answer import count, says, verdict
from vfmeta.text.answer import trials as trials_text
from vfmeta.text.box import capital
from vfmeta.text.certainty import fewer_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vfmeta.evidence.plan import Plan
    from vfmeta.evidence.records import Record
    from vfmeta.trials import Trials

#: what the shapes mean, in the order of the legend
LEGEND = {
    "pool": "trials pooled here",
    "trial": "one trial alone",
    "words": "with trials that print no figure, from their words",
    "theirs": "pooled by another review, on the scale it printed",
}
#: what an answer of the first screen rests on, where it is no pool
_KINDS = {"trial": "One trial", "words": "From what trials say in words alone", "": "No figure that can be used"}
_HARMS = 1  # results on harms a row shows; all stand on the page of the intervention


@dataclass(frozen=True)
class Shown:
    """A result of the first screen: its mark, on the scale of ``question``, and the words beside it."""

    mark: Mark
    question: Question
    label: str
    effect: str


def answers(
    plans: Sequence[Plan], records: Sequence[Record], tables: Trials, pages: Sequence[tuple[str, str]]
) -> dict[str, Any]:
    """The rows of the first screen, its legend, and the records whose provenance stands behind them."""
    rows, behind = [], []
    for page, title in pages:
        own = [p for p in plans if p.page == page]
        rows.append(_row(own, [r for r in records if r.data["plan"]["page"] == page], title, tables))
        behind += rows[-1].pop("behind")
    every = [x for row in rows for x in row["shown"]]
    axes = {}
    for name in {_axis(x.question) for x in every}:
        of = [x for x in every if _axis(x.question) == name]
        axes[name] = ends([x.mark for x in of], of[0].question)
    for row in rows:
        row["drawn"] = _drawn(row["shown"], axes)
    used = {x.mark.shape for x in every}
    return {
        "rows": rows,
        "said": _in_one(rows),
        "important": _important_size(rows),
        "legend": [(key(s), words) for s, words in LEGEND.items() if s in used],
        "behind": behind,
    }


def _row(plans: Sequence[Plan], records: Sequence[Record], title: str, tables: Trials) -> dict[str, Any]:
    plan = plans[0]
    own = [r for r in records if r.plan == plan.id]
    lead = leader(own)
    shown = [x for x in (_ours(lead), _said(lead), _theirs(lead, plan, tables)) if x is not None]
    chance, chance_of = _important(lead)
    harms = [_harm(r, plan) for r in _harmful(own, records, tables)[:_HARMS]]
    known = known_trials(lead)
    first = shown[0].mark if shown else None
    behind: list[tuple[str, Any]] = [("effect", lead)] if lead.k else []
    behind += [("said", lead)] if any(x.mark.shape == "words" for x in shown) else []
    behind += [("theirs", (plan, x)) for x in shown if x.mark.shape == "theirs"]
    behind += [("effect", r) for r in _harmful(own, records, tables)[:_HARMS]]
    return {
        "page": plan.page,
        "plan": plan.id,
        "title": title,
        "against": f"{plan.names[0]} v {plan.names[1]}",
        "when": lead.title,
        "shown": shown,
        "words": _in_words(lead),
        "kind": next((x.mark.shape for x in shown if x.mark.shape != "theirs"), ""),
        "says": _says(lead),
        "chance": chance,
        "chance_of": chance_of,
        "chance_target": pool_id(lead) if lead.k else said_id(lead),
        "harms": harms,
        "certainty": certainty_row(lead) if lead.certainty is not None else None,
        "used": lead.k,
        "known": known,
        "people": people(lead) if lead.k else "",
        "others": len(plans) - 1,
        "sort": {
            "effect": "" if first is None else f"{first.estimate:.6g}",
            "chance": chance.lstrip("<> "),
            "people": (people(lead) if lead.k else "0").replace(",", "").split()[0],
        },
        "behind": behind,
    }


def _in_one(rows: Sequence[dict[str, Any]]) -> list[str]:
    """All rows in a few lines: what is pooled, what each kind of evidence says of which intervention, and how certain it is."""
    pooled = [r for r in rows if r["kind"] == "pool"]
    n = count(len(pooled)) if pooled else "None"
    lines = [
        f"{n} of {count(len(rows)).lower()} interventions {'has' if len(pooled) == 1 else 'have'} trials that can be pooled."
    ]
    lines += [f"{capital(r['against'])}: {r['words'][:1].lower()}{r['words'][1:]}" for r in pooled]
    groups: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        if row["kind"] != "pool":
            groups.setdefault((row["kind"], row["says"]), []).append(row["title"])
    for (kind, told), names in sorted(groups.items(), key=lambda x: (list(_KINDS).index(x[0][0]), x[0][1])):
        each = " each" if kind == "trial" and len(names) > 1 else ""
        lines.append(f"{_KINDS[kind]}{each}{', ' + told if told else ''}: {'; '.join(names)}.")
    return [*lines, _certainties(rows)]


def _certainties(rows: Sequence[dict[str, Any]]) -> str:
    """How certain the rows are, each level with the interventions it is given to."""
    levels: dict[str, list[str]] = {}
    for row in rows:
        levels.setdefault(row["certainty"]["shown"] if row["certainty"] else "not rated", []).append(row["title"])
    told = "; ".join(f"{level} for {count(len(of)).lower()}" for level, of in levels.items())
    settled = [r for r in rows if r["certainty"] and r["certainty"]["rating"]]
    return f"Certainty: {told}.{'' if settled else ' None is settled, as some domains are not judged.'}"


def _important_size(rows: Sequence[dict[str, Any]]) -> str:
    """From which size on a benefit is called important in the rows, where one size serves all."""
    sizes = {tx.important_text(x.question) for r in rows for x in r["shown"] if x.question.mid is not None}
    return sizes.pop() if len(sizes) == 1 else ""


def _axis(q: Question) -> str:
    return "ratio" if q.is_ratio else q.measure


def _drawn(shown: Sequence[Shown], axes: dict[str, tuple[float, float]]) -> list[dict[str, Any]]:
    """Results that share an axis in one strip, with what the axis measures."""
    out: list[dict[str, Any]] = []
    for name in dict.fromkeys(_axis(x.question) for x in shown):
        of = [x for x in shown if _axis(x.question) == name]
        svg = strip([x.mark for x in of], of[0].question, axes[name])
        unit = {"MD": "points", "SMD": "standard deviations"}.get(name, "ratio")
        out.append({"svg": svg, "unit": unit, "results": of})
    return out


def _ours(lead: Record) -> Shown | None:
    """The leading result; in points where standard deviations can be carried to them."""
    if lead.lead is None:
        return None
    judged = points.in_points(lead.lead, lead.data.get("points"))
    carried = "" if judged is lead.lead else ", carried to points"
    effect = tx.effect_text(judged.question, judged.estimate, judged.interval)
    label = f"{_count(lead.k)}{carried}"
    mark = Mark("pool" if lead.k > 1 else "trial", judged.estimate, judged.interval, f"{label}: {effect}", pool_id(lead))
    return Shown(mark, judged.question, label, effect)


def _count(k: int) -> str:
    return f"{k} trial{'' if k == 1 else 's'}"


def _said(lead: Record) -> Shown | None:
    """The answer with trials that print no figure, where it says enough for a number."""
    result = lead.words
    if result is None or result.too_little:
        return None
    judged = _words_judged(lead)
    effect = tx.effect_text(judged.question, judged.estimate, judged.interval)
    carried = "" if judged is result else ", carried to points"
    label = f"{_count(result.k)}, {int(result.partial.sum())} by words alone{carried}"
    mark = Mark("words", judged.estimate, judged.interval, f"{label}: {effect}", said_id(lead))
    return Shown(mark, judged.question, label, effect)


def _words_judged(lead: Record) -> Any:
    return points.in_points(lead.words, lead.data["words"]["spread"])  # type: ignore[arg-type]


def _theirs(lead: Record, plan: Plan, tables: Trials) -> Shown | None:
    """A pool of another review of the same outcome whose sign is known and whose interval was read."""
    wanted = lead.data["analysis"]["outcome"]
    for p in nearest_pools(lead, plan, tables):
        _, figures, worse = printed_and_turned(p, tables)
        if p.outcome_id != wanted or worse is None or figures is None or not all(map(math.isfinite, figures)):
            continue
        q = Question(measure="MD" if p.measure == "WMD" else p.measure, experimental=plan.names[0], control=plan.names[1],
                     outcome=tables.names("outcomes")[p.outcome_id], higher_is_worse=worse)  # fmt: skip
        estimate, low, high = (q.analysis(x) for x in figures)
        effect = tx.effect_text(q, estimate, (low, high))
        when = "" if not p.time_window else f", {p.time_window}"
        label = f"{short_citation(tables.source(p.source_id)['citation'])}{when}"
        mark = Mark("theirs", estimate, (low, high), f"{label}: {effect}", theirs_id(plan.id, p.pool_id))
        return Shown(mark, q, label, effect)
    return None


def short_citation(citation: str) -> str:
    """First words and year of a citation, as much as tells a source from others; the whole stands where it opens to."""
    year = re.search(r"\b(19|20)\d\d\b", citation)
    name = " ".join(re.split(r"[,.;(]| et al", citation)[0].split()[:2])
    return f"{name} {year[0]}" if year and year[0] not in name else name


def _important(lead: Record) -> tuple[str, str]:
    """Probability of an important benefit, and of which size; why there is none where there is none."""
    judged, whence = None, ""
    if lead.posterior is not None and lead.lead is lead.posterior:
        judged = points.in_points(lead.posterior, lead.data.get("points"))
    elif lead.k == 0 and lead.words is not None and not lead.words.too_little:
        judged, whence = _words_judged(lead), ", from words"
    if judged is not None and judged.p_benefit_mid is not None:
        chance = tx.probability_text(judged.p_benefit_mid).removeprefix("= ")
        return chance, f"of more than {tx.important_text(judged.question)}{whence}"
    if lead.k == 0:
        return "", "no usable figure"
    return "", "not computed from one trial" if lead.k == 1 else "no threshold is known"


def _harmful(own: Sequence[Record], page: Sequence[Record], tables: Trials) -> list[Record]:
    """Analyses of harms with a figure, of this comparison, else of others of the same page; larger ones first."""
    domain = dict(zip(tables.outcomes.outcome_id, tables.outcomes.domain, strict=True))
    for group in (own, page):
        found = [r for r in group if r.k and domain[r.data["analysis"]["outcome"]] == "harm"]
        if found:
            return sorted(found, key=lambda r: (not r.data["analysis"]["outcome"].startswith("serious"), -r.k))
    return []


def _harm(record: Record, plan: Plan) -> dict[str, str]:
    result, q = record.lead, record.question
    assert result is not None
    where = "" if (q.experimental, q.control) == plan.names else f" ({q.experimental} v {q.control})"
    people_of = q.measure == "RD"  # which nobody reads as a decimal
    return {
        "title": re.sub(r"\s*\(.*\)", "", record.title) + where,
        "measure": "" if people_of else f"{q.facts.words.lower()} ",
        "effect": _people_text(record) if people_of else tx.effect_text(q, result.estimate, result.interval),
        "k": trials_text(record.k),
        "target": pool_id(record),
    }


def _people_text(record: Record) -> str:
    """A difference of risks in people, as the summary of findings has it: nobody has fewer events than none."""
    found = finding_of(record)
    if found is not None and found.without is not None:
        return difference_text(found)
    assert record.lead is not None
    return fewer_text(record.lead.estimate, record.lead.interval)


def _in_words(lead: Record) -> str:
    """What the drawn intervals say, in words."""
    judged, before = _judged(lead)
    if judged is None:
        n = known_trials(lead)
        return f"No answer yet: {trials_text(n)} {'is' if n == 1 else 'are'} known, none with a figure that can be used."
    said = re.sub(r"^[\s;:,]+", "", verdict(judged))
    return f"{before}{said if before else capital(said)}."


def _says(lead: Record) -> str:
    """The same in a few words that may stand for several interventions."""
    judged, _ = _judged(lead)
    if judged is None:
        return ""
    q = judged.question
    sides = {
        f"in favour of {q.experimental}": "in favour of the intervention",
        f"in favour of {q.control}": "against the intervention",
    }
    return sides.get(says(judged), says(judged))


def _judged(lead: Record) -> tuple[Any, str]:
    """The result that the words are about, and what it rests on where that is no pool."""
    if lead.lead is not None:
        before = f"One trial ({lead.data['studies'][0]['label']}): " if lead.k == 1 else ""
        return points.in_points(lead.lead, lead.data.get("points")), before
    if lead.words is not None and not lead.words.too_little:
        return _words_judged(lead), "From words alone: "
    return None, ""


def gap_map(plans: Sequence[Plan], records: list[Record], tables: Trials, order: Sequence[str]) -> dict[str, Any]:
    """The map of the evidence as a table: a row a question, a column a domain, how many trials of how many known."""
    counts = map_counts(records, tables)
    page = {p.id: p.page for p in plans}
    domains = [d for d in order if any(d == c[2] for c in counts)]
    cells = {(plan, domain): (used, known) for plan, _, domain, used, known in counts}
    rows = []
    for plan, title in dict.fromkeys((c[0], c[1]) for c in counts):
        row = [cells.get((plan, d)) for d in domains]
        rows.append({"plan": plan, "page": page[plan], "title": title, "cells": [c and (*c, shade(c[0])) for c in row]})
    return {"domains": domains, "rows": rows}


def shade(used: int) -> int:
    """How dark a cell is: none, one, a few, several, many trials with a figure."""
    return sum(used >= least for least in (1, 2, 5, 10))

"""What a number opens to: the printed figure, each conversion, the citation; of a pool its trials, model and file."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from vfmeta.core.bias_tools import NOT_JUDGED
from vfmeta.evidence.bias import lights
from vfmeta.evidence.inline import Target
from vfmeta.evidence.strips import Mark, strip
from vfmeta.plots import axis
from vfmeta.plots.columns import lights_note
from vfmeta.plots.contents import Options, section_rows
from vfmeta.plots.rows import Row, Section, artist_label
from vfmeta.text import numbers as tx
from vfmeta.text.fit import heterogeneity_text, model_text, one_trial_text
from vfmeta.text.posterior import benefit_texts, priors_text
from vfmeta.text.trace import chain_lines

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vfmeta.core.question import Question
    from vfmeta.evidence.records import Record
    from vfmeta.results.risk_of_bias import RiskOfBias

_PLAIN = Options(plain=True)  # as pages draw them
_SHAPES = {"study": "trial", "pooled": "pool"}


def study_id(record: Record, study: str, variant: str = "") -> str:
    """Id of the provenance of a trial's effect in an analysis."""
    return "-".join(x for x in ("from", record.plan, record.id, variant, study) if x)


def pool_id(record: Record, variant: str = "") -> str:
    """Id of the provenance of an analysis' result."""
    return study_id(record, "result", variant)


def said_id(record: Record, study: str = "result") -> str:
    """Id of the provenance of what a trial says without a figure, or of the answer with such trials."""
    return f"said-{record.plan}-{record.id}-{study}"


def theirs_id(plan: str, pool: str) -> str:
    """Id of the provenance of a pool of another review beside a plan."""
    return f"theirs-{plan}-{pool}"


def effect_view(record: Record) -> dict[str, Any]:
    """An analysis down to its sources: its result, each trial, and each sensitivity analysis of it."""
    known = {s["study_id"]: s for s in record.data["studies"]}
    variants = []
    for s in record.sensitivity:
        if s.k:
            own = [x for x in s.data["studies"] if known.get(x["study_id"]) != x]
            variants.append({"pool": pool_view(s, s.data["id"], known), "studies": _studies(s, own, s.data["id"])})
    return {
        "title": record.title,
        "question": record.data["plan"]["title"],
        "measure": tx.measure_text(record.question),
        "pool": pool_view(record) if record.k else None,
        "studies": _studies(record, record.data["studies"]) if record.k else [],
        "variants": variants,
        "note": record.data["analysis"].get("note", ""),
    }


def _studies(record: Record, wanted: Sequence[dict[str, Any]], variant: str = "") -> list[dict[str, Any]]:
    assert record.frequentist is not None
    q, fit = record.question, record.frequentist
    places = {s["study_id"]: i for i, s in enumerate(record.data["studies"])}
    out = []
    for s in wanted:
        i = places[s["study_id"]]
        arms = [tx.arm_text(s[f"n_{side}"], s[f"events_{side}"]) for side in ("experimental", "control")]
        out.append(
            {
                "id": study_id(record, s["study_id"], variant),
                "study_id": s["study_id"],
                "label": s["label"],
                "reading": s["reading"],
                "effect": tx.effect_text(q, float(fit.y[i]), fit.study_interval(i)),
                "weight": tx.weight_text(float(fit.weights[i])),
                "arms": " v ".join(arms),
                "lines": chain_lines(s["printed"], s["steps"], s["unused"]),
                "links": [{"id": x, **record.data["sources"][x]} for x in s["sources"]],
            }
        )
    return out


def pool_view(record: Record, variant: str = "", main: dict[str, dict[str, Any]] | None = None) -> dict[str, Any]:
    """The result of an analysis, or of a sensitivity analysis: numbers, model, trials with their weights.

    ``main`` are the trials of the main analysis, whose provenance serves where figures are the same.
    """
    fit, post, q = record.frequentist, record.posterior, record.question
    assert fit is not None
    lines = [
        ("result", f"{tx.measure_text(q)} {tx.effect_text(q, fit.estimate, fit.interval)}; {_first_lower(one_trial_text())}")
    ]
    if record.k > 1:
        lines = [("pool", f"{model_text(fit)}: {tx.effect_text(q, fit.estimate, fit.interval)}; {heterogeneity_text(fit)}")]
        if post is not None:
            shown = [f"Bayesian: {tx.effect_text(q, post.estimate, post.interval)}", *benefit_texts(post), priors_text(post)]
            lines.insert(0 if record.lead is post else 1, ("pool", "; ".join(x for x in shown if x)))
    trials = []
    for i, s in enumerate(record.data["studies"]):
        same = main is not None and main.get(s["study_id"]) == s
        weight = f", weight {tx.weight_text(float(fit.weights[i]))}" if record.k > 1 else ""
        shown_effect = tx.effect_text(q, float(fit.y[i]), fit.study_interval(i))
        target = study_id(record, s["study_id"], "" if same else variant)
        trials.append({"id": target, "label": s["label"], "said": f"{shown_effect}{weight}"})
    title = record.title if not variant else f"{record.title}: {record.data['title']}"
    return {"id": pool_id(record, variant), "title": title, "lines": lines, "trials": trials}


def targets(group: Sequence[Record]) -> dict[str, Target]:
    """Where the rows of the forest plot of these records lead, by the names of what is drawn for them."""
    out: dict[str, Target] = {}
    for record, rows in zip(group, _rows(group), strict=True):
        ids = {s["label"]: s["study_id"] for s in record.data["studies"]}
        for row in rows:
            target = study_id(record, ids[row.key]) if row.kind == "study" else pool_id(record)
            out[artist_label(row)] = Target(target, f"{row.label}: {row.effect}".strip(": ") or record.title)
    return out


def words_targets(record: Record) -> dict[str, Target]:
    """The same of the plot with trials that print no figure."""
    ids = {s["label"]: study_id(record, s["study_id"]) for s in record.data["studies"]}
    ids |= {r["label"]: said_id(record, r["study_id"]) for r in record.data["words"]["trials"]}
    out = {}
    for row in _words_rows(record):
        target = ids[row.key] if row.kind == "study" else said_id(record)
        out[artist_label(row)] = Target(target, f"{row.label}: {row.effect}".strip(": ") or record.title)
    return out


def figure_table(group: Sequence[Record]) -> dict[str, Any]:
    """A forest plot as a table: its rows in its words, each interval drawn on the axis they share, lights as words."""
    parts = [(r.title, r.k > 1, rows) for r, rows in zip(group, _rows(group), strict=True)]
    return _table(parts, targets(group), group[0].question, lights([r.bias for r in group]))


def words_table(record: Record) -> dict[str, Any]:
    """The same of the plot with trials that print no figure; of such a trial the reach of its words is drawn."""
    return _table([(record.title, False, _words_rows(record))], words_targets(record), record.question, None)


def _table(
    parts: Sequence[tuple[str, bool, list[Row]]], named: dict[str, Target], q: Question, judged: RiskOfBias | None
) -> dict[str, Any]:
    limits = axis.limits([r for _, _, rows in parts for r in rows], q)
    said = {} if judged is None else _lights(judged)
    sections: list[dict[str, Any]] = []
    for title, weighed, rows in parts:
        shown = [r for r in rows if r.kind in (*_SHAPES, "prediction")]
        last = len(shown) - 1
        lines = []
        for i, row in enumerate(shown):
            target = named[artist_label(row)].id
            mark, study = _mark(row, target), row.kind == "study"
            drawn = "" if mark is None else strip([mark], q, limits, ticks=i == last)
            weight = tx.weight_text(row.weight) if study and weighed else ""
            arms = [row.cells.get(f"arm{side}", "") for side in (0, 1)]
            name = f"{row.label} {row.marks}".strip()
            lines.append(
                {"label": name, "arms": arms, "weight": weight, "effect": row.effect, "drawn": drawn, "target": target,
                 "study": study, "bias": said.get(row.key, NOT_JUDGED.word) if study else ""}
            )  # fmt: skip
        sections.append({"title": title, "rows": lines})
    return {
        "measure": tx.measure_text(q),
        "sides": (q.experimental, q.control),
        "sections": sections,
        "weighed": any(row["weight"] for s in sections for row in s["rows"]),
        "tool": "" if judged is None else judged.tool,
        "key": "" if judged is None else lights_note(judged),
    }


def _lights(judged: RiskOfBias) -> dict[str, str]:
    """The lights of each trial in words: the overall judgement, and each level with its domains by their numbers."""
    out = {}
    for label, overall, words in zip(judged.labels, judged.overall, judged.judgements, strict=True):
        at = [(level.word, [f"D{i}" for i, x in enumerate(words, 1) if x == level.word]) for level in judged.instrument.levels]
        told = [f"{overall} overall"] if overall else []
        out[label] = "; ".join([*told, *(f"{word} {', '.join(of)}" for word, of in at if of)]) or NOT_JUDGED.word
    return out


def _mark(row: Row, target: str) -> Mark | None:
    """What is drawn of a row: its interval, or the limits between which the estimate of a trial without one lay."""
    if row.reach is not None:
        return Mark("words", math.nan, row.reach[:2], row.effect, target)
    return None if row.interval is None else Mark(_SHAPES.get(row.kind, "span"), row.estimate, row.interval, row.effect, target)


def _words_rows(record: Record) -> list[Row]:
    result = record.words
    assert result is not None
    return section_rows(Section("", None, result), 0, _PLAIN)


def _rows(group: Sequence[Record]) -> list[list[Row]]:
    """The rows that `vfmeta.plots.forest` draws for each record."""
    return [section_rows(Section(r.title, r.frequentist, r.posterior), i, _PLAIN) for i, r in enumerate(group)]


def _first_lower(text: str) -> str:
    return text[:1].lower() + text[1:]

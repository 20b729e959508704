"""Certainty of the analyses of a plan, and the summary of findings that a page shows of it."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from vfmeta.appraisal.findings import summary_of_findings
from vfmeta.appraisal.grade.thresholds import limit, table
from vfmeta.appraisal.grade.upward import UPWARD
from vfmeta.appraisal.graded import certainty
from vfmeta.core.grading import DOMAINS
from vfmeta.evidence.bias import bias_of, by_judgement
from vfmeta.evidence.box import leader, left_out_of, randomised_in
from vfmeta.evidence.cache import digest_of
from vfmeta.evidence.untreated.baseline import baseline_risk
from vfmeta.results.certainty import step
from vfmeta.results.codec import read_result
from vfmeta.results.findings import COLUMNS, letter
from vfmeta.results.risk_of_bias import RiskOfBias
from vfmeta.text.certainty import UNSETTLED, level_text, points_text

if TYPE_CHECKING:
    from vfmeta.evidence.cache import Cache
    from vfmeta.evidence.records import Record
    from vfmeta.results.findings import Finding
    from vfmeta.trials import Trials


_CODE = (
    "appraisal",
    "bayes",
    "core",
    "frequentist",
    "kernels",
    "priors",
    "results",
    "text",
    "evidence/bias.py",
    "evidence/certain.py",
)


def certainty_of(record: Record, trials: Trials, cache: Cache | None = None) -> dict[str, Any]:
    """Judgements of bias and the certainty of the result that leads an analysis, as plain data; None without a figure."""
    fit, studies = graded(record), record.data["studies"]
    if fit is None:
        return {"bias": None, "certainty": None, "by_judgement": []}
    bias = bias_of(studies, trials)
    out = left_out_of(record)
    people = randomised_in(out, trials)
    unread = {x["label"]: people.get(study) for study, x in out.items() if x["label"] not in fit.labels}
    risk = baseline_risk(record, trials, cache) if record.question.measure in ("RR", "OR", "RD") else None
    base = None if risk is None or not 0 < risk.pool.shown[0] < 1 else float(risk.pool.shown[0])
    whose = "" if risk is None or base is None else f"that of the {risk.pool.people:,.0f} people in the control arms"
    options = {
        "unread": unread, "design": record.data["choices"]["design"], "baseline_risk": base, "baseline_from": whose,
        "panel": [{k: v for k, v in line.items() if v != ""} for line in record.data["analysis"].get("panel", ())],
    }  # fmt: skip
    inputs = json.dumps({"fit": graded_data(record), "bias": bias.to_dict(), "options": options}, ensure_ascii=False)
    found = argued(inputs, "") if cache is None else cache.get(argued, inputs, digest_of(_CODE, ("numpy", "scipy")))
    return {"bias": bias.to_dict(), **found}


def argued(inputs: str, code: str) -> dict[str, Any]:
    """The certainty of a result, and its pools by judgement of bias, as plain data; ``code`` only tells versions apart."""
    given = json.loads(inputs)
    fit, bias = read_result(given["fit"]), RiskOfBias.from_dict(given["bias"])
    return {
        "certainty": certainty(fit, bias=bias, **given["options"]).to_dict(),
        "by_judgement": by_judgement(fit, bias),
    }


def graded(record: Record) -> Any:
    """The result that leads an analysis; a standardised one knows the threshold in points, where trials carry it to them."""
    fit, spread = record.lead, record.data.get("points")
    if fit is None or not spread or not spread["mid"] or fit.question.measure != "SMD":
        return fit
    low, high = spread["points"]
    source = (
        f"{spread['mid']:g} points of {low:g} to {high:g} at a standard deviation of {spread['sd']:.2g}; {spread['mid_source']}"
    )
    return replace(fit, question=replace(fit.question, mid=spread["mid"] / spread["sd"], mid_source=source))


def graded_data(record: Record) -> dict[str, Any]:
    """The same as plain data, which the record holds already."""
    lead, fit = record.lead, graded(record)
    found = record.data["results"]["posterior" if lead is record.posterior else "frequentist"]
    return found if fit is lead else {**found, "question": fit.question.to_dict()}


def chosen(own: list[Record]) -> list[Record]:
    """The analyses of a summary of findings: the leading one, then the first of each other outcome, at most seven."""
    with_figure = [r for r in own if r.certainty is not None]
    order = sorted(with_figure, key=lambda r: r is not leader(own))
    first: dict[str, Record] = {}
    for r in order:
        first.setdefault(r.data["analysis"]["outcome"], r)
    return list(first.values())[: int(limit("outcomes_most"))]


def findings_of(own: list[Record]) -> Any:
    """The summary of findings of a plan; None where no analysis has a figure."""
    rows = [_finding(r) for r in chosen(own)]
    return summary_of_findings(rows, title=own[0].data["plan"]["title"]) if rows else None


def finding_of(record: Record) -> Finding | None:
    """The row of one analysis in a summary of findings; None without a figure."""
    return None if record.certainty is None else summary_of_findings([_finding(record)]).findings[0]


def _finding(record: Record) -> dict[str, Any]:
    return {"fit": graded(record), "certainty": record.certainty, "outcome": record.title, "absolute": _points(record)}


def _points(record: Record) -> str:
    """A standardised difference in points, where trials print what carries it there."""
    lead, spread = record.lead, record.data.get("points")
    if not spread or lead is None:
        return ""
    return points_text(lead.estimate, lead.wider_interval, spread["sd"], tuple(spread["points"]))


def view(own: list[Record]) -> dict[str, Any] | None:
    """What a page shows of the certainty of a plan: a line an analysis, the arguments of the leading one, the table."""
    found = findings_of(own)
    if found is None:
        return None
    told = {r.id: certainty_row(r) for r in own if r.certainty is not None}
    lead = leader(own)
    first = lead if lead.certainty is not None else chosen(own)[0]
    # a column that is empty, or says of every outcome that nothing is settled, says nothing; the caption has the latter
    cells = found.cells()
    said = [i for i in range(len(COLUMNS)) if any(row[i] not in ("", UNSETTLED) for row in cells)]
    return {
        "lead": told[first.id],
        "told": list(told.values()),
        "apart": [r for r in told.values() if r["by_judgement"]],
        "columns": [COLUMNS[i] for i in said],
        "rows": [[row[i] for i in said] for row in cells],
        "notes": [(letter(i), x) for i, x in enumerate(found.notes)],
        "thresholds": sorted({k for r in told.values() for k in r["thresholds"]}, key=list(table()).index),
        "table": table(),
    }


def certainty_row(record: Record) -> dict[str, Any]:
    """The certainty of one analysis for a page: ``shown`` ("low", "at most moderate"), ``open`` (not judged), arguments."""
    found = record.certainty
    assert found is not None
    panel = {line.domain: line for line in found.panel}
    return {
        "title": record.title,
        "rating": found.rating,
        "shown": level_text(found.rating) if found.rating else f"at most {found.at_most}",
        "open": [f"{d.name} {d.short}" for d in found.open] if not found.rating else [],
        "answers": [(d.name, step(d.suggestion, d.short), panel.get(d.name)) for d in found.domains],
        "arguments": [*(found.argument(name) for name in DOMAINS), *([found.upward] if found.upward else [])],
        "overruled": found.sentences()[-2] if found.overruled else "",
        "known": _known(record),
        "differ": record.bias.warnings if record.bias else (),
        "tool": record.bias.tool if record.bias else "",
        "by_judgement": record.data["by_judgement"],
        "thresholds": [*(k for d in found.domains for k in d.thresholds), *(UPWARD if found.upward else ())],
    }


def _known(record: Record) -> list[tuple[str, str]]:
    """Trials that nobody judged overall, with what is known of them."""
    bias = record.bias
    if bias is None:
        return []
    return [(label, said[-1]) for label, word, said in zip(bias.labels, bias.overall, bias.support, strict=True) if not word]


def answers(record: Record) -> tuple[str, list[tuple[str, str]]]:
    """Level and answers of an analysis, for saying how they moved; of one without a figure nothing."""
    found = record.certainty
    if found is None:
        return "not rated", []
    told = {line.domain: step(int(line.level), "") for line in found.panel if line.domain}
    said = [(d.name, told.get(d.name, "not judged" if d.suggestion is None else step(d.suggestion, ""))) for d in found.domains]
    panel = [("the panel", str(found.overruled.level))] if found.overruled else []
    return found.rating or f"at most {found.at_most}", [*said, *panel]

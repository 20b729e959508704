"""The second answer of an analysis: with trials that print no figure, beside the strict one and never in its place."""

from __future__ import annotations

import json
import math
import warnings
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from vfmeta.core.messages import InputError, VfmetaWarning
from vfmeta.core.origin import LeftOut
from vfmeta.core.question import Question
from vfmeta.effects.effect import Effect
from vfmeta.effects.table import EffectTable
from vfmeta.effects.words import Report, Words, says
from vfmeta.evidence import points
from vfmeta.priors.instrument_sd import InstrumentSD
from vfmeta.text import numbers as tx
from vfmeta.text.answer import count
from vfmeta.text.trace import chain_lines

if TYPE_CHECKING:
    from collections.abc import Callable

    from vfmeta.bayes.partial import ReportsResult
    from vfmeta.evidence.records import Record

TITLE = "With trials that print no figure"
#: SD of the prior of the mean effect, N(0, 2 points) on a scale of 0 to 10
MU_SD = 2.0
ASSUMES = (
    "It takes for granted that a trial would have printed its words whichever way they fell, and that each is of the visit "
    "nearest to the time asked for."
)


def inputs_of(table: EffectTable, choices: dict[str, Any], spread: dict[str, Any] | None = None) -> str | None:
    """All that the answer depends on, as canonical JSON; None where no trial says anything in words.

    ``spread`` is what carries an SMD to points (`points.spreads_of`), if anything does.
    """
    if table.words is None or not table.words.reports:
        return None
    ends, unit = table.question.points or (0, 10), 1.0
    if table.question.measure == "SMD":
        ends, unit = (spread["points"], spread["sd"]) if spread else ((0, 10), math.exp(InstrumentSD().centre))
    payload = {
        "question": table.question.to_dict(),
        "effects": [vars(e) for e in table],
        "reports": [vars(r) for r in table.words.reports],
        "sds": list(table.words.sds),
        "tau_prior": choices.get("tau_prior"),
        "mu_sd": MU_SD * (ends[1] - ends[0]) / 10 / unit,
    }
    return json.dumps(payload, sort_keys=True, ensure_ascii=False)


def answers(inputs: str, code: str) -> dict[str, Any]:
    """The pool of figures and words, and how much it rests on the words, as plain data.

    Parameters
    ----------
    inputs : str
        From `inputs_of`.
    code : str
        Digest of code and libraries; it takes no part in the computation.

    Returns
    -------
    dict
        ``posterior``, a result's ``to_dict()``; ``rests_on``, rows on the answer without each part of the words, under other
        priors, and at several SDs where one is assumed; ``sds``, rows on the SD of a further trial by instrument. Or
        ``refused`` with the reason.
    """
    from vfmeta import bayes, priors
    from vfmeta.evidence import fit

    data = json.loads(inputs)
    table = EffectTable(
        Question.from_dict(data["question"]), tuple(Effect(**_tuples(e)) for e in data["effects"]),
        words=Words(reports=tuple(Report(**_tuples(r)) for r in data["reports"]), sds=tuple(data["sds"])),
    )  # fmt: skip
    mu = priors.Normal(0.0, data["mu_sd"])
    tau = fit.prior(data["tau_prior"], table.question.measure)
    with warnings.catch_warnings():  # every warning stands in the result and on the page
        warnings.simplefilter("ignore", VfmetaWarning)
        try:
            found = bayes.reports(table, tau=tau, mu=mu)
        except InputError as error:
            return {"refused": str(error)}
        rows = _rows(found.rests_on())
        rows += _without_selective(table, found, tau, mu)
        rows += _rows(found.by_sd()) if found.sd_assumed else []
    return {"posterior": found.to_dict(), "rests_on": rows, "sds": found.instrument_sds().to_dict("records")}


def _without_selective(table: EffectTable, found: ReportsResult, tau: Any, mu: Any) -> list[dict[str, Any]]:
    """The answer without reports that name only what was significant."""
    from vfmeta.bayes.partial import again

    assert table.words is not None
    lost = {r.label for r in table.words.reports if r.selective}
    if not lost:
        return []
    keep = np.array([i for i, name in enumerate(found.labels) if name not in lost], dtype=int)
    name = f"without trials that name only what was significant ({', '.join(sorted(lost))})"
    if not len(keep):
        return [{"term": name, "k": 0}]
    fit = again(found, keep, found.tau_prior, mu)
    low, high = fit.interval
    own = {"term": name, "k": fit.k, "estimate": fit.estimate, "ci_low": low, "ci_high": high, "p_benefit": fit.p_benefit}
    return [own]


def _rows(frame: Any) -> list[dict[str, Any]]:
    names = ["term", "k", "estimate", "ci_low", "ci_high", "p_benefit"]
    rows = frame[names].astype(object).where(frame[names].notna(), None).to_dict("records")
    return [{**row, "k": int(row["k"] or 0)} for row in rows]


def _tuples(row: dict[str, Any]) -> dict[str, Any]:
    return {k: tuple(v) if isinstance(v, list) else v for k, v in row.items()}


def part(
    table: EffectTable,
    choices: dict[str, Any],
    source: Callable[[str], dict[str, str]],
    answered: Callable[[str], dict[str, Any]],
    spread: dict[str, Any] | None = None,
) -> dict[str, Any] | None:
    """What a record holds of the words of an analysis; None where they were not asked for.

    ``trials`` are the reports down to their sources, ``left_out`` the trials whose words cannot be used; ``result`` is None
    where nothing is said, else that of `answers`.
    """
    if table.words is None:
        return None
    inputs = inputs_of(table, choices, spread)
    reports = table.words.reports
    return {
        "trials": [{**asdict(r), "says": says(r, table.question)} for r in reports],
        "left_out": [_reason(x) for x in table.words.left_out],
        "sources": {s: source(s) for s in sorted({s for r in reports for s in r.sources})},
        "result": answered(inputs) if inputs else None,
        "spread": spread,
    }


def _reason(x: LeftOut) -> dict[str, str]:
    return {"study_id": x.study_id, "label": x.label, "reason": x.reason}


def answer(result: ReportsResult, spread: dict[str, Any] | None = None) -> str:
    """The second answer in a sentence: with a number, or where the words say too little for one the direction only."""
    silent = int(result.partial.sum())
    whole = f"{count(result.k)} trial{'' if result.k == 1 else 's'}, {silent} of them without a usable figure,"
    if not silent:  # what stands beside the figures are counts of responders
        whole = f"{count(result.k)} trial{'' if result.k == 1 else 's'}, counts of responders among them,"
    if result.k == silent:
        whole = f"{count(result.k)} trial{'' if result.k == 1 else 's'} without a usable figure"
    if not result.too_little:
        return f"{whole} give{'s' if result.k == 1 else ''} {points.told(result, spread, likely=True)}"
    q, p = result.question, result.p_benefit
    said = f"{whole} say{'s' if result.k == 1 else ''} too little for a number."
    if p is None:
        return said
    side, share = (q.experimental, p) if p >= 0.5 else (q.control, 1 - p)
    return f"{said} The more probable direction is in favour of {side} ({tx.probability_text(share).removeprefix('= ')})."


def view(record: Record) -> dict[str, Any] | None:
    """What the page shows of the words of an analysis; None where nothing is said in words."""
    data, result = record.data.get("words"), record.words
    if not data or not (data["trials"] or data["left_out"]):
        return None
    found: dict[str, Any] = {
        "id": record.id,
        "title": record.title,
        "question": record.data["plan"]["title"],
        "strict": record.data["answer"],
        "trials": [_trial(r, data["sources"]) for r in data["trials"]],
        "left_out": data["left_out"],
        "answer": "", "refused": "", "rests": [], "grounds": [],
    }  # fmt: skip
    if data["result"] and "refused" in data["result"]:
        found["refused"] = data["result"]["refused"]
    if result is None:
        return found
    q = record.question
    rows = data["result"]["rests_on"]
    shown = [{**row, "term": _named(row["term"]), "shown": _shown(q, row), "chance": _chance(row)} for row in rows]
    wider = [v for v in data["variants"] if v["words"]["result"] and "refused" not in v["words"]["result"]]
    for variant in wider:
        row = variant["words"]["result"]["rests_on"][0]
        shown.append({**row, "term": variant["title"], "shown": _shown(q, row), "chance": _chance(row)})
    said = [x for x in result.warnings if not x.startswith("SD assumed")]  # told among the grounds
    found |= {
        "answer": answer(result, data["spread"]),
        "rests": shown,
        "grounds": [*_grounds(result, data["result"]["sds"]), *said],
    }
    return found


def _grounds(result: ReportsResult, sds: list[dict[str, Any]]) -> list[str]:
    """What the answer rests on besides the trials."""
    scale = tx.measure_text(result.question)
    unit = f"; {MU_SD:g} points of 0 to 10, in standard deviations" if result.question.measure == "SMD" else ""
    prior = result.priors[1].removeprefix("mu ~ ")
    out = [ASSUMES, f"Before any trial the mean effect is taken as {prior} ({scale.lower()}{unit})."]
    for row in sds:
        told = "as {k} trials print it".format_map(row)
        if row["assumed"]:
            told = "assumed, as fewer than three trials of the review print one"
        size = "{q50:.1f} (10% below {q10:.1f}, 10% above {q90:.1f})".format_map(row)
        out.append(f"The SD of a trial ({row['term']}) is taken as {size}, {told}.")
    return out


def _trial(r: dict[str, Any], sources: dict[str, dict[str, str]]) -> dict[str, Any]:
    n = " v ".join(tx.arm_text(x) for x in r["n"])
    lines = chain_lines(r["printed"], r["steps"], r["unused"])
    return {**r, "arms": n, "lines": lines, "links": [{"id": s, **sources[s]} for s in r["sources"]]}


def _named(term: str) -> str:
    """A line of how much the answer rests on its words, as people say it."""
    if term.endswith("quantile)"):
        return f"with the SD held at {term}"
    return {
        "all reports": "all of these trials",
        "full reports only": "only trials with a usable figure",
        "prior of mu half as wide": "the prior of the mean half as wide",
        "prior of mu twice as wide": "the prior of the mean twice as wide",
    }.get(term, term)


def _shown(q: Question, row: dict[str, Any]) -> str:
    if row.get("estimate") is None:
        return "nothing is left" if not row["k"] else "no answer: nothing bounds it"
    return tx.effect_text(q, row["estimate"], (row["ci_low"], row["ci_high"]))


def _chance(row: dict[str, Any]) -> str:
    p = row.get("p_benefit")
    return "" if p is None else tx.probability_text(p).removeprefix("= ")

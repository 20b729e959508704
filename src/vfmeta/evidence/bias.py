"""Risk of bias of the trials of an analysis: what was judged, and of the others what the tables know, which is no judgement."""

from __future__ import annotations

import warnings
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from vfmeta.appraisal.refits import refit_of
from vfmeta.appraisal.risk_of_bias import risk_of_bias
from vfmeta.core.bias_tools import NOT_JUDGED, TOOLS
from vfmeta.core.messages import ConvergenceError, InputError, VfmetaWarning
from vfmeta.text import numbers as tx

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vfmeta.core.bias_tools import Tool
    from vfmeta.results.fit import Result
    from vfmeta.results.risk_of_bias import RiskOfBias
    from vfmeta.trials import Trials

_DESIGNS = {
    "parallel_rct": "randomised, parallel groups", "crossover_rct": "randomised, cross-over",
    "cluster_rct": "randomised by cluster", "quasi_rct": "allocated in a way that can be foreseen",
    "nonrandomised": "not randomised", "single_arm": "one arm", "post_hoc_pooled": "pooled after the fact from trials",
    "not_stated": "randomisation not stated",
}  # fmt: skip
_SETS = {
    "itt": "by intention to treat", "as_treated": "as treated", "completers": "completers only", "subgroup": "a subgroup",
    "not_stated": "analysis set not stated",
}  # fmt: skip


def bias_of(studies: list[dict[str, Any]], trials: Trials) -> RiskOfBias:
    """Judgements of the trials of an analysis, by the instrument that judged most of them.

    Parameters
    ----------
    studies : list of dict
        As a record holds them: ``study_id``, ``label``, ``rows`` and arm sizes.
    trials : Trials

    Returns
    -------
    RiskOfBias
        A trial that nobody judged overall has "known: ..." as the support of its overall judgement, which stays empty. Where
        sources judge a trial differently the worst judgement stands; ``warnings`` and the support say who said what.
        Of instruments that judged as many trials the first of `TOOLS` is taken.
    """
    by_study = {s["study_id"]: trials.judgements.get(s["study_id"]) for s in studies}
    judged = Counter(name for own in by_study.values() for name in {r.tool for r in own or ()})
    tool = TOOLS[max(TOOLS, key=lambda name: judged[name])]
    rows: list[dict[str, str]] = []
    differ: list[str] = []
    for study in {s["label"]: s for s in studies}.values():
        own, label = by_study[study["study_id"]], study["label"]
        if own is None:
            rows.append({"study": label, "domain": "overall", "judgement": "", "support": known(study, trials)})
            continue
        told: dict[str, list[Any]] = {}
        for r in own:
            if r.tool == tool.name:
                told.setdefault(_domain(r.domain, tool), []).append(r)
        for domain, read in told.items():
            word, support = _settled(read, tool, trials)
            if len({r.judgement for r in read}) > 1:
                differ.append(f"{label}, {domain}: {support}.")
            rows.append({"study": label, "domain": domain, "judgement": word, "support": support})
        if "overall" not in told:
            said = "; ".join([known(study, trials), *(f"published: {x}" for x in published(own, trials))])
            rows.append({"study": label, "domain": "overall", "judgement": "", "support": said})
            continue
        differ += [
            f"{label}, overall: {r.tool} says {_word(r)} ({_cited(r, trials)}), which is not counted."
            for r in own if r.tool != tool.name and r.domain.lower() == "overall"
        ]  # fmt: skip
    found = _made(rows, tool.name)
    return replace(found, warnings=(*found.warnings, *differ))


def _made(rows: list[dict[str, str]], tool: str) -> RiskOfBias:
    columns: dict[str, Any] = {name: [r[name] for r in rows] for name in ("study", "domain", "judgement", "support")}
    return risk_of_bias(tool=tool, **columns)  # type: ignore[arg-type]


def published(own: list[Any], trials: Trials) -> list[str]:
    """The judgements of a trial, a line each instrument and source: "RoB 1 (Hara et al.): low on ...; high on ...".

    Parameters
    ----------
    own : list
        Rows of ``risk_of_bias``.
    """
    lines = []
    groups: dict[tuple[str, str], list[Any]] = {}
    for r in own:
        groups.setdefault((r.tool, r.source_id), []).append(r)
    for (tool, _), rows in groups.items():
        told: dict[str, list[str]] = {}
        for r in rows:
            whole = r.domain.lower() == "overall"
            told.setdefault(f"{_word(r)} overall" if whole else f"{_word(r)} on ", []).append("" if whole else r.domain)
        cited = _cited(rows[0], trials)
        lines.append(f"{tool} ({cited}): " + "; ".join(f"{word}{', '.join(at)}" for word, at in told.items()))
    return lines


def _domain(name: str, tool: Tool) -> str:
    return "overall" if name.lower() == "overall" else tool.domain(name) or name


def _settled(read: list[Any], tool: Tool, trials: Trials) -> tuple[str, str]:
    """The judgement that stands of one domain, the worst where sources differ, and what it rests on."""
    words = [x.word for x in tool.levels]
    worst = max(read, key=lambda r: words.index(_word(r)) if _word(r) in words else -1)
    if len({r.judgement for r in read}) > 1:
        who = ", ".join(f"{_word(r)} ({_cited(r, trials)})" for r in read)
        return _word(worst), f"sources differ: {who}; the worst stands"
    return _word(worst), "; ".join(dict.fromkeys(x for r in read for x in (r.note, r.locator) if x))


def _word(row: Any) -> str:
    return str(row.judgement).replace("_", " ")


def _cited(row: Any, trials: Trials) -> str:
    return trials.source(row.source_id)["citation"]


def lights(found: Sequence[RiskOfBias | None]) -> RiskOfBias | None:
    """Judgements of all trials of a figure, by the instrument that judged most of them; None where none judged any."""
    judged = [x for x in found if x is not None and (any(x.overall) or any(map(any, x.judgements)))]
    if not judged:
        return None
    tool = Counter(x.tool for x in judged for row in (*x.judgements, x.overall) for word in row if word).most_common(1)[0][0]
    rows: dict[tuple[str, str], dict[str, str]] = {}
    for x in judged:
        if x.tool == tool:
            for label, words, last, why in zip(x.labels, x.judgements, x.overall, x.support, strict=True):
                for domain, word, said in zip((*x.terms, "overall"), (*words, last), why, strict=True):
                    own = {"study": label, "domain": domain, "judgement": word, "support": said}
                    rows.setdefault((label, domain), own)
    return _made(list(rows.values()), tool)


def by_judgement(fit: Result, bias: RiskOfBias) -> list[dict[str, Any]]:
    """The same pool of the trials at each level of overall risk of bias, those not judged last; none where none was judged."""
    at = dict(zip(bias.labels, bias.overall, strict=True))
    words = np.array([at.get(x) or NOT_JUDGED.word for x in fit.labels])
    levels = [x.word for x in (*bias.instrument.levels, NOT_JUDGED) if x.word in words]
    if fit.k < 2 or levels == [NOT_JUDGED.word]:
        return []
    return [
        {"judgement": level, "trials": [x for x, w in zip(fit.labels, words, strict=True) if w == level],
         "effect": _pooled(fit, np.flatnonzero(words == level))}
        for level in levels
    ]  # fmt: skip


def _pooled(fit: Result, part: np.ndarray) -> str:
    if len(part) == 1:  # a trial alone says what it printed
        i = int(part[0])
        return tx.effect_text(fit.question, float(fit.y[i]), fit.study_interval(i))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", VfmetaWarning)  # how many trials are left stands beside it
            own = fit if len(part) == fit.k else refit_of(fit).again(part)
    except (InputError, ConvergenceError) as error:
        return f"not pooled: {error}"
    return tx.effect_text(own.question, own.estimate, own.interval)


def known(study: dict[str, Any], trials: Trials) -> str:
    """What the tables know of a trial that bears on bias: "known: randomised, parallel groups; double blind; ..."."""
    row = trials.entries("studies")[study["study_id"]]
    blinding = "blinding not stated" if row.blinding == "unclear" else row.blinding.replace("_", " ")
    parts = [_DESIGNS[row.design], blinding]
    if row.crossover:
        parts.append(f"crossed over: {row.crossover.rstrip('.')}")
    parts.append(_loss(study, row.n_randomised))
    sets = dict.fromkeys(_SETS[x] for x in _analysis_sets(study, trials))
    return f"known: {'; '.join([*parts, *sets])}"


def _loss(study: dict[str, Any], randomised: Any) -> str:
    arms = [study.get(f"n_{side}") for side in ("experimental", "control")]
    if None in arms or randomised is None:
        return "loss to follow-up not known"
    analysed = sum(float(n) for n in arms if n is not None)
    return f"{analysed:g} of {int(randomised)} randomised are in this analysis"


def _analysis_sets(study: dict[str, Any], trials: Trials) -> list[str]:
    wanted = set(study.get("rows", ()))
    return [
        r.analysis_set
        for (_, who, _), rows in trials.figures.items() if who == study["study_id"]
        for r in rows if r.row_id in wanted and r.analysis_set
    ]  # fmt: skip

"""Plans and tables in, records out. What was computed before from the same inputs is not computed again."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import math
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

from vfmeta.core.messages import InputError
from vfmeta.effects.compare.comparison import compare
from vfmeta.effects.table import EffectTable
from vfmeta.evidence import fit
from vfmeta.evidence.plan import Analysis, Plan
from vfmeta.evidence.records import RECORD_VERSION, Record, dumps, keep_only, write
from vfmeta.evidence.sentences import answer, why
from vfmeta.trials import Trials

_MODELS = (
    "core", "frequentist", "bayes", "kernels", "priors", "results", "effects/table.py", "effects/reading.py", "evidence/fit.py",
)  # fmt: skip
_FIT_ONLY = {"method", "test", "model", "tau_prior", "mu_prior"}
Tick = Callable[[str], None]


def digest_of(parts: tuple[str, ...], libraries: tuple[str, ...]) -> str:
    """Digest of parts of the package and of the versions of libraries they rest on."""
    home = Path(__file__).resolve().parents[1]
    hashed = hashlib.sha256()
    for part in parts:
        path = home / part
        for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            hashed.update(file.read_bytes())
    hashed.update(" ".join(f"{name} {version(name)}" for name in libraries).encode())
    return hashed.hexdigest()


def run(plans: list[Plan], trials: Trials, out: str | Path = "build", *, tick: Tick | None = None) -> list[Record]:
    """Carry out every analysis of the plans and write results.

    Parameters
    ----------
    plans : list of Plan
        From `vfmeta.evidence.load_plans`.
    trials : Trials
        From `vfmeta.load_trials`.
    out : str or path
        Folder for ``results/<plan>/<analysis>.json``, the study table beside it as CSV, and the memory of earlier runs.
    tick : callable, optional
        Called with the name of each analysis as it starts, for progress.

    Returns
    -------
    list of Record

    Raises
    ------
    InputError
        A plan asks for something the tables do not know. Nothing is written then.
    """
    from joblib import Memory

    out = Path(out)
    tables = _all_tables(plans, trials)  # before anything is written: a faulty plan leaves no trace
    remembered = Memory(out / "cache", verbose=0).cache(fit.fit_all, ignore=[])
    code = digest_of(_MODELS, ("numpy", "scipy", "pymc", "nutpie", "arviz"))
    records, problems = [], []
    for plan in plans:
        for analysis in plan.analysis:
            if tick:
                tick(f"{plan.title}: {analysis.title}")
            try:
                records.append(_record(plan, analysis, trials, tables, lambda inputs: remembered(inputs, code)))
            except InputError as error:  # priors with which these trials have no posterior
                problems += error.problems
    if problems:
        raise InputError(problems)
    _write_all(records, out)
    return records


Tables = dict[tuple[str, str, str], EffectTable]


def _all_tables(plans: list[Plan], trials: Trials) -> Tables:
    """Effect tables of every main and sensitivity analysis; faults of all plans are reported together."""
    tables: Tables = {}
    pools = set(trials.published_pools.pool_id)
    problems = [f"{x.id}.toml, pools: no pool {p!r} in published_pools.csv." for x in plans for p in x.pools if p not in pools]
    for plan in plans:
        for analysis in plan.analysis:
            for variant in ("", *(s.id for s in analysis.sensitivity)):
                try:
                    tables[plan.id, analysis.id, variant] = _table(plan, analysis, variant, trials)
                except InputError as error:
                    problems += _placed(error, plan, analysis, variant)
    if problems:
        raise InputError(list(dict.fromkeys(problems)))
    return tables


def _placed(error: InputError, plan: Plan, analysis: Analysis, variant: str) -> list[str]:
    """The problems of an error with the place in the plan that asked for it."""
    return [f"{plan.id}.toml, analysis {analysis.id}{', ' + variant if variant else ''}: {p}" for p in error.problems]


def choices_of(plan: Plan, analysis: Analysis, variant: str = "") -> dict[str, Any]:
    """What a plan states for an analysis, with the changes of a sensitivity analysis on top."""
    stated: dict[str, Any] = {"design": plan.design}
    if plan.background is not None:
        stated["background"] = plan.background
    if plan.exclude:
        stated["exclude_studies"] = plan.exclude
    stated |= analysis.stated()
    for s in analysis.sensitivity:
        if s.id == variant:
            stated |= s.stated()
    return stated


def _table(plan: Plan, analysis: Analysis, variant: str, trials: Trials) -> EffectTable:
    options = {k: v for k, v in choices_of(plan, analysis, variant).items() if k not in _FIT_ONLY}
    return compare(
        trials,
        plan.experimental,
        plan.control,
        outcome=analysis.outcome,
        measure=analysis.measure,
        sides=plan.names,
        higher_is_worse=analysis.higher_is_worse,
        mid_from=analysis.mid_from,
        **options,
    )


def _record(plan: Plan, analysis: Analysis, trials: Trials, tables: Tables, fitted: Callable[[str], dict[str, Any]]) -> Record:
    main = tables[plan.id, analysis.id, ""]
    name = f"{plan.id}/{analysis.id}"
    choices = choices_of(plan, analysis)

    def part(table: EffectTable, choices: dict[str, Any], name: str, variant: str) -> dict[str, Any]:
        try:
            return _part(table, choices, trials, fitted, name)
        except InputError as error:
            raise InputError(_placed(error, plan, analysis, variant)) from error

    data: dict[str, Any] = {
        "record_version": RECORD_VERSION,
        "plan": {k: v for k, v in plan.model_dump().items() if k != "analysis"},
        "analysis": {k: v for k, v in analysis.model_dump(exclude_none=True).items() if k != "sensitivity"},
        **part(main, choices, name, ""),
        "sensitivity": [],
    }
    main_inputs = fit.inputs_of(main, choices, sample=False, name=name)
    for s in analysis.sensitivity:
        table, stated = tables[plan.id, analysis.id, s.id], choices_of(plan, analysis, s.id)
        same = fit.inputs_of(table, stated, sample=False, name=name) == main_inputs
        found = {"id": s.id, "title": s.title, "same_as_main": same}
        if not same:
            found |= part(table, stated, "", s.id)
        data["sensitivity"].append(found)
    record = Record(json.loads(dumps(data)))
    record.data["answer"], record.data["why"] = answer(record), why(record)
    return record


def _part(
    table: EffectTable, choices: dict[str, Any], trials: Trials, fitted: Callable[[str], dict[str, Any]], name: str
) -> dict[str, Any]:
    """What main and sensitivity analyses both hold: the question, the studies, what was left out, the results."""
    sample = bool(name) and len(table) > 1
    known = {s for e in table for s in e.sources}
    return {
        "question": table.question.to_dict(),
        "choices": choices,
        "studies": [
            {"label": label, "y": y, "se": math.sqrt(v), **detail}
            for label, y, v, detail in zip(table.labels, table.y.tolist(), table.v.tolist(), table.details, strict=True)
        ],
        "left_out": [{"study_id": x.study_id, "label": x.label, "reason": x.reason, "said": x.said} for x in table.left_out],
        "sources": {s: _source(trials, s) for s in sorted(known)},
        "results": fitted(fit.inputs_of(table, choices, sample=sample, name=name)),
    }


def _source(trials: Trials, source_id: str) -> dict[str, str]:
    row = trials.sources[trials.sources.source_id == source_id].iloc[0]
    address = row.url or (f"https://doi.org/{row.doi}" if row.doi else "")
    return {"citation": row.citation, "url": address, "doi": row.doi, "kind": row.kind}


def _write_all(records: list[Record], out: Path) -> None:
    results = out / "results"
    index = []
    for record in records:
        name = f"{record.plan}/{record.id}.json"
        write(results / name, dumps(record.data))
        write(results / f"{record.plan}/{record.id}_studies.csv", study_csv(record))
        index.append(name)
    write(results / "index.json", dumps({"records": index}))
    keep_only(results, {"index.json", *index, *(n.removesuffix(".json") + "_studies.csv" for n in index)})


def study_csv(record: Record) -> str:
    """The study table of an analysis: study, y, se, weight (percent), on the analysis scale."""
    weights = record.frequentist.weights.tolist() if record.frequentist else []
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["study", "y", "se", "weight"])
    for study, weight in zip(record.data["studies"], weights, strict=True):
        writer.writerow([study["label"], f"{study['y']:.10g}", f"{study['se']:.10g}", f"{weight:.10g}"])
    return text.getvalue()

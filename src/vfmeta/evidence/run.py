"""Plans and tables in, records out. What was computed before from the same inputs is not computed again."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from vfmeta.appraisal.agreement import Case
from vfmeta.core.files import write
from vfmeta.core.messages import InputError, did_you_mean
from vfmeta.effects.compare.comparison import compare
from vfmeta.effects.table import EffectTable
from vfmeta.evidence import fit, points, reported, without_effects
from vfmeta.evidence.cache import Cache, digest_of
from vfmeta.evidence.certain import certainty_of
from vfmeta.evidence.folder import keep_only, tidy
from vfmeta.evidence.plan import Analysis, Plan
from vfmeta.evidence.records import RECORD_VERSION, Record
from vfmeta.evidence.sentences import answer, why
from vfmeta.results.codec import dumps, read_back
from vfmeta.results.fit import FrequentistResult
from vfmeta.text.csv_cells import as_csv
from vfmeta.trials import Trials

MODELS = (
    "core", "frequentist", "bayes", "kernels", "priors", "results", "effects", "text", "evidence/fit.py",
)  # fmt: skip
_SECOND = (*MODELS, "appraisal/second_engine.py")
LIBRARIES = ("numpy", "scipy")
_ENGINES = (*LIBRARIES, "statsmodels", "pymc", "pytensor", "nutpie", "arviz")
_FIT_ONLY = {"method", "test", "model", "tau_prior", "mu_prior", "scattered"}
Tick = Callable[[str], None]


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
    begun = begin(plans, trials, Cache(out), tick=tick)
    tidy(Path(out))
    return begun.finish(out)


@dataclass
class Begun:
    """Records with their answers; what other engines say of them is still awaited."""

    records: list[Record]
    awaited: list[Awaited] = field(default_factory=list)

    def finish(self, out: str | Path) -> list[Record]:
        """Wait for the other engines and write the results."""
        for record, variant, second in self.awaited:
            parts = [record.data] if not variant else [s for s in record.data["sensitivity"] if s["id"] == variant]
            parts[0]["results"] |= read_back(second())
        _write_all(self.records, Path(out))
        return self.records


Awaited = tuple[Record, str, Callable[[], dict[str, Any]]]


def begin(plans: list[Plan], trials: Trials, cache: Cache, *, tick: Tick | None = None) -> Begun:
    """Answer every analysis and ask the other engines about it; parameters and errors as in `run`."""
    asked = _all_asked(plans, trials)  # before anything is written: a faulty plan leaves no trace
    codes = digest_of(MODELS, LIBRARIES), digest_of(_SECOND, _ENGINES)
    words_code = digest_of((*MODELS, "evidence/reported.py"), LIBRARIES)
    every = [(plan, analysis) for plan in plans for analysis in plan.analysis]
    calls = [list(_calls(plan, analysis, trials, asked, codes[0], words_code)) for plan, analysis in every]
    cache.offer(call for own in calls for call in own)
    # what has to be made comes last, and is made beside meanwhile
    order = sorted(range(len(every)), key=lambda i: any(cache.awaits(*call) for call in calls[i]))
    made: dict[int, tuple[Record, list[Awaited]]] = {}
    problems: dict[int, list[str]] = {}
    for i in order:
        plan, analysis = every[i]
        if tick:
            tick(f"{cache.said()}; {plan.title}: {analysis.title}")
        second: dict[str, Callable[[], dict[str, Any]]] = {}

        def answered(inputs: str, variant: str, second: dict[str, Any] = second) -> dict[str, Any]:
            found = cache.get(fit.answers, inputs, codes[0])
            if found["frequentist"] and found["frequentist"]["k"] > 1:
                second[variant] = cache.ahead(fit.second_answers, inputs, codes[1])
            return {**found, "second": None, "sampled": None}

        def worded(inputs: str) -> dict[str, Any]:
            return cache.get(reported.answers, inputs, words_code)

        try:
            record = _record(plan, analysis, trials, asked, answered, worded, cache)
        except InputError as error:  # priors with which these trials have no posterior
            problems[i] = error.problems
        else:
            made[i] = record, [(record, variant, wait) for variant, wait in second.items()]
    if problems:
        raise InputError([said for i in sorted(problems) for said in problems[i]])
    done = [made[i] for i in sorted(made)]
    return Begun([record for record, _ in done], [wait for _, own in done for wait in own])


@dataclass(frozen=True)
class Asked:
    """What an analysis, or a sensitivity analysis of it, is asked for: its table and what the plan states.

    ``inputs`` says both, see `fit.inputs_of`: of a main analysis, which has a name, with a sample too. ``plain`` is the same
    without one, and ``words`` is that of `reported.inputs_of`.
    """

    table: EffectTable
    choices: dict[str, Any]
    name: str = ""

    @cached_property
    def inputs(self) -> str:
        sample = bool(self.name) and len(self.table) > 1
        return fit.inputs_of(self.table, self.choices, sample=True, name=self.name) if sample else self.plain

    @cached_property
    def plain(self) -> str:
        return fit.inputs_of(self.table, self.choices, sample=False, name="")

    @cached_property
    def words(self) -> str | None:
        return reported.inputs_of(self.table, self.choices)


AllAsked = dict[tuple[str, str, str], Asked]
Answered = Callable[[str, str], dict[str, Any]]


def _all_asked(plans: list[Plan], trials: Trials) -> AllAsked:
    """Every main and sensitivity analysis with its effect table; faults of all plans are reported together."""
    asked: AllAsked = {}
    pools = set(trials.published_pools.pool_id)
    problems = [
        f"{x.id}.toml, pools: no pool {p!r} in published_pools.csv.{did_you_mean(p, pools)}"
        for x in plans for p in x.pools if p not in pools
    ]  # fmt: skip
    for plan in plans:
        for analysis in plan.analysis:
            for variant in ("", *(s.id for s in analysis.sensitivity)):
                try:
                    name = "" if variant else f"{plan.id}/{analysis.id}"
                    table, choices = table_of(plan, analysis, variant, trials), choices_of(plan, analysis, variant)
                    asked[plan.id, analysis.id, variant] = Asked(table, choices, name)
                except InputError as error:
                    problems += _placed(error, plan, analysis, variant)
    if problems:
        raise InputError(list(dict.fromkeys(problems)))
    return asked


def _placed(error: InputError, plan: Plan, analysis: Analysis, variant: str) -> list[str]:
    """The problems of an error with the place in the plan that asked for it."""
    return [f"{plan.id}.toml, analysis {analysis.id}{', ' + variant if variant else ''}: {p}" for p in error.problems]


def choices_of(plan: Plan, analysis: Analysis, variant: str = "") -> dict[str, Any]:
    """What a plan states for an analysis, with the changes of a sensitivity analysis on top."""
    stated: dict[str, Any] = {"design": plan.design, "scattered": plan.scattered.model_dump()}
    if plan.background is not None:
        stated["background"] = plan.background
    if plan.exclude:
        stated["exclude_studies"] = plan.exclude
    stated |= analysis.stated()
    for s in analysis.sensitivity:
        if s.id == variant:
            stated |= s.stated()
    return stated


def table_of(plan: Plan, analysis: Analysis, variant: str, trials: Trials) -> EffectTable:
    """The effect table of an analysis, or of a sensitivity analysis of it."""
    options = {k: v for k, v in choices_of(plan, analysis, variant).items() if k not in _FIT_ONLY}
    measure = next((s.measure for s in analysis.sensitivity if s.id == variant and s.measure), analysis.measure)
    for feature, values in options.pop("only", {}).items():
        others = trials.studies.study_id[~trials.studies[feature].isin(values)]
        options["exclude_studies"] = (*options.get("exclude_studies", ()), *others)
    if measure != analysis.measure:
        options.pop("responders", None)  # they serve standardised mean differences alone
    # standard deviations are pooled as such: points are what they are carried to, and the threshold is one of points
    carried = measure == "SMD" and options.pop("points", None) is not None
    return compare(
        trials,
        plan.experimental,
        plan.control,
        outcome=analysis.outcome,
        measure=measure,
        sides=plan.names,
        higher_is_worse=analysis.higher_is_worse,
        mid_from=None if carried else analysis.mid_from,
        **options,
    ).one_each()  # multi_arm = "each": every model of a plan then takes the comparisons of a trial as one


def review_cases(plans: list[Plan], trials: Trials) -> tuple[list[Case], dict[str, FrequentistResult]]:
    """Every pool of the plans, sensitivity analyses included, for `vfmeta.appraisal.agreement`; equal ones once.

    Returns
    -------
    list of Case, dict of str to FrequentistResult
        The Bayesian analyses, and the frequentist pools by name.
    """
    cases: dict[str, Case] = {}
    pools: dict[str, tuple[str, FrequentistResult]] = {}
    for (plan, analysis, variant), asked in _all_asked(plans, trials).items():
        table, choices = asked.table, asked.choices
        if len(table) < 2:
            continue
        name = f"{plan}/{analysis}{', ' + variant if variant else ''}"
        priors: dict[str, Any] = {x: choices[x] for x in ("tau_prior", "mu_prior") if x in choices}
        rest = {k: v for k, v in choices.items() if k not in priors}
        pools.setdefault(fit.inputs_of(table, rest, sample=False, name=""), (name, fit.pool(table, choices)))
        if choices.get("model") != "common":
            tau, mu = (fit.prior(priors.get(x), table.question.measure) for x in ("tau_prior", "mu_prior"))
            same = fit.inputs_of(table, priors, sample=False, name="")
            cases.setdefault(same, Case(name, {"data": table}, tau, mu))
    return list(cases.values()), dict(pools.values())


def _calls(
    plan: Plan, analysis: Analysis, trials: Trials, asked: AllAsked, code: str, words_code: str
) -> Iterator[tuple[Any, ...]]:
    """What the record of an analysis will ask for, in order."""
    main = asked[plan.id, analysis.id, ""]
    yield fit.answers, main.inputs, code
    for own in (main, *_heard(plan, analysis, asked).values()):
        table = own.table
        spread = points.spreads_of(trials, plan, analysis, table, own.choices) if table.question.measure == "SMD" else None
        if table.words and (inputs := reported.inputs_of(table, own.choices, spread)) is not None:
            yield reported.answers, inputs, words_code
    for own in _other(plan, analysis, asked).values():
        yield fit.answers, own.inputs, code


def _other(plan: Plan, analysis: Analysis, asked: AllAsked) -> dict[str, Asked]:
    """Sensitivity analyses that are not the main one over again."""
    first = asked[plan.id, analysis.id, ""].plain
    every = {s.id: asked[plan.id, analysis.id, s.id] for s in analysis.sensitivity}
    return {variant: own for variant, own in every.items() if own.plain != first}


def _record(
    plan: Plan,
    analysis: Analysis,
    trials: Trials,
    asked: AllAsked,
    answered: Answered,
    worded: Callable[[str], dict[str, Any]],
    cache: Cache,
) -> Record:
    main = asked[plan.id, analysis.id, ""]

    def spread(own: Asked) -> dict[str, Any] | None:
        smd = own.table.question.measure == "SMD"
        return points.spreads_of(trials, plan, analysis, own.table, own.choices) if smd else None

    def spoken(own: Asked) -> dict[str, Any] | None:
        carried = spread(own) if own.table.words else None
        return reported.part(own.table, own.choices, trials.source, worded, carried)

    def part(own: Asked, variant: str) -> dict[str, Any]:
        carried = spread(own) if len(own.table) > 1 else None
        try:
            results = answered(own.inputs, variant)
            return part_of(own.table, own.choices, trials, results) | {"points": carried}
        except InputError as error:
            raise InputError(_placed(error, plan, analysis, variant)) from error

    data: dict[str, Any] = {
        "record_version": RECORD_VERSION,
        "plan": {k: v for k, v in plan.model_dump().items() if k != "analysis"},
        "analysis": {k: v for k, v in analysis.model_dump(exclude_none=True).items() if k != "sensitivity"},
        **part(main, ""),
        "without_effects": None,
        "words": spoken(main),
        "sensitivity": [],
    }
    if analysis is without_effects.lead_of(plan):
        every = {a.id: asked[plan.id, a.id, ""] for a in plan.analysis}
        tables, choices = {i: own.table for i, own in every.items()}, {i: own.choices for i, own in every.items()}
        data["without_effects"] = without_effects.synthesis(plan, trials, tables, choices)
    if data["words"]:
        titles = {s.id: s.title for s in analysis.sensitivity}
        data["words"]["variants"] = [
            {"id": variant, "title": titles[variant], "words": spoken(own)}
            for variant, own in _heard(plan, analysis, asked).items()
        ]
    other = _other(plan, analysis, asked)
    for s in analysis.sensitivity:
        found = {"id": s.id, "title": s.title, "same_as_main": s.id not in other}
        data["sensitivity"].append(found | part(other[s.id], s.id) if s.id in other else found)
    try:
        return completed(data, trials, cache)
    except InputError as error:
        raise InputError(_placed(error, plan, analysis, "")) from error


def record_of(plan: Plan, analysis: Analysis, trials: Trials, cache: Cache) -> Record:
    """One analysis with its answer and certainty; no other engine is asked about it."""

    def answered(inputs: str, variant: str) -> dict[str, Any]:
        return {**cache.get(fit.answers, inputs, ""), "second": None, "sampled": None}

    def worded(inputs: str) -> dict[str, Any]:
        return cache.get(reported.answers, inputs, "")

    return _record(plan, analysis, trials, _all_asked([plan], trials), answered, worded, cache)


def completed(data: dict[str, Any], trials: Trials, cache: Cache) -> Record:
    """A record with its answer in words and its certainty."""
    record = Record(read_back(data))
    record.data["answer"] = answer(record)
    record.data["why"] = why(record)
    record.data.update(read_back(certainty_of(record, trials, cache)))
    return record


def _heard(plan: Plan, analysis: Analysis, asked: AllAsked) -> dict[str, Asked]:
    """Sensitivity analyses in which other trials are heard, or other figures stand beside what they say."""
    seen, out = {asked[plan.id, analysis.id, ""].words}, {}
    for s in analysis.sensitivity:
        own = asked[plan.id, analysis.id, s.id]
        if own.words not in seen:
            seen.add(own.words)
            out[s.id] = own
    return out


def part_of(table: EffectTable, choices: dict[str, Any], trials: Trials, results: dict[str, Any]) -> dict[str, Any]:
    """What main and sensitivity analyses both hold: the question, the studies, what was left out, the results."""
    known = {s for e in table for s in e.sources}
    return {
        "question": table.question.to_dict(),
        "choices": choices,
        "studies": [
            {"label": label, "estimate": y, "se": math.sqrt(v), **detail}
            for label, y, v, detail in zip(table.labels, table.y.tolist(), table.v.tolist(), table.details, strict=True)
        ],
        "left_out": [{"study_id": x.study_id, "label": x.label, "reason": x.reason, "said": x.said} for x in table.left_out],
        "sources": {s: trials.source(s) for s in sorted(known)},
        "results": results,
    }


def _write_all(records: list[Record], out: Path) -> None:
    results = out / "results"
    index = []
    for plan in {r.plan for r in records}:
        if (results / plan).is_file():  # it stands in the way of a folder
            (results / plan).unlink()
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
    rows = [(s["label"], s["estimate"], s["se"], weight) for s, weight in zip(record.data["studies"], weights, strict=True)]
    return as_csv(["study", "estimate", "se", "weight"], rows)

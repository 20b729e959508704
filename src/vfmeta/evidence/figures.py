"""Figures of the review, drawn once for the same numbers: as SVG for pages, as PNG where something reads one."""

from __future__ import annotations

import base64
import json
import tempfile
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vfmeta.core.files import write
from vfmeta.evidence import defensible, grown, without_effects
from vfmeta.evidence.bias import lights
from vfmeta.evidence.cache import Cache, digest_of
from vfmeta.evidence.flow import counted
from vfmeta.evidence.folder import keep_only
from vfmeta.evidence.inline import Target, address, alone, inline
from vfmeta.evidence.networks import figure_of
from vfmeta.evidence.plan import PAGES
from vfmeta.evidence.provenance import targets, words_targets
from vfmeta.evidence.records import Record, sections
from vfmeta.results.fit import FrequentistResult
from vfmeta.results.posterior import BayesianResult
from vfmeta.results.risk_of_bias import RiskOfBias

if TYPE_CHECKING:
    from vfmeta.evidence.networks import NetworkPlan
    from vfmeta.trials import Trials

MAP, FLOW, COURSE = "evidence_map", "prisma_flow", "untreated_course"
DRAWING = ("core", "plots", "results", "text", "evidence/figures.py", "evidence/inline.py")
_FITTING = (*DRAWING, "appraisal", "bayes", "effects", "frequentist", "kernels", "priors")


@dataclass(frozen=True)
class Drawing:
    """A figure that is to be drawn: by what function, of what, and where pages show it.

    Attributes
    ----------
    name, title : str
    drawn : callable
        ``drawn(inputs, code, form)`` returns what `saved` does; ``code``, a digest, takes no part in the drawing, only in what
        is remembered.
    inputs, code : str
    plan : str
        Id of the plan it belongs to; empty where it shows the whole review.
    kind : str
        "forest", "directions", "sizes", "p_values", "words" and "mean" of an ``analysis`` with trials that print no figure,
        "cumulative" and "sequential" of the leading one, "multiverse" of one, "prisma", or "whole".
    analysis : str
    leads : dict of str to Target, optional
        Where its rows lead.
    """

    name: str
    title: str
    drawn: Callable[[str, str, str], dict[str, Any]]
    inputs: str
    code: str
    plan: str = ""
    kind: str = "whole"
    analysis: str = ""
    leads: dict[str, Target] | None = None

    def entry(self, image: dict[str, Any]) -> dict[str, str]:
        """What pages show of it once it is drawn: name, title, kind, ``alt`` text and ``svg``."""
        svg = inline(image["svg"], self.name, self.title, image["alt"], image["rows"], self.leads)
        return {"name": self.name, "title": self.title, "alt": image["alt"], "svg": svg, "kind": self.kind} | (
            {"analysis": self.analysis} if self.analysis else {}
        )


def draw(
    drawings: Sequence[Drawing],
    out: Path,
    *,
    cache: Cache | None = None,
    tick: Callable[[str], None] | None = None,
    twins: Collection[str] = (),
) -> dict[str, dict[str, str]]:
    """Draw figures into ``figures/`` as SVG, those named in ``twins`` as PNG too, and return their entries by name."""
    cache, entries = cache or Cache(out), {}
    wanted = [(d, "svg") for d in drawings] + [(d, "png") for d in drawings if d.name in twins]
    for i, image in cache.shared([(d.drawn, d.inputs, d.code, form) for d, form in wanted]):
        drawing, form = wanted[i]
        if tick:
            tick(drawing.name)
        if form == "svg":
            write(out / "figures" / f"{drawing.name}.svg", alone(image["svg"]))
            entries[drawing.name] = drawing.entry(image)
        else:
            _write_png(drawing, out, image)
    return entries


def has_twin(drawing: Drawing, cache: Cache) -> bool:
    """Whether it was drawn as PNG before, just as it is now."""
    return cache.knows(drawing.drawn, drawing.inputs, drawing.code, "png")


def twin(drawing: Drawing, out: Path) -> Path:
    """The figure as PNG, drawn when it is asked for."""
    return _write_png(drawing, out, Cache(out).get(drawing.drawn, drawing.inputs, drawing.code, "png"))


def _write_png(drawing: Drawing, out: Path, image: dict[str, Any]) -> Path:
    path = out / "figures" / f"{drawing.name}.png"
    write(path, base64.b64decode(image["png"]))
    return path


def by_plan(drawings: Iterable[Drawing], entries: dict[str, dict[str, str]]) -> dict[str, list[dict[str, str]]]:
    """Entries of the figures of each plan, in order."""
    found: dict[str, list[dict[str, str]]] = {}
    for d in drawings:
        if d.plan:
            found.setdefault(d.plan, []).append(entries[d.name])
    return found


def draw_all(
    records: list[Record],
    out: str | Path = "build",
    *,
    cache: Cache | None = None,
    specifications: bool = True,
    dated: Collection[str] | None = None,
) -> dict[str, list[dict[str, str]]]:
    """Draw the figures of the records, see `of_records`, into ``figures/`` as SVG; entries by plan."""
    drawings = of_records(records, specifications=specifications, dated=dated)
    return by_plan(drawings, draw(drawings, Path(out), cache=cache))


def of_records(
    records: list[Record], *, specifications: bool = True, dated: Collection[str] | None = None
) -> list[Drawing]:  # fmt: skip
    """Forest plots, where nothing is pooled directions, answers with trials that print no figure, pools as trials came in, and
    specifications.

    ``dated`` names the plans whose trials stand in the order of their years; None says that all do.
    """
    code = digest_of(DRAWING, ("matplotlib",))
    members: dict[str, list[Record]] = {}
    for record in records:
        members.setdefault(record.plan, []).append(record)
    out = [
        Drawing(name, _title(group), _drawn, _inputs(group), code, plan, "forest", leads=targets(group))
        for plan, own in members.items() for name, group in sections(own)
    ]  # fmt: skip
    for r in records:
        for kind, result in without_effects.drawn(r):
            title = f"{r.data['plan']['title']}: {without_effects.TITLES[kind]}"
            inputs = json.dumps([kind, result], ensure_ascii=False)
            out.append(Drawing(f"{r.plan}-{kind}", title, _drawn_without, inputs, code, r.plan, kind))
    for r in records:
        if r.words is not None:
            for kind, said in (
                ("words", "with trials that print no figure"),
                ("mean", "prior and posterior of the mean"),
            ):
                found = [kind, r.data["words"]["result"]["posterior"]]
                inputs = json.dumps(found, sort_keys=True, ensure_ascii=False)
                name, leads = f"{r.plan}-{r.id}-{kind}", words_targets(r) if kind == "words" else None
                out.append(Drawing(name, f"{r.title}: {said}", _drawn_words, inputs, code, r.plan, kind, r.id, leads))
    code = digest_of((*_FITTING, "evidence/grown.py"), ("numpy", "scipy", "matplotlib"))
    for own in members.values():
        for r, kind, given in grown.inputs_of(own) if dated is None or own[0].plan in dated else ():
            title = f"{r.title}: {grown.TITLES[kind]}"
            out.append(Drawing(f"{r.plan}-{r.id}-{kind}", title, _drawn_grown, given, code, r.plan, kind, r.id))
    code = digest_of((*_FITTING, "evidence/defensible.py"), ("numpy", "scipy", "matplotlib"))
    kind = defensible.KIND
    for r in records if specifications else ():
        if (asked := defensible.inputs_of(r)) is not None:
            title = f"{r.title}: every defensible specification"
            out.append(Drawing(f"{r.plan}-{r.id}-{kind}", title, _drawn_many, asked, code, r.plan, kind, r.id))
    return out


def keep_drawn(out: Path, names: Iterable[str], twins: Iterable[str]) -> None:
    """Remove figures that no longer belong."""
    keep_only(out / "figures", {*(f"{name}.svg" for name in names), *(f"{name}.png" for name in twins)})


def of_networks(plans: Sequence[NetworkPlan], found: Sequence[dict[str, Any]]) -> list[Drawing]:
    """The graph of each network that has one; ``found`` are their answers."""
    code = digest_of((*DRAWING, "networks"), ("matplotlib",))
    return [
        Drawing(
            figure_of(plan), plan.title, _drawn_network, json.dumps(x["fit"], sort_keys=True, ensure_ascii=False), code
        )
        for plan, x in zip(plans, found, strict=True) if x["fit"] is not None
    ]  # fmt: skip


def _drawn_network(inputs: str, code: str, form: str) -> dict[str, Any]:
    from vfmeta import plots
    from vfmeta.evidence.networks import alt_of
    from vfmeta.networks import NetworkResult

    net = NetworkResult.from_dict(json.loads(inputs))
    return saved(plots.network_graph(net, _small(3.6)), alt_of(net), form)


def _title(group: list[Record]) -> str:
    outcomes = dict.fromkeys(r.question.outcome for r in group)
    title, named = group[0].data["plan"]["title"], ", ".join(outcomes)
    return title if named.casefold() == title.casefold() else f"{title}: {named}"


def of_map(records: list[Record], trials: Trials) -> Drawing:
    """Where evidence is and where it is not."""
    cells = [[title, domain, used, known] for _, title, domain, used, known in map_counts(records, trials)]
    title = "Trials with a usable figure, of the trials known, by question and domain"
    return Drawing(MAP, title, _drawn_map, json.dumps(cells), digest_of(DRAWING, ("matplotlib", "seaborn")))


def map_counts(records: list[Record], trials: Trials) -> list[tuple[str, str, str, int, int]]:
    """Plan, its title, a domain it asks about, trials with a figure that is used there, trials known."""
    domain = dict(zip(trials.outcomes.outcome_id, trials.outcomes.domain, strict=True))
    used: dict[tuple[str, str, str], set[str]] = {}
    known: dict[tuple[str, str, str], set[str]] = {}
    pages = [*PAGES, *sorted({r.data["plan"]["page"] for r in records} - set(PAGES))]
    for r in sorted(records, key=lambda r: pages.index(r.data["plan"]["page"])):
        key = (r.plan, r.data["plan"]["title"], domain[r.data["analysis"]["outcome"]].replace("_", " "))
        figures = {s["study_id"] for s in r.data["studies"]}
        used.setdefault(key, set()).update(figures)
        others = {x["study_id"] for x in r.data["left_out"] if "not mixed with" not in x["reason"]}
        known.setdefault(key, set()).update(figures | others)
    return [(*key, len(used[key]), len(known[key])) for key in known]


def of_course(trials: Trials, cache: Cache) -> list[Drawing]:
    """Pain over weeks in untreated arms; nothing without a visit."""
    from vfmeta.evidence.untreated.course import course

    visits = [v for v in course(trials, cache).visits if v.pooled is not None]
    if not visits:
        return []
    parts = [
        [round(v.week), v.name, v.pooled.fit.to_dict(), v.pooled.posterior.to_dict() if v.pooled.posterior else None]
        for v in visits
        if v.pooled is not None
    ]
    title = "Mean pain in untreated arms of recent fractures, and the arms behind it"
    inputs = json.dumps(parts, sort_keys=True, ensure_ascii=False)
    return [Drawing(COURSE, title, _drawn_course, inputs, digest_of(DRAWING, ("matplotlib",)))]


def _drawn_course(inputs: str, code: str, form: str) -> dict[str, Any]:
    import matplotlib.pyplot as plt

    from vfmeta import plots
    from vfmeta.text import numbers as tx

    said, results = [], []
    for week, name, fit, post in json.loads(inputs):
        pool, posterior = FrequentistResult.from_dict(fit), BayesianResult.from_dict(post) if post else None
        results.append((week, None if posterior else pool, posterior))  # the result that leads
        lead = posterior or pool
        arms = "; ".join(
            f"{a} {tx.value_text(pool.question, y, width=1.0)}" for a, y in zip(pool.labels, pool.y.tolist(), strict=True)
        )
        pooled = f"pooled {tx.effect_text(lead.question, lead.estimate, lead.interval)}; " if pool.k > 1 else ""
        said.append(f"{name[:1].upper()}{name[1:]}: {pooled}{arms}.")
    alt = f"Mean pain on a scale of 0 to 10 in untreated arms, over time. {' '.join(said)}"
    with plt.rc_context({"figure.facecolor": "white"}):  # so narrow that it is read on a phone
        ax = plots.over_time(results, plt.figure(figsize=(4.8, 3.5)).add_axes((0.13, 0.19, 0.84, 0.77)))
    if (legend := ax.get_legend()) is not None:  # which names the method; the caption says what is drawn
        legend.remove()
    return saved(ax, alt, form)


def of_flow(trials: Trials) -> Drawing:
    """The PRISMA 2020 flow as far as the tables count it."""
    title = "Flow of records, reports and studies, after PRISMA 2020"
    return Drawing(FLOW, title, _drawn_flow, json.dumps(counted(trials)), digest_of(DRAWING, ("matplotlib",)), kind="prisma")


def _drawn_flow(inputs: str, code: str, form: str) -> dict[str, Any]:
    from vfmeta import plots

    counts = json.loads(inputs)
    return saved(plots.prisma_flow(counts), plots.prisma_flow_text(counts), form)


def _drawn_map(cells: str, code: str, form: str) -> dict[str, Any]:
    import pandas as pd

    from vfmeta import plots
    from vfmeta.trials import schema

    frame = pd.DataFrame(json.loads(cells), columns=["question", "domain", "usable", "known"])
    order = [d.replace("_", " ") for d in schema.allowed("outcomes", "domain")]
    rows, columns = frame.question.unique(), [d for d in order if d in set(frame.domain)]
    tables = [frame.pivot(index="question", columns="domain", values=v).loc[rows, columns] for v in ("usable", "known")]
    said = "; ".join(f"{q}, {d}: {u} of {k}" for q, d, u, k in json.loads(cells))
    alt = f"Map of the evidence: trials with a usable figure of the trials known. {said}."
    return saved(plots.gap_map(*tables), alt, form)


def _inputs(group: list[Record]) -> str:
    parts = [[r.title, r.data["results"]["frequentist"], r.data["results"]["posterior"]] for r in group]
    judged = lights([r.bias for r in group])
    return json.dumps([parts, judged and judged.to_dict()], sort_keys=True, ensure_ascii=False)


def _drawn(inputs: str, code: str, form: str) -> dict[str, Any]:
    """A forest plot."""
    from vfmeta import plots

    found, judged = json.loads(inputs)
    parts = [
        (title, FrequentistResult.from_dict(fit) if fit else None, BayesianResult.from_dict(post) if post else None)
        for title, fit, post in found
    ]
    bias = RiskOfBias.from_dict(judged) if judged else None
    ax = plots.forest(sections=parts, layout="plain", bias=bias)
    alt = plots.alt_text(sections=parts)
    return saved(ax, f"{alt} {bias.sentence()}" if bias else alt, form)


def _drawn_without(inputs: str, code: str, form: str) -> dict[str, Any]:
    from vfmeta import plots
    from vfmeta.results.no_effects import CombinedPValues, Directions

    kind, data = json.loads(inputs)
    if kind == "directions":
        pointing = Directions.from_dict(data)
        # three outcomes beside one another are still read on a phone
        return saved(plots.effect_direction(pointing, wrap=3), without_effects.directions_alt(pointing), form)
    if kind == "sizes":
        pointing = Directions.from_dict(data)
        return saved(plots.harvest(pointing), without_effects.sizes_alt(pointing), form)
    together = CombinedPValues.from_dict(data)
    return saved(plots.albatross(together), without_effects.p_values_alt(together), form)


def _drawn_words(inputs: str, code: str, form: str) -> dict[str, Any]:
    """A pool with trials that print no figure, or the prior of its mean beside the posterior."""
    from vfmeta import plots
    from vfmeta.bayes.partial import ReportsResult
    from vfmeta.text import numbers as tx

    kind, found = json.loads(inputs)
    result = ReportsResult.from_dict(found)
    if kind == "words":
        return saved(plots.forest(posterior=result, layout="plain"), plots.alt_text(posterior=result), form)
    shown = tx.effect_text(result.question, result.estimate, result.interval)
    alt = f"Prior ({result.priors[1]}) and posterior of the mean effect: posterior median {shown}."
    return saved(plots.posterior(result, _small(3.1), prior=True), alt, form)


def _small(high: float) -> Any:
    """A figure so narrow that its letters are read on a phone."""
    import matplotlib.pyplot as plt

    return plt.figure(figsize=(4.1, high), facecolor="white").add_axes((0.02, 0.03, 0.96, 0.94))


def _drawn_many(inputs: str, code: str, form: str) -> dict[str, Any]:
    """Every defensible specification of a pool."""
    ax = defensible.multiverse_of(inputs).plot()
    return saved(ax, str(ax.get_label()), form)


def _drawn_grown(inputs: str, code: str, form: str) -> dict[str, Any]:
    """The leading pool of a plan as its trials came in."""
    ax = grown.drawn(inputs)
    return saved(ax, str(ax.get_label()), form)


def saved(ax: Any, alt: str, form: str = "svg") -> dict[str, Any]:
    """A drawn figure as "svg" with alt text and names of its rows, or as "png", in base64."""
    from vfmeta import plots

    rows = address(ax)
    with tempfile.TemporaryDirectory() as folder:
        (path,) = plots.save(ax, Path(folder) / "figure", formats=(form,), alt=alt, close=True)
        body = path.read_bytes()
    return {"svg": body.decode(), "alt": alt, "rows": rows} if form == "svg" else {"png": base64.b64encode(body).decode()}

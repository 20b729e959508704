"""Figures of records, drawn once for the same numbers."""

from __future__ import annotations

import base64
import json
import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vfmeta.core.files import write
from vfmeta.evidence import defensible, without_effects
from vfmeta.evidence.bias import lights
from vfmeta.evidence.cache import Cache, digest_of
from vfmeta.evidence.flow import counted
from vfmeta.evidence.folder import keep_only
from vfmeta.evidence.inline import Target, address, alone, inline
from vfmeta.evidence.plan import PAGES
from vfmeta.evidence.provenance import targets, words_targets
from vfmeta.evidence.records import Record, sections
from vfmeta.results.fit import FrequentistResult
from vfmeta.results.posterior import BayesianResult
from vfmeta.results.risk_of_bias import RiskOfBias

if TYPE_CHECKING:
    from vfmeta.evidence.networks import Fitted
    from vfmeta.trials import Trials

COURSE = "untreated_course"
DRAWING = ("core", "plots", "results", "text", "evidence/figures.py", "evidence/inline.py")
_SPECIFYING = (*DRAWING, "appraisal", "bayes", "effects", "frequentist", "kernels", "priors", "evidence/defensible.py")


def draw_all(
    records: list[Record],
    out: str | Path = "build",
    *,
    cache: Cache | None = None,
    tick: Callable[[str], None] | None = None,
    specifications: bool = True,
) -> dict[str, list[dict[str, str]]]:
    """Draw the figures of the records into ``figures/`` as SVG and PNG: forest plots, and where nothing is pooled directions.

    Returns
    -------
    dict
        Plan id to its figures in order, each with ``name``, ``title``, ``alt`` text, ``svg`` to stand in a page, and ``kind``:
        "forest", "directions", "sizes", "p_values", "words" and "mean" of an ``analysis`` with trials that print no figure,
        or "multiverse" of one.
    """
    out = Path(out)
    cache = cache or Cache(out)
    code = digest_of(DRAWING, ("matplotlib",))
    by_plan: dict[str, list[Record]] = {}
    for record in records:
        by_plan.setdefault(record.plan, []).append(record)
    drawn = [(plan, name, group) for plan, members in by_plan.items() for name, group in sections(members)]
    made: dict[str, list[dict[str, str]]] = {plan: [] for plan in by_plan}
    images = cache.shared(_drawn, [(_inputs(group), code) for _, _, group in drawn])
    for (plan, name, group), image in zip(drawn, images, strict=True):
        if tick:
            tick(name)
        made[plan].append(placed(out, name, _title(group), image, targets(group)) | {"kind": "forest"})
    others = [(r, kind, result) for r in records for kind, result in without_effects.drawn(r)]
    images = cache.shared(
        _drawn_without, [(json.dumps([kind, result], ensure_ascii=False), code) for _, kind, result in others]
    )
    for (record, kind, _), image in zip(others, images, strict=True):
        name = f"{record.plan}-{kind}"
        if tick:
            tick(name)
        title = f"{record.data['plan']['title']}: {without_effects.TITLES[kind]}"
        made[record.plan].append(placed(out, name, title, image) | {"kind": kind})
    spoken = [(r, kind) for r in records if r.words is not None for kind in ("words", "mean")]
    inputs = [
        json.dumps([kind, r.data["words"]["result"]["posterior"]], sort_keys=True, ensure_ascii=False) for r, kind in spoken
    ]
    for (r, kind), image in zip(spoken, cache.shared(_drawn_words, [(x, code) for x in inputs]), strict=True):
        name = f"{r.plan}-{r.id}-{kind}"
        said = "with trials that print no figure" if kind == "words" else "prior and posterior of the mean"
        leads = words_targets(r) if kind == "words" else None
        made[r.plan].append(placed(out, name, f"{r.title}: {said}", image, leads) | {"analysis": r.id, "kind": kind})
    drawn_of = records if specifications else []
    many = [(r, asked) for r in drawn_of if (asked := defensible.inputs_of(r)) is not None]
    code = digest_of(_SPECIFYING, ("numpy", "scipy", "matplotlib"))
    calls = [(asked, code) for _, asked in many]
    for (r, _), image in zip(many, cache.shared(_drawn_many, calls), strict=True):
        name = f"{r.plan}-{r.id}-{defensible.KIND}"
        if tick:
            tick(name)
        entry = placed(out, name, f"{r.title}: every defensible specification", image)
        made[r.plan].append(entry | {"analysis": r.id, "kind": defensible.KIND})
    return made


def keep_drawn(out: Path, names: Iterable[str]) -> None:
    """Remove figures that no longer belong."""
    keep_only(out / "figures", {f"{name}.{ext}" for name in names for ext in ("svg", "png")})


def draw_networks(networks: Sequence[Fitted], out: Path, *, cache: Cache | None = None) -> list[dict[str, str]]:
    """Draw the graph of each network that has one, as ``figures/network-<id>``."""
    cache, code, made = cache or Cache(out), digest_of((*DRAWING, "networks"), ("matplotlib",)), []
    for found in networks:
        if found.fit is not None:
            inputs = json.dumps(found.fit.to_dict(), sort_keys=True, ensure_ascii=False)
            made.append(placed(out, found.figure, found.plan.title, cache.get(_drawn_network, inputs, code)))
    return made


def _drawn_network(inputs: str, code: str) -> dict[str, Any]:
    from vfmeta import plots
    from vfmeta.evidence.networks import alt_of
    from vfmeta.networks import NetworkResult

    net = NetworkResult.from_dict(json.loads(inputs))
    return saved(plots.network_graph(net), alt_of(net))


def _title(group: list[Record]) -> str:
    outcomes = dict.fromkeys(r.question.outcome for r in group)
    return f"{group[0].data['plan']['title']}: {', '.join(outcomes)}"


def draw_map(records: list[Record], trials: Trials, out: Path, *, cache: Cache | None = None) -> dict[str, str]:
    """Draw where evidence is and where it is not, as ``figures/evidence_map``; name, title and alt text."""
    cells = [[title, domain, used, known] for _, title, domain, used, known in map_counts(records, trials)]
    code = digest_of(DRAWING, ("matplotlib", "seaborn"))
    image = (cache or Cache(out)).get(_drawn_map, json.dumps(cells), code)
    return placed(out, "evidence_map", "Trials with a usable figure, of the trials known, by question and domain", image)


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


def draw_course(trials: Trials, out: Path, *, cache: Cache | None = None) -> dict[str, str] | None:
    """Draw pain over weeks in untreated arms as ``figures/untreated_course``; None without a visit."""
    from vfmeta.evidence.untreated.course import course

    cache = cache or Cache(out)
    visits = [v for v in course(trials, cache).visits if v.pooled is not None]
    if not visits:
        return None
    parts = [
        [round(v.week), v.name, v.pooled.fit.to_dict(), v.pooled.posterior.to_dict() if v.pooled.posterior else None]
        for v in visits
        if v.pooled is not None
    ]
    inputs = json.dumps(parts, sort_keys=True, ensure_ascii=False)
    image = cache.get(_drawn_course, inputs, digest_of(DRAWING, ("matplotlib",)))
    return placed(out, COURSE, "Mean pain in untreated arms of recent fractures, and the arms behind it", image)


def _drawn_course(inputs: str, code: str) -> dict[str, Any]:
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
    return saved(ax, alt)


def draw_flow(trials: Trials, out: Path, *, cache: Cache | None = None) -> dict[str, str]:
    """Draw the PRISMA 2020 flow as far as the tables count it, as ``figures/prisma_flow``; name, title and alt text."""
    inputs = json.dumps(counted(trials))
    image = (cache or Cache(out)).get(_drawn_flow, inputs, digest_of(DRAWING, ("matplotlib",)))
    return placed(out, "prisma_flow", "Flow of records, reports and studies, after PRISMA 2020", image)


def _drawn_flow(inputs: str, code: str) -> dict[str, Any]:
    from vfmeta import plots

    counts = json.loads(inputs)
    return saved(plots.prisma_flow(counts), plots.prisma_flow_text(counts))


def placed(out: Path, name: str, title: str, drawn: dict[str, Any], leads: dict[str, Target] | None = None) -> dict[str, str]:
    """Put a figure where it belongs, and return what pages show of it."""
    write(out / "figures" / f"{name}.svg", alone(drawn["svg"]))
    write(out / "figures" / f"{name}.png", base64.b64decode(drawn["png"]))
    alt = drawn["alt"]
    svg = inline(drawn["svg"], name, title, alt, drawn["rows"], leads)
    return {"name": name, "title": title, "alt": alt, "svg": svg, "kind": "whole"}


def _drawn_map(cells: str, code: str) -> dict[str, Any]:
    import pandas as pd

    from vfmeta import plots
    from vfmeta.trials import schema

    frame = pd.DataFrame(json.loads(cells), columns=["question", "domain", "usable", "known"])
    order = [d.replace("_", " ") for d in schema.allowed("outcomes", "domain")]
    rows, columns = frame.question.unique(), [d for d in order if d in set(frame.domain)]
    tables = [frame.pivot(index="question", columns="domain", values=v).loc[rows, columns] for v in ("usable", "known")]
    said = "; ".join(f"{q}, {d}: {u} of {k}" for q, d, u, k in json.loads(cells))
    alt = f"Map of the evidence: trials with a usable figure of the trials known. {said}."
    return saved(plots.gap_map(*tables), alt)


def _inputs(group: list[Record]) -> str:
    parts = [[r.title, r.data["results"]["frequentist"], r.data["results"]["posterior"]] for r in group]
    judged = lights([r.bias for r in group])
    return json.dumps([parts, judged and judged.to_dict()], sort_keys=True, ensure_ascii=False)


def _drawn(inputs: str, code: str) -> dict[str, Any]:
    """SVG, PNG (in base64), alt text and names of rows; ``code`` takes no part in the drawing, only in what is remembered."""
    from vfmeta import plots

    found, judged = json.loads(inputs)
    parts = [
        (title, FrequentistResult.from_dict(fit) if fit else None, BayesianResult.from_dict(post) if post else None)
        for title, fit, post in found
    ]
    bias = RiskOfBias.from_dict(judged) if judged else None
    ax = plots.forest(sections=parts, layout="plain", bias=bias)
    alt = plots.alt_text(sections=parts)
    return saved(ax, f"{alt} {bias.sentence()}" if bias else alt)


def _drawn_without(inputs: str, code: str) -> dict[str, Any]:
    from vfmeta import plots
    from vfmeta.results.no_effects import CombinedPValues, Directions

    kind, data = json.loads(inputs)
    if kind == "directions":
        pointing = Directions.from_dict(data)
        # three outcomes beside one another are still read on a phone
        return saved(plots.effect_direction(pointing, wrap=3), without_effects.directions_alt(pointing))
    if kind == "sizes":
        pointing = Directions.from_dict(data)
        return saved(plots.harvest(pointing), without_effects.sizes_alt(pointing))
    together = CombinedPValues.from_dict(data)
    return saved(plots.albatross(together), without_effects.p_values_alt(together))


def _drawn_words(inputs: str, code: str) -> dict[str, Any]:
    """A pool with trials that print no figure, or the prior of its mean beside the posterior."""
    from vfmeta import plots
    from vfmeta.bayes.partial import ReportsResult
    from vfmeta.text import numbers as tx

    kind, found = json.loads(inputs)
    result = ReportsResult.from_dict(found)
    if kind == "words":
        return saved(plots.forest(posterior=result, layout="plain"), plots.alt_text(posterior=result))
    shown = tx.effect_text(result.question, result.estimate, result.interval)
    alt = f"Prior ({result.priors[1]}) and posterior of the mean effect: posterior median {shown}."
    return saved(plots.posterior(result, prior=True), alt)


def _drawn_many(inputs: str, code: str) -> dict[str, Any]:
    """Every defensible specification of a pool."""
    ax = defensible.multiverse_of(inputs).plot()
    return saved(ax, str(ax.get_label()))


def saved(ax: Any, alt: str) -> dict[str, Any]:
    from vfmeta import plots

    rows = address(ax)
    with tempfile.TemporaryDirectory() as folder:
        paths = plots.save(ax, Path(folder) / "figure", formats=("svg", "png"), alt=alt, close=True)
        svg, png = (path.read_bytes() for path in paths)
    return {"svg": svg.decode(), "png": base64.b64encode(png).decode(), "alt": alt, "rows": rows}

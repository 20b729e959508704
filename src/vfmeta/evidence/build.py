"""The whole way from tables and plans to the site, with nothing done twice."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from vfmeta.core.files import write
from vfmeta.core.messages import InputError
from vfmeta.core.ticking import ticking
from vfmeta.evidence.cache import HOME, Cache, digest
from vfmeta.evidence.folder import DAMAGE, STATE, sweep, tidy
from vfmeta.evidence.render import named, site_of
from vfmeta.trials.schema import packaged_folder

STAGES = ("analyses", "figures", "report")
_LIBRARIES = (
    "numpy", "pandas", "scipy", "statsmodels", "matplotlib", "pymc", "pytensor", "nutpie", "arviz", "jinja2", "frictionless",
)  # fmt: skip
Say = Callable[[str], None]


def build(
    stage: str = "report",
    *,
    trials: str | Path | None = None,
    plans: str | Path | None = None,
    out: str | Path = "build",
    site: str | Path = "reports/_site",
    snapshots: str | Path | None = None,
    say: Say = print,
) -> Path:
    """Build results, figures and the site, as far as ``stage`` says.

    Parameters
    ----------
    stage : {"analyses", "figures", "report"}
        Where to stop. "figures" draws each of them as PNG too; "report" those that its pages offer for slides, and keeps what
        is still right of the others.
    trials, plans : str or path, optional
        Folders of trial tables and plans; the packaged ones when left out.
    out, site : str or path
        Where results and figures, and the site, are written.
    snapshots : str or path, optional
        Folder of earlier conclusions: the pages say what changed, and conclusions that are new are kept there. None by default.
    say : callable
        Takes each line of progress.

    Returns
    -------
    pathlib.Path
        The index page, or the folder of results or figures.

    Raises
    ------
    InputError
        Something is wrong with a table or plan; nothing is written then.
    """
    if stage not in STAGES:
        raise InputError(f"stage is one of {', '.join(STAGES)}, not {stage!r}.")
    out, site = Path(out), Path(site)
    tables = Path(trials) if trials is not None else packaged_folder()
    plan_folder = Path(plans) if plans is not None else packaged_folder("analyses")
    goal = {"analyses": out / "results", "figures": out / "figures", "report": site / "index.html"}[stage]
    tidy(out)
    sweep(site)
    kept = Path(snapshots) if snapshots is not None else None
    state, inputs = out / STATE, _digest_of_inputs(tables, plan_folder, kept)
    if _unchanged(state, stage, inputs, [out / "results", out / "figures", site]):
        say(f"nothing has changed since the last build: {goal}")
        return goal
    clock, cache, full = _Clock(say), Cache(out, beside=True), False
    try:
        with clock("reading and checking the tables"):
            from vfmeta.evidence.tables import load

            reading = load(tables, cache)
            cache.prepare()
            from vfmeta.evidence.plan import load_plans

            loaded_plans, (loaded, passed) = load_plans(plan_folder), reading()
            from vfmeta.evidence.networks import load_network_plans

            network_plans = load_network_plans(plan_folder)
            dress = site_of(plan_folder)
        if loaded.slips:
            say(f"{len(loaded.slips)} of the figures may hold a slip and enter no pool; vfmeta validate says which and why")
        from vfmeta.evidence.run import begin

        total = sum(len(p.analysis) for p in loaded_plans)
        with clock(f"{total} analyses", total) as step:
            begun = begin(loaded_plans, loaded, cache, tick=step)
            step.note = cache.said()
        cache.pass_on(passed)  # not before: a build that is refused writes nothing
        made = [out / "results"]
        if stage != "analyses":  # drawn while the other engines are at work: a figure needs nothing of them
            from vfmeta.evidence import figures, further, networks, picture
            from vfmeta.evidence.plan import pages_of
            from vfmeta.evidence.site import SLIDES

            with clock("figures") as step:
                cache.offer(calls := [networks.call(loaded, plan) for plan in network_plans])
                joined = [cache.get(*call) for call in calls]
                graphs = figures.of_networks(network_plans, joined)
                whole = [figures.of_map(begun.records, loaded), figures.of_flow(loaded), *figures.of_course(loaded, cache)]
                whole += [picture.of_answers(loaded_plans, begun.records, loaded, pages_of(loaded_plans), dress), *graphs]
                drawings = [*figures.of_records(begun.records), *whole]
                twins = [d.name for d in drawings if stage == "figures" or d.name in SLIDES or figures.has_twin(d, cache)]
                cache.offer(call for r in begun.records if (call := further.call(r)) is not None)  # for the pages
                drawn = figures.draw(drawings, out, cache=cache, tick=step, twins=twins)
                figures.keep_drawn(out, drawn, twins)
            full = len(twins) == len(drawn)
            made.append(out / "figures")
        with clock("checks by statsmodels and PyMC"):
            records = begun.finish(out)
    finally:
        cache.close()
    if stage == "report":
        from vfmeta.evidence.site import Whole, write_site
        from vfmeta.evidence.snapshots import keep

        with clock("pages"):
            moved = None if kept is None else keep(records, kept)
            of_all = Whole(
                drawn[figures.MAP],
                drawn[figures.FLOW],
                drawn[picture.NAME],
                drawn.get(figures.COURSE),
                [drawn[x.name] for x in graphs],
            )
            own = figures.by_plan(drawings, drawn)
            with named(dress):
                write_site(loaded_plans, records, own, of_all, loaded, out, site, (network_plans, joined), moved)
        made.append(site)
        if kept is not None:
            inputs = _digest_of_inputs(tables, plan_folder, kept)  # with what was kept just now
    _remember(state, [x for x in STAGES[: len(made)] if x != "figures" or full], inputs, made, plan_folder)
    say(f"done in {clock.total():.1f} s: {goal}")
    return goal


class _Step:
    """A step while it runs: called with what is done now; ``note`` is said behind its name at the end."""

    def __init__(self, show: Callable[[str], None]) -> None:
        self.show, self.note = show, ""

    def __call__(self, now: str) -> None:
        self.show(now)


class _Clock:
    """Names each step while it runs and says how long it took."""

    def __init__(self, say: Say) -> None:
        self.say, self.start = say, time.perf_counter()

    def total(self) -> float:
        return time.perf_counter() - self.start

    @contextmanager
    def __call__(self, name: str, total: int | None = None) -> Iterator[_Step]:
        start = time.perf_counter()
        with ticking() as progress:
            task = progress.add_task(name, total=total, now="")
            step = _Step(lambda now: progress.update(task, advance=1, now=now[:80]))
            yield step
        self.say(f"{name}{', ' if step.note else ''}{step.note}: {time.perf_counter() - start:.1f} s")


def _digest_of_inputs(tables: Path, plans: Path, snapshots: Path | None) -> str:
    sources = [p for p in sorted(HOME.rglob("*")) if p.suffix in {".py", ".html", ".css", ".js", ".csv"}]
    folders: tuple[tuple[Path, list[Path]], ...] = ((tables, sorted(tables.glob("*"))), (plans, sorted(plans.rglob("*.toml"))))
    if snapshots is not None:
        folders = (*folders, (snapshots, sorted(snapshots.glob("*.json"))))
    found = [digest((f for f in files if f.is_file()), folder) for folder, files in folders]
    return " ".join([*found, digest(sources, HOME, _LIBRARIES, code=os.environ.get("SOURCE_DATE_EPOCH", ""))])


def newer(out: Path, tables: Path) -> list[str]:
    """Which of "tables" and "plans" are no longer those that a build was made from; none where the build does not say."""
    try:
        known = json.loads((out / STATE).read_text(encoding="utf-8"))["analyses"]
        plans = Path(known["plans"])
        was, now = known["inputs"].split(), _digest_of_inputs(tables, plans, None).split()
        return [name for name, a, b in zip(("tables", "plans"), was, now, strict=False) if a != b and plans.is_dir()]
    except DAMAGE:
        return []


def _outputs(folders: list[Path]) -> dict[str, str]:
    files = [p for folder in folders if folder.is_dir() for p in sorted(folder.rglob("*")) if p.is_file()]
    return {str(p): digest([p], p.parent) for p in files}


def _unchanged(state: Path, stage: str, inputs: str, folders: list[Path]) -> bool:
    """Whether this stage was built from these inputs and nobody touched what it wrote."""
    try:
        known = json.loads(state.read_text(encoding="utf-8"))[stage]
        return known["inputs"] == inputs and known["outputs"] == _outputs(folders[: 1 + STAGES.index(stage)])
    except DAMAGE:
        return False


def _remember(state: Path, stages: list[str], inputs: str, made: list[Path], plans: Path) -> None:
    from vfmeta.results.codec import dumps

    known, of = {}, [_outputs([folder]) for folder in made]
    for stage in stages:
        outputs = {name: found for folder in of[: 1 + STAGES.index(stage)] for name, found in folder.items()}
        known[stage] = {"inputs": inputs, "outputs": outputs, "plans": str(plans.resolve())}
    write(state, dumps(known))

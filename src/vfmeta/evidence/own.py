"""A sheet of one's own to pages of one's own: the same engines, records, figures and templates as the review."""

from __future__ import annotations

import re
import shutil
import tempfile
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from vfmeta.core.files import PART, write
from vfmeta.core.messages import InputError, VfmetaWarning
from vfmeta.core.params import Design, Method, Missing, Test, choice
from vfmeta.effects.table import EffectTable
from vfmeta.evidence import fit, own_code, own_pages
from vfmeta.evidence.cache import Cache, digest_of
from vfmeta.evidence.folder import put
from vfmeta.evidence.own_made import Analysed, Own
from vfmeta.evidence.own_trials import judged, trials_of
from vfmeta.evidence.plan import Analysis, Plan
from vfmeta.evidence.records import RECORD_VERSION, Record
from vfmeta.evidence.run import LIBRARIES, MODELS, completed, part_of, study_csv
from vfmeta.exchange.own_data import read_all
from vfmeta.results.codec import dumps, read_back

_LISTING = ".vfmeta"
_SCATTERED = {"i2": 75.0, "k": 5, "df": 4.0}


def _silent(line: str) -> None:
    pass


def analyse(
    data: Any,
    out: str | Path = "analysis",
    *,
    design: Design = "randomised",
    method: Method = "REML",
    test: Test = "HKSJ",
    missing: Missing = "drop",
    say: Callable[[str], None] = _silent,
    **options: Any,
) -> Analysed:
    """Read a sheet of studies and write pages of it: answer, forest plot, appraisal, methods, data and code for each outcome.

    Parameters
    ----------
    data : path, data frame or mapping of columns
        As `vfmeta.read` takes it; a column of outcomes gives each a page of its own.
    out : str or path
        Folder of the pages. It is written whole or not at all, and replaces only what this verb wrote there before.
    design : {"randomised", "quasi_randomised", "non_randomised"}
        Of the studies, for the certainty of the evidence.
    method, test : str
        Estimator of tau2 and test of the frequentist pool.
    missing : {"raise", "drop"}
        Whether a row without a usable figure is an error, or is left out and named on its page.
    say : callable
        Takes what was read and found, line by line.
    **options
        Further arguments of `vfmeta.read`; ``measure`` may be a mapping by outcome.

    Returns
    -------
    Analysed
        ``page`` to open, and by outcome ``answers``, ``tables``, ``fits`` and ``posteriors``.

    Raises
    ------
    InputError
        The sheet cannot be read, or the folder holds something else. Nothing is written then.

    Examples
    --------
    >>> import tempfile
    >>> import vfmeta as vf
    >>> sheet = {"study": ["A", "B", "C"], "events treat": [4, 6, 3], "n treat": [40, 60, 50], "events control": [9, 12, 5],
    ...          "n control": [41, 58, 50], "higher is worse": ["yes"] * 3}
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     found = vf.analyse(sheet, f"{folder}/pages")
    ...     found.page.is_file()
    True
    >>> found.fits[""].k, found.tables[""].question.measure
    (3, 'RR')
    """
    choices = {"design": choice("design", design, Design), "method": choice("method", method, Method),
               "test": choice("test", test, Test), "scattered": _SCATTERED}  # fmt: skip
    out = Path(out)
    _refuse_strange(out)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", VfmetaWarning)
        tables = read_all(data, missing=missing, **options)
    said = tuple(str(w.message) for w in caught if issubclass(w.category, VfmetaWarning))
    for outcome, table in tables.items():
        for line in table.taken:
            say(f"{outcome}: {line}" if outcome else line)
    for line in said:
        say(line)
    out.parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(dir=out.parent, prefix=PART))
    try:
        records = _fill(folder, data, tables, said, {**options, "missing": missing}, choices)
        for record in records:
            say(f"{record.title}: {record.data['answer']}")
        put(folder, out)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return Analysed(
        out / "index.html", dict(zip(tables, (r.data["answer"] for r in records), strict=True)), tables,
        dict(zip(tables, (r.frequentist for r in records), strict=True)),
        dict(zip(tables, (r.posterior for r in records), strict=True)), said,
    )  # fmt: skip


def _fill(
    folder: Path,
    data: Any,
    tables: dict[str, EffectTable],
    said: tuple[str, ...],
    reading: dict[str, Any],
    choices: dict[str, Any],
) -> list[Record]:
    """Everything of the pages, into an empty folder."""
    from vfmeta.evidence.figures import draw_all

    build = folder / "build"
    cache = Cache(build, beside=len(tables) > 1)
    try:
        cache.prepare(_load_drawing)
        own = _analysed(data, tables, said, reading, choices, cache)
        few = len(tables) <= own_pages.CURVES
        figures = draw_all(own.records, build, cache=cache, specifications=few, dated=own_pages.dated(own) if few else ())
        trials = trials_of(own.tables)
        pages = own_pages.pages(own, figures, trials, cache)
    finally:
        cache.close()
    files: dict[str, str | bytes] = {**pages, **_downloads(data, own)}
    for drawn in figures.values():
        for f in drawn:
            name = f"figures/{f['name']}.svg"
            files[name] = (build / name).read_bytes()
    shutil.rmtree(build)
    for name, body in files.items():
        write(folder / name, body)
    write(folder / _LISTING, "\n".join(sorted(files)) + "\n")
    return own.records


def _load_drawing() -> None:
    """Import what answers and figures need, in the process beside."""
    from vfmeta import plots
    from vfmeta.evidence import figures, fit  # noqa: F401

    plots.forest  # noqa: B018


def _analysed(
    data: Any,
    tables: dict[str, EffectTable],
    said: tuple[str, ...],
    reading: dict[str, Any],
    choices: dict[str, Any],
    cache: Cache,
) -> Own:
    """Plans and records of the outcomes; their answers are made by two processes."""
    plans = _plans(tables)
    trials = trials_of(tables)
    stated = [choices | _engines(t) for t in tables.values()]
    code = digest_of(MODELS, LIBRARIES)
    given = [fit.inputs_of(t, c, sample=False, name="") for t, c in zip(tables.values(), stated, strict=True)]
    answers = {given[i]: found for i, found in cache.shared([(_both, x, code) for x in given])}

    records = []
    for plan, table, c, x in zip(plans, tables.values(), stated, given, strict=True):
        whole = {
            "record_version": RECORD_VERSION,
            "plan": {k: v for k, v in plan.model_dump().items() if k != "analysis"},
            "analysis": {k: v for k, v in plan.analysis[0].model_dump(exclude_none=True).items() if k != "sensitivity"},
            **part_of(table, c, trials, answers[x]),
            "points": None, "without_effects": None, "words": None, "sensitivity": [],
        }  # fmt: skip
        records.append(completed(whole, judged(trials, table), cache))
    name = Path(data).name if isinstance(data, (str, Path)) else "data.csv"
    return Own(name, tables, plans, records, said, reading, choices)


def _both(inputs: str, code: str) -> dict[str, Any]:
    """Answers of an outcome, and where it is pooled what the second engine says of them; parameters as in `fit.answers`."""
    found = fit.answers(inputs, code)
    pooled = found["frequentist"] and found["frequentist"]["k"] > 1
    second = fit.second_answers(inputs, code) if pooled else {}
    made: dict[str, Any] = read_back({**found, "second": None, "sampled": None} | second)
    return made


def _engines(table: EffectTable) -> dict[str, Any]:
    """Without a Bayesian answer where the measure has no default priors: a mean difference on a scale of unknown ends."""
    from vfmeta.priors import default_mu, default_tau

    try:
        default_tau(table.question), default_mu(table.question)
    except InputError:
        return {"bayes": False}
    return {}


def _plans(tables: Mapping[str, EffectTable]) -> list[Plan]:
    """One plan an outcome, with one analysis; measures that no plan of the review has stand in them as they are."""
    plans, seen = [], dict[str, int]()
    for outcome, table in tables.items():
        q = table.question
        plain = re.sub(r"[^a-z0-9]+", "_", outcome.casefold()).strip("_") or "effect"
        plain = plain if plain not in own_pages.TAKEN and not plain.endswith("_studies") else f"{plain}_outcome"
        seen[plain] = seen.get(plain, 0) + 1
        name = plain if seen[plain] == 1 else f"{plain}_{seen[plain]}"
        title = outcome or "Effect"
        analysis = Analysis.model_construct(
            id="all", title=title, outcome=name, measure=q.measure, lead=True, higher_is_worse=q.higher_is_worse
        )
        question = f"What do the studies say of {title[:1].lower()}{title[1:]}?"
        plan = Plan.model_construct(
            id=name, title=title, page=name, population="", experimental=("experimental",), control=("control",),
            question=question, names=(q.experimental, q.control), analysis=(analysis,),
        )  # fmt: skip
        plans.append(plan)
    return plans


def _downloads(data: Any, own: Own) -> dict[str, str | bytes]:
    """The sheet as it was given, effects and results of each outcome, and the code that makes them again."""
    files: dict[str, str | bytes] = {f"data/{own.source}": _sheet(data)}
    for record in own.records:
        files[f"data/results/{record.plan}/{record.id}.json"] = dumps(record.data)
        files[f"data/results/{record.plan}/{record.id}_studies.csv"] = study_csv(record)
    files["data/analysis.py"] = own_code.python(own.source, own.tables, own.reading, own.choices)
    files["data/analysis.R"] = own_code.r(own.records, own.choices)
    return files


def _sheet(data: Any) -> bytes:
    if isinstance(data, (str, Path)):
        return Path(data).read_bytes()
    from vfmeta.effects.columns import as_frame

    return as_frame(data).to_csv(index=False).encode()


def _refuse_strange(out: Path) -> None:
    """A folder that holds anything but pages of an earlier call is left alone."""
    if out.is_symlink() or (out.exists() and not out.is_dir()):
        raise InputError(f"{out} is no folder; name another for the pages.")
    if out.is_dir() and any(out.iterdir()) and not (out / _LISTING).is_file():
        raise InputError(f"{out} holds something else already; name an empty or a new folder for the pages.")
    if out.is_dir() and (out / _LISTING).is_file():
        known = set((out / _LISTING).read_text(encoding="utf-8").splitlines()) | {_LISTING}
        files = (p.relative_to(out).as_posix() for p in out.rglob("*") if p.is_file())
        strange = sorted(set(files) - known)
        if strange:
            raise InputError(f"{out} holds {strange[0]}, which these pages did not bring; move it, or name another folder.")

"""What people type."""

from __future__ import annotations

import gc
import sys
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from vfmeta import __version__
from vfmeta.core.params import BiasTool, Decimal, Design, Method, Missing, Test, TrialDesign

app = App(
    name="vfmeta",
    help="Evidence synthesis for painful osteoporotic vertebral fractures.",
    version=__version__,
    suppress_keyboard_interrupt=False,
)

Trials = Annotated[Path | None, Parameter(help="Folder of trial tables; the packaged ones when left out.")]
Plans = Annotated[Path | None, Parameter(help="Folder of analysis plans; the packaged ones when left out.")]
Reference = Annotated[Path | None, Parameter(help="RIS, BibTeX or PubMed file whose one record fills study and source.")]
_TYPED = 'Here options are typed: --measure MD, --sides "Drug A" placebo, --columns.mean1 "M drug".'
Out = Annotated[Path, Parameter(help="Where results and figures are written.")]


@app.command
def validate(
    folder: Annotated[Path | None, Parameter(help="Folder of trial tables; the packaged ones when left out.")] = None,
) -> int:
    """Check trial tables and list every problem with file, row, column, value and what to do."""
    from vfmeta.trials import checked
    from vfmeta.trials.schema import packaged_folder

    found, odd = checked(folder or packaged_folder())
    for problem in (*found, *odd):
        print(problem)
    if found:
        print(f"{len(found)} problem{'' if len(found) == 1 else 's'} found.")
    if odd:
        print(f"{len(odd)} figure{'' if len(odd) == 1 else 's'} out of every pool until corrected or explained.")
    if not found and not odd:
        print("The tables are sound.")
    return 1 if found or odd else 0


@app.command
def run(*, trials: Trials = None, plans: Plans = None, out: Out = Path("build")) -> int:
    """Carry out the analyses of the plans and write their results as JSON and CSV."""
    return _build("analyses", trials, plans, out)


@app.command
def figures(*, trials: Trials = None, plans: Plans = None, out: Out = Path("build")) -> int:
    """Carry out the analyses and draw every figure as SVG and PNG."""
    return _build("figures", trials, plans, out)


@app.command
def report(
    *,
    trials: Trials = None,
    plans: Plans = None,
    out: Out = Path("build"),
    site: Annotated[Path, Parameter(help="Where the pages are written.")] = Path("reports/_site"),
    snapshots: Annotated[
        Path | None, Parameter(help="Folder of earlier conclusions; the pages then say what changed, and new ones are kept.")
    ] = None,
) -> int:
    """Build the evidence summary."""
    return _build("report", trials, plans, out, site, snapshots)


@app.command
def analyse(
    data: Annotated[Path, Parameter(help="Sheet of studies: CSV, TSV, XLSX, JSON or parquet.")],
    *,
    out: Annotated[Path, Parameter(help="Folder of the pages.")] = Path("analysis"),
    measure: Annotated[str | None, Parameter(help="Effect measure, where the sheet does not say it.")] = None,
    sheet: Annotated[str | None, Parameter(help="Sheet of a workbook.")] = None,
    columns: Annotated[dict[str, str] | None, Parameter(help='What a column is: --columns.mean1 "M drug".')] = None,
    outcome: Annotated[str | None, Parameter(help="One outcome of several.")] = None,
    sides: Annotated[tuple[str, str] | None, Parameter(help="Experimental and control group, as the sheet names them.")] = None,
    higher_is_worse: Annotated[bool | None, Parameter(help="Direction of the outcome.")] = None,
    points: Annotated[tuple[float, float] | None, Parameter(help="Ends of the scale of mean differences.")] = None,
    mid: Annotated[float | None, Parameter(help="Smallest difference that matters.")] = None,
    trial_design: Annotated[TrialDesign | None, Parameter(help="How the trials were laid out.")] = None,
    icc: Annotated[float | None, Parameter(help="Intracluster correlation.")] = None,
    cluster_size: Annotated[float | None, Parameter(help="Mean size of a cluster.")] = None,
    correlation: Annotated[float | None, Parameter(help="Correlation of two measurements of a person.")] = None,
    decimal: Annotated[Decimal | None, Parameter(help="What parts the decimals of texts.")] = None,
    level: Annotated[float | None, Parameter(help="Level of the intervals in the sheet.")] = None,
    bias_tool: Annotated[BiasTool | None, Parameter(help="Instrument of the judgements of risk of bias.")] = None,
    missing: Annotated[Missing, Parameter(help="Whether rows without a usable figure are an error.")] = "drop",
    design: Annotated[Design, Parameter(help="Of the studies, for the certainty.")] = "randomised",
    method: Annotated[Method, Parameter(help="Estimator of tau2.")] = "REML",
    test: Annotated[Test, Parameter(help="Test of the frequentist pool.")] = "HKSJ",
) -> int:
    """Analyse a sheet of your own: pages with answer, forest plot, appraisal, methods, data and code for each outcome."""
    from vfmeta.core.messages import InputError
    from vfmeta.evidence.own import analyse as analyse_sheet

    try:
        made = analyse_sheet(
            data, out, design=design, method=method, test=test, missing=missing, measure=measure, sheet=sheet, columns=columns,
            outcome=outcome, sides=sides, higher_is_worse=higher_is_worse, points=points, mid=mid, trial_design=trial_design,
            icc=icc, cluster_size=cluster_size, correlation=correlation, decimal=decimal, level=level, bias_tool=bias_tool,
            say=print,
        )  # fmt: skip
    except InputError as error:
        if not any("vf.read(" in problem for problem in error.problems):
            raise
        raise InputError([*error.problems, _TYPED]) from None
    print(f"done: {made.page}")
    return 0


@app.command
def init(folder: Annotated[Path, Parameter(help="A new or an empty folder.")]) -> int:
    """Start a review of your own: tables with a worked example, a plan, and a README that says how to go on."""
    from vfmeta.evidence.start import start

    print(f"done: {start(folder)} says how to go on")
    return 0


@app.command
def changes(
    before: Annotated[Path | None, Parameter(help="Build folder or snapshot; the last snapshot when left out.")] = None,
    after: Annotated[Path, Parameter(help="Build folder.")] = Path("build"),
    *,
    snapshots: Annotated[Path, Parameter(help="Folder of snapshots.")] = Path("reports/snapshots"),
) -> int:
    """Say what changed: which conclusions moved, by which trials, and where only how the trials are analysed moved one."""
    from vfmeta.evidence.changes import since

    for line in since(before, after, snapshots):
        print(line)
    return 0


@app.command
def template(
    out: Annotated[Path, Parameter(help="The form to write: .csv or .xlsx.")],
    *,
    record: Reference = None,
) -> int:
    """Write the form of a new trial: one line a cell, with what it may hold beside it."""
    from vfmeta.core.messages import InputError
    from vfmeta.evidence.trial_form import of_reference, write_form

    if out.exists():
        raise InputError(f"{out} is there already, and may be filled in; name another file.")
    print(f"done: fill the column 'value' of {write_form(out, of_reference(record) if record else None)}")
    return 0


@app.command
def add_trial(
    form: Annotated[Path | None, Parameter(help="A filled form of 'vfmeta template'; asked for when left out.")] = None,
    *,
    trials: Annotated[Path, Parameter(help="Folder of trial tables.")] = Path("data/trials"),
    plans: Plans = None,
    record: Reference = None,
    out: Annotated[Path, Parameter(help="Where the forest plots of before and after are drawn.")] = Path("build/added"),
    dry_run: Annotated[bool, Parameter(help="Check and say what would change; no table is touched.")] = False,
    undo: Annotated[bool, Parameter(help="Take back the last addition.")] = False,
) -> int:
    """Add a trial to the tables, checked before anything is written, and say which analyses it moves."""
    from vfmeta.evidence import add_trial as adding
    from vfmeta.evidence import table_edits, trial_form
    from vfmeta.evidence.moved import moved
    from vfmeta.evidence.plan import load_plans
    from vfmeta.trials import load_trials

    if undo:
        print(f"taken back: {', '.join(table_edits.undo(trials))} as before")
        return 0
    known = trial_form.of_reference(record) if record else None
    if form is None:
        rows = trial_form.ask(load_trials(trials), input, print, known)
    else:
        rows = trial_form.joined(trial_form.read_form(form), known)
    before, after = adding.add(adding.completed(rows), trials, dry_run=dry_run)
    for line in moved(load_plans(plans), before, after, out) or ["No analysis of the plans uses a figure of it yet."]:
        print(line)
    return 0


@app.command
def second_reading(
    *,
    trials: Annotated[Path, Parameter(help="Folder of trial tables; both readings are recorded beside them.")] = Path(
        "data/trials"
    ),
    table: Annotated[str | None, Parameter(help="One table of figures.")] = None,
    reader: Annotated[str, Parameter(help="Who reads the second time; without a name what was read once is listed.")] = "",
    first_reader: Annotated[str, Parameter(help="Who read first.")] = "",
    how: Annotated[str, Parameter(help="How the second reading is made, in words that the page shows.")] = "",
    source: Annotated[str, Parameter(help="Where it is made, of sources.csv; the source of each row when left out.")] = "",
) -> int:
    """List what was read once, or ask it again without showing the first reading, and say how far both agree."""
    from vfmeta.core.messages import InputError, did_you_mean
    from vfmeta.evidence import second_reading as second
    from vfmeta.trials import load_trials

    if table is not None and table not in second.READ:
        raise InputError(f"No table of figures is {table!r}.{did_you_mean(table, second.READ)}")
    if reader and not (first_reader and how):
        raise InputError(
            "--reader also takes --first-reader and --how: a page that tells of agreement says whose it is and how it came."
        )
    known, record = load_trials(trials), trials / second.RECORD
    done = {(r["table"], r["figure"], r["column"]) for r in second.recorded(record)}
    cells = [c for c in second.read_once(known, table) if (c.table, c.figure, c.column) not in done]
    if not reader:
        for cell in cells:
            print(f"{cell.table}, {cell.figure}, {cell.column}: {cell.where}")
    made = second.Made(first_reader, reader, how, source)
    readings = second.recorded(record, second.ask(cells, input, made) if reader else [])
    if reader:
        rows, apart = second.settled(known, readings)
        for line in (*second.settle(rows, known, source), *apart):
            print(line)
    for line in second.agreement(readings):
        print(line)
    return 0


def _build(
    stage: str,
    trials: Path | None,
    plans: Path | None,
    out: Path,
    site: Path = Path("reports/_site"),
    snapshots: Path | None = None,
) -> int:
    from vfmeta.evidence.build import build

    build(stage, trials=trials, plans=plans, out=out, site=site, snapshots=snapshots)
    return 0


def main() -> None:
    """Entry point: errors of input, and what is not installed, are said in words; the exit status is 1 then."""
    from vfmeta.core.extras import MissingExtra
    from vfmeta.core.messages import InputError

    try:
        status = app(result_action="return_value")
    except (InputError, MissingExtra) as error:
        print(error, file=sys.stderr)
        status = 1
    except (EOFError, KeyboardInterrupt):  # where something is asked, or while something is made
        print("\nStopped.", file=sys.stderr)
        status = 130
    except OSError as error:  # a full disk, a file where a folder should be, a folder one may not write to
        print(f"{error.filename or 'file'}: {error.strerror or error}.", file=sys.stderr)
        status = 1
    gc.freeze()  # the process ends: looking through all libraries for garbage first takes most of a second
    sys.exit(status if isinstance(status, int) else 0)

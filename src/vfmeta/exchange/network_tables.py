"""Tables of networks as CINeMA, netmeta, BUGSnet and MetaInsight have them, with the names of `vfmeta.network`, and back."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from vfmeta.core.files import write
from vfmeta.core.messages import InputError, warn, warn_each
from vfmeta.core.params import NetworkProgram, choice
from vfmeta.effects import cells
from vfmeta.effects.columns import as_frame
from vfmeta.effects.sheet.values import numbers
from vfmeta.exchange.opening import opened
from vfmeta.text.csv_cells import as_csv

if TYPE_CHECKING:
    import pandas as pd

#: name of `vfmeta.network` -> names in other programs, without case, blanks and punctuation
_NAMES = {
    "study": ("study", "studlab", "studyname", "trial"),
    "treatment": ("t", "treatment", "treat", "trt"),
    "events": ("r", "events", "event", "responders"),
    "mean": ("y", "mean"),
    "sd": ("sd", "stddev"),
    "n": ("n", "samplesize", "total"),
    "time": ("time", "exposure", "e"),
    "treat1": ("t1", "treat1"),
    "treat2": ("t2", "treat2"),
    "y": ("effect", "te", "y"),
    "se": ("se", "sete"),
}
#: what other programs call what `vfmeta.network` calls otherwise, and figures without which a table is none of theirs
_CALLED: dict[str, dict[str, str]] = {
    "CINeMA": {"treatment": "t", "events": "r", "mean": "y", "treat1": "t1", "treat2": "t2", "y": "effect"},
    "netmeta": {"study": "studlab", "treatment": "treat", "events": "event", "y": "TE", "se": "seTE"},
    "BUGSnet": {"n": "sampleSize"},
}
_JUDGED = ("rob", "indirectness")
_TEXTS = {"study", "treatment", "treat1", "treat2"}
_CONTRASTS = ("treat1", "treat2", "y", "se")
_ARMS = (("events", "n"), ("events", "time"), ("mean", "sd", "n"))


def read_network(source: Any) -> pd.DataFrame:
    """A table of a network from CINeMA, netmeta, BUGSnet or MetaInsight, with the columns that `vfmeta.network` takes.

    Arms (CINeMA's ``id, t, r, n`` or ``id, t, y, sd, n``; ``study, treatment, responders, sampleSize``) or contrasts
    (``id, t1, t2, effect, se``; netmeta's ``studlab, treat1, treat2, TE, seTE``, treat1 less treat2 in both).

    Parameters
    ----------
    source : path or data frame

    Returns
    -------
    data frame
        ``study, treatment`` with figures, or ``study, treat1, treat2, y, se``; other columns (``rob``, ``indirectness``) stay.

    Raises
    ------
    InputError
        It is neither, two columns could be one, a figure is no number, or a number of a study stands with two names.

    Examples
    --------
    >>> import vfmeta as vf
    >>> cinema = {"id": [1, 1, 2, 2], "t": ["A", "B", "A", "B"], "r": [9, 4, 8, 6], "n": [40, 41, 52, 50], "rob": [1, 1, 2, 2]}
    >>> list(vf.read_network(cinema).columns)
    ['study', 'treatment', 'events', 'n', 'rob']
    """
    frame = as_frame(opened(source) if isinstance(source, (str, Path)) else source)
    plain = {str(c): "".join(x for x in str(c).casefold() if x.isalnum()) for c in frame.columns}
    contrasts = any(x in _NAMES["treat1"] for x in plain.values())
    wanted = ("study", "treat1", "treat2", "y", "se") if contrasts else (
        "study", "treatment", "events", "mean", "sd", "n", "time")  # fmt: skip
    found: dict[str, str] = {}
    problems = []
    for role in wanted:
        fits = [c for c, x in plain.items() if x in _NAMES[role]]
        if len(fits) > 1:
            problems.append(f"columns {', '.join(fits)}: each could be the {role}; rename or remove all but one.")
        elif fits:
            found[fits[0]] = role
    number = next((c for c, x in plain.items() if x in ("id", "studyid")), None)
    if "study" not in found.values() and number is not None:
        found[number] = "study"
    needs = wanted if contrasts else ("study", "treatment")
    missing = [role for role in needs if role not in found.values()]
    if missing and not problems:
        problems.append(f"no column for {', '.join(missing)}; the columns are {', '.join(plain)}.")
    if problems:
        raise InputError(problems)
    made = frame.rename(columns=found)
    told = {role: name for name, role in found.items()}
    for role in _TEXTS & set(made.columns):
        made[role] = [x.strip() if isinstance(x, str) else x for x in made[role]]
    order = [role for role in wanted if role in made.columns]
    if isinstance(source, (str, Path)):  # cells of a file are text
        notes: list[str] = []
        for role in (x for x in order if x not in _TEXTS):
            made[role] = numbers(made[role].tolist(), told[role], list(map(str, made["study"])), problems, notes)
        if problems:
            raise InputError(problems)
        warn_each(notes)
    if number in made.columns:
        for one, other in ((number, "study"), ("study", number)):
            several = made.groupby(one, sort=False)[other].nunique()
            if (several > 1).any():
                which = several.index[several > 1][0]
                raise InputError(f"{one} {which} stands with more than one {other}; correct one of them.")
    return made[[*order, *(c for c in made.columns if c not in order)]]


def save_network(data: Any, path: str | Path, *, program: NetworkProgram) -> Path:
    """Write a table of a network for another program.

    Parameters
    ----------
    data : data frame or mapping of columns
        As `vfmeta.network` takes it and `read_network` gives it: ``study, treatment`` with ``events, n``, ``mean, sd, n`` or
        ``events, time``, a row an arm; or ``study, treat1, treat2, y, se``, a row a contrast.
    path : str or path
        Ending in .csv.
    program : {"CINeMA", "netmeta", "BUGSnet"}
        CINeMA: ``study, id``, then ``t, r, n``, ``t, y, sd, n`` or ``t1, t2, effect, se``, then ``rob, indirectness`` where
        ``data`` has them: 1 low, 2 some, 3 high.
        netmeta: ``studlab, treat`` with ``event, n``, ``mean, sd, n`` or ``event, time``, for ``pairwise(treat, event, n,
        studlab = studlab, data = read.csv("net.csv"))``; contrasts as ``studlab, treat1, treat2, TE, seTE``, for ``netmeta``.
        BUGSnet: ``study, treatment`` with ``events, sampleSize``, ``mean, sd, sampleSize`` or ``events, time``, for
        ``data.prep(read.csv("net.csv"), varname.t = "treatment", varname.s = "study")`` and ``nma.model(outcome = "events", N =
        "sampleSize")``; it takes no contrasts this way. Other columns of ``data`` follow, but for CINeMA.

    Returns
    -------
    path

    Raises
    ------
    InputError
        A column that the program needs is missing, a name or a figure in one is none, a judgement is another, or two columns
        would have one name.

    Warns
    -----
    VfmetaWarning
        CINeMA only: no judgements of the studies.

    Examples
    --------
    >>> import pathlib, tempfile, vfmeta as vf
    >>> file = pathlib.Path(tempfile.mkdtemp()) / "net.csv"
    >>> arms = {"study": ["a", "a"], "treatment": ["A", "B"], "events": [9, 4], "n": [40, 41]}
    >>> vf.save_network(arms, file, program="netmeta").read_text().split()
    ['studlab,treat,event,n', 'a,A,9,40', 'a,B,4,41']
    """
    program = choice("program", program, NetworkProgram)
    frame, target = as_frame(data), Path(path)
    if target.suffix.lower() != ".csv":
        raise InputError(f"{target.name}: {program} reads CSV; end the name in .csv.")
    wanted = _columns(frame, program)
    _refuse_gaps(frame, wanted)
    called = {c: _CALLED[program].get(c, c) for c in wanted}
    if program == "CINeMA":
        judged = _judged(frame)
        ids = {study: i + 1 for i, study in enumerate(dict.fromkeys(frame["study"]))}
        numbered = frame.assign(id=[ids[x] for x in frame["study"]])
        for name in judged:
            numbered[name] = [int(float(x)) for x in frame[name]]
        frame, order = numbered, ["study", "id", *wanted[1:], *judged]
    else:
        order = [*wanted, *(c for c in frame.columns if c not in wanted)]
    head = [called.get(c, str(c)) for c in order]
    if twice := [x for x in dict.fromkeys(head) if head.count(x) > 1]:
        raise InputError(f"data: two columns would be called {', '.join(twice)}; rename or remove one.")
    write(target, as_csv(head, ([_plain(x) for x in row] for row in frame[order].itertuples(index=False))))
    return target


def _columns(frame: pd.DataFrame, program: str) -> list[str]:
    """The columns that are written first, under the names of `vfmeta.network`."""
    see = "see vfmeta.read_network for the names"
    if "treat1" in frame.columns:
        figures: tuple[str, ...] = _CONTRASTS
        if program == "BUGSnet":
            raise InputError(
                "data: BUGSnet takes a row an arm, and these are contrasts; give treatment with events, or mean and sd."
            )
    else:
        found = next((x for x in _ARMS if set(x) <= set(frame.columns)), None)
        nearest = found or max(_ARMS, key=lambda x: sum(c in frame.columns for c in x))
        figures = ("treatment", *nearest)
    missing = [c for c in ("study", *figures) if c not in frame.columns]
    if missing:
        raise InputError(f"{program} needs the columns {', '.join(missing)}; {see}.")
    if program == "CINeMA" and "time" in figures:
        raise InputError(f"CINeMA needs the column n: it knows no person-time; {see}.")
    return ["study", *figures]


def _refuse_gaps(frame: pd.DataFrame, wanted: list[str]) -> None:
    """Names and figures that another program would leave out, or take for something else."""
    problems = [] if len(frame) else ["data has no rows."]
    studies = frame["study"].tolist()
    for name in wanted:
        values = frame[name].tolist()
        if name in ("study", *_TEXTS):
            problems += [
                f"row {i + 1}, column {name}: no name; fill it in, or remove the row."
                for i, x in enumerate(values)
                if x is None or x != x or not str(x).strip()
            ]
        else:
            cells.numbers(cells.column(values, name), name, list(map(str, studies)), problems, gap=cells.FILL)
    if problems:
        raise InputError(problems)


def _judged(frame: pd.DataFrame) -> list[str]:
    """The columns of judgements, checked; what CINeMA cannot weigh without them is warned of."""
    there = [name for name in _JUDGED if name in frame.columns]
    if len(there) < len(_JUDGED):
        lacking = " and ".join(x for x in _JUDGED if x not in there)
        warn(f"data: no {lacking} of the studies, which CINeMA weighs; add 1 (low), 2 (some) or 3 (high) for each.")
    problems = [
        f"row {i + 1}, column {name}: {value!r} is none of 1, 2 and 3 (low, some, high)."
        for name in there
        for i, value in enumerate(frame[name])
        if str(value).strip() not in ("1", "2", "3", "1.0", "2.0", "3.0")
    ]
    if problems:
        raise InputError(problems)
    return there


def _plain(value: Any) -> Any:
    number = value.item() if hasattr(value, "item") else value
    return None if number is None or number != number else number


__all__ = ["read_network", "save_network"]

"""Tables of networks as CINeMA, netmeta, BUGSnet and MetaInsight have them, with the names of `vfmeta.network`, and back."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from vfmeta.core.files import write
from vfmeta.core.messages import InputError
from vfmeta.effects.columns import as_frame
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
#: what CINeMA calls what `vfmeta.network` calls otherwise
_CINEMA = {"treatment": "t", "events": "r", "mean": "y", "treat1": "t1", "treat2": "t2", "y": "effect"}


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
        It is neither, two columns could be one, or a number of a study stands with two names.

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
    order = [role for role in wanted if role in made.columns]
    if number in made.columns:
        for one, other in ((number, "study"), ("study", number)):
            several = made.groupby(one, sort=False)[other].nunique()
            if (several > 1).any():
                which = several.index[several > 1][0]
                raise InputError(f"{one} {which} stands with more than one {other}; correct one of them.")
    return made[[*order, *(c for c in made.columns if c not in order)]]


def save_cinema(data: Any, path: str | Path) -> Path:
    """Write a table of a network as CINeMA imports it.

    Parameters
    ----------
    data : data frame or mapping of columns
        As `vfmeta.network` takes it and `read_network` gives it, with ``rob`` and ``indirectness`` of each study: 1 low,
        2 some, 3 high.
    path : str or path
        Ending in .csv.

    Returns
    -------
    path

    Raises
    ------
    InputError
        A column that CINeMA needs is missing, or a judgement is another.

    Examples
    --------
    >>> import pathlib, tempfile, vfmeta as vf
    >>> arms = {"study": ["a", "a"], "treatment": ["A", "B"], "events": [9, 4], "n": [40, 41], "rob": [1, 1], "indirectness": [1, 1]}
    >>> vf.save_cinema(arms, pathlib.Path(tempfile.mkdtemp()) / "net.csv").read_text().splitlines()[1]
    'a,1,A,9,40,1,1'
    """  # noqa: E501
    frame, target = as_frame(data), Path(path)
    if target.suffix.lower() != ".csv":
        raise InputError(f"{target.name}: CINeMA imports CSV; end the name in .csv.")
    if "treat1" in frame.columns:
        figures: tuple[str, ...] = ("treat1", "treat2", "y", "se")
    else:
        figures = ("treatment", "events", "n") if "events" in frame.columns else ("treatment", "mean", "sd", "n")
    missing = [c for c in ("study", *figures, "rob", "indirectness") if c not in frame.columns]
    if missing:
        raise InputError(f"CINeMA needs the columns {', '.join(missing)}; see vfmeta.read_network for the names.")
    problems = [
        f"row {i + 1}, column {name}: {value!r} is none of 1, 2 and 3 (low, some, high)."
        for name in ("rob", "indirectness")
        for i, value in enumerate(frame[name])
        if str(value).strip() not in ("1", "2", "3", "1.0", "2.0", "3.0")
    ]
    if problems:
        raise InputError(problems)
    ids = {study: i + 1 for i, study in enumerate(dict.fromkeys(frame["study"]))}
    rows = [
        [r["study"], ids[r["study"]], *(r[c] for c in figures), int(float(r["rob"])), int(float(r["indirectness"]))]
        for r in frame.to_dict("records")
    ]
    write(target, as_csv(["study", "id", *(_CINEMA.get(c, c) for c in figures), "rob", "indirectness"], rows))
    return target


__all__ = ["read_network", "save_cinema"]

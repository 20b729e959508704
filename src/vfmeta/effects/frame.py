"""Effect sizes from any data frame in one call."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from vfmeta.effects.measures import ZERO_RULES, Measure, ZeroRule, measure_named
from vfmeta.effects.measures.checks import faults, no_contrast
from vfmeta.effects.table import Effect, EffectTable, LeftOut
from vfmeta.messages import InputError, warn
from vfmeta.results import Question

if TYPE_CHECKING:
    import pandas as pd

NO_CONTRAST = "no events in either arm, or events in everybody: a ratio cannot be formed (the risk difference keeps the trial)"


def effect_size(
    measure: str,
    *,
    data: pd.DataFrame,
    study: str | None = None,
    zero: str | None = None,
    to: str | None = None,
    add: float = 0.5,
    drop00: bool | None = None,
    add_to_estimate: bool | None = None,
    vtype: str | None = None,
    correct: bool = True,
    missing: str = "raise",
    question: Question | None = None,
    **columns: str,
) -> EffectTable:
    """Effects of studies from the columns of a data frame; of two groups, the first is the experimental one.

    Parameters
    ----------
    measure : str
        Effect measure. Logs are natural; ratios are returned on the log scale.

        - two groups, means (``mean1, sd1, n1, mean2, sd2, n2``): MD, SMD, SMDH, SMD1 (without ``sd1``), SMD1H, ROM, VR (without
          means), CVR, CLES or AUC, D2OR, D2ORN; SMD also from ``d, n1, n2``, ``t, n1, n2`` or a signed two-sided ``p, n1, n2``
        - two groups, events (``events1, n1, events2, n2``): RR, OR, RD, AS, PETO, PHI, OR2D, OR2DN
        - two groups, rates (``events1, time1, events2, time2``): IRR, IRD, IRSD
        - correlations (``r, n``): COR, UCOR, ZCOR
        - one group: PR, PLN, PLO, PAS, PFT (``events, n``); IR, IRLN, IRS, IRFT (``events, time``); MN, SMN, MNLN, CVLN
          (``mean, sd, n``); SDLN (``sd, n``)
        - before and after (``mean_post, sd_post, mean_pre, sd_pre, n, r``): MC and SMCC (also ``mean_change, sd_change, n``;
          SMCC from the paired ``t, n``),
          SMCR
          (without ``sd_post``), SMCRH, SMCRP, SMCRPH, ROMC, VRC (without means), CVRC
    data : pandas.DataFrame
        One row a study.
    study : str, optional
        Column of study labels; row numbers when left out.
    zero, to : {"only0", "all", "if0all", "none"}, optional
        Which tables with counts are corrected by ``add``: those with a zero cell, all, all if any has a zero, none. Both names
        mean the same. By default "only0"; "none" where the measure exists without (AS, PETO, PHI, PAS, PFT, IRSD, IRS, IRFT).
    add : float
        What is added to every cell of a corrected table.
    drop00 : bool, optional
        Whether studies without events, or with events only, in both groups are left out. By default yes for ratios, on which
        they say nothing, and no for differences.
    add_to_estimate : bool, optional
        Whether the correction enters the estimate as well as its variance. By default no for RD and IRD, whose estimate exists
        as counted, and yes for everything else.
    vtype : str, optional
        Variance type; each measure's default is the usual large-sample one (LS). See the functions of
        `vfmeta.effects.measures`.
    correct : bool
        Whether a measure with a known bias (SMD and its kin, ROM, VR, CVR, ...) is corrected for it.
    missing : {"raise", "drop"}
        Whether rows with a missing value, and rows in which the measure does not exist, are an error or are left out, with a
        warning that names them.
    question : Question, optional
        Names and direction, for printing and plotting.
    **columns : str
        Column names, by the names listed under ``measure``.

    Returns
    -------
    EffectTable

    Raises
    ------
    InputError
        Unknown measure, column, zero rule or variance type, non-numeric text, SD <= 0, events above the total, sizes too small,
        duplicated rows, no rows.

    Examples
    --------
    >>> import pandas as pd, vfmeta as vf
    >>> df = pd.DataFrame({"trial": ["A", "B"], "e1": [3, 5], "n1": [20, 30], "e2": [6, 9], "n2": [20, 31]})
    >>> table = vf.effect_size("RR", data=df, study="trial", events1="e1", n1="n1", events2="e2", n2="n2")
    >>> table.y.round(3).tolist()
    [-0.693, -0.555]
    """
    chosen = measure_named(measure)
    rule = _zero_rule(chosen, zero, to, add, add_to_estimate)
    if vtype is not None and vtype not in chosen.vtypes:
        raise InputError(f"{measure} has no variance type {vtype!r}; it offers {', '.join(chosen.vtypes)}.")
    if missing not in ("raise", "drop"):
        raise InputError(f'missing={missing!r} is unknown; use "raise" or "drop".')
    names = chosen.layout(set(columns))
    unknown = [c for c in [*columns.values(), *([study] if study else [])] if c not in data.columns]
    if unknown:
        raise InputError(f"No column {', '.join(map(repr, unknown))} in the data; it has {', '.join(map(repr, data.columns))}.")
    if len(data) == 0:
        raise InputError("The data have no rows (k = 0); give at least one study.")
    labels = [str(x) for x in data[study]] if study else [f"row {i + 1}" for i in range(len(data))]
    table = np.column_stack([_numbers(data[columns[name]], columns[name], labels) for name in names])
    gaps = np.isnan(table).any(axis=1)
    rows = [f"row {i + 1} ({labels[i]})" for i in np.flatnonzero(gaps)]
    if rows and missing != "drop":
        raise InputError([f"{r}: a value is missing; fill it in or pass missing='drop'." for r in rows])
    problems = [*faults(chosen, dict(zip(names, table.T, strict=True)), labels, columns), *_repeats(table, labels)]
    if problems:
        raise InputError(problems)
    if gaps.any():
        warn(f"Dropped for missing values: {', '.join(rows)}.")
        table, labels = _kept(table, labels, ~gaps)
        if not len(table):
            raise InputError("No row is left after dropping missing values (k = 0).")

    left: list[LeftOut] = []
    if (chosen.drop00 if drop00 is None else drop00) and {"events1", "events2"} <= set(names):
        keep = ~no_contrast(dict(zip(names, table.T, strict=True)))
        left = [LeftOut(study_id=x, label=x, reason=NO_CONTRAST) for x, k in zip(labels, keep, strict=True) if not k]
        if left:
            warn(
                f"Left out of the {measure}, because no events (or only events) in both arms say nothing on a ratio: "
                f"{', '.join(x.label for x in left)}."
            )
        table, labels = _kept(table, labels, keep)
    arrays = dict(zip(names, table.T, strict=True))
    y, v = chosen.compute(arrays, vtype=vtype or chosen.vtypes[0], correct=correct, zero=rule)
    exists = np.isfinite(y) & np.isfinite(v) & (v >= 0)
    if not exists.all():
        why = f"{measure} does not exist for these values{'; ' + chosen.needs if chosen.needs else ''}"
        if missing != "drop":
            raise InputError(
                [
                    f"{_place(labels, int(i))}: {why}. Correct the row, or pass missing='drop' to leave it out."
                    for i in np.flatnonzero(~exists)
                ]
            )
        gone = [labels[i] for i in np.flatnonzero(~exists)]
        warn(f"Left out, because the {measure} does not exist there: {', '.join(gone)}.")
        left += [LeftOut(study_id=x, label=x, reason=why) for x in gone]
    if (v[exists] == 0).any():
        nil = [labels[i] for i in np.flatnonzero(exists & (v == 0))]
        warn(f"The sampling variance of the {measure} is 0 for {', '.join(nil)}; it cannot be pooled. See the zero rules.")
    made = tuple(_effect(label, y[i], v[i], arrays, i) for i, label in enumerate(labels) if exists[i])
    return EffectTable(question or Question(measure=chosen.name), made, tuple(left))


def _zero_rule(measure: Measure, zero: str | None, to: str | None, add: float, add_to_estimate: bool | None) -> ZeroRule:
    """The rule a call asks for, defaults filled in by the measure."""
    for rule in (zero, to):
        if rule is not None and rule not in ZERO_RULES:
            raise InputError(f"Unknown zero rule {rule!r}; use one of {', '.join(ZERO_RULES)}.")
    if zero is not None and to is not None and zero != to:
        raise InputError(f"zero={zero!r} and to={to!r} are two names of one rule and differ; give one of them.")
    if isinstance(add, bool) or not isinstance(add, (int, float, np.integer, np.floating)):
        raise InputError(f"add={add!r} must be a number of at least 0, such as 0.5.")
    return ZeroRule(
        add=float(add),
        to=zero or to or measure.zero or "none",
        in_estimate=measure.in_estimate if add_to_estimate is None else add_to_estimate,
    )


def _kept(table: np.ndarray, labels: list[str], keep: np.ndarray) -> tuple[np.ndarray, list[str]]:
    return table[keep], [label for label, k in zip(labels, keep, strict=True) if k]


def _place(labels: list[str], i: int) -> str:
    return labels[i] if labels[i].startswith("row ") else f"row {labels[i]!r}"


def _effect(label: str, y: float, v: float, arrays: dict[str, np.ndarray], i: int) -> Effect:
    """One row of the effect table, with the counts people want to see beside it."""

    def pair(one: str, two: str, single: str) -> tuple[float | None, float | None]:
        if single in arrays:
            return float(arrays[single][i]), None
        return tuple(float(arrays[x][i]) if x in arrays else None for x in (one, two))  # type: ignore[return-value]

    return Effect(
        study_id=label,
        label=label,
        y=float(y),
        v=float(v),
        n=pair("n1", "n2", "n"),
        events=pair("events1", "events2", "events"),
    )


def _numbers(column: pd.Series, name: str, labels: list[str]) -> np.ndarray:
    import pandas as pd

    numeric = pd.to_numeric(column, errors="coerce").astype(float).to_numpy()
    bad = np.isnan(numeric) & column.notna().to_numpy()
    bad |= np.isinf(numeric)
    if bad.any():
        raise InputError(
            [
                f"row {i + 1} ({labels[i]}), column {name!r}: {column.iloc[i]!r} is not a finite number; correct it."
                for i in np.flatnonzero(bad)
            ]
        )
    return numeric


def _repeats(table: np.ndarray, labels: list[str]) -> list[str]:
    """Rows that stand twice under one label with the same values."""
    problems = []
    seen: dict[tuple, int] = {}
    for i, row in enumerate(table):
        key = (labels[i], *row)
        if key in seen and not labels[i].startswith("row "):
            problems.append(f"row {i + 1} ({labels[i]}) repeats row {seen[key] + 1}; remove it.")
        seen.setdefault(key, i)
    return problems

"""Effect sizes from any data frame in one call."""

from __future__ import annotations

from typing import Any

import numpy as np

from vfmeta.core.measures import Measure, known
from vfmeta.core.messages import InputError, warn
from vfmeta.core.origin import LeftOut
from vfmeta.core.params import Missing, SingleZero, ZeroCells
from vfmeta.core.question import Question
from vfmeta.effects import cells, intake
from vfmeta.effects.effect import Effect
from vfmeta.effects.formulas.checks import faults
from vfmeta.effects.formulas.common import NO_CONTRAST, has_contrast
from vfmeta.effects.formulas.registry import compute
from vfmeta.effects.measured import measured
from vfmeta.effects.table import EffectTable


def effect_size(
    measure: str,
    *,
    data: Any = None,
    study: Any = None,
    zero: SingleZero | None = None,
    to: ZeroCells | None = None,
    add: float = 0.5,
    drop00: bool | None = None,
    add_to_estimate: bool | None = None,
    vtype: str | None = None,
    correct: bool = True,
    question: Question | None = None,
    missing: Missing = "raise",
    **columns: Any,
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
        - times to an event: HR from ``hr, ci_low, ci_high`` (95%), from ``oe, oe_v`` (log-rank O-E and its variance), or from a
          two-sided log-rank ``p``, with the sign of the log ratio, and ``events1, events2`` or ``events, n1, n2``
        - correlations (``r, n``): COR, UCOR, ZCOR
        - one group: PR, PLN, PLO, PAS, PFT (``events, n``); IR, IRLN, IRS, IRFT (``events, time``); MN, SMN, MNLN, CVLN
          (``mean, sd, n``); SDLN (``sd, n``)
        - before and after (``mean_post, sd_post, mean_pre, sd_pre, n, r``): MC and SMCC (also ``mean_change, sd_change, n``;
          SMCC from the paired ``t, n``), SMCR (without ``sd_post``), SMCRH, SMCRP, SMCRPH, ROMC, VRC (without means), CVRC
    data : data frame or mapping of columns, optional
        One row a study (pandas, polars, pyarrow, or any other that narwhals knows); without it the columns are arrays. All its
        columns ride along in the table, as moderators, groups and clusters.
    study : str or sequence of k names, optional
        Column of study names, or the names; row numbers when left out.
    zero : {"only0", "none"}, optional
        Whether tables of counts with a zero cell are corrected by ``add``. By default "only0"; "none" where the measure exists
        without (AS, PETO, PHI, PAS, PFT, IRSD, IRS, IRFT).
    to : {"only0", "all", "if0all", "none"}, optional
        The same rule under its other name, which also offers to correct tables without a zero: all, or all if any has one.
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
        `vfmeta.effects.formulas`.
    correct : bool
        Whether a measure with a known bias (SMD and its kin, ROM, VR, CVR, ...) is corrected for it.
    missing : {"raise", "drop"}
        Whether rows with a missing value, and rows in which the measure does not exist, are an error or are left
        out, with a warning that names them.
    question : Question, optional
        Names and direction, for printing and plotting.
    **columns : str, or array-like of shape (k,)
        Column names (or the values), by the names listed under ``measure``.

    Returns
    -------
    EffectTable

    Raises
    ------
    InputError
        Unknown measure, column, zero rule or variance type, non-numeric text, SD <= 0, events above the total, sizes too small,
        a sampling variance of 0, duplicated rows, no rows.

    Examples
    --------
    >>> import pandas as pd, vfmeta as vf
    >>> df = pd.DataFrame({"trial": ["A", "B"], "e1": [3, 5], "n1": [20, 30], "e2": [6, 9], "n2": [20, 31]})
    >>> table = vf.effect_size("RR", data=df, study="trial", events1="e1", n1="n1", events2="e2", n2="n2")
    >>> table.y.round(3).tolist()
    [-0.693, -0.555]
    """
    chosen = known(measure, made=True)
    asked = intake.asked_question(chosen, question)
    intake.check_options(chosen, vtype, missing, correct=correct, drop00=drop00, add_to_estimate=add_to_estimate)
    rule = intake.zero_rule(chosen, zero, to, add, add_to_estimate)
    names = chosen.layout(set(columns))
    frame, labels, table, shown = intake.read_columns(data, {x: columns[x] for x in names}, study)
    where = [f"row {i + 1} ({label})" if study is not None else label for i, label in enumerate(labels)]
    empty = {shown[name]: np.isnan(column) for name, column in zip(names, table.T, strict=True)}
    problems = faults(dict(zip(names, table.T, strict=True)), rows=where, named=shown)
    if missing != "drop":
        cells.gaps(empty, None if study is None else labels, problems)
    if problems:
        raise InputError(problems)
    gone = np.any(list(empty.values()), axis=0)
    if gone.any():
        warn(cells.left_out(empty, labels))
    places = np.flatnonzero(~gone)
    used = None if frame is None else frame.iloc[places]
    intake.check_repeats(used, table[places], [labels[i] for i in places], places, study)

    left = list(cells.lost(empty, labels))
    if (chosen.drop00 if drop00 is None else drop00) and {"events1", "events2"} <= set(names):
        silent = ~has_contrast(tuple(table[places].T), chosen.kind == "rates")
        alike = [LeftOut(study_id=labels[i], label=labels[i], reason=NO_CONTRAST) for i in places[silent]]
        if alike:
            warn(
                f"Left out of the {chosen.code}, because no events (or only events) in both arms say nothing on a ratio: "
                f"{', '.join(x.label for x in alike)}."
            )
        left += alike
        places = places[~silent]
    arrays = dict(zip(names, table[places].T, strict=True))
    y, v = compute(chosen, arrays, vtype=vtype or chosen.vtypes[0], correct=bool(correct), zero=rule)
    exists, reason = _existing(chosen, y, v, [where[i] for i in places], missing)
    left += [LeftOut(study_id=labels[i], label=labels[i], reason=reason) for i in places[~exists]]
    sized = chosen.scale.sized
    known_of = measured(chosen.code, arrays, vtype or chosen.vtypes[0])
    made = tuple(
        _effect(labels[place], y[i], v[i], arrays, i, sized=sized, made={name: float(x[i]) for name, x in known_of.items()})
        for i, place in enumerate(places)
        if exists[i]
    )
    extra = None if frame is None else frame.iloc[places[exists]].reset_index(drop=True)
    return EffectTable(asked, made, tuple(left), extra=extra, places=places[exists], rows_read=len(labels))


def _existing(measure: Measure, y: np.ndarray, v: np.ndarray, rows: list[str], missing: str) -> tuple[np.ndarray, str]:
    """Which rows have the measure, and why the others have not; an error unless such rows are to be dropped.

    A variance of 0 is an error too, for it would take all weight. With ``missing="drop"`` that row is named and stays, as its
    estimate exists.
    """
    exists = np.isfinite(y) & np.isfinite(v) & (v >= 0)
    reason = f"{measure.code} does not exist for these values{'; ' + measure.needs if measure.needs else ''}"
    way_out = "; a zero rule such as zero='only0' gives it one" if measure.zero is not None else ""
    nothing = f"the sampling variance of the {measure.code} is 0, so that it cannot be pooled"
    nil = exists & (v == 0)
    if missing != "drop":
        problems = []
        for i, row in enumerate(rows):
            if not exists[i]:
                problems.append(f"{row}: {reason}. Correct the row, or pass missing='drop' to leave it out.")
            elif nil[i]:
                problems.append(f"{row}: {nothing}{way_out}.")
        if problems:
            raise InputError(problems)
    if not exists.all():
        gone = ", ".join(row for row, there in zip(rows, exists, strict=True) if not there)
        warn(f"Left out, because the {measure.code} does not exist there: {gone}.")
    if nil.any():
        which = ", ".join(row for row, none in zip(rows, nil, strict=True) if none)
        warn(f"The sampling variance of the {measure.code} is 0 for {which}, so that it cannot be pooled{way_out}.")
    return exists, reason


def _effect(
    label: str, y: float, v: float, arrays: dict[str, np.ndarray], i: int, *, sized: bool, made: dict[str, float]
) -> Effect:
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
        size=float(arrays["time" if "time" in arrays else "n"][i]) if sized else None,
        made=made,
    )

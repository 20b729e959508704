"""Own data in one call: a file or a frame becomes an effect table, and says what it took each column for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from vfmeta.appraisal.risk_of_bias import risk_of_bias
from vfmeta.core.bias_tools import NOT_JUDGED
from vfmeta.core.messages import InputError, did_you_mean
from vfmeta.core.params import BiasTool, Decimal, Missing, TrialDesign, choice, confidence, is_finite
from vfmeta.effects.columns import as_frame
from vfmeta.effects.sheet.made import Options
from vfmeta.effects.sheet.tables import tables_of
from vfmeta.effects.table import EffectTable
from vfmeta.exchange.opening import opened
from vfmeta.exchange.own_bias import bias_in


def read(
    data: Any,
    *,
    measure: str | None = None,
    sheet: str | None = None,
    columns: Mapping[str, str | None] | None = None,
    outcome: str | None = None,
    sides: tuple[str, str] | None = None,
    higher_is_worse: bool | None = None,
    points: tuple[float, float] | None = None,
    mid: float | None = None,
    trial_design: TrialDesign | None = None,
    icc: float | None = None,
    cluster_size: float | None = None,
    correlation: float | None = None,
    decimal: Decimal | None = None,
    level: float | None = None,
    bias_tool: BiasTool | None = None,
    missing: Missing = "raise",
) -> EffectTable:
    """Read a spreadsheet of studies, whatever each of them prints, as one effect table.

    Rows may hold means with SDs, SEs or intervals, medians with quartiles or ranges, counts, events and person-time, changes,
    correlations, or an estimate with its standard error, variance, interval, p value or test statistic. Every conversion is
    named, a row each: ``table.trace(study)``. Printing the table says what each column was taken for, which group is
    experimental, and which measure. Where two readings fit, or the measure is not certain, the call is refused and the message
    shows what to add.

    Parameters
    ----------
    data : path, data frame or mapping of columns
        A file (CSV, TSV, XLSX, JSON, parquet, R's .rds and .rda), or a frame of pandas, polars or any other that narwhals
        knows. One row a study and outcome, or one row an arm with a column that names the arm.
    measure : str, optional
        Effect measure; otherwise that which the sheet names, or the usual one of its data: RR of counts, MD of means on one
        scale, IRR of rates, ZCOR of correlations.
    sheet : str, optional
        Which sheet of a workbook, or which data frame of a file of R.
    columns : mapping, optional
        What columns are that their names do not tell: role to name, such as ``{"mean1": "M drug", "sd1": "S drug"}``, 1 for the
        experimental group and 2 for the control; None in place of a name says that no column has the role. All others are
        recognised: names of metafor (``m1i``, ``ai``, ``yi``), RevMan, JASP and meta, and plain words ("mean_treat",
        "SD control", "events experimental", "HR", "lower").
    outcome : str, optional
        Which outcome, where a column tells several apart; where none does, a name for it.
    sides : (str, str), optional
        Experimental and control group as headings or the column of arms name them.
    higher_is_worse : bool, optional
        Direction of the outcome.
    points : (float, float), optional
        Ends of the scale of a mean difference; columns "scale min" and "scale max" say the same. Default priors need them.
    mid : float, optional
        Minimal important difference, as in `Question`.
    trial_design : {"parallel", "cluster", "crossover", "pre-post-control"}, optional
        How the trials were laid out where no column ``design`` says it. Of trials of clusters, sizes and counts are divided by
        the design effect; of crossover trials, the variance is that of paired values; "pre-post-control" compares changes.
    icc, cluster_size : float, optional
        Intracluster correlation and mean size of a cluster, for rows whose own columns do not say.
    correlation : float, optional
        Correlation of two measurements of a person (crossover, before and after), for rows that do not say.
    decimal : {".", ","}, optional
        What parts the decimals of texts; found by itself where that is certain.
    level : float, optional
        Level of the intervals in the sheet; 0.95 unless the headings say otherwise.
    bias_tool : {"RoB 2", "ROBINS-I", "ROBINS-I V2", "RoB 1", "QUADAS-2", "PEDro"}, optional
        By which instrument risk of bias was judged, where columns hold judgements ("Random sequence generation", or D1, D2, ...
        and Overall, as robvis takes them) and their headings and words fit more than one. They become ``table.bias``.
    missing : {"raise", "drop"}
        Whether a row without a usable figure is an error, or is left out, named in ``left_out`` and in a warning.

    Returns
    -------
    EffectTable

    Raises
    ------
    InputError
        Everything that cannot be read, with row and column; rows of different measures (a hazard ratio beside odds ratios, a
        change beside final values of an SMD); readings that are not certain.

    Examples
    --------
    >>> import vfmeta as vf
    >>> sheet = {"Study": ["A", "B"], "mean treat": [4.1, 3.8], "SD treat": [2.0, None], "SE treat": [None, 0.3],
    ...          "n treat": [40, 36], "mean control": [5.0, 4.9], "SD control": [2.1, 1.9], "n control": [41, 35]}
    >>> table = vf.read(sheet)
    >>> table.question.measure, table.y.round(2).tolist()
    ('MD', [-0.9, -1.1])
    """
    tables = read_all(
        data, columns=columns, measure=measure, outcome=outcome, sides=sides, higher_is_worse=higher_is_worse, sheet=sheet,
        points=points, mid=mid,
        trial_design=trial_design, icc=icc, cluster_size=cluster_size, correlation=correlation, decimal=decimal, level=level,
        bias_tool=bias_tool, missing=missing,
    )  # fmt: skip
    if len(tables) > 1:
        names = list(tables)
        raise InputError(
            f"The data hold {len(names)} outcomes: {', '.join(map(repr, names))}. Name one, such as outcome={names[0]!r}, or "
            "see all on a page with vfmeta analyse."
        )
    return next(iter(tables.values()))


def read_all(
    data: Any,
    *,
    measure: str | Mapping[str, str] | None = None,
    sheet: str | None = None,
    columns: Mapping[str, str | None] | None = None,
    outcome: str | None = None,
    sides: tuple[str, str] | None = None,
    higher_is_worse: bool | None = None,
    points: tuple[float, float] | None = None,
    mid: float | None = None,
    trial_design: TrialDesign | None = None,
    icc: float | None = None,
    cluster_size: float | None = None,
    correlation: float | None = None,
    decimal: Decimal | None = None,
    level: float | None = None,
    bias_tool: BiasTool | None = None,
    missing: Missing = "raise",
) -> dict[str, EffectTable]:
    """The effect tables of a file or frame by outcome; as `read`, and ``measure`` may be a mapping by outcome."""
    missing = choice("missing", missing, Missing)
    if decimal is not None:
        decimal = choice("decimal", decimal, Decimal)
    if trial_design is not None:
        trial_design = choice("trial_design", trial_design, TrialDesign)
    if level is not None:
        confidence(level)
    if bias_tool is not None:
        bias_tool = choice("bias_tool", bias_tool, BiasTool)
    _check(icc, cluster_size, correlation, sides, outcome)
    found = opened(data, sheet=sheet) if isinstance(data, (str, Path)) else data
    if isinstance(found, Mapping) and found and all(isinstance(x, EffectTable) for x in found.values()):
        idle = {
            "columns": columns, "measure": measure, "sides": sides, "higher_is_worse": higher_is_worse, "points": points,
            "mid": mid, "trial_design": trial_design, "icc": icc, "cluster_size": cluster_size, "correlation": correlation,
            "decimal": decimal, "level": level, "bias_tool": bias_tool,
        }  # fmt: skip
        _no_use(data, [f"{name}=" for name, value in idle.items() if value is not None])
        return {name: _judged_in(found, table) for name, table in _chosen(found, outcome).items()}
    tables = tables_of(
        as_frame(found),
        columns=columns,
        measure=measure,
        outcome=outcome,
        sides=sides,
        higher_is_worse=higher_is_worse,
        points=points,
        mid=mid,
        options=Options(trial_design or "", icc, cluster_size, correlation),
        level=level,
        decimal=decimal,
        missing=missing,
    )
    return {name: _judged(table, bias_tool) for name, table in tables.items()}


def _judged(table: EffectTable, tool: BiasTool | None) -> EffectTable:
    """The table with the judgements of risk of bias that stand beside its data."""
    assert table.extra is not None
    assert table.places is not None
    found, said = bias_in(table.extra, table.labels, table.places.tolist(), tool)
    return table if found is None else replace(table, bias=found, taken=(*table.taken, said))


def _judged_in(review: Any, table: EffectTable) -> EffectTable:
    """The table of an analysis with the judgements that a review of RevMan holds of its studies, those not judged included."""
    judged = getattr(review, "judged", ())
    group = table.question.outcome if table.question.outcome in {x.group for x in judged} else ""
    try:
        found = review.risk_of_bias(group).to_frame() if judged and len(table) else None
    except InputError:  # judged by groups of outcomes of which none is called as this one
        found = None
    if found is None:
        return table
    rows = []
    for label in table.labels:  # a study in two subgroups is judged once: "Adams 2001 [men]"
        name = label if label in set(found["study"]) else label.rpartition(" [")[0]
        own = found[found["study"] == name].to_dict("records") or [{"domain": "overall", "judgement": "", "support": ""}]
        rows += [x | {"study": label, "judgement": x["judgement"].replace(NOT_JUDGED.word, "")} for x in own]
    return replace(table, bias=risk_of_bias(rows, tool="RoB 1"))


def _no_use(data: Any, given: list[str]) -> None:
    if given:
        raise InputError(
            f"{Path(data).name} says of each analysis what its figures are, so {', '.join(given)} would change nothing; leave "
            f"{'it' if len(given) == 1 else 'them'} out. outcome= names an analysis."
        )


def _chosen(tables: Mapping[str, EffectTable], outcome: str | None) -> dict[str, EffectTable]:
    if outcome is None:
        return dict(tables)
    if outcome not in tables:
        raise InputError(
            f"No outcome {outcome!r}.{did_you_mean(outcome, tables)} The outcomes are {', '.join(map(repr, tables))}."
        )
    return {outcome: tables[outcome]}


def _check(
    icc: float | None, cluster_size: float | None, correlation: float | None, sides: tuple[str, str] | None, outcome: str | None
) -> None:
    problems = []
    if icc is not None and not (is_finite(icc) and 0 <= icc <= 1):
        problems.append(f"icc={icc!r} must be a number from 0 to 1.")
    if cluster_size is not None and not (is_finite(cluster_size) and cluster_size >= 1):
        problems.append(f"cluster_size={cluster_size!r} must be a number of at least 1.")
    if correlation is not None and not (is_finite(correlation) and -1 < correlation < 1):
        problems.append(f"correlation={correlation!r} must be a number between -1 and 1.")
    if sides is not None and not (
        isinstance(sides, (tuple, list)) and len(sides) == 2 and all(isinstance(x, str) and x.strip() for x in sides)
    ):
        problems.append(f"sides={sides!r} must be two names: the experimental and the control group.")
    if outcome is not None and not isinstance(outcome, str):
        problems.append(f"outcome={outcome!r} must be a text.")
    if problems:
        raise InputError(problems)

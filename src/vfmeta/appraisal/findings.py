"""Summary of findings of one comparison, from fits and their certainty."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from vfmeta.appraisal.grade.body import body_of
from vfmeta.appraisal.grade.thresholds import limit
from vfmeta.core.messages import InputError, kind_of
from vfmeta.results.certainty import Certainty, step
from vfmeta.results.findings import Finding, SummaryOfFindings, shown_effect
from vfmeta.text.box import treated_risk
from vfmeta.text.certainty import statement

_KNOWN = {"fit", "certainty", "outcome", "baseline_risk", "baseline_from", "absolute"}


def summary_of_findings(rows: Sequence[Any], *, title: str = "") -> SummaryOfFindings:
    """The table that a decision is made from: at most seven outcomes, each with its effect, its certainty and why.

    Parameters
    ----------
    rows : sequence of (fit, Certainty) or of mapping
        An outcome each. A mapping has ``fit`` and ``certainty`` (of `certainty`) and may state ``outcome`` (its name with
        time), ``baseline_risk`` (the risk without the treatment, between 0 and 1; else that of the certainty, else of the
        control arms), ``baseline_from`` (where it was read) and ``absolute`` (the effect in units people know, as text, where
        it is standardised).
    title : str, optional
        "drug v placebo" when left out.

    Returns
    -------
    SummaryOfFindings
        With `to_frame`, `profile` (the evidence profile), `to_html`, `to_csv`, `to_latex` and `to_docx`.

    Raises
    ------
    InputError
        More than seven outcomes, two comparisons in one table, a certainty of another result.

    Notes
    -----
    Words of certainty are those of GRADE guidelines 26 (Santesso et al. 2020, J Clin Epidemiol 119:126-135) and come with a
    final level only. Risks with the treatment are the risk without it under the effect, taken as known.

    Examples
    --------
    >>> import vfmeta as vf
    >>> question = vf.Question(measure="RR", experimental="drug", control="placebo", outcome="fracture", higher_is_worse=True)
    >>> table = vf.effect_size("RR", events1=[10, 14], n1=[100, 150], events2=[20, 30], n2=[100, 150], study=["A", "B"])
    >>> fit = vf.common_effect(table, question=question)
    >>> found = vf.appraisal.summary_of_findings([(fit, vf.appraisal.certainty(fit))])
    >>> found.cells()[0][3]
    '200 [a]'
    """
    if not np.iterable(rows) or isinstance(rows, (str, Mapping)):
        raise InputError(f"summary_of_findings takes a list of outcomes, each (fit, certainty), not {kind_of(rows)}.")
    given = [_row(i, x) for i, x in enumerate(rows)]
    most = int(limit("outcomes_most"))
    if not given:
        raise InputError("summary_of_findings takes one outcome at least.")
    if len(given) > most:
        raise InputError(f"{len(given)} outcomes; a summary of findings has at most {most}: choose those that decide.")
    findings = tuple(_finding(row) for row in given)
    q = given[0]["fit"].question
    sides = {(r["fit"].question.experimental, r["fit"].question.control) for r in given}
    if len(sides) > 1:
        told = "; ".join(f"{a} v {b}" for a, b in sorted(sides))
        raise InputError(f"One table is of one comparison; these are {told}.")
    return SummaryOfFindings(
        question=q, findings=findings, title=title or f"{q.experimental} v {q.control}",
        call={"function": "appraisal.summary_of_findings"},
    )  # fmt: skip


def _row(i: int, given: Any) -> dict[str, Any]:
    where = f"row {i + 1}"
    if not isinstance(given, Mapping):
        if not isinstance(given, Sequence) or len(given) != 2:
            raise InputError(f"{where}: give (fit, certainty), or a mapping with fit and certainty.")
        given = {"fit": given[0], "certainty": given[1]}
    extra = set(given) - _KNOWN
    if extra or not {"fit", "certainty"} <= set(given):
        raise InputError(
            f"{where}: a row has fit and certainty, and may have {', '.join(sorted(_KNOWN - {'fit', 'certainty'}))}."
        )
    found = given["certainty"]
    if not isinstance(found, Certainty):
        raise InputError(f"{where}: certainty is {kind_of(found)}; give what vf.appraisal.certainty returned.")
    own = given["fit"].question.to_dict()  # to the digits that a certainty read back from JSON has
    if found.question.to_dict() != own or found.labels != given["fit"].labels:
        raise InputError(f"{where}: this certainty is of another result than the fit.")
    return dict(given)


def _finding(row: dict[str, Any]) -> Finding:
    fit, found = row["fit"], row["certainty"]
    stated = row.get("baseline_risk")
    body = body_of(fit, found.call["baseline_risk"] if stated is None else stated, None)
    q, effects = fit.question, (fit.estimate, *body.interval)
    base = body.baseline if q.measure in ("RR", "OR", "HR", "RD") else None
    source = row.get("baseline_from") or ("stated" if stated is not None else found.call["baseline_from"])
    arms = [d.get(x) for d in fit.details or [{}] * body.k for x in ("n_experimental", "n_control")]
    known = [float(n) for n in arms if n is not None]
    treated = None if base is None else tuple(treated_risk(q.measure, base, q.display(x)) for x in effects)
    display = [q.display(x) for x in effects]
    return Finding(
        outcome=row.get("outcome") or q.outcome, measure=q.shown, k=body.k,
        people=sum(known) if known else None, or_more=len(known) < len(arms), absolute=row.get("absolute", ""),
        estimate=display[0], interval=(display[1], display[2]), effect=shown_effect(q, fit.estimate, body.interval),
        is_ratio=q.is_ratio, without=base, treated=treated,  # type: ignore[arg-type]
        baseline_from="" if base is None else source,
        design=found.design, certainty=found.shown if found.rating else f"at most {found.at_most}",
        answers=tuple(step(d.suggestion, d.short) for d in found.domains), notes=_notes(found),
        sentence=statement(q, fit.estimate, body.interval, found.rating),
    )  # fmt: skip


def _notes(found: Certainty) -> tuple[str, ...]:
    """Why the certainty is not the best: every domain marked down or open, and what the panel says."""
    told = {line.domain for line in found.panel}
    own = [found.argument(d.name) for d in found.domains if d.suggestion != 0 or d.name in told]
    return (*own, *([found.sentences()[-2]] if found.overruled else []))


__all__ = ["summary_of_findings"]

"""GRADE of one result: five domains argued from its numbers, and what they add up to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from vfmeta.appraisal.grade.bias import judged
from vfmeta.appraisal.grade.body import body_of
from vfmeta.appraisal.grade.directness import directness
from vfmeta.appraisal.grade.imprecision import precision
from vfmeta.appraisal.grade.inconsistency import disagreement
from vfmeta.appraisal.grade.panel import lines
from vfmeta.appraisal.grade.publication import checked, unpublished
from vfmeta.appraisal.grade.thresholds import word
from vfmeta.appraisal.grade.upward import upward
from vfmeta.core.messages import InputError
from vfmeta.core.params import Design, choice
from vfmeta.results.certainty import Certainty
from vfmeta.results.risk_of_bias import RiskOfBias


def certainty(
    fit: Any,
    *,
    bias: RiskOfBias | None = None,
    eligibility: Any = None,
    unread: Mapping[str, float | None] | Iterable[str] | None = None,
    subgroups: Any = None,
    design: Design = "randomised",
    baseline_risk: float | None = None,
    baseline_from: str = "",
    risk_difference: float | None = None,
    panel: Sequence[Mapping[str, Any]] | Mapping[str, Any] | None = None,
) -> Certainty:
    """How certain a result is by GRADE: each domain a sentence with number, threshold and trials.

    Parameters
    ----------
    fit : fit or posterior
        A pool of one mean effect, whose question may state the smallest important difference (``mid``).
    bias : RiskOfBias, optional
        From `vfmeta.appraisal.risk_of_bias`, with an overall judgement of each trial, matched by name. A trial without one is
        not judged, and the domain then stays open.
    eligibility : data frame or mapping of columns, optional
        A row a trial: study, and population, intervention, comparison, outcome as "direct" or "indirect", empty where nobody
        judged. Left out: indirectness is asked.
    unread : mapping of str to float, or names, optional
        Trials known to exist without a readable result, with the people they randomised (None where unknown). Left out: those
        that the table of the fit left out.
    subgroups : SubgroupResult, optional
        Of the same trials; its test is told and decides nothing.
    design : {"randomised", "quasi_randomised", "non_randomised"}
        Where the certainty starts.
    baseline_risk : float, optional
        The risk without the treatment, for effects per 1,000 people; that of the control arms when left out and known.
    baseline_from : str, optional
        Where that risk was read.
    risk_difference : float, optional
        The smallest important difference of risks (0.02 is 20 of 1,000 people); ``mid`` of the question when left out, and
        0.75 and 1.25 of a ratio without either.
    panel : mapping or sequence of mappings, optional
        Lines with ``level``, ``reason``, ``date`` (2026-03-01) and ``panel`` (who). With a ``domain`` they answer that (0, -1
        or -2 levels), without one they give the level of all. What was computed stays beside them.

    Returns
    -------
    Certainty
        ``rating`` is None while a domain is open; ``at_most`` is then the best that can be said.

    Notes
    -----
    Every threshold stands in one table with its source, or with the reason why we chose it (``fit.domains[i].thresholds`` are
    its keys). Suggestions are no judgement: GRADE is one of people. Rating up is no suggestion either: for
    studies that were not randomised ``upward`` says whether the effect is large enough to consider it. Three levels down for
    imprecision, which GRADE guidance 34 knows, are not suggested.

    References
    ----------
    Guyatt et al. 2025, Core GRADE 1 to 6, BMJ 389. Zeng et al. 2022, GRADE guidance 34, J Clin Epidemiol 150:216-224.

    Examples
    --------
    >>> import vfmeta as vf
    >>> question = vf.Question(measure="MD", higher_is_worse=True, mid=1.0)
    >>> fit = vf.random_effects(y=[-2.1, -2.4, -1.9], se=[0.3, 0.4, 0.35], study=["A", "B", "C"], question=question)
    >>> vf.appraisal.certainty(fit).shown.partition(":")[0]
    'at most moderate'
    """
    if bias is not None and not isinstance(bias, RiskOfBias):
        raise InputError("bias= takes what vf.appraisal.risk_of_bias returns.")
    if subgroups is not None and not hasattr(subgroups, "between"):
        raise InputError("subgroups= takes what vf.subgroups returns.")
    kind = choice("design", design, Design)
    said = lines(panel)
    body = body_of(fit, baseline_risk, risk_difference, baseline_from)
    hidden = checked(unread, fit)
    scatter = disagreement(body, subgroups)
    domains = (
        judged(body, bias), scatter, directness(body, eligibility), precision(body, scatter.suggestion),
        unpublished(body, hidden),
    )  # fmt: skip
    return Certainty(
        question=fit.question, design=kind, start=word(f"start_{kind}"), cap=word("unjudged_cap"), domains=domains,
        labels=fit.labels, panel=said, upward=upward(body, kind, domains),
        call={"function": "appraisal.certainty", "design": kind, "baseline_risk": body.baseline,
              "baseline_from": body.baseline_from, "risk_difference": risk_difference, "unread": hidden},
    )  # fmt: skip


__all__ = ["certainty"]

"""How certain each comparison of a network is: six domains argued from the numbers."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from vfmeta.appraisal.grade.bias import by_weight
from vfmeta.appraisal.grade.body import Body, body_of_comparison
from vfmeta.appraisal.grade.directness import directness
from vfmeta.appraisal.grade.imprecision import crossed_words, levels_down
from vfmeta.appraisal.grade.publication import checked, told_of_unread
from vfmeta.appraisal.grade.thresholds import limit, word
from vfmeta.core.grading import LEVELS, lowered
from vfmeta.core.messages import InputError, kind_of
from vfmeta.core.params import Design, choice
from vfmeta.networks.result import NetworkResult
from vfmeta.networks.shares import contributions
from vfmeta.networks.splits import split_sides
from vfmeta.networks.tables import NetworkTable
from vfmeta.results.certainty import Domain, step
from vfmeta.results.risk_of_bias import RiskOfBias
from vfmeta.text import numbers as tx


def network_certainty(
    fit: NetworkResult,
    *,
    bias: RiskOfBias | None = None,
    eligibility: Any = None,
    unread: Mapping[str, float | None] | Iterable[str] | None = None,
    design: Design = "randomised",
    baseline_risk: float | None = None,
    risk_difference: float | None = None,
) -> NetworkTable:
    """Certainty of every comparison of a network in the six domains of CINeMA, each a sentence with its numbers.

    Within-study bias and indirectness go by the share of each trial in the comparison; imprecision by the thresholds inside the
    interval; heterogeneity by those inside the prediction interval that the interval leaves out; incoherence by direct against
    indirect evidence, or, where a comparison has not both, by the test of the whole network. Nothing is concluded from what
    nobody judged: such a domain is "not judged", and the comparison is "at most" what the others leave.

    Parameters
    ----------
    fit : NetworkResult
        From `vfmeta.network`; its question may state the smallest important difference (``mid``).
    bias : RiskOfBias, optional
        From `vfmeta.appraisal.risk_of_bias`, trials matched by name.
    eligibility, unread, design, baseline_risk, risk_difference
        As in `vfmeta.appraisal.certainty`.

    Returns
    -------
    NetworkTable
        ``frame``: treatment, control, domain, suggestion (levels down, NaN where open), answer, sentence; the last row of each
        comparison is its certainty.

    Notes
    -----
    Domains of Nikolakopoulou et al. 2020 (PLoS Med 17:e1003082). Levels are suggestions from the numbers, as in
    `vfmeta.appraisal.certainty`, whose thresholds they share.

    Examples
    --------
    >>> import vfmeta as vf
    >>> frame = {
    ...     "study": list("abcdef"), "treat1": list("BBCCCC"), "treat2": list("AAAABB"),
    ...     "y": [-0.5, -0.3, -0.8, -0.6, -0.2, -0.4], "se": [0.2] * 6,
    ... }
    >>> found = vf.appraisal.network_certainty(vf.network(frame, reference="A", measure="MD"))
    >>> found.frame["domain"].head(3).tolist()
    ['within-study bias', 'reporting bias', 'indirectness']
    """
    import pandas as pd

    if not isinstance(fit, NetworkResult):
        raise InputError(f"network_certainty takes a network (from vf.network), not {kind_of(fit)}.")
    if fit.network.pooled:
        raise InputError("Mantel-Haenszel pools the trials of a design: none has a share; fit vf.network(...) to the arms.")
    design = choice("design", design, Design)
    if bias is not None and not isinstance(bias, RiskOfBias):
        raise InputError(f"bias= takes what vf.appraisal.risk_of_bias returned, not {kind_of(bias)}.")
    known = checked(unread, fit)
    shares = dict(iter(contributions(fit).groupby(["treatment", "control"], sort=False)))
    splits = {(r.treatment, r.control): r for r in split_sides(fit).itertuples()}
    overall = fit.coherence().between
    start = word(f"start_{design}")
    rows: list[tuple[Any, ...]] = []
    for r in fit.comparisons().itertuples():
        own = shares[r.treatment, r.control]
        body = body_of_comparison(
            fit, tuple(own["trial"]), own["share"].to_numpy() / 100, (r.ci_low, r.ci_high), baseline_risk, risk_difference
        )
        domains = [
            _bias(body, bias),
            _reporting(body, known),
            _indirectness(body, eligibility, own.loc[own["direct"], "share"].sum()),
            _imprecision(body, r.estimate),
            _heterogeneity(body, (r.prediction_low, r.prediction_high)),
            _incoherence(body, splits.get((r.treatment, r.control)), overall),
        ]
        rows += [(r.treatment, r.control, d.name, _level(d), step(d.suggestion, d.short), d.sentence) for d in domains]
        rows.append((r.treatment, r.control, "certainty", math.nan, *_final(domains, start)))
    frame = pd.DataFrame(rows, columns=["treatment", "control", "domain", "suggestion", "answer", "sentence"])
    said = "Levels are suggestions from the numbers; what nobody judged is open and counts as no answer."
    return NetworkTable(f"Certainty of the comparisons of a network: {fit.question.shown}", frame, (said,))


def _bias(body: Body, bias: RiskOfBias | None) -> Domain:
    return by_weight(body, bias, "within-study bias")[0]


def _reporting(body: Body, unread: Mapping[str, float | None]) -> Domain:
    said = told_of_unread(body, unread)
    return Domain(
        name="reporting bias", suggestion=None, short="not judged",
        sentence=f"Asked: could results be missing because of what they show? {body.k} trials inform this comparison. {said}",
    )  # fmt: skip


def _indirectness(body: Body, eligibility: Any, direct: float) -> Domain:
    found = directness(body, eligibility)
    said = f" {direct:.0f}% of the information comes from trials of both treatments, the rest through others."
    return Domain(
        name="indirectness", suggestion=found.suggestion, short=found.short, sentence=found.sentence + said,
        thresholds=found.thresholds,
    )  # fmt: skip


def _imprecision(body: Body, estimate: float) -> Domain:
    if body.marks.null is None:
        return Domain(
            name="imprecision", suggestion=None, short="not judged (no threshold)",
            sentence="Not judged: nothing means no difference for this measure; state mid= with the question.",
        )  # fmt: skip
    crossed = levels_down(body, estimate, body.interval)
    shown = tx.effect_text(body.question, estimate, body.interval)
    what = f"crosses {crossed_words(body, estimate, body.interval)}" if crossed else "crosses no threshold"
    return Domain(
        name="imprecision", suggestion=crossed, short="computed", thresholds=body.marks.keys,
        sentence=f"{shown}; the interval {what} (thresholds: {body.marks.basis}).",
    )  # fmt: skip


def _heterogeneity(body: Body, prediction: tuple[float, float]) -> Domain:
    if any(math.isnan(x) for x in prediction):
        return Domain(
            name="heterogeneity", suggestion=None, short="not judged (no prediction interval)",
            sentence="Not judged: the model has no heterogeneity between trials, or it cannot be estimated.",
        )  # fmt: skip
    low, high = body.interval
    new = [x for x in body.marks.every if not low <= x <= high and prediction[0] < x < prediction[1]]
    span = tx.interval_text(body.question, prediction)
    held = " and ".join(body.mark(x) for x in new)
    said = f"crosses {held} that the interval of the mean leaves out" if new else "crosses nothing more than the interval does"
    return Domain(
        name="heterogeneity", suggestion=-min(len(new), 2), short="computed", thresholds=body.marks.keys,
        sentence=f"tau2 {tx.spread_text(float(body.fit.tau2 or 0.0), body.question)}; the effect of a next trial may be "
        f"{span}, which {said}.",
    )  # fmt: skip


def _incoherence(body: Body, split: Any, overall: Any) -> Domain:
    least = limit("incoherence_p")
    if split is None:
        if not overall.df or math.isnan(overall.p_value):
            return Domain(
                name="incoherence", suggestion=None, short="not judged (no test possible)",
                sentence="Not judged: this comparison has not both direct and indirect evidence, and no design of the network "
                "is tested by another.",
            )  # fmt: skip
        found = overall.p_value < least
        return Domain(
            name="incoherence", suggestion=-1 if found else 0, short="tested in the whole network",
            thresholds=("incoherence_p",),
            sentence=f"Not both direct and indirect evidence here; between designs of the network {tx.p_text(overall.p_value)} "
            f"({least:g} counts).",
        )  # fmt: skip
    found = split.p_value < least
    direct, indirect = (body.said(x) for x in (split.direct, split.indirect))
    return Domain(
        name="incoherence", suggestion=-1 if found else 0, short="tested", thresholds=("incoherence_p",),
        sentence=f"Direct {direct}, indirect {indirect}; that they are the same: {tx.p_text(split.p_value)} ({least:g} counts)"
        f"{'' if found else ', which rules little out'}.",
    )  # fmt: skip


def _level(domain: Domain) -> float:
    return math.nan if domain.suggestion is None else float(domain.suggestion)


def _final(domains: list[Domain], start: str) -> tuple[str, str]:
    """The level, or the best it can be, and the sentence."""
    found = lowered(start, sum(d.suggestion or 0 for d in domains))
    waiting = [d.name for d in domains if d.suggestion is None]
    if waiting and found != LEVELS[0]:
        best = min(found, word("unjudged_cap"), key=LEVELS.index)
        return f"at most {best}", f"Starts {start}; open: {', '.join(waiting)}."
    return found, f"Starts {start}; all that was judged together."


__all__ = ["network_certainty"]

"""What the what-if panel of a page starts from: the trials and choices of each pooled analysis, as its script reads them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from vfmeta.core.measures import RAW
from vfmeta.text import numbers as tx

if TYPE_CHECKING:
    from vfmeta.evidence.records import Record

#: priors of tau that the script knows; an analysis under another one gets no panel, which would show other numbers
FAMILIES = frozenset({"Exponential", "HalfCauchy", "HalfNormal", "HalfT", "LogNormal"})
_TESTS = frozenset({"HKSJ", "Wald"})
_METHODS = frozenset({"REML", "DL", "PM"})
_FILES = ("whatif_engine.js", "whatif_panel.js")


def script() -> str:
    """The engine and the panel as one script, which asks nothing of the net."""
    folder = Path(__file__).parent / "templates"
    return "\n".join((folder / name).read_text(encoding="utf-8") for name in _FILES)


def view(own: list[Record], lead: Record) -> dict[str, Any] | None:
    """The analyses of a plan that the panel can work on, and which of them it opens with; None where there is none."""
    found = [x for r in own if (x := _analysis(r)) is not None]
    return {"plan": own[0].plan, "lead": lead.id, "analyses": found} if found else None


def _analysis(record: Record) -> dict[str, Any] | None:
    fit, post, q = record.frequentist, record.posterior, record.question
    if fit is None or post is None or fit.k < 2 or not _offered(record):
        return None
    facts, limits = q.facts, [fit.study_interval(i) for i in range(fit.k)]
    assert post.tau_prior is not None
    assert post.mu_prior is not None
    mu = post.mu_prior.to_dict()
    return {
        "id": record.id,
        "title": record.title,
        "contrast": tx.compared(q),
        "measure": tx.axis_text(q),
        "log": facts.is_ratio,
        "digits": facts.digits,
        "null": q.null_effect,
        "labels": list(fit.labels),
        "y": list(map(float, fit.y)),
        "v": list(map(float, fit.v)),
        "low": [low for low, _ in limits],
        "high": [high for _, high in limits],
        "tau": post.tau_prior.to_dict(),
        "mu": None if mu["family"] == "Flat" else mu,
        "unit": 0.5 if facts.is_ratio else float(post.tau_prior.median()),
        "mid": q.mid_effect(),
        "unitWords": facts.noun if facts.is_ratio else facts.within or "as shown",
        "better": 0 if q.higher_is_worse is None else -1 if q.higher_is_worse else 1,
        "method": fit.method,
        "test": fit.test,
        "level": fit.level,
    }


def _offered(record: Record) -> bool:
    """Whether the script computes just what the page shows: its priors, estimators and scales, independent effects."""
    fit, post, q = record.frequentist, record.posterior, record.question
    assert fit is not None
    assert post is not None
    if post.tau_prior is None or post.mu_prior is None or q.null_effect is None:
        return False
    tau, mu, facts = post.tau_prior.to_dict(), post.mu_prior.to_dict(), q.facts
    plain = facts.is_ratio or (facts.digits is not None and not q.scale.name)
    return (
        plain
        and q.measure != RAW
        and not facts.one_group
        and tau["family"] in FAMILIES
        and tau.get("on", "tau") == "tau"
        and mu["family"] in ("Flat", "Normal")
        and post.method == "exact quadrature"
        and post.interval_kind == "central"
        and fit.method in _METHODS
        and fit.test in _TESTS
        and fit.model == "random"
    )

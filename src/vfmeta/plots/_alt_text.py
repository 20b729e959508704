"""The same figure in sentences, for those who do not see it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from vfmeta.plots.contents import Contents, Options, contents
from vfmeta.plots.rows import checked_sections, study_rows
from vfmeta.results.fit import Result
from vfmeta.text import numbers as tx
from vfmeta.text.fit import heterogeneity_text, model_text
from vfmeta.text.posterior import bayes_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vfmeta.core.question import Question
    from vfmeta.plots.rows import Section
    from vfmeta.results.fit import FrequentistResult
    from vfmeta.results.posterior import BayesianResult


def alt_text(
    fit: Any = None,
    posterior: BayesianResult | None = None,
    *,
    sections: Sequence[tuple[str, FrequentistResult | None, BayesianResult | None]] | None = None,
) -> str:
    """Describe a forest plot in full sentences, with the numbers it shows.

    Parameters
    ----------
    fit, posterior, sections
        As given to `forest`.

    Returns
    -------
    str

    Examples
    --------
    >>> import vfmeta as vf
    >>> fit = vf.random_effects(y=[-0.5, -0.3, -0.8], se=[0.2, 0.15, 0.3], study=["A", "B", "C"])
    >>> vf.plots.alt_text(fit).endswith(".")
    True
    """
    if fit is not None and not isinstance(fit, Result):
        return _of_rows(contents(fit, posterior, sections, None, None, Options()))
    blocks = checked_sections(fit, posterior, sections)
    lead = next(b.lead for b in blocks if b.lead is not None)
    q = lead.question
    out = [
        f"Forest plot of {tx.compared(replace(q, outcome=tx.outcome_text(q)), 'versus', ', ')}: {_lower(tx.measure_text(q))} "
        f"with {tx.level_text(lead.level)} intervals."
    ]
    for block in blocks:
        out += _section(block)
    return " ".join([*out, _sides(q)])


def _sides(q: Question) -> str:
    sides = tx.favours_text(q)
    if q.null is None:
        return "No value means no difference."
    if sides is None:
        return "The direction of the outcome is not stated."
    null = f"{q.null:g}"
    return f"Values below {null} {_favour(sides[0])}, values above {null} {_favour(sides[1])}."


def _of_rows(made: Contents) -> str:
    """Any other fit, row by row."""
    q = made.question
    level = "intervals" if made.level is None else f"{tx.level_text(made.level)} intervals"
    out = [f"Forest plot of {tx.compared(q, 'versus', ', ')}: {_lower(tx.measure_text(q))} with {level}."]
    listed: list[str] = []
    if made.head:
        out.append(f"{made.head}:")
    for row in made.rows:
        if row.kind in ("words", "heading"):
            out += [f"{'; '.join(listed)}."] if listed else []
            out.append(f"{row.label}{'.' if row.kind == 'words' else ':'}")
            listed = []
        else:
            listed.append(f"{row.label} {row.effect}")
    out += [f"{'; '.join(listed)}."] if listed else []
    return " ".join([*out, _sides(q)])


def _section(block: Section) -> list[str]:
    head = f"{block.heading}: " if block.heading else ""
    lead = block.lead
    if lead is None:
        return [f"{head}no trial with usable figures."]
    rows = study_rows(lead)
    listed = "; ".join(f"{r.label} {r.effect}{' (shown, not pooled)' if r.hollow else ''}" for r in rows)
    out = [f"{head}{len(rows)} {'trial' if len(rows) == 1 else 'trials'}: {listed}."]
    fit, post = block.fit, block.posterior
    if lead.k < 2 and not (post is not None and post.stands_alone):
        return [*out, "One trial: nothing was pooled."]
    if fit is not None:
        out.append(f"{model_text(fit)}: {tx.effect_text(fit.question, fit.estimate, fit.interval)}.")
        if fit.adhoc_interval is not None:
            out.append(f"With the ad hoc correction the interval is {tx.interval_text(fit.question, fit.adhoc_interval)}.")
        if fit.shown_prediction is not None:
            out.append(f"Prediction interval {tx.interval_text(fit.question, fit.shown_prediction)}.")
        out.append(f"{heterogeneity_text(fit)}.")
    if post is not None:
        out.append(
            f"Bayesian posterior median {tx.effect_text(post.question, post.estimate, post.interval)}, "
            f"prediction interval {tx.interval_text(post.question, post.next_trial.interval)}."
        )
        out.append(f"{bayes_text(post)}.")
    return out


def _favour(words: str) -> str:
    return words.replace("Favours", "favour", 1)


def _lower(words: str) -> str:
    return words[:1].lower() + words[1:]

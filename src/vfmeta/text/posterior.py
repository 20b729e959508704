"""A Bayesian result in sentences for clinicians."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

from vfmeta.text import numbers as tx
from vfmeta.text.fit import Pooled, one_trial_text, read_span
from vfmeta.text.notes import closing_lines

if TYPE_CHECKING:
    from vfmeta.core.question import Pair, Question


class Spread(Protocol):
    """One quantity of a posterior."""

    @property
    def median(self) -> float: ...
    @property
    def interval(self) -> Pair: ...


class Posterior(Pooled, Protocol):
    """A Bayesian pool."""

    @property
    def tau(self) -> Spread: ...
    @property
    def next_trial(self) -> Spread: ...
    @property
    def excludes_null(self) -> bool: ...
    @property
    def p_benefit(self) -> float | None: ...
    @property
    def p_benefit_mid(self) -> float | None: ...
    @property
    def p_harm_mid(self) -> float | None: ...
    @property
    def p_next_benefit(self) -> float | None: ...
    @property
    def p_next_benefit_mid(self) -> float | None: ...
    @property
    def priors(self) -> Sequence[str]: ...
    @property
    def prior_share(self) -> float | None: ...
    @property
    def tau_prior_median(self) -> float | None: ...
    @property
    def method(self) -> str: ...
    @property
    def interval_kind(self) -> str: ...
    @property
    def stands_alone(self) -> bool: ...


def bayes_text(post: Posterior) -> str:
    """Probabilities of benefit and the heterogeneity of a Bayesian result in one line."""
    if post.k < 2 and not post.stands_alone:
        return one_trial_text()
    low, high = (tx.spread_text(x, post.question) for x in post.tau.interval)
    tau = tx.with_span("τ", tx.spread_text(post.tau.median, post.question), f"{tx.level_text(post.level)} CrI {low} to {high}")
    return "Bayesian: " + ", ".join([*benefit_texts(post), f"{tau} {tx.spread_of(post.question)}".rstrip()])


def benefit_texts(post: Posterior) -> list[str]:
    """Probability of any benefit and of one beyond the minimal important difference, as far as they are known."""
    parts = []
    if post.p_benefit is not None:
        parts.append(f"P(benefit) {tx.probability_text(post.p_benefit)}")
    if post.p_benefit_mid is not None and post.question.mid_effect() is not None:
        parts.append(
            f"P(benefit beyond {tx.mid_text(post.question).lstrip(tx.MINUS)}) {tx.probability_text(post.p_benefit_mid)}"
        )
    return parts


def benefit_cell(post: Posterior) -> str:
    """The same under a head that says what it is the probability of: "0.98; beyond 1.5: 0.02"."""
    parts = [t.partition(")")[2].removeprefix(" = ").strip() for t in benefit_texts(post)]
    beyond = tx.mid_text(post.question).lstrip(tx.MINUS) if len(parts) == 2 else ""
    return "; ".join([*parts[:1], *(f"beyond {beyond}: {x}" for x in parts[1:])])


def priors_text(post: Posterior) -> str:
    """The priors in one line, with the Greek letters that the figures use."""
    words = "; ".join(post.priors).replace("tau ~", "τ ~").replace("mu ~", "μ ~")
    return f"Priors: {words}" if words else ""


def console_text(post: Posterior) -> str:
    """A Bayesian pool as the console shows it."""
    q = post.question
    kind = f"{tx.level_text(post.level)} {post.interval_kind}"
    lines = [
        f"Bayesian random effects, k = {post.k}, {q.shown} ({post.method})",
        tx.compared(q),
        f"estimate   {tx.short(q.display(post.estimate))}  ({kind} {read_span(q, post.interval)})",
        f"true effect in a next trial {read_span(q, post.next_trial.interval)}",
        f"tau        {tx.short(post.tau.median)}  ({tx.span_text(post.tau.interval)}) {tx.spread_of(q)}".rstrip(),
    ]
    if post.p_benefit is not None:
        size = tx.important_text(q)
        beyond = "" if post.p_benefit_mid is None else f", of a benefit beyond {size}: {tx.fixed(post.p_benefit_mid, 3)}"
        lines.append(f"probability of any benefit: {tx.fixed(post.p_benefit, 3)}{beyond}")
    lines += [f"prior: {p}" for p in post.priors]
    return "\n".join([*lines, *closing_lines(post)])


def bayesian_summary(post: Posterior, sensitivity: Any = None) -> str:
    """What the posterior says of the effect, of benefit and harm, of the next trial, and how much of it is the prior's.

    Parameters
    ----------
    post : Posterior
    sensitivity : PowerScaling, optional
        From ``vf.bayes.power_scaling``; its finding is added as a sentence.
    """
    q = post.question
    title = f"{_capital(tx.compared(q, 'against', ', '))}: {'1 trial' if post.k == 1 else f'{post.k} trials'}."
    return "\n".join([title, *clinical_lines(post), prior_line(post, sensitivity), *closing_lines(post, "Note")])


def clinical_lines(post: Posterior) -> list[str]:
    """The effect, the probabilities of benefit and harm and the effect in a next trial, a sentence each."""
    q = post.question
    side = f", in favour of {post.favours}" if post.favours and post.excludes_null else ""
    if q.null is not None and not post.excludes_null:
        side = "; the interval includes “no difference”"
    interval = f"{tx.level_text(post.level)} credible interval {_span(q, post.interval)}"
    lines = [f"The mean effect is {_effect(q, post.estimate)} ({interval}){_unit(q)}{side}."]
    ten = _on_ten(q, post)
    if ten:
        lines.append(ten)
    if post.p_benefit is not None:
        beyond = "" if post.p_benefit_mid is None else f"; of a benefit beyond {_mid(q)}: {_chance(post.p_benefit_mid)}"
        size = tx.important_text(q, harm=True) if q.compares_ratios or q.null else "that difference"
        harm = "" if post.p_harm_mid is None else f", beyond {size}: {_chance(post.p_harm_mid)}"
        lines.append(
            f"Probability of any benefit from {q.experimental}: {_chance(post.p_benefit)}{beyond}. "
            f"Of harm: {_chance(1 - post.p_benefit)}{harm}."
            + (f" Minimal important difference: {q.mid_source}." if beyond and q.mid_source else "")
        )
    following = f"In a further trial like these the true effect may lie anywhere from {_span(q, post.next_trial.interval)}"
    if post.p_next_benefit is not None:
        following += f"; it favours {q.experimental} with a probability of {_chance(post.p_next_benefit)}"
        if post.p_next_benefit_mid is not None:
            following += f", and beyond what is important with {_chance(post.p_next_benefit_mid)}"
    return [*lines, following + "."]


def _effect(q: Question, value: float) -> str:
    facts = q.facts
    if q.compares_ratios:
        return f"{tx.a(facts.noun)} of {tx.value_text(q, value)}"
    if facts.steps is not None:
        return f"{facts.steps * abs(value):.1f} {facts.unit} {'lower' if value < 0 else 'higher'}"
    return tx.value_text(q, value) if facts.one_group or facts.scale.name else tx.number(value, 2)


def _span(q: Question, pair: tuple[float, float]) -> str:
    low, high = pair
    if not (math.isfinite(low) and math.isfinite(high)):
        return f"{low:g} to {high:g}"
    factor, unit = q.facts.steps, q.facts.unit
    if factor is None:
        turned = q.facts.one_group or q.facts.scale.name
        return tx.interval_text(q, pair) if turned else f"{tx.number(low, 2)} to {tx.number(high, 2)}"
    if (low < 0) == (high < 0):
        small, large = sorted((factor * abs(low), factor * abs(high)))
        return f"{small:.1f} to {large:.1f} {unit} {'lower' if low < 0 else 'higher'}"
    return f"{factor * abs(low):.1f} {unit} lower to {factor * high:.1f} {unit} higher"


def _unit(q: Question) -> str:
    if q.facts.on_scale and q.points is not None:
        return f" on the {q.points[0]:g}-{q.points[1]:g} scale"
    return f" in {q.facts.within}" if q.facts.within else ""


def _on_ten(q: Question, post: Posterior) -> str:
    """The same on 0-10, where the scale is another."""
    if not q.facts.on_scale or q.points is None or tuple(q.points) == (0, 10):
        return ""
    to = 10 / (q.points[1] - q.points[0])
    low, high = (x * to for x in post.interval)
    return f"Carried to 0-10 that is {_effect(q, post.estimate * to)} ({_span(q, (low, high))})."


def _mid(q: Question) -> str:
    return f"{tx.important_text(q)} (the minimal important difference)"


def _chance(p: float) -> str:
    return "below 1%" if p < 0.01 else "above 99%" if p > 0.99 else f"{p:.0%}"


def prior_line(post: Posterior, sensitivity: Any = None) -> str:
    """The priors, and how much of the answer is theirs."""
    said = [] if sensitivity is None else [str(sensitivity.verdict)]
    if post.prior_share is not None:
        share = post.prior_share
        weight = "none" if share == 0 else "less than 1%" if share < 0.01 else f"{share:.0%}"
        said.append(f"The prior of the mean effect carries {weight} of the weight in it.")
    if post.tau_prior_median is not None:
        few = post.k < 5 and sensitivity is None  # what power-scaling found says the same of these very trials
        said.append(
            f"The trials moved the median of the spread between them{_of(post)} from {post.tau_prior_median:.2g} (prior) "
            f"to {post.tau.median:.2g}"
            + ("; with so few of them the prior decides much of how wide the intervals are." if few else ".")
        )
    return " ".join([*said, f"Priors: {'; '.join(post.priors)}."])


def _of(post: Posterior) -> str:
    of = tx.spread_of(post.question)
    return f" ({of})" if of else ""


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]

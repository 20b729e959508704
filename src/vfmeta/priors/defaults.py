"""Default priors of a measure: of the mean effect (mu) and of the between-study standard deviation (tau)."""

from __future__ import annotations

import math

from vfmeta.core.measures import RAW
from vfmeta.core.messages import InputError
from vfmeta.core.question import Question
from vfmeta.priors.family import MuPrior, TauPrior
from vfmeta.priors.flat import Flat
from vfmeta.priors.half_normal import HalfNormal
from vfmeta.priors.normal import Normal

#: priors of tau and mu of the differences whose unit is known
_DEFAULTS: dict[str, tuple[TauPrior, MuPrior]] = {
    "SMD": (HalfNormal(0.5), Normal(0.0, 2.0)),
    "RD": (HalfNormal(0.1, "risks as proportions"), Normal(0.0, 0.5, "risks as proportions")),
}


def default_tau(question: Question) -> TauPrior:
    """Default prior of tau for a measure.

    Half-normal(1) for an MD on a 0-10 scale and proportionally on another; half-normal(0.5) for log ratios and SMD. For a
    risk difference half-normal(0.1): at event risks of 20 to 50% a log odds ratio that varies with SD 0.5 moves the risk
    difference by about 0.08 to 0.12, so the prior says of RD what the other says of log OR. Anything else must be named.

    Examples
    --------
    >>> import vfmeta as vf
    >>> vf.priors.default_tau(vf.Question(measure="OR")).proper
    True
    """
    measure = question.facts
    if measure.on_scale:
        return HalfNormal(_width(question) / 10, _rescaled(question, "half-normal(1)"))
    if measure.is_ratio and not measure.one_group:
        return HalfNormal(0.5)
    if measure.code in _DEFAULTS:
        return _DEFAULTS[measure.code][0]
    raise InputError(
        f"There is no default prior of tau for measure {question.measure!r}, whose unit is unknown; "
        "name one, such as tau=vf.priors.HalfNormal(scale) with a scale that suits the unit of y."
    )


def default_mu(question: Question) -> MuPrior:
    """Default prior of mu: N(0, 10) on 0-10 pain (proportionally on another scale), N(0, 2.82) on log ratios, N(0, 2) on SMD.

    For a risk difference N(0, 0.5), whose two SDs span all that a risk difference can be. Flat for raw arrays ("GEN").

    Examples
    --------
    >>> import vfmeta as vf
    >>> vf.priors.default_mu(vf.Question(measure="GEN")).proper
    False
    """
    measure = question.facts
    if measure.on_scale:
        return Normal(0.0, _width(question), _rescaled(question, "N(0, 10)"))
    if measure.is_ratio and not measure.one_group:
        return Normal(0.0, 2.82)
    if measure.code in _DEFAULTS:
        return _DEFAULTS[measure.code][1]
    if measure.code == RAW:
        return Flat()
    raise InputError(
        f"There is no default prior of mu for measure {question.measure!r}; name one, such as mu=vf.priors.Flat()."
    )


def _width(question: Question) -> float:
    if question.points is None:
        raise InputError(
            "The default priors of an MD follow its scale, and this question names none; "
            "set points=(low, high) in the question or name tau= and mu=."
        )
    low, high = question.points
    if not (math.isfinite(low) and math.isfinite(high) and high > low):
        raise InputError(f"scale={question.points!r} must be two finite numbers, the lower first.")
    return float(high - low)


def _rescaled(question: Question, base: str) -> str:
    if question.points is None or (question.points[0], question.points[1]) == (0, 10):
        return ""
    return f"{base} of a 0-10 scale carried to {question.points[0]:g}-{question.points[1]:g}"

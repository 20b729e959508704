"""A prior from a statement people can make: "95% of trials lie within x", "tau is hardly above x", "the effect is within x"."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from vfmeta.core.messages import InputError
from vfmeta.core.params import proportion
from vfmeta.priors.family import TauPrior, positive
from vfmeta.priors.half_normal import HalfNormal
from vfmeta.priors.normal import Normal
from vfmeta.priors.student_t import StudentT


def trials_within(x: float, share: float = 0.95, family: Callable[..., TauPrior] = HalfNormal, **fixed: Any) -> TauPrior:
    """The prior of tau under which ``share`` of trials have a true effect within ``x`` of the mean effect.

    The share is counted over the prior: P(|theta - mu| <= x) with theta ~ N(mu, tau^2) and tau ~ family(scale), solved for
    the scale (Spiegelhalter, Abrams & Myles 2004, Bayesian Approaches to Clinical Trials, 5.7.3, on reading tau as a range).

    Parameters
    ----------
    x : float
        Distance on the analysis scale: points for an MD, log units for ratios (log(2) for "within a factor of two").
    share : float
        Between 0 and 1.
    family : callable
        A prior of tau with a ``scale``; further parameters (``df`` of HalfT) by name.

    Examples
    --------
    >>> import vfmeta as vf
    >>> bool(vf.priors.trials_within(1.0).scale < 1)
    True
    """
    from scipy.optimize import brentq
    from scipy.special import expit, ndtr

    positive("x", x, "trials_within")
    proportion("share", share)
    # over the logit of p equal steps are exact for what is smooth and dies at both ends
    w = np.linspace(-36, 36, 1441)
    p = expit(w)
    weight = p * (1 - p) * (w[1] - w[0])
    unit = _unit(family, fixed).quantile(p)

    def reached(log_scale: float) -> float:
        tau = np.maximum(unit * math.exp(log_scale), 1e-300)
        return float(weight @ (2 * ndtr(x / tau) - 1)) - share

    middle = math.log(x)
    scale = math.exp(brentq(reached, middle - 20, middle + 20, xtol=1e-12))
    return family(scale=scale, note=f"{share:.0%} of trials within {x:g} of the mean effect", **fixed)


def tau_below(x: float, probability: float = 0.95, family: Callable[..., TauPrior] = HalfNormal, **fixed: Any) -> TauPrior:
    """The prior under which tau lies below ``x`` with the probability given; parameters as in `trials_within`.

    Examples
    --------
    >>> import vfmeta as vf
    >>> prior = vf.priors.tau_below(1.0, 0.95)
    >>> round(float(prior.cdf(1.0)), 6)
    0.95
    """
    positive("x", x, "tau_below")
    proportion("probability", probability)
    scale = x / float(_unit(family, fixed).quantile(probability))
    return family(scale=scale, note=f"tau below {x:g} with probability {probability:g}", **fixed)


def mu_within(x: float, probability: float = 0.95, centre: float = 0.0, df: float | None = None) -> Normal | StudentT:
    """The prior under which the mean effect lies within ``x`` of ``centre``; normal, or a t where ``df`` is given.

    Examples
    --------
    >>> import vfmeta as vf
    >>> # 95% within 1.96 is the standard normal
    >>> prior = vf.priors.mu_within(1.96)
    >>> round(prior.sd, 3)
    1.0
    """
    from scipy.special import ndtri, stdtrit

    positive("x", x, "mu_within")
    proportion("probability", probability)
    upper = 0.5 + probability / 2
    note = f"mu within {x:g} of {centre:g} with probability {probability:g}"
    if df is None:
        return Normal(centre, float(x / ndtri(upper)), note)
    positive("df", df, "mu_within")
    return StudentT(df, centre, float(x / stdtrit(df, upper)), note)


def _unit(family: Callable[..., TauPrior], fixed: dict[str, Any]) -> TauPrior:
    """The family at scale 1, after a look whether its scale is one: doubling it doubles tau."""
    try:
        one, two = family(scale=1.0, **fixed), family(scale=2.0, **fixed)
        ratio = float(two.quantile(0.5) / one.quantile(0.5))
    except TypeError as fault:
        raise InputError(f"{family!r} cannot be made from a scale and {sorted(fixed)}: {fault}.") from fault
    if not math.isclose(ratio, 2, rel_tol=1e-9):
        raise InputError(f"The scale of {one} does not multiply tau; take HalfNormal, HalfCauchy, HalfT or Exponential.")
    return one

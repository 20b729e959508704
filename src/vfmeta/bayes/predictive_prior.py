"""Past trials as the prior of the next one: meta-analytic-predictive priors and what they are worth in patients.

Schmidli et al. 2014, Biometrics 70:1023-1032; Neuenschwander et al. 2020, Biometrics 76:578-587.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from vfmeta.bayes.exact_posterior import ExactPosterior
from vfmeta.bayes.marginals import NormalMixture
from vfmeta.core.messages import InputError
from vfmeta.core.params import SampleSize, choice
from vfmeta.priors import Mixture, MuPrior
from vfmeta.priors.family import positive


def map_prior(post: ExactPosterior | NormalMixture, components: int = 3, note: str = "meta-analytic-predictive") -> Mixture:
    """The predictive distribution of a further trial's true effect as a small mixture of normals.

    The closest mixture in the sense of Kullback and Leibler, found by expectation-maximisation over 2,000 quantiles of the
    exact predictive distribution; nothing is sampled. Add ``.robust(weight, sd)`` before use.

    Parameters
    ----------
    post : ExactPosterior or NormalMixture
        From ``bayes.posterior``, or its ``next_trial``.
    components : int
        How many normals, 1 to 6.

    Examples
    --------
    >>> import vfmeta as vf
    >>> post = vf.bayes.posterior([-0.5, -0.3, -0.8], [0.04, 0.02, 0.09], vf.priors.HalfNormal(0.5))
    >>> len(vf.bayes.map_prior(post, components=2).weights)
    2
    """
    target = post.next_trial if isinstance(post, ExactPosterior) else post
    if not isinstance(target, NormalMixture):
        raise InputError("map_prior takes what vf.bayes.posterior returned (or its next_trial).")
    if isinstance(components, bool) or not isinstance(components, int) or not 1 <= components <= 6:
        raise InputError(f"components={components!r} must be a whole number from 1 to 6.")
    n = 2000
    x = target.quantile((np.arange(n) + 0.5) / n)
    centre, unit = float(np.median(x)), float(np.quantile(x, 0.84) - np.quantile(x, 0.16)) / 2
    z = (x - centre) / unit
    # normals about one centre, from narrow to wide: the shape of a mixture over tau
    sds = np.geomspace(0.7, 3.0, components) if components > 1 else np.ones(1)
    w, m = np.full(components, 1 / components), np.zeros(components)
    last = -math.inf
    for _ in range(5000):
        logs = np.log(w) - np.log(sds) - 0.5 * ((z[:, None] - m) / sds) ** 2
        top = logs.max(1, keepdims=True)
        share = np.exp(logs - top)
        total = share.sum(1, keepdims=True)
        fit = float((top + np.log(total)).mean())
        share /= total
        held = share.sum(0)
        w, m = held / n, (share * z[:, None]).sum(0) / held
        sds = np.sqrt(np.maximum((share * (z[:, None] - m) ** 2).sum(0) / held, 1e-6))
        if fit - last < 1e-10:
            break
        last = fit
    order = np.argsort(-w)
    return Mixture(tuple(w[order]), tuple(centre + unit * m[order]), tuple(unit * sds[order]), note)


def effective_sample_size(prior: Any, unit_sd: float, kind: SampleSize = "ELIR") -> float:
    """How many patients' worth of information a prior of the effect holds.

    Parameters
    ----------
    prior : Normal, StudentT, Mixture, Flat, or a NormalMixture such as ``post.mu``
        The prior (or posterior) of the effect.
    unit_sd : float
        Standard deviation of the information of one patient: the effect estimated from n patients has variance
        unit_sd^2 / n. For a mean difference of two equal arms, n in all, it is twice the SD between patients.
    kind : {"ELIR", "variance"}
        "ELIR": unit_sd^2 times the prior's expected local information, the integral of p'(x)^2 / p(x) (Neuenschwander et al.
        2020; consistent when patients are added). "variance": unit_sd^2 over the prior's variance.

    Examples
    --------
    >>> import vfmeta as vf
    >>> # patients with SD 5 whose mean has a standard error of 0.5
    >>> round(vf.bayes.effective_sample_size(vf.priors.Normal(0, 0.5), 5.0))
    100
    """
    positive("unit_sd", unit_sd, "effective_sample_size")
    kind = choice("kind", kind, SampleSize)
    if isinstance(prior, MuPrior):
        if prior.normal is not None:
            return float(unit_sd**2 * prior.normal[1])
        logw, mean, precision = prior.components(np.zeros(1), np.ones(1))
        prior = NormalMixture(np.exp(logw) / np.exp(logw).sum(), mean, precision**-0.5)
    if not isinstance(prior, NormalMixture):
        raise InputError("effective_sample_size takes a prior of mu or a marginal such as post.mu.")
    if kind == "variance":
        return float(unit_sd**2 / prior.sd**2)
    # E[(p'/p)^2] over the logit of the cdf's argument: equal steps, exact for what dies at both ends
    step = 0.05
    logit = np.arange(-34, 34 + step / 2, step)
    p = 1 / (1 + np.exp(-logit))
    x = prior.quantile(np.clip(p, 1e-15, 1 - 1e-15))
    z = (x[:, None] - prior.m) / prior.s
    each = prior.p / prior.s * np.exp(-0.5 * z * z)
    score = (-(z / prior.s) * each).sum(1) / np.maximum(each.sum(1), 1e-300)
    return float(unit_sd**2 * (score**2 * p * (1 - p)).sum() * step)

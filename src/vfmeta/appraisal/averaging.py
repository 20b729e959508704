"""Robust Bayesian averaging over effect, heterogeneity and publication bias, by numerical integration."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from vfmeta.appraisal.averaging_models import (
    BIASES,
    MU_SD,
    TAU_SCALE,
    Described,
    Explored,
    describe,
    explore,
    from_moments,
    mixed,
)  # fmt: skip
from vfmeta.appraisal.averaging_result import RobustAverage, summarised
from vfmeta.appraisal.averaging_scale import Scaled, published_scale
from vfmeta.appraisal.favoured import favoured_side
from vfmeta.appraisal.taken import take
from vfmeta.bayes.averaging import SpikeAndMixture
from vfmeta.core.messages import InputError, warn
from vfmeta.core.params import Favoured, Missing, proportion
from vfmeta.core.question import Question

_COUNTS = 1e-7  # probability below which a model adds nothing to an average
_TOLD = 1e-5  # and to the limits of weights and slopes
_EDGES = ("0", "0.025", "0.05", "0.5", "0.95", "0.975", "1")
_PUBLISHED = "RoBMA-PSMA (Bartos et al. 2023, Res Synth Methods 14:99-116, appendix B; the defaults of RoBMA 2.0 to 3.6)"


def robust_average(
    data: Any = None,
    *,
    y: Any = None,
    v: Any = None,
    se: Any = None,
    ci: Any = None,
    study: Any = None,
    unit_sd: float | None = None,
    favoured: Favoured | None = None,
    level: float | None = None,
    p_effect: float = 0.5,
    p_heterogeneity: float = 0.5,
    p_bias: float = 0.5,
    question: Question | None = None,
    missing: Missing = "raise",
) -> RobustAverage:
    """Average over models with and without an effect, heterogeneity and publication bias (RoBMA-PSMA), without sampling.

    Parameters
    ----------
    data, y, v, se, ci, study, level, question, missing
        As of `egger`. The measure of the question decides the scale: SMD, OR (log odds ratios) and ZCOR (Fisher's z).
    unit_sd : float, optional
        For any other measure: one standard deviation, on the analysis scale; effects are divided by it, and the priors of
        Cohen's d are those of the quotient.
    favoured : {"higher", "lower"}, optional
        Which effects are favoured; the better side of the question when left out, else the side of the REML pool, with a note.
    p_effect, p_heterogeneity, p_bias : float
        Prior probabilities of an effect, of heterogeneity and of a bias, independent of each other; between 0 and 1.

    Returns
    -------
    RobustAverage

    Raises
    ------
    InputError
        A measure without a published scale and no ``unit_sd``, fewer than two studies, a probability that is none.

    Notes
    -----
    Thirty-six models: effect or none, heterogeneity or none, and no bias, six step functions of p (two-sided with cuts at 0.05
    and at 0.05, 0.10; one-sided at 0.05, at 0.025, 0.05, at 0.05, 0.5 and at 0.025, 0.05, 0.5), PET and PEESE. Priors, for
    Cohen's d: mean N(0, 1); tau inverse-gamma(1, 0.15); weights cumulative Dirichlet(1, ..., 1), so that they fall from 1;
    slopes of PET and PEESE half-Cauchy(1) and half-Cauchy(5). Each step function has 1/12 of the probability of a bias, PET and
    PEESE 1/4 each. As published, the models are fitted to Fisher's z with the sample size that effect and standard error
    imply, p is that of a t test (of log odds ratios: normal), and mean, tau and slopes are scaled linearly.

    The likelihood is averaged over weights or slope, mean and log tau by Gauss quadrature, to about 1e-6 of itself; there is no
    Monte Carlo error. Limits of weights and slopes are good to about 0.001.

    Bartos, Maier, Wagenmakers, Doucouliagos & Stanley 2023, Res Synth Methods 14:99-116; Maier, Bartos & Wagenmakers 2023,
    Psychol Methods 28:107-122.

    Examples
    --------
    >>> import vfmeta as vf
    >>> y, se = [0.25, 0.20, 0.26, 0.23, 0.42], [0.10, 0.08, 0.10, 0.10, 0.15]
    >>> found = vf.appraisal.robust_average(y=y, se=se, favoured="higher", question=vf.Question(measure="SMD"))
    >>> found.bf_bias > 1
    True
    """
    chances = {"p_effect": p_effect, "p_heterogeneity": p_heterogeneity, "p_bias": p_bias}
    for name, p in chances.items():
        proportion(name, p)
    given = {"y": y, "v": v, "se": se, "ci": ci, "study": study, "question": question, "missing": missing}
    taken = take("robust_average", data, level, **given)
    s, level = taken.studies, taken.level
    if s.k < 2:
        raise InputError("robust_average needs two studies or more: one cannot tell heterogeneity or a bias from an effect.")
    side = favoured_side(favoured, s.question, s.y, s.v)
    scaled = published_scale(s, side.sign, unit_sd)
    explored = explore(scaled)
    before = np.array([_prior(e, p_effect, p_heterogeneity, p_bias) for e in explored])
    evidence = np.array([e.log_evidence for e in explored])
    log_after = np.log(before) + evidence
    after = np.exp(log_after - log_after.max())
    after /= after.sum()
    effects, heterogeneities = (np.array([getattr(e, n) for e in explored]) for n in ("effect", "heterogeneity"))
    biased = np.array([e.bias.name != "none" for e in explored])
    null = s.question.null_effect or 0.0
    to_analysis = side.sign * scaled.unit
    means = np.array([null + to_analysis * _mean(e) for e in explored])
    rest = mixed(
        [(float(p), e.mean_panels) for p, e in zip(after, explored, strict=True) if e.effect and p > _COUNTS * after.max()]
    )
    share = float(after[effects].sum())
    if rest is None:  # nothing speaks for an effect: what there would be is still told
        best = max((e for e in explored if e.effect), key=lambda e: e.log_evidence)
        rest = mixed([(1.0, best.mean_panels)])
    assert rest is not None
    mu = SpikeAndMixture(null, 1 - share, rest.times(to_analysis).moved(null))
    names, averaged, conditional, shares = _terms(explored, after, scaled, mu, share, level)
    notes = [*s.notes, *([side.note] if side.note else [])]
    if side.note:
        warn(side.note)
    return RobustAverage(
        question=s.question, labels=s.labels, y=s.y, v=s.v, favoured=side.name, scale=scaled.words,
        effects=tuple(effects.tolist()), heterogeneities=tuple(heterogeneities.tolist()),
        biases=tuple(e.bias.name for e in explored), prior_probabilities=before, probabilities=after, log_evidence=evidence,
        means=means, bf_effect=_factor(log_after, effects, p_effect),
        bf_heterogeneity=_factor(log_after, heterogeneities, p_heterogeneity), bf_bias=_factor(log_after, biased, p_bias),
        estimate=mu.mean, se=mu.sd, interval=mu.interval(level), level=level, mu=mu,
        mu_prior_sd=MU_SD * scaled.half * scaled.unit, terms=names, averaged=averaged, conditional=conditional, shares=shares,
        priors=_words(scaled), warnings=tuple(notes), origin=s.origin, call=taken.record(
            "robust_average", favoured=side.name, unit_sd=None if unit_sd is None else float(unit_sd),
            **{n: float(p) for n, p in chances.items()},
        ),
    )  # fmt: skip


def _prior(e: Explored, p_effect: float, p_heterogeneity: float, p_bias: float) -> float:
    bias = p_bias * e.bias.share if e.bias.share else 1 - p_bias
    return (p_effect if e.effect else 1 - p_effect) * (p_heterogeneity if e.heterogeneity else 1 - p_heterogeneity) * bias


def _factor(log_after: np.ndarray, inside: np.ndarray, prior: float) -> float:
    """Inclusion Bayes factor, straight from the evidences: a probability that rounds to one keeps its factor."""
    log_odds = np.logaddexp.reduce(log_after[inside]) - np.logaddexp.reduce(log_after[~inside])
    return float(np.exp(np.clip(log_odds - math.log(prior / (1 - prior)), -700, 700)))


def _mean(e: Explored) -> float:
    mu, _, p = e.nodes()
    return float(p @ mu)


def _words(s: Scaled) -> tuple[str, ...]:
    where = f"of Cohen's d, fitted to {s.words}" if s.half != 1 else f"of {s.words}"
    return (
        f"{_PUBLISHED}; {where}",
        f"mean ~ normal(0, {MU_SD:g}), tau ~ inverse-gamma(1, {TAU_SCALE:g}), weights ~ cumulative Dirichlet(1, ..., 1)",
        "PET ~ half-Cauchy(1), PEESE ~ half-Cauchy(5)",
    )


def _terms(
    explored: list[Explored], after: np.ndarray, s: Scaled, mu: SpikeAndMixture, p_effect: float, level: float
) -> tuple[tuple[str, ...], np.ndarray, np.ndarray, np.ndarray]:
    """Every parameter over all models and over those that have it, with the probability of these."""
    heavy = [(float(p), e) for p, e in zip(after, explored, strict=True) if p > _COUNTS]
    ends = np.array([0.5, 0.5 - level / 2, 0.5 + level / 2])
    rows: dict[str, tuple[tuple[list[float], list[float]], float]] = {
        "mean": (([mu.mean, *mu.quantile(ends).tolist()], [mu.rest.mean, *mu.rest.quantile(ends).tolist()]), p_effect)
    }
    share = float(sum(p for p, e in zip(after, explored, strict=True) if e.heterogeneity))
    log_tau = mixed([(p, e.tau_panels) for p, e in heavy if e.heterogeneity])
    mean = None if log_tau is None else float((log_tau.mass * np.exp(log_tau.nodes)).sum()) * s.unit
    rows["tau"] = summarised(log_tau, share, 0.0, level, lambda u: s.unit * np.exp(u), mean), share
    told = [(p, e) for p, e in heavy if e.bias.name != "none" and p > _TOLD]
    with ThreadPoolExecutor() as pool:
        known = dict(zip((id(e) for _, e in told), pool.map(lambda at: describe(at[1]), told), strict=True))
    selection = float(sum(p for p, e in zip(after, explored, strict=True) if e.bias.weights))
    for j in range(1, len(_EDGES) - 1):
        rows[f"weight, p {_EDGES[j]} to {_EDGES[j + 1]}"] = _weight(told, known, j, selection, level), selection
    for bias in (b for b in BIASES if b.slope):
        share = float(sum(p for p, e in zip(after, explored, strict=True) if e.bias is bias))
        rows[bias.name] = _slope([(p, known[id(e)], e) for p, e in told if e.bias is bias], share, s, level), share
    averaged, conditional = (np.array([r[0][i] for r in rows.values()]) for i in (0, 1))
    return tuple(rows), averaged, conditional, np.array([r[1] for r in rows.values()])


def _weight(
    heavy: list[tuple[float, Explored]], known: dict[int, Described], j: int, selection: float, level: float
) -> tuple[list[float], list[float]]:
    """The weight of one interval of p over all models, and over those with weights."""
    parts = [(p, known[id(e)], e.bias.weights[j] - 1) for p, e in heavy if e.bias.weights and e.bias.weights[j] > 0]
    share = sum(p for p, _, _ in parts)
    if not parts or selection <= 0:
        return summarised(None, 0.0, 1.0, level)
    moments = sum(p * d.moments[row] for p, d, row in parts) / share
    mean = sum(p * d.plain[row, 0] for p, d, row in parts) / share
    density = from_moments(np.asarray(moments))
    whole = summarised(density, share, 1.0, level, mean=mean)[0]
    return whole, summarised(density, min(share / selection, 1.0), 1.0, level, mean=mean)[0]


def _slope(
    parts: list[tuple[float, Described, Explored]], share: float, s: Scaled, level: float
) -> tuple[list[float], list[float]]:
    """The slope of PET or PEESE on the analysis scale: that of PEESE is per unit of variance there."""
    if not parts:
        return summarised(None, 0.0, 0.0, level)
    total = sum(p for p, _, _ in parts)
    bias, scale = parts[0][2].bias, parts[0][2].model.scale
    unit = s.unit ** (1 - bias.slope)
    moments = np.asarray(sum(p * d.moments[0] for p, d, _ in parts) / total)
    mean = unit * sum(p * d.plain[0, 0] for p, d, _ in parts) / total
    return summarised(from_moments(moments), share, 0.0, level, lambda x: unit * scale * np.tan(0.5 * math.pi * x), mean)

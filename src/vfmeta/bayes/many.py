"""Very many posteriors at once: a frame of questions, and one question under a grid of priors."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from vfmeta.bayes import compiled
from vfmeta.bayes.chances import benefit_columns, chance_points
from vfmeta.bayes.exact import choose_priors
from vfmeta.bayes.exact_posterior import ExactPosterior, refuse_improper
from vfmeta.convert.checking import numbers
from vfmeta.core.messages import InputError
from vfmeta.core.params import REACH, IntervalKind, Missing, choice, confidence
from vfmeta.core.question import Question
from vfmeta.effects.columns import refuse_clash
from vfmeta.effects.long_table import keys_of, read_long
from vfmeta.effects.reading import read
from vfmeta.priors import Flat, HalfNormal, MuPrior, Normal, TauPrior
from vfmeta.results.frames import noted, one_scale

if TYPE_CHECKING:
    import pandas as pd


def random_effects_many(
    data: Any,
    by: str | Sequence[str],
    *,
    y: str = "y",
    v: str = "v",
    study: str | None = None,
    tau: TauPrior | None = None,
    mu: MuPrior | None = None,
    level: float = 0.95,
    interval: IntervalKind = "central",
    question: Question | None = None,
    studies: bool = False,
) -> pd.DataFrame:
    """Exact Bayesian random-effects meta-analysis of every group of a frame.

    Parameters
    ----------
    data : data frame (pandas, polars, pyarrow, ...) or mapping of columns
        One row a study.
    by : str or list of str
        Column(s) that tell the meta-analyses apart; their order of first appearance is kept.
    tau, mu : priors, optional
        One for all. Defaults follow ``question``'s measure; without one tau must be named and mu is flat.
    level : float
        Credible level of the intervals.
    interval : {"central", "shortest"}
        Kind of every interval.
    y, v, study : str
        Columns of effects, sampling variances and (where ``studies``) study names.
    question : Question, optional
        Measure, direction and minimal important difference shared by all.
    studies : bool
        Whether to answer with one row a study (its shrunken effect) instead of one row a meta-analysis.

    Returns
    -------
    DataFrame
        One row a meta-analysis: ``by``, k, estimate, mean, se (posterior SD), ci_low, ci_high, prediction_low,
        prediction_high, tau, tau_mean, tau_sd, tau_low, tau_high, p_benefit, p_benefit_mid, prior_share, log_evidence; or one
        row a study: ``by``, study, estimate, se, weight (percent), shrunken_mean, shrunken_sd, shrunken_low, shrunken_high.
        ``scale`` names what the effects are on.

    Raises
    ------
    InputError
        A column is missing, a cell is no number (every fault is listed), or a group's posterior is improper (the group named).

    Examples
    --------
    >>> import vfmeta as vf
    >>> frame = {"question": ["a", "a", "b", "b"], "y": [-0.5, -0.3, 0.1, 0.2], "v": [0.04, 0.02, 0.05, 0.04]}
    >>> vf.bayes.random_effects_many(frame, "question", tau=vf.priors.HalfNormal(0.5))["k"].tolist()
    [2, 2]
    """
    import pandas as pd

    confidence(level)
    interval = choice("interval", interval, IntervalKind)
    keys = keys_of(by)
    long = read_long(data, keys, {"y": y, "v": v}, "raise", [] if study is None else [study])
    data = long.frame
    order = np.arange(len(data)) if long.order is None else long.order
    start, ys, vs = long.start, long.columns["y"], long.columns["v"]
    counts = np.diff(start)
    asked = question or Question()
    tau, mu = choose_priors(asked, tau, mu)
    heads = data.iloc[long.heads][keys].reset_index(drop=True)
    sizes, first = np.unique(counts, return_index=True)
    for k, i in sorted(zip(sizes, first, strict=True), key=lambda pair: int(pair[1])):
        try:
            refuse_improper(tau.tail + (k if mu.proper else k - 1), int(k), tau, mu)
        except InputError as fault:
            raise InputError(f"{', '.join(f'{c} = {heads[c][i]}' for c in keys)}: {fault}") from None
    at, prob = chance_points(asked), np.array([0.5 - level / 2, 0.5, 0.5 + level / 2])
    yy, vv = ys[order], vs[order]
    found = compiled.many(
        start, yy, vv, [tau], [mu], prob, np.tile(at, (len(counts), 1)).reshape(len(counts), -1), studies=studies,
        shortest=float(level) if interval == "shortest" else 0.0,
    )  # fmt: skip
    _mend(found, start, yy, vv, [tau], [mu], prob, at, studies, interval)
    if studies:
        rows = data.iloc[order]
        out = rows[keys].reset_index(drop=True)
        names = rows[study].to_list() if study else [f"study {i + 1}" for c in counts for i in range(c)]
        share, mean, sd, low, high, _ = found.study
        made = {
            "study": names, "estimate": yy, "se": np.sqrt(vv), "weight": 100 * share, "shrunken_mean": mean, "shrunken_sd": sd,
            "shrunken_low": low, "shrunken_high": high, "scale": one_scale(asked, len(yy)),
        }  # fmt: skip
        refuse_clash(keys, made)
        return out.assign(**made)
    answer = _frame(found, counts, asked, at, tau, mu)
    refuse_clash(keys, ["k", *answer])
    whole = pd.concat([heads.assign(k=counts), answer], axis=1)
    whole.attrs = answer.attrs
    return whole


def prior_sensitivity(
    data: Any = None,
    *,
    y: Any = None,
    v: Any = None,
    se: Any = None,
    V: Any = None,
    ci: Any = None,
    study: Any = None,
    tau_scales: Any,
    mu_sds: Any,
    family: Callable[[float], TauPrior] = HalfNormal,
    mu_mean: float = 0.0,
    level: float = 0.95,
    question: Question | None = None,
    missing: Missing = "raise",
) -> pd.DataFrame:
    """One question under a grid of priors: every scale of tau's prior with every SD of mu's.

    Parameters
    ----------
    data, y, v, se, V, ci, study, question, missing
        As in `random_effects`.
    tau_scales : array-like of shape (a,)
        Scales of tau's prior, on the analysis scale.
    mu_sds : array-like of shape (b,)
        Standard deviations of the normal prior of mu; ``inf`` is flat.
    family : callable
        Makes the prior of tau from a scale: HalfNormal, HalfCauchy, Exponential, or a function of one's own.
    mu_mean : float
        Mean of the prior of mu.

    Returns
    -------
    DataFrame
        a times b rows: tau_scale, mu_sd and the columns of `random_effects_many`.

    Examples
    --------
    >>> import vfmeta as vf
    >>> found = vf.bayes.prior_sensitivity(y=[-0.5, -0.3, -0.8], v=[0.04, 0.02, 0.09], tau_scales=[0.3, 1.0], mu_sds=[1.0, 3.0])
    >>> len(found)
    4
    """
    s = read(data, y=y, v=v, se=se, V=V, ci=ci, study=study, question=question, missing=missing, level=level)
    a, b = (_positive_column(x, name) for x, name in ((tau_scales, "tau_scales"), (mu_sds, "mu_sds")))
    try:
        made = family(1.0)
    except TypeError:
        made = None
    if not isinstance(made, TauPrior):
        raise InputError(f"family={family!r} must make a prior of tau from a scale, as vf.priors.HalfNormal does.")
    taus = [family(float(x)) for x in a]
    mus: list[MuPrior] = [Flat() if math.isinf(x) else Normal(mu_mean, float(x)) for x in b]
    for t in taus:
        choose_priors(s.question, t, mus[0])
        for m in {id(m.proper): m for m in mus}.values():
            refuse_improper(t.tail + (s.k if m.proper else s.k - 1), s.k, t, m)
    n = len(taus) * len(mus)
    every_tau, every_mu = [t for t in taus for _ in mus], mus * len(taus)
    at, prob = chance_points(s.question), np.array([0.5 - level / 2, 0.5, 0.5 + level / 2])
    start = np.arange(n + 1) * s.k
    yy, vv = np.tile(s.y, n), np.tile(s.v, n)
    found = compiled.many(start, yy, vv, every_tau, every_mu, prob, np.tile(at, (n, 1)).reshape(n, -1), studies=False)
    _mend(found, start, yy, vv, every_tau, every_mu, prob, at, False)
    out = _frame(found, np.full(n, s.k), s.question, at, every_tau, every_mu)
    out.insert(0, "mu_sd", np.tile(b, len(a)))
    out.insert(0, "tau_scale", np.repeat(a, len(b)))
    return out


def _mend(
    found: compiled.Solved, start: np.ndarray, y: np.ndarray, v: np.ndarray, tau: Sequence[TauPrior], mu: Sequence[MuPrior],
    prob: np.ndarray, at: tuple[float, ...], studies: bool, kind: str = "central",
) -> None:  # fmt: skip
    """Rows the kernel left, by the panels in numpy."""
    level = float(prob[-1] - prob[0])
    for i in np.flatnonzero(~found.solved).tolist():
        rows = slice(start[i], start[i + 1])
        t, m = tau[i if len(tau) > 1 else 0], mu[i if len(mu) > 1 else 0]
        post = ExactPosterior(y[rows], v[rows], t, m)
        k = start[i + 1] - start[i]
        evidence = post.log_marginal_likelihood
        found.head[i] = (
            math.nan if evidence is None else evidence + 0.5 * k * math.log(2 * math.pi), post.tau.mean, post.tau.sd,
            post.mu.mean, post.mu.sd, post.next_trial.mean, post.next_trial.sd, 0, 0, 0, post.prior_share, 0,
        )  # fmt: skip
        for j, part in enumerate((post.tau, post.mu, post.next_trial)):
            found.limits[i, j] = part.quantile(prob)
            if kind == "shortest":
                found.limits[i, j, [0, -1]] = part.interval(level, kind)
        for j, part in enumerate((post.mu, post.next_trial)):
            found.below[i, j] = part.cdf(np.array(at)) if at else 0.0
        if studies:
            found.study[:5, rows] = np.stack(
                [post.weights / 100, post.shrunken_mean, post.shrunken_sd, *post.shrunken_interval(level, kind)]
            )


def _frame(found: compiled.Solved, k: np.ndarray, question: Question, at: tuple[float, ...], tau: Any, mu: Any) -> pd.DataFrame:
    import pandas as pd

    place = {x: j for j, x in enumerate(at)}
    p, p_mid = benefit_columns(question, lambda x: found.below[:, 0, place[x]])
    taus, mus = ([x] * len(k) if not isinstance(x, list) else x for x in (tau, mu))
    proper = np.array([t.proper and m.proper for t, m in zip(taus, mus, strict=True)])
    evidence = np.where(proper, found["log_mass"] - 0.5 * k * math.log(2 * math.pi), np.nan)
    between, own, ahead = (found.limits[:, j] for j in range(3))
    out = pd.DataFrame({
        "estimate": own[:, 1], "mean": found["mu_mean"], "se": found["mu_sd"], "ci_low": own[:, 0], "ci_high": own[:, 2],
        "prediction_low": ahead[:, 0], "prediction_high": ahead[:, 2], "tau": between[:, 1], "tau_mean": found["tau_mean"],
        "tau_sd": found["tau_sd"], "tau_low": between[:, 0], "tau_high": between[:, 2], "p_benefit": p, "p_benefit_mid": p_mid,
        "prior_share": found["prior_share"], "log_evidence": evidence,
    })  # fmt: skip
    out["scale"] = one_scale(question, len(out))
    return noted(out)


def _positive_column(values: Any, name: str) -> np.ndarray:
    out = np.atleast_1d(numbers(name, values, infinite=True))
    flat = np.isposinf(out) if name == "mu_sds" else np.zeros(len(out), dtype=bool)
    if out.ndim != 1 or len(out) == 0 or not np.all(flat | ((out >= 1 / REACH) & (out <= REACH))):
        raise InputError(f"{name} must be one-dimensional and hold positive numbers only ({1 / REACH:g} to {REACH:g}).")
    return out

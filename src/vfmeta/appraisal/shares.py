"""Shares of settings with an important benefit or harm, and the chance that the next trial lies beyond a value."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from vfmeta.core.messages import InputError
from vfmeta.core.params import is_finite
from vfmeta.core.question import Question
from vfmeta.kernels.distributions import quantile
from vfmeta.results.fit import FrequentistResult
from vfmeta.results.posterior import BayesianResult
from vfmeta.results.settings import SettingShares

GRID = 201


def setting_shares(fit: Any, *, beyond: float | None = None) -> SettingShares:
    """Shares of settings like those of the trials where the true effect is an important benefit, an important harm, or neither.

    Parameters
    ----------
    fit : FrequentistResult or BayesianResult
        A random-effects pool or an exact posterior.
    beyond : float, optional
        A value on the scale people read, to be told the chance that the next trial's true effect lies above and below it; by
        default the minimal important difference of the question, on both sides of "no difference".

    Returns
    -------
    SettingShares

    Raises
    ------
    InputError
        Nothing says what is important, or the pool has no distribution of true effects.

    Notes
    -----
    The distribution is that of the prediction interval: t about the mean with the variances of mean and heterogeneity added
    (R's meta, ``cidprop``), or the exact predictive one of a posterior.

    Examples
    --------
    >>> import vfmeta as vf
    >>> question = vf.Question(measure="MD", higher_is_worse=True, mid=0.5)
    >>> fit = vf.random_effects(y=[-0.9, -0.2, -0.6, 0.1, -0.4], se=[0.4, 0.1, 0.3, 0.12, 0.2], question=question)
    >>> found = vf.appraisal.setting_shares(fit)
    >>> found.terms, round(float(found.estimate.sum()), 12)
    (('an important benefit', 'neither', 'an important harm'), 1.0)
    """
    cdf, centre, spread, method = _distribution(fit)
    q: Question = fit.question
    edges, terms = _edges(q, beyond)
    below = np.concatenate([[0.0], [cdf(x) for x in edges], [1.0]])
    grid = np.linspace(centre - 4.5 * spread, centre + 4.5 * spread, GRID)
    step = grid[1] - grid[0]
    density = np.array([cdf(x + step / 2) - cdf(x - step / 2) for x in grid.tolist()]) / step
    call = {"function": "appraisal.setting_shares"} | ({} if beyond is None else {"beyond": float(beyond)})
    return SettingShares(
        question=q, k=fit.k, terms=terms, estimate=np.diff(below), low=np.array([-math.inf, *edges]),
        high=np.array([*edges, math.inf]), grid=grid, density=density, method=method, warnings=tuple(fit.warnings), call=call,
        origin=fit.origin,
    )  # fmt: skip


def _edges(q: Question, beyond: float | None) -> tuple[list[float], tuple[str, ...]]:
    if beyond is not None:
        if not is_finite(beyond):
            raise InputError(f"beyond={beyond!r} must be a finite number, on the scale people read.")
        edge = q.analysis(float(beyond))
        if not math.isfinite(edge):
            raise InputError(f"beyond={beyond!r} is no {q.facts.words.lower()}.")
        return [edge], (f"below {beyond:g}", f"above {beyond:g}")
    ends = q.mid_effect(), q.mid_effect(harm=True)
    if ends[0] is None or ends[1] is None:
        raise InputError("Nothing says what is important: give beyond=, or a question with mid and higher_is_worse.")
    names = ("an important benefit", "neither", "an important harm")
    return sorted(float(x) for x in ends if x is not None), names if ends[0] < ends[1] else names[::-1]


def _distribution(fit: Any) -> tuple[Callable[[float], float], float, float, str]:
    """Distribution function of the true effect in a next setting, its centre, its spread, and what it is."""
    if isinstance(fit, BayesianResult):
        from vfmeta.bayes.exact_posterior import behind

        post = behind(fit)[0]
        ahead = post.next_trial
        low, high = (float(ahead.quantile(p)) for p in (0.1587, 0.8413))
        return lambda x: float(ahead.cdf(np.array(x))), float(ahead.quantile(0.5)), (high - low) / 2, "exact posterior"
    if not isinstance(fit, FrequentistResult) or fit.model != "random" or fit.tau2 is None:
        raise InputError(
            f"setting_shares: this {type(fit).__name__} has no distribution of true effects; give a random-effects pool or "
            "a posterior."
        )
    if fit.prediction_method == "bootstrap":
        raise InputError('setting_shares: a bootstrap interval has no distribution; use prediction="fitted" or "HTS".')
    df = fit.df
    spread = math.hypot(fit.se, math.sqrt(fit.tau2))
    if fit.prediction_method != "fitted":
        if fit.prediction is None:
            raise InputError("setting_shares: the prediction interval is undefined; too few studies.")
        df = float(fit.k - 1 - ("tau2" not in fit.call))
        spread = (fit.prediction[1] - fit.prediction[0]) / 2 / quantile(fit.level, int(df))
    if spread == 0:
        raise InputError(
            "setting_shares: mean and heterogeneity have no spread at all, so that shares would be all or nothing."
        )
    from scipy.special import ndtr, stdtr

    def cdf(x: float) -> float:
        z = (x - fit.estimate) / spread
        return float(ndtr(z) if df is None else stdtr(df, z))

    return cdf, fit.estimate, spread, "normal" if df is None else f"t with {df:.4g} df"

"""Residuals in order against those that the fitted model leads one to expect."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from vfmeta.core.params import confidence, generator, whole
from vfmeta.frequentist.after.influence import as_regression, residuals

if TYPE_CHECKING:
    import pandas as pd

_AT_ONCE = 4_000_000  # numbers held in one piece


def normal_quantiles(fit: Any, *, level: float = 0.95, draws: int = 10_000, seed: int = 1) -> pd.DataFrame:
    """Standardised residuals in order, normal quantiles, and the envelope of the residuals of samples of the model.

    Parameters
    ----------
    fit : result
        Of `random_effects`, `common_effect` or `meta_regression`.
    level : float
        Share of samples between the limits, at each place.
    draws : int
        Samples of the fitted model.
    seed : int
        Makes them repeatable.

    Returns
    -------
    DataFrame
        A row a study, from the lowest residual on: study, quantile (normal, at (i - 0.5) / k), standardised (residual over its
        standard error, as of `residuals`), envelope_low, envelope_high.

    Notes
    -----
    Effects are drawn from N(fitted, v + tau2), with tau2 as it is (so that the envelope knows nothing of how uncertain it is),
    and turned to residuals as those of the studies are; limits are quantiles of each place in order (Viechtbauer 2021, in
    Schmid, Stijnen & White, Handbook of Meta-Analysis, ch. 11). With few studies almost anything lies inside.

    Examples
    --------
    >>> import vfmeta as vf
    >>> fit = vf.common_effect(y=[-0.5, -0.3, -0.1], v=[0.04, 0.04, 0.04], study=["A", "B", "C"])
    >>> vf.normal_quantiles(fit, draws=200)["study"].tolist()
    ['A', 'B', 'C']
    """
    import pandas as pd
    from scipy.special import ndtri

    level, draws = confidence(level), whole("draws", draws, 100)
    r = as_regression(fit)
    own = residuals(fit)
    order = np.argsort(own["standardised"].to_numpy(), kind="stable")
    a = r.user_weights if r.user_weights is not None else 1 / (r.v + r.tau2)
    x = r.fit.x
    away = np.eye(r.k) - x @ np.linalg.solve((x.T * a) @ x, x.T * a)
    spread = np.sqrt(r.v + r.tau2)
    own_se = np.sqrt(((away * spread) ** 2).sum(axis=1))
    fixed = own_se <= 1e-8 * spread  # a study that alone carries its fitted value
    rng, found, left = generator(seed), [], draws
    while left:
        n = min(left, max(1, _AT_ONCE // r.k))
        rest = (rng.standard_normal((n, r.k)) * spread) @ away.T
        found.append(np.sort(np.where(fixed, 0.0, rest / np.where(fixed, 1.0, own_se)), axis=1))
        left -= n
    low, high = np.quantile(np.concatenate(found), [0.5 - level / 2, 0.5 + level / 2], axis=0)
    return pd.DataFrame({
        "study": own["study"].to_numpy()[order], "quantile": ndtri((np.arange(r.k) + 0.5) / r.k),
        "standardised": own["standardised"].to_numpy()[order], "envelope_low": low, "envelope_high": high,
    })  # fmt: skip

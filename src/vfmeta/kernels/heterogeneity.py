"""Between-study variance: estimators, Cochran's Q, I2 and the Q-profile interval, for batches.

Every function takes ``y`` and ``v`` of shape (B, k) or (k,) and an optional ``mask``, works in units of its own data, and
answers with arrays of shape (B,) in squared units of ``y``. A row with one study has no heterogeneity to estimate: NaN.
"""

from __future__ import annotations

import numpy as np

from vfmeta.kernels.batch import Batch, fit_at, prepare, trace_p
from vfmeta.kernels.roots import ConvergenceError, bracketed_roots

_CELLS = 4_000_000  # largest (rows, grid, k) block held in memory at once
_XTOL = 1e-17  # in units of the smallest variance: below this a tau2 is rounding


def cochran_q(y: np.ndarray, v: np.ndarray, mask: np.ndarray | None = None) -> np.ndarray:
    """Cochran's Q (Cochran 1954, Biometrics 10:101-129), chi-squared with k - 1 df when tau2 = 0."""
    b = prepare(y, v, mask)
    return _q(b.y, b.v, np.zeros(len(b.k)))


def tau2_dl(y: np.ndarray, v: np.ndarray, mask: np.ndarray | None = None) -> np.ndarray:
    """Moment estimator truncated at zero (DerSimonian & Laird 1986, Controlled Clinical Trials 7:177-188)."""
    b = prepare(y, v, mask)
    w, total, _, r = fit_at(b.y, b.v, np.zeros(len(b.k)))
    with np.errstate(invalid="ignore", divide="ignore"):
        tau2 = ((w * r**2).sum(-1) - (b.k - 1)) / trace_p(w, total)
    return _finish(np.maximum(tau2, 0.0), b)


def tau2_pm(y: np.ndarray, v: np.ndarray, mask: np.ndarray | None = None) -> np.ndarray:
    """Root of the generalised Q = k - 1, zero when Q(0) is already below (Paule & Mandel 1982, J Res NBS 87:377-385)."""
    b = prepare(y, v, mask)
    return _finish(_q_root(b, (b.k - 1).astype(float)), b)


def tau2_reml(y: np.ndarray, v: np.ndarray, mask: np.ndarray | None = None) -> np.ndarray:
    """Restricted maximum likelihood: the global maximum over tau2 >= 0 (Raudenbush 2009, in Cooper et al., ch. 16).

    The likelihood can have several maxima. The score is therefore followed over a grid that is fine on the log scale and
    reaches to a bound above which it is negative for certain; every maximum found is refined to rounding, and the highest,
    zero included, is the answer.
    """
    b = prepare(y, v, mask)
    tau2 = np.zeros(len(b.k))
    upper = _reml_bound(b)
    lower = 1e-3 * np.minimum(b.v.min(axis=1), upper)
    with np.errstate(divide="ignore", invalid="ignore"):
        length = np.where(upper > 0, np.log(upper / lower), 0.0)
    size = max(8, int(np.ceil(length.max() / 0.25)) + 1)
    rows = np.flatnonzero((upper > 0) & (b.k > 1))
    step = max(1, _CELLS // (size * b.y.shape[1]))
    for start in range(0, len(rows), step):
        r = rows[start : start + step]
        tau2[r] = _reml_rows(b.y[r], b.v[r], lower[r], length[r], size)
    return _finish(tau2, b)


def typical_variance(v: np.ndarray, mask: np.ndarray | None = None) -> np.ndarray:
    """Typical sampling variance (k - 1) / (sum w - sum w^2 / sum w), w = 1/v (Higgins & Thompson 2002, Stat Med 21:1539)."""
    b = prepare(np.zeros(np.shape(v)), v, mask)
    w, total, _, _ = fit_at(b.y, b.v, np.zeros(len(b.k)))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(b.k > 1, (b.k - 1) / trace_p(w, total), np.nan) * b.scale**2


def i2(tau2: np.ndarray, typical: np.ndarray) -> np.ndarray:
    """I2 in percent: the share of tau2 in tau2 + typical sampling variance (Higgins & Thompson 2002)."""
    return 100 * tau2 / (tau2 + typical)


def i2_from_q(q: np.ndarray, df: np.ndarray) -> np.ndarray:
    """I2 in percent from Q, for the common-effect model: max(0, (Q - df) / Q) (Higgins & Thompson 2002)."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(q > df, 100 * (q - df) / q, 0.0)


def q_profile(
    y: np.ndarray, v: np.ndarray, level: float = 0.95, mask: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Q-profile interval of tau2 (Viechtbauer 2007, Stat Med 26:37-52).

    The limits solve Q(tau2) = upper and lower chi-squared quantile with k - 1 df. The search reaches S / quantile, where S
    is the sum of squares about the plain mean; Q(tau2) < S / tau2 makes that a bound, so no limit is ever cut off.

    Returns
    -------
    low, high : ndarray of shape (B,)
        Limits; NaN where the interval is empty (even tau2 = 0 leaves Q below the lower quantile) or k = 1.
    """
    from scipy.special import chdtri

    b = prepare(y, v, mask)
    df = np.maximum(b.k - 1, 1)
    small, large = chdtri(df, 0.5 + level / 2), chdtri(df, 0.5 - level / 2)
    empty = _q(b.y, b.v, np.zeros(len(b.k))) < small
    low, high = _finish(_q_root(b, large), b), _finish(_q_root(b, small), b)
    return np.where(empty, np.nan, low), np.where(empty, np.nan, high)


TAU2 = {"REML": tau2_reml, "DL": tau2_dl, "PM": tau2_pm}


def _finish(tau2: np.ndarray, b: Batch) -> np.ndarray:
    return np.where(b.k > 1, tau2, np.nan) * b.scale**2


def _q(y: np.ndarray, v: np.ndarray, tau2: np.ndarray) -> np.ndarray:
    w, _, _, r = fit_at(y, v, tau2)
    return (w * r**2).sum(-1)


def _spread(b: Batch) -> np.ndarray:
    """Sum of squares about the plain mean, shape (B,)."""
    here = np.isfinite(b.v)
    mean = b.y.sum(1) / b.k
    return (np.where(here, b.y - mean[:, None], 0.0) ** 2).sum(1)


def _q_root(b: Batch, target: np.ndarray) -> np.ndarray:
    """tau2 at which the generalised Q, which falls with tau2, equals ``target``; zero when it starts below."""
    tau2 = np.zeros(len(b.k))
    rows = np.flatnonzero((_q(b.y, b.v, tau2) > target) & (b.k > 1))
    y, v, target = b.y[rows], b.v[rows], target[rows]
    upper = _spread(b)[rows] / target * (1 + 1e-9)
    # Q is of order target near its root, and its slope relative to Q at least 1 / (tau2 + v): rounding is all that is left
    tau2[rows] = bracketed_roots(lambda t, i: _q(y[i], v[i], t) - target[i], np.zeros(len(rows)), upper, _XTOL)
    return tau2


def _reml_bound(b: Batch) -> np.ndarray:
    """A tau2 above which the restricted score is negative.

    Twice the score is sum w^2 r^2 - tr P. The first term is at most S / t^2, the second at least (k - 1) / (t + u) with u the
    largest variance or sum v / (k - 1) (harmonic against arithmetic mean); t^2 = s2 (t + u), s2 = S / (k - 1), is the bound.
    """
    df = np.maximum(b.k - 1, 1)
    s2 = _spread(b) / df
    finite = np.where(np.isfinite(b.v), b.v, 0.0)
    u = np.minimum(finite.max(1), finite.sum(1) / df)
    return 0.5 * (s2 + np.sqrt(s2) * np.sqrt(s2 + 4 * u)) * (1 + 1e-9)


def _score(y: np.ndarray, v: np.ndarray, tau2: np.ndarray) -> np.ndarray:
    """Twice the restricted score."""
    w, total, _, r = fit_at(y, v, tau2)
    return ((w * r) ** 2).sum(-1) - trace_p(w, total)


def _restricted(y: np.ndarray, v: np.ndarray, tau2: np.ndarray) -> np.ndarray:
    """Restricted log-likelihood up to a constant of the row."""
    w, total, _, r = fit_at(y, v, tau2)
    return -0.5 * (np.log1p(tau2[..., None] / v).sum(-1) + np.log(total) + (w * r**2).sum(-1))


def _reml_rows(y: np.ndarray, v: np.ndarray, lower: np.ndarray, length: np.ndarray, size: int) -> np.ndarray:
    """Global maximum of the restricted likelihood; y and v of shape (R, k), grid from ``lower`` over ``length`` log units."""
    grid = np.zeros((len(y), size + 1))
    grid[:, 1:] = lower[:, None] * np.exp(length[:, None] * np.linspace(0, 1, size))
    score = _score(y[:, None, :], v[:, None, :], grid)
    row, cell = np.nonzero((score[:, :-1] > 0) & (score[:, 1:] <= 0))
    ya, va = y[row], v[row]
    root = bracketed_roots(lambda t, i: _score(ya[i], va[i], t), grid[row, cell], grid[row, cell + 1], _XTOL)
    best = np.zeros(len(y))
    # zero competes only where the likelihood falls from there; elsewhere it cannot be a maximum
    height = np.where(score[:, 0] <= 0, _restricted(y, v, best), -np.inf)
    for r, t, h in zip(row, root, _restricted(ya, va, root), strict=True):
        if h > height[r]:
            best[r], height[r] = t, h
    if not np.all(np.isfinite(height)):
        raise ConvergenceError("REML found no maximum of the restricted likelihood.")
    return best

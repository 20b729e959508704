"""Many meta-regressions of one design's size at once, on all cores."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from vfmeta.kernels.estimators import cores

_CELLS = 1_000_000  # n * k * p that one call of the compiled loop holds


@dataclass(frozen=True)
class Fits:
    """``beta`` (n, p), ``cov`` (n, p, p) as the test wants it, ``tau2`` (n,); NaN where ``collinear`` or ``unsettled`` (n,)."""

    beta: np.ndarray
    cov: np.ndarray
    tau2: np.ndarray
    collinear: np.ndarray
    unsettled: np.ndarray


def offered(tau2: str | float, test: str) -> bool:
    """Whether `fit_many` knows the estimator and the test; the single fit knows all."""
    return test != "KR" and tau2 != "GENQM"


def fit_many(
    y: np.ndarray,
    v: np.ndarray,
    x: np.ndarray,
    rows: np.ndarray,
    tau2: str | float,
    test: str,
    weights: np.ndarray | None = None,
) -> Fits:
    """Fit n regressions by one estimator, as `vfmeta.kernels.regression_fit.fit` fits each.

    Parameters
    ----------
    y, v : ndarray of shape (n, k)
        Effects and sampling variances.
    x : ndarray of shape (m, p)
        Design rows that the regressions draw from.
    rows : ndarray of int, shape (n, k)
        Which design row each effect has.
    tau2, test : see `regression_fit.fit`
    weights : ndarray of shape (n, k), optional
        User weights.
    """
    from vfmeta.kernels.compiled import regressions

    (n, k), p = rows.shape, x.shape[1]
    kind, setting = _method(tau2, k, p)
    knapp = {"HKSJ": 1, "HKSJ-adhoc": 2}.get(test, 0)
    own = 1 / v if weights is None else weights
    a = own if tau2 == "GENQ" else np.ones_like(v) if tau2 == "HE" else 1 / v
    out = Fits(
        np.full((n, p), np.nan),
        np.full((n, p, p), np.nan),
        np.full(n, np.nan),
        np.zeros(n, dtype=bool),
        np.zeros(n, dtype=bool),
    )

    def part(at: slice) -> None:
        status = np.empty(at.stop - at.start, dtype=np.int64)
        regressions.fit_many(
            np.ascontiguousarray(y[at]), np.ascontiguousarray(v[at]), x[rows[at]], np.ascontiguousarray(a[at]),
            np.ascontiguousarray(own[at]), weights is not None, kind, setting, knapp,
            regressions.scratch(k, p), out.tau2[at], out.beta[at], out.cov[at],
            status,
        )  # fmt: skip
        out.collinear[at], out.unsettled[at] = status == regressions.COLLINEAR, status == regressions.RUNAWAY

    step = max(1, min(_CELLS // (k * p), -(-n // cores())))
    slices = [slice(s, min(s + step, n)) for s in range(0, n, step)]
    if len(slices) == 1:
        part(slices[0])
    else:
        with ThreadPoolExecutor(cores()) as pool:
            list(pool.map(part, slices))
    return out


def _method(tau2: str | float, k: int, p: int) -> tuple[int, float]:
    """What the compiled loop calls an estimator, and its setting."""
    from scipy.special import chdtri

    from vfmeta.kernels.compiled import regressions as c

    if not isinstance(tau2, str):
        return c.GIVEN, float(tau2)
    df = k - p
    table = {
        "common": (c.GIVEN, 0.0), "DL": (c.MOMENT, 0.0), "HE": (c.MOMENT, 0.0), "GENQ": (c.MOMENT, 0.0),
        "DL2": (c.TWO_STEP, 0.0),
        "HS": (c.HUNTER, 1.0), "HSk": (c.HUNTER, k / max(df, 1)), "SJ": (c.CRUDE, 0.0), "REML": (c.LIKELIHOOD, 1.0),
        "ML": (c.LIKELIHOOD, 0.0), "PMM": (c.ROOT, float(chdtri(max(df, 1), 0.5))),
    }  # fmt: skip
    return table.get(tau2, (c.ROOT, float(df)))

"""What a table of many pools shows, from what the fits found: standard errors, tests, intervals, heterogeneity, prediction."""

from __future__ import annotations

import math

import numpy as np

from vfmeta.kernels.compiled.jit import exact

PLAIN, KNAPP, ADHOC = range(3)  # the standard error of the fit; times the root of Hartung-Knapp's factor; or of max(factor, 1)
Q = 5  # row of `vfmeta.kernels.compiled.fits.COLUMNS`
NAMES = (
    "se", "ci_low", "ci_high", "statistic", "df", "p_value", "i2", "h2", "q_p_value", "prediction_low", "prediction_high"
)  # fmt: skip


@exact
def columns(fits, df, random, interval, predicted, null, t, ddf, ahead, low, high, out):  # type: ignore[no-untyped-def]
    """Rows ``low`` to ``high`` of ``out`` (`NAMES`, B), but for the p values.

    ``fits`` (`vfmeta.kernels.compiled.fits.COLUMNS`, B); ``interval`` and ``predicted`` say which standard error the intervals
    take; by number of studies, ``t`` and ``ahead`` are their quantiles (NaN: no interval) and ``ddf`` the degrees of freedom.
    """
    for b in range(low, high):
        n, tau2, estimate, se0, factor, typical = df[b] + 1, fits[0, b], fits[2, b], fits[3, b], fits[4, b], fits[6, b]
        knapp = se0 * math.sqrt(factor)
        least = se0 * math.sqrt(factor if factor > 1.0 else 1.0)
        se = se0 if interval == PLAIN or n == 1 else (knapp if interval == KNAPP else least)
        beyond = estimate - null
        half = t[n] * se
        out[0, b], out[1, b], out[2, b] = se, estimate - half, estimate + half
        out[3, b] = 0.0 if beyond == 0.0 and se == 0.0 else beyond / se
        out[4, b] = ddf[n]
        if random:
            out[6, b], out[7, b] = 100 * (tau2 / (tau2 + typical)), tau2 / typical + 1
        else:
            h2 = fits[Q, b] / df[b] if df[b] else np.nan
            i2 = 100 * (1 - 1 / h2)
            out[6, b], out[7, b] = (0.0 if i2 < 0.0 else i2), h2
        se = se0 if predicted == PLAIN else (knapp if predicted == KNAPP else least)
        half = ahead[n] * math.sqrt(se * se + tau2)
        out[9, b], out[10, b] = estimate - half, estimate + half

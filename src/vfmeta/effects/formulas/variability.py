"""Two groups compared by their spread: log ratios of SDs and of coefficients of variation (Nakagawa 2015, Senior 2020).

Arrays of shape (k,) in, ``y`` and ``v`` of shape (k,) out; group 1 over group 2, on the log scale.
"""

from __future__ import annotations

import numpy as np

from vfmeta.effects.formulas.common import Column, Effects, check_type, floats


def log_sd(sd: Column, n: Column, *, correct: bool = True) -> Effects:
    """SDLN: log of an SD, ``+ 1/(2 (n - 1))`` against its bias; variance ``1/(2 (n - 1))``."""
    sd, n = floats(sd, n)
    half = 1 / (2 * (n - 1))
    return np.log(sd) + (half if correct else 0), half


def log_cv(mean: Column, sd: Column, n: Column, *, correct: bool = True) -> Effects:
    """CVLN: log of a coefficient of variation (Nakagawa et al., Methods Ecol Evol 2015;6:143-152).

    The mean must be positive; mean and variance are taken as independent, as they are for normal data.
    """
    mean, sd, n = floats(mean, sd, n)
    y, v = log_sd(sd, n, correct=correct)
    return y - np.log(mean), v + (sd / mean) ** 2 / n


def log_sd_ratio(sd1: Column, n1: Column, sd2: Column, n2: Column, *, correct: bool = True) -> Effects:
    """VR: log variability ratio ``ln(sd1/sd2)`` with its bias correction (Nakagawa et al. 2015)."""
    (y1, v1), (y2, v2) = log_sd(sd1, n1, correct=correct), log_sd(sd2, n2, correct=correct)
    return y1 - y2, v1 + v2


def log_cv_ratio(
    m1: Column, sd1: Column, n1: Column, m2: Column, sd2: Column, n2: Column, *, vtype: str = "LS", correct: bool = True
) -> Effects:
    """CVR: log ratio of the coefficients of variation, corrected to the second order.

    The estimate carries both corrections of Senior et al. (Res Synth Methods 2020;11:553-567, equation 6): for the SDs and for
    the means. LS is the variance of Nakagawa et al. (2015, equation 12) without the correlation of mean and SD; LS2 adds the
    second-order terms of Senior et al. (equation 7).
    """
    m1, sd1, n1, m2, sd2, n2 = floats(m1, sd1, n1, m2, sd2, n2)
    check_type("CVR", vtype)
    (y1, v1), (y2, v2) = log_cv(m1, sd1, n1, correct=correct), log_cv(m2, sd2, n2, correct=correct)
    part1, part2 = (sd1 / m1) ** 2 / n1, (sd2 / m2) ** 2 / n2
    y = y1 - y2 - (0.5 * (part1 - part2) if correct else 0)
    if vtype == "LS":
        return y, v1 + v2
    return y, sum(p + p**2 / 2 + n / (2 * (n - 1) ** 2) for p, n in ((part1, n1), (part2, n2)))

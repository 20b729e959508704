"""Two groups with means: differences, standardised differences, ratios of means, probability of superiority.

Arrays of shape (k,) in, ``y`` and ``v`` of shape (k,) out; group 1 is the experimental one, so that effects are group 1 minus
group 2 (or the log of group 1 over group 2). Means and SDs are in units of the scale, sizes in patients.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.special import ndtr, stdtrit

from vfmeta.effects.formulas.common import Column, Effects, check_type, floats, hedges_j, unknown_type, weighted_average

LOGISTIC = math.pi / math.sqrt(3)  # SD of the standard logistic distribution
COX = 1.65  # Cox and Snell's factor, for normal distributions


def pooled_sd(sd1: Column, n1: Column, sd2: Column, n2: Column) -> np.ndarray:
    """SD pooled over two groups with ``n1 + n2 - 2`` degrees of freedom."""
    sd1, n1, sd2, n2 = floats(sd1, n1, sd2, n2)
    return np.sqrt(((n1 - 1) * sd1**2 + (n2 - 1) * sd2**2) / (n1 + n2 - 2))


def mean_difference(m1: Column, sd1: Column, n1: Column, m2: Column, sd2: Column, n2: Column, *, vtype: str = "LS") -> Effects:
    """Mean difference; variances of the groups apart (LS) or pooled (HO) (Borenstein 2009, equations 12.5 and 12.3)."""
    m1, sd1, n1, m2, sd2, n2 = floats(m1, sd1, n1, m2, sd2, n2)
    if vtype == "LS":
        return m1 - m2, sd1**2 / n1 + sd2**2 / n2
    if vtype == "HO":
        return m1 - m2, pooled_sd(sd1, n1, sd2, n2) ** 2 * (1 / n1 + 1 / n2)
    raise unknown_type("MD", vtype)


def standardised_mean_difference(
    m1: Column, sd1: Column, n1: Column, m2: Column, sd2: Column, n2: Column, *, vtype: str = "LS", correct: bool = True
) -> Effects:
    """Difference over the pooled SD: Hedges' g, or Cohen's d without the correction; see `from_d` for the variances."""
    m1, sd1, n1, m2, sd2, n2 = floats(m1, sd1, n1, m2, sd2, n2)
    return from_d((m1 - m2) / pooled_sd(sd1, n1, sd2, n2), n1, n2, vtype=vtype, correct=correct)


def from_d(d: Column, n1: Column, n2: Column, *, vtype: str = "LS", correct: bool = True) -> Effects:
    """Hedges' g and its variance from Cohen's d and the group sizes.

    Parameters
    ----------
    d, n1, n2 : array-like of shape (k,)
        Difference over the pooled SD, and the sizes.
    vtype : {"LS", "LS2", "UB", "H0", "AV"}
        LS: ``1/n1 + 1/n2 + g^2 / (2 (n1 + n2))`` (Hedges 1982, equation 8). LS2: the same of d, times J squared (Borenstein
        2009, equation 12.17). UB: unbiased (Hedges 1983, equation 9). H0: the exact variance under no difference,
        ``J^2 df/(df - 2) (1/n1 + 1/n2)`` (Hedges 1981). AV: LS with the size-weighted average of g in the place of each g.
    correct : bool
        Whether the bias of d is removed with Hedges' exact factor J.
    """
    d, n1, n2 = floats(d, n1, n2)
    df, base = n1 + n2 - 2, 1 / n1 + 1 / n2
    j = hedges_j(df, correct)
    g = j * d
    if vtype == "LS":
        return g, base + g**2 / (2 * (n1 + n2))
    if vtype == "LS2":
        return g, j**2 * (base + d**2 / (2 * (n1 + n2)))
    if vtype == "UB":
        return g, base + (1 - (df - 2) / (df * hedges_j(df, True) ** 2)) * g**2
    if vtype == "H0":
        return g, j**2 * df / (df - 2) * base
    if vtype == "AV":
        return g, base + weighted_average(g, n1 + n2) ** 2 / (2 * (n1 + n2))
    raise unknown_type("SMD", vtype)


def approximate_g(m1: Column, sd1: Column, n1: Column, m2: Column, sd2: Column, n2: Column) -> Effects:
    """Hedges' g with the approximate correction 1 - 3 / (4 N - 9), and the variance that RevMan gives it.

    ``N / (n1 n2) + g^2 / (2 (N - 3.94))`` (Deeks & Higgins 2010, Statistical algorithms in Review Manager 5).
    """
    m1, sd1, n1, m2, sd2, n2 = floats(m1, sd1, n1, m2, sd2, n2)
    size = n1 + n2
    g = (1 - 3 / (4 * size - 9)) * (m1 - m2) / pooled_sd(sd1, n1, sd2, n2)
    return g, size / (n1 * n2) + g**2 / (2 * (size - 3.94))


def d_from_t(t: Column, n1: Column, n2: Column) -> np.ndarray:
    """Cohen's d from Student's t of two independent groups: ``t sqrt(1/n1 + 1/n2)``."""
    t, n1, n2 = floats(t, n1, n2)
    return t * np.sqrt(1 / n1 + 1 / n2)


def t_from_p(p: Column, n1: Column, n2: Column) -> np.ndarray:
    """Student's t of two independent groups from the two-sided p value, which carries the sign of the difference."""
    p, n1, n2 = floats(p, n1, n2)
    return -np.sign(p) * stdtrit(n1 + n2 - 2, np.abs(p) / 2)


def smd_unequal_variances(
    m1: Column, sd1: Column, n1: Column, m2: Column, sd2: Column, n2: Column, *, vtype: str = "LS", correct: bool = True
) -> Effects:
    """SMDH: difference over the root of the average of both variances, which need not be equal.

    The variance is Bonett's, with ``n - 1`` (LS; Psychol Methods 2009;14:225-238) or with ``n`` (LS2; 2008;13:99-109).
    """
    m1, sd1, n1, m2, sd2, n2 = floats(m1, sd1, n1, m2, sd2, n2)
    check_type("SMDH", vtype)
    s2 = (sd1**2 + sd2**2) / 2
    y = hedges_j(n1 + n2 - 2, correct) * (m1 - m2) / np.sqrt(s2)
    k1, k2 = (n1 - 1, n2 - 1) if vtype == "LS" else (n1, n2)
    return y, y**2 * (sd1**4 / k1 + sd2**4 / k2) / (8 * s2**2) + (sd1**2 / k1 + sd2**2 / k2) / s2


def glass_delta(
    m1: Column, n1: Column, m2: Column, sd2: Column, n2: Column, *, vtype: str = "LS", correct: bool = True
) -> Effects:
    """SMD1: difference over the SD of group 2 (Glass), equal variances assumed in ``v`` (Hedges 1981); LS2 as in `from_d`."""
    m1, n1, m2, sd2, n2 = floats(m1, n1, m2, sd2, n2)
    check_type("SMD1", vtype)
    d, j = (m1 - m2) / sd2, hedges_j(n2 - 1, correct)
    if vtype == "LS":
        return j * d, 1 / n1 + 1 / n2 + (j * d) ** 2 / (2 * n2)
    return j * d, j**2 * (1 / n1 + 1 / n2 + d**2 / (2 * n2))


def glass_delta_unequal_variances(
    m1: Column, sd1: Column, n1: Column, m2: Column, sd2: Column, n2: Column, *, correct: bool = True
) -> Effects:
    """SMD1H: Glass' difference with a variance that lets the groups' variances differ (Bonett 2009)."""
    m1, sd1, n1, m2, sd2, n2 = floats(m1, sd1, n1, m2, sd2, n2)
    y = hedges_j(n2 - 1, correct) * (m1 - m2) / sd2
    return y, (sd1 / sd2) ** 2 / (n1 - 1) + 1 / (n2 - 1) + y**2 / (2 * (n2 - 1))


def log_ratio_of_means(
    m1: Column, sd1: Column, n1: Column, m2: Column, sd2: Column, n2: Column, *, vtype: str = "LS", correct: bool = True
) -> Effects:
    """ROM: log of the ratio of two means of one sign.

    Variances: LS, each group its own squared coefficient of variation (Hedges, Gurevitch and Curtis 1999, equation 1); HO, the
    pooled SD in both; AV, the size-weighted average coefficient of variation of each group over studies; AVHO, of both groups
    together. The correction is the second-order one of Lajeunesse (Ecology 2015;96:2056-2063).
    """
    m1, sd1, n1, m2, sd2, n2 = floats(m1, sd1, n1, m2, sd2, n2)
    check_type("ROM", vtype)
    part1, part2 = (sd1 / m1) ** 2 / n1, (sd2 / m2) ** 2 / n2
    y = np.log(m1 / m2) + (0.5 * (part1 - part2) if correct else 0)
    if vtype == "LS":
        return y, part1 + part2
    if vtype == "HO":
        s2 = pooled_sd(sd1, n1, sd2, n2) ** 2
        return y, s2 / (n1 * m1**2) + s2 / (n2 * m2**2)
    if vtype == "AV":
        return y, weighted_average(sd1 / m1, n1) ** 2 / n1 + weighted_average(sd2 / m2, n2) ** 2 / n2
    both = weighted_average(np.concatenate([sd1 / m1, sd2 / m2]), np.concatenate([n1, n2]))
    return y, both**2 * (1 / n1 + 1 / n2)


def d_as_log_odds_ratio(d: Column, n1: Column, n2: Column, *, factor: float = LOGISTIC) -> Effects:
    """Log odds ratio from Cohen's d: times pi/sqrt(3) for logistic distributions (Chinn 2000), times 1.65 for normal ones."""
    y, v = from_d(d, n1, n2, correct=False)
    return factor * y, factor**2 * v


def probability_of_superiority(m1: Column, sd1: Column, n1: Column, m2: Column, sd2: Column, n2: Column) -> Effects:
    """Probability that a value of group 1 exceeds one of group 2, both normal: the common-language effect size and the AUC.

    ``Phi((m1 - m2) / sqrt(sd1^2 + sd2^2))`` (McGraw and Wong 1992); variance by the delta method, the variances of means and
    SDs taken with ``n - 1`` (Goddard and Hinberg, Stat Med 1990;9:325-337).
    """
    m1, sd1, n1, m2, sd2, n2 = floats(m1, sd1, n1, m2, sd2, n2)
    total = sd1**2 + sd2**2
    z = (m1 - m2) / np.sqrt(total)
    mean_part = (sd1**2 / (n1 - 1) + sd2**2 / (n2 - 1)) / total
    sd_part = z**2 / (2 * total**2) * (sd1**4 / (n1 - 1) + sd2**4 / (n2 - 1))
    density = np.exp(-(z**2) / 2) / math.sqrt(2 * math.pi)
    return ndtr(z), density**2 * (mean_part + sd_part)

"""Tail probabilities of t and of chi-squared with a whole number of degrees of freedom, as sums of positive terms.

No term is taken from another, so that far tails keep their digits.
"""

from __future__ import annotations

import math

from vfmeta.kernels.compiled.jit import exact

MOST = 300  # degrees of freedom, above which the sums are long and scipy's way is better


@exact
def t_outside(t, df, scale):  # type: ignore[no-untyped-def]
    """P(|T| >= |t|), ``scale`` being Gamma(df/2 + 1/2) / (Gamma(df/2 + 1) Gamma(1/2)).

    With x = df / (df + t^2) it is the incomplete beta I_x(df/2, 1/2) = scale x^(df/2) F(1/2, df/2; df/2 + 1; x), and F(a, b;
    a + b + 1/2; 4 z (1 - z)) = F(2a, 2b; a + b + 1/2; z) (Abramowitz & Stegun 26.5.23 and 15.3.30) halves the argument.
    """
    if t == 0.0:
        return 1.0
    if abs(t) > 1e150:
        return scale * (math.sqrt(df) / abs(t)) ** df
    x = df / (df + t * t)
    z = 0.5 * x / (1.0 + abs(t) / math.sqrt(df + t * t))
    term, total = 1.0, 1.0
    top, bottom = 1.0 * df, 0.5 * df + 1.0
    for _ in range(1000):
        term *= top / bottom * z
        if not term > 1e-17 * total:
            break
        total += term
        top += 1.0
        bottom += 1.0
    power, base, n = (math.sqrt(x) if df % 2 else 1.0), x, df // 2
    while n:
        if n % 2:
            power *= base
        base *= base
        n //= 2
    return min(scale * power * total, 1.0)


@exact
def chi2_above(q, df):  # type: ignore[no-untyped-def]
    """P(chi-squared >= q), by Abramowitz & Stegun 26.4.4 and 26.4.5."""
    x = 0.5 * q
    if x > 1500.0:
        return 0.0  # below the smallest number for df up to `MOST`
    tail, term, at = 0.0, 1.0, 0.0
    if df % 2:
        root = math.sqrt(x)
        tail, term, at = math.erfc(root), root * (2.0 / math.sqrt(math.pi)), 0.5
    total = 0.0
    for _ in range(df // 2):
        total += term
        at += 1.0
        term *= x / at
    half = math.exp(-0.5 * x)  # twice: together they may underflow where the whole does not
    return tail + total * half * half


@exact
def tails(statistic, q, df, scale, student, low, high, p, q_p):  # type: ignore[no-untyped-def]
    """Both tails of rows ``low`` to ``high`` where ``df`` is 1 to `MOST`; that of t if ``student``."""
    for b in range(low, high):
        if 0 < df[b] <= MOST:
            q_p[b] = chi2_above(q[b], df[b])
            if student:
                p[b] = t_outside(statistic[b], df[b], scale[df[b]])

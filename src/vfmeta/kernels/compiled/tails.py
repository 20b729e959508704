"""Tail probabilities of t and of chi-squared with a whole number of degrees of freedom, as sums of positive terms.

No term is taken from another, so that far tails keep their digits.
"""

from __future__ import annotations

import math

from vfmeta.kernels.compiled.jit import exact

MOST = 300  # degrees of freedom, above which the sums are long and scipy's way is better
WIDTH = 16  # rows side by side
_Z, _TOP, _BOTTOM, _TERM, _SUM = (WIDTH * slot for slot in range(5))
SLOTS = 5 * WIDTH


@exact
def t_outside(t, df, who, lanes, scale, s, p):  # type: ignore[no-untyped-def]
    """P(|T| >= |t|) of rows ``who[:lanes]``; ``scale[df]`` is Gamma(df/2 + 1/2) / (Gamma(df/2 + 1) Gamma(1/2)), ``s`` scratch.

    With x = df / (df + t^2) it is the incomplete beta I_x(df/2, 1/2) = scale x^(df/2) F(1/2, df/2; df/2 + 1; x), and F(a, b;
    a + b + 1/2; 4 z (1 - z)) = F(2a, 2b; a + b + 1/2; z) (Abramowitz & Stegun 26.5.23 and 15.3.30) halves the argument. The
    series are summed side by side; a term that is small enough to end one changes no bit of it.
    """
    alike = True
    for j in range(lanes):
        b = who[j]
        n, square = df[b], t[b] * t[b]
        alike &= n == df[who[0]]
        s[_Z + j] = 0.5 * (n / (n + square)) / (1.0 + abs(t[b]) / math.sqrt(n + square))
        s[_TOP + j], s[_BOTTOM + j], s[_TERM + j], s[_SUM + j] = 1.0 * n, 0.5 * n + 1.0, 1.0, 1.0
    for i in range(1000):
        if alike:  # one division for all: it costs as much as the rest
            ratio = (s[_TOP] + i) / (s[_BOTTOM] + i)
            for j in range(lanes):
                s[_TERM + j] *= ratio * s[_Z + j]
        else:
            for j in range(lanes):
                s[_TERM + j] *= (s[_TOP + j] + i) / (s[_BOTTOM + j] + i) * s[_Z + j]
        more = False
        for j in range(lanes):
            more |= s[_TERM + j] > 1e-17 * s[_SUM + j]
            s[_SUM + j] += s[_TERM + j]
        if not more:
            break
    for j in range(lanes):
        b = who[j]
        n, size = df[b], abs(t[b])
        if size == 0.0:
            p[b] = 1.0
        elif size > 1e150:
            p[b] = scale[n] * (math.sqrt(n) / size) ** n
        else:
            x = n / (n + size * size)
            power, half = (math.sqrt(x) if n % 2 else 1.0), n // 2
            while half:
                if half % 2:
                    power *= x
                x *= x
                half //= 2
            p[b] = min(scale[n] * power * s[_SUM + j], 1.0)


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
def tails(statistic, q, df, scale, student, s, who, low, high, p, q_p):  # type: ignore[no-untyped-def]
    """Both tails of rows ``low`` to ``high`` where ``df`` is 1 to `MOST`; that of t if ``student``. P(Q >= q) is 1 elsewhere.

    ``s`` (`SLOTS`,) and ``who`` (`WIDTH`,) are scratch.
    """
    lanes = 0
    for b in range(low, high):
        q_p[b] = 1.0
        if 0 < df[b] <= MOST:
            q_p[b] = chi2_above(q[b], df[b])
            who[lanes] = b
            lanes += 1
        if lanes == WIDTH or b + 1 == high:
            if student and lanes:
                t_outside(statistic, df, who, lanes, scale, s, p)
            lanes = 0

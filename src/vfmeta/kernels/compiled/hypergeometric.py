"""Cumulants of Fisher's non-central hypergeometric distribution, term by term from the most likely count."""

from __future__ import annotations

import math

import numpy as np

from vfmeta.kernels.compiled.jit import compiled

NEGLIGIBLE = 1e-18  # of the largest term: what follows falls faster than geometrically
CERTAIN = 150.0  # log odds ratio beyond which the count is at an end of its range, to the last digit


@compiled
def cumulants(eta, size1, size2, events, log_ways, start, cumulant, mean, variance):  # type: ignore[no-untyped-def]
    """Fill ``cumulant``, ``mean`` and ``variance`` (k, m) for log odds ratios ``eta`` (k, m), real or complex.

    ``log_ways`` holds, study after study from place ``start[i]``, the logarithm of the ways to get each possible count. Sums
    run outwards from the most likely count until terms no longer matter, by the ratio of neighbouring terms: two exponentials
    for each value of ``eta`` whatever the size of the study.
    """
    for i in range(eta.shape[0]):
        n1, n2, m = size1[i], size2[i], events[i]
        low, high = max(0.0, m - n2), min(n1, m)
        for j in range(eta.shape[1]):
            zero = 0.0 * eta[i, j]
            odds = np.exp(zero + eta[i, j] + (min(max(eta[i, j].real, -CERTAIN), CERTAIN) - eta[i, j].real))
            back = 1.0 / odds
            psi = odds.real
            # the most likely count solves (1 - psi) u^2 + ... = 0 (McCullagh & Nelder 1989, section 7.3.2)
            a, b, c = psi - 1.0, -((n1 + m + 2.0) * psi + n2 - m), (n1 + 1.0) * (m + 1.0) * psi
            top = math.floor(2.0 * c / (-b + math.sqrt(max(b * b - 4.0 * a * c, 0.0))))
            top = min(max(top, low), high)
            total, first, second = zero + 1.0, zero, zero
            term, u = zero + 1.0, top
            while u < high:
                term *= odds * ((n1 - u) * (m - u) / ((u + 1.0) * (n2 - m + u + 1.0)))
                u += 1.0
                away = u - top
                total += term
                first += term * away
                second += term * (away * away)
                if abs(term.real) * away * away < NEGLIGIBLE:
                    break
            term, u = zero + 1.0, top
            while u > low:
                term *= back * (u * (n2 - m + u) / ((n1 - u + 1.0) * (m - u + 1.0)))
                u -= 1.0
                away = u - top
                total += term
                first += term * away
                second += term * (away * away)
                if abs(term.real) * away * away < NEGLIGIBLE:
                    break
            centre = first / total
            cumulant[i, j] = log_ways[start[i] + int(top - low)] + top * eta[i, j] + np.log(total)
            mean[i, j] = top + centre
            variance[i, j] = second / total - centre * centre

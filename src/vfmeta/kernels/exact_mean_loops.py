"""The compiled loops of `vfmeta.kernels.exact_mean`."""

from __future__ import annotations

import math

import numpy as np

from vfmeta.kernels.compiled.jit import compiled

_BLOCK = 256


@compiled
def statistics(z: np.ndarray, v: np.ndarray, tau2: float, c0: float, out: np.ndarray) -> None:
    """The statistic of effects sqrt(v + tau2) z about a mean of zero: z (k, B), out (B,)."""
    k, draws = z.shape
    total = squares = 0.0
    for i in range(k):
        total += 1 / v[i]
        squares += 1 / v[i] ** 2
    spread = total - squares / total
    first, second, plain = np.empty(_BLOCK), np.empty(_BLOCK), np.empty(_BLOCK)
    s0, s1, s2, product = np.empty(_BLOCK), np.empty(_BLOCK), np.empty(_BLOCK), np.empty(_BLOCK)
    for start in range(0, draws, _BLOCK):  # loops within a block fill vector registers
        n = min(_BLOCK, draws - start)
        first[:], second[:], plain[:], s0[:], s1[:], s2[:], product[:] = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0
        for i in range(k):
            scale = v[i] + tau2
            mean, square = math.sqrt(scale) / v[i], scale / v[i]
            for b in range(n):
                x = z[i, start + b]
                first[b] += mean * x
                second[b] += square * x * x
                plain[b] += x * x
        for b in range(n):
            first[b] = max(0.0, (second[b] - first[b] * first[b] / total - (k - 1)) / spread)
        for i in range(k):
            scale, root = v[i] + tau2, math.sqrt(v[i] + tau2)
            for b in range(n):
                w = 1 / (v[i] + first[b])
                y = root * z[i, start + b]
                s0[b] += w
                s1[b] += w * y
                s2[b] += w * y * y
                product[b] *= w * scale
            if i % 8 == 7 and c0 > 0:  # before the product leaves the range of floats
                for b in range(n):
                    plain[b] += math.log(product[b])
                    product[b] = 1.0
        for b in range(n):
            wald = s1[b] * s1[b] / s0[b]
            out[start + b] = wald
            if c0 > 0:
                out[start + b] += 0.5 * c0 * (plain[b] + math.log(product[b]) - (s2[b] - wald))


@compiled
def observed(y: np.ndarray, v: np.ndarray, tau2: np.ndarray, c0: float, out: np.ndarray) -> None:
    """The statistic of the data as a function of the mean: a (mean - centre)^2 + least, out (G, 3) = (a, centre, least)."""
    k = len(y)
    total = squares = first = second = 0.0
    for i in range(k):
        total += 1 / v[i]
        squares += 1 / v[i] ** 2
        first += y[i] / v[i]
        second += y[i] * y[i] / v[i]
    found = max(0.0, (second - first * first / total - (k - 1)) / (total - squares / total))
    s0 = s1 = logs = 0.0
    for i in range(k):
        s0 += 1 / (v[i] + found)
        s1 += y[i] / (v[i] + found)
        logs += math.log(v[i] + found)
    mean = s1 / s0
    rest = 0.0
    for i in range(k):
        rest += (y[i] - mean) ** 2 / (v[i] + found)
    for g in range(len(tau2)):
        u0 = u1 = there = 0.0
        for i in range(k):
            u0 += 1 / (v[i] + tau2[g])
            u1 += (y[i] - mean) / (v[i] + tau2[g])
            there += math.log(v[i] + tau2[g])
        about = 0.0
        for i in range(k):
            about += (y[i] - mean) ** 2 / (v[i] + tau2[g])
        # with d = truth - mean: s0 d^2 + c0/2 (about - 2 u1 d + u0 d^2 + there - rest - logs)
        a = s0 + 0.5 * c0 * u0
        shift = 0.5 * c0 * u1 / a
        out[g, 0] = a
        out[g, 1] = mean + shift
        out[g, 2] = 0.5 * c0 * (about + there - rest - logs) - a * shift * shift

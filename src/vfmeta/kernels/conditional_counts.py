"""Counts of the arms of one trial given all its events, so that its level of risk is gone: exact, for any number of arms.

Events among patients follow the multivariate non-central hypergeometric distribution of Fisher (McCullagh & Nelder 1989,
Generalized Linear Models, 2nd ed., sec. 7.3), events over time the multinomial one.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.special import expit, gammaln

from vfmeta.core.messages import ConvergenceError

Moments = tuple[float, np.ndarray, np.ndarray]


def hypergeometric(events: np.ndarray, size: np.ndarray, eta: np.ndarray) -> Moments:
    """Log probability of ``events`` given their sum, their means (m,) and covariance (m, m); ``eta`` (m,) log odds.

    Independent binomial counts with the odds exp(eta + t) have this distribution given their sum, whatever t. With t such that
    the sum is what is expected of them nothing is lost to rounding: the sum is made by convolution, a count at a time.
    """
    total, arms = int(events.sum()), len(events)
    shift = _level(size, eta, total)
    laws = [_binomial(int(n), float(p), total) for n, p in zip(size, expit(eta + shift), strict=True)]
    without = [_sum([law for j, law in enumerate(laws) if j != i], total) for i in range(arms)]
    # of arm i and all others together; the same sum for every arm
    joint = [law * rest[total - np.arange(len(law))] for law, rest in zip(laws, without, strict=True)]
    whole = joint[0].sum()
    value = math.fsum(math.log(law[int(e)]) for law, e in zip(laws, events, strict=True)) - math.log(whole)
    mean = np.array([np.arange(len(x)) @ x for x in joint]) / whole
    second = np.diag([np.arange(len(x)) ** 2.0 @ x for x in joint]) / whole
    for i in range(arms):
        for j in range(i):
            rest = _sum([law for k, law in enumerate(laws) if k not in (i, j)], total)
            # for each sum of the two, the mean of their product times its probability
            product = np.convolve(np.arange(len(laws[i])) * laws[i], np.arange(len(laws[j])) * laws[j])[: total + 1]
            second[i, j] = second[j, i] = product @ rest[total - np.arange(len(product))] / whole
    return value, mean, second - np.outer(mean, mean)


def multinomial(events: np.ndarray, time: np.ndarray, eta: np.ndarray) -> Moments:
    """The same of events in person-``time``; ``eta`` (m,) log rates."""
    total = events.sum()
    score = eta + np.log(time)
    log_share = score - np.logaddexp.reduce(score)
    share = np.exp(log_share)
    value = float(gammaln(total + 1) - gammaln(events + 1).sum() + events @ log_share)
    return value, total * share, total * (np.diag(share) - np.outer(share, share))


def _level(size: np.ndarray, eta: np.ndarray, total: int) -> float:
    """What to add to all log odds so that ``total`` events are expected."""
    from scipy.optimize import brentq

    share = total / size.sum()
    centre = math.log(share / (1 - share))
    return float(brentq(lambda t: size @ expit(eta + t) - total, centre - eta.max() - 1, centre - eta.min() + 1, xtol=1e-12))


def _binomial(n: int, p: float, most: int) -> np.ndarray:
    """Probabilities of 0 to min(n, most) events."""
    x = np.arange(min(n, most) + 1)
    ways = gammaln(n + 1) - gammaln(x + 1) - gammaln(n - x + 1)
    with np.errstate(divide="ignore"):
        return np.exp(ways + x * np.log(p) + (n - x) * np.log1p(-p))


def _sum(laws: list[np.ndarray], most: int) -> np.ndarray:
    """Probabilities of 0 to ``most`` of a sum of independent counts."""
    out = np.ones(1)
    for law in laws:
        out = np.convolve(out, law)[: most + 1]
    return np.pad(out, (0, most + 1 - len(out)))


def maximum(
    trials: list[tuple[np.ndarray, np.ndarray]], designs: list[np.ndarray], *, over_time: bool
) -> tuple[np.ndarray, np.ndarray, float]:
    """Coefficients at the highest conditional likelihood of all trials, their covariance, and that log likelihood.

    ``trials`` are events and sizes (or times) by arm, ``designs`` (m, p) what the coefficients add to an arm. The likelihood is
    log-concave: Newton's steps, halved where they lead too far.

    Raises
    ------
    ConvergenceError
        The maximum was not reached.
    """
    law = multinomial if over_time else hypergeometric

    def at(beta: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
        value, slope, information = 0.0, np.zeros(len(beta)), np.zeros((len(beta),) * 2)
        for (events, size), x in zip(trials, designs, strict=True):
            own, mean, covariance = law(events, size, x @ beta)
            value += own
            slope += x.T @ (events - mean)
            information += x.T @ covariance @ x
        return value, slope, information

    beta = np.zeros(designs[0].shape[1])
    value, slope, information = at(beta)
    for _ in range(100):
        step = np.linalg.solve(information, slope)
        if slope @ step < 1e-18 * (1 + abs(value)):
            return beta, np.linalg.inv(information), value
        step *= min(1.0, 3.0 / np.abs(step).max())
        for _ in range(50):
            new = at(beta + step)
            if new[0] >= value - 1e-12 * (1 + abs(value)):
                break
            step = step / 2
        beta, (value, slope, information) = beta + step, new
    raise ConvergenceError("The maximum of the conditional likelihood was not reached.")


def saturated(events: np.ndarray, size: np.ndarray, *, over_time: bool) -> float:
    """Log probability of a trial's counts at the effects that make it highest; an arm at an end of its range is certain."""
    keep = events > 0 if over_time else (events > 0) & (events < size)
    events, size = events[keep], size[keep]
    if len(events) < 2:
        return 0.0
    x = np.vstack([np.zeros(len(events) - 1), np.eye(len(events) - 1)])
    return maximum([(events, size)], [x], over_time=over_time)[2]


__all__ = ["hypergeometric", "maximum", "multinomial", "saturated"]

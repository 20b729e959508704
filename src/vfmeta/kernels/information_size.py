"""How many people a trial of two equal arms needs: the optimal information size of GRADE."""

from __future__ import annotations

from statistics import NormalDist


def of_means(sd: float, delta: float, alpha: float, power: float) -> float:
    """People in both arms to find a difference ``delta`` of means with standard deviation ``sd``."""
    return 4 * (_quantiles(alpha, power) * sd / delta) ** 2


def of_risks(first: float, second: float, alpha: float, power: float) -> float:
    """People in both arms to find risk ``second`` against ``first``, with the variances of the two (not pooled)."""
    spread = first * (1 - first) + second * (1 - second)
    return 2 * spread * (_quantiles(alpha, power) / (first - second)) ** 2


def _quantiles(alpha: float, power: float) -> float:
    z = NormalDist().inv_cdf
    return z(1 - alpha / 2) + z(power)


__all__ = ["of_means", "of_risks"]

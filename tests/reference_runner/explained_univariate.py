"""Limits of the generalised-Q interval in the reference, which R did not search to the end."""

from __future__ import annotations

from typing import Any

UNIROOT = (
    "R stops its search for the limits of the generalised-Q interval at uniroot's default absolute tolerance, 1.22e-4 in tau2"
    " (only the fits ran to tight control), so that the printed limits do not solve their equation (Jackson 2013, Res Synth "
    "Methods 4:220-229): for dat.bcg RR with weights 1 / sqrt(v), P(Q_a <= q; tau2 = 0.122053) is 0.974993, not 0.975, by two"
    " independent inversions of the distribution (tests/test_univariate_reference.py, which holds ours to the equation)."
)
UNIROOT_TOL = 1.3e-4


def explain(case: dict[str, Any], name: str, expected: float, got: float) -> str:
    """Limits of tau2 within uniroot's tolerance, and those of I2 within what that tolerance makes of them."""
    if not name.startswith("confint.GENQ."):
        return ""
    limits = case["expect"]["confint"]["GENQ"]
    if name.split(".")[-1].startswith("tau2"):
        return UNIROOT if abs(got - expected) <= UNIROOT_TOL else ""
    high, share = limits["tau2_ub"], limits["I2_ub"] / 100
    typical = high * (1 - share) / share  # the variance that I2 holds tau2 to
    tau2 = typical * expected / (100 - expected)
    return UNIROOT if abs(got - expected) <= 100 * typical / (tau2 + typical) ** 2 * UNIROOT_TOL else ""

"""Which of two results of the same trials leads: one rule for page, figure and comparison of builds."""

from __future__ import annotations

from typing import TYPE_CHECKING, overload

if TYPE_CHECKING:
    from vfmeta.results.fit import FrequentistResult
    from vfmeta.results.posterior import BayesianResult


@overload
def leading(fit: FrequentistResult, posterior: BayesianResult | None) -> FrequentistResult | BayesianResult: ...
@overload
def leading(fit: FrequentistResult | None, posterior: BayesianResult | None) -> FrequentistResult | BayesianResult | None: ...
def leading(fit: FrequentistResult | None, posterior: BayesianResult | None) -> FrequentistResult | BayesianResult | None:
    """The exact Bayesian result of two trials or more; the trial's own result where there is one trial.

    The number of trials never changes the engine between two and any more, so that nothing jumps as trials come in. Where no
    posterior was asked for (a common effect), the frequentist pool stands alone and leads.
    """
    if posterior is None or (fit is not None and posterior.k < 2):
        return fit
    return posterior

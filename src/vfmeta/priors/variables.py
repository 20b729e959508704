"""Parts of PyMC variables that several families share; PyMC is loaded by whoever calls."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from vfmeta.priors.family import TauPrior


@functools.cache
def light_tail() -> Any:
    """Transform to the whole line that keeps a light right tail light: log(exp(x / scale) - 1).

    Under log tau such a tail falls double exponentially, a wall into which long steps from small tau run and diverge.
    """
    import pytensor.tensor as pt
    from pymc.logprob.transforms import Transform

    class LightTail(Transform):
        name = "light_tail"

        def forward(self, value: Any, *inputs: Any) -> Any:
            return pt.log(pt.expm1(value / inputs[-1]))

        def backward(self, value: Any, *inputs: Any) -> Any:
            return inputs[-1] * pt.softplus(value)

        def log_jac_det(self, value: Any, *inputs: Any) -> Any:
            return pt.log(inputs[-1]) - pt.softplus(-value)

    return LightTail()


def odds(pm: Any, name: str) -> Any:
    """Odds of a uniform share: their log is logistic, which moves on the whole line and loses no digits near 0 and 1."""
    return pm.math.exp(pm.Logistic(f"{name}_log_odds", mu=0.0, s=1.0))


def positive_variable(
    pm: Any, name: str, log_density: Any, given: tuple[Any, ...], signature: str, random: Any = None, start: float = 1.0
) -> Any:
    """A positive variable of a density that PyMC does not know."""
    return pm.CustomDist(
        name, *given, logp=log_density, random=random, signature=signature, dtype="float64",
        transform=pm.distributions.transforms.log, initval=start,
    )  # fmt: skip


def of_formula(pm: Any, name: str, prior: TauPrior) -> Any:
    """A variable from the formula of a family that states no distribution of PyMC."""
    import pytensor.tensor as pt

    none = np.ones(1)
    a, constant = prior.parameters(none), prior.constant(none)

    def log_density(tau: Any, end: Any) -> Any:
        inner = prior.formula(pt.log(tau), tau, a, none, 0) + constant
        return pt.switch(pt.le(tau, end), inner, -np.inf)

    def draw(end: np.ndarray, rng: np.random.Generator, size: Any) -> np.ndarray:
        return prior.quantile(rng.random(size))

    return positive_variable(pm, name, log_density, (prior.high,), "()->()", draw, prior.median())

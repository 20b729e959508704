"""Parts of PyMC variables that several families share; PyMC is loaded by whoever calls."""

from __future__ import annotations

import functools
from typing import Any


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

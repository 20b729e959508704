"""What the tests of PyMC models share."""

from __future__ import annotations

import math

from vfmeta.bayes import models
from vfmeta.bayes import versions as compat
from vfmeta.bayes.models.vectorised import Vectorised


def close(found: models.Sampled, name: str, mean: float, sd: float, element: int | None = None) -> None:
    """Posterior mean and SD within 4.5 Monte Carlo standard errors."""
    x = found.draws(name) if element is None else found.draws(name)[..., element]
    square = (x - x.mean()) ** 2
    assert abs(x.mean() - mean) < 4.5 * x.std() / math.sqrt(compat.ess(x, "mean"))
    assert abs(x.std() - sd) < 4.5 * square.std() / math.sqrt(compat.ess(square, "mean")) / (2 * x.std())


def density_functions(model: models.Model) -> Vectorised:
    return Vectorised(model.pymc())

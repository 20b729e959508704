"""Effects, variances and a question that the tests of the Bayesian engine share."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

import vfmeta as vf
from vfmeta.core.question import Question
from vfmeta.results.posterior import BayesianResult

Y = np.array([-0.9, -1.6, -0.2, 0.3, -1.1, -0.6])
V = np.array([0.3, 0.2, 0.05, 0.09, 0.4, 0.02])
PAIN = Question(
    measure="MD", experimental="the drug", control="placebo", outcome="pain", higher_is_worse=True, points=(0, 10), mid=1.5,
    mid_source="a paper",
)  # fmt: skip


def quiet(**kwargs: Any) -> BayesianResult:
    """`vf.bayes.random_effects` without its warnings."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", vf.VfmetaWarning)
        return vf.bayes.random_effects(**kwargs)

"""Effects on the scale that the published priors of robust Bayesian averaging are stated on.

Bartos, Maier, Wagenmakers, Doucouliagos & Stanley 2023 (Res Synth Methods 14:99-116) state their priors on Cohen's d and fit
the models to Fisher's z, whose variance does not hang on the effect; between them stand the conversions of Borenstein et al.
2009, chapter 7, with the sample size that effect and standard error imply, and tau, slopes and priors are scaled by 1/2.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri, stdtrit

from vfmeta.core.messages import InputError
from vfmeta.core.params import is_finite
from vfmeta.core.question import Question
from vfmeta.effects.reading import Studies

#: one-sided p values between which weights may differ; above 0.5 those of two-sided selection
STEPS = np.array([0.025, 0.05, 0.5, 0.95, 0.975])
_D = frozenset({"SMD", "SMDH", "OR2D"})
_LOG_OR = frozenset({"OR", "PETO", "D2OR"})
_LOGISTIC = math.pi / math.sqrt(3)


@dataclass(frozen=True)
class Scaled:
    """Effects as the models see them, favoured ones high.

    ``cuts`` (k, 5) are the effects at which the one-sided p is one of `STEPS`; ``unit`` is what 1 of ``y`` is on the analysis
    scale; ``half`` is what 1 of Cohen's d is on that of ``y`` (1/2 for Fisher's z), which scales priors; ``words`` names it.
    """

    y: np.ndarray
    se: np.ndarray
    cuts: np.ndarray
    unit: float
    half: float
    words: str


def published_scale(s: Studies, sign: int, unit_sd: float | None) -> Scaled:
    """The studies on the scale of the priors.

    Raises
    ------
    InputError
        A measure that the published scale does not know and no ``unit_sd``, or one that it knows with it; a study too small for
        Fisher's z.
    """
    q: Question = s.question
    y, se = sign * (s.y - (q.null_effect or 0.0)), np.sqrt(s.v)
    if unit_sd is not None and not (is_finite(unit_sd) and unit_sd > 0):
        raise InputError(f"unit_sd={unit_sd!r} must be a number above 0: one standard deviation, on the analysis scale.")
    known = q.measure in _D or q.measure in _LOG_OR or q.measure == "ZCOR"
    if known and unit_sd is not None:
        raise InputError(f"{q.measure} has a published scale of its own; leave unit_sd out.")
    if not known:
        if unit_sd is None:
            raise InputError(
                f"The published priors are stated on Cohen's d; {q.facts.analysis_name} ({q.facts.words}) has no conversion "
                "to it. They are offered for SMD, OR (log odds ratios) and ZCOR (Fisher's z); for anything else say what one "
                'standard deviation is, as unit_sd= on the analysis scale, or name the measure, as Question(measure="SMD").'
            )
        size = float(unit_sd)
        return Scaled(y / size, se / size, se[:, None] / size * -ndtri(STEPS), size, 1.0, f"effects in units of {size:g}")
    if q.measure == "ZCOR":
        df = 1 / se**2 + 1  # of the t test of a correlation, n - 2
        t = -stdtrit(df[:, None], STEPS)
        return Scaled(y, se, np.arctanh(t / np.sqrt(df[:, None] + t**2)), 1.0, 0.5, "Fisher's z")
    factor = 1.0 if q.measure in _D else _LOGISTIC
    d, se_d = y / factor, se / factor
    n = (d**2 + 8) / (2 * se_d**2)
    small = [f"{s.labels[i]}: {n[i]:.1f}" for i in np.flatnonzero(n <= 4).tolist()]
    if small:
        raise InputError(
            f"Effect and standard error imply so few patients ({'; '.join(small)}) that Fisher's z has no variance; give "
            'raw effects with unit_sd= instead, or leave these studies out.'
        )  # fmt: skip
    cut = 2 * -stdtrit((n - 2)[:, None], STEPS) / np.sqrt(n)[:, None] if q.measure in _D else -ndtri(STEPS) * se_d[:, None]
    return Scaled(np.arcsinh(d / 2), 1 / np.sqrt(n - 3), np.arcsinh(cut / 2), 2 * factor, 0.5, "Fisher's z of Cohen's d")

"""A pool looked at again with every study, by boundaries that keep the error of all looks together."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import ndtr, ndtri

from vfmeta.appraisal.favoured import no_difference
from vfmeta.appraisal.refits import order_of
from vfmeta.appraisal.taken import take
from vfmeta.core.messages import InputError
from vfmeta.core.params import OnScale, is_finite, proportion
from vfmeta.kernels.spending import boundaries
from vfmeta.results.frames import noted, scaled

if TYPE_CHECKING:
    import pandas as pd


def sequential(
    fit: Any, order: Sequence[Any] | None = None, *, mid: float | None = None, power: float = 0.8, on: OnScale = "analysis"
) -> pd.DataFrame:
    """Whether the evidence was enough when each study came, though it was looked at every time.

    Parameters
    ----------
    fit : pool or posterior
        Two studies or more, of ``vf.random_effects``, ``vf.common_effect`` or ``vf.bayes.random_effects``, whose tau2 is taken.
    order : sequence of k labels or of k positions (from 0), optional
        In which studies came, such as ``np.argsort(year)``; that of the fit when left out.
    mid : float, optional
        The effect that the evidence is to be enough for: a difference on the analysis scale, or a ratio; the ``mid`` of the
        question when left out.
    power : float
        With which that effect is to be found.
    on : {"analysis", "read"}
        Scale of the effects, as of `vfmeta.leave_one_out`.

    Returns
    -------
    DataFrame
        A row a look: ``study`` (the one added), k, estimate, se, ``statistic`` (z), ``p_value`` (of this look alone),
        ``boundary`` for |z|, ``ci_low`` and ``ci_high`` (the interval by that boundary, which holds at all looks together),
        ``information`` (share of what is needed) and scale. A boundary is infinite before anything may be spent, and NaN after
        the information was reached. ``attrs["needed"]`` is that information (1 / se^2), ``attrs["reached"]`` the study with
        which z first reaches its boundary.

    Raises
    ------
    InputError
        No such pool, or no effect that the evidence is to be enough for.

    Notes
    -----
    Known as trial sequential analysis: Pogue & Yusuf 1997, Control Clin Trials 18:580-593; Wetterslev et al. 2008, J Clin
    Epidemiol 61:64-75. Each side spends half of the error as Lan & DeMets (1983, Biometrika 70:659-663) do after O'Brien and
    Fleming. Every look takes the tau2 of all studies, so that information only grows (Higgins, Whitehead & Simmonds 2011, Stat
    Med 30:903-921); what is needed is (z of the level + z of the power)^2 / mid^2. The intervals are those of Jennison &
    Turnbull 1989, JRSS B 51:305-361. With few studies tau2 is guessed more than known, which no boundary mends.

    Examples
    --------
    >>> import vfmeta as vf
    >>> fit = vf.common_effect(y=[-0.5, -0.3, -0.8, -0.4], se=[0.3, 0.25, 0.3, 0.2], study=list("ABCD"))
    >>> looks = vf.appraisal.sequential(fit, mid=0.5)
    >>> looks["boundary"].round(2).tolist(), looks.attrs["reached"]
    ([3.59, 2.15, 2.04, nan], 'C')
    """
    import pandas as pd

    taken = take("sequential", fit, None)
    q, null = taken.studies.question, no_difference("sequential", taken.studies.question)
    if taken.fit is None or fit.k < 2 or not hasattr(fit, "tau2"):
        raise InputError("sequential takes a pool of two studies or more, as of vf.random_effects.")
    proportion("power", power)
    distance = _distance(q.mid if mid is None else mid, q.compares_ratios, given=mid is not None)
    steps = order_of(fit.labels, order)
    alpha = 1 - fit.level
    weights = 1 / (np.asarray(fit.v)[steps] + float(fit.tau2 or 0.0))
    information = np.cumsum(weights)
    estimate, se = np.cumsum(weights * np.asarray(fit.y)[steps]) / information, 1 / np.sqrt(information)
    needed = float(((ndtri(1 - alpha / 2) + ndtri(power)) / distance) ** 2)
    bound, z = boundaries(information / needed, alpha), (estimate - null) / se
    reached = np.flatnonzero(np.abs(z) >= bound)
    names = [fit.labels[i] for i in steps.tolist()]
    frame = pd.DataFrame({
        "study": names, "k": np.arange(1, len(names) + 1), "estimate": estimate, "se": se, "statistic": z,
        "p_value": 2 * ndtr(-np.abs(z)), "boundary": bound,
        "ci_low": estimate - bound * se, "ci_high": estimate + bound * se, "information": information / needed,
    })  # fmt: skip
    frame = noted(scaled(frame, q, on))
    last = boundaries(np.append(information[information < needed], needed) / needed, alpha)[-1]
    frame.attrs |= {
        "needed": needed, "once": float(ndtri(1 - alpha / 2)), "reached": names[int(reached[0])] if reached.size else "",
        "last": float(last), "power": power, "mid": distance,
    }  # fmt: skip
    return frame


def _distance(mid: Any, ratio: bool, *, given: bool) -> float:
    """How far the effect that is looked for is from no difference, on the analysis scale."""
    if mid is None:
        raise InputError(
            "mid= is missing: name the smallest effect that the evidence is to be enough for, here or in the question."
        )
    if not (is_finite(mid) and mid > 0) or (ratio and mid == 1):
        kind = "ratio above 0 that is not 1, such as 0.8" if ratio else "difference above 0"
        raise InputError(f"mid={mid!r} must be a {kind}{'' if given else '; it is that of the question'}.")
    return abs(math.log(mid)) if ratio else float(mid)


__all__ = ["sequential"]

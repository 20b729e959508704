"""Pustejovsky and Rodgers' test for standardised mean differences."""

from __future__ import annotations

from typing import Any

import numpy as np

from vfmeta.appraisal.lines import weighted
from vfmeta.appraisal.taken import Taken, take
from vfmeta.core.messages import InputError
from vfmeta.results.small_studies import AsymmetryTest


def pustejovsky_rodgers(data: Any, *, level: float | None = None) -> AsymmetryTest:
    """Pustejovsky and Rodgers' test for standardised mean differences: over the part of their error that sizes make.

    How often its tests reject and its intervals hold: ``reports/levels.md#pustejovsky_rodgers``.

    Parameters
    ----------
    data : fit or effect table
        With the sizes of both arms, as `vfmeta.effect_size` and `vfmeta.compare` make it.
    level : float, optional
        That of the fit, or 0.95, when left out.

    Returns
    -------
    AsymmetryTest

    Notes
    -----
    Pustejovsky & Rodgers 2019, Res Synth Methods 10:57-71: with W = 1/n1 + 1/n2, least squares on sqrt(W) weighted by 1 / W.
    The variance of an SMD has a second part that grows with the effect, which would make a trend of its own.

    Examples
    --------
    >>> import vfmeta as vf
    >>> import warnings
    >>> table = vf.effect_size("SMD", d=[0.8, 0.3, 0.6, 0.2, 0.4], n1=[12, 80, 20, 150, 60], n2=[11, 82, 19, 140, 60])
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("ignore")
    ...     found = vf.appraisal.pustejovsky_rodgers(table)
    >>> found.estimate > 0
    True
    """
    taken = take("pustejovsky_rodgers", data, level)
    if not has_sizes(taken):
        raise InputError(
            "pustejovsky_rodgers needs the patients of both arms of every study; give a table with them, as vf.effect_size or "
            "vf.compare makes it."
        )
    w = 1 / taken.column("n_experimental") + 1 / taken.column("n_control")
    name = "Pustejovsky and Rodgers' test"
    return weighted(taken, name, "pustejovsky_rodgers", "sqrt(1/n1 + 1/n2)", np.sqrt(w), 1 / w)


def has_sizes(taken: Taken) -> bool:
    """Whether the sizes of both arms of all studies are known."""
    return not np.isnan(taken.column("n_experimental") + taken.column("n_control")).any()

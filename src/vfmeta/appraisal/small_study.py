"""The test for small-study effects that a measure calls for, with the reason."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from vfmeta.appraisal.count_tests import harbord, has_tables, peters
from vfmeta.appraisal.pustejovsky_rodgers_test import has_sizes, pustejovsky_rodgers
from vfmeta.appraisal.regressions import egger
from vfmeta.appraisal.taken import take
from vfmeta.appraisal.which_test import advice
from vfmeta.results.small_studies import AsymmetryTest


def small_study_test(data: Any, *, level: float | None = None) -> AsymmetryTest:
    """The test for small-study effects that the measure calls for, and why.

    Parameters
    ----------
    data : fit or effect table
    level : float, optional
        That of the fit, or 0.95, when left out.

    Returns
    -------
    AsymmetryTest
        With ``reason``. Odds ratios: `harbord`; other effects of counts: `peters`; standardised mean differences:
        `pustejovsky_rodgers`; proportions and rates of one group: `egger` on the number of patients; all others: `egger`. Where
        the counts or sizes that such a test needs are not known it is `egger`, with a warning.

    Notes
    -----
    Chosen by the measure and by nothing that was seen in the data: trying several tests and telling the one that suits is what
    these tests are meant to find.

    Examples
    --------
    >>> import vfmeta as vf
    >>> import warnings
    >>> table = vf.effect_size("SMD", d=[0.8, 0.3, 0.6, 0.2, 0.4], n1=[12, 80, 20, 150, 60], n2=[11, 82, 19, 140, 60])
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("ignore")
    ...     found = vf.appraisal.small_study_test(vf.random_effects(table))
    >>> found.name
    "Pustejovsky and Rodgers' test"
    """
    taken = take("small_study_test", data, level)
    advised = advice(taken.studies.question)
    found: AsymmetryTest
    why = f"Chosen because {advised.why}."
    if advised.verb == "harbord" and has_tables(taken):
        found = harbord(data, level=level)
    elif advised.verb == "peters" and has_tables(taken):
        found = peters(data, level=level)
    elif advised.verb == "pustejovsky_rodgers" and has_sizes(taken):
        found = pustejovsky_rodgers(data, level=level)
    elif advised.needs == "sizes" and not np.isnan(taken.sizes).any():
        found = egger(data, predictor="1/sqrt(N)", level=level)
    else:
        found = egger(data, level=level)
        if advised.needs:
            why = f"Chosen because the {advised.needs} that a better test needs are not known."
    return replace(found, reason=why)

"""Tests of small-study effects made for two-by-two tables: Harbord, Peters, Macaskill and Deeks."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from vfmeta.appraisal.lines import weighted
from vfmeta.appraisal.taken import Taken, take
from vfmeta.core.messages import InputError
from vfmeta.core.params import MacaskillWeights, choice
from vfmeta.results.small_studies import AsymmetryTest

_CELLS = ("events_experimental", "n_experimental", "events_control", "n_control")


class Tables(NamedTuple):
    """Events and others of both arms, each (k,): a, b experimental, c, d control."""

    a: np.ndarray
    b: np.ndarray
    c: np.ndarray
    d: np.ndarray

    @property
    def n1(self) -> np.ndarray:
        return self.a + self.b

    @property
    def n2(self) -> np.ndarray:
        return self.c + self.d

    @property
    def events(self) -> np.ndarray:
        return self.a + self.c

    @property
    def others(self) -> np.ndarray:
        return self.b + self.d

    @property
    def size(self) -> np.ndarray:
        return self.n1 + self.n2


def harbord(data: Any, *, level: float | None = None) -> AsymmetryTest:
    """Harbord's test for odds ratios: efficient scores over their variances, of which no effect is a part.

    How often its tests reject and its intervals hold: ``reports/levels.md#harbord``.

    Parameters
    ----------
    data : fit or effect table
        Of counts, as `vfmeta.effect_size`, `vfmeta.compare`, `vfmeta.mantel_haenszel` and others make them.
    level : float, optional
        That of the fit, or 0.95, when left out.

    Returns
    -------
    AsymmetryTest
        Its ``y`` is the score over its variance, a log odds ratio.

    Notes
    -----
    Harbord et al. 2006, Stat Med 25:3443-3457. Z = a - n1 m1 / N and V = n1 n2 m1 m2 / (N^2 (N - 1)) from the counts as they
    are; Z / sqrt(V) on sqrt(V) by least squares, whose intercept is the slope here. Studies without events, or with events
    only, have no score and are left out.

    Examples
    --------
    >>> import vfmeta as vf
    >>> table = vf.effect_size("OR", events1=[4, 9, 2, 30, 15], n1=[40, 80, 25, 300, 150], events2=[9, 14, 8, 35, 21],
    ...                        n2=[41, 78, 26, 310, 148])
    >>> import warnings
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("ignore")
    ...     found = vf.appraisal.harbord(table)
    >>> found.estimate < 0, found.predictor
    (True, '1/sqrt(V)')
    """
    taken, t, notes = _tables("harbord", data, level)
    z = t.a - t.n1 * t.events / t.size
    v = t.n1 * t.n2 * t.events * t.others / (t.size**2 * (t.size - 1))
    return weighted(taken, "Harbord's test", "harbord", "1/sqrt(V)", 1 / np.sqrt(v), v, y=z / v, v=1 / v, notes=notes)


def peters(data: Any, *, level: float | None = None) -> AsymmetryTest:
    """Peters' test: effects over one over the number of patients, weighted by events and others.

    How often its tests reject and its intervals hold: ``reports/levels.md#peters``.

    Parameters
    ----------
    data, level
        As of `harbord`.

    Returns
    -------
    AsymmetryTest

    Notes
    -----
    Peters et al. 2006, JAMA 295:676-680; weights m1 m2 / N from the counts as they are.

    Examples
    --------
    >>> import vfmeta as vf
    >>> import warnings
    >>> table = vf.effect_size("OR", events1=[4, 9, 2, 30, 15], n1=[40, 80, 25, 300, 150], events2=[9, 14, 8, 35, 21],
    ...                        n2=[41, 78, 26, 310, 148])
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("ignore")
    ...     found = vf.appraisal.peters(table)
    >>> found.df
    3.0
    """
    taken, t, notes = _tables("peters", data, level)
    return weighted(taken, "Peters' test", "peters", "1/N", 1 / t.size, t.events * t.others / t.size, notes=notes)


def macaskill(data: Any, *, level: float | None = None, weights: MacaskillWeights = "pooled") -> AsymmetryTest:
    """Macaskill's test: effects over the number of patients.

    How often its tests reject and its intervals hold: ``reports/levels.md#macaskill``.

    Parameters
    ----------
    data, level
        As of `harbord`.
    weights : {"pooled", "inverse"}
        m1 m2 / N, one over the variance with both arms pooled, or one over the sampling variance.

    Returns
    -------
    AsymmetryTest
        Its slope is negative where small studies show higher effects.

    Notes
    -----
    Macaskill, Walter & Irwig 2001, Stat Med 20:641-654.

    Examples
    --------
    >>> import vfmeta as vf
    >>> import warnings
    >>> table = vf.effect_size("OR", events1=[4, 9, 2, 30, 15], n1=[40, 80, 25, 300, 150], events2=[9, 14, 8, 35, 21],
    ...                        n2=[41, 78, 26, 310, 148])
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("ignore")
    ...     found = vf.appraisal.macaskill(table)
    >>> found.predictor
    'N'
    """
    weights = choice("weights", weights, MacaskillWeights)
    taken, t, notes = _tables("macaskill", data, level, by_events=weights == "pooled")
    w = t.events * t.others / t.size if weights == "pooled" else None
    return weighted(taken, "Macaskill's test", "macaskill", "N", t.size, w, notes=notes, asked={"weights": weights})


def deeks(data: Any, *, level: float | None = None) -> AsymmetryTest:
    """Deeks' test, for diagnostic odds ratios: effects over one over the root of the effective sample size.

    How often its tests reject and its intervals hold: ``reports/levels.md#deeks``.

    Parameters
    ----------
    data, level
        As of `harbord`; the experimental arm are those with the disease, events are positive tests.

    Returns
    -------
    AsymmetryTest

    Notes
    -----
    Deeks, Macaskill & Irwig 2005, J Clin Epidemiol 58:882-893; the effective size 4 n1 n2 / N is the weight.

    Examples
    --------
    >>> import vfmeta as vf
    >>> import warnings
    >>> table = vf.effect_size("OR", events1=[24, 39, 12, 90, 55], n1=[40, 60, 25, 130, 80], events2=[9, 14, 8, 35, 21],
    ...                        n2=[41, 78, 26, 210, 148])
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("ignore")
    ...     found = vf.appraisal.deeks(table)
    >>> found.predictor
    '1/sqrt(ESS)'
    """
    taken, t, notes = _tables("deeks", data, level, by_events=False)
    ess = 4 * t.n1 * t.n2 / t.size
    return weighted(taken, "Deeks' test", "deeks", "1/sqrt(ESS)", 1 / np.sqrt(ess), ess, notes=notes)


def has_tables(taken: Taken) -> bool:
    """Whether the counts of all studies are known."""
    return not any(np.isnan(taken.column(name)).any() for name in _CELLS)


def _tables(verb: str, data: Any, level: float | None, *, by_events: bool = True) -> tuple[Taken, Tables, tuple[str, ...]]:
    """The studies with their tables; where events are what they weigh by, without those that have none, and a note of these."""
    taken = take(verb, data, level)
    if not has_tables(taken):
        raise InputError(
            f"{verb} needs events and patients of both arms of every study; give a table of counts, as vf.effect_size or "
            "vf.compare makes it."
        )
    e1, n1, e2, n2 = (taken.column(name) for name in _CELLS)
    silent = (e1 + e2 == 0) | (e1 + e2 == n1 + n2)
    if not (by_events and silent.any()):
        return taken, Tables(e1, n1 - e1, e2, n2 - e2), ()
    s = taken.studies
    names = ", ".join(name for name, out in zip(s.labels, silent.tolist(), strict=True) if out)
    note = f"{names}: no events, or events only, in both arms; such a study has no weight here and is left out."
    kept = Taken(s.keep(~silent), taken.level, taken.fit)
    e1, n1, e2, n2 = (x[~silent] for x in (e1, n1, e2, n2))
    return kept, Tables(e1, n1 - e1, e2, n2 - e2), (note,)

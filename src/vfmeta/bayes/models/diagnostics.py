"""Whether draws can be trusted: R-hat, effective sample sizes, divergences, energy. What fails is said in words.

Vehtari, Gelman, Simpson, Carpenter, Bürkner 2021, Bayesian Analysis 16:667-718 (R-hat and effective sample sizes); Betancourt
2016, arXiv:1604.00695 (E-BFMI).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from vfmeta.bayes import versions as compat

if TYPE_CHECKING:
    import pandas as pd

RHAT, ESS, BFMI = 1.01, 400.0, 0.3
LONGER = "sample longer (draws=, tune=)"
#: what to try against divergences and poor movement between energies
ELSEWISE = "raise target_accept= (0.99), sample longer, or take a tighter prior of the standard deviations"


@dataclass(frozen=True)
class Gate:
    """Diagnostics of a run.

    ``rows`` holds (variable, R-hat, bulk ESS, tail ESS) of every number watched, ``divergences`` their count, ``bfmi`` the
    smallest E-BFMI of a chain; ``warnings`` is empty when all is well.
    """

    rows: tuple[tuple[str, float, float, float], ...]
    divergences: int
    bfmi: float
    warnings: tuple[str, ...]

    @property
    def passed(self) -> bool:
        return not self.warnings

    def to_frame(self) -> pd.DataFrame:
        """One row a number watched: term, r_hat, ess_bulk, ess_tail; the run's divergences and e_bfmi in ``attrs`` too."""
        import pandas as pd

        frame = pd.DataFrame(self.rows, columns=["term", "r_hat", "ess_bulk", "ess_tail"])
        frame = frame.assign(divergences=self.divergences, e_bfmi=self.bfmi)
        return frame.assign(
            passed=(frame["r_hat"] < RHAT)
            & (frame[["ess_bulk", "ess_tail"]].min(axis=1) > ESS)
            & (self.divergences == 0)
            & (self.bfmi > BFMI)
        )


def check(draws: Mapping[str, np.ndarray], energy: np.ndarray, diverging: np.ndarray, *, otherwise: str = ELSEWISE) -> Gate:
    """The gate: R-hat < 1.01, bulk and tail ESS > 400, no divergence, E-BFMI > 0.3.

    Parameters
    ----------
    draws : mapping of str to ndarray of shape (chains, draws)
        Every number to be watched, by the name it has in the words.
    energy, diverging : ndarray of shape (chains, draws)
        Of the sampler.
    otherwise : str
        What to try when the sampler diverged or moved poorly.
    """
    alone = energy.shape[0] < 2
    rows = tuple(
        (n, np.nan if alone else compat.rhat(x), compat.ess(x, "bulk"), compat.ess(x, "tail")) for n, x in draws.items()
    )
    notes = []
    if alone:
        notes.append("One chain cannot show whether chains agree (R-hat needs two or more); set chains=4.")
    else:
        apart = [(name, r) for name, r, *_ in rows if not r < RHAT]
        if apart:
            worst, r = max(apart, key=_nan_last)
            notes.append(
                f"The chains disagree about {worst}{_others(apart)} (R-hat {r:.3f}, should be below {RHAT:g}); {LONGER}."
            )
    thin = [(name, -min(bulk, tail), bulk, tail) for name, _, bulk, tail in rows if not min(bulk, tail) > ESS]
    if thin:
        worst, _, bulk, tail = max(thin, key=_nan_last)
        notes.append(
            f"Too few effective draws of {worst}{_others(thin)} (bulk {bulk:.0f}, tail {tail:.0f}, "
            f"should be above {ESS:.0f}); {LONGER}."
        )
    count = int(np.sum(diverging))
    if count:
        notes.append(
            f"{count} divergent transition{'s' if count > 1 else ''}: part of the posterior may have been missed; {otherwise}."
        )
    least = bfmi(energy)
    if not least > BFMI:
        notes.append(f"The sampler moved poorly between energies (E-BFMI {least:.2f}, should be above {BFMI:g}); {otherwise}.")
    return Gate(rows, count, least, tuple(notes))


def bfmi(energy: np.ndarray) -> float:
    """Smallest energy Bayesian fraction of missing information of the chains; energy of shape (chains, draws)."""
    step = np.diff(energy, axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return float(((step**2).mean(axis=1) / energy.var(axis=1)).min())


def numbers(variables: Mapping[str, np.ndarray], labels: Mapping[str, Sequence[str]]) -> dict[str, np.ndarray]:
    """Every number of the variables, (chains, draws) each, named by its coordinates: "theta[Smith 2001]"."""
    out = {}
    for name, x in variables.items():
        flat = x.reshape(*x.shape[:2], -1)
        for j, label in enumerate(labels[name]):
            out[label] = flat[..., j]
    return out


def _nan_last(entry: tuple[Any, ...]) -> float:
    return float(np.inf if np.isnan(entry[1]) else entry[1])


def _others(entries: Sequence[Any]) -> str:
    more = len(entries) - 1
    return f" and {more} other{'s' if more > 1 else ''}" if more else ""

"""Several outcomes side by side, and what may be put above what: scores and the partial order of treatments."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from vfmeta.core.messages import InputError, kind_of
from vfmeta.networks.compared import Treatments, side

if TYPE_CHECKING:
    import pandas as pd


def scores(fits: Mapping[str, Any], better: str | None = None) -> pd.DataFrame:
    """P-score or SUCRA of every treatment by outcome.

    Parameters
    ----------
    fits : mapping of str to network
        Networks by the name of their outcome; frequentist ones give P-scores, posteriors SUCRA.
    better : str, optional
        ``"low"`` or ``"high"``: which effects are better, in every outcome; that of each ``question.higher_is_worse``
        when left out.

    Returns
    -------
    DataFrame
        A row a treatment, a column an outcome; NaN where the network of an outcome has no such treatment.

    Examples
    --------
    >>> import vfmeta as vf
    >>> sides = {"study": list("abc"), "treat1": list("BCC"), "treat2": list("AAB")}
    >>> pain, falls = (vf.network(y=y, se=[0.2] * 3, reference="A", **sides) for y in ([-0.5, -0.8, -0.2], [0.1, -0.3, -0.4]))
    >>> vf.networks.scores({"pain": pain, "falls": falls}, better="low").shape
    (3, 2)
    """
    import pandas as pd

    if not isinstance(fits, Mapping) or not fits:
        raise InputError('scores takes networks by the name of their outcome, such as {"pain": net}.')
    columns = {}
    for name, fit in fits.items():
        if isinstance(fit, Treatments):
            columns[str(name)] = fit.p_scores(better)
        elif hasattr(fit, "ranks") and hasattr(fit, "treatments"):
            columns[str(name)] = fit.ranks(better)["sucra"]
        else:
            raise InputError(f"{name}: {kind_of(fit)} is no network.")
    return pd.DataFrame(columns)


def partial_order(fit: Any, better: str | None = None) -> pd.DataFrame:
    """What stands directly above what, where the evidence says so, and nothing more.

    Of one frequentist network: a treatment stands above another where the interval between the two leaves out no difference.
    That is an order (the standard error of a sum of two differences is at most the sum of theirs). Of `scores` of several
    outcomes: where it scores at least as high in each and higher in one (Rücker & Schwarzer 2017, Res Synth Methods 8:526-536);
    a treatment that an outcome lacks is compared in the others.

    Parameters
    ----------
    fit : NetworkResult, another frequentist model of a network, or DataFrame
        A network, or what `scores` returned.
    better : str, optional
        ``"low"`` or ``"high"``: which effects are better, of a network.

    Returns
    -------
    DataFrame
        above, below: a line each of a Hasse diagram, without those that follow from others; a treatment that is above and below
        nothing stands in ``attrs["alone"]``, all of them in ``attrs["treatments"]``.

    Examples
    --------
    >>> import vfmeta as vf
    >>> sides = {"study": list("abc"), "treat1": list("BCC"), "treat2": list("AAB")}
    >>> net = vf.network(y=[-0.5, -1.2, -0.7], se=[0.1] * 3, reference="A", method="common", test="Wald", **sides)
    >>> vf.networks.partial_order(net, "low").values.tolist()
    [['B', 'A'], ['C', 'B']]
    """
    import pandas as pd

    if isinstance(fit, pd.DataFrame):
        names = [str(t) for t in fit.index]
        over = _dominates(fit.to_numpy(dtype=float))
    elif isinstance(fit, Treatments):
        names = list(fit.treatments)
        sign = side(better, fit.question.higher_is_worse)
        frame = fit.comparisons()
        at = {t: i for i, t in enumerate(names)}
        over = np.zeros((len(names),) * 2, dtype=bool)
        null = fit.question.null_effect or 0.0
        rows = zip(*(frame[c].tolist() for c in ("treatment", "control", "ci_low", "ci_high")), strict=True)
        for one, two, low, high in rows:
            if low > null or high < null:
                wins = (low > null) == (sign > 0)
                over[(at[one], at[two]) if wins else (at[two], at[one])] = True
    else:
        raise InputError(f"partial_order takes a frequentist network or what vf.networks.scores returned, not {kind_of(fit)}.")
    follows = (over.astype(int) @ over.astype(int)) > 0
    lines = over & ~follows
    out = pd.DataFrame(
        [(names[i], names[j]) for i, j in zip(*np.nonzero(lines), strict=True)], columns=["above", "below"], dtype=object
    )
    touched = lines.any(axis=0) | lines.any(axis=1)
    out.attrs.update(treatments=names, alone=[n for n, t in zip(names, touched, strict=True) if not t])
    return out


def _dominates(values: np.ndarray) -> np.ndarray:
    """Whether one row is at least as high as another in each column that both have, and higher in one, shape (n, n)."""
    known = np.isfinite(values)
    both = known[:, None] & known[None]
    with np.errstate(invalid="ignore"):
        least = (values[:, None] >= values[None]) | ~both
        more = (values[:, None] > values[None]) & both
    return least.all(axis=2) & more.any(axis=2) & both.all(axis=2)


__all__ = ["partial_order", "scores"]

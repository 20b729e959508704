"""Permutation tests of a meta-regression."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from vfmeta.core.messages import ConvergenceError, InputError
from vfmeta.core.params import generator, whole
from vfmeta.core.question import Question
from vfmeta.frequentist.after.influence import as_regression
from vfmeta.frequentist.regression_result import RegressionResult, joint, selected
from vfmeta.kernels.regression import fit_many
from vfmeta.results.codec import Recorded
from vfmeta.results.wald import ratio
from vfmeta.text import numbers as tx

if TYPE_CHECKING:
    import pandas as pd

_BATCH = 4096
_TIE = 1e-8  # statistics that differ by less, relatively, are the same arrangement of the data


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class PermutationResult(Recorded):
    """Permutation p values: per coefficient (p,) and of the omnibus test.

    ``draws`` arrangements were seen, and ``exact`` says whether those are all there are. ``statistic`` (p,) is what was seen in
    the data, and what each arrangement was held against.
    """

    engine: ClassVar[str] = "permutation"
    absent: ClassVar[dict[str, str]] = {"": "a permutation test has p values only; the fit it was made from has the rest."}

    question: Question
    terms: tuple[str, ...]
    statistic: np.ndarray
    p_value: np.ndarray
    omnibus_p_value: float
    draws: int
    exact: bool
    k: int
    method: str
    test: str
    call: dict[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    @property
    def coefficients(self) -> pd.DataFrame:
        """`to_frame`."""
        return self.to_frame()

    def to_frame(self) -> pd.DataFrame:
        """One row per coefficient: term, statistic, p_value."""
        import pandas as pd

        return pd.DataFrame({"term": list(self.terms), "statistic": self.statistic, "p_value": self.p_value})

    def __str__(self) -> str:
        every = "every arrangement" if self.exact else "arrangements drawn at random"
        lines = [f"{n}: {tx.tested_text(p)}" for n, p in zip(self.terms, self.p_value, strict=True)]
        return "\n".join(
            [f"permutation test, {self.draws} ({every})", *lines, f"omnibus: {tx.tested_text(self.omnibus_p_value)}"]
        )


def permutation_test(
    fit: Any,
    *,
    exact: bool | None = None,
    draws: int = 1000,
    seed: int | None = 1,
) -> PermutationResult:
    """Test the coefficients without trusting their distribution.

    With moderators the rows of the design are dealt out anew among the studies; with an intercept alone the signs of the
    effects are turned (which takes them as symmetric about "no difference" when there is no effect). Each arrangement is
    refitted with the same estimator and test, and the p value is the share of arrangements whose statistic is at least as
    extreme as the one seen.

    How often its tests reject and its intervals hold: ``reports/levels.md#permutation_test``.

    Parameters
    ----------
    fit : result
        Of `meta_regression`, `random_effects` or `common_effect`.
    draws : int
        How many random arrangements are drawn where not all are taken; the one seen is counted among them, so that p is never
        zero (Phipson & Smyth 2010, Stat Appl Genet Mol Biol 9:39).
    exact : bool, optional
        Take every arrangement. Left out: where there are no more than ``draws``.
    seed : int, optional
        Of the random arrangements; None for other ones each time.

    Notes
    -----
    Higgins & Thompson 2004, Stat Med 23:1663-1682; Follmann & Proschan 1999, Biometrics 55:732-737.

    Examples
    --------
    >>> import vfmeta as vf
    >>> fit = vf.meta_regression({"y": [-0.5, -0.3, -0.8, -0.1], "se": [0.2, 0.15, 0.3, 0.2], "dose": [2, 1, 3, 1]}, "~ dose")
    >>> bool(0 < vf.permutation_test(fit).omnibus_p_value <= 1)
    True
    """
    r = as_regression(fit)
    whole("draws", draws, 20)
    alone = r.design.x.shape[1] == 1 and r.design.intercept == 0
    digits = r.k * math.log10(2) if alone else _distinct(r.design.x)
    everything = round(10 ** min(digits, 20)) <= draws if exact is None else exact
    if everything and digits > 6:
        raise InputError(f"There are too many arrangements to take each: about 10^{digits:.0f}, at most 10^6; use exact=False.")
    rng = generator(seed)
    x = r.design.x
    if everything and alone:
        drawn: Iterator[np.ndarray] = (np.array(s) for s in itertools.product((1.0, -1.0), repeat=r.k))
    elif everything:
        x, where = np.unique(x, axis=0, return_inverse=True)
        drawn = _arrangements(where.ravel())
    else:
        drawn = (rng.choice([1.0, -1.0], size=r.k) if alone else rng.permutation(r.k) for _ in range(draws - 1))
    chosen = selected(r.terms, r.design.intercept, list(r.omnibus_of))
    seen, seen_omnibus = np.abs(r.statistic), r.omnibus.statistic
    y = r.y - _moved(r)
    beyond, beyond_omnibus, count = np.zeros(r.p), 0, 0
    if not everything:
        beyond, beyond_omnibus, count = np.ones(r.p), 1, 1  # the arrangement seen
    while batch := list(itertools.islice(drawn, _BATCH)):
        block, same = np.stack(batch), np.broadcast_to(np.arange(r.k), (len(batch), r.k))
        t, q = _statistics(r, chosen, y * block, x, same) if alone else _statistics(r, chosen, y, x, block)
        beyond += (np.abs(t) >= seen * (1 - _TIE)).sum(axis=0)
        beyond_omnibus += int((q >= seen_omnibus * (1 - _TIE)).sum())
        count += len(batch)
    return PermutationResult(
        question=r.question, terms=r.terms, statistic=r.statistic,
        p_value=np.where(np.isnan(seen), np.nan, beyond / count),
        omnibus_p_value=math.nan if math.isnan(seen_omnibus) else beyond_omnibus / count, draws=count,
        exact=bool(everything), k=r.k, method=r.method, test=r.test,
        origin=r.origin, call={"function": "permutation_test", "draws": draws, "exact": exact, "seed": seed},
    )  # fmt: skip


def _moved(r: RegressionResult) -> float:
    """By how much effects are moved so that "no difference" is 0, where the design has a mean effect to test."""
    null = r.question.null_effect
    return 0.0 if null is None or r.slopes.all() else null


def _statistics(
    r: RegressionResult, chosen: list[int], y: np.ndarray, x: np.ndarray, rows: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Statistics of the coefficients (n, p) and of the omnibus test (n,) for effects (k,) or (n, k) and design rows (n, k)."""
    method = r.fixed_tau2 if r.fixed_tau2 is not None else r.method
    y, v = np.broadcast_to(y, rows.shape), np.broadcast_to(r.v, rows.shape)
    weights = None if r.user_weights is None else np.broadcast_to(r.user_weights, rows.shape)
    fits = fit_many(y, v, x, rows, method, r.test, weights)
    if fits.collinear.any():  # rows in another order keep their rank
        raise InputError("The design is too close to singular for a permutation test.")
    if fits.unsettled.any():
        raise ConvergenceError("tau2 was not found for some arrangement of the studies; use another estimator.")
    variance = np.diagonal(fits.vb, axis1=1, axis2=2)
    if (variance < 0).any():
        raise InputError("Kenward-Roger's approximation breaks down for some arrangement of the studies; use another interval.")
    se = np.sqrt(variance)
    t = ratio(fits.beta, se)
    if r.test == "KR":  # whose F has a scale of its own
        matrix = np.eye(r.p)[chosen]
        one = (fits.one(b, y[b], r.v, x[own]) for b, own in enumerate(rows))
        return t, np.array([joint(f, r.test, matrix).statistic for f in one])
    own, z, part = fits.vb[:, chosen][:, :, chosen], t[:, chosen], se[:, chosen]
    with np.errstate(divide="ignore", invalid="ignore"):
        scaled = own / (part[:, :, None] * part[:, None, :])
    flat = (part == 0).any(axis=1)  # no residual is left: infinite, unless the coefficients are zero as well
    scaled[flat], z = np.eye(len(chosen)), np.where(flat[:, None], 0.0, z)
    q = np.einsum("np,np->n", z, np.linalg.solve(scaled, z[..., None])[..., 0])
    q = np.where(flat, np.where((fits.beta[:, chosen] != 0).any(axis=1), np.inf, 0.0), q)
    return t, q if r.test == "Wald" else q / len(chosen)


def _distinct(x: np.ndarray) -> float:
    """Decimal logarithm of how many different orders the rows have."""
    _, counts = np.unique(x, axis=0, return_counts=True)
    return (math.lgamma(len(x) + 1) - sum(math.lgamma(c + 1) for c in counts.tolist())) / math.log(10)


def _arrangements(where: np.ndarray) -> Iterator[np.ndarray]:
    """Every different order of the numbers ``where`` (k,), one by one."""
    code = np.sort(where)
    while True:
        yield code.copy()
        # the next code in lexicographic order
        rise = np.flatnonzero(code[:-1] < code[1:])
        if len(rise) == 0:
            return
        i = rise[-1]
        j = np.flatnonzero(code > code[i])
        j = j[j > i][-1]
        code[i], code[j] = code[j], code[i]
        code[i + 1 :] = code[i + 1 :][::-1].copy()

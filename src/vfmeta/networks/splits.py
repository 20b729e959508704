"""Node- and side-splitting: direct against indirect evidence of every comparison, all in one batch."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from vfmeta.core.messages import InputError, kind_of
from vfmeta.core.params import OnScale
from vfmeta.core.question import Question
from vfmeta.kernels.network import independent
from vfmeta.kernels.regression import fit_many
from vfmeta.networks.graph import Trial
from vfmeta.networks.result import NetworkResult
from vfmeta.results.frames import NO_ERROR, scaled
from vfmeta.results.wald import quantile, ratio, two_sided

if TYPE_CHECKING:
    import pandas as pd


def split_sides(fit: NetworkResult, *, on: OnScale = "analysis", reestimate: bool = True) -> pd.DataFrame:
    """Direct and indirect evidence of every comparison that has both, and whether they differ.

    How often its tests reject and its intervals hold: ``reports/levels.md#networkssplit_sides``.

    The trials that compare the two directly get an effect of their own: half of it on each side in a trial with further arms,
    so that no arm is favoured (White 2015, Stata J 15:951-985; Dias et al. 2010, Stat Med 29:932-944).

    Parameters
    ----------
    fit : NetworkResult
    on : {"analysis", "read"}
        Scale of the direct and indirect effects.
    reestimate : bool
        Whether tau2 is estimated anew in each split model (by the fit's method), or held at that of the network.

    Returns
    -------
    DataFrame
        treatment, control, direct, direct_se, indirect, indirect_se, difference (of the two), difference_se,
        difference_low, difference_high, statistic, df, p_value, tau2, scale. ``on="read"`` turns direct and indirect effects,
        and the difference of logs to how many times the direct is the indirect; on other turned scales it stands for nothing
        people read and is NaN, as standard errors are. No row for a comparison that only one trial of several arms informs, or
        that nothing else informs.

    Examples
    --------
    >>> import vfmeta as vf
    >>> frame = {
    ...     "study": list("abcdef"), "treat1": list("BBCCCC"), "treat2": list("AAAABB"),
    ...     "y": [-0.5, -0.3, -0.8, -0.6, -0.2, -0.4], "se": [0.2] * 6,
    ... }
    >>> vf.networks.split_sides(vf.network(frame, reference="A"))[["treatment", "control"]].values.tolist()
    [['B', 'A'], ['C', 'A'], ['B', 'C']]
    """
    import pandas as pd

    if not isinstance(fit, NetworkResult):
        raise InputError(f"split_sides takes a network (from vf.network), not {kind_of(fit)}.")
    net = fit.network
    pairs, matrix = fit._pairs()
    chosen, own = apart(net.trials, pairs)
    columns = ["treatment", "control", "direct", "direct_se", "indirect", "indirect_se", "difference", "difference_se",
               "difference_low", "difference_high", "statistic", "df", "p_value", "tau2"]  # fmt: skip
    if not chosen or fit.k < fit.p + 1:
        return scaled(pd.DataFrame(columns=columns), fit.question, on)
    designs = [np.hstack([c, o]) for c, o in zip(net.designs(), own, strict=True)]
    y, v, whole, _ = independent([t.y for t in net.trials], [t.V for t in net.trials], designs)
    k, p = len(y), fit.p
    x = np.concatenate([np.column_stack([whole[:, :p], whole[:, p + j]]) for j in range(len(chosen))])
    rows = np.arange(len(x)).reshape(len(chosen), k)
    enough = k > p + 1
    held = fit.fixed_tau2 if fit.fixed_tau2 is not None else (0.0 if fit.method == "common" or not enough else fit.tau2)
    method: str | float = fit.method if reestimate and enough and fit.fixed_tau2 is None else held
    test = fit.test if enough else "Wald"
    fits = fit_many(np.tile(y, (len(chosen), 1)), np.tile(v, (len(chosen), 1)), x, rows, method, test)
    df = None if test == "Wald" else float(k - p - 1)
    kept = np.flatnonzero(~(fits.collinear | fits.unsettled))  # of the others nothing else informs the comparison
    beta, vb, number = fits.beta[kept], fits.vb[kept], np.array(chosen)[kept]
    of = matrix[number]
    rows = np.stack([np.pad(of, ((0, 0), (0, 1)), constant_values=end) for end in (1.0, 0.0)])  # direct and indirect
    (d, i), w = np.einsum("snj,nj->sn", rows, beta), beta[:, -1]
    d_se, i_se = np.sqrt(np.maximum(np.einsum("snj,njk,snk->sn", rows, vb, rows, optimize=True), 0.0))
    w_se = np.sqrt(vb[:, -1, -1])
    t, half = ratio(w, w_se), quantile(fit.level, df) * w_se
    values = (d, d_se, i, i_se, w, w_se, w - half, w + half, t, np.full(len(kept), np.inf if df is None else df),
              two_sided(t, df), fits.tau2[kept])  # fmt: skip
    names = {"treatment": [pairs[n][0] for n in number.tolist()], "control": [pairs[n][1] for n in number.tolist()]}
    out = names | dict(zip(columns[2:], values, strict=True))
    return _read(scaled(out, fit.question, on), fit.question, on)


def _read(frame: pd.DataFrame, question: Question, on: OnScale) -> pd.DataFrame:
    """Both sides and their difference as people read them, where ``on`` says so."""
    if on == "analysis" or not question.facts.scale.name:
        return frame
    turned: dict[str, Any] = dict.fromkeys(("direct_se", "indirect_se", "difference_se"), np.nan)
    turned |= {name: question.display(frame[name].to_numpy()) for name in ("direct", "indirect")}
    for name in ("difference", "difference_low", "difference_high"):
        turned[name] = np.exp(frame[name].to_numpy()) if question.is_ratio else np.nan
    out = frame.assign(**turned)
    out.attrs["notes"] = [NO_ERROR]
    return out


def apart(trials: Sequence[Trial], pairs: Sequence[tuple[str, str]]) -> tuple[list[int], list[np.ndarray]]:
    """Which of the pairs can be split, and what the direct evidence on each adds to the contrasts of every trial (m, pairs)."""
    joined: dict[frozenset[str], list[int]] = {}
    for i, trial in enumerate(trials):
        for a, b in combinations(trial.arms, 2):
            joined.setdefault(frozenset((a, b)), []).append(i)
    chosen = [number for number, pair in enumerate(pairs) if not _alone(trials, joined.get(frozenset(pair), []))]
    own = [np.zeros((len(t.y), len(chosen))) for t in trials]
    for j, number in enumerate(chosen):
        for i in joined[frozenset(pairs[number])]:
            own[i][:, j] = _apart(trials[i], *pairs[number])
    return chosen, own


def _alone(trials: Sequence[Trial], direct: Sequence[int]) -> bool:
    """Whether nothing can be split: no trial compares the two, or only one trial with further arms does."""
    return not direct or (len(direct) == 1 and len(trials[direct[0]].arms) > 2)


def _apart(trial: Trial, a: str, b: str) -> np.ndarray:
    """What a trial of both has of its own, in its contrasts: half on either side, one in all."""
    value = np.array([0.5 if t == a else -0.5 if t == b else 0.0 for t in trial.arms])
    return value[1:] - value[0]

"""Many networks at once, from a long table to a tidy one."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from vfmeta.core.messages import InputError, warn
from vfmeta.core.params import MethodOrCommon, Missing, Test, choice, confidence
from vfmeta.core.question import Question
from vfmeta.effects.columns import as_frame, refuse_clash, with_groups
from vfmeta.effects.long_table import LISTED, keys_of, refuse_faults, refuse_unnamed
from vfmeta.frequentist.choices import check_method
from vfmeta.frequentist.parallel import workers
from vfmeta.kernels.distributions import chi2_above
from vfmeta.kernels.regression import fit_many
from vfmeta.networks.fit import measure_of, usual
from vfmeta.networks.graph import Network
from vfmeta.networks.trials import Rows, network_of, rows_of
from vfmeta.results.frames import noted, one_scale
from vfmeta.results.wald import quantile, ratio, two_sided

if TYPE_CHECKING:
    import pandas as pd

_COLUMNS = ("treatment", "control", "estimate", "se", "ci_low", "ci_high", "statistic", "df", "p_value", "trials", "tau2", "q",
            "q_df", "q_p_value", "converged", "scale")  # fmt: skip


def network_many(
    data: Any,
    by: str | Sequence[str] = "question",
    *,
    measure: str | None = None,
    y: Any = None,
    v: Any = None,
    se: Any = None,
    se_base: Any = None,
    mean: Any = None,
    sd: Any = None,
    events: Any = None,
    n: Any = None,
    time: Any = None,
    reference: str | None = None,
    study: Any = None,
    treatment: Any = None,
    treat1: Any = None,
    treat2: Any = None,
    method: MethodOrCommon = "REML",
    tau2: float | None = None,
    test: Test = "HKSJ",
    level: float = 0.95,
    missing: Missing = "raise",
    backend: str | None = None,
    jobs: int | None = None,
) -> pd.DataFrame:
    """One network meta-analysis for every group of rows of a table, each as `network` makes it.

    Parameters
    ----------
    data : data frame (pandas, polars, pyarrow, ...) or mapping of columns
        Arms or contrasts, one a row.
    by : str or sequence of str
        Column, or columns, that say which network a row belongs to.
    measure, y, v, se, se_base, mean, sd, events, n, time, reference, study, treatment, treat1, treat2
        As for `network`: names of columns, or columns called so.
    method, tau2, test, level, missing
        As for `network`.
    backend, jobs
        A joblib backend that takes the networks in batches, and the number of its workers, as for `random_effects_many`.

    Returns
    -------
    DataFrame
        A row for every treatment of a network but its reference, networks in order of first appearance: ``by``, treatment,
        control (the reference), estimate, se, ci_low, ci_high, statistic, df (inf: normal), p_value, trials (that compare the
        two directly), tau2, q, q_df, q_p_value, converged (False: tau2 did not settle, a warning names the network, and its
        row is NaN), scale. A network without a degree of freedom has no tau2 and normal intervals.

    Raises
    ------
    InputError
        Every fault with its network.

    Examples
    --------
    >>> import vfmeta as vf
    >>> frame = {
    ...     "question": [1] * 3 + [2] * 3, "study": list("abcabc"), "treat1": list("BCCBCC"), "treat2": list("AABAAB"),
    ...     "y": [-0.5, -0.8, -0.2, -0.4, -0.9, -0.6], "se": [0.2] * 6,
    ... }
    >>> vf.network_many(frame, reference="A")["treatment"].tolist()
    ['B', 'C', 'B', 'C']
    """
    import pandas as pd

    level, test = confidence(level), choice("test", test, Test)
    found = check_method(method, tau2)
    missing = choice("missing", missing, Missing)
    keys, frame = keys_of(by), as_frame(data)
    refuse_unnamed(frame, keys, (), "networks")
    refuse_clash(keys, _COLUMNS)
    given = {
        "study": study, "treatment": treatment, "mean": mean, "sd": sd, "n": n, "events": events, "time": time, "y": y,
        "se": se, "se_base": se_base, "v": v, "treat1": treat1, "treat2": treat2,
    }  # fmt: skip
    given = usual(given, frame, measure)
    asked = measure_of(measure, given, None)
    rows = rows_of(given, frame, asked, missing)
    heads = with_groups(frame.iloc[rows.kept], keys)
    where = list(heads.reset_index(drop=True).groupby(keys, sort=False, observed=True).indices.items())
    where.sort(key=lambda x: x[1][0])
    names = [name if isinstance(name, tuple) else (name,) for name, _ in where]
    said = [", ".join(f"{k} = {x}" for k, x in zip(keys, name, strict=True)) for name in names]
    groups = [rows.only(at) for _, at in where]
    choices = (asked, reference, found, test, level)
    parts = (
        _parts(groups, said, choices)
        if backend is None and jobs is None
        else _through_joblib(groups, said, choices, backend, jobs)
    )
    refuse_faults([p for part in parts for p in part[1]])
    out = pd.concat([part[0] for part in parts], ignore_index=True)
    counts = out.pop("network").to_numpy()
    if not out["converged"].all():
        bad = dict.fromkeys(said[i] for i in counts[~out["converged"].to_numpy()].tolist())
        warn(f"The iteration for tau2 did not settle for {'; '.join(list(bad)[:LISTED])}; those rows are NaN.")
    for place, key in enumerate(keys):
        values = pd.Series([name[place] for name in names])
        out.insert(place, key, values.take(counts).to_numpy())
    return noted(out.assign(scale=one_scale(Question(measure=asked), len(out))))


def _parts(
    groups: list[Rows], said: list[str], choices: tuple[Any, ...], start: int = 0
) -> list[tuple[pd.DataFrame, list[str]]]:
    """The table of these networks, and what is wrong with those that are none."""
    import pandas as pd

    measure, reference, method, test, level = choices
    nets: list[Network] = []
    problems = []
    for rows, name in zip(groups, said, strict=True):
        try:
            nets.append(network_of(rows, measure, reference))
        except InputError as error:
            problems += [f"{name}: {p}" for p in error.problems]
    if problems:
        return [(pd.DataFrame(), problems)]
    ready = [net.rows()[:3] for net in nets]
    shapes: dict[tuple[int, int], list[int]] = {}
    for i, (_, _, x) in enumerate(ready):
        shapes.setdefault(x.shape, []).append(i)
    frames = []
    for (k, p), members in shapes.items():
        ys, vs = np.stack([ready[i][0] for i in members]), np.stack([ready[i][1] for i in members])
        x, count = np.concatenate([ready[i][2] for i in members]), len(members)
        free = k > p
        own_test = test if free else "Wald"
        fits = fit_many(
            ys, vs, x, np.arange(count * k).reshape(count, k), method if free or not isinstance(method, str) else "common",
            own_test,
        )  # fmt: skip
        se = np.sqrt(np.einsum("njj->nj", fits.vb))
        settled = ~fits.unsettled
        estimate = np.where(settled[:, None], fits.beta, np.nan)
        se = np.where(settled[:, None], se, np.nan)
        df = None if own_test == "Wald" else float(k - p)
        half = quantile(level, df) * se
        t = ratio(estimate, se)
        tau2 = fits.tau2 if free or method == "common" or not isinstance(method, str) else np.full(count, np.nan)
        frames.append(pd.DataFrame({
            "network": np.repeat(np.array(members) + start, p), "treatment": [t for i in members for t in nets[i].others],
            "control": [nets[i].reference for i in members for _ in range(p)], "estimate": estimate.ravel(), "se": se.ravel(),
            "ci_low": (estimate - half).ravel(), "ci_high": (estimate + half).ravel(), "statistic": t.ravel(),
            "df": np.inf if df is None else df, "p_value": two_sided(t, df).ravel(),
            "trials": [nets[i].having(t, nets[i].reference) for i in members for t in nets[i].others],
            "tau2": np.repeat(np.where(settled, tau2, np.nan), p), "q": np.repeat(fits.q if free else np.zeros(count), p),
            "q_df": k - p,
            "q_p_value": np.repeat([float(chi2_above(q, k - p)) if free else np.nan for q in fits.q.tolist()], p),
            "converged": np.repeat(settled, p),
        }))  # fmt: skip
    table = pd.concat(frames, ignore_index=True) if len(frames) > 1 else frames[0]
    return [(table.sort_values("network", kind="stable", ignore_index=True), [])]


def _through_joblib(
    groups: list[Rows], said: list[str], choices: tuple[Any, ...], backend: str | None, jobs: int | None
) -> list[tuple[pd.DataFrame, list[str]]]:
    """The same in batches through joblib."""
    from joblib import Parallel, delayed, effective_n_jobs

    with workers(backend, jobs):
        pieces = min(len(groups), 4 * max(1, effective_n_jobs()))
        edges = np.linspace(0, len(groups), pieces + 1).astype(int).tolist()
        found = Parallel()(delayed(_parts)(groups[a:b], said[a:b], choices, a) for a, b in pairwise(edges))
        return [part for own in found for part in own]


__all__ = ["network_many"]

"""Many meta-analyses at once, from a long table to a tidy one."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from vfmeta.core.messages import ConvergenceError, InputError, warn
from vfmeta.core.params import ClosedPrediction, MethodOrCommon, Missing, Test, choice
from vfmeta.core.question import Question
from vfmeta.effects.columns import refuse_clash
from vfmeta.effects.long_table import keys_of, read_long
from vfmeta.frequentist.choices import IDENTICAL, check_choices
from vfmeta.frequentist.parallel import workers
from vfmeta.frequentist.tidy import fit_columns
from vfmeta.kernels import estimators
from vfmeta.kernels.tails import NAMES
from vfmeta.results.frames import noted, one_scale

if TYPE_CHECKING:
    import pandas as pd


def random_effects_many(
    data: Any,
    by: str | Sequence[str] = "question",
    *,
    y: str = "y",
    v: str = "v",
    method: MethodOrCommon = "REML",
    tau2: float | None = None,
    test: Test = "HKSJ",
    level: float = 0.95,
    weights: str | None = None,
    missing: Missing = "raise",
    prediction: ClosedPrediction = "auto",
    tau2_limits: bool = False,
    backend: str | None = None,
    jobs: int | None = None,
) -> pd.DataFrame:
    """One random-effects meta-analysis for every group of rows of a table, each as `random_effects` makes it.

    Parameters
    ----------
    data : data frame (pandas, polars, pyarrow, ...) or mapping of columns
        One row a study.
    by : str or sequence of str
        Column, or columns, that say which meta-analysis a row belongs to.
    y, v, weights : str
        Columns with the effects, their sampling variances, and fixed weights if there are any.
    method, tau2, test, level
        As for `random_effects`; ``method="common"`` gives the common-effect model.
    prediction : {"auto", "fitted", "HTS", "Partlett-Riley"}
        As for `random_effects`.
    tau2_limits : bool
        Whether to add the Q-profile interval of tau2, columns ``tau2_low`` and ``tau2_high`` (NaN where it is empty).
    missing : {"raise", "drop"}
        What to do about rows without ``y`` or ``v``.
    backend : str, optional
        A joblib backend ("loky", "threading", "dask", ...) that takes the meta-analyses in batches. Left out, compiled loops
        run on every core of this process. The numbers are the same whatever is chosen. With "dask" the batches go to the
        cluster of the current client (``pip install "dask[distributed]"``; vfmeta must be installed on the workers)::

            from dask.distributed import Client
            with Client("scheduler:8786"):  # or Client(n_workers=2) for workers on this machine
                table = vf.random_effects_many(frame, by="question", backend="dask")

        In a script, put this under ``if __name__ == "__main__":``, since local workers import the script anew.
    jobs : int, optional
        Number of joblib workers; all of the backend's when left out.

    Returns
    -------
    DataFrame
        One row a group, in order of first appearance: ``by``, k, estimate, se, ci_low, ci_high, statistic, df (NaN: normal),
        p_value, prediction_low, prediction_high, tau2, i2 (percent), h2, q, q_df, q_p_value. A group of one study stands for
        itself (Wald interval; tau2, i2, h2 NaN); NaN in the prediction interval says that it is undefined. ``scale`` names what
        the estimates are on. Last come what
        `random_effects` would warn of, in short: ``notes`` (a categorical of texts, "" where there is nothing to say),
        ``zero_width`` (all effects are identical but for rounding, so that the Hartung-Knapp interval has no width and p
        means nothing) and ``converged`` (False: tau2 did not settle, a warning names the group, and its row is NaN).

    Raises
    ------
    InputError
        Every fault with its row (counted from 1) and column; a backend that is unknown, or "dask" without a client.

    Examples
    --------
    >>> import vfmeta as vf
    >>> frame = {"question": ["a", "a", "b", "b"], "y": [-0.5, -0.3, 0.1, 0.2], "v": [0.04, 0.02, 0.05, 0.04]}
    >>> vf.random_effects_many(frame, by="question")["k"].tolist()
    [2, 2]
    """
    import pandas as pd

    asked = check_choices("random", method, tau2, test, level, prediction, weights=weights)
    if asked.prediction == "bootstrap":
        raise InputError('prediction="bootstrap" is made one meta-analysis at a time; use vf.random_effects for it.')
    estimator, test, prediction = asked.method, choice("test", test, Test), asked.prediction
    missing = choice("missing", missing, Missing)
    keys = keys_of(by)
    roles = {"y": y, "v": v} | ({"weights": weights} if weights is not None else {})
    long = read_long(data, keys, roles, missing)
    data, columns, order, start, heads = long.frame, long.columns, long.order, long.start, long.heads
    k = start[1:] - start[:-1]
    wants = estimators.PROFILE if tau2_limits else 0
    arrays = (columns["y"], columns["v"], order, start, estimator, columns.get("weights"), float(level), wants)
    # one piece: the system hands out memory page by page, which would cost as much as a third of the fits
    width = estimators.columns(wants)
    block = np.empty((width + len(NAMES), len(k)))
    out = _fit(*arrays, out=block[:width]) if backend is None and jobs is None else _through_joblib(arrays, backend, jobs)

    converged = ~np.isnan(out[:, 0])
    if not converged.all():
        converged |= k == 1  # a single study has no tau2
    lost = None if converged.all() else ~converged
    if lost is not None:
        warn(f"The iteration for tau2 did not settle for {long.named(keys, lost)}; those rows are NaN.")
        out[lost, 1:5] = np.nan
    model = "common" if estimator == "common" else "random"
    values = fit_columns(
        out, k, model, test, level,
        prediction=prediction if model == "random" else None, estimated=isinstance(estimator, str),
        room=block[width:],
    )  # fmt: skip
    refuse_clash(keys, [*values, "tau2_low", "tau2_high", "scale", "notes", "zero_width", "converged"])
    table: dict[str, Any] = {key: data[key].take(heads).to_numpy() for key in keys} | values
    if tau2_limits:
        table |= {"tau2_low": out[:, 7], "tau2_high": out[:, 8]}
    checked = [values[c] for c in ("estimate", "se", "ci_low", "ci_high", "p_value", "q")]
    broken = ~np.isfinite(checked[0])
    for column in checked[1:]:
        broken |= ~np.isfinite(column)
    if lost is not None:
        broken &= converged
    if broken.any():
        raise InputError(
            "Effects and variances span more orders of magnitude than double precision holds, for "
            f"{long.named(keys, broken)}; rescale y and v."
        )
    table["scale"] = one_scale(Question(), len(k))  # a long table says no measure
    return noted(pd.DataFrame(table | _flags(out, k, test, converged, tau2_limits), copy=False))


_NOTES = (
    "one study, nothing was pooled", "two studies, the heterogeneity is all but unknown", "Hartung-Knapp q below 1",
    "all effects are identical, the interval has width zero and is no certainty", "the interval of tau2 is empty",
    "tau2 did not settle",
)  # fmt: skip


def _flags(out: np.ndarray, k: np.ndarray, test: str, converged: np.ndarray, tau2_limits: bool) -> dict[str, Any]:
    """What `random_effects` would warn of, of many pools: one bit a note, and one category for each set of bits met."""
    import pandas as pd

    bits = np.uint8(1) * (k == 1) + np.uint8(2) * (k == 2)
    zero = np.zeros(len(k), dtype=bool)
    if test == "HKSJ":
        factor = out[:, 4]  # NaN of a single study is below nothing
        zero = factor < IDENTICAL
        bits += np.uint8(4) * (factor < 1 - 1e-9) + np.uint8(8) * zero
    if tau2_limits:
        bits += np.uint8(16) * (np.isnan(out[:, 7]) & (k > 1))
    bits += np.uint8(32) * ~converged
    met = np.flatnonzero(np.bincount(bits, minlength=64))
    place = np.zeros(64, dtype=np.int8)
    place[met] = np.arange(len(met))
    texts = ["; ".join(note for j, note in enumerate(_NOTES) if b >> j & 1) for b in met.tolist()]
    notes = pd.Categorical.from_codes(place[bits], dtype=pd.CategoricalDtype(texts))
    return {"notes": notes, "zero_width": zero, "converged": converged}


def _fit(
    y: np.ndarray, v: np.ndarray, order: np.ndarray | None, start: np.ndarray, tau2: str | float, weights: np.ndarray | None,
    level: float, wants: int, threads: int | None = None, out: np.ndarray | None = None,
) -> np.ndarray:  # fmt: skip
    with np.errstate(over="ignore", invalid="ignore"):
        try:
            return estimators.fit_ragged(
                y, v, order, start, tau2, weights=weights, level=level, wants=wants, threads=threads, out=out
            )
        except ConvergenceError as error:  # of some; they are NaN, and said to be
            return error.found


def _through_joblib(arrays: tuple[Any, ...], backend: str | None, jobs: int | None) -> np.ndarray:
    """The same fits in batches through joblib, each batch with its own studies only."""
    from joblib import Parallel, delayed, effective_n_jobs

    y, v, order, start, tau2, weights, level, wants = arrays
    groups = len(start) - 1
    with workers(backend, jobs):
        pieces = min(groups, 4 * max(1, effective_n_jobs()))
        edges = np.linspace(0, groups, pieces + 1).astype(int)
        tasks = []
        for low, high in pairwise(edges.tolist()):
            rows = slice(start[low], start[high]) if order is None else order[start[low] : start[high]]
            tasks.append(delayed(_fit)(
                y[rows], v[rows], None, start[low : high + 1] - start[low], tau2, None if weights is None else weights[rows],
                level, wants, 1,
            ))  # fmt: skip
        return np.concatenate(Parallel()(tasks))

"""Which studies an answer hangs on: each left out in turn, or added one by one, the same model fitted to the rest."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from vfmeta.appraisal.refits import Part, Refit, order_of, refit_of
from vfmeta.core.messages import ConvergenceError, InputError, VfmetaWarning, warn
from vfmeta.core.params import OnScale
from vfmeta.frequentist.after import omitting
from vfmeta.frequentist.multivariate import deletion
from vfmeta.frequentist.multivariate.result import MultivariateResult
from vfmeta.results.frames import noted, scaled

if TYPE_CHECKING:
    import pandas as pd


def leave_one_out(fit: Any, cluster: Any = None, *, on: OnScale = "analysis") -> pd.DataFrame:
    """The same model without each study in turn.

    Parameters
    ----------
    fit : fit or posterior
        Of any model: a pool of effects or of counts, a regression, subgroups, `multivariate`, or a posterior of
        ``vf.bayes.random_effects``, ``vf.bayes.sample`` or ``vf.bayes.meta_regression``, solved exactly each time. Its choices
        (estimator, test, level, weights, priors) are kept.
    cluster : column name or sequence of k values, optional
        For `multivariate`: what is left out together, such as a trial with all its effects; single effects when left out.
    on : {"analysis", "read"}
        Scale of the effects: that of the analysis, or the one people read (ratios as ratios).

    Returns
    -------
    DataFrame
        One row a study, in the order of the fit: ``study`` (the one left out), k, and the columns of the fit's ``to_frame``: of
        a pool of effects estimate, se, ci_low, ci_high, statistic, df, p_value, tau2, i2, h2, q, q_df, q_p_value, as in
        `random_effects_many`, and scale. Of a model with several coefficients or groups a row for each, named by ``term``; from
        `multivariate` with every variance and correlation. Where the model cannot be fitted without a study, its row is empty
        and a warning names it. How well the others predict each study is told by ``vf.bayes.leave_one_out``.

    Raises
    ------
    InputError
        One study only, or an answer that is not fitted again (such as sampled draws); the message says what to ask instead.

    Examples
    --------
    >>> import vfmeta as vf
    >>> fit = vf.random_effects(y=[-0.5, -0.3, -0.8], se=[0.2, 0.15, 0.3], study=["A", "B", "C"], test="Wald")
    >>> vf.leave_one_out(fit)["estimate"].round(2).tolist()
    [-0.48, -0.59, -0.37]
    """
    if isinstance(fit, MultivariateResult):
        found = deletion.leave_out(fit, cluster)
        return _of(fit, scaled(found, fit.question, on, slopes=np.tile(fit.slopes, len(found) // len(fit.terms))), "Without")
    if cluster is not None:
        raise InputError("cluster= is for fits of vf.multivariate; a study here is one effect.")
    refit = refit_of(fit)
    k = len(refit.labels)
    if k < 2:
        raise InputError("One study only: leaving it out leaves nothing to pool.")
    if omitting.serves(fit):
        return _of(fit, noted(scaled(omitting.leave_out(fit), fit.question, on)), "Without")
    every = np.arange(k)
    return _of(fit, _walk(fit, refit, refit.labels, [np.delete(every, i) for i in range(k)], "without", on), "Without")


def cumulative(fit: Any, order: Sequence[Any] | None = None, *, on: OnScale = "analysis") -> pd.DataFrame:
    """The same model of the first study, the first two, ... (Lau et al. 1992, NEJM 327:248-254).

    Parameters
    ----------
    fit : fit or posterior
        Of any model that `leave_one_out` takes, but for `multivariate`; its choices are kept.
    order : sequence of k labels or of k positions (from 0), optional
        Every study once, in the order they are added, as ``np.argsort(year)`` gives it; the order of the fit when left out.
    on : {"analysis", "read"}
        Scale of the effects, as of `leave_one_out`.

    Returns
    -------
    DataFrame
        ``study`` (the one added) and the columns of `leave_one_out`. The first row of a pool of effects is the first study
        itself; where a model needs more studies its row is empty and a warning names it.

    Examples
    --------
    >>> import vfmeta as vf
    >>> fit = vf.common_effect(y=[-0.5, -0.3, -0.8], se=[0.2, 0.15, 0.3], study=["A", "B", "C"])
    >>> vf.cumulative(fit, ["C", "A", "B"])["k"].tolist()
    [1, 2, 3]
    """
    refit = refit_of(fit)
    steps = order_of(refit.labels, order)
    if omitting.serves(fit):
        return _of(fit, noted(scaled(omitting.cumulate(fit, steps), fit.question, on)), "Added")
    names = [refit.labels[i] for i in steps.tolist()]
    return _of(fit, _walk(fit, refit, names, [steps[: i + 1] for i in range(len(steps))], "with studies up to", on), "Added")


def _of(fit: Any, table: pd.DataFrame, head: str) -> pd.DataFrame:
    """The table, with what a figure of it says and the numbers do not."""
    table.attrs["figure"] = {"question": fit.question.to_dict(), "level": fit.level, "head": head}
    return table


def _walk(fit: Any, refit: Refit, names: Sequence[str], parts: Sequence[Part], how: str, on: OnScale) -> pd.DataFrame:
    """The table of the model of each part, under the name of the study that makes it."""
    import pandas as pd

    # an exact posterior has no table of its own; its refits have
    whole = fit.to_frame(on=on) if hasattr(fit, "to_frame") else pd.DataFrame(index=[0])
    empty = whole[[c for c in ("part", "term", "scale") if c in whole]]
    frames, lost = [], []
    for name, part in zip(names, parts, strict=True):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", VfmetaWarning)  # what a part is warned of says nothing of the whole
                found = refit.again(part)
            frame = found.to_frame(on=on)
            if "tau2" not in frame and np.ndim(found.tau2) == 0:
                frame["tau2"] = found.tau2
        except (InputError, ConvergenceError, np.linalg.LinAlgError):
            lost.append(name)
            frame = empty.copy()
        if "k" not in frame:
            frame["k"] = len(part)
        frames.append(frame.assign(study=name))
    if len(lost) == len(names):
        raise InputError(f"The model cannot be fitted {how} any of its studies; it needs more of them.")
    if lost:
        warn(f"The model cannot be fitted {how} {', '.join(lost)}; its rows are empty there.")
    table = pd.concat(frames, ignore_index=True)
    first = [c for c in ("study", "part", "term", "k") if c in table]
    rest = [c for c in table if c not in (*first, "scale", "engine", "model", "measure")]
    return noted(table[[*first, *rest, "scale"]])

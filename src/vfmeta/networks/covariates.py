"""Network meta-regression: effects of treatments that change with a covariate of the trials."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from vfmeta.core.messages import InputError, kind_of, warn_each
from vfmeta.core.params import MethodOrCommon, OnScale, Slopes, Test, choice, confidence, is_finite
from vfmeta.effects import cells
from vfmeta.effects.design import Design
from vfmeta.frequentist.choices import check_method
from vfmeta.kernels.network import independent
from vfmeta.networks.fit import regressed
from vfmeta.networks.result import NetworkResult, TreatmentsResult

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class NetworkRegression(TreatmentsResult):
    """A network whose effects change with a covariate. ``terms`` are the treatments but the ``reference`` and then the slopes.

    The effects of treatments are those at ``centre`` of the covariate; a slope is the change of an effect against the
    reference with one unit of it.

    Examples
    --------
    >>> import vfmeta as vf
    >>> frame = {
    ...     "study": list("abcdef"), "treat1": list("BBCCCC"), "treat2": list("AAAABB"),
    ...     "y": [-0.5, -0.3, -0.8, -0.6, -0.2, -0.4], "se": [0.2] * 6,
    ... }
    >>> net = vf.network(frame, reference="A")
    >>> fit = vf.networks.regression(net, {"a": 1, "b": 3, "c": 2, "d": 4, "e": 2, "f": 5}, name="weeks")
    >>> fit.terms
    ('B', 'C', 'weeks')
    """

    engine: ClassVar[str] = "network_regression"

    centre: float
    covariate: str
    common_slope: bool

    @property
    def slopes(self) -> np.ndarray:
        """Which coefficients are slopes, shape (p,)."""
        return np.arange(self.p) >= len(self.treatments) - 1

    @property
    def coding(self) -> np.ndarray:
        """What each treatment is in the coefficients at the centre of the covariate, shape (treatments, p)."""
        return self._coding(self.centre)

    def at(self, value: float, *, on: OnScale = "analysis") -> pd.DataFrame:
        """Every pair of treatments where the covariate has this value; columns as in `comparisons`."""
        return self._compared(self._coding(_finite("value", value)), on)

    def _coding(self, value: float) -> np.ndarray:
        others = [t for t in self.treatments if t != self.reference]
        out = np.zeros((len(self.treatments), self.p))
        for j, t in enumerate(others):
            i = self.treatments.index(t)
            out[i, j] = 1.0
            out[i, len(others) + (0 if self.common_slope else j)] = value - self.centre
        return out


def regression(
    fit: NetworkResult,
    covariate: Any,
    *,
    name: str = "covariate",
    slopes: Slopes = "common",
    centre: float | None = None,
    method: MethodOrCommon | None = None,
    tau2: float | None = None,
    test: Test | None = None,
    level: float | None = None,
) -> NetworkRegression:
    """Network meta-regression on a covariate of the trials.

    How often its tests reject and its intervals hold: ``reports/levels.md#networksregression``.

    Parameters
    ----------
    fit : NetworkResult
        From `vfmeta.network`; its trials are used.
    covariate : mapping or Series
        Value of the covariate by name of the trial; 0 and 1 make two subgroups of trials.
    name : str
        What the covariate is called.
    slopes : {"common", "independent"}
        One slope for all treatments against the reference, or one for each (Dias et al. 2013, Med Decis Making 33:618-640).
        With a common slope, effects between two treatments other than the reference do not change.
    centre : float, optional
        Where the effects of treatments are told; the mean over trials when left out.
    method, tau2, test, level
        As in `vfmeta.network`; those of the fit when left out.

    Returns
    -------
    NetworkRegression

    Raises
    ------
    InputError
        A trial without a value, a value that is no number, or slopes that the trials cannot tell apart.

    Examples
    --------
    >>> import vfmeta as vf
    >>> frame = {
    ...     "study": list("abcdef"), "treat1": list("BBCCCC"), "treat2": list("AAAABB"),
    ...     "y": [-0.5, -0.3, -0.8, -0.6, -0.2, -0.4], "se": [0.2] * 6,
    ... }
    >>> net = vf.network(frame, reference="A")
    >>> fit = vf.networks.regression(net, {"a": 1, "b": 3, "c": 2, "d": 4, "e": 2, "f": 5}, name="weeks")
    >>> len(fit.at(4.0))
    3
    """
    if not isinstance(fit, NetworkResult):
        raise InputError(f"regression takes a network (from vf.network), not {kind_of(fit)}.")
    if fit.network.pooled:
        raise InputError("Mantel-Haenszel pools trials with different values of a covariate; fit vf.network(...) to the arms.")
    slopes = choice("slopes", slopes, Slopes)
    held = fit.fixed_tau2 if method is None and tau2 is None else tau2
    chosen = check_method(fit.method if method is None and held is None else method or "REML", held)
    net = fit.network
    values = _values(covariate, [t.label for t in net.trials])
    middle = float(values.mean()) if centre is None else _finite("centre", centre)
    common = slopes == "common"
    designs = []
    for t, x in zip(net.trials, values - middle, strict=True):
        own = net.coding(t)
        designs.append(np.hstack([own, x * (own.sum(axis=1, keepdims=True) if common else own)]))
    ys, vs, x, _ = independent([t.y for t in net.trials], [t.V for t in net.trials], designs)
    terms = (*net.others, *([name] if common else [f"{name}:{t}" for t in net.others]))
    if len(set(terms)) < len(terms):
        raise InputError(f"name={name!r} is the name of a treatment; choose another.")
    body = regressed(
        net, fit.question, (ys, vs, Design(x, terms, None)),
        (chosen, fit.test if test is None else choice("test", test, Test), fit.level if level is None else confidence(level)),
    )  # fmt: skip
    body["call"] = {**body["call"], "function": "networks.regression", "slopes": slopes}
    result = NetworkRegression(**body, reference=fit.reference, network=net, centre=middle, covariate=name, common_slope=common)
    warn_each(result.warnings)
    return result


def _finite(name: str, value: Any) -> float:
    if not is_finite(value):
        raise InputError(f"{name}={value!r} must be a finite number, in the unit of the covariate.")
    return float(value)


def _values(covariate: Any, trials: list[str]) -> np.ndarray:
    """The covariate of each trial, by name; what is missing, unknown or no number is named."""
    given: dict[Any, Any] = {}
    if isinstance(covariate, Mapping) or hasattr(covariate, "to_dict"):
        given = dict(covariate if isinstance(covariate, Mapping) else covariate.to_dict())
    else:
        raise InputError(
            'covariate= takes a value by name of the trial, such as {"Clark 2016": 6.0} or a Series with that index.'
        )
    by_name = {cells.label(k): x for k, x in given.items()}
    problems = [f"{t}: the covariate has no value; give one, or leave the trial out." for t in trials if t not in by_name]
    problems += [f"{t!r} is no trial of the network." for t in by_name if t not in trials]
    if problems:
        raise InputError(problems)
    out = cells.numbers(cells.column([by_name[t] for t in trials], "covariate"), "covariate", trials, problems)
    cells.gaps({"covariate": np.isnan(out)}, trials, problems)
    if problems:
        raise InputError(list(dict.fromkeys(problems)))
    return out

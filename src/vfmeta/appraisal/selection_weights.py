"""Which results are selected: the weight function that was asked for, checked and put into words."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from vfmeta.core.messages import InputError
from vfmeta.core.params import is_finite
from vfmeta.kernels.selection_functions import Curve, Steps, at_cut, steps
from vfmeta.text import numbers as tx

_PRESETS = {"3PSM": (0.025,), "4PSM": (0.025, 0.5)}


@dataclass(frozen=True)
class Chosen:
    """A weight function with its cuts, the favoured side (``sign``), given weights or None, and "no difference"."""

    model: str
    cuts: tuple[float, ...]
    two_sided: bool
    sign: int
    fixed: np.ndarray | None
    null: float

    @property
    def stepped(self) -> bool:
        """Whether weights belong to intervals."""
        return self.model in ("step", "truncated")

    @property
    def terms(self) -> tuple[str, ...]:
        """Names of the weights or parameters."""
        if self.model == "truncated":
            beyond, below = (">", "<=") if self.sign > 0 else ("<", ">=")
            return f"effect {beyond} {self.cuts[0]:g}", f"effect {below} {self.cuts[0]:g}"
        if self.model != "step":
            return ("delta1", "delta2") if self.model in ("beta", "negative exponential power") else ("delta1",)
        ends = [*self.cuts, 1.0]
        first = f"p <= {ends[0]:g}"
        middle = [f"{a:g} < p <= {b:g}" for a, b in itertools.pairwise(ends[:-1])]
        return (first, *middle, f"p > {ends[-2]:g}")

    @property
    def without_selection(self) -> np.ndarray:
        """What each weight or parameter is where nothing is selected."""
        if self.model == "negative exponential power":
            return np.array([0.0, np.nan])
        return np.full(len(self.terms), 1.0 if self.stepped or self.model == "beta" else 0.0)

    def words(self, favoured: str) -> str:
        """The function in words."""
        side = "two-sided p" if self.two_sided else f"one-sided p towards {favoured} effects"
        if self.model == "truncated":
            return f"distribution truncated at {self.cuts[0]:g}, {favoured} effects favoured"
        if self.model == "step":
            listed = ", ".join(f"{c:g}" for c in self.cuts)
            return f"step function of the {side}, {'cut' if len(self.cuts) == 1 else 'cuts'} at {listed}"
        cut = f", constant below {self.cuts[0]:g} and above {self.cuts[1]:g}" if self.cuts else ""
        return f"{self.model} function of the {side}{cut}"

    def p_values(self, y: np.ndarray, v: np.ndarray) -> np.ndarray:
        """P values by which studies are selected."""
        from scipy.special import ndtr

        z = (y - self.null) / np.sqrt(v)
        return 2 * ndtr(-np.abs(z)) if self.two_sided else ndtr(-self.sign * z)

    def chance(self, p: np.ndarray, delta: np.ndarray, limit: float) -> np.ndarray:
        """Weight at p, relative to that of the most favoured p where it has an end."""
        if self.model == "truncated":
            raise InputError("A truncated distribution selects by the effect, not by p.")
        if self.model == "step":
            return delta[np.searchsorted(np.array(self.cuts), p, side="left")]
        if self.cuts:
            p = np.clip(p, self.cuts[0], self.cuts[1])
        with np.errstate(divide="ignore"):
            d = delta
            if self.model == "beta":
                return p ** (d[0] - 1) * (1 - p) ** (d[1] - 1)
            if self.model == "half-normal":
                return np.exp(-d[0] * p**2)
            if self.model == "negative exponential":
                return np.exp(-d[0] * p)
            if self.model == "logistic":
                return 2 * np.exp(-d[0] * p) / (1 + np.exp(-d[0] * p))
            if self.model == "power":
                return (1 - p) ** d[0]
            return p**limit if math.isinf(d[1]) else np.exp(-d[0] * p ** (1 / d[1]))


def check(model: str, cuts: Any, two_sided: bool, delta: Any) -> tuple[str, tuple[float, ...] | None, np.ndarray | None]:
    """Name, cuts (None: to be estimated) and given weights; every fault in words."""
    given = None if cuts is None or isinstance(cuts, str) else _numbers("cuts", cuts)
    if not isinstance(two_sided, (bool, np.bool_)):
        raise InputError(f"two_sided={two_sided!r} must be true or false.")
    if two_sided and model not in ("step", "3PSM", "4PSM"):
        raise InputError(f"two_sided=True is for step functions; a {model} function is of the one-sided p.")
    if model in _PRESETS:
        if given is not None:
            raise InputError(f'model={model!r} has its cuts; for others use model="step".')
        model, given = "step", _PRESETS[model]
    found: tuple[float, ...] | None
    if model == "step":
        found = (0.025,) if given is None else tuple(c for c in given if c != 1)
        if isinstance(cuts, str) or not found or any(not 0 < c < 1 for c in found) or list(found) != sorted(set(found)):
            raise InputError(f"cuts={cuts!r}: give rising p values between 0 and 1, such as (0.025, 0.5).")
        number = len(found) + 1
    elif model == "truncated":
        if (isinstance(cuts, str) and cuts != "estimate") or (given is not None and len(given) != 1):
            raise InputError(f'cuts={cuts!r}: a truncated distribution has one cut, an effect such as 0, or "estimate".')
        found = None if cuts == "estimate" else () if given is None else given
        number = 2
    else:
        if cuts is not None and (model != "beta" or given is None or len(given) != 2 or not 0 < given[0] < given[1] < 1):
            raise InputError(
                f"cuts={cuts!r}: a beta function takes two p values between which it bends, such as (0.001, 0.999)."
                if model == "beta" else f"A {model} function has no cuts; leave cuts= out."
            )  # fmt: skip
        found = given or ()
        number = 2 if model in ("beta", "negative exponential power") else 1
    return model, found, _given(model, delta, number)


def _given(model: str, delta: Any, number: int) -> np.ndarray | None:
    if delta is None:
        return None
    values = np.array(_numbers("delta", delta))
    stepped = model in ("step", "truncated")
    if len(values) != number or (values < 0).any() or (stepped and values[0] != 1):
        what = f"{number} weights, the first of them 1 and none negative" if stepped else f"{number} parameters, none negative"
        raise InputError(f"delta={delta!r}: a {model} function takes {what}.")
    if model == "negative exponential power" and values[1] == 0:
        raise InputError("delta: the second parameter of a negative exponential power function must be above 0.")
    return values


def _numbers(name: str, values: Any) -> tuple[float, ...]:
    listed = [values] if np.ndim(values) == 0 else list(values)
    if not listed or not all(is_finite(x) for x in listed):
        raise InputError(f"{name}={values!r} must be a number or several.")
    return tuple(float(x) for x in listed)


def build(chosen: Chosen, y: np.ndarray, v: np.ndarray) -> tuple[np.ndarray, Steps | Curve, np.ndarray]:
    """Effects turned so that large ones are favoured, the weight function, and how many studies each weight has."""
    turned = chosen.sign * (y - chosen.null)
    function: Steps | Curve
    if chosen.model == "truncated":
        cut = chosen.sign * (chosen.cuts[0] - chosen.null)
        function = replace(at_cut(turned, cut, turned <= cut), fixed=chosen.fixed)
    elif chosen.model == "step":
        function = steps(turned, v, chosen.cuts, chosen.two_sided, chosen.fixed)
    else:
        return (
            turned,
            Curve(chosen.model, (chosen.cuts[0], chosen.cuts[1]) if chosen.cuts else None, chosen.fixed),
            np.full(len(chosen.terms), np.nan),
        )
    return turned, function, np.bincount(function.own, minlength=len(chosen.terms)).astype(float)


def edge_notes(chosen: Chosen, found: Any, first: int, counts: Sequence[float]) -> list[str]:
    """What stands at an edge, and why."""
    notes, delta = [], found.delta
    at = [j - first for j in found.edges if j >= first]
    if chosen.stepped and chosen.fixed is None:
        empty = [t for t, n in zip(chosen.terms, counts, strict=True) if n == 0]
        if counts[0] == 0:
            notes.append(
                f"No study has {empty[0]}, where the weight is 1: the other weights, relative to it, cannot be estimated. The "
                "mean and tau2 are those of studies that are seen only where some were."
            )
        elif empty:
            notes.append(
                f"No study has {' or '.join(empty)}: such a weight cannot be estimated. The likelihood is highest at 0, as if "
                "no such study were ever seen."
            )
    elif at:
        if chosen.model == "beta":
            which = " and ".join(chosen.terms[j] for j in at)
            ends = [x for j in at if (x := delta[j]) > 100]
            notes.append(
                "The beta function tends to a spike: the p values are too alike for it; nothing of it is an estimate."
                if ends else
                f"The likelihood is highest at the edge of {which}, beyond which the integral of the most precise study "
                "diverges: there is no maximum inside and no standard error of it."
            )  # fmt: skip
        elif chosen.model == "negative exponential power":
            notes.append(
                f"delta1 and delta2 tend to infinity: the weight tends to p^{tx.short(found.limit)}."
                if math.isfinite(found.limit) and found.limit != 0
                else "The weight function tends to one without selection, or to a step."
            )
        else:
            notes.append(
                "delta is estimated as 0: the fit is that without selection." if delta[0] == 0 else
                "delta grows without end: only the smallest p values would be seen."
            )  # fmt: skip
    if found.beyond > found.log_likelihood + 1e-6:
        notes.append(
            "The likelihood is higher still where the mean, and tau2 with it, leave the data behind "
            f"(by {tx.short(found.beyond - found.log_likelihood)}): the estimates are the highest maximum, but the data do not "
            "hold the model."
        )
    return notes

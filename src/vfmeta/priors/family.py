"""What every prior is: a family in a file of its own, with the same verbs and with its formula written once.

All scales are on the analysis scale of the effects. Every family of tau says whether it is stated on tau or on tau2; the
arithmetic is on tau throughout. To add a family, write one class in one file and name it in ``vfmeta.priors``.
"""

from __future__ import annotations

import inspect
import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import MISSING, fields
from functools import cached_property
from typing import Any, ClassVar, Self

import numpy as np

from vfmeta.core.messages import InputError
from vfmeta.core.params import REACH, generator
from vfmeta.kernels import normal_mixture
from vfmeta.kernels.quadrature import Density, integrate

Components = tuple[np.ndarray, np.ndarray, np.ndarray]
_SMALLEST = -700.0  # log tau that stands for tau = 0
_made: dict[str, type[Prior]] = {}


def positive(name: str, value: float, what: str) -> None:
    """Raise unless a parameter is a positive, finite number."""
    if not _real(value) or not 0 < value < math.inf:
        raise InputError(f"{what}: {name}={value!r} must be a positive, finite number.")
    if not 1 / REACH <= value <= REACH:
        raise InputError(f"{what}: {name}={value:g} is beyond what can be computed with ({1 / REACH:g} to {REACH:g}).")


def finite(name: str, value: float, what: str) -> None:
    """Raise unless a parameter is a finite number."""
    if not _real(value) or not math.isfinite(value):
        raise InputError(f"{what}: {name}={value!r} must be a finite number.")
    if abs(value) > REACH:
        raise InputError(f"{what}: {name}={value:g} is beyond what can be computed with (at most {REACH:g}).")


def _real(value: Any) -> bool:
    try:
        return (
            not isinstance(value, (bool, np.bool_))
            and isinstance(value, (int, float, np.integer, np.floating))
            and float(value) == value
        )
    except OverflowError:  # a whole number beyond all floats
        return False


def tau_or_tau2(value: str, what: str) -> None:
    """Raise unless ``on`` names what a family is stated on."""
    if not isinstance(value, str) or value not in ("tau", "tau2"):
        raise InputError(f'{what}: on={value!r} is unknown; use "tau" or "tau2".')


def harmonic(v: np.ndarray) -> float:
    """Harmonic mean of the sampling variances."""
    return float(len(v) / np.sum(1 / np.asarray(v, dtype=float)))


def families() -> dict[str, type[Prior]]:
    """Every family by name, those made at run time included.

    Examples
    --------
    >>> import vfmeta as vf
    >>> "HalfNormal" in vf.priors.families()
    True
    """
    return {name: kind for name, kind in _made.items() if not inspect.isabstract(kind)}


def from_dict(data: Mapping[str, Any]) -> Prior:
    """The prior that `Prior.to_dict` wrote.

    Examples
    --------
    >>> import vfmeta as vf
    >>> prior = vf.priors.HalfNormal(0.5)
    >>> vf.priors.from_dict(prior.to_dict()) == prior
    True
    """
    given = dict(data)
    family = given.pop("family", None)
    if family not in families():
        raise InputError(f"family {family!r} is no prior; use one of {', '.join(families())}.")
    return families()[family](**given)


class Prior(ABC):
    """A prior with its verbs; ``v`` (k,), the sampling variances, serves the families that rest on them (``uses_v``)."""

    proper: ClassVar[bool] = True
    uses_v: ClassVar[bool] = False

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if not cls.__name__.startswith("_"):
            _made[cls.__name__] = cls

    @property
    @abstractmethod
    def words(self) -> str:
        """The prior in words, such as "tau ~ half-normal(1)"."""

    def __str__(self) -> str:
        note = getattr(self, "note", "")
        return f"{self.words} ({note})" if note else self.words

    def to_dict(self) -> dict[str, Any]:
        """Family and parameters as plain data; `from_dict` reads it back."""
        return {"family": type(self).__name__, **{n: list(x) if isinstance(x, tuple) else x for n, x in self._said().items()}}

    def _said(self) -> dict[str, Any]:
        """Parameters that are not at their defaults."""
        stated = {f.name: (getattr(self, f.name), f.default) for f in fields(self) if f.init}  # type: ignore[arg-type]
        return {name: x for name, (x, usual) in stated.items() if usual is MISSING or x != usual}

    @abstractmethod
    def log_density(self, x: Any, v: np.ndarray | None = None) -> np.ndarray:
        """Log density at ``x`` (any shape), up to a constant when improper."""

    def density(self, x: Any, v: np.ndarray | None = None) -> np.ndarray:
        """Density at ``x`` (any shape)."""
        return np.exp(self.log_density(x, self._known(v)))

    def cdf(self, x: Any, v: np.ndarray | None = None) -> np.ndarray:
        """Prior probability below ``x`` (any shape)."""
        return np.asarray(self._cdf(np.asarray(x, dtype=float), self._known(v)))

    def quantile(self, p: Any, v: np.ndarray | None = None) -> np.ndarray:
        """The value below which prior probability ``p`` (any shape, 0 < p < 1) lies.

        Raises
        ------
        InputError
            A probability that is none, an improper prior, or one that rests on the variances and ``v`` was not given.
        """
        prob = np.asarray(p, dtype=float)
        if not np.all((prob > 0) & (prob < 1)):
            raise InputError(f"p={p!r}: probabilities must lie between 0 and 1.")
        return np.asarray(self._quantile(prob, self._known(v)))

    def median(self, v: np.ndarray | None = None) -> float:
        """The value that is passed with prior probability one half."""
        return float(self.quantile(0.5, v))

    def draw(self, n: int, seed: Any = 1, v: np.ndarray | None = None) -> np.ndarray:
        """Independent draws (n,); ``seed`` is a number or a numpy generator."""
        return self.quantile(generator(seed).random(n), v)

    @abstractmethod
    def _cdf(self, x: np.ndarray, v: np.ndarray) -> np.ndarray: ...

    @abstractmethod
    def _quantile(self, p: np.ndarray, v: np.ndarray) -> np.ndarray: ...

    def _known(self, v: np.ndarray | None) -> np.ndarray:
        if not self.proper:
            raise InputError(f"{self} has no finite total, so it has no quantiles; name a proper prior.")
        return self._variances(v)

    def _variances(self, v: np.ndarray | None) -> np.ndarray:
        if self.uses_v and v is None:
            raise InputError(f"{self} rests on the sampling variances of the studies; pass them as v=.")
        return np.ones(1) if v is None else np.asarray(v, dtype=float)

    @property
    def graph(self) -> tuple[Any, ...]:
        """What of the prior shapes a PyMC graph; priors of one graph differ in `data` only."""
        return type(self).__name__, self.proper

    def data(self, name: str, v: np.ndarray | None = None) -> dict[str, np.ndarray]:
        """Values of the data containers under the variable ``name`` of `pymc`, so that one graph serves a whole family.

        Raises
        ------
        InputError
            The prior has no counterpart in PyMC, or rests on sampling variances where the model has none.
        """
        if self.uses_v and v is None:
            raise InputError(
                f"{self} rests on the sampling variances of the studies, which this model does not have (it takes the counts "
                "or outcomes themselves); name a prior with a scale of its own, such as vf.priors.HalfNormal(scale)."
            )
        return {f"{name}_{part}": np.asarray(x, dtype=float) for part, x in self._data(v).items()}

    def _data(self, v: Any) -> Mapping[str, Any]:
        return {n: x for n, x in self._said().items() if not isinstance(x, str)}

    def pymc(self, name: str, v: np.ndarray | None = None) -> Any:
        """The PyMC variable ``name`` with this prior, inside a model, on the containers of `data` (declared where missing).

        Where a family is stated on another quantity (tau2, log tau, a shrinkage) that one is the random variable and ``name``
        is computed from it.
        """
        import pymc as pm

        there = pm.modelcontext(None).named_vars
        named = self.data(name, v)
        given = {n.removeprefix(f"{name}_"): there[n] if n in there else pm.Data(n, x) for n, x in named.items()}
        return self._pymc(pm, name, given)

    @abstractmethod
    def _pymc(self, pm: Any, name: str, given: dict[str, Any]) -> Any:
        """Declare the variable from its containers, named as in `_data`."""


class TauPrior(Prior):
    """A prior on tau >= 0.

    A family states its ``formula`` with ``parameters`` and ``constant``. ``tail`` is the a of a density that falls as
    tau^(-1-a): it decides which posteriors and moments exist. ``high`` is the end of the support, ``size`` a typical value
    where the search for the posterior may start. A published prior is refused on any effect measure but its own. A family
    that overrides `log_density` instead of stating a formula is solved by panels in numpy.

    Examples
    --------
    >>> import vfmeta as vf
    >>> isinstance(vf.priors.HalfNormal(1), vf.priors.TauPrior)
    True
    """

    measure: str = ""  # the effect measure a published prior is for; empty for any

    @property
    def tail(self) -> float:
        return math.inf

    @property
    def high(self) -> float:
        return math.inf

    @property
    def size(self) -> float | None:
        return None

    @staticmethod
    def formula(u: Any, t: Any, a: Any, v: Any, k: Any) -> Any:
        """Log density at t = tau, u = log tau, less the constant; see `vfmeta.kernels.formulas`."""
        raise NotImplementedError

    def parameters(self, v: np.ndarray) -> tuple[float, ...]:
        """Parameters ``a`` of the formula, three at most."""
        return ()

    def constant(self, v: np.ndarray) -> float:
        """What of the log density does not hang on tau; 0 for an improper one."""
        return 0.0

    def scaled(self, by: float) -> Self | None:
        """The prior of ``by`` times tau; itself where variances carry the unit, None where the family does not say."""
        return self if self.uses_v else None

    def log_density(self, x: Any, v: np.ndarray | None = None) -> np.ndarray:
        t, v = np.asarray(x, dtype=float), self._variances(v)
        inside = (t >= 0) & (t <= self.high * (1 + 1e-12))
        t = np.where(inside, t, 0.0)
        with np.errstate(divide="ignore", over="ignore"):
            inner = self.formula(np.maximum(np.log(t), _SMALLEST), t, self.parameters(v), v, len(v))
        return np.where(inside, inner + self.constant(v), -np.inf)

    def coded(self, v: np.ndarray) -> np.ndarray | None:
        """Parameters, address of the formula, and constant, (5,), for the compiled kernel; None where there is no formula."""
        if self.formula is TauPrior.formula:
            return None
        from vfmeta.kernels.formulas import address

        a = (*self.parameters(v), 0.0, 0.0, 0.0)[:3]
        return np.array([*a, address(self.formula), self.constant(v)], dtype=float)

    def _solved(self, v: np.ndarray) -> Density:
        start = [self.size or float(np.sqrt(v.min()))]
        return integrate(lambda t: self.log_density(t, v), lambda t: np.zeros(len(t)), start, self.high)

    def _cdf(self, x: np.ndarray, v: np.ndarray) -> np.ndarray:
        return self._solved(v).cdf(x)

    def _quantile(self, p: np.ndarray, v: np.ndarray) -> np.ndarray:
        return self._solved(v).quantile(p)

    @property
    def faced(self) -> bool:
        """Whether the family names a distribution of PyMC; otherwise its formula makes one, its numbers part of the graph."""
        return type(self)._pymc is not TauPrior._pymc

    @property
    def graph(self) -> tuple[Any, ...]:
        return (*super().graph, getattr(self, "on", ""), None if self.faced else self)

    def _data(self, v: Any) -> Mapping[str, Any]:
        if self.faced:
            return super()._data(v)
        if self.formula is TauPrior.formula or self.uses_v or not self.proper:
            raise InputError(f"{self} has no counterpart in PyMC here; use vf.bayes.random_effects, which takes any prior.")
        return {}

    def _pymc(self, pm: Any, name: str, given: dict[str, Any]) -> Any:
        """A variable from the formula, of a family that states no distribution of PyMC."""
        import pytensor.tensor as pt

        from vfmeta.priors.variables import positive_variable

        none = np.ones(1)
        a, constant = self.parameters(none), self.constant(none)

        def log_density(tau: Any, end: Any) -> Any:
            inner = self.formula(pt.log(tau), tau, a, none, 0) + constant
            return pt.switch(pt.le(tau, end), inner, -np.inf)

        def draw(end: np.ndarray, rng: np.random.Generator, size: Any) -> np.ndarray:
            return self.quantile(rng.random(size))

        return positive_variable(pm, name, log_density, (self.high,), "()->()", draw, self.median())


class MuPrior(Prior):
    """A prior of the mean effect: a mixture of normals, finite or fine, or flat.

    ``light`` says that every moment exists.

    Examples
    --------
    >>> import vfmeta as vf
    >>> isinstance(vf.priors.Normal(0, 1), vf.priors.MuPrior)
    True
    """

    uses_y: ClassVar[bool] = False
    light: ClassVar[bool] = True

    @abstractmethod
    def components(self, y: np.ndarray, v: np.ndarray) -> Components:
        """Log weights, means and precisions of the normals it consists of; a precision of 0 is flat.

        The data (k,) decide at most how far out the components have to reach.
        """

    @property
    def normal(self) -> tuple[float, float] | None:
        """Mean and precision of a prior that is one normal (precision 0: flat); None for any other."""
        return None

    @cached_property
    def _parts(self) -> Components:
        logw, mean, precision = self.components(np.zeros(1), np.ones(1))
        return np.exp(logw), mean, precision**-0.5

    def log_density(self, x: Any, v: np.ndarray | None = None) -> np.ndarray:
        return normal_mixture.log_density(np.asarray(x, dtype=float), *self._parts)

    def _cdf(self, x: np.ndarray, v: np.ndarray) -> np.ndarray:
        return normal_mixture.cdf(x, *self._parts)

    def _quantile(self, p: np.ndarray, v: np.ndarray) -> np.ndarray:
        return normal_mixture.quantile(p, *self._parts)

    def draw(self, n: int, seed: Any = 1, v: np.ndarray | None = None) -> np.ndarray:
        self._known(v)
        rng, (weight, mean, sd) = generator(seed), self._parts
        part = rng.choice(len(mean), n, p=weight)
        return mean[part] + rng.standard_normal(n) * sd[part]

"""The likelihood of one data set under its random terms: scaled, maximised, and read back."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from vfmeta.core.messages import InputError
from vfmeta.frequentist.multivariate.fixed import Given, free_parameters
from vfmeta.frequentist.multivariate.structures import CAR_END
from vfmeta.frequentist.multivariate.terms import Term
from vfmeta.kernels import linked
from vfmeta.kernels.dependent import Fit, derivatives, gls, uncertainty
from vfmeta.kernels.newton import maximise
from vfmeta.kernels.roots import ConvergenceError
from vfmeta.kernels.stacks import Basis, Curve, Flat, Stack, diagonal, flatten, marginal_blocks, stack_blocks

_SMALL = 1e-4  # change of a covariance, in units of the typical variance, of which derivatives are taken


@dataclass(frozen=True)
class Problem:
    """Effects, design, known covariance, random terms, and what of these is held at a ``given`` value; ``weights``, (k,) or
    sparse (k, k), are the user's own for the coefficients.

    Inside, y is divided by a typical standard deviation and X replaced by its orthonormal factor, so no answer depends on
    the units of y or of the moderators.
    """

    y: np.ndarray
    X: np.ndarray
    V: Any
    terms: tuple[Term, ...]
    reml: bool
    given: tuple[Given, ...] = ()
    weights: Any = None

    @property
    def k(self) -> int:
        return len(self.y)

    @cached_property
    def v(self) -> np.ndarray:
        return diagonal(self.V)

    @cached_property
    def _qr(self) -> tuple[np.ndarray, np.ndarray]:
        q, r = np.linalg.qr(self.X)
        return q, r

    @cached_property
    def _centre(self) -> np.ndarray:
        """Least squares coefficients of the orthonormal factor; what is left of y loses no digits to its level."""
        q = self._qr[0]
        first = q.T @ self.y
        return first + q.T @ (self.y - q @ first)

    @cached_property
    def _moments(self) -> tuple[float, float]:
        """Q of the residuals with weights 1 / v, and the total heterogeneity by moments with them (DerSimonian & Laird)."""
        w = 1 / self.v
        q = self._qr[0]
        wq = q * w[:, None]
        info = np.linalg.inv(q.T @ wq)
        left = self.y - q @ self._centre
        r = left - q @ (info @ (wq.T @ left))
        spread, found = float(w.sum() - np.vdot(info, wq.T @ wq)), float(w @ r**2)
        return found, (found - (self.k - q.shape[1])) / spread if spread > 0 else 0.0

    @cached_property
    def moment(self) -> float:
        """Total heterogeneity by moments, at least a twentieth of the median v."""
        return max(self._moments[1], 0.05 * self._usual)

    @cached_property
    def _usual(self) -> float:
        """The median of the sampling variances."""
        ordered = np.sort(self.v)  # np.median does more than all the rest of a small fit's start
        return float(ordered[(self.k - 1) // 2] + ordered[self.k // 2]) / 2

    def residual_q(self, beta: np.ndarray) -> float:
        """Q of the residual heterogeneity: that of the model without random effects; ``beta`` (p,) keeps its digits."""
        if self.V.ndim == 1:
            return self._moments[0]
        return gls(stack_blocks(self.y - self.X @ beta, self.X, self.V, ()), ()).rss

    @cached_property
    def scale(self) -> float:
        return math.sqrt(self._usual + self.moment)

    @cached_property
    def stacks(self) -> list[Stack]:
        return stack_blocks(*self._scaled)

    @cached_property
    def blocks(self) -> Flat | list[Stack]:
        """The independent blocks as the likelihood is summed over them."""
        return flatten(*self._scaled) or self.stacks

    @cached_property
    def slices(self) -> list[slice]:
        ends = np.cumsum([t.structure.size for t in self.terms]).tolist()
        return [slice(a, b) for a, b in zip([0, *ends[:-1]], ends, strict=True)] if ends else []

    @property
    def size(self) -> int:
        return self.slices[-1].stop if self.slices else 0

    def curves(self, u: np.ndarray) -> list[Curve]:
        return [t.structure.curve(u[s]) for t, s in zip(self.terms, self.slices, strict=True)]

    @cached_property
    def _first(self) -> tuple[np.ndarray, tuple[Fit, np.ndarray, np.ndarray, np.ndarray]]:
        """The first starting point and the derivatives there, which two checks share."""
        u = self.start
        return u, self.derivatives(u)

    @cached_property
    def _scaled(self) -> tuple[np.ndarray, np.ndarray, Any, list[Basis]]:
        residual = self.y - self._qr[0] @ self._centre
        return residual / self.scale, self._qr[0], self.V / self.scale**2, [t.basis for t in self.terms]

    @cached_property
    def linked(self) -> linked.Linked | None:
        """The terms that link what else is independent, taken apart where that costs less."""
        return linked.split(*self._scaled)

    @cached_property
    def back(self) -> np.ndarray:
        """What turns coefficients of the orthonormal factor into those of X."""
        return np.linalg.inv(self._qr[1])

    def uncertainty(self, curves: Sequence[Curve]) -> tuple[np.ndarray, np.ndarray]:
        """Derivatives of the covariance of the coefficients of the orthonormal factor in the parameters that ``curves`` move
        with (m, p, p), and the expected information of the scaled data on these (m, m).
        """
        if self.weights is None and self.linked is None:
            return uncertainty(self.blocks, curves)
        slopes = []
        for i, curve in enumerate(curves):
            for line in curve.first:
                ends = [[Curve(c.value + by * line, c.first, c.second) if j == i else c for j, c in enumerate(curves)]
                        for by in (_SMALL, -_SMALL)]  # fmt: skip
                high, low = (self._spread(x) for x in ends)
                slopes.append((high - low) / (2 * _SMALL))
        if self.linked is None:
            return np.array(slopes), uncertainty(self.blocks, curves)[1]
        return np.array(slopes), linked.derivatives(self.linked, curves, True)[3]

    def _spread(self, curves: Sequence[Curve]) -> np.ndarray:
        if self.weights is not None:
            return self._weighted(curves)[1]
        return (gls(self.blocks, curves) if self.linked is None else linked.gls(self.linked, curves)).cov

    def derivatives(self, u: np.ndarray) -> tuple[Fit, np.ndarray, np.ndarray, np.ndarray]:
        """Fit of the scaled data at u with gradient, Hessian and expected information of the log likelihood."""
        if self.linked is not None:
            return linked.derivatives(self.linked, self.curves(u), self.reml)
        return derivatives(self.blocks, self.curves(u), self.reml)

    def _gls(self, u: np.ndarray) -> Fit:
        if "gls" not in self._last or (u != self._last["gls"][0]).any():  # the end of the search is asked for again
            whole = gls(self.blocks, self.curves(u)) if self.linked is None else linked.gls(self.linked, self.curves(u))
            self._last["gls"] = u.copy(), whole
        return self._last["gls"][1]

    @cached_property
    def _last(self) -> dict[str, tuple[np.ndarray, Fit]]:
        return {}

    @cached_property
    def deleted(self) -> dict[Any, tuple[np.ndarray, ...]]:
        """What `deletion` found without each cluster, by how it was asked."""
        return {}

    def objective(self, u: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
        """Log likelihood of the scaled data with gradient and Hessian."""
        fit, gradient, hessian, _ = self._first[1] if (u == self._first[0]).all() else self.derivatives(u)
        return fit.log_likelihood(self.k, 0.0, self.reml), gradient, hessian

    def value(self, u: np.ndarray) -> float:
        """Log likelihood of the scaled data."""
        return self._gls(u).log_likelihood(self.k, 0.0, self.reml)

    def at(self, u: np.ndarray) -> tuple[Fit, float, float]:
        """The fit at u in the units of the data, and its log likelihoods, ML and REML."""
        fit = self._gls(u)
        shift = math.log(self.scale)
        p = self.X.shape[1]
        ml = fit.log_likelihood(self.k, 0.0, False) - self.k * shift
        reml = fit.log_likelihood(self.k, 0.0, True) - (self.k - p) * shift
        back = self.back
        own, spread = (fit.beta, fit.cov) if self.weights is None else self._weighted(self.curves(u))
        cov = back @ spread @ back.T * self.scale**2
        beta = back @ (own * self.scale + self._centre)
        return Fit(beta, (cov + cov.T) / 2, fit.rss, fit.logdet, fit.logdet_x), ml, reml

    @cached_property
    def lead(self) -> np.ndarray:
        """What each effect counts in the coefficients of the orthonormal factor under the user's weights, shape (k, p)."""
        q = self._qr[0]
        wq = self.weights[:, None] * q if self.weights.ndim == 1 else self.weights @ q
        return np.linalg.solve(q.T @ wq, wq.T).T

    def _weighted(self, curves: Sequence[Curve]) -> tuple[np.ndarray, np.ndarray]:
        """Coefficients of the orthonormal factor and the scaled residuals by the user's weights, and their covariance."""
        q = self._qr[0]
        cov = np.zeros((q.shape[1], q.shape[1]))
        for rows, m in marginal_blocks(self.stacks, curves):
            part = self.lead[rows]
            cov += np.einsum("bip,bij,bjq->pq", part, m, part, optimize=True)
        return self.lead.T @ ((self.y - q @ self._centre) / self.scale), cov

    @cached_property
    def held(self) -> np.ndarray:
        """The free parameters that are held at a value, NaN for those to be estimated."""
        if not self.given:
            return np.full(self.size, np.nan)
        return np.concatenate(
            [free_parameters(t.structure, g, self.scale) for t, g in zip(self.terms, self.given, strict=True)]
        )

    @cached_property
    def free(self) -> np.ndarray:
        """Which parameters are estimated."""
        return np.isnan(self.held)

    @cached_property
    def start(self) -> np.ndarray:
        """Starting point: the heterogeneity by moments shared out over the terms, correlations low."""
        share = self.moment / self.scale**2 / len(self.terms)
        return self._with_held(np.concatenate([t.structure.start(share, 0.3) for t in self.terms]))

    def _with_held(self, u: np.ndarray) -> np.ndarray:
        return np.where(self.free, u, self.held)

    def more_starts(self) -> list[np.ndarray]:
        """The most likely of points spread over variances of 1e-4 to 1e2 times the usual and all correlations."""
        found = []
        share = self.moment / self.scale**2 / len(self.terms)
        for i in range(32):
            parts = []
            for j, t in enumerate(self.terms):
                # additive recurrence with the square roots of primes spreads points evenly without chance
                spread, turn = (i * np.sqrt((2, 3, 5, 7, 11, 13, 17, 19)[(2 * j + d) % 8]) % 1 for d in (0, 1))
                parts.append(t.structure.start(share * 10 ** (6 * spread - 4), 1.9 * turn - 0.95))
            found.append(self._with_held(np.concatenate(parts)))
        values = []
        for u in found:
            try:
                values.append(self.value(np.maximum(u, self.lower)))
            except np.linalg.LinAlgError:
                values.append(-np.inf)
        return [found[i] for i in np.argsort(values)[::-1][:3]]

    @cached_property
    def lower(self) -> np.ndarray:
        """Lower bounds of the free parameters."""
        out = np.concatenate([t.structure.lower() for t in self.terms])
        for t, s in zip(self.terms, self.slices, strict=True):
            n = s.start + t.structure.variances
            if not self.free[n : s.stop].all():  # a negative standard deviation would turn the sign of a given correlation
                out[s.start : n] = 0.0
        return out

    def solve(
        self, first: np.ndarray | None = None, free: np.ndarray | None = None, thorough: bool = True
    ) -> tuple[np.ndarray, float]:
        """Maximise the likelihood over u (over its ``free`` part); from several starts where the first ends on a boundary."""
        starts = [self.start if first is None else self._with_held(first)]
        if not self.free.all():
            free = self.free if free is None else free & self.free
        if free is not None and not free.any():
            return starts[0], self.value(starts[0])
        best: tuple[np.ndarray, float] | None = None
        failure: Exception | None = None
        searched = not thorough
        for start in starts:
            point = start if free is None else np.where(free, start, starts[0])
            try:
                u, value = maximise(self.objective, point, self.lower, free, height=self.value)
                u, value = self.tidy(u, value, free)
                if best is None or value > best[1] + 1e-9 * max(1.0, abs(value)):
                    best = u, value
            except (ConvergenceError, np.linalg.LinAlgError) as error:
                failure = error
            if not searched and (best is None or self.may_have_hills(best[0])):
                starts += self.more_starts()
            searched = True
        if best is None:
            raise ConvergenceError(
                f"The likelihood was not maximised ({failure}). The random effects ask more of these {self.k} effects than "
                "they can tell; use a simpler structure."
            ) from failure
        return best

    def may_have_hills(self, u: np.ndarray) -> bool:
        """Whether the likelihood may have another maximum: few effects or very unequal v, or a parameter near its end."""
        if self.k < 15 or self.v.max() > 1000 * self.v.min():
            return True
        for t, s in zip(self.terms, self.slices, strict=True):
            variance, rho = t.structure.natural(u[s])
            if (variance < 1e-2).any():
                return True
            low, high = t.structure.rho_range()
            if len(rho) and ((rho > high - 1e-4).any() or (rho < low + 1e-4).any()):
                return True
        return False

    def tidy(self, u: np.ndarray, value: float, free: np.ndarray | None) -> tuple[np.ndarray, float]:
        """Exact zeros and exact ends of a range in place of what comes within rounding of them, if as likely."""
        clean = u.copy()
        for t, s in zip(self.terms, self.slices, strict=True):
            own, n = clean[s], t.structure.variances
            own[:n] = np.where(np.abs(own[:n]) < 1e-5, 0.0, own[:n])
            if t.structure.kind == "CAR" and t.structure.correlations:
                own[n] = 0.0 if abs(own[n]) < 1e-4 else min(abs(own[n]), CAR_END)
            elif t.structure.correlations == 1:
                quarter = own[n] / (np.pi / 2)
                if abs(quarter - round(quarter)) < 1e-4 and (t.structure.kind in ("UN", "GEN")) == (round(quarter) % 2 == 0):
                    own[n] = round(quarter) * np.pi / 2
        if free is not None:
            clean = np.where(free, clean, u)
        if (clean != u).any():
            try:
                other = self.value(clean)
            except np.linalg.LinAlgError:
                return u, value
            if other >= value - 1e-9 * max(1.0, abs(value)):
                return clean, other
        return u, value

    def parameter_names(self) -> list[str]:
        """Names of the free parameters, for messages."""
        names = []
        for t in self.terms:
            s = t.structure
            single = s.variances == 1
            names += [f"the variance of {t.name}" + ("" if single else f" at {level}") for level in t.levels[: s.variances]]
            if s.correlations == 1:
                names.append(f"the correlation of {t.name}")
            elif s.correlations:
                i, j = np.tril_indices(s.q, -1)  # the order of the angles
                names += [f"the correlation of {t.levels[b]} with {t.levels[a]} in {t.name}" for a, b in zip(i, j, strict=True)]
        return names

    def check_identified(self) -> None:
        """Whether the data can tell the parameters apart at all, or an error that names those they cannot."""
        if not self.terms:
            return
        free = np.flatnonzero(self.free)
        if not len(free):
            return
        information = self._first[1][3][free[:, None], free]
        size = np.sqrt(np.maximum(np.diag(information), 0))
        silent = size < 1e-7 * max(1.0, float(size.max()))
        if silent.any():
            names = [self.parameter_names()[i] for i in free]
            raise InputError(
                [f"The data say nothing on {name}: no group holds what it needs. Use a simpler structure, such as "
                    "DIAG, or leave the term out."
                 for name, s in zip(names, silent, strict=True) if s]
            )  # fmt: skip
        values, vectors = np.linalg.eigh(information / (size[:, None] * size))
        if values[0] < 1e-9:
            names = self.parameter_names()
            mixed = [names[i] for i, c in zip(free, vectors[:, 0], strict=True) if abs(c) > 0.05]
            raise InputError(
                f"The data cannot tell apart {' and '.join(mixed)}: every split of them fits equally well. Leave one out."
            )


def pairs(levels: Sequence[str]) -> list[tuple[str, str]]:
    """Pairs of levels in the order of the correlations: (1, 2), (1, 3), ..., (2, 3), ..."""
    i, j = np.triu_indices(len(levels), 1)
    return [(levels[a], levels[b]) for a, b in zip(i.tolist(), j.tolist(), strict=True)]

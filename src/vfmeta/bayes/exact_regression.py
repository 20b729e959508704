"""The posterior of a meta-regression without sampling.

    y ~ N(X beta, diag(v) + tau^2 I),  every beta_j ~ N(m_j, s_j^2) or flat,  tau ~ any prior.

Given tau the coefficients are normal (Lindley & Smith 1972, JRSS B 34:1-41); quadrature over tau makes every coefficient and
every prediction a mixture of normals.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from vfmeta.bayes.marginals import NormalMixture, check_draws, solve_tau
from vfmeta.core.messages import InputError
from vfmeta.priors import Flat, Normal, TauPrior


class ExactRegression:
    """Posterior of the coefficients and of tau, from checked arrays.

    Attributes
    ----------
    marginals : dict of str to NormalMixture
        Posterior of every coefficient.
    tau : TauMarginal
        Between-study standard deviation left over.
    weights : ndarray of shape (k,)
        Posterior mean of the studies' shares of the precision, percent.
    log_marginal_likelihood : float or None
        Log density of the data; None when a prior is improper.
    """

    def __init__(
        self, y: np.ndarray, v: np.ndarray, x: np.ndarray, terms: Sequence[str], tau: TauPrior, beta: Sequence[Normal | Flat]
    ) -> None:
        self._y, self._v, self._x, self._prior = y, v, x, tau
        self.terms = tuple(terms)
        self._b0, self._p0 = np.array([b.normal for b in beta]).T
        self._squares = (x[:, :, None] * x[:, None, :]).reshape(len(y), -1)  # so that every information is one product
        k, flat = len(y), int((self._p0 == 0).sum())
        tail = tau.tail + k - flat
        refuse_improper(k, flat, tau)
        self.tail = tail
        sizes = [math.sqrt(v.min()), math.sqrt(v.max()), float(np.ptp(y)) + float(np.abs(x @ self._b0).max())]
        self.tau, self._nodes, self._p, log_mass = solve_tau(tau, self._log_posterior, self._wobble, sizes, tail)
        self._mean, self._cov = self._given(self._nodes)[:2]
        self.marginals = {name: self.combination(np.eye(len(terms))[j]) for j, name in enumerate(self.terms)}
        w = 1 / (v + self._nodes[:, None] ** 2)
        self.weights = 100 * (self._p @ (w / w.sum(1, keepdims=True)))
        proper = tau.proper and flat == 0
        self.log_marginal_likelihood = log_mass - 0.5 * k * math.log(2 * math.pi) if proper else None

    def draws(self, n: int, seed: int = 1) -> dict[str, np.ndarray]:
        """Independent draws from the joint posterior: ``beta`` (n, p) in the order of ``terms``, and ``tau`` (n,)."""
        check_draws(n, seed)
        rng = np.random.default_rng(int(seed))
        tau = self.tau.quantile(np.clip(rng.random(n), 1e-15, 1 - 1e-15))
        mean, cov, _ = self._given(tau)
        return {"beta": mean + np.einsum("nij,nj->ni", np.linalg.cholesky(cov), rng.standard_normal(mean.shape)), "tau": tau}

    def mixed_draws(self, n: int, seed: int = 1) -> np.ndarray:
        """Coefficients (n, p) drawn from the mixture over the nodes of the integral, quicker than with a tau for each draw."""
        check_draws(n, seed)
        rng = np.random.default_rng(int(seed))
        node = rng.choice(len(self._p), size=n, p=self._p / self._p.sum())
        out, root, normal = self._mean[node], np.linalg.cholesky(self._cov), rng.standard_normal((n, self._mean.shape[1]))
        order = np.argsort(node, kind="stable")
        for own in np.split(order, np.flatnonzero(np.diff(node[order])) + 1):  # a product for each node, not for each draw
            out[own] += normal[own] @ root[node[own[0]]].T
        return out

    def combination(self, row: np.ndarray) -> NormalMixture:
        """Posterior of a linear combination of the coefficients (p,)."""
        sd = np.sqrt((self._cov @ row) @ row)
        return NormalMixture(self._p, self._mean @ row, sd, self.tail > 2 or bool(np.all(self._p0 > 0)))

    def further(self, mean: NormalMixture) -> NormalMixture:
        """Posterior of the true effect of a further trial whose mean effect is such a combination."""
        return NormalMixture(self._p, mean.m, np.hypot(mean.s, self._nodes), self.tail > 2)

    def deviances(self) -> tuple[np.ndarray, np.ndarray]:
        """Residual deviance (y - theta)^2 / v of every study: its posterior mean, and at the mean of theta, (k,) each.

        Given tau the true effect theta of a study is normal around its shrunken effect.
        """
        share = self._nodes[:, None] ** 2 / (self._nodes[:, None] ** 2 + self._v)
        rest = (1 - share) * (self._y - self._mean @ self._x.T)
        spread = share * self._v + (1 - share) ** 2 * np.einsum("kp,npq,kq->nk", self._x, self._cov, self._x)
        p = self._p / self._p.sum()
        return p @ (rest**2 + spread) / self._v, (p @ rest) ** 2 / self._v

    def log_density(self, y: np.ndarray, v: np.ndarray, x: np.ndarray) -> float:
        """Log predictive density, together, of further studies ``y`` (m,) with variances ``v`` and design ``x`` (m, p)."""
        from scipy.special import logsumexp

        total = np.einsum("kp,npq,lq->nkl", x, self._cov, x) + np.eye(len(y)) * (v + self._nodes[:, None, None] ** 2)
        rest = (y - self._mean @ x.T)[:, :, None]
        square = (rest * np.linalg.solve(total, rest)).sum(axis=(1, 2))
        log = -0.5 * (len(y) * math.log(2 * math.pi) + np.linalg.slogdet(total)[1] + square)
        return float(logsumexp(log, b=self._p / self._p.sum()))

    def _given(self, tau: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Means (m, p) and covariances (m, p, p) of the coefficients given tau, and log density of the data (m,)."""
        w = 1 / (self._v + tau[:, None] ** 2)
        p = self._x.shape[1]
        information = (w @ self._squares).reshape(-1, p, p) + np.diag(self._p0)
        # to unit diagonal before inverting, so that units of covariates cost no digits
        scale = np.sqrt(np.einsum("nii->ni", information))
        lost = ~(scale > 0).all(axis=1)  # tau is so large that no float holds the information: there is no density there
        scale[lost] = 1.0
        information[lost] = np.eye(scale.shape[1])
        even = information / scale[:, :, None] / scale[:, None, :]
        cov = np.linalg.inv(even) / scale[:, :, None] / scale[:, None, :]
        mean = (cov @ ((w * self._y) @ self._x + self._p0 * self._b0)[:, :, None])[:, :, 0]
        rest = self._y - mean @ self._x.T
        with np.errstate(invalid="ignore", over="ignore"):
            q = (w * rest**2).sum(1) + ((mean - self._b0) ** 2 * self._p0).sum(1)
        logdet = np.linalg.slogdet(even)[1] + 2 * np.log(scale).sum(1)
        own = 0.5 * np.log(self._p0[self._p0 > 0]).sum()
        with np.errstate(divide="ignore", invalid="ignore"):
            log = own + 0.5 * (np.log(w).sum(1) - logdet - q)
        return mean, cov, np.where(lost, -np.inf, log)

    def _log_posterior(self, tau: np.ndarray) -> np.ndarray:
        return self._prior.log_density(tau, self._v) + self._given(tau)[2]

    def _wobble(self, tau: np.ndarray) -> np.ndarray:
        n, order = tau.shape
        mean, cov, _ = self._given(tau.ravel())
        sd = np.sqrt(np.einsum("nii->ni", cov)).reshape(n, order, -1)
        return (np.ptp(mean.reshape(n, order, -1), axis=1) / sd.min(axis=1)).max(axis=1)


def refuse_improper(k: int, flat: int, tau: TauPrior) -> None:
    """Raise where a posterior of ``k`` studies with so many ``flat`` coefficients has no finite total."""
    if tau.tail + k - flat <= 0:
        raise InputError(
            f"The posterior is improper: with {k} studies, {flat} flat coefficients and {tau}, large values of tau are not "
            "ruled out. Take proper priors of the coefficients or of tau (Gelman 2006, Bayesian Analysis 1:515-534)."
        )

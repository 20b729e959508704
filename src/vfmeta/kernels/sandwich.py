"""Cluster-robust covariance of generalised least squares, with the quantities its small-sample tests need.

Weights are the inverse of the working covariance Phi. With M = (X' W X)^-1 and residuals e, the estimator is
M (sum_j X_j' W_j A_j e_j e_j' A_j' W_j X_j) M, and kinds differ in A_j. Under the working model the contributions
h_j = c' M X_j' W_j A_j e_j have covariance delta_ij g_i' Phi_i g_i - (X_i' g_i)' M (X_j' g_j), g_j = A_j' W_j X_j M c.
Bell & McCaffrey 2002, Surv Methodol 28:169-181; Pustejovsky & Tipton 2018, J Bus Econ Stat 36:672-683.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

_ALONE = 1e-9  # how near to all rows of a direction is all of them


@dataclass(frozen=True)
class Sandwich:
    """``beta`` (p,), ``bread`` M (p, p), ``vcov`` (p, p), and for each cluster and coefficient what `covariances` needs.

    ``own`` (m, p, p) holds g_s' Phi g_t and ``reach`` (m, p, p) the vectors X' g of each coefficient s, [j, :, s]. ``lone``
    (d, p) are the directions that one cluster alone decides: see `rest_on_one`.
    """

    X: np.ndarray
    beta: np.ndarray
    bread: np.ndarray
    vcov: np.ndarray
    own: np.ndarray
    reach: np.ndarray
    lone: np.ndarray


def sandwich(
    X: np.ndarray, y: np.ndarray, blocks: Sequence[tuple[np.ndarray, np.ndarray]], codes: np.ndarray, kind: str
) -> Sandwich:
    """Estimate with robust covariance.

    Parameters
    ----------
    X : ndarray of shape (k, p)
    y : ndarray of shape (k,)
    blocks : sequence of (rows, matrices)
        Blocks of the working covariance, rows (b, n) and matrices (b, n, n); each lies within one cluster.
    codes : ndarray of int, shape (k,)
        Cluster of each effect, 0 to m - 1.
    kind : str
        CR0, CR1, CR1p, CR1S, CR2 or CR3.
    """
    k, p = X.shape
    m = int(codes.max()) + 1
    q, r = np.linalg.qr(X)
    # row rotation by the inverse Cholesky factor of each block turns Phi into the identity
    white_x, white_y = np.empty((k, p)), np.empty(k)
    members: list[list[tuple[np.ndarray, np.ndarray]]] = [[] for _ in range(m)]
    for rows, matrices in blocks:
        lower = np.linalg.cholesky(matrices)
        white_x[rows] = np.linalg.solve(lower, q[rows])
        white_y[rows] = np.linalg.solve(lower, y[rows][..., None])[..., 0]
        for own_rows, square in zip(rows, lower.transpose(0, 2, 1) @ lower, strict=True):
            members[codes[own_rows[0]]].append((own_rows, square))
    info = white_x.T @ white_x
    bread = np.linalg.inv(info)
    beta = bread @ (white_x.T @ white_y)
    e = white_y - white_x @ beta
    factor = (
        {"CR1": m / (m - 1), "CR1p": m / (m - p), "CR1S": m * (k - 1) / ((m - 1) * (k - p))}.get(kind, 1.0) if m > p else 1.0
    )
    score, own, reach, lone = np.empty((m, p)), np.empty((m, p, p)), np.empty((m, p, p)), []
    for j in range(m):
        rows_j = np.concatenate([rows for rows, _ in members[j]])
        x = white_x[rows_j]
        share, directions = np.linalg.eigh(q[rows_j].T @ q[rows_j])  # 1 where no other cluster has a row in a direction
        lone.append(directions[:, share > 1 - _ALONE].T)
        g = math.sqrt(factor) * (_adjust(kind, x, bread, [square for _, square in members[j]]).T @ (x @ bread))
        score[j] = g.T @ e[rows_j]
        own[j] = g.T @ g
        reach[j] = x.T @ g
    back = np.linalg.inv(r)
    vcov = back @ (score.T @ score) @ back.T
    return Sandwich(
        X, back @ beta, back @ bread @ back.T, (vcov + vcov.T) / 2, back @ own @ back.T, r.T @ reach @ back.T,
        np.concatenate(lone) @ back.T,
    )  # fmt: skip


def rest_on_one(s: Sandwich, contrasts: np.ndarray) -> np.ndarray:
    """Which contrasts (q, p) rest on one cluster, without which they would not be estimable: shape (q,).

    Nothing between clusters speaks of their error, so that no robust variance of them exists. The design decides, not the
    weights: one precise cluster among several is not alone.
    """
    if not len(s.lone):
        return np.zeros(len(contrasts), bool)
    size = np.linalg.norm(np.linalg.solve(np.linalg.qr(s.X, mode="r").T, contrasts.T), axis=0)
    return (np.abs(contrasts @ s.lone.T) > 1e-6 * size[:, None]).any(axis=1)


def _adjust(kind: str, x: np.ndarray, bread: np.ndarray, squares: list[np.ndarray]) -> np.ndarray:
    """L^-1 A L of one cluster, Phi = L L'; there I - H is I - x M x'. ``squares`` are the blocks of L' L.

    CR2 takes A = L B^-1/2 L' with B = L' (Phi - X M X') L, the choice of Pustejovsky & Tipton among the many that are unbiased.
    """
    n = len(x)
    if kind not in ("CR2", "CR3"):
        return np.eye(n)
    left = np.eye(n) - x @ bread @ x.T
    if kind == "CR3":
        return np.linalg.pinv(left, rtol=_ALONE, hermitian=True)
    square = np.zeros((n, n))
    at = 0
    for block in squares:
        square[at : at + len(block), at : at + len(block)] = block
        at += len(block)
    values, vectors = np.linalg.eigh(square @ left @ square)
    floor = 1e-10 * float(np.abs(values).max())
    root = np.zeros(n)
    root[values > floor] = values[values > floor] ** -0.5
    return (vectors * root) @ vectors.T @ square


def covariances(s: Sandwich, contrasts: np.ndarray) -> np.ndarray:
    """Covariances, under the working model, of what clusters contribute to contrasts: shape (q, q, m, m)."""
    own = np.einsum("sp,jpq,tq->stj", contrasts, s.own, contrasts)
    reach = np.einsum("jap,sp->sja", s.reach, contrasts)
    out = -np.einsum("sia,ab,tjb->stij", reach, s.bread, reach)
    at = np.arange(out.shape[-1])
    out[:, :, at, at] += own
    return out


def satterthwaite_df(s: Sandwich) -> np.ndarray:
    """Degrees of freedom of each robust variance, 2 mean^2 / variance under the working model, shape (p,).

    NaN where a coefficient rests on one cluster.
    """
    rows = np.eye(len(s.beta))
    out = np.full(len(rows), math.nan)
    for i in np.flatnonzero(~rest_on_one(s, rows)):
        p = covariances(s, rows[i : i + 1])[0, 0]
        out[i] = np.trace(p) ** 2 / (p**2).sum()
    return out


def hotelling_df(s: Sandwich, contrasts: np.ndarray) -> float:
    """Degrees of freedom of the Wishart that matches the mean and total variance of the contrasts' robust covariance."""
    q = len(contrasts)
    p = covariances(s, contrasts)
    values, vectors = np.linalg.eigh(np.einsum("stii->st", p))
    half = (vectors / np.sqrt(values)) @ vectors.T
    p = np.einsum("as,bt,stij->abij", half, half, p)
    same = np.einsum("sij,tij->", np.einsum("ssij->sij", p), np.einsum("ttij->tij", p))
    crossed = np.einsum("stij,tsij->", p, p)
    return float(q * (q + 1) / (same + crossed))

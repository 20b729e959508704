"""Networks of treatments as regressions: the contrasts of a trial with several arms, turned to rows that are independent.

The contrasts of one trial have a sampling covariance S and, with one between-trial variance tau2 of every contrast, the
covariance tau2 G between trials, G with 1 on its diagonal and 1/2 beside it (Higgins & Whitehead 1996, Stat Med 15:2733-2749;
Lu & Ades 2004, Stat Med 23:3105-3124). With S = L L' and L^-1 G L^-T = U diag(g) U' the rows T y, T = diag(g)^-1/2 U' L^-1,
are uncorrelated and have variances 1/g + tau2: a network with any trials is a meta-regression of one effect a row, exactly, and
every estimator, test, interval and posterior of that is one of the network.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def shared(m: int) -> np.ndarray:
    """Covariance G (m, m) of the contrasts of one trial with a common arm, for a between-trial variance of 1."""
    return 0.5 * (np.eye(m) + 1.0)


def covariance(pairs: np.ndarray) -> np.ndarray:
    """Covariance (m, m) of the contrasts of arms 1 to m with arm 0, from the variances of all contrasts.

    ``pairs`` (m + 1, m + 1) holds the variance of every contrast of two arms, 0 on the diagonal.
    """
    base = pairs[0, 1:]
    return 0.5 * (base[:, None] + base[None, :] - pairs[1:, 1:])


def independent(
    y: Sequence[np.ndarray], V: Sequence[np.ndarray], x: Sequence[np.ndarray]
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Rows independent given tau2, of trials with contrasts ``y`` (m,), covariances ``V`` (m, m) and designs ``x`` (m, p).

    Returns
    -------
    y, v : ndarray of shape (k,)
        Effects and sampling variances of the rows.
    x : ndarray of shape (k, p)
        Their design.
    trial : ndarray of int, shape (k,)
        Which trial each row is of; the rows stand in the order of the trials.

    Raises
    ------
    numpy.linalg.LinAlgError
        A covariance is not positive definite.
    """
    sizes = np.array([len(e) for e in y])
    start = np.concatenate([[0], np.cumsum(sizes)])
    trial = np.repeat(np.arange(len(y)), sizes)
    ys, vs, xs = np.empty(start[-1]), np.empty(start[-1]), np.empty((start[-1], x[0].shape[1]))
    for m in np.unique(sizes).tolist():
        which = np.flatnonzero(sizes == m).tolist()
        rows = start[which][:, None] + np.arange(m)
        effects, designs = np.stack([y[i] for i in which]), np.stack([x[i] for i in which])
        blocks = np.stack([V[i] for i in which])
        if m == 1:  # as they are: no digit is lost
            if not (blocks > 0).all():
                raise np.linalg.LinAlgError
            ys[rows], vs[rows], xs[rows] = effects, blocks[:, :, 0], designs
            continue
        root = np.linalg.cholesky(blocks)
        half = np.linalg.solve(root, np.broadcast_to(np.linalg.cholesky(shared(m)), root.shape))
        g, u = np.linalg.eigh(half @ np.swapaxes(half, 1, 2))
        turn = np.swapaxes(np.linalg.solve(np.swapaxes(root, 1, 2), u), 1, 2) / np.sqrt(g)[:, :, None]
        ys[rows], vs[rows], xs[rows] = (turn @ effects[:, :, None])[:, :, 0], 1 / g, turn @ designs
    return ys, vs, xs, trial


def between_designs(
    y: np.ndarray, v: np.ndarray, x: np.ndarray, groups: np.ndarray, q: float
) -> tuple[tuple[float, int], tuple[float, int]]:
    """Statistic and df of Cochran's Q within designs and between them (Higgins et al. 2012, Res Synth Methods 3:98-110).

    ``groups`` (k,) says which set of treatments the trial of a row compares, ``q`` is the whole statistic at tau2 = 0. Within
    a design the treatments have means of their own.
    """
    total_df = len(y) - np.linalg.matrix_rank(x)
    within, df = 0.0, 0
    for g in np.unique(groups):
        at = groups == g
        w = 1 / np.sqrt(v[at])
        design = w[:, None] * x[at]
        u, s, _ = np.linalg.svd(design, full_matrices=False)
        u = u[:, s > 1e-10 * s[0]]
        rest = w * y[at] - u @ (u.T @ (w * y[at]))
        within, df = within + float(rest @ rest) * (at.sum() > u.shape[1]), df + int(at.sum()) - u.shape[1]
    return (within, df), (max(0.0, q - within), int(total_df) - df)

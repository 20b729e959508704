"""Moderators of a model of counts, turned into coordinates in which the fit is well conditioned."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vfmeta.core.messages import InputError
from vfmeta.effects import design as designs
from vfmeta.effects.design import Design
from vfmeta.kernels.least_squares import redundant


def coordinates(x: Design, labels: Sequence[str], residual: bool) -> tuple[np.ndarray, np.ndarray]:
    """An orthogonal basis (k, p) of the design, and the matrix (p, p) that makes its coefficients of those of the basis.

    A calendar year or a dose in milligrams is then no harder to fit than an indicator.

    Raises
    ------
    InputError
        Collinear moderators, by name; no study left to tell the heterogeneity from the coefficients (``residual``).
    """
    k, p = x.x.shape
    groups = redundant(x.x)
    if groups or k < p:
        raise designs.name_collinear(groups, x, labels)
    if residual and k == p:
        raise InputError(
            f"{k} informative studies cannot estimate {p} coefficients ({', '.join(x.names)}) and the heterogeneity beside "
            'them; leave moderators out, or use heterogeneity="common".'
        )
    basis, triangle = np.linalg.qr(x.x)
    scale = np.sign(np.diag(triangle)) * np.sqrt(k)
    return basis * scale, np.linalg.inv(triangle) * scale

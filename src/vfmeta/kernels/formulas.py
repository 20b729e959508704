"""Log densities of tau that compiled loops call by address, so that one compiled kernel serves every family of priors.

A formula is a plain function ``formula(u, t, a, v, k)`` of u = log tau, t = tau, three parameters ``a`` and the ``k`` sampling
variances ``v``, written with numpy's functions: the same text then serves arrays, compiled loops and PyTensor.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from llvmlite import ir
from numba import cfunc, njit, types
from numba.core import cgutils
from numba.extending import intrinsic

_CELLS = types.CPointer(types.float64)
_SIGNATURE = types.float64(types.float64, types.float64, _CELLS, _CELLS, types.intp)


@cache
def _compiled(formula: Callable[..., Any]) -> Any:
    return cfunc(_SIGNATURE, cache=True, error_model="numpy")(formula)


def address(formula: Callable[..., Any]) -> int:
    """Where the compiled formula lies; the code stays as long as the process. Compiled at first use and kept on disk."""
    return int(_compiled(formula).address)


@intrinsic
def _call(typing: Any, where: Any, u: Any, t: Any, a: Any, v: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        where, u, t, a, v = args
        a, v = (context.make_array(kind)(context, builder, x) for kind, x in zip(signature.args[3:], (a, v), strict=True))
        given = [u, t, a.data, v.data, cgutils.unpack_tuple(builder, v.shape)[0]]
        real = ir.DoubleType()
        pointer = ir.FunctionType(real, [x.type for x in given]).as_pointer()
        return builder.call(builder.inttoptr(where, pointer), given)

    return types.float64(types.int64, types.float64, types.float64, a, v), generate


@njit(cache=True, nogil=True, error_model="numpy")
def log_prior(u: float, t: float, known: np.ndarray, v: np.ndarray) -> float:
    """Log density of tau = t = exp(u), less its constant; ``known`` begins with three parameters and the formula's address."""
    return _call(np.int64(known[3]), u, t, known, v)

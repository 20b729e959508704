"""Compiled PyMC models kept between processes, as numba keeps kernels: in ``__pycache__`` or where ``NUMBA_CACHE_DIR`` says.

Importing PyMC and compiling a model takes some 8 s, sampling it a third of one. What is kept is the machine code of the density
that nutpie samples, made by PyMC, and the layout of its data; with it neither PyMC nor PyTensor is loaded. It is used by the
versions, the processor and the source that made it, and by nothing else; and only in a process that has asked for it by `use`:
machine code that does not fit ends its process at once, so it is run where somebody can take over, never in a user's own.
"""

from __future__ import annotations

import hashlib
import pickle
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from vfmeta.bayes import versions as compat
from vfmeta.core.files import write

_MAKERS = ("numpy", "numba", "llvmlite", "pymc", "pytensor", "nutpie")
_CODE = ("compiled_logp_func", "compiled_expand_func")
_KEPT = ("dims", "reparameterized_names", "n_expanded", "shape_info", "_n_dim", "_shapes", "_coords")
_used = False


def use() -> None:
    """Use kept models in this process from now on, and keep those it makes; of PyMC 5, whose code cannot be moved, none."""
    global _used
    _used = int(version("pymc").split(".")[0]) >= 6


def forget(source: Path) -> None:
    """Throw away the models kept for a source file."""
    for file in _folder(source).glob(f"{source.stem}.*.model"):
        file.unlink(missing_ok=True)


@dataclass(frozen=True)
class _Function:
    """Machine code in memory, with the library that owns it."""

    address: int
    library: Any


@dataclass(frozen=True)
class _Container:
    """Name and rank of a data container, all that nutpie asks of PyTensor's."""

    name: str
    ndim: int


def compiled(name: str, sources: Sequence[Path] | None, build: Callable[[Any], Any]) -> Any:
    """The compiled form of a PyMC model, kept or made.

    Parameters
    ----------
    name : str
        Of the model; one name, one graph.
    sources : sequence of Path, optional
        Files in which the model is written, the first of them beside the folder it is kept in: what was kept from another text
        is not used. None where they are not known (a prior of the user's own): nothing is kept then, nor without `use`.
    build : callable
        ``build(pm)`` returns the PyMC model. Its unconstrained parameters start between -1 and 1.

    Returns
    -------
    nutpie's compiled model, whose draws are the same whether it was kept or made
    """
    file = None if sources is None or not _used else _folder(sources[0]) / f"{sources[0].stem}.{_digest(name, sources)}.model"
    if file is not None:
        with suppress(Exception):  # nothing kept, or nothing that can be used: it is made anew, with the same outcome
            return _load(file.read_bytes())
    pm, nutpie = compat.load()
    with compat.strict():
        model = nutpie.compile_pymc_model(build(pm), backend="numba")
    model = replace(model, initial_point_func=_start(model.n_dim))
    if file is not None:
        with suppress(Exception):  # a folder that cannot be written to, code that cannot be moved: made anew next time
            body = _dump(model)
            write(file, hashlib.sha256(body).digest() + body)
    return model


def _start(n: int) -> Callable[[Any], np.ndarray]:
    """Where a chain starts, by its seed; numpy's, as PyTensor's generator would have to be loaded."""

    def start(seed: Any = None) -> np.ndarray:
        return np.random.default_rng(seed).uniform(-1.0, 1.0, n)

    return start


def _folder(source: Path) -> Path:
    from numba.core import config

    return Path(config.CACHE_DIR or source.parent / "__pycache__")


def _digest(name: str, sources: Sequence[Path]) -> str:
    from llvmlite import binding

    machine = (binding.get_host_cpu_name(), binding.get_host_cpu_features().flatten())
    stated = repr((name, sys.version, machine, [(x, version(x)) for x in _MAKERS]))
    text = [x.read_bytes() for x in (*sources, Path(__file__), Path(compat.__file__))]
    return hashlib.sha256(stated.encode() + b"".join(text)).hexdigest()[:32]


def _dump(model: Any) -> bytes:
    code = [(f._library.serialize_using_object_code(), f.native_name) for f in (getattr(model, name) for name in _CODE)]
    data = [(v.name, np.asarray(model.shared_data[key])) for v, key in model.shared_var_keys.items()]
    return pickle.dumps((code, data, {name: getattr(model, name) for name in _KEPT}))


def _load(body: bytes) -> Any:
    if hashlib.sha256(body[32:]).digest() != body[:32]:
        raise ValueError("half a file")
    compat.load_nutpie()
    from numba.core.registry import cpu_target
    from numba.core.runtime import rtsys
    from nutpie.compile_pymc import CompiledPyMCModel, make_user_data

    code, data, kept = pickle.loads(body[32:])
    context = cpu_target.target_context
    context.refresh()
    rtsys.initialize(context)  # what the machine code calls by name
    functions = []
    for state, name in code:
        library = context.codegen().unserialize_library(state)
        functions.append(_Function(library.get_pointer_to_function(name), library))
    keys = {_Container(name, x.ndim): name for name, x in data}
    values = dict(data)
    return CompiledPyMCModel(
        **dict(zip(_CODE, functions, strict=True)), **kept, initial_point_func=_start(kept["_n_dim"]), shared_data=values,
        shared_var_keys=keys, user_data=make_user_data(keys, values), logp_func=None, expand_func=None,
    )  # fmt: skip

"""Workers of joblib that take many fits in batches."""

from __future__ import annotations

from typing import Any

from vfmeta.core.messages import InputError


def workers(backend: str | None, jobs: int | None) -> Any:
    """The context in which ``joblib.Parallel`` has these workers.

    Raises
    ------
    InputError
        A backend that is unknown, or "dask" without a client.
    """
    from joblib import parallel_config

    try:
        return parallel_config(backend=backend or "loky", n_jobs=-1 if jobs is None else jobs)
    except (ValueError, ImportError) as error:
        if backend == "dask":
            raise InputError(
                'backend="dask" needs a cluster: pip install "dask[distributed]", then make a dask.distributed.Client first.'
            ) from error
        raise InputError(f"backend={backend!r} cannot be used: {error}.") from error

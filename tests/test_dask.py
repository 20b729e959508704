"""`random_effects_many` on a local Dask cluster of two workers, from this process and from a fresh one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import vfmeta as vf

pytest.importorskip("distributed")


def _frame(groups: int = 400) -> pd.DataFrame:
    rng = np.random.default_rng(12)
    k = rng.integers(1, 12, groups)
    v = rng.uniform(0.02, 0.5, k.sum())
    table = pd.DataFrame({"question": np.repeat(np.arange(groups), k), "y": rng.normal(0.3, np.sqrt(v + 0.1)), "v": v})
    return table.assign(w=rng.uniform(1, 2, len(v))).sample(frac=1, random_state=1).reset_index(drop=True)


def test_a_cluster_of_two_workers_gives_identical_numbers() -> None:
    from distributed import Client, LocalCluster

    frame = _frame()
    choices = (
        {"tau2_limits": True},
        {"method": "DL", "test": "Wald", "prediction": "HTS", "weights": "w"},
    )
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as cluster, Client(cluster) as client:
        assert len({os.getpid(), *client.run(os.getpid).values()}) == 3
        for choice in choices:
            there = vf.random_effects_many(frame, backend="dask", **choice)
            pd.testing.assert_frame_equal(vf.random_effects_many(frame, **choice), there, check_exact=True)
        ran = client.run_on_scheduler(lambda dask_scheduler: list(dask_scheduler.task_prefixes))
        assert any("batch" in name.lower() for name in ran), ran  # on the workers, not here
        with pytest.raises(vf.InputError, match="row 1, column v"):
            vf.random_effects_many(frame.assign(v=-1.0), backend="dask")


SCRIPT = """
import pandas as pd
import sys
import vfmeta as vf

if __name__ == "__main__":
    from dask.distributed import Client

    with Client(n_workers=2, threads_per_worker=1, dashboard_address=":0"):
        table = vf.random_effects_many(pd.read_pickle(sys.argv[1]), by="question", backend="dask")
    table.to_pickle(sys.argv[2])
"""


@pytest.mark.slow
def test_from_a_fresh_process(tmp_path: Path) -> None:
    script, given, made = tmp_path / "script.py", tmp_path / "in.pkl", tmp_path / "out.pkl"
    script.write_text(SCRIPT, encoding="utf-8")
    frame = _frame(60)
    frame.to_pickle(given)
    done = subprocess.run([sys.executable, str(script), str(given), str(made)], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    pd.testing.assert_frame_equal(pd.read_pickle(made), vf.random_effects_many(frame), check_exact=True)

"""Tails and quantiles of single fits are scipy's, and the tails those of many fits."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy import special

from vfmeta.kernels import distributions, tails

LEVELS = [0.3, 0.5, 0.8, 0.95, 0.999, 1 - 1e-9]


@pytest.mark.parametrize("df", [1, 2, 3, 4, 7, 12, 29, 100, 299, 300, 301, 5000])
@pytest.mark.parametrize("level", LEVELS)
def test_quantiles_are_those_of_scipy(df: int, level: float) -> None:
    upper, lower = 0.5 - level / 2, 0.5 + level / 2
    assert distributions.quantile(level, df) == pytest.approx(-special.stdtrit(df, upper), rel=1e-13)
    assert distributions.quantile(level, None) == pytest.approx(-special.ndtri(upper), rel=1e-14)
    assert distributions.chi2_quantile(upper, df) == pytest.approx(special.chdtri(df, upper), rel=1e-13)
    # what lies below is what is left of one: its last digit weighs more the less it is
    assert distributions.chi2_quantile(lower, df) == pytest.approx(special.chdtri(df, lower), rel=1e-13 + 3e-16 / upper)


@pytest.mark.parametrize("df", [1, 2, 5, 12, 299, 300, 301])
def test_tails_are_those_of_scipy_and_of_many_fits(df: int) -> None:
    t, q = np.array([0.0, 0.3, -2.5, 40.0]), np.array([0.0, 0.3, 20.0, 500.0])
    many = tails.tails(t, q, np.full(4, df), student=True)
    assert [distributions.t_outside(x, df) for x in t] == many[0].tolist()
    assert [distributions.chi2_above(x, df) for x in q] == many[1].tolist()
    np.testing.assert_allclose(many[0], 2 * special.stdtr(df, -abs(t)), rtol=1e-12)
    np.testing.assert_allclose(many[1], special.chdtrc(df, q), rtol=1e-12)


def test_a_first_pool_loads_neither_scipys_libraries_nor_pandas_nor_priors() -> None:
    names = ("scipy.special", "scipy.stats", "scipy.linalg", "pandas", "narwhals", "vfmeta.priors")
    code = (
        "import sys, vfmeta as vf; vf.random_effects(y=[0.1, 0.4, 0.3], v=[0.1, 0.2, 0.1]); "
        f"print([m for m in {names} if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_compiled_function_still_multiplies_matrices() -> None:
    code = (
        "import numba, numpy as np, vfmeta.kernels.compiled.jit; print((numba.njit(lambda a: a @ a)(2 * np.eye(2))).tolist())"
    )
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[[4.0, 0.0], [0.0, 4.0]]"


def test_a_function_of_no_module_is_still_compiled() -> None:
    import numba

    made: dict[str, object] = {"__name__": None}
    exec("def twice(x): return 2 * x", made)
    assert numba.njit(made["twice"])(4.0) == 8.0


def test_who_waits_at_a_terminal_for_compilation_is_told_why_once(tmp_path: Path) -> None:
    pty = pytest.importorskip("pty", reason="a terminal of Unix")
    code = "from vfmeta.kernels import distributions as d; print(d.chi2_above(3.0, 4) + d.t_outside(2.0, 4))"

    def said(cache: str, terminal: bool) -> str:
        ours, theirs = pty.openpty() if terminal else os.pipe()
        env = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path / cache)}
        subprocess.run([sys.executable, "-c", code], stdout=subprocess.DEVNULL, stderr=theirs, env=env, check=True)
        os.write(theirs, b".")  # that there is something to read
        found = os.read(ours, 10_000).decode()
        os.close(ours), os.close(theirs)
        return found.removesuffix(".")

    assert said("new", True).count("compiles its loops") == 1
    assert said("new", True) == said("other", False) == ""

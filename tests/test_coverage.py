"""A small coverage study: the order of the methods as the literature has it, and the same bytes for the same seed.

Hartung-Knapp is exact where variances are the same (it is Student's interval then), Wald too narrow with few different
studies (IntHout, Ioannidis & Borm 2014, BMC Med Res Methodol 14:25).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from benchmarks.simulate import REPORTS, Scenario, simulate, text, write_csv

DRAWS = 2000
CASES = [Scenario(d, i, k) for d in ("alike", "one large") for i in (0, 50, 75) for k in (3, 5, 10)]


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    return simulate(CASES, DRAWS, seed=7, jobs=1)


def by_method(table: pd.DataFrame, kind: str, estimator: str = "REML") -> pd.DataFrame:
    part = table[(table["kind"] == kind) & (table["estimator"] == estimator)]
    return part.pivot(index=["design", "i2", "k"], columns="method", values="coverage")


def test_confidence_intervals(table: pd.DataFrame) -> None:
    error = np.sqrt(0.95 * 0.05 / DRAWS)
    for estimator in ("REML", "DL", "PM"):
        c = by_method(table, "confidence", estimator)
        assert (abs(c.loc["alike", "HKSJ"] - 0.95) < 3.5 * error).all()  # exact, 9 scenarios
        assert (c["HKSJ-adhoc"] >= c["HKSJ"]).all()
        assert (c["t"] >= c["Wald"]).all()
        mixed = c[c.index.get_level_values("i2") >= 50]
        assert (mixed["Wald"] < 0.95 - 3.5 * error).all()
        assert (mixed["HKSJ"] - mixed["Wald"] > -2 * error).all()
        few = mixed[mixed.index.get_level_values("k") <= 5]
        assert (few["HKSJ"] - few["Wald"] > 3.5 * error).all()
        assert (abs(c["HKSJ"] - 0.95) < 0.08).all()
        none = c[c.index.get_level_values("i2") == 0]
        assert (none["Wald"] > 0.95 - 3.5 * error).all()  # tau2 is cut at zero: never too narrow there
        assert (none["HKSJ-adhoc"] > 0.97).all()
    widths = table[table["kind"] == "confidence"].pivot_table(index="k", columns="method", values="width")
    assert (widths["HKSJ-adhoc"] > widths["HKSJ"]).all()


def test_estimators_agree_where_variances_do(table: pd.DataFrame) -> None:
    alike = table[table["design"] == "alike"].pivot(index=["i2", "k", "kind", "method"], columns="estimator", values="coverage")
    for other in ("DL", "PM"):
        np.testing.assert_allclose(alike[other], alike["REML"], atol=1.5 / DRAWS)
    reml, dl = by_method(table, "confidence"), by_method(table, "confidence", "DL")
    assert (abs(reml["HKSJ"] - dl["HKSJ"]) < abs(reml["HKSJ"] - reml["Wald"]) + 0.01).all()  # the interval matters more
    tau2 = table[table["method"] == "HKSJ"]
    none, some = tau2[tau2["i2"] == 0], tau2[tau2["i2"] == 75]
    assert (none["mean_tau2"] > 0).all()
    assert (abs(some["mean_tau2"] / some["tau2"] - 1) < 0.35).all()


def test_prediction_intervals(table: pd.DataFrame) -> None:
    c = by_method(table, "prediction")
    assert (c["HTS"] >= c["Wald, fitted"]).all()
    assert (c["Partlett-Riley"] >= c["HKSJ, fitted"]).all()  # fewer degrees of freedom, wider
    mixed = c[c.index.get_level_values("i2") == 75]
    assert (mixed["Wald, fitted"] < 0.92).all()
    at_ten = mixed[mixed.index.get_level_values("k") == 10]
    assert (abs(at_ten[["HTS", "Partlett-Riley"]] - 0.95) < 0.06).all(axis=None)


def test_same_seed_same_bytes(tmp_path: Path) -> None:
    cases = [Scenario("spread", 50, 4), Scenario("alike", 0, 3)]
    for name, some, jobs in (("a", cases, 1), ("b", cases[::-1], 2)):
        write_csv(simulate(some, 300, seed=3, jobs=jobs), tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    write_csv(simulate(cases, 300, seed=4, jobs=1), tmp_path / "c")
    assert (tmp_path / "a").read_bytes() != (tmp_path / "c").read_bytes()


def test_the_report_says_what_the_result_file_says() -> None:
    result = pd.read_csv(REPORTS / "coverage.csv")
    assert text(result) == (REPORTS / "coverage.md").read_text(encoding="utf-8")

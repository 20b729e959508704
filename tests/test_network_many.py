"""Many networks from one table are the single ones, whatever takes them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from tests.test_networks import ARMS, contrasts_of

import vfmeta as vf

SIMPLE = pd.DataFrame({"study": list("abc"), "treat1": list("BCC"), "treat2": list("AAB"), "y": [0.1, -0.8, 0.4], "se": 0.2})


def long_table() -> pd.DataFrame:
    rng = np.random.default_rng(8)
    parts = []
    for number in (3, 1, 2):
        arms = ARMS.assign(mean=ARMS["mean"] + rng.normal(0, 0.3, len(ARMS)))
        parts.append((arms if number != 1 else arms[arms.study.isin(list("abce"))]).assign(draw=number, set="x"))
    return pd.concat(parts, ignore_index=True)


@pytest.mark.parametrize(("method", "test"), [("REML", "HKSJ"), ("DL", "Wald"), ("common", "t"), ("PM", "HKSJ-adhoc")])
@pytest.mark.filterwarnings("ignore::vfmeta.VfmetaWarning")
def test_each_row_is_that_of_its_network(method: Any, test: Any) -> None:
    table = long_table()
    many = vf.network_many(table, ["set", "draw"], reference="sham", method=method, test=test)
    assert many.draw.drop_duplicates().tolist() == [3, 1, 2]
    for number, own in many.groupby("draw"):
        net = vf.network(table[table.draw == number], reference="sham", method=method, test=test)
        assert own.treatment.tolist() == list(net.terms)
        assert set(own.control) == {"sham"}
        np.testing.assert_allclose(own.estimate, net.estimate, rtol=1e-12)
        np.testing.assert_allclose(own[["ci_low", "ci_high"]], net.interval, rtol=1e-12)
        np.testing.assert_allclose(own.p_value, net.p_value, rtol=1e-12)
        assert own.tau2.iloc[0] == pytest.approx(net.tau2, rel=1e-12)
        assert own.q.iloc[0] == pytest.approx(net.q.statistic, rel=1e-10)
        assert (own.q_df.iloc[0], own.q_p_value.iloc[0]) == (net.q.df, pytest.approx(net.q.p_value, rel=1e-9))
        compared = net.comparisons().set_index(["treatment", "control"])["trials"]
        assert own.trials.tolist() == [compared[t, "sham"] for t in own.treatment]


@pytest.mark.filterwarnings("ignore::vfmeta.VfmetaWarning")
def test_workers_change_no_number() -> None:
    table = long_table()
    plain = vf.network_many(table, "draw", reference="sham")
    pd.testing.assert_frame_equal(plain, vf.network_many(table, "draw", reference="sham", backend="threading", jobs=2))


@pytest.mark.filterwarnings("ignore::vfmeta.VfmetaWarning")
def test_contrasts_are_as_good_as_arms() -> None:
    table = long_table()
    pairs = pd.concat([contrasts_of(own).assign(draw=n) for n, own in table.groupby("draw", sort=False)], ignore_index=True)
    left, right = (vf.network_many(x, "draw", reference="sham") for x in (table, pairs))
    np.testing.assert_allclose(left.estimate, right.estimate, rtol=1e-9)
    np.testing.assert_allclose(left.se, right.se, rtol=1e-7)


def test_a_network_without_a_degree_of_freedom_has_no_tau2() -> None:
    two = pd.concat([SIMPLE[:2].assign(question="few"), SIMPLE.assign(question="more")])
    many = vf.network_many(two, reference="A").set_index("question")
    assert many.loc["few", "tau2"].isna().all()
    assert np.isinf(many.loc["few", "df"]).all()
    assert many.loc["more", "df"].tolist() == [1.0, 1.0]


@pytest.mark.parametrize(("change", "given", "said"), [
    ({"treat2": list("AABAAD"), "treat1": list("BCCBBE")}, {}, "question = 2: The network is in 2 parts"),
    ({}, {"reference": "Z"}, r"question = 1: reference='Z' is no treatment"),
    ({"question": [1, 1, 1, 2, 2, None]}, {}, "question"),
    ({}, {"by": "draw"}, "no column 'draw'"),
    ({"se": [0.2, 0.2, -1, 0.2, 0.2, 0.2]}, {}, r"row 3"),
])  # fmt: skip
def test_faults_name_their_network(change: dict[str, Any], given: dict[str, Any], said: str) -> None:
    table = pd.concat([SIMPLE.assign(question=1), SIMPLE.assign(question=2)], ignore_index=True).assign(**change)
    with pytest.raises(vf.InputError, match=said):
        vf.network_many(table, **given)

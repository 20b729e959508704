"""Pools told and tested on the scale people read, against R: proportions, rates, correlations and ratios on every scale."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.reference_runner.common import check

CASES = json.loads((Path(__file__).parent / "reference" / "scale.json").read_text(encoding="utf-8"))["cases"]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_estimate_interval_and_null_are_those_people_read(case: dict[str, Any]) -> None:
    outcome = check(case | {"family": "scale"})
    assert outcome.group == "right"
    assert len(outcome.compared) == 21  # 3 models: estimate, limits, tau2, null value, statistic, p

"""R's answers for univariate pools and their subsets, through the adapters at the tolerances of the reference README."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.reference_runner.adapt_diagnostics_subsets import FUNCTIONS
from tests.reference_runner.adapt_rma_uni import fit
from tests.reference_runner.common import check

import vfmeta as vf
from vfmeta.kernels.quadratic_form import q_distribution

FOLDER = Path(__file__).parent / "reference"
POOLS = json.loads((FOLDER / "rma_uni.json").read_text(encoding="utf-8"))
SUBSETS = [c for c in json.loads((FOLDER / "diagnostics.json").read_text(encoding="utf-8")) if c["options"]["fun"] in FUNCTIONS]
GENQ = [c for c in POOLS if "GENQ" in c["expect"].get("confint", {})]
UNIROOT = 1.3e-4  # R's default tolerance of a root, .Machine$double.eps^0.25, in units of tau2


def test_all_cases_are_here() -> None:
    assert (len(POOLS), len(SUBSETS), len(GENQ)) == (346, 46, 9)


@pytest.mark.parametrize("case", POOLS, ids=lambda c: c["id"])
def test_pool(case: dict[str, Any]) -> None:
    outcome = check(case)
    assert outcome.group == "right" or (outcome.group == "explained" and case in GENQ)
    allowed = ("predict_riley", "confint.QP.type", "confint.PL.type", "confint.GENQ.type")
    assert [n for n in outcome.not_compared if n not in allowed] == []
    if case["options"]["method"] != "EE":
        assert "predict_riley" not in outcome.not_compared


@pytest.mark.parametrize("case", SUBSETS, ids=lambda c: c["id"])
def test_subsets(case: dict[str, Any]) -> None:
    outcome = check(case)
    assert outcome.group == "right"
    assert outcome.not_compared == []


@pytest.mark.parametrize("case", GENQ, ids=lambda c: c["id"])
def test_generalised_q_interval(case: dict[str, Any]) -> None:
    """Our limits solve the equation that defines them; R's stop within its tolerance of a root, and no nearer."""
    ours = fit(case, tau2_interval="generalised-Q")
    y, v = (np.array(case["inputs"][n]) for n in ("yi", "vi"))
    a = np.array(case["options"]["weights"])
    q = float(a @ (y - a @ y / a.sum()) ** 2)
    theirs = case["expect"]["confint"]["GENQ"]
    assert ours.tau2_interval is not None
    for limit, p, end in zip(ours.tau2_interval, (0.975, 0.025), ("lb", "ub"), strict=True):
        reached = q_distribution(q, v, a, limit)[0]
        assert reached == pytest.approx(p, abs=1e-11) if limit > 0 else reached <= p
        assert limit == pytest.approx(theirs[f"tau2_{end}"], abs=UNIROOT)


def test_r_limits_do_not_solve_their_equation() -> None:
    case = next(c for c in GENQ if c["id"] == "rma.dat_bcg_RR.GENQ.z.w_sqrt")
    y, v, a = np.array(case["inputs"]["yi"]), np.array(case["inputs"]["vi"]), np.array(case["options"]["weights"])
    q = float(a @ (y - a @ y / a.sum()) ** 2)
    low = case["expect"]["confint"]["GENQ"]["tau2_lb"]
    # Gil-Pelaez, by brute force, over the eigenvalues of the quadratic form: nothing shared with our inversion
    from scipy.integrate import quad

    root = np.sqrt(v + low)
    values = np.linalg.eigvalsh(root[:, None] * (np.diag(a) - np.outer(a, a) / a.sum()) * root)[1:]

    def integrand(x: float) -> float:
        return float(np.sin(0.5 * np.arctan(values * x).sum() - 0.5 * q * x) / (x * np.prod((1 + (values * x) ** 2) ** 0.25)))

    p = 0.5 - quad(integrand, 0, 50 / values.max(), limit=2000, epsabs=1e-12)[0] / np.pi
    assert p == pytest.approx(q_distribution(q, v, a, low)[0], abs=1e-8)
    assert abs(p - 0.975) > 5e-6


def test_a_single_study_and_two() -> None:
    one = {"inputs": {"yi": [0.3], "vi": [0.04]}, "options": {"method": "REML", "test": "knha", "level": 95}}
    with pytest.warns(vf.VfmetaWarning, match="nothing was pooled"):
        f = fit(one)
    assert (f.tau2, f.h2, f.heterogeneity_interval(), f.likelihoods) == (None, None, None, ())
    two = {"inputs": {"yi": [0.3, None, 0.9], "vi": [0.04, 0.1, 0.09]}, "options": {"method": "DL", "test": "z", "level": 95}}
    with pytest.warns(vf.VfmetaWarning):
        f = fit(two, prediction="fitted")
    assert f.k == 2
    assert f.prediction is not None
    with pytest.warns(vf.VfmetaWarning):
        assert fit(two, prediction="HTS").prediction is None

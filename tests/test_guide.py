"""Adding a measure, an estimator of tau2 or a prior is one file: those of CONTRIBUTING.md work where it says they go."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.integrate import quad

ROOT = Path(__file__).parents[1]
GUIDE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
FILES = {"measure": "rgm.py", "tau2 estimator": "plain.py", "prior family": "half_logistic.py"}
Y, V, DOSE = [0.3, 0.1, -0.6, 0.9], [0.04, 0.03, 0.05, 0.02], [1.0, 2.0, 3.0, 5.0]
MADE = f"""
import json
import numpy as np
import vfmeta as vf
from vfmeta.kernels.tau2 import ESTIMATORS
from vfmeta.priors.half_logistic import HalfLogistic
q = vf.Question(measure="RGM")
y, v, x = np.array({Y}), np.array({V}), np.column_stack([np.ones(4), {DOSE}])
post = vf.bayes.random_effects(y=y, v=v, question=q, tau=HalfLogistic(0.5), mu=vf.priors.Normal(0, 1))
print(json.dumps({{
    "measure": [q.facts.words, float(q.display(0.6931471805599453))],
    "estimator": ESTIMATORS["plain"].formula(y, v, x, None)[0],
    "posterior": [post.tau.median, post.to_json()],
}}))
"""
READ = """
import sys
import vfmeta as vf
post = vf.read_result(sys.stdin.read())
print(post.question.facts.words, post.tau_prior.words, sep="|")
"""


def sections() -> dict[str, tuple[str, str]]:
    """The folder that the guide names and the file it shows, by what is added."""
    found = re.findall(r"^## Adding an? (.*?)\n(.*?)```python\n(.*?)```", GUIDE, flags=re.DOTALL | re.MULTILINE)
    return {what: (re.findall(r"`(src/vfmeta/[\w/]+/)`", text)[0], code) for what, text, code in found}


def run(home: Path, code: str, said: str = "") -> str:
    settings = {"PYTHONPATH": str(home), "PYTHONUTF8": "1", "PYTHONWARNINGS": "ignore"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=home, env=settings, input=said
    )
    return done.stdout


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the package, with its compiled kernels, and the files of the guide in it."""
    folder = tmp_path_factory.mktemp("guide")
    shutil.copytree(ROOT / "src" / "vfmeta", folder / "vfmeta")
    for what, (place, code) in sections().items():
        (folder / place.removeprefix("src/") / FILES[what]).write_text(code, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def made(home: Path) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(run(home, MADE))
    return answer


def test_the_guide_shows_a_file_of_each_kind() -> None:
    assert set(sections()) == set(FILES)


def test_the_measure_is_known_to_a_process_that_made_no_effect(made: dict[str, Any]) -> None:
    assert made["measure"] == ["Ratio of geometric means", pytest.approx(2.0)]


def test_the_estimator_is_found(made: dict[str, Any]) -> None:
    """`test_new_estimator` fits with it: here each kernel would be compiled anew, as a file beside them has changed."""
    line = np.polyfit(DOSE, Y, 1)
    assert made["estimator"] == pytest.approx(((Y - np.polyval(line, DOSE)) ** 2).sum() / 2 - np.mean(V))


def test_the_prior_has_its_posterior_and_is_read_back_elsewhere(home: Path, made: dict[str, Any]) -> None:
    tau, text = made["posterior"]
    y, v = np.array(Y), np.array(V)

    def density(t: float) -> float:  # mu ~ normal(0, 1) integrated out: y is normal with one covariance
        cov = np.diag(v + t * t) + 1.0
        return float(np.exp(-0.5 * (np.linalg.slogdet(cov)[1] + y @ np.linalg.solve(cov, y))) / np.cosh(t) ** 2)

    whole, below = quad(density, 0, 12, epsabs=1e-12)[0], quad(density, 0, tau, epsabs=1e-12)[0]
    assert below / whole == pytest.approx(0.5, abs=1e-6)
    assert run(home, READ, text).strip() == "Ratio of geometric means|tau ~ half-logistic(0.5)"

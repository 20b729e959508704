#!/usr/bin/env bash
# Guess: the z-score that PyMARE prints is estimate / se; by default it is the normal deviate with the p value of a t test, much nearer 0 with few studies.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/env" # Python 3.11 or newer
"$folder/env/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps PyMARE==0.0.13 numpy==2.4.6 scipy==1.17.1 \
  pandas==3.0.0 sympy==1.14.0 mpmath==1.3.0 python-dateutil==2.9.0.post0 six==1.17.0

"$folder/env/bin/python" - <<'PY'
import math
from importlib.metadata import version

import numpy as np
from pymare import Dataset
from pymare.estimators import DerSimonianLaird
from scipy import stats

effects, variances = np.array([0.1, 0.5, 0.9, 0.2]), np.full(4, 0.1)
print(f"PyMARE {version('PyMARE')}, DerSimonianLaird of four effects, each with variance 0.1")
for name in ("knapp-hartung", "wald"):
    estimator = DerSimonianLaird() if name == "knapp-hartung" else DerSimonianLaird(small_sample_correction=name)
    found = estimator.fit_dataset(Dataset(effects, variances)).summary().get_fe_stats()
    estimate, se, z, p = (float(np.ravel(found[part])[0]) for part in ("est", "se", "z", "p"))
    print(f"{name:14} estimate {estimate:.4f}, se {se:.4f}, estimate / se {estimate / se:.4f}, z {z:.4f}, p {p:.4f}")
    if name == "wald":
        assert math.isclose(z, estimate / se, rel_tol=1e-9)
    else:  # the default
        assert z < 0.75 * estimate / se
        assert math.isclose(p, 2 * stats.t.sf(estimate / se, 3), rel_tol=1e-9)
        assert math.isclose(z, stats.norm.isf(p / 2), rel_tol=1e-9)
print("as described")
PY

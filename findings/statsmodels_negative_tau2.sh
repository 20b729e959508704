#!/usr/bin/env bash
# Guess: DerSimonian-Laird is cut at 0, so alike studies give the common-effect SE; statsmodels keeps tau2 < 0, and its "random effect" SE is far below it.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/env" # Python 3.11 or newer
"$folder/env/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps statsmodels==0.15.0 numpy==2.4.6 scipy==1.17.1 \
  pandas==3.0.0 patsy==1.0.3 packaging==26.0 python-dateutil==2.9.0.post0 six==1.17.0

"$folder/env/bin/python" - <<'PY'
import math

import numpy as np
import statsmodels
from statsmodels.stats.meta_analysis import combine_effects

effects = np.array([0.10, 0.11, 0.09, 0.10, 0.105, 0.10])  # six studies that agree more closely than chance lets expect
variances = np.full(6, 0.5)
common_se = math.sqrt(0.5 / 6)

found = combine_effects(effects, variances, method_re="chi2")
iterated = combine_effects(effects, variances, method_re="iterated")
frame = found.summary_frame()
print(f"statsmodels {statsmodels.__version__}, combine_effects of six effects, each with variance 0.5")
print(f'method_re="chi2" (DerSimonian-Laird): tau2 = {found.tau2:.6f}, i2 = {found.i2:.2f}')
print(f'method_re="iterated" (Paule-Mandel):  tau2 = {iterated.tau2:.6f}, i2 = {iterated.i2:.2f}')
print(f"common-effect SE by hand {common_se:.6f}")
print(frame.loc[["fixed effect", "random effect"], ["eff", "sd_eff", "ci_low", "ci_upp"]])

# by hand: Q = sum (y - mean)^2 / 0.5, and with equal variances tau2 = (Q - 5) / (5 / 0.5), uncut
q = float(np.sum((effects - effects.mean()) ** 2) / 0.5)
uncut = (q - 5) / 10
assert uncut < 0
assert math.isclose(found.tau2, uncut, rel_tol=1e-9), found.tau2
assert math.isclose(frame.loc["fixed effect", "sd_eff"], common_se, rel_tol=1e-9)
assert math.isclose(frame.loc["random effect", "sd_eff"], math.sqrt((0.5 + uncut) / 6), rel_tol=1e-6), "no longer from a negative tau2"
assert frame.loc["random effect", "sd_eff"] < common_se / 100
assert math.isclose(found.i2, (q - 5) / q, rel_tol=1e-6), found.i2  # neither cut at 0 nor a percentage
assert iterated.tau2 == 0  # the other estimator is cut
print("as described")
PY

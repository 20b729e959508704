#!/usr/bin/env bash
# Guess: a comparison that one three-armed trial alone has seen has no indirect evidence, as every way round leads through that trial; pimeta's netsplit prints an indirect estimate and a test of it.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/env" # Python 3.11 or newer
"$folder/env/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps pimeta==1.1.0 numpy==2.4.6 scipy==1.17.1 \
  matplotlib==3.11.2 contourpy==1.3.3 cycler==0.12.1 fonttools==4.68.0 kiwisolver==1.5.1 packaging==26.4 pillow==13.0.0 \
  pyparsing==3.3.3 python-dateutil==2.9.0.post0 six==1.17.0

"$folder/env/bin/python" - <<'PY'
from importlib.metadata import version

import pimeta

# trial 1 has the arms a, b, c; trials 2 and 3 compare a with b. Nobody else has seen c.
effects, errors = [0.5, 0.9, 0.4, 0.2, 0.7], [0.2, 0.2, 0.2, 0.25, 0.3]
network = pimeta.netmeta(effects, errors, list("aabaa"), list("bccbb"), ["1", "1", "1", "2", "3"], method_tau="REML")
found = pimeta.netsplit(network)
print(f"pimeta {version('pimeta')}, netsplit by {found.method}; tau {network.tau:.4f}")
for i, name in enumerate(found.comparison):
    indirect, p = found.indirect_random["TE"][i], found.compare_random["p"][i]
    told = "none" if indirect is None else f"{indirect:.4f}, p of the difference {p:.4f}"
    print(f"{name}: trials {found.k[i]}, direct share {found.prop_random[i]:.4f}, indirect {told}")
only = found.comparison.index("a:c")
assert found.k[only] == 1
assert found.prop_random[only] < 0.9
assert found.indirect_random["TE"][only] is not None
print("as described")
PY

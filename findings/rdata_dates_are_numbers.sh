#!/usr/bin/env bash
# Guess: rdata.read_rds gives Date and POSIXct columns of a data frame of R as dates; they are floats (days, seconds since 1970), with a warning.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/env" # Python 3.12 or newer
"$folder/env/bin/python" -m pip install --quiet --disable-pip-version-check rdata==1.1.0 pandas==3.1.1 xarray==2026.9.0

"$folder/env/bin/python" - "$folder" <<'PY'
import base64
import sys
import warnings
from importlib.metadata import version
from pathlib import Path

import rdata

# R 4: saveRDS(data.frame(read = as.Date("2024-03-01"), at = as.POSIXct("2024-03-01 12:00:00", tz = "UTC")), "d.rds")
path = Path(sys.argv[1]) / "d.rds"
path.write_bytes(base64.b64decode("H4sIAAAAAAAAA4vgYmBgYGZgYWJiYGYFMhlYQ0PcdC2AYsJADhOQ5gPSjA6XAw8wgAELE4jPwMLACVKcnJNYXAxkCCAJsrgklqQC6X8wzY43KwouwDUz/oeqZ4KqZw/wD/aMSC6BctnA3BJ0m0qq8vNS0WxiDg1xhliEqjYvMTe1GM0WlqLUxBQomymxBM0tMK1cKYkliXppRUAD0AzlLMov14MZzAsypAFI/AcCkAsAYPQD+0cBAAA="))
with warnings.catch_warnings(record=True) as told:
    warnings.simplefilter("always")
    frame = rdata.read_rds(path)
print(f"rdata {version('rdata')}")
print(frame, dict(frame.dtypes), *(w.message for w in told), sep="\n")
assert [str(x) for x in frame.dtypes] == ["float64", "float64"]
assert frame.iloc[0].tolist() == [19783.0, 1709294400.0]
print("as described")
PY

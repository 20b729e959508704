#!/usr/bin/env bash
# Guess: pyreadr.read_r of an .rda file gives every object or says which it cannot read; a list is left out without a word.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/env" # Python 3.11 or newer
"$folder/env/bin/python" -m pip install --quiet --disable-pip-version-check pyreadr==0.5.3 pandas==2.3.3

"$folder/env/bin/python" - "$folder" <<'PY'
import base64
import sys
import warnings
from importlib.metadata import version
from pathlib import Path

import pyreadr

# R 4: arms <- data.frame(study = c("A", "B"), n = c(40L, 52L)); meta <- list(outcome = "pain", arms = arms)
# save(arms, meta, file = "both.rda"); saveRDS(meta, "list.rds")
both, alone = (Path(sys.argv[1]) / name for name in ("both.rda", "list.rds"))
both.write_bytes(base64.b64decode("H4sIAAAAAAAAAwtyiTDiiuBiYGBgYmBhYmJgYgYyWZiABCMDCwMniJNYlFvMwMAsDFbDwCAAUQuWY3SEMZyABC9UhQYQm6CZwpqXmJtajKadtbikNKUSZkQeupbknMRimBaYIFdKYkmiXloR0DQ05ZxF+eV6MFvATmkAEv////8HpP6heyo3tSQRqATZU3C5gsTMPHI9zPSfGD8y/2cg4C2W/7h9gWEHe35pSXI+UCtKjDGAtQAAY1ux9OEBAAA="))
alone.write_bytes(base64.b64decode("H4sIAAAAAAAAA4vgYmBgYGJgYWJiYGIGMYXBfAYGASBmZGBh4ATSLAWJmXkMDMzIckxQOUZHGMMJSPBCVWgAsQlQIxOSKax5ibmpxWjaWYtLSlMqYUbkoWtJzkksLkZzDVdKYkmiXloR0DQ05ZxF+eV6MFvATmkAEv////8HpP5BFDP+R3MBe35pSXI+0CyoXxOLckHa/wEAIJMlhhoBAAA="))
print(f"pyreadr {version('pyreadr')}")
with warnings.catch_warnings(record=True) as told:
    warnings.simplefilter("always")
    found = {path.name: list(pyreadr.read_r(path)) for path in (both, alone)}
print("both.rda holds arms (data frame) and meta (list); read:", found["both.rda"])
print("list.rds holds a list; read:", found["list.rds"])
print("warnings:", [str(w.message) for w in told])
assert found == {"both.rda": ["arms"], "list.rds": []}
assert not told
print("as described")
PY

#!/usr/bin/env bash
# Guess: rispy.loads reads every record of a text that begins with a byte-order mark, as its versions since 2020 did; the first record is lost.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/env" # Python 3.9 or newer
"$folder/env/bin/python" -m pip install --quiet --disable-pip-version-check rispy==0.10.0

"$folder/env/bin/python" - "$folder" <<'PY'
import sys
from importlib.metadata import version
from pathlib import Path

import rispy

text = "".join(f"TY  - JOUR\nTI  - Record {i}\nPY  - 2020\nER  - \n" for i in (1, 2, 3))
plain, marked = (Path(sys.argv[1]) / name for name in ("plain.ris", "marked.ris"))
plain.write_text(text, encoding="utf-8")
marked.write_text(text, encoding="utf-8-sig")  # as programs on Windows save it

print(f"rispy {version('rispy')}, three records")
found = {}
for path in (plain, marked):
    found[path.name] = [record["title"] for record in rispy.load(path, encoding="utf-8")]
    print(f"{path.name:11} {found[path.name]}")
assert found["plain.ris"] == ["Record 1", "Record 2", "Record 3"]
assert found["marked.ris"] == ["Record 2", "Record 3"]
print("as described")
PY

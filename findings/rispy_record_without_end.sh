#!/usr/bin/env bash
# Guess: rispy.loads refuses a RIS record without its ER line, or ends it at the next TY; it merges the two, and drops a last one without ER.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/env" # Python 3.9 or newer
"$folder/env/bin/python" -m pip install --quiet --disable-pip-version-check rispy==0.10.0

"$folder/env/bin/python" - <<'PY'
from importlib.metadata import version

import rispy

one, two, three = (f"TY  - JOUR\nAU  - Author {i}\nTI  - Title {i}\nDO  - 10.1000/{i}\n" for i in (1, 2, 3))
end = "ER  - \n"

print(f"rispy {version('rispy')}, three records each")
for name, text in {"whole": one + end + two + end + three + end, "first without ER": one + two + end + three + end,
                   "last without ER": one + end + two + end + three}.items():
    found = [(r["title"], r["authors"], r["doi"]) for r in rispy.loads(text)]
    print(f"{name:17}", *found, sep="\n    ")
    if name == "whole":
        assert len(found) == 3
    elif name.startswith("first"):  # the authors of two articles under the title and the doi of the first
        assert found[0] == ("Title 1", ["Author 1", "Author 2"], "10.1000/1"), found
        assert len(found) == 2
    else:
        assert [title for title, *_ in found] == ["Title 1", "Title 2"]
print("as described")
PY

#!/usr/bin/env bash
# Guess: Formula("~ bs(dose, df=4)").required_variables names dose, as it does for log(dose); it is empty for bs, poly, center and scale.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/env" # Python 3.11 or newer
"$folder/env/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps formulaic==1.2.2 numpy==2.4.6 scipy==1.17.1 \
  pandas==3.0.0 interface_meta==2.0.1 narwhals==2.29.0 wrapt==2.5.2 typing_extensions==4.16.0 python-dateutil==2.9.0.post0 six==1.17.0

"$folder/env/bin/python" - <<'PY'
import formulaic
import pandas as pd
from formulaic import Formula

data = pd.DataFrame({"dose": [1.0, 2.0, 3.0, 5.0, 8.0, 13.0], "drug": list("ababab")})
named = {"~ dose": {"dose"}, "~ log(dose)": {"dose"}, "~ C(drug)": {"drug"}}
silent = ("~ bs(dose, df=4)", "~ poly(dose, 2)", "~ center(dose)", "~ scale(dose)")

print(f"formulaic {formulaic.__version__}, Formula(...).required_variables")
for text in (*named, *silent):
    formula = Formula(text)
    columns = formula.get_model_matrix(data).shape[1]  # every one is a valid formula of these data
    found = set(map(str, formula.required_variables))
    print(f"{text:20} {sorted(found)!s:10} model matrix with {columns} columns")
    assert found == named.get(text, set()), text
print("as described")
PY

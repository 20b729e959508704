"""``make agreement``: the exact posterior beside PyMC's on every recorded Bayesian case and every analysis of the review, and
every frequentist pool of the review beside statsmodels'.

``python -m tests.reference_runner.agreement [CASES=folder] [TRIALS=folder] [PLANS=folder] [SEED=number]``
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from tests.reference_runner import adapt_bayesmeta
from tests.reference_runner.common import NotOffered

from vfmeta.appraisal.agreement import Case, report, report_pools
from vfmeta.core.messages import InputError
from vfmeta.evidence.plan import load_plans
from vfmeta.evidence.run import review_cases
from vfmeta.trials import load_trials

DEFAULT = Path(__file__).resolve().parents[1] / "reference"


def recorded(place: Path) -> list[Case]:
    """The bayesmeta cases of a folder or file."""
    files = sorted(place.glob("*.json")) if place.is_dir() else [place]
    cases: list[dict[str, Any]] = [c for f in files for c in json.loads(f.read_text(encoding="utf-8")) if _is_ours(c)]
    found = []
    for case in cases:
        sigma = case["inputs"]["sigma"]
        try:
            tau, mu = adapt_bayesmeta.priors(case["options"])
        except NotOffered as missing:
            print(f"{case['id']}: not compared, {missing}")
            continue
        found.append(Case(case["id"], {"y": case["inputs"]["y"], "v": [s**2 for s in sigma]}, tau, mu))
    return found


def _is_ours(case: Any) -> bool:
    return isinstance(case, dict) and case.get("options", {}).get("fun") == "bayesmeta"


def main(arguments: list[str]) -> int:
    """Compare and print; the exit status."""
    given = dict(a.split("=", 1) for a in arguments)
    place = Path(given.get("CASES") or DEFAULT)
    if not place.exists():
        print(f"There is no {place}; give a folder of case files, or one file, as CASES=path.")
        return 2
    try:
        review, pools = review_cases(load_plans(given.get("PLANS")), load_trials(given.get("TRIALS")))
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    return max(report([*recorded(place), *review], seed=int(given.get("SEED", 1))), report_pools(pools))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

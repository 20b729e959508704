"""``python -m tests.reference_runner [CASES=path]``: every case of a folder (or file) through the public functions.

Prints, for each family, how many cases are right, wrong and not offered, the worst relative error, each value outside tolerance
with expected and got, what was not compared, and what is not offered by name; values that differ for a written reason
(`tests.reference_runner.explained`) stand apart, with the reason. Exit status 1 if any case is wrong.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

from tests.reference_runner.common import Outcome, adapters, run

DEFAULT = Path(__file__).resolve().parents[1] / "reference"
SHOWN = 12


def main(arguments: list[str]) -> int:
    """Run and report; the exit status."""
    given = [a.removeprefix("CASES=") for a in arguments] or [os.environ.get("CASES") or str(DEFAULT)]
    cases: list[dict[str, Any]] = []
    for place in given:
        found = _read(Path(place))
        if found is None:
            return 2
        cases += found
    for name, why in adapters()[1].items():
        print(f"! {name} cannot be imported, so its cases are not offered: {why}")
    outcomes: dict[str, list[Outcome]] = defaultdict(list)
    seconds: Counter[str] = Counter()
    for case in cases:
        start = time.perf_counter()
        outcome = run(case)
        outcomes[outcome.family].append(outcome)
        seconds[outcome.family] += time.perf_counter() - start  # type: ignore[assignment]
    for family in sorted(outcomes):
        _report(family, outcomes[family], float(seconds[family]))
    return _total([o for group in outcomes.values() for o in group])


def _read(place: Path) -> list[dict[str, Any]] | None:
    if not place.exists():
        print(f"There is no {place}; give a folder of case files, or one file, as CASES=path.")
        return None
    files = sorted(place.glob("*.json")) if place.is_dir() else [place]
    if not files:
        print(f"{place} holds no .json file.")
    cases: list[dict[str, Any]] = []
    for file in files:
        try:
            found = json.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            print(f"! {file.name} cannot be read: {error}")
            cases.append({"id": file.name, "family": file.stem})  # counted as wrong: it is no case
            continue
        if isinstance(found, dict) and isinstance(found.get("cases"), list):  # a set: its name is the family of its cases
            found = [{"family": found.get("set", file.stem)} | c for c in found["cases"]]
        if not isinstance(found, list) or any(not isinstance(c, dict) or "family" not in c for c in found):
            print(f"{file.name}: not a list of cases, left aside.")
            continue
        if not found:
            print(f"{file.name}: empty, no cases.")
        cases += found
    return cases


def _report(family: str, outcomes: list[Outcome], seconds: float) -> None:
    groups = Counter(o.group for o in outcomes)
    values = sum(len(o.compared) for o in outcomes)
    worst = max((o for o in outcomes if o.group == "right"), key=lambda o: o.worst, default=None)
    error = f", worst relative error of the right ones {worst.worst:.1e} ({worst.case_id})" if worst and worst.worst else ""
    print(
        f"\n{family}: {len(outcomes)} cases, {groups['right']} right, {groups['explained']} explained, "
        f"{groups['wrong']} wrong, {groups['not offered']} not offered; {values} values compared in {seconds:.1f} s{error}"
    )
    for outcome in outcomes:
        if outcome.group == "wrong":
            bad = [c for c in outcome.compared if not c.right and not c.excused]
            print(f"  WRONG {outcome.case_id}" + (f": {outcome.note}" if outcome.note else ""))
            for c in bad[:SHOWN]:
                both = f"expected {_text(c.expected)}, got {_text(c.got)}"
                print(f"    {c.name}: {both}, relative error {c.error:.1e} {c.why}".rstrip())
            if len(bad) > SHOWN:
                print(f"    and {len(bad) - SHOWN} more of {len(outcome.compared)} values")
    _explain(outcomes)
    for name, number in sorted(Counter(o.note for o in outcomes if o.group == "not offered").items()):
        print(f"  not offered: {name} ({number})")
    left = Counter(name for o in outcomes for name in o.not_compared)
    if left:
        print("  not compared: " + ", ".join(f"{name} ({number})" for name, number in sorted(left.items())))
    for outcome in outcomes:
        if outcome.group == "right" and outcome.note:
            print(f"  {outcome.case_id}: {outcome.note.splitlines()[0]}")


def _explain(outcomes: list[Outcome]) -> None:
    reasons: dict[str, list[str]] = defaultdict(list)
    for outcome in outcomes:
        for c in outcome.compared:
            if c.excused:
                reasons[c.excused].append(f"{outcome.case_id} {c.name}: expected {_text(c.expected)}, got {_text(c.got)}")
    for reason, lines in reasons.items():
        print(f"  explained: {reason}")
        print("".join(f"    {line}\n" for line in lines), end="")


def _text(value: Any) -> str:
    return f"{value:.12g}" if isinstance(value, float) else str(value)


def _total(outcomes: list[Outcome]) -> int:
    groups = Counter(o.group for o in outcomes)
    worst = max((o.worst for o in outcomes if o.group == "right"), default=0.0)
    print(
        f"\n{len(outcomes)} cases: {groups['right']} right (worst relative error {worst:.1e}), "
        f"{groups['explained']} with an explained difference, {groups['wrong']} wrong, {groups['not offered']} not offered."
    )
    return 1 if groups["wrong"] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

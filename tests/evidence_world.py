"""A made-up world of trials, small enough to work by hand, and copies of the packaged one to add trials to."""

from __future__ import annotations

import csv
import math
from pathlib import Path
from statistics import NormalDist
from typing import Any

from vfmeta.trials import schema

Z = NormalDist().inv_cdf(0.975)
# month -> study -> (y, se): pain on 0 to 10, vertebroplasty minus sham. Months 6 and 9 are more alike than chance has it.
PAIN = {
    1: {"able": (-1.0, 0.5)},
    3: {"able": (-1.0, 0.4), "baker": (-0.4, 0.5)},
    6: {"able": (-1.0, 0.5), "baker": (-1.1, 0.4), "clark": (-0.9, 0.6)},
    9: {"able": (-0.8, 0.5), "baker": (-1.2, 0.4), "clark": (-0.9, 0.45), "dixon": (-1.1, 0.6)},
    12: {"able": (-2.0, 0.2), "baker": (-0.2, 0.6), "clark": (-1.4, 0.3), "dixon": (0.3, 0.5), "evans": (-1.0, 0.3)},
    24: {},
}
# study -> events and patients, drug then placebo: new fractures
FRACTURES = {"foster": (10, 100, 20, 100), "grant": (12, 80, 24, 120)}
LABELS = {
    "able": "Able 2001", "baker": "Baker 2003", "clark": "Clark 2005", "dixon": "Dixon 2007", "evans": "Evans 2009",
    "foster": "Foster 2010", "grant": "Grant 2011", "hale": "Hale 2012",
}  # fmt: skip
PLAN_CEMENT = """
id = "cement"
title = "Vertebroplasty against sham"
page = "vertebroplasty"
question = "Does cement relieve pain?"
population = "Made-up patients."
experimental = ["vertebroplasty"]
control = ["sham"]
names = ["vertebroplasty", "sham"]
"""
PLAN_DRUG = """
id = "drug"
title = "Drug against placebo"
page = "teriparatide"
question = "Does the drug prevent fractures?"
population = "Made-up patients."
experimental = ["drug"]
control = ["placebo"]
names = ["drug", "placebo"]

[[analysis]]
id = "fracture"
title = "New fractures"
outcome = "fracture"
measure = "RR"
figure = "harms"
lead = true
"""
for _month in PAIN:
    PLAN_CEMENT += f"""
[[analysis]]
id = "pain_{_month}m"
title = "Pain at {_month} months"
outcome = "pain"
measure = "MD"
points = [0, 10]
mid_from = "vas"
figure = "pain"
week = {_month * 365.25 / 84}
window = [{_month * 4}, {_month * 5}]
"""
    if _month == 12:
        PLAN_CEMENT += """lead = true

[[analysis.sensitivity]]
id = "common"
title = "common effect"
model = "common"

[[analysis.sensitivity]]
id = "dl"
title = "DerSimonian-Laird"
method = "DL"
test = "Wald"

[[analysis.sensitivity]]
id = "nothing_new"
title = "without a trial that is not there"
drop_flags = ["high_risk"]
"""


def read(folder: Path, table: str) -> list[dict[str, str]]:
    """The rows of a table as text."""
    with (folder / f"{table}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def write(folder: Path, table: str, rows: list[dict[str, Any]]) -> None:
    """A table with all its columns; what a row does not name stays empty."""
    with (folder / f"{table}.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(schema.fields(table)), restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def add(folder: Path, table: str, *rows: dict[str, Any]) -> None:
    """More rows at the end of a table."""
    write(folder, table, [*read(folder, table), *rows])


def edit(folder: Path, table: str, row_id: str, **cells: Any) -> None:
    """Other values in some cells of one row."""
    rows = read(folder, table)
    hit = [row for row in rows if row["row_id"] == row_id]
    assert len(hit) == 1
    hit[0].update(cells)
    write(folder, table, rows)


def study_rows(study: str, label: str, arms: dict[str, str], size: int) -> dict[str, list[dict[str, Any]]]:
    """A randomised trial with its arms and its source, as rows of the tables."""
    author, year = label.rsplit(" ", 1)
    return {
        "studies": [
            {"study_id": study, "cohort_id": study, "first_author": author, "year": year, "design": "parallel_rct",
             "blinding": "double_blind", "n_randomised": size * len(arms), "phase": "acute"}
        ],
        "arms": [
            {"study_id": study, "arm_id": arm, "intervention_id": given, "role": arm, "n_randomised": size}
            for arm, given in arms.items()
        ],
        "sources": [{"source_id": f"{study}_paper", "citation": f"{label}, made up", "url": f"https://example.org/{study}",
                     "kind": "primary_report"}],
        "study_sources": [{"study_id": study, "source_id": f"{study}_paper"}],
        "arm_sources": [{"study_id": study, "arm_id": arm, "source_id": f"{study}_paper"} for arm in arms],
    }  # fmt: skip


def read_twice(study: str) -> dict[str, Any]:
    """Cells of a figure that was read again at its source and may be pooled."""
    return {"source_id": f"{study}_paper", "locator": "table 2", "reading": "agrees", "reading_source_id": f"{study}_paper",
            "use": "pool", "time_kind": "visit", "analysis_set": "itt", "unit": "patient"}  # fmt: skip


def contrast(study: str, month: int, **cells: Any) -> dict[str, Any]:
    """A printed mean difference in pain."""
    return {
        "row_id": f"{study}-{month}m", "study_id": study, "arm_experimental": "experimental", "arm_control": "control",
        "time_value": month, "time_unit": "month", "measure": "MD", "printed_as": "experimental_minus_control",
        "contrast_of": "final", **read_twice(study), **cells,
    }  # fmt: skip


def world(folder: Path) -> Path:
    """Write the made-up tables and plans to ``folder/trials`` and ``folder/analyses`` and return ``folder``."""
    tables: dict[str, list[dict[str, Any]]] = {name: [] for name in schema.tables()}
    tables["interventions"] = [
        {"intervention_id": x, "name": x, "intervention_class": x, "review_intervention": "true"}
        for x in ("vertebroplasty", "sham", "drug", "placebo")
    ]
    tables["sources"] = [{"source_id": "scales", "citation": "A book of scales", "kind": "secondary_report"}]
    tables["instruments"] = [
        {"instrument_id": "vas", "name": "VAS", "construct": "pain", "scale_min": 0, "scale_max": 10, "higher_is_worse": "true",
         "range_source_id": "scales", "mid_between": 1.5, "mid_between_source_id": "scales"}
    ]  # fmt: skip
    tables["outcomes"] = [
        {"outcome_id": "pain", "name": "pain", "domain": "pain", "kind": "continuous", "higher_is_worse": "true"},
        {"outcome_id": "fracture", "name": "new fractures", "domain": "fracture", "kind": "binary", "higher_is_worse": "true"},
    ]
    for study, label in LABELS.items():
        of_cement = any(study in at for at in PAIN.values())
        given = ("vertebroplasty", "sham") if of_cement else ("drug", "placebo")
        size = 100 if study != "grant" else 120
        for table, rows in study_rows(study, label, dict(zip(("experimental", "control"), given, strict=True)), size).items():
            tables[table] += rows
    for month, at in PAIN.items():
        for study, (y, se) in at.items():
            tables["contrasts"].append(contrast(study, month, outcome_id="pain", instrument_id="vas", estimate=y, se=se))
    for study, (a, n, b, m) in FRACTURES.items():
        for arm, events, total in (("experimental", a, n), ("control", b, m)):
            cells = {"row_id": f"{study}-{arm}", "study_id": study, "arm_id": arm, "outcome_id": "fracture", "events": events}
            tables["outcomes_binary"].append({**cells, "total": total, **read_twice(study)})
    (folder / "trials").mkdir(parents=True)
    (folder / "analyses").mkdir()
    for table, rows in tables.items():
        write(folder / "trials", table, rows)
    (folder / "analyses" / "cement.toml").write_text(PLAN_CEMENT, encoding="utf-8")
    (folder / "analyses" / "drug.toml").write_text(PLAN_DRUG, encoding="utf-8")
    return folder


def common(y: list[float], se: list[float]) -> tuple[float, float]:
    """Inverse-variance mean and its standard error."""
    w = [1 / s**2 for s in se]
    return sum(a * b for a, b in zip(w, y, strict=True)) / sum(w), 1 / math.sqrt(sum(w))


def dersimonian_laird(y: list[float], se: list[float]) -> tuple[float, float, float]:
    """Estimate, standard error and tau2 after DerSimonian and Laird 1986."""
    w = [1 / s**2 for s in se]
    mean = common(y, se)[0]
    q = sum(a * (b - mean) ** 2 for a, b in zip(w, y, strict=True))
    tau2 = max(0.0, (q - (len(y) - 1)) / (sum(w) - sum(a * a for a in w) / sum(w)))
    return *common(y, [math.sqrt(s**2 + tau2) for s in se]), tau2


def said(value: float) -> str:
    """A difference as pages print it: two decimals and a minus sign."""
    return f"{value:.2f}".replace("-", "\u2212")


def files(folder: Path) -> dict[str, bytes]:
    """Every file below a folder with its bytes."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}

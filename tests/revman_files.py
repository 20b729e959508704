"""Files of RevMan made for the tests: every stored result is computed here, one study after the other, apart from vfmeta.

The formulas are those of Deeks & Higgins 2010, Statistical algorithms in Review Manager 5, written out as printed there.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from statistics import NormalDist
from xml.sax.saxutils import escape, quoteattr

from scipy.stats import chi2

Z = NormalDist().inv_cdf(0.975)
LN10 = math.log(10)
TAGS = {"events": "DICH", "means": "CONT", "effects": "IV", "o-e": "IPD"}
RATIOS = ("OR", "RR", "PETO_OR", "Hazard Ratio")


@dataclass
class Row:
    """What is entered of a study; ``numbers`` by kind: (a, n1, c, n2), (m1, s1, n1, m2, s2, n2), (y, se) or (O-E, V)."""

    study: str
    numbers: tuple[float, ...]
    subgroup: str = ""
    order: int = 0


@dataclass
class Outcome:
    """An outcome as somebody set it up."""

    name: str
    kind: str
    measure: str
    method: str
    random: bool
    rows: list[Row]
    calculated: bool = True
    totals: str = "YES"
    subgroups: list[str] = field(default_factory=list)


def effect(o: Outcome, row: Row) -> tuple[float, float] | None:
    """Effect on the analysis scale and its standard error; None where it does not exist."""
    x = row.numbers
    if o.kind == "effects":
        return (x[0], x[1]) if x[1] > 0 else None
    if o.kind == "o-e":
        return (x[0] / x[1], 1 / math.sqrt(x[1])) if x[1] > 0 else None
    if o.kind == "means":
        m1, s1, n1, m2, s2, n2 = x
        if min(s1, s2, n1, n2) <= 0:
            return None
        if o.measure == "MD":
            return m1 - m2, math.sqrt(s1**2 / n1 + s2**2 / n2)
        n = n1 + n2
        s = math.sqrt(((n1 - 1) * s1**2 + (n2 - 1) * s2**2) / (n - 2))
        g = (m1 - m2) / s * (1 - 3 / (4 * n - 9))
        return g, math.sqrt(n / (n1 * n2) + g**2 / (2 * (n - 3.94)))
    a, n1, c, n2 = x
    b, d = n1 - a, n2 - c
    if o.measure == "PETO_OR":
        n, m = n1 + n2, a + c
        v = n1 * n2 * m * (n - m) / (n**2 * (n - 1))
        return ((a - n1 * m / n) / v, 1 / math.sqrt(v)) if v > 0 else None
    if o.measure != "RD" and (a + c == 0 or b + d == 0):
        return None
    if 0 in (a, b, c, d):
        a, b, c, d = a + 0.5, b + 0.5, c + 0.5, d + 0.5
    if o.measure == "OR":
        return math.log(a * d / (b * c)), math.sqrt(1 / a + 1 / b + 1 / c + 1 / d)
    if o.measure == "RR":
        return math.log(a / (a + b) * (c + d) / c), math.sqrt(1 / a - 1 / (a + b) + 1 / c - 1 / (c + d))
    return x[0] / n1 - x[2] / n2, math.sqrt(a * b / (a + b) ** 3 + c * d / (c + d) ** 3)


def tables_pool(o: Outcome, rows: list[Row]) -> tuple[float, float, list[float]]:
    """The Mantel-Haenszel estimate, its standard error and the weights of the rows."""
    r = s = e = f = g = h = spread = 0.0
    weights = []
    for row in rows:
        a, n1, c, n2 = row.numbers
        b, d, n = n1 - a, n2 - c, n1 + n2
        if o.measure == "OR":
            ri, si, p, q = a * d / n, b * c / n, (a + d) / n, (b + c) / n
            r, s, e, f, g, h = r + ri, s + si, e + p * ri, f + p * si, g + q * ri, h + q * si
            weights.append(si)
        elif o.measure == "RR":
            r, s = r + a * n2 / n, s + c * n1 / n
            spread += (n1 * n2 * (a + c) - a * c * n) / n**2
            weights.append(c * n1 / n)
        else:
            r, s = r + (a * n2 - c * n1) / n, s + n1 * n2 / n
            spread += (a * b * n2**3 + c * d * n1**3) / (n1 * n2 * n**2)
            weights.append(n1 * n2 / n)
    if o.measure == "OR":
        return math.log(r / s), math.sqrt(0.5 * (e / r**2 + (f + g) / (r * s) + h / s**2)), weights
    if o.measure == "RR":
        return math.log(r / s), math.sqrt(spread / (r * s)), weights
    return r / s, math.sqrt(spread) / s, weights


def pool(o: Outcome, rows: list[Row]) -> dict[str, float] | None:
    """The pool of the rows that are estimable, and ``weights`` by ORDER."""
    each = [(row, found) for row in rows if (found := effect(o, row)) is not None]
    if not each:
        return None
    w = [1 / se**2 for _, (_, se) in each]
    y = [found[0] for _, found in each]
    total = sum(w)
    centre, se, weights = sum(a * b for a, b in zip(w, y, strict=True)) / total, 1 / math.sqrt(total), w
    if o.kind == "events" and o.method == "MH":
        centre, se, weights = tables_pool(o, [row for row, _ in each])
    q, df = sum(a * (b - centre) ** 2 for a, b in zip(w, y, strict=True)), len(w) - 1
    tau2 = 0.0
    if o.random:
        if df:
            tau2 = max(0.0, (q - df) / (total - sum(a * a for a in w) / total))
        weights = [1 / (1 / a + tau2) for a in w]
        centre, se = sum(a * b for a, b in zip(weights, y, strict=True)) / sum(weights), 1 / math.sqrt(sum(weights))
    z = abs(centre) / se
    return {
        "estimate": centre, "se": se, "z": z, "p": 2 * (1 - NormalDist().cdf(z)), "q": q, "df": df,
        "p_q": float(chi2.sf(q, df)) if df else 1.0, "i2": 100 * max(0.0, (q - df) / q) if q else 0.0, "tau2": tau2,
        "weights": {row.order: x for (row, _), x in zip(each, weights, strict=True)},  # type: ignore[dict-item]
    }  # fmt: skip


def shown(o: Outcome, y: float, se: float) -> dict[str, float]:
    """Effect and limits as RevMan stores them: ratios, and their logs to base 10."""
    three = {"EFFECT_SIZE": y, "CI_START": y - Z * se, "CI_END": y + Z * se}
    if o.measure not in RATIOS:
        return three
    return {k: math.exp(x) for k, x in three.items()} | {f"LOG_{k}": x / LN10 for k, x in three.items()}


def totals(o: Outcome, rows: list[Row]) -> dict[str, float]:
    """Patients and events, those of rows that are not estimable included."""
    at = {"events": (1, 3), "means": (2, 5)}.get(o.kind)
    found: dict[str, float] = {}
    if at:
        found = {f"TOTAL_{i + 1}": sum(int(r.numbers[k]) for r in rows) for i, k in enumerate(at)}
    if o.kind == "events":
        found |= {f"EVENTS_{i + 1}": sum(int(r.numbers[k]) for r in rows) for i, k in enumerate((0, 2))}
    return found


NOTHING = {
    "EFFECT_SIZE": "0.0", "CI_START": "0.0", "CI_END": "0.0", "Z": "0.0", "P_Z": "0.0", "CHI2": "0.0", "DF": "0",
    "P_CHI2": "0.0", "I2": "0.0", "TAU2": "NaN", "LOG_EFFECT_SIZE": "-Infinity", "LOG_CI_START": "-Infinity",
    "LOG_CI_END": "-Infinity",
}  # fmt: skip


def results(o: Outcome, rows: list[Row], whole: dict[str, float] | None) -> dict[str, object]:
    """Attributes of an outcome or subgroup that hold its results."""
    head = {"STUDIES": len({r.study for r in rows}), **totals(o, rows)}
    if not o.calculated:
        return dict.fromkeys(NOTHING, "") | {"ESTIMABLE": "YES"} | dict.fromkeys(head, "")
    found = pool(o, rows)
    if found is None:
        return NOTHING | {"ESTIMABLE": "NO", "WEIGHT": "0.0"} | head
    share = 100.0
    if whole is not None:
        share = 100 * sum(whole["weights"].get(r.order, 0) for r in rows) / sum(whole["weights"].values())  # type: ignore[attr-defined]
    return {
        "ESTIMABLE": "YES", **shown(o, found["estimate"], found["se"]), "Z": found["z"], "P_Z": found["p"], "CHI2": found["q"],
        "DF": found["df"], "P_CHI2": found["p_q"], "I2": found["i2"], "TAU2": found["tau2"], "WEIGHT": share, **head,
    }  # fmt: skip


def row_attributes(o: Outcome, row: Row, whole: dict[str, float] | None) -> dict[str, object]:
    """Attributes of a row: what was entered, and what came out."""
    x = row.numbers
    own: dict[str, object] = {"ORDER": row.order, "STUDY_ID": row.study}
    if o.kind == "events":
        own |= {"EVENTS_1": int(x[0]), "TOTAL_1": int(x[1]), "EVENTS_2": int(x[2]), "TOTAL_2": int(x[3])}
    elif o.kind == "means":
        own |= dict(zip(("MEAN_1", "SD_1", "TOTAL_1", "MEAN_2", "SD_2", "TOTAL_2"), x, strict=True))
    elif o.kind == "effects":
        own |= {"ESTIMATE": x[0], "SE": x[1]}
    else:
        own |= {"O_E": x[0], "VAR": x[1]}
    found = effect(o, row)
    if found is None:
        return NOTHING | {"ESTIMABLE": "NO", "WEIGHT": "0.0", "SE": "0.0"} | own
    y, se = found
    own |= {"ESTIMABLE": "YES", "SE": se, **shown(o, y, se)}
    if o.kind == "events" and o.measure != "PETO_OR":
        own["VAR"] = se**2
    if whole is not None:
        own["WEIGHT"] = 100 * whole["weights"][row.order] / sum(whole["weights"].values())  # type: ignore[index,attr-defined]
    return own


def tag(name: str, attributes: dict[str, object], inside: str = "") -> str:
    """An element."""
    written = " ".join(f"{k}={quoteattr(str(x))}" for k, x in attributes.items())
    return f"<{name} {written}>{inside}</{name}>\n" if inside else f"<{name} {written}/>\n"


def outcome_xml(o: Outcome, no: int) -> str:
    """An outcome with its subgroups and rows."""
    kind, whole = TAGS[o.kind], pool(o, o.rows) if o.calculated else None
    words = f"<NAME>{escape(o.name)}</NAME><GROUP_LABEL_1>Drug</GROUP_LABEL_1><GROUP_LABEL_2>Placebo</GROUP_LABEL_2>\n"
    own = {
        "NO": no, "METHOD": o.method, "RANDOM": "YES" if o.random else "NO", "CI_STUDY": 95, "CI_TOTAL": 95, "TOTALS": o.totals,
        "SUBGROUPS": "YES" if o.subgroups else "NO", "SWAP_EVENTS": "NO",
    }  # fmt: skip
    if o.kind in ("effects", "o-e"):
        words += f"<EFFECT_MEASURE>{o.measure}</EFFECT_MEASURE>\n"
        own |= {"LOG_DATA": "NO"} if o.kind == "effects" else {}
    else:
        own["EFFECT_MEASURE"] = o.measure
    body = ""
    for i, name in enumerate(o.subgroups):
        rows = [r for r in o.rows if r.subgroup == name]
        lines = "".join(tag(f"{kind}_DATA", row_attributes(o, r, whole)) for r in rows)
        body += tag(f"{kind}_SUBGROUP", {"NO": i + 1, **results(o, rows, whole)}, f"<NAME>{escape(name)}</NAME>\n{lines}")
    if not o.subgroups:
        body = "".join(tag(f"{kind}_DATA", row_attributes(o, r, whole)) for r in o.rows)
    return tag(f"{kind}_OUTCOME", own | results(o, o.rows, None), words + body)


def review_xml(outcomes: list[Outcome], studies: dict[str, str], more: str = "", bias: str = "") -> str:
    """A review of one comparison; ``studies`` are names by the ids as the list of studies writes them."""
    order = 0
    for o in outcomes:
        for row in o.rows:
            order += 1
            row.order = order
    listed = "".join(tag("STUDY", {"ID": key, "NAME": name, "YEAR": name[-4:]}) for key, name in studies.items())
    analyses = "".join(outcome_xml(o, i + 1) for i, o in enumerate(outcomes))
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<COCHRANE_REVIEW REVMAN_VERSION="5.4.1">\n'
        "<COVER_SHEET><TITLE>Drugs for a pain</TITLE></COVER_SHEET>\n"
        f"<STUDIES_AND_REFERENCES><STUDIES><INCLUDED_STUDIES>{listed}</INCLUDED_STUDIES></STUDIES></STUDIES_AND_REFERENCES>\n"
        f'{bias}<ANALYSES_AND_DATA>\n<COMPARISON NO="1"><NAME>Drug versus placebo</NAME>\n{analyses}{more}</COMPARISON>\n'
        "</ANALYSES_AND_DATA></COCHRANE_REVIEW>\n"
    )

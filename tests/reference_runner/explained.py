"""Values of the reference that are known not to be what they are meant to be, each with the reason and the evidence.

Every entry names the values it excuses and for which cases, and stays narrow: what differs by more than the written bound is
wrong all the same. The runner prints these values, expected and got, in a group of their own.
"""

from __future__ import annotations

from typing import Any

from tests.reference_runner import (
    explained_appraisal,
    explained_bayes,
    explained_convert,
    explained_counts,
    explained_dependent,
    explained_network,
    explained_selection,
    explained_univariate,
)


def explanation(case: dict[str, Any], name: str, expected: float, got: Any) -> str:
    """Why a value outside tolerance is not held against us, or an empty text. ``name`` is its dotted place in ``expect``."""
    by_family = {
        "diagnostics": explained_appraisal.explain,
        "glmm": explained_counts.explain,
        "bayesmeta": explained_bayes.explain,
        "convert": explained_convert.explain,
        "rma_uni": explained_univariate.explain,
        "rma_mv": explained_dependent.explain,
        "netmeta": explained_network.explain,
        "selmodel": explained_selection.explain,
    }
    explain = by_family.get(case["family"])
    return explain(case, name, expected, got) if explain and isinstance(got, (int, float)) else ""

"""What misses its level by more than three points in a setting of ``reports/levels.md``, in a line below the result."""

from __future__ import annotations

from collections.abc import Sequence

_SAID = {
    "harbord": "where odds ratios differ between studies (tau2 0.15, 20 studies) the test rejects about 11% at 5%",
    "peese": "with 10 studies whose effects differ the interval holds the truth in about 90%",
    "trim_and_fill": "where effects differ and no study is missing the interval holds the truth in about 90%",
    "worst_case": "where effects differ and no study is missing the interval holds the truth in 86 to 90%, as the significant "
    "studies are left out",
    "excess_significance": "the test is cautious: with nothing to find it rejects 0 to 1% at 5%",
    "subgroups": "with groups as unequal as 3 and 10 studies, and unequal variances, the test between them rejects about 10% "
    "at 5%",
    "random_effects": "with 5 to 10 studies whose effects differ the Wald interval holds the truth in 86 to 91%",
}


def level_note(verb: str, applies: bool = True) -> list[str]:
    """The line of a verb, pointing to its section; nothing where its setting does not apply."""
    return [f"level: {_SAID[verb]} (reports/levels.md#{verb})"] if applies else []


def unequal_groups(sizes: Sequence[int]) -> bool:
    """Whether groups are so unequal that the test between them misses its level."""
    return len(sizes) > 1 and max(sizes) >= 3 * max(min(sizes), 1)

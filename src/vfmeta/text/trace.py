"""The words of the chain from an effect down to its source: one home for console, figure and page."""

from __future__ import annotations

from collections.abc import Sequence

PRINTED, STEP, UNUSED, SOURCE = "printed", "step", "not used", "source"


def chain_lines(printed: Sequence[str], steps: Sequence[str], unused: Sequence[str]) -> list[tuple[str, str]]:
    """What a paper printed, what was done with it and what was left aside, each line with the word that says which it is.

    Parameters
    ----------
    printed, steps, unused : sequence of str
        As an effect or a report holds them.
    """
    return [(kind, x) for kind, found in ((PRINTED, printed), (STEP, steps), (UNUSED, unused)) for x in found]


def console_lines(lines: Sequence[tuple[str, str]]) -> list[str]:
    """The same as the console shows it, indented and aligned."""
    return [f"  {kind:<8} {x}" for kind, x in lines]

"""Rules of published judgements of risk of bias: the words and domains of the instruments that are known."""

from __future__ import annotations

import numpy as np

from vfmeta.core.bias_tools import TOOLS
from vfmeta.trials.reporter import Reporter


def check(r: Reporter) -> None:
    """An instrument that is not known may have domains and words of its own."""
    f = r.frame
    place, said = [], []
    for tool, domain, judgement in zip(f.tool, f.domain, f.judgement, strict=True):
        known = TOOLS.get(tool)
        at = "overall" if known is None or domain.lower() == "overall" else known.domain(domain)
        place.append(at is None)
        said.append(known is not None and at is not None and known.level(judgement, at) is None)
    r.where(np.array(place, dtype=bool), "domain", "No domain of this instrument.",
            "Write it as the instrument does, or overall.")  # fmt: skip
    r.where(np.array(said, dtype=bool), "judgement", "No judgement of this instrument for this domain.",
            "Write a word of the instrument, or name another instrument.")  # fmt: skip

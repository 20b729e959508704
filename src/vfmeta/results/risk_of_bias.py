"""Judgements of risk of bias, by trial and domain."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from vfmeta.core.bias_tools import NOT_JUDGED, TOOLS
from vfmeta.core.messages import InputError
from vfmeta.core.question import Question
from vfmeta.results.codec import Recorded

if TYPE_CHECKING:
    import pandas as pd

    from vfmeta.core.bias_tools import Tool


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class RiskOfBias(Recorded):
    """Judgements of trials (``labels``) on the domains of a ``tool`` (``terms``); an empty word was not judged.

    ``judgements`` holds a word a trial and domain, ``overall`` the overall judgement as given, ``support`` what each rests on
    (the overall one last), ``weights`` (k,) what the trials weigh, NaN where nothing was said.
    """

    engine: ClassVar[str] = "appraisal"
    absent: ClassVar[dict[str, str]] = {"": "it holds judgements of trials and estimates nothing."}

    packed: ClassVar[frozenset[str]] = frozenset({"judgements", "support"})

    tool: str
    labels: tuple[str, ...]
    terms: tuple[str, ...]
    judgements: tuple[tuple[str, ...], ...]
    overall: tuple[str, ...]
    support: tuple[tuple[str, ...], ...]
    weights: np.ndarray
    question: Question = field(default_factory=Question)
    warnings: tuple[str, ...] = ()
    call: dict[str, Any] = field(default_factory=dict)

    @property
    def k(self) -> int:
        """Trials, judged or not."""
        return len(self.labels)

    @property
    def instrument(self) -> Tool:
        """The tool with its domains, levels and where they were published."""
        return TOOLS[self.tool]

    def worst(self) -> tuple[str, ...]:
        """The worst judgement of any domain of each trial, empty where none was judged. It is no overall judgement."""
        rank = {x.word: x.rank for x in self.instrument.levels}
        return tuple(max((w for w in row if w), key=rank.__getitem__, default="") for row in self.judgements)

    def of(self, study: Any) -> list[str | None]:
        """The overall judgement of each of these trials, matched by name, for ``by=`` of `vf.subgroups`; None: not judged.

        Parameters
        ----------
        study : effect table, result or sequence of names

        Raises
        ------
        InputError
            A trial of which nothing is known here.
        """
        names = study if isinstance(study, (list, tuple)) else getattr(study, "labels", None)
        if names is None:
            names = list(study["study"]) if hasattr(study, "__getitem__") and not isinstance(study, str) else list(study)
        lacking = [x for x in names if x not in self.labels]
        if lacking:
            raise InputError(
                f"Nothing is known here of {', '.join(map(str, lacking))}; the trials are {', '.join(self.labels)}. Add a row "
                "with empty judgements for one that nobody judged."
            )
        at = dict(zip(self.labels, self.overall, strict=True))
        return [at[x] or None for x in names]

    def to_frame(self) -> pd.DataFrame:
        """A row a trial and domain, "overall" last: study, domain, judgement ("not judged" where empty), support."""
        import pandas as pd

        names = (*self.terms, "overall")
        rows = [
            (label, domain, word or NOT_JUDGED.word, said)
            for label, own, last, why in zip(self.labels, self.judgements, self.overall, self.support, strict=True)
            for domain, word, said in zip(names, (*own, last), why, strict=True)
        ]
        return pd.DataFrame(rows, columns=["study", "domain", "judgement", "support"])

    def shares(self, weights: Any = None) -> pd.DataFrame:
        """Percent of the trials, or of their weight, at each level of each domain: domain, a column a level, "not judged".

        The row "overall" is there where some trial has an overall judgement.

        Parameters
        ----------
        weights : result or array-like of shape (k,), optional
            Of a pool (its trials matched by name; those it leaves out weigh nothing), or one a trial. Left out: each trial is
            one.
        """
        import pandas as pd

        w = self._weights(weights)
        levels = [*(x.word for x in self.instrument.levels), NOT_JUDGED.word]
        frame = self.to_frame()
        frame["w"] = np.repeat(100 * w / w.sum(), len(self.terms) + 1)
        table = frame.pivot_table(index="domain", columns="judgement", values="w", aggfunc="sum", fill_value=0.0, sort=False)
        rows = [*self.terms, *(["overall"] if any(self.overall) else [])]
        table = table.reindex(index=rows, columns=levels, fill_value=0.0)
        return pd.DataFrame(table.to_numpy(), columns=levels).assign(domain=list(table.index))[["domain", *levels]]

    def _weights(self, weights: Any) -> np.ndarray:
        if weights is None:
            return np.ones(self.k)
        if hasattr(weights, "labels") and hasattr(weights, "weights"):
            own = dict(zip(weights.labels, np.asarray(weights.weights, dtype=float), strict=True))
            self.of(list(own))  # refuses a trial that is not here
            return np.array([own.get(x, 0.0) for x in self.labels])
        w = np.asarray(weights, dtype=float)
        if w.shape != (self.k,) or not np.isfinite(w).all() or (w < 0).any() or w.sum() <= 0:
            raise InputError(f"weights must be {self.k} numbers of 0 or more, one a trial and not all 0, or a pool.")
        return w

    def sentence(self) -> str:
        """How many trials were judged at which level overall, and how many were not."""
        counts = {x.word: self.overall.count(x.word) for x in self.instrument.levels}
        said = ", ".join(f"{n} {word}" for word, n in counts.items() if n)
        silent = self.overall.count("")
        if not said:
            return f"None of {_trials(self.k)} has an overall judgement by {self.tool}."
        rest = f"; {silent} not judged" if silent else ""
        return f"Overall risk of bias by {self.tool}, of {_trials(self.k)}: {said}{rest}."

    def _pack(self) -> dict[str, Any]:
        return {"judgements": [list(x) for x in self.judgements], "support": [list(x) for x in self.support]}

    @classmethod
    def _unpack(cls, data: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
        return {name: tuple(tuple(map(str, x)) for x in data[name]) for name in cls.packed}

    def __str__(self) -> str:
        return self.sentence()


def _trials(k: int) -> str:
    return f"{k} trial{'s' * (k > 1)}"

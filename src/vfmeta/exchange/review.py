"""A review from RevMan: its analyses, an effect table of each, its judgements, and its stored results held to new ones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from vfmeta.core.measures import row as facts_of
from vfmeta.core.messages import InputError, did_you_mean
from vfmeta.exchange.analysis import Analysis, BiasJudgement, Study, number
from vfmeta.exchange.recomputed import Line, compared
from vfmeta.results.shown import Displayed

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from vfmeta.effects.table import EffectTable
    from vfmeta.results.fit import FrequentistResult
    from vfmeta.results.risk_of_bias import RiskOfBias

_STORED = ("estimate", "ci_low", "ci_high", "p_value", "q", "q_df", "i2", "tau2")


@dataclass(frozen=True, eq=False, repr=False)
class Review(Mapping[str, "EffectTable"], Displayed):
    """A review read from a file of RevMan; a mapping of its analyses to their effect tables.

    ``review["1.2"]`` is the effect table of analysis 1.2, ``review.fit("1.2")`` the pool that the file asks for,
    ``review.differences()`` every stored result that does not come out of the rows again. ``analyses`` holds all that is
    known of each, ``judged`` the judgements of risk of bias, ``notes`` what was odd in the file.
    """

    title: str
    source: str
    program: str
    analyses: tuple[Analysis, ...]
    studies: tuple[Study, ...] = ()
    judged: tuple[BiasJudgement, ...] = ()
    notes: tuple[str, ...] = ()
    characteristics: dict[str, dict[str, str]] = field(default_factory=dict)

    @cached_property
    def _at(self) -> dict[str, Analysis]:
        return {a.key: a for a in self.analyses}

    def __getitem__(self, key: str) -> EffectTable:
        return self.analysis(key).table

    def __iter__(self) -> Iterator[str]:
        return iter(self._at)

    def __len__(self) -> int:
        return len(self.analyses)

    def __contains__(self, key: object) -> bool:
        return key in self._at or any(key == a.number for a in self.analyses)

    def analysis(self, key: str) -> Analysis:
        """An analysis by its number ("1.2") or by number and name.

        Raises
        ------
        KeyError
            There is none; the message is that of an `InputError` and lists what there is.
        """
        found = self._at.get(key) or next((a for a in self.analyses if a.number == key), None)
        if found is None:
            raise _Unknown(f"No analysis {key!r}; there are {'; '.join(self._at) or 'none'}.{did_you_mean(str(key), self._at)}")
        return found

    def fit(self, key: str, **choices: Any) -> FrequentistResult:
        """The analysis pooled as the file asks, by vfmeta's verbs; ``choices`` (such as ``method="REML"``) change that."""
        return self.analysis(key).fit(**choices)

    @cached_property
    def _lines(self) -> tuple[Line, ...]:
        return tuple(line for a in self.analyses for line in compared(a))

    def differences(self, *, alike: bool = False) -> pd.DataFrame:
        """Stored results that do not come out of the rows again, by RevMan's own formulas.

        Parameters
        ----------
        alike : bool
            Whether those that do are listed too.

        Returns
        -------
        pandas.DataFrame
            analysis, subgroup and study (empty for a pool), quantity, stored, recomputed, difference, alike. Ratios stand as
            ratios, "log10 estimate" as a log to base 10, weights and I2 in percent; "estimable" is 1 or 0. A stored number is
            alike where the new one rounds to it, to two decimals at least. ``attrs["compared"]`` counts the numbers that were
            held to new ones.
        """
        import pandas as pd

        frame = pd.DataFrame([x for x in self._lines if alike or not x.alike], columns=Line._fields)
        frame.attrs["compared"] = len(self._lines)
        return frame

    def to_frame(self) -> pd.DataFrame:
        """A row an analysis: what it is, how it is pooled, and the stored result on the scale that ``scale`` names."""
        import pandas as pd

        rows = []
        for a in self.analyses:
            told = a.stored if a.calculated and a.estimable and a.totals == "YES" else {}
            rows.append({
                "analysis": a.number, "comparison": a.comparison, "outcome": a.name, "data": a.kind, "measure": a.measure,
                "method": a.method, "model": a.model, "studies": len({e.study_id for e in a.entries}), "rows": len(a.entries),
                "estimable": int(a.effects[2].sum()), "subgroups": len(a.subgroups),
                **{name: number(told.get(name)) for name in _STORED}, "scale": facts_of(a.measure).read_name,
            })  # fmt: skip
        frame = pd.DataFrame(rows)
        return frame.astype(dict.fromkeys(_STORED, float)) if rows else frame

    def judgements(self) -> pd.DataFrame:
        """Judgements of risk of bias as they stand in the file: study, domain, group, judgement, support."""
        import pandas as pd

        rows = [(x.study, x.domain, x.group, x.judgement, x.support) for x in self.judged]
        return pd.DataFrame(rows, columns=["study", "domain", "group", "judgement", "support"])

    def risk_of_bias(self, group: str = "") -> RiskOfBias:
        """The judgements by the seven domains of RoB 1.

        Parameters
        ----------
        group : str
            The group of outcomes, where some domains are judged by group.

        Raises
        ------
        InputError
            Domains that are judged by group, and no or another group named; domains that are none of RoB 1.
        """
        from vfmeta.appraisal.risk_of_bias import risk_of_bias
        from vfmeta.core.bias_tools import TOOLS

        groups = sorted({x.group for x in self.judged if x.group})
        if group and group not in groups:
            raise InputError(f"group={group!r} is unknown; there are {', '.join(map(repr, groups)) or 'none'}.")
        apart = {(x.study, x.domain) for x in self.judged if x.group}
        if not group and len({x.group for x in self.judged if (x.study, x.domain) in apart}) > 1:
            raise InputError(f"Some domains are judged by group; name one: group={' or '.join(map(repr, groups))}.")
        tool, kept = TOOLS["RoB 1"], [x for x in self.judged if not x.group or not group or x.group == group]
        strange = sorted({x.domain for x in kept if tool.domain(x.domain) is None})
        if strange:
            raise InputError(
                f"{', '.join(strange)}: no domain of RoB 1 ({', '.join(tool.domains)}). judgements() has them as they stand."
            )
        columns = {
            "study": [x.study for x in kept], "domain": [x.domain for x in kept], "judgement": [x.judgement for x in kept],
            "support": [x.support for x in kept],
        }  # fmt: skip
        return risk_of_bias(columns, tool="RoB 1")

    def to_revman_web(self, folder: str | Path) -> tuple[Path, ...]:
        """Write the four CSV files that RevMan Web imports (study information, arms, results, risk of bias) into a folder."""
        from vfmeta.exchange.revman_import import import_files

        return import_files(
            folder, analyses=self.analyses, studies=self.studies, judged=self.judged, characteristics=self.characteristics
        )

    def __str__(self) -> str:
        rows = sum(len(a.entries) for a in self.analyses)
        lines = [
            f"{self.title or self.source} ({self.program}): {len(self)} analyses, {rows} rows, "
            f"{len({e.study_id for a in self.analyses for e in a.entries})} studies"
        ]
        for a in self.analyses:
            pooled = f"{a.measure_words or a.measure}, {a.method}, {a.model}" if a.calculated else "not calculated yet"
            lines.append(f"  {a.key}: {int(a.effects[2].sum())} of {len(a.entries)} rows ({pooled})")
        apart = [x for x in self._lines if not x.alike]
        lines.append(
            f"All {len(self._lines)} stored numbers come out again."
            if not apart
            else f"{len(apart)} of {len(self._lines)} stored numbers do not come out again; see differences()."
        )
        return "\n".join([*lines, *self.notes])

    def __repr__(self) -> str:
        return str(self)

    __hash__ = None  # type: ignore[assignment]


class _Unknown(InputError, KeyError):
    """An analysis that is not there, as a mapping and as vfmeta says it."""

    __str__ = Exception.__str__


__all__ = ["Review"]

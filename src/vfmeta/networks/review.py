"""Networks from the trial tables: every two treatments compared, with what may set the comparisons apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import combinations
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from vfmeta.core.messages import InputError
from vfmeta.core.origin import LeftOut
from vfmeta.core.params import MethodOrCommon, Test
from vfmeta.core.question import Question
from vfmeta.effects.compare.comparison import compare
from vfmeta.effects.effect import Effect
from vfmeta.text.codes import column_text
from vfmeta.trials import Trials

if TYPE_CHECKING:
    import pandas as pd

    from vfmeta.networks.result import NetworkResult

#: what may modify an effect, as the study table names it
MODIFIERS = ("design", "blinding", "phase", "fracture_age")


def network_from_trials(
    trials: Trials,
    treatments: Mapping[str, str | Sequence[str]] | Sequence[str],
    *,
    reference: str | None = None,
    outcome: str,
    method: MethodOrCommon = "REML",
    test: Test = "HKSJ",
    level: float = 0.95,
    **options: Any,
) -> NetworkResult:
    """Network meta-analysis of the trial tables.

    Every two treatments are compared by `vfmeta.compare`, and the contrasts pooled by `vfmeta.network`.

    Parameters
    ----------
    trials : Trials
        From `vfmeta.load_trials`.
    treatments : mapping or sequence of str
        Nodes: interventions, or names of your own with the interventions or classes that each stands for. What is not
        comparable, such as sham and usual care, belongs to different nodes.
    reference, method, test, level
        As in `vfmeta.network`.
    outcome : str
        Outcome id.
    **options
        As in `vfmeta.compare`: ``measure``, ``week``, ``window``, ``points``, ``use`` and so on; one scale and one window.

    Returns
    -------
    NetworkResult
        ``details`` has, for each row, the trial's week, instrument, sources and what `modifiers` tables. Trials that compare
        two of the treatments and give no figure stand in ``left_out``.

    Raises
    ------
    InputError
        No figure, an intervention on two nodes, or a network in parts (all named).

    Examples
    --------
    >>> import vfmeta as vf
    >>> net = vf.network_from_trials(
    ...     vf.load_trials(), ["placebo", "teriparatide", "risedronate"], outcome="new_vertebral_fracture", measure="RR",
    ...     week=104, window=(40, 170), use=("pool", "sensitivity"), reference="placebo",
    ... )
    >>> bool((net.estimate < 0).all())
    True
    """
    if not isinstance(trials, Trials):
        raise InputError(f"network_from_trials takes the tables from vf.load_trials(), not {type(trials).__name__}.")
    return gathered(trials, treatments, outcome, options).fit(reference, method, test, level)


@dataclass(frozen=True)
class Gathered:
    """Effects of the tables by trial and pair of nodes, the studies without one, and the question they answer.

    ``said`` holds what `MODIFIERS` say of each trial, by study id.
    """

    effects: dict[str, dict[tuple[str, str], Effect]]
    left: list[LeftOut]
    question: Question
    said: dict[str, dict[str, str]]

    def to_dict(self) -> dict[str, Any]:
        """Plain data; `from_dict` reads it back."""
        effects = [[*pair, asdict(e)] for pairs in self.effects.values() for pair, e in pairs.items()]
        return {
            "effects": effects,
            "left": [asdict(x) for x in self.left],
            "question": self.question.to_dict(),
            "said": self.said,
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """The same from plain data."""
        effects: dict[str, dict[tuple[str, str], Effect]] = {}
        for a, b, fields in data["effects"]:
            effects.setdefault(fields["label"], {})[a, b] = Effect.from_dict(fields)
        left = [LeftOut(**x) for x in data["left"]]
        return cls(effects, left, Question.from_dict(data["question"]), data["said"])

    def parts(self) -> list[list[str]]:
        """Nodes that trials join, part by part, the largest first."""
        parts: list[set[str]] = []
        for pairs in self.effects.values():
            for pair in pairs:
                touched = [p for p in parts if p & set(pair)]
                parts = [p for p in parts if not p & set(pair)] + [set(pair).union(*touched)]
        return sorted((sorted(p) for p in parts), key=lambda p: (-len(p), p))

    def within(self, nodes: Sequence[str]) -> Gathered:
        """The effects between these nodes only."""
        kept = set(nodes)
        own = {label: {p: e for p, e in pairs.items() if set(p) <= kept} for label, pairs in self.effects.items()}
        return replace(self, effects={label: pairs for label, pairs in own.items() if pairs})

    def fit(
        self, reference: str | None = None, method: MethodOrCommon = "REML", test: Test = "HKSJ", level: float = 0.95
    ) -> NetworkResult:
        """The network of these effects; see `network_from_trials`."""
        from vfmeta.networks.fit import network

        if not self.effects:
            raise InputError("No trial compares two of these treatments with a usable figure for this outcome and time.")
        used, rows, torn = _whole(self.effects)
        columns = {
            "study": [label for label, _, _, _ in rows],
            "treat1": [a for _, a, _, _ in rows],
            "treat2": [b for _, _, b, _ in rows],
            "y": [e.y for _, _, _, e in rows],
            "v": [e.v for _, _, _, e in rows],
        }
        fit = network(columns, reference=reference, method=method, test=test, level=level, question=self.question)
        names = [t.label for t in fit.network.trials]
        per_trial = {label: _detail(self.said, used[label]) for label in names}
        details = tuple(per_trial[names[i]] for i in fit.trial.tolist())
        absent = tuple(x for x in self.left if x.label not in set(names))
        origin = replace(fit.origin, left_out=(*fit.origin.left_out, *absent))
        return replace(fit, details=details, origin=origin, warnings=(*fit.warnings, *torn))


def gathered(trials: Trials, treatments: Any, outcome: str, options: dict[str, Any]) -> Gathered:
    """Every two nodes compared; arguments as in `network_from_trials`."""
    nodes = _nodes(trials, treatments)
    arms: dict[str, set[str]] = {}
    for study, _, given, _ in trials.arm_list:
        arms.setdefault(study, set()).add(given)
    found: dict[str, dict[tuple[str, str], Effect]] = {}
    left: dict[str, LeftOut] = {}
    question = Question(measure=options.get("measure", "GEN"), outcome=outcome)
    for a, b in combinations(nodes, 2):
        if not any(own & set(nodes[a]) and own & set(nodes[b]) for own in arms.values()):
            continue
        table = compare(trials, nodes[a], nodes[b], outcome=outcome, sides=(a, b), **options)
        if len(table) or not found:
            question = table.question
        for effect in table:
            found.setdefault(effect.label, {})[a, b] = effect
        for x in table.left_out:
            left.setdefault(x.label, x)
    said = {e.study_id: _said(trials, e.study_id) for pairs in found.values() for e in pairs.values()}
    return Gathered(found, [x for label, x in left.items() if label not in found], question, said)


def modifiers(fit: NetworkResult) -> pd.DataFrame:
    """What may set the comparisons of a network apart, one row a comparison that trials make directly.

    Read it before any indirect estimate: that rests on the comparisons being alike in all of this.

    Parameters
    ----------
    fit : NetworkResult
        From `vfmeta.network_from_trials`.

    Returns
    -------
    DataFrame
        treatment, control, trials, weeks (range), then instrument, design, blinding, phase and fracture_age, each with the
        number of trials where they differ; "not stated" where the tables do not say.

    Examples
    --------
    >>> import vfmeta as vf
    >>> net = vf.network_from_trials(
    ...     vf.load_trials(), ["placebo", "teriparatide", "risedronate"], outcome="new_vertebral_fracture", measure="RR",
    ...     week=104, window=(40, 170), use=("pool", "sensitivity"), reference="placebo",
    ... )
    >>> vf.networks.modifiers(net).columns[:4].tolist()
    ['treatment', 'control', 'trials', 'weeks']
    """
    import pandas as pd

    from vfmeta.networks.result import NetworkResult

    if not isinstance(fit, NetworkResult) or len(fit.details) != fit.k:
        raise InputError("modifiers takes a network of the trial tables, from vf.network_from_trials.")
    first = np.unique(fit.trial, return_index=True)[1]
    of = dict(zip((t.label for t in fit.network.trials), (fit.details[i] for i in first), strict=True))
    rows = []
    for a, b in combinations(fit.treatments, 2):
        own = [of[t.label] for t in fit.network.trials if {a, b} <= set(t.arms)]
        if own:
            weeks = sorted({w for d in own for w in d["weeks"]})
            span = "" if not weeks else f"{weeks[0]:.0f}" if weeks[0] == weeks[-1] else f"{weeks[0]:.0f} to {weeks[-1]:.0f}"
            pair = (b, a) if a == fit.reference else (a, b)
            rows.append((*pair, len(own), span, *(_tally([d[name] for d in own]) for name in ("instrument", *MODIFIERS))))
    return pd.DataFrame(rows, columns=["treatment", "control", "trials", "weeks", "instrument", *MODIFIERS])


def _nodes(trials: Trials, treatments: Any) -> dict[str, list[str]]:
    """Interventions by node; one that stands on two nodes is named."""
    if isinstance(treatments, str) or not isinstance(treatments, (Mapping, Sequence)) or len(treatments) < 2:
        raise InputError(
            "treatments= names two nodes or more: a list of interventions, or a mapping of names to interventions."
        )
    given = treatments if isinstance(treatments, Mapping) else {name: name for name in treatments}
    nodes = {}
    for name, members in given.items():
        listed = trials.interventions_in([members] if isinstance(members, str) else list(members))
        nodes[str(name)] = listed
    taken: dict[str, list[str]] = {}
    for name, members in nodes.items():
        for member in members:
            taken.setdefault(member, []).append(name)
    if twice := {m: names for m, names in taken.items() if len(names) > 1}:
        raise InputError(
            [f"{m} stands on {' and '.join(names)}: an intervention belongs to one node." for m, names in twice.items()]
        )
    return nodes


def _whole(
    found: dict[str, dict[tuple[str, str], Effect]],
) -> tuple[dict[str, list[Effect]], list[tuple[str, str, str, Effect]], list[str]]:
    """Effects of each trial that together make a whole trial, as rows too; of the others the note says what was left."""
    used: dict[str, list[Effect]] = {}
    rows, notes = [], []
    for label, pairs in found.items():
        arms = list(dict.fromkeys(t for pair in pairs for t in pair))
        for size in range(len(arms), 1, -1):
            kept = next(
                (c for c in combinations(arms, size) if all(p in pairs or p[::-1] in pairs for p in combinations(c, 2))), None
            )
            if kept:
                break
        assert kept is not None
        if len(kept) < len(arms):
            gone = ", ".join(t for t in arms if t not in kept)
            notes.append(f"{label}: without {gone}, whose comparison with every other arm has no usable figure.")
        own = [(a, b, e) for (a, b), e in pairs.items() if a in kept and b in kept]
        used[label] = [e for _, _, e in own]
        rows += [(label, a, b, e) for a, b, e in own]
    return used, rows, notes


def _said(trials: Trials, study_id: str) -> dict[str, str]:
    study = trials.entries("studies")[study_id]
    values = {name: getattr(study, name) for name in MODIFIERS}
    return {name: "" if value is None else column_text(name, str(value)) for name, value in values.items()}


def _detail(said: dict[str, dict[str, str]], effects: list[Effect]) -> dict[str, Any]:
    return {
        "study_id": effects[0].study_id,
        "weeks": sorted({float(e.week) for e in effects if e.week is not None}),
        "instrument": ", ".join(sorted({e.instrument for e in effects if e.instrument})),
        "sources": sorted({s for e in effects for s in e.sources}),
        "rows": sorted({r for e in effects for r in e.rows}),
        **said[effects[0].study_id],
    }


def _tally(values: list[str]) -> str:
    """What several trials say: one word where they agree, else each with its number."""
    words = [v or "not stated" for v in values]
    counts = {w: words.count(w) for w in sorted(set(words))}
    return next(iter(counts)) if len(counts) == 1 else "; ".join(f"{w} ({n})" for w, n in counts.items())

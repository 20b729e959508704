"""The sets of effects of a multiverse: which table, measure, zero rule and inclusion rules, and which study is left out."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Any

import numpy as np

from vfmeta.core.measures import EVENTS, known
from vfmeta.core.messages import InputError, VfmetaWarning
from vfmeta.core.params import ZeroCells, choice
from vfmeta.core.question import Question
from vfmeta.effects.columns import as_frame
from vfmeta.effects.counts import EFFECT_TABLE
from vfmeta.effects.effect_size import effect_size
from vfmeta.effects.table import EffectTable
from vfmeta.results.multiverse import COLUMNS

GIVEN, WITHOUT, WITH, NOBODY = "as given", "all studies", "applied", "none"
OF_COUNTS = ("RR", "OR", "RD")
MOST = 1_000_000
# what else is a column of the frame of a multiverse
_TAKEN = {"table", "measure", "zero", "left_out", "adjustment", "method", "test", "scale", *COLUMNS}


@dataclass(frozen=True)
class Variants:
    """Sets of effects that are all different: ``codes`` (of the choices before the model), question, effects and variances.

    ``refused`` are those without an answer, with the reason; ``asked`` counts both.
    """

    options: dict[str, tuple[str, ...]]
    questions: tuple[Question, ...]
    asked: int
    codes: list[tuple[int, ...]] = field(default_factory=list)
    which: list[int] = field(default_factory=list)
    y: list[np.ndarray] = field(default_factory=list)
    v: list[np.ndarray] = field(default_factory=list)
    refused: list[tuple[tuple[int, ...], str]] = field(default_factory=list)


def variants(
    tables: Mapping[str, EffectTable], measures: Sequence[str] | None, zeros: Any, include: Any, leaving_out: bool, each: int
) -> Variants:
    """All sets of effects, in the order of the choices; those that repeat an earlier one are refused.

    ``each`` is how many models will be fitted to each, for the most that may be asked for.
    """
    rules = _rules(include)
    codes_of_measures = _measures(tables, measures)
    zero = _zeros(tables, zeros)
    everybody = list(dict.fromkeys(x for t in tables.values() for x in t.labels))
    options: dict[str, tuple[str, ...]] = {
        "table": tuple(tables), "measure": codes_of_measures, "zero": zero,
        **dict.fromkeys(rules, (WITHOUT, WITH)), "left_out": (NOBODY, *(everybody if leaving_out else ())),
    }  # fmt: skip
    asked = math.prod(len(x) for x in options.values())
    if asked * each > MOST:
        raise InputError(f"These are {asked * each:,} specifications, more than {MOST:,}; give fewer options of some choices.")
    questions: dict[tuple[int, int], Question] = {}
    found = Variants(options, (), asked)
    seen: dict[Any, str] = {}
    masks = {t: [_mask(name, rule, table) for name, rule in rules.items()] for t, table in tables.items()}
    for codes, table, q, made in _bases(tables, codes_of_measures, zero):
        if isinstance(made, str):
            found.refused.extend(((*codes, *b, n), made) for b, n in _rest(options, rules))
            continue
        y, v, places = made
        at = list(questions).index(codes[:2]) if codes[:2] in questions else len(questions)
        questions.setdefault(codes[:2], q)
        names = [table.labels[i] for i in places.tolist()]
        where = {name: i for i, name in enumerate(names)}
        conditions = [m[places] for m in masks[list(tables)[codes[0]]]]
        for bits in product((0, 1), repeat=len(rules)):
            base = np.ones(len(y), dtype=bool)
            for bit, condition in zip(bits, conditions, strict=True):
                base = base & condition if bit else base
            for n, name in enumerate(options["left_out"]):
                own = (*codes, *bits, n)
                kept = base
                if n:
                    if name not in where or not base[where[name]]:
                        found.refused.append((own, "the study left out is not among those of the other choices"))
                        continue
                    kept = base.copy()
                    kept[where[name]] = False
                if kept.sum() < 2:
                    few = "one study is left, so that nothing is pooled" if kept.sum() else "no study is left"
                    found.refused.append((own, few))
                    continue
                ys, vs = y[kept], v[kept]
                same = (q.measure, ys.tobytes(), vs.tobytes())
                if same in seen:
                    found.refused.append((own, f"the same effects as in an earlier set: {seen[same]}"))
                    continue
                seen[same] = _words(options, own)
                found.codes.append(own)
                found.which.append(at)
                found.y.append(ys)
                found.v.append(vs)
    return replace(found, questions=tuple(questions.values()))


def _words(options: dict[str, tuple[str, ...]], codes: tuple[int, ...]) -> str:
    """How one set of effects is told: what is not at its reference."""
    told = [f"{c} {options[c][at]!r}" for c, at in zip(options, codes, strict=True) if at]
    return ", ".join(told) or "every choice at its first option"


def _rest(options: Mapping[str, Any], rules: Mapping[str, Any]) -> Iterator[tuple[tuple[int, ...], int]]:
    for bits in product((0, 1), repeat=len(rules)):
        for n in range(len(options["left_out"])):
            yield bits, n


def _bases(
    tables: Mapping[str, EffectTable], measures: tuple[str, ...], zeros: tuple[str, ...]
) -> Iterator[tuple[tuple[int, int, int], EffectTable, Question, Any]]:
    """Effects, variances and places of the rows they came from, or the reason why there are none."""
    for (t, table), (m, measure), (z, zero) in product(enumerate(tables.values()), enumerate(measures), enumerate(zeros)):
        own = measure == table.question.measure
        q = table.question if own else _asked(table.question, measure)
        made: Any
        try:
            made = (table.y, table.v, np.arange(len(table))) if own and zero == GIVEN else _recounted(table, q, zero)
        except InputError as error:
            made = f"{measure} cannot be made ({error.problems[0].rstrip('.')})"
        yield (t, m, z), table, q, made


def _asked(question: Question, measure: str) -> Question:
    return replace(question, measure=measure, mid=None, mid_source="", no_difference=None, points=None, size=None)


def _recounted(table: EffectTable, q: Question, zero: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    counts = _counts(table)
    if isinstance(counts, str):
        raise InputError(counts)
    if EVENTS not in q.facts.inputs:
        raise InputError("the table holds counts of two arms only, and the measure is made of something else")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", VfmetaWarning)  # studies in which it does not exist are counted in k
        made = effect_size(
            q.measure, study=list(table.labels), to=None if zero == GIVEN else zero, missing="drop",
            question=q, **counts,
        )  # fmt: skip
    if not len(made):
        raise InputError("it exists in no study")
    if (made.v == 0).any():
        raise InputError(f"its sampling variance is 0 in {made.labels[int(np.argmin(made.v))]}")
    assert made.places is not None
    return made.y, made.v, made.places


def _counts(table: EffectTable) -> dict[str, Any] | str:
    """Counts of both arms of every study, or whose are not known."""
    details = table.details
    lacking = [n for n, d in zip(table.labels, details, strict=True) if any(d.get(x) is None for x in EFFECT_TABLE.values())]
    if lacking:
        some = ", ".join(lacking[:5]) + (" and others" if len(lacking) > 5 else "")
        return f"the table holds no events and patients of both arms of {some}"
    return {name: [d[of] for d in details] for name, of in EFFECT_TABLE.items()}


def _measures(tables: Mapping[str, EffectTable], asked: Sequence[str] | None) -> tuple[str, ...]:
    """Measures of the tables, the first table's first, and those asked for (or that its counts allow)."""
    own = [t.question.measure for t in tables.values()]
    if asked is None:
        made_of_counts = all(EVENTS in t.question.facts.inputs and not isinstance(_counts(t), str) for t in tables.values())
        return tuple(dict.fromkeys([*own, *(OF_COUNTS if made_of_counts else ())]))
    return tuple(dict.fromkeys([*own, *(known(m, made=True).code for m in several(asked))]))


def _zeros(tables: Mapping[str, EffectTable], asked: Any) -> tuple[str, ...]:
    if asked is None:
        counts = [_counts(t) for t in tables.values() if EVENTS in t.question.facts.inputs]
        with_zero = any(not isinstance(c, str) and _any_zero(c) for c in counts)
        return (GIVEN, "only0", "all", "none") if with_zero else (GIVEN,)
    return tuple(dict.fromkeys([GIVEN, *(choice("zeros", x, ZeroCells) for x in several(asked))]))


def several(given: Any) -> list[Any]:
    """One option, or all of a list."""
    return [given] if isinstance(given, str) or not np.iterable(given) else list(given)


def _any_zero(counts: dict[str, Any]) -> bool:
    e1, n1, e2, n2 = (np.array(counts[name]) for name in ("events1", "n1", "events2", "n2"))
    return bool((np.stack([e1, n1 - e1, e2, n2 - e2]) == 0).any())


def _rules(include: Any) -> dict[str, Any]:
    if include is None:
        return {}
    if isinstance(include, str):
        include = [include]
    if not isinstance(include, Mapping):
        if not np.iterable(include) or not all(isinstance(x, str) for x in include):
            raise InputError(
                "include= is a condition on columns of the table, several of them, or a mapping of names to conditions."
            )
        include = {x: x for x in include}
    rules = {str(name): rule for name, rule in include.items()}
    if taken := sorted(_TAKEN & set(rules)):
        raise InputError(f"include= names a rule {taken[0]!r}, as a column of the answer is called; give it another name.")
    return rules


def _mask(name: str, rule: Any, table: EffectTable) -> np.ndarray:
    """The studies that a rule keeps."""
    k = len(table)
    if isinstance(rule, str):
        frame = as_frame(table.frame)
        try:
            held = frame[rule] if rule in frame.columns else frame.eval(rule, engine="python")
        except Exception as error:  # whatever pandas says of a condition is the user's to read
            columns = ", ".join(map(str, frame.columns))
            raise InputError(
                f"include= {name!r}: {rule!r} cannot be read as a condition ({error}); the columns of the table are {columns}."
            ) from error
    else:
        held = rule
    if isinstance(held, (str, bytes)) or np.ndim(held) != 1 or np.shape(held) != (k,):
        raise InputError(f"include= {name!r}: the condition must be true or false for each of the {k} studies.")
    given = list(held)
    if odd := [x for x in given if not isinstance(x, (bool, np.bool_))]:
        raise InputError(f"include= {name!r}: the condition must be true or false; {odd[0]!r} is neither.")
    return np.array(given, dtype=bool)

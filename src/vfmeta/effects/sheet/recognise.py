"""Which column has which role: by the table of names, by the caller's own mapping, and a refusal where it is not sure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vfmeta.core.messages import InputError, did_you_mean
from vfmeta.effects.sheet.names import NAMELESS, STATISTICS, UNSURE, WHOLE, Parts, compact, exact, statistic_of

#: every role that a mapping may name
ROLES: tuple[str, ...] = (
    *WHOLE, "estimate", *(f"{s}{g}" for s in STATISTICS for g in (1, 2)), *(s for s in STATISTICS if s not in WHOLE),
)  # fmt: skip


_BRACKETS = re.compile(r"\s*[(\[][^)\]]*[)\]]\s*")


@dataclass
class Roles:
    """What each column was taken for.

    ``column`` maps a role to its column, ``measure`` is what the estimates are headed by ("" where nothing says it), ``sides``
    the names of experimental and control group, ``level`` that of intervals as the headings say.
    """

    column: dict[str, str]
    measure: str = ""
    sides: tuple[str, str] = ("experimental", "control")
    level: float | None = None

    def __contains__(self, role: str) -> bool:
        return role in self.column

    def any(self, *stems: str) -> bool:
        """Whether some role of an arm is there."""
        return any(f"{s}{g}" in self.column for s in stems for g in (1, 2))


def paste(roles: Mapping[str, str], unsure: Mapping[str, Sequence[str]] | None = None, *more: str) -> str:
    """The call to paste: the mapping as it was taken, and what is to be decided marked."""
    lines = [f"    {role!r}: {name!r}," for role, name in roles.items() if role not in (unsure or {})]
    for role, names in (unsure or {}).items():
        lines.append(f"    {role!r}: {names[0]!r},  # or {', '.join(map(repr, names[1:]))}")
    options = "".join(f",\n  {x}" for x in more)
    return "vf.read(..., columns={\n" + "\n".join(lines) + "\n  }" + options + ")"


def recognise(
    names: Sequence[str],
    columns: Mapping[str, Any] | None = None,
    sides: tuple[str, str] | None = None,
    measure: str | None = None,
    equal: Any = None,
) -> Roles:
    """The roles of columns.

    Parameters
    ----------
    names : sequence of str
        Columns of the sheet.
    columns : mapping, optional
        Role to the name of its column; None in place of a name says that no column has the role.
    sides : (str, str), optional
        Names of the experimental and the control group, as the headings have them.
    measure : str, optional
        The measure asked for, which decides between estimates of several measures.
    equal : callable, optional
        Whether two columns hold the same, so that it does not matter which is read.

    Raises
    ------
    InputError
        A mapping that names no role or no column, or two columns that fit one role: the message shows the mapping to paste.
    """
    given = _given(columns, names)
    fixed = {role: name for role, name in given.items() if name is not None}
    free = [x for x in names if x not in fixed.values()]
    found: dict[str, list[str]] = {}
    families: dict[str, dict[str, list[str]]] = {}
    parts = {name: Parts(name) for name in free}
    side_words: dict[int, list[str]] = {1: [], 2: []}
    labels: dict[str, dict[str, str]] = {}
    units: dict[str, str] = {}
    for name in free:
        role, family, side = _role(name, parts[name], names, sides)
        if side and role:
            side_words[int(role[-1])].append(_as_written(name, side))
        if family:
            families.setdefault(family, {}).setdefault(role, []).append(name)
        elif role:
            found.setdefault(role, []).append(name)
        elif (pair := parts[name].labelled()) != ("", ""):
            labels.setdefault(pair[1], {})[pair[0]] = name
        elif (bare := _BRACKETS.sub(" ", name)) != name:
            units[name] = bare
    for name, bare in units.items():  # a unit in brackets says nothing of the role; it never outdoes a plain heading
        role, family, side = _role(bare, Parts(bare), names, sides)
        if role and not family and (role not in found or found[role][0] in units):
            found.setdefault(role, []).append(name)
            if side:
                side_words[int(role[-1])].append(_as_written(name, side))
        elif not role and (pair := Parts(bare).labelled()) != ("", ""):
            labels.setdefault(pair[1], {}).setdefault(pair[0], name)
    _add_labels(labels, found, side_words, sides, fixed)
    head = _family(families, found, measure, fixed)
    for role in list(found):
        if role in given:
            del found[role]
    chosen = _one_each(found, fixed, equal)
    level = next(
        (parts[n].level for r, n in chosen.items() if n in parts and parts[n].level and r.startswith(("ci", "est"))), None
    )
    _refuse_sd_or_se(parts, chosen, fixed)
    named = sides or tuple(_side_name(side_words[g], default) for g, default in ((1, "experimental"), (2, "control")))
    roles = Roles({**chosen, **fixed}, head, (named[0], named[1]), level and level / 100)
    if "study" not in roles.column and "study" not in given:
        raise InputError(
            "No column names the studies; say which one does: "
            + paste({"study": "..."} | roles.column)
            + f"\nThe columns are {', '.join(map(repr, names))}."
        )
    return roles


def _refuse_sd_or_se(parts: Mapping[str, Parts], chosen: Mapping[str, str], fixed: Mapping[str, str]) -> None:
    """A heading such as "SD/SE" leaves open what its column holds, and nothing may be guessed of it."""
    both = [x for x, own in parts.items() if {"sd", "se"} <= set(own.words) and x not in (*chosen.values(), *fixed.values())]
    if both:
        more = {f"sd{parts[x].group or ''}": [x] for x in both}
        raise InputError(
            f"{', '.join(map(repr, both))} may hold SDs or standard errors. Say which (se in place of sd where they are "
            f"errors), or part them into two columns:\n{paste({**chosen, **fixed} | {r: x[0] for r, x in more.items()})}"
        )


def _given(columns: Mapping[str, Any] | None, names: Sequence[str]) -> dict[str, str | None]:
    if columns is None:
        return {}
    if not isinstance(columns, Mapping):
        raise InputError('columns is a mapping of roles to names of columns, such as {"mean1": "mean treated"}.')
    problems = []
    for role, name in columns.items():
        if role not in ROLES:
            problems.append(
                f"columns: there is no role {role!r}.{did_you_mean(str(role), ROLES)} Roles are {', '.join(ROLES)}."
            )
        elif name is not None and name not in names:
            near = did_you_mean(str(name), names)
            problems.append(f"columns: no column {name!r} for {role}.{near} The columns are {', '.join(map(repr, names))}.")
    if problems:
        raise InputError(problems)
    return dict(columns)


def _role(name: str, parts: Parts, names: Sequence[str], sides: tuple[str, str] | None) -> tuple[str, str, str]:
    """Role, effect measure where the heading names one, and the word of the group."""
    if found := exact(name, names):
        return found, "", ""
    if compact(name) in UNSURE:
        return "y", "|".join(UNSURE[compact(name)]), ""
    if sides is not None:
        words = set(parts.words)
        for group, side in enumerate(sides, start=1):
            own = Parts(side).words
            rest = [w for w in parts.words if w not in own]
            if own and set(own) <= words and (stem := statistic_of(rest)):
                return f"{stem}{group}", "", side
    if found := parts.whole:
        return found, "", ""
    role, measure = parts.estimate
    if role:
        return role, measure, ""
    stem = parts.statistic
    if stem and parts.group:
        return f"{stem}{parts.group}", "", parts.side
    return (stem, "", "") if stem and stem not in WHOLE else ("", "", "")


def _add_labels(
    labels: dict[str, dict[str, str]],
    found: dict[str, list[str]],
    side_words: dict[int, list[str]],
    sides: tuple[str, str] | None,
    fixed: Mapping[str, str],
) -> None:
    """Groups that the headings call by names of their own: one beside a control, or two that the caller must put in order."""
    there = {g: {r[:-1] for r in (*found, *fixed) if r[-1] == g and r[:-1] in STATISTICS} for g in ("1", "2")}
    if there["1"] and there["2"]:
        return
    for known, other in (("2", "1"), ("1", "2")):
        if not there[known]:
            continue
        fitting = [label for label, own in labels.items() if set(own) == there[known]]
        if len(fitting) == 1:
            for stem, name in labels[fitting[0]].items():
                found[f"{stem}{other}"] = [name]
                side_words[int(other)].append(_as_written(name, fitting[0]))
        elif len(fitting) > 1:
            named = next(iter(side_words[int(known)]), "control" if known == "2" else "treatment")
            pair = (fitting[0], named) if known == "2" else (named, fitting[0])
            raise InputError(
                f"The headings name several groups beside {named!r} ({', '.join(fitting)}); say which are compared, such as "
                f"sides={pair!r}."
            )
        return
    alike = [
        (a, b) for i, a in enumerate(labels) for b in list(labels)[i + 1 :]
        if len(labels[a]) > 1 and set(labels[a]) == set(labels[b])
    ]  # fmt: skip
    if len(alike) == 1 and sides is None:
        a, b = (_as_written(next(iter(labels[x].values())), x) for x in alike[0])
        raise InputError(
            f"The headings name two groups, {a!r} and {b!r}, and nothing says which is experimental. Say it:\n"
            f"vf.read(..., sides=({a!r}, {b!r}))  # experimental, control; or sides=({b!r}, {a!r})"
        )


def _family(
    families: dict[str, dict[str, list[str]]], found: dict[str, list[str]], measure: str | None, fixed: Mapping[str, str]
) -> str:
    """Estimates of one measure take their place among the roles; of several, the one asked for."""
    heads = [m for m, own in families.items() if {"estimate", "y", "estimate_ci"} & set(own)]
    if not heads:
        for own in families.values():  # limits or errors of what stands under a plain heading
            for role, names in own.items():
                found.setdefault(role, []).extend(names)
        return next(iter(families), "").partition("|")[0] if len(families) == 1 else ""
    head = heads[0]
    if len(heads) > 1:
        if measure not in heads:
            shown = {m: next(iter(families[m].values()))[0] for m in heads}
            said = " and ".join(f"{m.replace('|', ' or ')} ({name!r})" for m, name in shown.items())
            raise InputError(
                f"The sheet has estimates of several measures: {said}. Say which: vf.read(..., measure={heads[0]!r})."
            )
        head = measure
    if "|" in head:
        one, two = head.split("|")
        name = next(iter(families[head].values()))[0]
        if measure not in (one, two):
            raise InputError(
                f"Column {name!r} may be the log of a {_words(one)} or of a {_words(two)}; say which: "
                f"vf.read(..., measure={one!r}) or measure={two!r}."
            )
        own, head = families[head], measure
    else:
        own = families[head]
    for role, names in own.items():
        if role in ("estimate", "y"):
            for other in ("estimate", "y"):
                if other in found and other not in fixed:
                    found.pop(other)
        found.setdefault(role, []).extend(names)
    return head


def _words(measure: str) -> str:
    from vfmeta.core.measures import row

    return row(measure).words.lower()


def _one_each(found: dict[str, list[str]], fixed: Mapping[str, str], equal: Any) -> dict[str, str]:
    """One column for each role; two for one are a refusal that shows the mapping."""
    order = {"study": WHOLE["study"]}
    chosen: dict[str, str] = {}
    unsure: dict[str, list[str]] = {}
    for role, names in found.items():
        if len(names) > 1 and equal is not None and all(equal(names[0], x) for x in names[1:]):
            names = names[:1]
        if len(names) > 1 and role in order:  # "study" before "author"
            rank = {x: next((i for i, known in enumerate(order[role]) if " ".join(Parts(x).words) == known), 99) for x in names}
            names = sorted(names, key=lambda x: rank[x])[:1]
        if len(names) > 1:
            unsure[role] = names
        chosen[role] = names[0]
    if unsure:
        said = "; ".join(f"{role}: {' or '.join(map(repr, names))}" for role, names in unsure.items())
        raise InputError(f"More than one column fits a role ({said}). Say which:\n{paste({**chosen, **fixed}, unsure)}")
    return chosen


def _side_name(words: list[str], default: str) -> str:
    """What the headings call a group; the plain word where that is an abbreviation."""
    said = list(dict.fromkeys(w for w in words if w.casefold() not in NAMELESS))
    return said[0] if len(said) == 1 else default


def _as_written(name: str, word: str) -> str:
    """A word of a heading in the capitals it has there, with what it is no name without (usual care, waiting list)."""
    found = re.search(rf"(?<![^\W_]){re.escape(word)}(?![^\W_])([ _-](care|list)(?![^\W_]))?", name, re.IGNORECASE)
    if found:
        return found.group().replace("_", " ")
    i = name.casefold().rfind(word.casefold())
    return name[i : i + len(word)] if i >= 0 else word

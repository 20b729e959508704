"""What a multivariate result was made from, as plain data and back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from vfmeta.effects.design import Design
from vfmeta.frequentist.multivariate.likelihood import Problem
from vfmeta.frequentist.multivariate.structures import Structure
from vfmeta.frequentist.multivariate.terms import Term
from vfmeta.kernels.stacks import Basis
from vfmeta.results.codec import array, plain

if TYPE_CHECKING:
    from vfmeta.frequentist.multivariate.fitted import MultivariateFit


def pack(fit: MultivariateFit) -> dict[str, Any]:
    """Fields ``random``, ``design``, ``problem``, ``free`` and ``data`` (the columns that name groups) of a result."""
    problem = fit.problem
    grouping = dict.fromkeys(c for t in problem.terms for c in t.outer.split("/"))
    return {
        "random": plain(fit.random), "design": fit.design.to_dict(), "free": plain(fit.free),
        "problem": {
            "y": plain(problem.y), "V": _matrix(problem.V), "weights": _matrix(problem.weights),
            "given": plain(problem.given), "terms": [_term(t) for t in problem.terms],
        },
        "data": {c: plain(fit.data[c].tolist()) for c in grouping},
    }  # fmt: skip


def unpack(data: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    """The same fields, ``random`` apart, from plain data."""
    import pandas as pd

    made, design = data["problem"], Design.from_dict(data["design"])
    given = tuple((array(v), array(r)) for v, r in made["given"])
    terms = tuple(_term_back(t) for t in made["terms"])
    problem = Problem(
        array(made["y"]), design.x, _back(made["V"]), terms, own["method"] == "REML", given, _back(made["weights"])
    )
    return {"design": design, "problem": problem, "free": array(data["free"]), "data": pd.DataFrame(data["data"])}


def _matrix(matrix: Any) -> Any:
    """A diagonal as a list, a sparse symmetric matrix as its size and the entries on and above the diagonal."""
    if matrix is None or matrix.ndim == 1:
        return plain(matrix)
    entries = matrix.tocoo()
    above = entries.row <= entries.col
    return {"size": matrix.shape[0], "row": plain(entries.row[above]), "column": plain(entries.col[above]),
            "value": plain(entries.data[above])}  # fmt: skip


def _back(data: Any) -> Any:
    from scipy.sparse import coo_array

    if data is None or isinstance(data, list):
        return None if data is None else array(data)
    row, column, value = np.array(data["row"], dtype=int), np.array(data["column"], dtype=int), array(data["value"])
    off = row != column
    rows, columns = np.concatenate([row, column[off]]), np.concatenate([column, row[off]])
    return coo_array((np.concatenate([value, value[off]]), (rows, columns)), shape=(data["size"],) * 2).tocsr()


def _term(term: Term) -> dict[str, Any]:
    s, b = term.structure, term.basis
    return {
        "name": term.name, "outer": term.outer, "levels": list(term.levels), "groups": term.groups, "kind": s.kind, "q": s.q,
        "times": plain(s.times), "widest": s.widest, "group": plain(b.outer), "level": plain(b.inner),
        "slopes": plain(b.slopes), "relation": plain(b.relation),
    }  # fmt: skip


def _term_back(data: dict[str, Any]) -> Term:
    s = Structure(data["kind"], data["q"], array(data["times"]), data["widest"])
    pairs = s.pair_class()
    slopes, relation = (None if data[n] is None else array(data[n]) for n in ("slopes", "relation"))
    outer, inner = (np.array(data[n], dtype=int) for n in ("group", "level"))
    basis = Basis(outer, inner, pairs, int(pairs.max()) + 1, slopes, relation)
    return Term(data["name"], data["outer"], tuple(data["levels"]), s, basis, data["groups"])

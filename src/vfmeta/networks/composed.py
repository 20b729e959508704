"""Treatments made of components: what each component adds, in networks that may be in parts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from vfmeta.core.messages import InputError, warn_each
from vfmeta.core.params import MethodOrCommon, Missing, Test, choice, confidence
from vfmeta.core.question import Question
from vfmeta.effects.cells import check_question
from vfmeta.effects.design import Design
from vfmeta.frequentist.choices import check_method
from vfmeta.kernels.network import independent
from vfmeta.networks.fit import regressed, trials_of
from vfmeta.networks.result import TreatmentsResult
from vfmeta.results.wald import TestResult, tail
from vfmeta.text import numbers as tx


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class ComponentResult(TreatmentsResult):
    """A fitted component network. ``terms`` are the components, ``estimate`` (p,) what each adds to whatever it is given with.

    ``parts`` says of which components each treatment is made; `comparisons`, `league` and `p_scores` are of treatments, as the
    sums of their components. The other names are those of a network.

    Examples
    --------
    >>> import vfmeta as vf
    >>> frame = {
    ...     "study": list("abcd"), "treat1": ["drug", "brace", "drug + brace", "drug + brace"],
    ...     "treat2": ["sham", "sham", "sham", "drug"], "y": [-0.5, -0.2, -0.8, -0.2], "se": [0.2] * 4,
    ... }
    >>> fit = vf.networks.components(frame, inactive="sham", measure="MD")
    >>> fit.terms
    ('brace', 'drug')
    """

    engine: ClassVar[str] = "network_components"
    packed: ClassVar[frozenset[str]] = TreatmentsResult.packed | {"parts"}

    parts: dict[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def slopes(self) -> np.ndarray:
        """None of the coefficients is a slope: each is what a component adds, shape (p,)."""
        return np.zeros(self.p, dtype=bool)

    @property
    def coding(self) -> np.ndarray:
        """Which components, and which of them together, each treatment has: 0 or 1, shape (treatments, p)."""
        return coded([self.parts[t] for t in self.treatments], self.terms)

    def additivity(self) -> TestResult:
        """Cochran's Q of the component model less that of a network that gives every treatment an effect of its own.

        Large where components do not simply add up (Rücker, Petropoulou & Schwarzer 2020, Biom J 62:808-821); at tau2 = 0. The
        p value is NaN where the network leaves nothing to test.
        """
        net = self.network
        y, v, x, _ = net.rows()
        root = 1 / np.sqrt(v)
        u, s, _ = np.linalg.svd(root[:, None] * x, full_matrices=False)
        rank = int((s > 1e-10 * s[0]).sum())
        u = u[:, :rank]
        rest = root * y - u @ (u.T @ (root * y))
        df = rank - self.p
        if df <= 0:
            return TestResult(0.0, 0, None, float("nan"))
        return tail(max(0.0, float(self.q.statistic) - float(rest @ rest)), df, None)

    def _pack(self) -> dict[str, Any]:
        return {**super()._pack(), "parts": {t: list(own) for t, own in self.parts.items()}}

    @classmethod
    def _unpack(cls, data: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
        return {**super()._unpack(data, own), "parts": {t: tuple(x) for t, x in data["parts"].items()}}

    def __str__(self) -> str:
        of = f" {tx.spread_of(self.question)}".rstrip()
        found = self.additivity()
        head = (
            f"Component network: {self.p} components of {len(self.treatments)} treatments in {self.network.having()} trials, "
            f"{self.question.shown} ({self.method}, {self.test})"
        )
        return self._text(
            head,
            f"tau2 {tx.short(self.tau2)}{of}; {self.q}",
            f"components add up: {found}" if found.df else "nothing tests whether the components add up",
        )


def components(
    data: Any = None,
    *,
    measure: str | None = None,
    y: Any = None,
    v: Any = None,
    se: Any = None,
    se_base: Any = None,
    mean: Any = None,
    sd: Any = None,
    events: Any = None,
    n: Any = None,
    time: Any = None,
    reference: str | None = None,
    study: Any = None,
    treatment: Any = None,
    treat1: Any = None,
    treat2: Any = None,
    inactive: str | None = None,
    separator: str = "+",
    interactions: Sequence[tuple[str, str]] = (),
    method: MethodOrCommon = "REML",
    tau2: float | None = None,
    test: Test = "HKSJ",
    level: float = 0.95,
    question: Question | None = None,
    missing: Missing = "raise",
) -> ComponentResult:
    """Component network meta-analysis: what each component of composed treatments adds, additively or with interactions.

    How often its tests reject and its intervals hold: ``reports/levels.md#networkscomponents``.

    A treatment called "drug + brace" has the effect of the drug plus that of the brace (Welton et al. 2009, Am J Epidemiol
    169:1158-1165; Rücker et al. 2020, Biom J 62:808-821), plus an interaction where one is asked for. Parts of a network that
    no trial joins are joined by the components they share.

    Parameters
    ----------
    data, measure, y, v, se, se_base, mean, sd, events, n, time, reference, study, treatment, treat1, treat2
        The trials, as in `vfmeta.network`; the names of treatments say what they are made of.
    inactive : str, optional
        A component without an effect of its own, such as sham or placebo. Needed where nothing else tells it from 0.
    separator : str
        What stands between components in the name of a treatment.
    interactions : sequence of pairs
        Pairs of components that, given together, have an effect beyond their sum; a coefficient each, called "a:b".
    method, tau2, test, level, question, missing
        As in `vfmeta.network`.

    Returns
    -------
    ComponentResult
        ``terms`` are the components; `comparisons` compares treatments, those of other parts of the network too.

    Raises
    ------
    InputError
        Faulty cells, an unknown component, or components that the trials cannot tell apart (all named).

    Examples
    --------
    >>> import vfmeta as vf
    >>> frame = {
    ...     "study": list("abcd"), "treat1": ["drug", "brace", "drug + brace", "drug + brace"],
    ...     "treat2": ["sham", "sham", "sham", "drug"], "y": [-0.5, -0.2, -0.8, -0.2], "se": [0.2] * 4,
    ... }
    >>> fit = vf.networks.components(frame, inactive="sham", measure="MD", method="common", test="Wald")
    >>> round(float(fit.estimate[0]), 6)
    -0.22
    """
    check_question(question)
    level = confidence(level)
    found = check_method(method, tau2)
    test = choice("test", test, Test)
    if not (isinstance(separator, str) and separator.strip()):
        raise InputError(f"separator={separator!r} must be a sign that stands between components, such as '+'.")
    given = {
        "study": study, "treatment": treatment, "mean": mean, "sd": sd, "n": n, "events": events, "time": time, "y": y,
        "se": se, "se_base": se_base, "v": v, "treat1": treat1, "treat2": treat2,
    }  # fmt: skip
    net, asked = trials_of(data, given, measure, reference, question, missing, in_parts=True)
    parts = {t: tuple(dict.fromkeys(x.strip() for x in t.split(separator.strip()))) for t in net.treatments}
    if odd := [t for t, own in parts.items() if "" in own]:
        raise InputError(f"{', '.join(map(repr, odd))}: a component is missing beside {separator!r}; correct the name.")
    names = _terms(parts, inactive, interactions)
    parts = {t: tuple(c for c in own if c != inactive) for t, own in parts.items()}
    code = coded([parts[t] for t in net.treatments], names)
    at = {t: i for i, t in enumerate(net.treatments)}
    designs = [code[[at[a] for a in t.arms[1:]]] - code[at[t.arms[0]]] for t in net.trials]
    ys, vs, x, _ = independent([t.y for t in net.trials], [t.V for t in net.trials], designs)
    _refuse_inseparable(x, names)
    own = regressed(net, asked, (ys, vs, Design(x, names, None)), (found, test, level), "each component")
    own["call"] = {**own["call"], "function": "networks.components", "inactive": inactive}
    result = ComponentResult(**own, reference=net.reference, network=net, parts=parts)
    warn_each(result.warnings)
    return result


def coded(parts: Sequence[tuple[str, ...]], names: Sequence[str]) -> np.ndarray:
    """Design (treatments, p): 1 where a treatment has a component, or both of an interaction."""
    return np.array([[float(set(c.split(":")) <= set(own)) for c in names] for own in parts]).reshape(len(parts), len(names))


def _terms(parts: dict[str, tuple[str, ...]], inactive: str | None, together: Any) -> tuple[str, ...]:
    """Names of the coefficients; unknown components are refused by name."""
    known = sorted({c for own in parts.values() for c in own})
    if odd := [c for c in known if ":" in c]:
        raise InputError(f"{', '.join(odd)}: a colon marks interactions; name the component without one.")
    if inactive is not None and inactive not in known:
        raise InputError(f"inactive={inactive!r} is no component; there are {', '.join(known)}.")
    if isinstance(together, str) or not all(not isinstance(x, str) and len(x) == 2 for x in together):
        raise InputError(f'interactions={together!r} must be pairs of components, such as [("drug", "brace")].')
    active = [c for c in known if c != inactive]
    wrong = sorted({str(c) for pair in together for c in pair if c not in active})
    if wrong:
        raise InputError(f"interactions: {', '.join(wrong)} is no component with an effect; there are {', '.join(active)}.")
    return (*active, *(":".join(pair) for pair in together))


def _refuse_inseparable(x: np.ndarray, names: Sequence[str]) -> None:
    """Name the components whose effects the trials cannot tell apart."""
    _, s, vt = np.linalg.svd(x, full_matrices=True)
    rank = int((s > 1e-9 * max(s[0], 1e-300)).sum()) if len(s) else 0
    if rank == len(names):
        return
    free = np.abs(vt[rank:]).max(axis=0) > 1e-8
    blind = ", ".join(n for n, f in zip(names, free, strict=True) if f)
    raise InputError(
        f"The trials cannot tell these apart, for no contrast changes one without the others: {blind}. Name the component that "
        "has no effect (inactive=), leave an interaction out, or add a trial that tells them apart."
    )

"""Subgroup analysis: one pool per group, and whether the groups differ."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from vfmeta.core.messages import InputError, warn_each
from vfmeta.core.params import MethodOrCommon, Missing, OnScale, Test, choice
from vfmeta.core.question import Question
from vfmeta.effects import cells
from vfmeta.effects import design as designs
from vfmeta.effects.design import Design
from vfmeta.effects.reading import Studies, read
from vfmeta.frequentist.choices import check_method
from vfmeta.frequentist.meta_regression import fitted
from vfmeta.frequentist.regression_result import RegressionResult
from vfmeta.frequentist.univariate import common_effect, random_effects
from vfmeta.results.codec import Recorded
from vfmeta.results.fit import FrequentistResult
from vfmeta.results.frames import scaled
from vfmeta.results.shown import Shown, cells_of
from vfmeta.results.wald import TestResult, tail, welch
from vfmeta.text import numbers as tx
from vfmeta.text.levels import level_note, several_groups, unequal_groups
from vfmeta.text.notes import closing_lines

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class SubgroupResult(Recorded):
    """``groups`` by name: pools of their own (separate tau2), or none where ``common`` is the one regression behind all.

    ``between`` tests whether the groups' means differ. Arrays run over the groups, which are the ``terms``.
    """

    engine: ClassVar[str] = "subgroups"
    packed: ClassVar[frozenset[str]] = frozenset({"groups", "common"})
    absent: ClassVar[dict[str, str]] = {
        "": "each group has its own; see groups[name], or common where one tau2 stands behind all.",
        "information": "each group is a model of its own; see groups[name], or common.",
    }

    question: Question
    groups: dict[str, FrequentistResult]
    common: RegressionResult | None
    between: TestResult
    warnings: tuple[str, ...] = ()
    call: dict[str, Any] = field(default_factory=dict)

    @property
    def terms(self) -> tuple[str, ...]:
        """Names of the groups."""
        return tuple(self.groups) if self.common is None else self.common.terms

    @property
    def estimate(self) -> np.ndarray:
        """Mean effects of the groups, shape (g,)."""
        return self._each("estimate")

    @property
    def se(self) -> np.ndarray:
        """Their standard errors."""
        return self._each("se")

    @property
    def statistic(self) -> np.ndarray:
        """Their test statistics, each against no difference."""
        return self._each("statistic")

    @property
    def df(self) -> np.ndarray:
        """Degrees of freedom of the tests; infinite for the normal test."""
        found = [f.df for f in self.groups.values()] if self.common is None else self.common.df
        return np.full(len(self.terms), math.inf) if found is None else np.array([math.inf if x is None else x for x in found])

    @property
    def p_value(self) -> np.ndarray:
        """Their p values."""
        return self._each("p_value")

    @property
    def interval(self) -> np.ndarray:
        """Their intervals, shape (g, 2)."""
        return self._each("interval")

    @property
    def tau2(self) -> np.ndarray:
        """The between-study variance of each group; NaN where it cannot be estimated."""
        if self.common is not None:
            return np.full(len(self.terms), self.common.tau2)
        return np.array([math.nan if f.tau2 is None else f.tau2 for f in self.groups.values()])

    @property
    def k(self) -> int:
        """How many studies there are in all groups."""
        return sum(f.k for f in self.groups.values()) if self.common is None else self.common.k

    @property
    def level(self) -> float:
        return self._any.level

    @property
    def method(self) -> str:
        return self._any.method if self.common is not None else self.call["method"]

    @property
    def test(self) -> str:
        return self._any.test if self.common is not None else self.call["test"]

    @property
    def studies(self) -> pd.DataFrame:
        """The studies of every group, with the group in column ``term``; weights are percent of the group."""
        import pandas as pd

        if self.common is None:
            return pd.concat([f.studies.assign(term=g) for g, f in self.groups.items()], ignore_index=True)
        found = self.common.studies
        return found.assign(term=[self.terms[j] for j in self.common.design.x.argmax(axis=1)])

    @property
    def coefficients(self) -> pd.DataFrame:
        """`to_frame` on the scale of the analysis."""
        return self.to_frame()

    def predict(self, *, on: OnScale = "analysis") -> pd.DataFrame:
        """Mean effect of each group with its interval and the prediction interval of a next study of that group."""
        columns = ["estimate", "se", "ci_low", "ci_high", "prediction_low", "prediction_high", "scale"]
        return self.to_frame(on=on).set_index("term")[columns]

    def to_frame(self, *, on: OnScale = "analysis") -> pd.DataFrame:
        """A row a group: term, k, estimate, se, ci_low, ci_high, statistic, df, p_value, prediction_low, ..., tau2, scale."""
        import pandas as pd

        if self.common is None:
            sizes: Any = [f.k for f in self.groups.values()]
            wide = np.array([f.prediction or (math.nan, math.nan) for f in self.groups.values()])
        else:
            sizes = self.common.design.x.sum(axis=0).astype(int)
            wide = self.common.predict(np.eye(len(self.terms)))[["prediction_low", "prediction_high"]].to_numpy()
        frame = pd.DataFrame({
            "term": list(self.terms), "k": sizes, "estimate": self.estimate, "se": self.se, "ci_low": self.interval[:, 0],
            "ci_high": self.interval[:, 1], "statistic": self.statistic, "df": self.df, "p_value": self.p_value,
            "prediction_low": wide[:, 0], "prediction_high": wide[:, 1], "tau2": self.tau2,
        })  # fmt: skip
        return scaled(frame, self.question, on)

    @property
    def _any(self) -> Any:
        return next(iter(self.groups.values())) if self.common is None else self.common

    def _each(self, name: str) -> np.ndarray:
        if self.common is not None:
            return getattr(self.common, name)
        return np.array([getattr(f, name) for f in self.groups.values()])

    def _pack(self) -> dict[str, Any]:
        return {
            "groups": {name: fit.to_dict() for name, fit in self.groups.items()}, "order": list(self.groups),
            "common": None if self.common is None else self.common.to_dict(),
        }  # fmt: skip

    @classmethod
    def _unpack(cls, data: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
        return {
            "groups": {name: FrequentistResult.from_dict(data["groups"][name]) for name in data["order"]},
            "common": None if data["common"] is None else RegressionResult.from_dict(data["common"]),
        }

    def _told(self) -> tuple[str, pd.DataFrame, list[str]]:
        """What print says: heading, table, and the lines below it."""
        q = self.question
        shown = self.to_frame(on="read" if q.shown == q.facts.read_name else "analysis")
        shown = shown[["term", "k", "estimate", *([] if shown["se"].isna().all() else ["se"]), "ci_low", "ci_high", "tau2"]]
        if tx.spread_of(q):
            shown = shown.rename(columns={"tau2": f"tau2 {tx.spread_of(q)}"})
        sizes = [f.k for f in self.groups.values()] if self.common is None else []
        head = f"subgroups, k = {self.k}, {q.shown} ({self.method}, {self.test}), {tx.level_text(self.level)} CI"
        return (
            head,
            shown,
            [
                *self._beside(),
                f"difference between groups ({self.between_test}): {self.between}",
                *closing_lines(self),
                *level_note("subgroups", unequal_groups(sizes)),
                *level_note("subgroups: several", several_groups(sizes)),
            ],
        )

    def __str__(self) -> str:
        head, shown, lines = self._told()
        return "\n".join([head, shown.to_string(index=False), *lines])

    def _display(self) -> Shown:
        head, shown, lines = self._told()
        return Shown(head, *cells_of(shown), tuple(lines))

    def _beside(self) -> list[str]:
        """The ad hoc intervals of groups whose plain one used q < 1, in a line."""
        found: Any = [f.adhoc_interval for f in self.groups.values()] if self.common is None else self.common.adhoc_interval
        told = [
            f"{term} {tx.span_text((self.question.display(float(ci[0])), self.question.display(float(ci[1]))))}"
            for term, ci in zip(self.terms, () if found is None else found, strict=False)
            if ci is not None
        ]
        return [f"ad hoc HK  {', '.join(told)}  (q was below 1)"] if told else []

    @property
    def between_test(self) -> str:
        """What kind of test ``between`` is."""
        if self.common is not None:
            return "omnibus test of the regression"
        return "chi-squared" if self.between.df_residual is None else "Welch's F"


def subgroups(
    data: Any = None,
    by: Any = None,
    *,
    y: Any = None,
    v: Any = None,
    se: Any = None,
    V: Any = None,
    ci: Any = None,
    study: Any = None,
    method: MethodOrCommon = "REML",
    tau2: float | None = None,
    common_tau2: bool = False,
    test: Test = "HKSJ",
    level: float = 0.95,
    question: Question | None = None,
    missing: Missing = "raise",
) -> SubgroupResult:
    """Pool each group of studies and test whether the groups differ.

    How often its tests reject and its intervals hold: ``reports/levels.md#subgroups``.

    Parameters
    ----------
    data, y, v, se, V, ci, study, method, tau2, test, level, question, missing
        As of `meta_regression`; ``method="common"`` pools each group by the common-effect model.
    by : str or sequence of k values
        Group of each study: a column of the table or frame, or the values.
    common_tau2 : bool
        One between-study variance for all groups, estimated within them (a meta-regression on the groups), which is steadier
        with few studies a group; or one for each (Borenstein, Hedges, Higgins & Rothstein 2009, Introduction to Meta-Analysis,
        ch. 19).

    Returns
    -------
    SubgroupResult
        ``between_test`` says how the groups' means are compared. With separate tau2, by Welch's F of the standard errors of
        the groups and their degrees of freedom (of two groups, t with those of Welch and Satterthwaite); with
        ``test="Wald"``, whose standard errors are taken as known, by Q = sum w (estimate - mean)^2, w = 1 / se^2, chi-squared
        with one df less than groups, which with few studies a group rejects too often (both in ``reports/levels.md``). With a
        common tau2 it is the omnibus test of the regression. A group of one study stands with its own Wald interval (separate),
        and no prediction interval.

    References
    ----------
    Welch 1951, Biometrika 38:330-336. Satterthwaite 1946, Biometrics Bull 2:110-114.

    Examples
    --------
    >>> import vfmeta as vf
    >>> frame = {"y": [-0.5, -0.3, -0.8, -0.1], "v": [0.04, 0.03, 0.09, 0.04], "blinded": ["yes", "no", "yes", "no"]}
    >>> vf.subgroups(frame, "blinded", test="Wald").to_frame()["k"].tolist()
    [2, 2]
    """
    import pandas as pd

    if by is None:
        raise InputError("Give by=: the column that holds the group of each study, or one value per study.")
    test = choice("test", test, Test)
    s = read(data, y=y, v=v, se=se, V=V, ci=ci, study=study, question=question, missing=missing, level=level)
    found = s.column(by, "by")
    name = found.shown if isinstance(by, str) else "group"
    quoted = name if name.isidentifier() else f"`{name}`"
    wish = designs.of_formula(f"~ 0 + C({quoted})", pd.DataFrame({name: _factor(found.values)}))
    s, means = designs.prepared(s, [wish], missing)
    names = [n.split("[", 1)[1][:-1].removeprefix("T.") for n in means.names]
    if len(names) < 2:
        raise InputError(f"Every study is in the one group {names[0]!r}; there is nothing to compare.")
    notes: list[str] = list(s.notes)
    member = means.x.astype(bool)
    if common_tau2:
        return _common(s, means, names, check_method(method, tau2), test, level, notes)
    pools: dict[str, FrequentistResult] = {}
    import warnings

    for j, group in enumerate(names):
        part = np.flatnonzero(member[:, j])
        given: dict[str, Any] = {
            "y": s.y[part], "v": s.v[part], "study": [s.labels[i] for i in part], "test": test, "level": level,
            "question": s.question,
        }  # fmt: skip
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            pools[group] = common_effect(**given) if method == "common" else random_effects(method=method, tau2=tau2, **given)
        if s.details:
            pools[group] = replace(pools[group], details=tuple(s.details[i] for i in part.tolist()))
        notes += [f"{group}: {w}" for w in pools[group].warnings]
    estimate = np.array([f.estimate for f in pools.values()])
    se = np.array([f.se for f in pools.values()])
    if np.any(se < 1e-150):  # their squares are what the groups are weighted by
        raise InputError("A group has a standard error of zero (identical effects), so the groups cannot be compared.")
    if test == "Wald":
        w = 1 / se**2
        between = tail(float((w * (estimate - (w * estimate).sum() / w.sum()) ** 2).sum()), len(names) - 1, None)
    else:
        between = welch(estimate, se, np.array([math.inf if f.df is None else f.df for f in pools.values()]))
    alone = [name for name, f in pools.items() if f.k == 1 and method != "common"]
    if alone:
        notes.append(
            f"One study only in {', '.join(alone)}: how much trials of that group differ is unknown, and the test between "
            "groups takes their heterogeneity as none."
        )
    warn_each(notes)
    return SubgroupResult(
        question=s.question, groups=pools, common=None, between=between, origin=s.origin, warnings=tuple(notes),
        call={"function": "subgroups", "by": name, "common_tau2": False, "method": method, "test": test, "level": level},
    )  # fmt: skip


def _factor(values: Any) -> Any:
    """The groups as a factor with readable names, in the order of a categorical or else sorted."""
    import pandas as pd

    if isinstance(getattr(values, "dtype", None), pd.CategoricalDtype):
        return values
    numbers = (float(x) if isinstance(x, np.floating) else x for x in values)  # pandas knows no long doubles
    plain = pd.Series([None if gone else x for x, gone in zip(numbers, cells.empty(values), strict=True)], dtype=object)
    there = plain[plain.notna()]
    levels = sorted(there.unique(), key=lambda x: (isinstance(x, str), x))
    named = {x: f"{x:g}" if isinstance(x, (float, np.floating)) else str(x) for x in levels}
    return pd.Categorical(plain.map(named), categories=list(dict.fromkeys(named.values())))


def _common(
    s: Studies, means: Design, names: list[str], method: str | float, test: str, level: float, notes: list[str]
) -> SubgroupResult:
    fit = fitted(s, Design(means.x, tuple(names), None), method, test, level)
    against = np.column_stack([np.ones(s.k), means.x[:, 1:]])
    between = fitted(s, Design(against, ("Intercept", *names[1:]), None), method, test, level).omnibus
    notes = list(fit.warnings)
    warn_each(notes)
    return SubgroupResult(
        question=s.question, groups={}, common=fit, between=between, origin=s.origin, warnings=tuple(notes),
        call={"function": "subgroups", "common_tau2": True, "method": method, "test": test, "level": level},
    )  # fmt: skip

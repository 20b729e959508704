"""All models of a multiverse fitted to all its sets of effects at once, each as its own verb fits it to one."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from vfmeta.appraisal.favoured import favoured_side
from vfmeta.appraisal.many import filled, fits_of
from vfmeta.appraisal.precision_effect import pet_peese_groups
from vfmeta.appraisal.selection_many import selection_model_many
from vfmeta.bayes.exact import choose_priors
from vfmeta.bayes.exact_posterior import refuse_improper
from vfmeta.bayes.many import random_effects_many
from vfmeta.core.messages import InputError, VfmetaWarning
from vfmeta.core.question import Question
from vfmeta.frequentist.choices import IDENTICAL
from vfmeta.frequentist.tidy import fit_columns
from vfmeta.kernels.estimators import outside
from vfmeta.priors import MuPrior, TauPrior
from vfmeta.results.multiverse import ANY, COLUMNS, OF_COMMON, OWN
from vfmeta.results.small_studies import FEW

NONE, FILL, PRECISION, STEP = "none", "trim and fill", "PET-PEESE", "step"
TOO_FEW = f"fewer than {FEW} studies: what is missing cannot be told from chance"
TRIMMED_BY = "studies are not trimmed by this estimator"


@dataclass(frozen=True)
class Models:
    """What is fitted to each set: ``adjustments`` (``forced``: however few the studies), estimators, tests and priors.

    ``priors`` of tau are named; None stands for the default of the measure, as for ``mu``.
    """

    adjustments: tuple[str, ...]
    forced: bool
    methods: tuple[str, ...]
    tests: tuple[str, ...]
    priors: dict[str, TauPrior | None]
    mu: MuPrior | None
    level: float
    favoured: Any = None

    @property
    def options(self) -> dict[str, tuple[str, ...]]:
        return {"adjustment": self.adjustments, "method": (*self.methods, *self.priors), "test": self.tests}

    @property
    def pools(self) -> list[tuple[int, int]]:
        """Codes of estimator and test of every pool; a common effect has its one test."""
        own = self.tests.index(OF_COMMON) if OF_COMMON in self.tests else OWN
        return [
            pair
            for m, method in enumerate(self.methods)
            for pair in ([(m, own)] if method == "common" else [(m, t) for t in range(len(self.tests))])
        ]

    @property
    def no_model(self) -> tuple[int, int, int]:
        """Codes of a refusal that holds for every model."""
        return ANY, ANY, ANY

    @property
    def each(self) -> int:
        """How many models a set of effects has."""
        alone = sum(name in (PRECISION, STEP) for name in self.adjustments)
        return (
            (NONE in self.adjustments) * (len(self.pools) + len(self.priors))
            + (FILL in self.adjustments) * len(self.pools)
            + alone
        )


@dataclass
class Fitted:
    """Rows so far: the set (n,), codes of adjustment, method and test (n, 3), and values (n, 9); and those refused."""

    sets: list[np.ndarray] = field(default_factory=list)
    codes: list[np.ndarray] = field(default_factory=list)
    values: list[np.ndarray] = field(default_factory=list)
    refused: list[tuple[int, tuple[int, int, int], int, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(self, sets: np.ndarray, codes: tuple[int, int, int], values: dict[str, Any], why: np.ndarray) -> None:
        """Rows whose reason ``why`` not to be answered is empty; the others are refused."""
        good = why == ""
        table = np.column_stack([np.broadcast_to(values.get(name, np.nan), sets.shape) for name in COLUMNS])
        self.sets.append(sets[good])
        self.codes.append(np.tile(codes, (int(good.sum()), 1)))
        self.values.append(table[good])
        self.refused += [(int(sets[i]), codes, 1, str(why[i])) for i in np.flatnonzero(~good).tolist()]


def fit_all(models: Models, questions: Sequence[Question], which: np.ndarray, y: list[Any], v: list[Any]) -> Fitted:
    """Every model of every set of effects ``y[i]``, ``v[i]``, which answers ``questions[which[i]]``."""
    found = Fitted()
    for i, q in enumerate(questions):
        sets = np.flatnonzero(which == i)
        if len(sets):
            some_y, some_v = [y[j] for j in sets.tolist()], [v[j] for j in sets.tolist()]
            start = np.concatenate([[0], np.cumsum([len(x) for x in some_y])])
            _Batch(models, q, sets, np.concatenate(some_y), np.concatenate(some_v), start, found).fit()
    return found


@dataclass
class _Batch:
    models: Models
    q: Question
    sets: np.ndarray
    y: np.ndarray
    v: np.ndarray
    start: np.ndarray
    found: Fitted

    def fit(self) -> None:
        k = np.diff(self.start)
        for a, name in enumerate(self.models.adjustments):
            if name == NONE:
                self._pools(a, self.y, self.v, self.start, None)
                self._posteriors(a)
                continue
            enough = k >= (3 if self.models.forced else FEW)
            few = "" if enough.all() else ("fewer than three studies have no funnel" if self.models.forced else TOO_FEW)
            each = len(self.models.pools) if name == FILL else 1
            self.found.refused += [(int(i), (a, ANY, ANY), each, few) for i in self.sets[~enough].tolist()]
            if enough.any():
                part = self._part(enough)
                {FILL: part._trimmed, PRECISION: part._precision, STEP: part._step}[name](a)

    def _part(self, which: np.ndarray) -> _Batch:
        k = np.diff(self.start)
        rows = np.repeat(which, k)
        start = np.concatenate([[0], np.cumsum(k[which])])
        return _Batch(self.models, self.q, self.sets[which], self.y[rows], self.v[rows], start, self.found)

    def _pools(self, a: int, y: np.ndarray, v: np.ndarray, start: np.ndarray, lost: np.ndarray | None, only: int = -1) -> None:
        null = np.nan if self.q.null_effect is None else self.q.null_effect
        for m in range(len(self.models.methods)) if only < 0 else (only,):
            method = self.models.methods[m]
            out = fits_of(y, v, start, method)
            for t in (t for of, t in self.models.pools if of == m):
                test = OF_COMMON if t == OWN else self.models.tests[t]
                k = np.diff(start)
                values = fit_columns(out, k, "common" if method == "common" else "random", test, self.models.level, null)
                why = np.full(len(k), "", dtype=object)
                why[np.isnan(out[:, 0]) & (k > 1)] = "the iteration for tau2 did not settle"
                if test == "HKSJ":
                    why[out[:, 4] < IDENTICAL] = "all effects are identical, so that the Hartung-Knapp interval has no width"
                if lost is not None:
                    why[lost] = "no number of missing studies agrees with itself"
                self.found.add(self.sets, (a, m, t), values | {"k": np.diff(self.start)}, why)

    def _trimmed(self, a: int) -> None:
        for m, method in enumerate(self.models.methods):
            if outside(method):
                codes = [(a, m, t) for of, t in self.models.pools if of == m]
                self.found.refused += [(int(i), c, 1, TRIMMED_BY) for i in self.sets.tolist() for c in codes]
                continue
            t, y, v, start = filled(self.y, self.v, self.start, "L0", method)
            self._pools(a, y, v, start, t.lacking < 0, m)

    def _sign(self, a: int) -> int:
        """The favoured side, from the first set; 0 where nothing decides it, which is refused."""
        first = slice(0, int(self.start[1]))
        try:
            side = favoured_side(self.models.favoured, self.q, self.y[first], self.v[first])
        except InputError as error:
            self.found.refused += [(int(i), (a, OWN, OWN), 1, error.problems[0]) for i in self.sets.tolist()]
            return 0
        self.found.notes += [side.note] if side.note else []
        return side.sign

    def _precision(self, a: int) -> None:
        if not (sign := self._sign(a)):
            return
        values = pet_peese_groups(self.y, self.v, self.start, sign, self.q.null_effect, self.models.level)
        flat = np.isnan(values["estimate"])
        why = np.where(flat, "all standard errors are the same, so that there is no line over them", "").astype(object)
        self.found.add(self.sets, (a, OWN, OWN), values | {"k": np.diff(self.start)}, why)

    def _step(self, a: int) -> None:
        if not (sign := self._sign(a)):
            return
        null, k = self.q.null_effect or 0.0, np.diff(self.start)
        frame = {"set": np.repeat(np.arange(len(k)), k), "y": self.y - null, "v": self.v}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", VfmetaWarning)  # those without a maximum are refused here, by name
            made = selection_model_many(
                frame, "set", favoured="higher" if sign > 0 else "lower", level=self.models.level
            )  # fmt: skip
        values = {name: made[name].to_numpy() for name in COLUMNS if name in made}
        values |= {name: values[name] + null for name in ("estimate", "ci_low", "ci_high")}
        lost = ~np.isfinite(values["se"])
        why = np.where(lost, "the likelihood of the step model has no maximum", "").astype(object)
        self.found.add(self.sets, (a, OWN, OWN), values, why)

    def _posteriors(self, a: int) -> None:
        k, first = np.diff(self.start), len(self.models.methods)
        for p, tau in enumerate(self.models.priors.values()):
            codes = (a, first + p, OWN)
            why = np.full(len(k), "", dtype=object)
            try:
                own, mu = choose_priors(self.q, tau, self.models.mu)
            except InputError as error:
                why[:] = error.problems[0]
                self.found.add(self.sets, codes, {}, why)
                continue
            for n in np.unique(k).tolist():
                try:
                    refuse_improper(own.tail + (n if mu.proper else n - 1), n, own, mu)
                except InputError as error:
                    why[k == n] = error.problems[0]
            good = why == ""
            values = {name: np.full(len(k), np.nan) for name in ("estimate", "se", "ci_low", "ci_high", "tau2")}
            if good.any():
                rows = np.repeat(good, k)
                frame = {"set": np.repeat(np.arange(len(k)), k)[rows], "y": self.y[rows], "v": self.v[rows]}
                made = random_effects_many(frame, "set", tau=own, mu=mu, level=self.models.level, question=self.q)
                for name in ("estimate", "se", "ci_low", "ci_high"):
                    values[name][good] = made[name].to_numpy()
                values["tau2"][good] = made["tau"].to_numpy() ** 2
            self.found.add(self.sets, codes, values | {"k": k}, why)

"""What a network meta-analysis answers with."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np

from vfmeta.core.messages import InputError
from vfmeta.core.origin import Origin
from vfmeta.core.params import OnScale
from vfmeta.frequentist.regression_result import RegressionResult
from vfmeta.kernels.network import between_designs
from vfmeta.networks.trials import Network, Trial
from vfmeta.results.codec import array, plain
from vfmeta.results.frames import scaled
from vfmeta.results.wald import TestResult, quantile, ratio, tail, two_sided
from vfmeta.text import numbers as tx

if TYPE_CHECKING:
    import pandas as pd


class Coherence(NamedTuple):
    """Tests of Cochran's Q at tau2 = 0: ``total``, ``within`` designs (heterogeneity) and ``between`` them (incoherence)."""

    total: TestResult
    within: TestResult
    between: TestResult

    def __str__(self) -> str:
        return f"Q total: {self.total}; within designs: {self.within}; between designs: {self.between}"


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class TreatmentsResult(RegressionResult):
    """A regression over the trials of a network, from which every two treatments are compared; ``network`` holds the trials."""

    packed: ClassVar[frozenset[str]] = RegressionResult.packed | {"network"}
    absent: ClassVar[dict[str, str]] = {"prediction": "each comparison has its own: see league or comparisons."}

    reference: str
    network: Network = field(repr=False)

    @property
    def slopes(self) -> np.ndarray:
        """None of the coefficients is a slope: each is the effect of a treatment, shape (p,)."""
        return np.zeros(self.p, dtype=bool)

    @property
    def trial(self) -> np.ndarray:
        """Number of the trial that each row is of, shape (k,)."""
        return np.repeat(np.arange(len(self.network.trials)), [len(t.y) for t in self.network.trials])

    @property
    def treatments(self) -> tuple[str, ...]:
        """All treatments, by name."""
        return self.network.treatments

    @property
    def studies(self) -> pd.DataFrame:
        """One row per contrast with a trial's first arm: study, treatment, control, estimate, se, ci_low, ci_high, weight
        (1 / (variance + tau2) in percent of all), scale.
        """
        import pandas as pd

        rows = []
        for t in self.network.trials:
            half = quantile(self.level, None) * np.sqrt(np.diag(t.V))
            for arm, y, s, h in zip(t.arms[1:], t.y, np.sqrt(np.diag(t.V)), half, strict=True):
                rows.append((t.label, arm, t.arms[0], float(y), float(s), float(y - h), float(y + h)))
        names = ["study", "treatment", "control", "estimate", "se", "ci_low", "ci_high"]
        frame = pd.DataFrame(rows, columns=names)
        precision = 1 / (frame["se"] ** 2 + (0.0 if math.isnan(self.tau2) else self.tau2))
        return scaled(frame.assign(weight=100 * precision / precision.sum()), self.question)

    def comparisons(self, *, on: OnScale = "analysis") -> pd.DataFrame:
        """Every pair of treatments: treatment, control, estimate, se, ci_low, ci_high, statistic, df, p_value, prediction_low,
        prediction_high, trials (that compare the two directly), scale.
        """
        return self._compared(self.coding, on)

    def _compared(self, coding: np.ndarray, on: OnScale) -> pd.DataFrame:
        """`comparisons` of treatments that are these combinations of the coefficients."""
        import pandas as pd

        pairs, matrix = self._pairs(coding)
        estimate, se, df = matrix @ self.estimate, self._spread(matrix), self._df(matrix)
        multiplier = quantile(self.level, df)
        t = ratio(estimate, se)
        wide = multiplier * np.hypot(se, math.sqrt(self.tau2)) if self.method != "common" else np.full(len(se), math.nan)
        at = {t: i for i, t in enumerate(self.treatments)}
        direct = self.network.together[[at[a] for a, _ in pairs], [at[b] for _, b in pairs]]
        frame = pd.DataFrame({
            "treatment": [a for a, _ in pairs], "control": [b for _, b in pairs], "estimate": estimate, "se": se,
            "ci_low": estimate - multiplier * se, "ci_high": estimate + multiplier * se, "statistic": t,
            "df": math.inf if df is None else df, "p_value": two_sided(t, df), "prediction_low": estimate - wide,
            "prediction_high": estimate + wide, "trials": direct,
        })  # fmt: skip
        return scaled(frame, self.question, on)

    def league(self) -> pd.DataFrame:
        """League table: row against column with its interval, on the scale people read, as text."""
        import pandas as pd

        frame = self.comparisons(on="read")
        turn = (lambda x: 1 / x) if self.question.is_ratio else (lambda x: -x)
        at = {t: i for i, t in enumerate(self.treatments)}
        cells = np.full((len(at), len(at)), "", dtype=object)
        columns = (frame[name].tolist() for name in ("treatment", "control", "estimate", "ci_low", "ci_high"))
        for a, b, estimate, low, high in zip(*columns, strict=True):
            cells[at[a], at[b]] = f"{tx.short(estimate)} ({tx.span_text((low, high))})"
            back = turn(high), turn(low)
            cells[at[b], at[a]] = f"{tx.short(turn(estimate))} ({tx.span_text(back)})"
        return pd.DataFrame(cells, index=list(at), columns=list(at))

    def p_scores(self, better: str | None = None) -> pd.Series:
        """P-score of each treatment: the mean certainty that it beats another (Rücker & Schwarzer 2015, BMC Med Res Methodol
        15:58), between 0 and 1 with mean 0.5, by normal probabilities and the model's standard errors.

        Parameters
        ----------
        better : {"low", "high"}, optional
            Which effects are better; that of ``question.higher_is_worse`` when left out.
        """
        import pandas as pd
        from scipy.special import ndtr

        sign = side(better, self.question.higher_is_worse)
        pairs, matrix = self._pairs()
        own = np.sqrt(np.einsum("ij,jk,ik->i", matrix, self.fit.phi, matrix))  # whatever the test: a score is no test
        z = ratio(matrix @ self.estimate, own)
        total = dict.fromkeys(self.treatments, 0.0)
        for (a, b), wins in zip(pairs, ndtr(sign * z).tolist(), strict=True):
            total[a] += wins
            total[b] += 1 - wins
        return pd.Series({t: x / (len(total) - 1) for t, x in total.items()}, name="p_score")

    @property
    def coding(self) -> np.ndarray:
        """What each treatment is in the coefficients, shape (treatments, p)."""
        return coded(self.treatments, self.terms)

    def _pairs(self, coding: np.ndarray | None = None) -> tuple[list[tuple[str, str]], np.ndarray]:
        """Every pair of treatments once, and the combination (pairs, p) that is the first less the second."""
        return pairs_of(self.treatments, self.reference, self.coding if coding is None else coding)

    def _pack(self) -> dict[str, Any]:
        return {**super()._pack(), "network": packed(self.network)}

    @classmethod
    def _unpack(cls, data: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
        found = super()._unpack(data, {**own, "tau2": 0.0 if math.isnan(own["tau2"]) else own["tau2"]})
        return {**found, "network": unpacked(data["network"], own)}


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class NetworkResult(TreatmentsResult):
    """A fitted network. ``terms`` are the treatments but the ``reference``, ``estimate`` (p,) their effects against it.

    All else is that of a meta-regression over the independent rows of the trials: ``tau2`` is the between-trial variance of
    every contrast, ``q`` Cochran's Q of the network, ``omnibus`` the test that no treatment differs. ``network`` holds the
    trials.

    Examples
    --------
    >>> import vfmeta as vf
    >>> frame = {"study": list("abc"), "treat1": list("BCC"), "treat2": list("AAB"), "y": [-0.5, -0.8, -0.2], "se": [0.2] * 3}
    >>> net = vf.network(frame, reference="A")
    >>> net.p_scores("low").index.tolist()
    ['A', 'B', 'C']
    """

    engine: ClassVar[str] = "network"

    def coherence(self) -> Coherence:
        """Whether trials of one design agree, and whether designs agree with each other.

        A design is the set of treatments of a trial (Higgins et al. 2012, Res Synth Methods 3:98-110); all at tau2 = 0.
        """
        designs: dict[frozenset[str], int] = {}
        code = np.array([designs.setdefault(frozenset(t.arms), len(designs)) for t in self.network.trials])
        within, between = between_designs(self.y, self.v, self.design.x, code[self.trial], float(self.q.statistic))
        return Coherence(
            self.q, *(tail(x, df, None) if df else TestResult(0.0, 0, None, math.nan) for x, df in (within, between))
        )

    def __str__(self) -> str:
        trials = self.network.trials
        several = sum(t.count for t in trials if len(t.arms) > 2)
        among = self.network.having()
        head = f"Network of {len(self.treatments)} treatments in {among} trial{'' if among == 1 else 's'}"
        head += f" ({several} with more than two arms)" if several else ""
        of = f" {tx.spread_of(self.question)}".rstrip()
        between = (
            "tau2 not estimable" if math.isnan(self.tau2) else f"tau2 {tx.short(self.tau2)}{of}, I2 = {tx.fixed(self.i2, 0)}%"
        )
        found = self.coherence()
        return self._text(
            f"{head}, {self.question.shown} against {self.reference} ({self.method}, {self.test})",
            f"{between}; {self.q}",
            f"designs agree: {found.between}" if found.between.df else "no design is tested by another",
        )


def packed(net: Network) -> dict[str, Any]:
    """The trials of a network as plain data."""
    trials = [{"label": t.label, "arms": list(t.arms), "y": plain(t.y), "V": plain(t.V), "count": t.count} for t in net.trials]
    return {"trials": trials, "treatments": list(net.treatments)}


def unpacked(data: dict[str, Any], own: dict[str, Any]) -> Network:
    """The network of a result with the fields ``own``."""
    trials = tuple(
        Trial(t["label"], tuple(t["arms"]), array(t["y"]), array(t["V"]).reshape(len(t["arms"]) - 1, -1), t["count"])
        for t in data["trials"]
    )
    return Network(trials, tuple(data["treatments"]), own["reference"], (), own.get("origin", Origin()))


def pairs_of(treatments: Sequence[str], reference: str, coding: np.ndarray) -> tuple[list[tuple[str, str]], np.ndarray]:
    """Every two treatments once, the reference never the first, and the combination (pairs, p) of the one less the other."""
    ahead = [(j, i) if treatments[i] == reference else (i, j) for i, j in combinations(range(len(treatments)), 2)]
    matrix = np.array([coding[i] - coding[j] for i, j in ahead]).reshape(len(ahead), coding.shape[1])
    return [(treatments[i], treatments[j]) for i, j in ahead], matrix


def coded(treatments: Sequence[str], terms: Sequence[str]) -> np.ndarray:
    """What each treatment is in the coefficients, shape (treatments, p); the reference is none of them."""
    return np.array([[float(t == term) for term in terms] for t in treatments]).reshape(len(treatments), len(terms))


def side(better: str | None, higher_is_worse: bool | None) -> float:
    """1 where high effects are better, -1 where low ones are."""
    if not (better is None or (isinstance(better, str) and better in ("low", "high"))):
        raise InputError(f'better={better!r} is unknown; use "low" or "high".')
    if better is None and higher_is_worse is None:
        raise InputError(
            'Nothing says which effects are better: give better="low" or "high", or a question with higher_is_worse.'
        )
    return -1.0 if (better or ("low" if higher_is_worse else "high")) == "low" else 1.0

"""Every two treatments of a network compared, whatever the model: comparisons, league table and P-scores."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from vfmeta.core.messages import InputError
from vfmeta.core.origin import Origin
from vfmeta.core.params import OnScale, Triangle, choice, generator, whole
from vfmeta.core.question import Question
from vfmeta.networks.graph import Network, Trial
from vfmeta.networks.ranking import distance, rank_table
from vfmeta.results.codec import array, plain
from vfmeta.results.frames import scaled
from vfmeta.results.wald import quantile, ratio, two_sided
from vfmeta.text import numbers as tx

if TYPE_CHECKING:
    import pandas as pd


class Treatments:
    """What results of networks have in common; a result says how its coefficients vary (`_spread`, `_df`, `_covariance`)."""

    question: Question
    terms: tuple[str, ...]
    estimate: np.ndarray
    level: float
    tau2: float
    method: str
    reference: str
    network: Network

    @property
    def _effects(self) -> np.ndarray:
        """The coefficients that `coding` is in, shape (p,)."""
        return self.estimate

    @property
    def spreads(self) -> bool:
        """Whether trials differ beyond chance in this model."""
        return self.method != "common"

    if TYPE_CHECKING:  # of the model

        def _spread(self, matrix: np.ndarray) -> np.ndarray:
            """Standard errors of combinations of the coefficients, as the test wants them, shape (m,)."""

        def _df(self, matrix: np.ndarray) -> np.ndarray | float | None:
            """Their degrees of freedom; None for normal intervals."""

    @property
    def _covariance(self) -> np.ndarray:
        """Their covariance by the model alone, whatever the test."""
        raise NotImplementedError

    @property
    def treatments(self) -> tuple[str, ...]:
        """All treatments, by name."""
        return self.network.treatments

    def _contrasts(self, tau2: float) -> pd.DataFrame:
        """Each contrast with a trial's first arm, with its share of the weight at this tau2."""
        import pandas as pd

        rows = []
        for t in self.network.trials:
            se = np.sqrt(np.diag(t.V))
            half = quantile(self.level, None) * se
            columns = (t.arms[1:], t.y.tolist(), se.tolist(), (t.y - half).tolist(), (t.y + half).tolist())
            rows += [(t.label, arm, t.arms[0], *found) for arm, *found in zip(*columns, strict=True)]
        names = ["study", "treatment", "control", "estimate", "se", "ci_low", "ci_high"]
        frame = pd.DataFrame(rows, columns=names)
        weight = 1 / (frame["se"] ** 2 + tau2)
        return scaled(frame.assign(weight=100 * weight / weight.sum()), self.question)

    def comparisons(self, *, on: OnScale = "analysis") -> pd.DataFrame:
        """Every pair of treatments: treatment, control, estimate, se, ci_low, ci_high, statistic, df, p_value, prediction_low,
        prediction_high, trials (that compare the two directly), scale.
        """
        return self._compared(self.coding, on)

    def _compared(self, coding: np.ndarray, on: OnScale) -> pd.DataFrame:
        """`comparisons` of treatments that are these combinations of the coefficients."""
        pairs, matrix = self._pairs(coding)
        estimate, se, df = matrix @ self._effects, self._spread(matrix), self._df(matrix)
        multiplier = quantile(self.level, df)
        t = ratio(estimate, se)
        wide = multiplier * np.hypot(se, math.sqrt(self.tau2)) if self.spreads else np.full(len(se), math.nan)
        at = {t: i for i, t in enumerate(self.treatments)}
        direct = self.network.together[[at[a] for a, _ in pairs], [at[b] for _, b in pairs]]
        columns = {
            "treatment": [a for a, _ in pairs], "control": [b for _, b in pairs], "estimate": estimate, "se": se,
            "ci_low": estimate - multiplier * se, "ci_high": estimate + multiplier * se, "statistic": t,
            "df": math.inf if df is None else df, "p_value": two_sided(t, df), "prediction_low": estimate - wide,
            "prediction_high": estimate + wide, "trials": direct,
        }  # fmt: skip
        return scaled(columns, self.question, on)

    def league(self, triangle: Triangle = "both") -> pd.DataFrame:
        """League table: row against column with its interval, on the scale people read, as text.

        Parameters
        ----------
        triangle : {"both", "lower", "upper"}
            Which half is filled; the halves say the same, the other way round.
        """
        import pandas as pd

        triangle = choice("triangle", triangle, Triangle)
        pairs, matrix = self._pairs()
        estimate, half = matrix @ self._effects, quantile(self.level, self._df(matrix)) * self._spread(matrix)
        shown = self.question.display(np.stack([estimate, estimate - half, estimate + half]))
        return pd.DataFrame(*league_cells(self.treatments, pairs, shown, self.question.is_ratio, triangle))

    def p_scores(self, better: str | None = None) -> pd.Series:
        """P-score of each treatment: the mean certainty that it beats another (Rücker & Schwarzer 2015, BMC Med Res Methodol
        15:58), between 0 and 1 with mean 0.5, by normal probabilities and the model's standard errors.

        Parameters
        ----------
        better : {"low", "high"}, optional
            Which effects are better; that of ``question.higher_is_worse`` when left out.
        """
        import pandas as pd

        beats = self._beats(side(better, self.question.higher_is_worse))
        return pd.Series(beats.sum(axis=1) / (len(beats) - 1), index=list(self.treatments), name="p_score")

    def ranks(self, better: str | None = None, *, draws: int = 20_000, seed: int = 1) -> pd.DataFrame:
        """Probability of each rank (columns 1, 2, ...; 1 is best), 95% interval (``rank_low``, ``rank_high``), ``sucra`` (which
        is the P-score) and ``mean_rank`` by treatment.

        Estimates are taken as normal with the model's covariance; single ranks come from draws. A rank says nothing of size:
        read it beside `comparisons`.

        Parameters
        ----------
        better : {"low", "high"}, optional
            Which effects are better; that of ``question.higher_is_worse`` when left out.
        draws, seed : int
        """
        sign = side(better, self.question.higher_is_worse)
        many = whole("draws", draws, 1)
        drawn = generator(seed).multivariate_normal(self._effects, self._covariance, many, method="eigh")
        return rank_table(self.treatments, sign * drawn @ self.coding.T, self._beats(sign))

    def beyond(self, size: float, better: str | None = None) -> pd.Series:
        """Certainty that each treatment is better than the reference by at least ``size``, by normal probabilities.

        Parameters
        ----------
        size : float
            At least 0, on the scale people read: points of a difference, or for ratios a ratio such as 0.8 (1.25 is the same).
        better : {"low", "high"}, optional
            Which effects are better; that of ``question.higher_is_worse`` when left out.
        """
        import pandas as pd
        from scipy.special import ndtr

        sign, apart = side(better, self.question.higher_is_worse), distance(size, self.question)
        others = [t for t in self.treatments if t != self.reference]
        at = {t: i for i, t in enumerate(self.treatments)}
        matrix = np.array([self.coding[at[t]] - self.coding[at[self.reference]] for t in others])
        z = ratio(sign * (matrix @ self._effects) - apart, self._plain(matrix))
        return pd.Series(ndtr(z), index=others, name="beyond")

    def _plain(self, matrix: np.ndarray) -> np.ndarray:
        return np.sqrt(np.maximum(np.einsum("ij,jk,ik->i", matrix, self._covariance, matrix), 0.0))

    def _beats(self, sign: float) -> np.ndarray:
        """Certainty that the treatment of the row is better than that of the column, 0 on the diagonal."""
        from scipy.special import ndtr

        pairs, matrix = self._pairs()
        at = {t: i for i, t in enumerate(self.treatments)}
        one, two = np.array([(at[a], at[b]) for a, b in pairs]).reshape(-1, 2).T
        out = np.zeros((len(at), len(at)))
        out[one, two] = ndtr(sign * ratio(matrix @ self._effects, self._plain(matrix)))
        out[two, one] = 1 - out[one, two]
        return out

    @property
    def coding(self) -> np.ndarray:
        """What each treatment is in the coefficients, shape (treatments, p)."""
        return coded(self.treatments, self.terms)

    def _pairs(self, coding: np.ndarray | None = None) -> tuple[list[tuple[str, str]], np.ndarray]:
        """Every pair of treatments once, and the combination (pairs, p) that is the first less the second."""
        return pairs_of(self.treatments, self.reference, self.coding if coding is None else coding)


class OfTrials(Treatments):
    """`Treatments` whose coefficients are effects, of a model that is no regression of contrasts."""

    @property
    def slopes(self) -> np.ndarray:
        """None of the coefficients is a slope: each is an effect, shape (p,)."""
        return np.zeros(len(self.terms), dtype=bool)

    @property
    def against(self) -> np.ndarray:
        """What each effect is tested against: no difference, 0 on the analysis scale."""
        return np.zeros(len(self.terms))

    @property
    def labels(self) -> tuple[str, ...]:
        """The trials, by name."""
        return tuple(t.label for t in self.network.trials)

    @property
    def k(self) -> int:
        """How many contrasts the trials have: arms less one, of all."""
        return sum(len(t.y) for t in self.network.trials)


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


def league_cells(
    treatments: Sequence[str], pairs: Sequence[tuple[str, str]], shown: np.ndarray, ratios: bool, triangle: str
) -> tuple[np.ndarray, list[str], list[str]]:
    """Cells, rows and columns of a league table; ``shown`` (3, pairs) are effects and limits as people read them."""
    at = {t: i for i, t in enumerate(treatments)}
    cells = np.full((len(at), len(at)), "", dtype=object)
    back = 1 / shown[[0, 2, 1]] if ratios else -shown[[0, 2, 1]]
    for (a, b), ahead, turned in zip(pairs, shown.T.tolist(), back.T.tolist(), strict=True):
        i, j = at[a], at[b]
        for (row, column), (value, *limits) in (((i, j), ahead), ((j, i), turned)):
            if triangle == "both" or (row > column) == (triangle == "lower"):
                cells[row, column] = f"{tx.short(value)} ({tx.span_text(limits)})"
    return cells, list(at), list(at)

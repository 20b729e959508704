"""The Bayesian answer of a network, exactly: given tau the effects are normal, and tau is one integral."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from vfmeta.bayes.exact import choose_priors
from vfmeta.bayes.exact_regression import ExactRegression
from vfmeta.bayes.models.answer import LeaveOneOut
from vfmeta.bayes.regression import RegressionPosterior, coefficient_priors, said
from vfmeta.core.messages import InputError, kind_of
from vfmeta.core.params import Consistency, IntervalKind, OnScale, choice, confidence
from vfmeta.effects.design import Design
from vfmeta.kernels.network import independent
from vfmeta.networks.compared import coded, packed, pairs_of, side, unpacked
from vfmeta.networks.graph import Network
from vfmeta.networks.ranking import NO_ORDER, distance, rank_table
from vfmeta.networks.result import NetworkResult
from vfmeta.networks.unrelated import labels, unrelated
from vfmeta.priors import Flat, Normal, TauPrior
from vfmeta.results.frames import scaled
from vfmeta.results.model_fit import Dic

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class NetworkPosterior(RegressionPosterior):
    """Posterior of a network: ``terms`` are the treatments but the ``reference``, ``estimate`` medians of their effects.

    ``network`` holds the trials. Of unrelated mean effects (``consistency="UME"``) ``terms`` are the comparisons, "B v A".

    Examples
    --------
    >>> import vfmeta as vf
    >>> frame = {"study": list("abc"), "treat1": list("BCC"), "treat2": list("AAB"), "y": [-0.5, -0.8, -0.2], "se": [0.2] * 3}
    >>> net = vf.network(frame, reference="A")
    >>> post = vf.networks.posterior(net, tau=vf.priors.HalfNormal(0.5))
    >>> post.comparisons().shape[0]
    3
    """

    engine: ClassVar[str] = "network_bayesian"
    packed: ClassVar[frozenset[str]] = RegressionPosterior.packed | {"network"}
    reference: str
    network: Network = field(repr=False)
    consistency: str = "consistency"

    @property
    def treatments(self) -> tuple[str, ...]:
        """All treatments, by name."""
        return self.network.treatments

    @property
    def slopes(self) -> np.ndarray:
        """None of the coefficients is a slope: each is the effect of a treatment, shape (p,)."""
        return np.zeros(len(self.terms), dtype=bool)

    def __str__(self) -> str:
        head = f"exact network of {len(self.treatments)} treatments against {self.reference}"
        if self.consistency == "UME":
            head = f"exact unrelated mean effects of {len(self.treatments)} treatments"
        return super().__str__().replace("exact meta-regression", head, 1)

    def comparisons(self, *, on: OnScale = "analysis") -> pd.DataFrame:
        """Every pair, or of unrelated mean effects every one with direct evidence: treatment, control, estimate (median), se
        (posterior SD), ci_low, ci_high, p_above_0, scale.
        """
        import pandas as pd

        rows = []
        for (a, b), x in zip(*self._pairs(), strict=True):
            part = self.posterior.combination(x)
            limits = part.interval(self.level, self.interval_kind)
            rows.append((a, b, part.median, part.sd, *limits, 1 - float(part.cdf(0.0))))
        names = ["treatment", "control", "estimate", "se", "ci_low", "ci_high", "p_above_0"]
        return scaled(pd.DataFrame(rows, columns=names), self.question, on)

    def ranks(self, better: str | None = None, *, draws: int = 20_000, seed: int = 1) -> pd.DataFrame:
        """Probability of each rank (columns 1, 2, ...; 1 is best), 95% interval (``rank_low``, ``rank_high``), SUCRA
        and ``mean_rank`` by treatment.

        Mean rank and SUCRA (Salanti et al. 2011, J Clin Epidemiol 64:163-171) are exact, from the probability that each
        treatment beats each other; single ranks come from draws. A rank says nothing of size: read it beside `comparisons`.

        Parameters
        ----------
        better : {"low", "high"}, optional
            Which effects are better; that of ``question.higher_is_worse`` when left out.
        draws, seed : int
        """
        sign = side(better, self.question.higher_is_worse)
        self._ordered("ranks")
        effects = self.posterior.mixed_draws(draws, seed) @ coded(self.treatments, self.terms).T
        beats = np.zeros((len(self.treatments),) * 2)
        at = {t: i for i, t in enumerate(self.treatments)}
        for (a, b), x in zip(*self._pairs(), strict=True):
            above = 1 - float(self.posterior.combination(x).cdf(0.0))
            beats[at[a], at[b]] = above if sign > 0 else 1 - above
            beats[at[b], at[a]] = 1 - beats[at[a], at[b]]
        return rank_table(self.treatments, sign * effects, beats)

    def beyond(self, size: float, better: str | None = None) -> pd.Series:
        """Probability that each treatment is better than the reference by at least ``size``, exact.

        Parameters
        ----------
        size : float
            At least 0, on the scale people read: points of a difference, or for ratios a ratio such as 0.8 (1.25 is the same).
        better : {"low", "high"}, optional
            Which effects are better; that of ``question.higher_is_worse`` when left out.
        """
        import pandas as pd

        sign = side(better, self.question.higher_is_worse)
        self._ordered("beyond")
        apart = distance(size, self.question)
        found = {}
        for name, part in zip(self.terms, self.posterior.marginals.values(), strict=True):
            below = float(part.cdf(sign * apart))
            found[name] = 1 - below if sign > 0 else below
        return pd.Series(found, name="beyond")

    def deviances(self) -> pd.DataFrame:
        """A row a trial: term, deviance (posterior mean of its residual deviance), leverage (its share of the parameters: that
        less the deviance at the posterior mean of its effects) and points (its contrasts with one arm), exact.
        """
        import pandas as pd

        mean, at = self.posterior.deviances()
        # the rows of a trial turn its contrasts: their sum is the deviance of these with their whole covariance
        sums = [np.bincount(self._trial, x) for x in (mean, mean - at, np.ones(len(at)))]
        frame = pd.DataFrame(dict(zip(("deviance", "leverage", "points"), sums, strict=True)))
        frame.insert(0, "term", [t.label for t in self.network.trials])
        return frame

    def dic(self) -> Dic:
        """Residual deviance, effective number of parameters and DIC, as in NICE DSU Technical Support Document 2, exact."""
        return Dic.of(self.deviances())

    def loo(self) -> LeaveOneOut:
        """Predictive density of every trial from the posterior without it, exact: each is solved anew.

        A trial without which the others leave an effect unknown (flat priors) has none: its elpd is minus infinity.
        """
        import pandas as pd

        trial, x = self._trial, self.design.x
        rows = []
        for i, t in enumerate(self.network.trials):
            mine, rest = trial == i, trial != i
            own = (self.y[mine], self.v[mine], x[mine])
            now = self.posterior.log_density(*own)
            free = [not b.proper for b in self.beta_priors]
            if np.linalg.matrix_rank(x[rest][:, free]) < sum(free):
                rows.append((t.label, -math.inf, now))
                continue
            without = ExactRegression(self.y[rest], self.v[rest], x[rest], self.terms, self.tau_prior, self.beta_priors)
            rows.append((t.label, without.log_density(*own), now))
        frame = pd.DataFrame(rows, columns=["term", "elpd", "now"])
        alone = frame.loc[np.isinf(frame["elpd"]), "term"].tolist()
        elpd = frame["elpd"].to_numpy()
        notes = (f"Without {', '.join(alone)} an effect is unknown: its predictive density is 0.",) if alone else ()
        return LeaveOneOut(
            float(elpd.sum()), math.nan if alone else float(np.sqrt(len(elpd) * elpd.var())),
            float((frame["now"] - elpd).sum()), frame.drop(columns="now").assign(pareto_k=math.nan), notes,
        )  # fmt: skip

    @property
    def _trial(self) -> np.ndarray:
        """Number of the trial that each row is of."""
        return self.network.rows_of

    def _ordered(self, what: str) -> None:
        if self.consistency == "UME":
            raise InputError(f"{what}: {NO_ORDER}")

    def _pairs(self) -> tuple[list[tuple[str, str]], np.ndarray]:
        if self.consistency == "UME":
            return list(unrelated(self.network)[0]), np.eye(len(self.terms))
        return pairs_of(self.treatments, self.reference, coded(self.treatments, self.terms))

    def _pack(self) -> dict[str, Any]:
        return {**super()._pack(), "network": packed(self.network)}

    @classmethod
    def _unpack(cls, data: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
        return {**super()._unpack(data, own), "network": unpacked(data["network"], own)}


def posterior(
    fit: NetworkResult,
    *,
    consistency: Consistency = "consistency",
    tau: TauPrior | None = None,
    beta: Normal | Flat | dict[str, Normal | Flat] | None = None,
    level: float = 0.95,
    interval: IntervalKind = "central",
) -> NetworkPosterior:
    """Exact Bayesian network meta-analysis of the trials of a fitted network.

    How often its tests reject and its intervals hold: ``reports/levels.md#networksposterior``.

    Parameters
    ----------
    fit : NetworkResult
        From `vfmeta.network`; its trials and question are used, not its estimates.
    consistency : {"consistency", "UME"}
        Whether the effects of all comparisons follow from those against the reference, or each comparison with direct evidence
        has a mean effect of its own (unrelated mean effects; Dias et al. 2011, NICE DSU Technical Support Document 4). A trial
        of several arms then informs the comparisons with its first treatment, the reference or else the first by name.
    tau : prior, optional
        Of the between-trial standard deviation of every contrast; the default of the measure when left out.
    beta : prior or mapping of treatments to priors, optional
        Of the effects against the reference, or of the comparisons ("B v A"); flat where nothing is said.
    level : float
    interval : {"central", "shortest"}

    Returns
    -------
    NetworkPosterior

    Raises
    ------
    InputError
        The posterior is improper: too few trials for flat effects and this prior of tau.

    Examples
    --------
    >>> import vfmeta as vf
    >>> frame = {
    ...     "study": list("abcdef"), "treat1": list("BBCCCC"), "treat2": list("AAAABB"),
    ...     "y": [-0.5, -0.3, -0.8, -0.6, -0.2, -0.4], "se": [0.2] * 6,
    ... }
    >>> post = vf.networks.posterior(vf.network(frame, reference="A"), tau=vf.priors.HalfNormal(0.5))
    >>> post.ranks("low").index.tolist()
    ['A', 'B', 'C']
    """
    if not isinstance(fit, NetworkResult):
        raise InputError(f"posterior takes a network (from vf.network), not {kind_of(fit)}.")
    if fit.network.pooled:
        raise InputError(
            "Mantel-Haenszel pools the trials of a design with one common effect, so that nothing of the heterogeneity between "
            "them is left; fit vf.network(...) to the arms and take its posterior."
        )
    interval, level = choice("interval", interval, IntervalKind), confidence(level)
    tau, _ = choose_priors(fit.question, tau, Flat())
    consistency = choice("consistency", consistency, Consistency)
    terms, design = fit.terms, fit.design
    if consistency == "UME":
        pairs, parts = unrelated(fit.network)
        terms, trials = labels(pairs), fit.network.trials
        design = Design(independent([t.y for t in trials], [t.V for t in trials], parts)[2], terms, None)
    chosen = coefficient_priors(terms, beta)
    post = ExactRegression(fit.y, fit.v, design.x, terms, tau, chosen)
    marginals = list(post.marginals.values())
    own: dict[str, Any] = {
        "question": fit.question, "terms": terms, "estimate": np.array([p.median for p in marginals]),
        "se": np.array([p.sd for p in marginals]), "interval": np.array([p.interval(level, interval) for p in marginals]),
        "p_above_0": np.array([1 - float(p.cdf(0.0)) for p in marginals]), "level": level, "interval_kind": interval,
        "tau": post.tau.summary(level, interval), "labels": fit.labels, "y": fit.y, "v": fit.v, "weights": post.weights,
        "design": design, "tau_prior": tau, "beta_priors": tuple(chosen), "priors": said(terms, tau, chosen),
        "log_evidence": None, "origin": fit.origin, "warnings": fit.network.notes,
        "call": {
            "function": "networks.posterior", "consistency": consistency, "tau": str(tau), "level": level, "interval": interval
        },
    }  # fmt: skip
    result = NetworkPosterior(**own, reference=fit.reference, network=fit.network, consistency=consistency)
    result.__dict__["posterior"] = post  # solved already: what is asked of it later need not be solved anew
    return result

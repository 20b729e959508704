"""What sampling a model answers with: the draws with their names, what can be read from them, and whether to trust them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from vfmeta.bayes import draws as drawn
from vfmeta.bayes import versions as compat
from vfmeta.bayes.models.diagnostics import Gate
from vfmeta.bayes.monte_carlo import monte_carlo_errors
from vfmeta.core.messages import InputError, warn_each
from vfmeta.core.params import confidence
from vfmeta.results.posterior import BayesianResult
from vfmeta.results.shown import Displayed, Lines, Shown, cells_of
from vfmeta.text import numbers as tx

if TYPE_CHECKING:
    import pandas as pd


class Described(Protocol):
    """What draws know of the model they were drawn from."""

    @property
    def name(self) -> str: ...

    @property
    def coords(self) -> Mapping[str, Sequence[Any]]: ...

    @property
    def watch(self) -> tuple[str, ...]: ...

    @property
    def priors(self) -> tuple[str, ...]: ...

    @property
    def tails(self) -> Mapping[str, float]: ...

    @property
    def studies(self) -> Any: ...

    @property
    def prior_objects(self) -> Mapping[str, Any]: ...


@dataclass(frozen=True)
class LeaveOneOut:
    """Leave-one-out predictive density by Pareto-smoothed importance sampling.

    ``elpd`` is the expected log predictive density, ``se`` its standard error, ``p`` the effective number of parameters;
    ``pointwise`` has a row per observation (term, elpd, pareto_k); ``warnings`` say what stands against using it.
    """

    elpd: float
    se: float
    p: float
    pointwise: pd.DataFrame
    warnings: tuple[str, ...]

    def __str__(self) -> str:
        elpd, se, p = (tx.fixed(x, 2) for x in (self.elpd, self.se, self.p))
        lines = [f"elpd {elpd} (SE {se}), p {p}, {len(self.pointwise)} observations"]
        return "\n".join([*lines, *(f"note: {w}" for w in self.warnings)])


@dataclass(frozen=True, repr=False)
class Sampled(Displayed):
    """Posterior draws of a model.

    Attributes
    ----------
    model : Model
        The model with its data and its priors (``model.data``, ``model.prior_objects``).
    arviz : DataTree or InferenceData
        Groups posterior, sample_stats, log_likelihood (pointwise), log_prior, posterior_predictive, prior and prior_predictive
        (where the priors are proper), observed_data and constant_data, with the model's coordinates.
    gate : Gate
        R-hat, effective sample sizes, divergences, E-BFMI.
    warnings : tuple of str
        Everything to know before using the draws, in words.
    settings : dict
        seed, draws, tune, chains, target_accept, and the sampler that was used.

    Examples
    --------
    >>> import vfmeta as vf
    >>> model = vf.bayes.models.normal_normal(y=[-0.5, -0.3], v=[0.1, 0.1], tau=vf.priors.HalfNormal(1.0))
    >>> post = model.sample(seed=1)  # doctest: +SKIP
    >>> post.to_frame()  # doctest: +SKIP
    """

    model: Described
    arviz: Any
    gate: Gate
    warnings: tuple[str, ...]
    settings: Mapping[str, Any]
    _groups: Mapping[str, Mapping[str, np.ndarray]]
    _dims: Mapping[str, tuple[str, ...]]

    def draws(self, name: str, group: str = "posterior") -> np.ndarray:
        """Draws of a variable, shape (chains, draws, ...)."""
        found = self._groups.get(group, {})
        if name not in found:
            raise InputError(f"There is no {name!r} in group {group!r}; there are {', '.join(found) or 'none'}.")
        return found[name]

    def to_frame(self, *names: str, level: float = 0.95) -> pd.DataFrame:
        """Tidy summary of the variables named (those watched when none is), one row a number.

        Columns term, mean, estimate (the median), se (posterior SD), ci_low, ci_high (central), and r_hat, ess_bulk, ess_tail
        of those watched.
        """
        import pandas as pd

        confidence(level)
        rows = []
        for name in names or self.model.watch:
            x = self.draws(name)
            flat = x.reshape(x.shape[0] * x.shape[1], -1)
            low, middle, high = np.quantile(flat, [0.5 - level / 2, 0.5, 0.5 + level / 2], axis=0)
            columns = (flat.mean(0), middle, flat.std(0, ddof=1), low, high)
            rows += [(label, *map(float, r)) for label, *r in zip(self._labels(name, x), *columns, strict=True)]
        frame = pd.DataFrame(rows, columns=["term", "mean", "estimate", "se", "ci_low", "ci_high"])
        looked = self.gate.to_frame()[["term", "r_hat", "ess_bulk", "ess_tail"]]
        return frame.merge(looked, on="term", how="left")

    def summary(self) -> str:
        """The draws in words: how they were made, the parameters watched, and every warning."""
        return Lines(repr(self))

    def loo(self, variable: str | None = None) -> LeaveOneOut:
        """PSIS-LOO of an observed variable (Vehtari, Gelman & Gabry 2017, Stat Comput 27:1413-1432), warned of where due.

        Parameters
        ----------
        variable : str, optional
            Which observed variable, where the model has several.
        """
        import pandas as pd

        known = list(self._groups["log_likelihood"])
        if variable is None and len(known) == 1:
            variable = known[0]
        if variable not in known:
            raise InputError(f"Say which observed variable is left out, one of {', '.join(known)}; variable={variable!r}.")
        found = compat.loo(self.arviz, variable)
        x = self._groups["log_likelihood"][variable]
        k = np.asarray(found.pareto_k.values, dtype=float).ravel()
        each = np.asarray((found.elpd_i if hasattr(found, "elpd_i") else found.loo_i).values, dtype=float).ravel()
        labels = self._labels(variable, x)
        notes = _loo_notes(k, labels, x.shape[0] * x.shape[1])
        warn_each(notes)
        elpd, p = (getattr(found, a) if hasattr(found, a) else found[b] for a, b in (("elpd", "elpd_loo"), ("p", "p_loo")))
        return LeaveOneOut(
            float(elpd), float(found.se), float(p), pd.DataFrame({"term": labels, "elpd": each, "pareto_k": k}), notes
        )

    def psense(self, *names: str) -> pd.DataFrame:
        """Power-scaling sensitivity of the variables named (those watched when none is) to the prior and to the likelihood.

        Kallioinen, Paananen, Bürkner & Vehtari 2024, Stat Comput 34:57. Columns term, prior, likelihood, and reading: the
        paper's words for values above 0.05. A flat prior has no power to scale; only the proper ones are.
        """
        import pandas as pd

        chosen = names or self.model.watch
        for name in chosen:
            self.draws(name)
        prior = compat.power_sensitivity(self.arviz, chosen, "prior")
        data = compat.power_sensitivity(self.arviz, chosen, "likelihood")
        rows = []
        for name in chosen:
            labels = self._labels(name, self.draws(name))
            rows += list(zip(labels, prior[name].ravel().tolist(), data[name].ravel().tolist(), strict=True))
        frame = pd.DataFrame(rows, columns=["term", "prior", "likelihood"])
        return frame.assign(reading=[_reading(p, q) for p, q in zip(frame["prior"], frame["likelihood"], strict=True)])

    def result(self, *, level: float = 0.95, interval: str = "central") -> BayesianResult:
        """The house's result, for a model with mu, tau, theta and next_trial on an effect scale.

        Raises
        ------
        InputError
            The model has no such effects.
        """
        m = self.model
        posterior = self._groups["posterior"]
        if m.studies is None or not {"mu", "tau", "theta", "next_trial"} <= set(posterior):
            raise InputError(
                f"The {m.name} model has no single mean effect with a heterogeneity on an effect scale; "
                "read its to_frame() or its draws."
            )
        call: dict[str, Any] = {
            "function": f"bayes.models.{m.name}", "level": float(level), "interval": interval, **self.settings
        }  # fmt: skip
        if m.tails:
            call["mcse"] = monte_carlo_errors({n: posterior[n] for n in ("mu", "tau")}, m.tails, float(level))
        # only of this model are tau and mu what the checks of a normal-normal posterior take
        own = m.prior_objects if m.name == "normal_normal" else {}
        return drawn.result(
            m.studies, {n: posterior[n] for n in ("mu", "tau", "theta", "next_trial", "weight") if n in posterior},
            level=level, kind=interval, priors=m.priors, warnings=self.warnings, call=call,
            method=f"PyMC, NUTS, {m.name} model", tau_prior=own.get("tau"), mu_prior=own.get("mu"),
        )  # fmt: skip

    def _labels(self, name: str, x: np.ndarray) -> list[str]:
        return element_labels(name, self._dims.get(name, ()), self.model.coords, x.shape[2:])

    def __repr__(self) -> str:
        s = self.settings
        head = (
            f"{self.model.name} model sampled by {s['sampler']}: {s['chains']} chains of {s['draws']} draws "
            f"after {s['tune']} of tuning, seed {s['seed']}"
        )
        shown = self.to_frame().drop(columns=["ess_tail"]).to_string(index=False, float_format=tx.short)
        said = [f"note: {w}" for w in self.warnings] or ["the draws passed the gate"]
        return "\n".join([head, *(f"prior: {p}" for p in self.model.priors), shown, *said])

    def _display(self) -> Shown:
        head, *_ = repr(self).splitlines()
        said = [f"note: {w}" for w in self.warnings] or ["the draws passed the gate"]
        return Shown(head, *cells_of(self.to_frame()), (*(f"prior: {p}" for p in self.model.priors), *said))


def element_labels(name: str, dims: Sequence[str], coords: Mapping[str, Sequence[Any]], shape: Sequence[int]) -> list[str]:
    """The name of every number of a variable: "theta[Smith 2001]"; numbered where a dimension has no labels."""
    if not shape:
        return [name]
    axes = [
        [str(x) for x in coords[dims[i]]] if i < len(dims) and dims[i] in coords else [str(j) for j in range(n)]
        for i, n in enumerate(shape)
    ]
    return [f"{name}[{', '.join(part)}]" for part in itertools.product(*axes)]


def _loo_notes(k: np.ndarray, labels: Sequence[str], draws: int) -> tuple[str, ...]:
    notes = []
    # Vehtari, Simpson, Gelman, Yao & Gabry 2024, J Mach Learn Res 25(72): the limit follows from the number of draws
    limit = min(1 - 1 / math.log10(draws), 0.7)
    high = [labels[i] for i in np.flatnonzero(~(k < limit)).tolist()]
    if high:
        notes.append(
            f"Leave-one-out is not reliable for {', '.join(high)} (Pareto k of {limit:.2f} or more): without it the posterior "
            "would be quite another. Refit without it instead (Vehtari et al. 2024, J Mach Learn Res 25(72))."
        )
    if len(k) < 100:
        notes.append(
            f"Leave-one-out rests on {len(k)} observations; its standard error is too small and differences of a few units "
            "say nothing with so few (Sivula et al. 2025, Bayesian Analysis, doi:10.1214/24-BA1453)."
        )
    return tuple(notes)


def _reading(prior: float, likelihood: float) -> str:
    if prior > 0.05:
        return "prior-data conflict" if likelihood > 0.05 else "strong prior or weak likelihood"
    return "-"

"""What every PyMC model of the house is, and how it is sampled.

A model file makes a `Model`; everything else happens here: compilation (once per structure, reused when only data change),
sampling by nutpie or PyMC's own NUTS, the gate, pointwise log densities, and predictive draws.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from vfmeta.bayes import versions as compat
from vfmeta.bayes.models import diagnostics as gate
from vfmeta.bayes.models.answer import Sampled, element_labels
from vfmeta.bayes.models.progress import Progress
from vfmeta.bayes.models.vectorised import Draws, Vectorised, set_data
from vfmeta.core.messages import ConvergenceError, InputError, warn_each
from vfmeta.core.params import Sampler, choice, whole
from vfmeta.core.question import Question
from vfmeta.effects.reading import Studies
from vfmeta.priors.family import Prior

Numpy = Callable[[Draws, Mapping[str, np.ndarray], np.random.Generator], Draws]


@dataclass(frozen=True)
class Model:
    """A Bayesian model with its data, ready to be sampled.

    Parameters
    ----------
    name : str
        Name of the family, such as "binomial".
    key : tuple
        Models of one name and key have the same graph: structure, families of priors, and every number that is not in
        ``data``. Shapes of the data join the key by themselves unless ``elastic``.
    make : callable
        ``make(pm)`` is called inside ``with pm.Model(coords=...)`` and declares parameters, ``pm.Data`` containers by the names
        of ``data``, and observed variables. Priors are random variables, not potentials, or the prior cannot be told from
        the likelihood.
    data : mapping of str to ndarray
        Values of the containers.
    coords : mapping of str to sequence of labels
        Study, arm, time, intervention, ...
    watch : tuple of str
        Parameters that the gate looks at and the table shows.
    question, priors, notes
        What is asked, the priors in words, and warnings in words that follow from the input.
    prior_objects : mapping of str to prior
        The priors themselves, by the parameter each is of.
    elastic : bool
        No parameter has a length that follows from the data: a compiled graph then serves any number of studies.
    extend : callable, optional
        ``extend(draws, data, rng)`` with draws of shape (S, ...) returns further quantities, such as study effects given mu
        and tau.
    log_likelihood : callable, optional
        The same, returning the pointwise log likelihood in place of PyMC's.
    dims : mapping of str to tuple of str
        Dimensions of what ``extend`` returns.
    studies : Studies, optional
        Effects with variances, for a model that has mu, tau, theta and next_trial on an effect scale (`Sampled.result`).
    tails : mapping of str to float, optional
        How the posteriors of mu and tau fall off (`monte_carlo.tails_of`), for Monte Carlo errors in that result.

    Examples
    --------
    >>> import vfmeta as vf
    >>> model = vf.bayes.models.poisson(events1=[4, 2], time1=[100, 80], events2=[7, 5], time2=[90, 85])
    >>> post = model.sample(seed=1)  # doctest: +SKIP
    """

    name: str
    key: tuple[Any, ...]
    make: Callable[[Any], None]
    data: Mapping[str, np.ndarray]
    coords: Mapping[str, Sequence[Any]]
    watch: tuple[str, ...]
    question: Question | None = None
    priors: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    elastic: bool = False
    extend: Numpy | None = None
    log_likelihood: Numpy | None = None
    dims: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    studies: Studies | None = None
    tails: Mapping[str, float] = field(default_factory=dict)
    prior_objects: Mapping[str, Prior] = field(default_factory=dict)

    answer: ClassVar[type[Sampled]] = Sampled

    def pymc(self) -> Any:
        """A fresh PyMC model, for people who want to go on with it."""
        pm = compat.load_pymc()
        with pm.Model(coords={name: list(labels) for name, labels in self.coords.items()}) as model:
            self.make(pm)
        return model

    def sample(
        self,
        *,
        seed: int = 1,
        draws: int = 1000,
        tune: int = 1000,
        chains: int = 4,
        target_accept: float = 0.95,
        sampler: Sampler = "nutpie",
        progress: bool = False,
    ) -> Sampled:
        """Sample the posterior, and look at the draws before handing them over.

        Parameters
        ----------
        seed : int
            Same seed, same draws.
        draws, tune, chains : int
            Draws kept and tuning steps per chain, and number of chains.
        target_accept : float
            Acceptance aimed at, between 0 and 1; higher takes smaller steps.
        sampler : {"nutpie", "pymc"}
            PyMC's own sampler stands in, with a warning, where nutpie cannot be loaded or cannot compile the model.
        progress : bool
            Show the progress on the terminal.

        Returns
        -------
        Sampled
            Carries a warning in words for every part of the gate that failed.

        Raises
        ------
        InputError
            Settings that are no settings.
        ConvergenceError
            The sampler found no place to start from.
        """
        check_sampling(seed, draws, tune, chains, target_accept)
        sampler = choice("sampler", sampler, Sampler)
        settings = {"seed": int(seed), "draws": int(draws), "tune": int(tune), "chains": int(chains)}
        with Progress(self.name, settings, progress) as shown:
            shown.stage("compiling")
            graph = _graph(self)
            with graph.lock:
                notes = graph.compile(sampler)
                used = "pymc" if graph.compiled is None or sampler == "pymc" else "nutpie"
                shown.stage("sampling")
                run = graph.by_nutpie if used == "nutpie" else graph.by_pymc
                found, energy, diverging = run(self, settings, float(target_accept), shown)
                shown.stage("predictions")
                groups, dims = _groups(self, graph.vector, found, settings)
        watched = {name: groups["posterior"][name] for name in self.watch}
        labels = {name: element_labels(name, dims.get(name, ()), self.coords, x.shape[2:]) for name, x in watched.items()}
        looked = gate.check(gate.numbers(watched, labels), energy, diverging)
        groups["sample_stats"] = {"energy": energy, "diverging": diverging}
        said = (*self.notes, *notes, *looked.warnings)
        warn_each(said)
        told = {**settings, "target_accept": float(target_accept), "sampler": used}
        return self.answer(self, compat.to_arviz(groups, self.coords, dims), looked, said, told, groups, dims)

    def prior_predictive(self, *, seed: int = 1, draws: int = 1000) -> Any:
        """Draws from the priors and of the data they expect, as ArviZ's container (groups prior and prior_predictive).

        Raises
        ------
        InputError
            A prior is improper.
        """
        check_sampling(seed, draws, 1, 1, 0.9)
        graph = _graph(self)
        with graph.lock:
            graph.vector.feed(self.data, self.coords)
            dims = _dims(self, graph.vector)
            try:
                free, observed = graph.vector.prior(int(draws), int(seed))
            except NotImplementedError as error:
                raise InputError(
                    f"One of the priors is improper ({'; '.join(self.priors) or self.name}), so nothing can be drawn from it; "
                    "name proper priors to see what they expect of the data."
                ) from error
            except OverflowError as error:
                raise InputError(
                    f"The priors are so wide ({'; '.join(self.priors) or self.name}) that they expect counts beyond what can "
                    "be drawn; name narrower ones to see what they expect of the data."
                ) from error
        groups = {"prior": free, "prior_predictive": observed}
        return compat.to_arviz({g: {n: x[None] for n, x in v.items()} for g, v in groups.items()}, self.coords, dims)


def check_sampling(seed: Any, draws: Any, tune: Any, chains: Any, target_accept: Any = 0.95) -> None:
    """Whole numbers where whole numbers are needed, or an error that says so."""
    for name, value, least in (("seed", seed, 0), ("draws", draws, 4), ("tune", tune, 1), ("chains", chains, 1)):
        whole(name, value, least)
    if isinstance(target_accept, bool) or not isinstance(target_accept, (int, float)) or not 0 < target_accept < 1:
        raise InputError(f"target_accept={target_accept!r} must be a number between 0 and 1, such as 0.95.")


class _Graph:
    """A built model with its compiled functions; one a key and process."""

    def __init__(self, model: Model) -> None:
        self.model = model.pymc()
        self.vector = Vectorised(self.model)
        self.free = self.vector.free
        self.lock = threading.RLock()
        self.compiled: Any = None
        self._failed = ""

    def compile(self, sampler: str) -> tuple[str, ...]:
        """Compile for nutpie where that is asked for; what went wrong, in words."""
        if sampler != "nutpie" or self.compiled is not None:
            return ()
        if not self._failed:
            try:
                nutpie = compat.load_nutpie()
                with compat.hushed(), compat.strict():
                    self.compiled = nutpie.compile_pymc_model(self.model, backend="numba", var_names=self.free)
            except Exception as error:  # whatever it is, PyMC's own sampler can do the work
                self._failed = f"{type(error).__name__}: {str(error).strip().splitlines()[0] if str(error).strip() else ''}"
        if self._failed:
            return (f"nutpie could not be used ({self._failed}); PyMC's own NUTS sampled instead, which is slower.",)
        return ()

    def by_nutpie(
        self, model: Model, settings: Mapping[str, int], target_accept: float, shown: Progress
    ) -> tuple[Draws, np.ndarray, np.ndarray]:
        known = compat.containers_of(self.compiled)
        lengths = {name: np.asarray(len(labels)) for name, labels in model.coords.items()}
        given = {name: x for name, x in {**lengths, **model.data}.items() if name in known}
        compiled = self.compiled.with_data(**given)
        try:
            trace = compat.load_nutpie().sample(
                compiled, draws=settings["draws"], tune=settings["tune"], chains=settings["chains"], seed=settings["seed"],
                target_accept=target_accept, progress_bar=False, save_warmup=False, **shown.for_nutpie(),
            )  # fmt: skip
        except RuntimeError as error:
            raise ConvergenceError(
                f"The {model.name} model could not be sampled: {str(error).strip().splitlines()[0]}. Check that data and "
                "priors are of one scale; model.pymc().debug() shows where the density is not finite."
            ) from error
        return self._drawn(trace)

    def by_pymc(
        self, model: Model, settings: Mapping[str, int], target_accept: float, shown: Progress
    ) -> tuple[Draws, np.ndarray, np.ndarray]:
        pm = compat.load_pymc()
        set_data(self.model, model.data, model.coords)
        with compat.hushed(), compat.strict():
            trace = pm.sample(
                model=self.model, draws=settings["draws"], tune=settings["tune"], chains=settings["chains"], cores=1,
                random_seed=settings["seed"], target_accept=target_accept, progressbar=False, var_names=self.free,
                compute_convergence_checks=False, nuts_sampler="pymc", compile_kwargs={"mode": "NUMBA"},
                **shown.for_pymc(),
            )  # fmt: skip
        return self._drawn(trace)

    def _drawn(self, trace: Any) -> tuple[Draws, np.ndarray, np.ndarray]:
        """Draws of the free variables, energies and divergences."""
        diverging, energy = compat.sampler_stats(trace)
        return dict(zip(self.free, compat.draws_of(trace, *self.free), strict=True)), energy, diverging


_graphs: dict[tuple[Any, ...], _Graph] = {}
_lock = threading.Lock()


def _graph(model: Model) -> _Graph:
    """The graph of the model's structure; built when first asked for."""
    shapes = () if model.elastic else tuple((name, np.shape(x)) for name, x in sorted(model.data.items()))
    lengths = () if model.elastic else tuple((name, len(labels)) for name, labels in sorted(model.coords.items()))
    key = (model.name, model.key, shapes, lengths)
    with _lock:
        if key not in _graphs:
            _graphs[key] = _Graph(model)
        return _graphs[key]


def _dims(model: Model, vector: Vectorised) -> dict[str, tuple[str, ...]]:
    found = {name: tuple(d) for name, d in vector.model.named_vars_to_dims.items() if all(x is not None for x in d)}
    return {**found, **{name: tuple(d) for name, d in model.dims.items()}}


def _groups(
    model: Model, vector: Vectorised, found: Draws, settings: Mapping[str, int]
) -> tuple[dict[str, Draws], dict[str, tuple[str, ...]]]:
    """ArviZ's groups from the draws of the parameters, (chains, draws, ...)."""
    vector.feed(model.data, model.coords)
    lead = (settings["chains"], settings["draws"])
    flat = {name: x.reshape(-1, *x.shape[2:]) for name, x in found.items()}
    densities = vector.densities(flat)
    posterior = {**flat, **densities["deterministic"]}
    rng = np.random.default_rng([settings["seed"], 20])
    if model.extend is not None:
        posterior |= model.extend(posterior, model.data, rng)
    if model.log_likelihood is not None:
        densities["log_likelihood"] = model.log_likelihood(posterior, model.data, rng)
    groups: dict[str, Draws] = {
        "posterior": posterior,
        "log_likelihood": densities["log_likelihood"],
        "log_prior": densities["log_prior"],
        "posterior_predictive": vector.predict(flat, settings["seed"]),
    }
    groups = {g: {n: np.asarray(x).reshape(*lead, *np.shape(x)[1:]) for n, x in v.items()} for g, v in groups.items()}
    with suppress(NotImplementedError, OverflowError):  # an improper prior has no draws, one too wide none of counts
        free, observed = vector.prior(settings["draws"], settings["seed"])
        groups["prior"] = {n: x[None] for n, x in free.items()}
        groups["prior_predictive"] = {n: x[None] for n, x in observed.items()}
    groups["observed_data"] = vector.observed_data()
    groups["constant_data"] = {name: np.asarray(x) for name, x in model.data.items()}
    return groups, _dims(model, vector)

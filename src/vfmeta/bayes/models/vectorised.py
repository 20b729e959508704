"""A PyMC model as two plain functions of whole arrays of draws, compiled in a tenth of a second.

PyMC's own functions compile for every call and walk over the draws one by one. The graph of the model is PyMC's here as well,
only run over all draws at once, in numpy: log densities without the Jacobians of the sampler's transforms, deterministic
quantities, and random draws from the prior or the predictive distribution.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

Draws = dict[str, np.ndarray]


def set_data(model: Any, data: Mapping[str, np.ndarray], coords: Mapping[str, Any]) -> None:
    """Put new data into the containers of a built model, lengths of its dimensions included."""
    for name, labels in coords.items():
        length = model.dim_lengths.get(name)
        if hasattr(length, "set_value"):
            length.set_value(np.asarray(len(labels), dtype=length.type.dtype))
    for name, value in data.items():
        container = model[name]
        container.set_value(np.asarray(value, dtype=container.type.dtype))


class Vectorised:
    """Functions of draws of a model; every array has the draws first, shape (S, ...).

    Parameters
    ----------
    model : pm.Model
        Built; a copy without transforms is kept, fed by `feed`.
    """

    def __init__(self, model: Any) -> None:
        from pymc.model.transform.conditioning import remove_value_transforms

        # where a sampler should start is no part of the densities, and the copy cannot carry it
        start = dict(model.rvs_to_initial_values)
        model.rvs_to_initial_values.update(dict.fromkeys(start))
        try:
            self.model = remove_value_transforms(model)
        finally:
            model.rvs_to_initial_values.update(start)
        # in the order in which they were declared, so that parents come first
        self.free = [rv.name for rv in model.free_RVs]
        self.observed = [rv.name for rv in model.observed_RVs]
        self._names: list[tuple[str, str]] = []
        self._density: Any = None
        self._predict: Any = None
        self._prior: Any = None

    def feed(self, data: Mapping[str, np.ndarray], coords: Mapping[str, Any]) -> None:
        set_data(self.model, data, coords)

    def observed_data(self) -> Draws:
        return {name: np.asarray(_value(self.model.rvs_to_values[self.model[name]])) for name in self.observed}

    def densities(self, draws: Draws) -> dict[str, Draws]:
        """Groups ``deterministic``, ``log_likelihood`` (by observed variable, pointwise) and ``log_prior`` (by parameter)."""
        if self._density is None:
            self._density = self._compile_densities()
        found: dict[str, Draws] = {"deterministic": {}, "log_likelihood": {}, "log_prior": {}}
        n = len(draws[self.free[0]])
        for (group, name), value in zip(self._names, self._density(*(draws[x] for x in self.free)), strict=True):
            # a quantity that hangs on no parameter comes out once
            found[group][name] = value if value.shape[:1] == (n,) else np.repeat(value[None], n, axis=0)
        return found

    def predict(self, draws: Draws, seed: int) -> Draws:
        """Observed variables drawn anew given every draw of the parameters."""
        if self._predict is None:
            self._predict = self._compile_draws(given=True)
        values = self._run(self._predict, seed, [draws[x] for x in self.free])
        return dict(zip(self.observed, values, strict=True))

    def prior(self, size: int, seed: int) -> tuple[Draws, Draws]:
        """``size`` draws from the prior: parameters with all that is computed from them, and observed variables.

        Raises
        ------
        NotImplementedError
            A prior is improper.
        OverflowError
            Priors are so wide that they expect counts beyond what numpy draws.
        """
        if self._prior is None:
            self._prior = self._compile_draws(given=False)
        try:
            values = self._run(self._prior, seed, [np.asarray(size)])
        except ValueError as error:
            if "too large" not in str(error):
                raise
            raise OverflowError("counts beyond what can be drawn") from error
        free = dict(zip(self.free, values, strict=False))
        free |= self.densities(free)["deterministic"]
        return free, dict(zip(self.observed, values[len(self.free) :], strict=True))

    def _compile_densities(self) -> Any:
        import pytensor
        from pytensor.graph.replace import vectorize_graph

        m = self.model
        free, observed = [m[x] for x in self.free], [m[x] for x in self.observed]
        values = [m.rvs_to_values[rv] for rv in free]
        groups = {
            "deterministic": m.replace_rvs_by_values(m.deterministics),
            "log_likelihood": m.logp(vars=observed, jacobian=False, sum=False) if observed else [],
            "log_prior": m.logp(vars=free, jacobian=False, sum=False),
        }
        names = {"deterministic": m.deterministics, "log_likelihood": observed, "log_prior": free}
        self._names = [(g, v.name) for g in groups for v in names[g]]
        batched = {v: _batched(v) for v in values}
        flat = [x for group in groups.values() for x in group]
        return pytensor.function(list(batched.values()), vectorize_graph(flat, batched), mode=_mode(), on_unused_input="ignore")

    def _compile_draws(self, given: bool) -> tuple[Any, list[Any]]:
        import pytensor
        import pytensor.tensor as pt
        from pytensor.graph.traversal import graph_inputs
        from pytensor.tensor.random.type import RandomGeneratorType

        free, observed = [self.model[x] for x in self.free], [self.model[x] for x in self.observed]
        known: dict[Any, Any] = {rv: _batched(rv) for rv in free} if given else {}
        if given:
            inputs = list(known.values())
            size: Any = inputs[0].shape[0]
        else:
            size = pt.lscalar("size")
            inputs = [size]
        drawn = []
        for rv in observed if given else [*free, *observed]:
            new = _draw(rv, known, size)
            drawn.append(new)
            known[rv] = new
        generators = [v for v in graph_inputs(drawn) if isinstance(v.type, RandomGeneratorType)]
        return pytensor.function(inputs, drawn, mode=_mode(), on_unused_input="ignore"), generators

    def _run(self, compiled: tuple[Any, list[Any]], seed: int, inputs: list[np.ndarray]) -> list[np.ndarray]:
        function, generators = compiled
        for stream, generator in enumerate(generators):
            generator.set_value(np.random.default_rng([seed, stream]))
        return [np.asarray(x) for x in function(*inputs)]


def _draw(rv: Any, known: dict[Any, Any], size: Any) -> Any:
    """The variable with as many draws in front as its parameters have, each its own."""
    import pytensor
    import pytensor.tensor as pt
    from pytensor.graph.replace import vectorize_graph
    from pytensor.tensor.random.op import RandomVariable

    node = rv.owner
    op = node.op
    params = list(op.dist_params(node))
    core = list(op.ndims_params)
    ndim = rv.ndim - op.ndim_supp
    new = vectorize_graph(params, known) if known else params
    full = []
    for old, par, inner in zip(params, new, core, strict=True):
        gap = ndim - (old.ndim - inner)
        if par.ndim > old.ndim and gap:
            par = pt.expand_dims(par, tuple(range(1, 1 + gap)))
        full.append(par)
    shape = [size, *(rv.shape[i] for i in range(ndim))]
    if isinstance(op, RandomVariable):
        return op.make_node(pytensor.shared(np.random.default_rng(0)), pt.stack(shape), *full).outputs[1]
    return op.rebuild_rv(*full, size=pt.stack(shape))


def _batched(variable: Any) -> Any:
    import pytensor.tensor as pt

    return pt.tensor(variable.name, dtype=variable.dtype, shape=(None,) * (variable.ndim + 1))


def _value(container: Any) -> Any:
    return container.get_value() if hasattr(container, "get_value") else container.eval()


def _mode() -> Any:
    from pytensor.compile.mode import Mode

    return Mode(linker="py", optimizer="fast_compile")

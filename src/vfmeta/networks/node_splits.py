"""Bayesian node-splitting: the posterior of direct less indirect effect, of every comparison that can be split."""

from __future__ import annotations

from typing import Any

import numpy as np

from vfmeta.bayes.exact_regression import ExactRegression
from vfmeta.core.messages import InputError, kind_of
from vfmeta.kernels.network import independent
from vfmeta.networks.arm_models import built
from vfmeta.networks.posterior import NetworkPosterior
from vfmeta.networks.sampled import SampledNetwork
from vfmeta.networks.splits import apart
from vfmeta.priors import Flat, Normal
from vfmeta.results.node_splits import NodeSplits

UNRELATED = "split_nodes: unrelated mean effects have no indirect evidence to split from; take the consistency model."


def split_nodes(post: NetworkPosterior | SampledNetwork) -> NodeSplits:
    """Direct against indirect evidence of every comparison that has both, as posteriors.

    How often its tests reject and its intervals hold: ``reports/levels.md#networkssplit_nodes``.

    For each comparison in turn the trials that compare the two directly get an effect of their own; in a trial with further
    arms half of it on either side, so that no arm is favoured (Dias et al. 2010, Stat Med 29:932-944; White 2015, Stata J
    15:951-985). A comparison that only one trial of several arms informs is not split.

    Parameters
    ----------
    post : NetworkPosterior or SampledNetwork
        From `vfmeta.networks.posterior`: split models are solved by the same integral over tau, with its priors and level, and
        a flat prior of the difference. Or from a contrast-based `vfmeta.networks.arm_model`: each is sampled with the settings
        of the run, compiled once for all; the difference has the widest of the priors of effects, around 0.

    Returns
    -------
    NodeSplits

    Raises
    ------
    InputError
        The posterior of a split model is improper: too few trials for this prior of tau.

    Examples
    --------
    >>> import vfmeta as vf
    >>> frame = {
    ...     "study": list("abcdef"), "treat1": list("BBCCCC"), "treat2": list("AAAABB"),
    ...     "y": [-0.5, -0.3, -0.8, -0.6, -0.2, -0.4], "se": [0.2] * 6,
    ... }
    >>> post = vf.networks.posterior(vf.network(frame, reference="A"), tau=vf.priors.HalfNormal(0.5))
    >>> found = vf.networks.split_nodes(post)
    >>> list(zip(found.treatment, found.control))
    [('B', 'A'), ('C', 'A'), ('B', 'C')]
    """
    if isinstance(post, SampledNetwork):
        return _sampled(post)
    if not isinstance(post, NetworkPosterior):
        raise InputError(f"split_nodes takes the posterior of a network (vf.networks.posterior), not {kind_of(post)}.")
    if post.consistency == "UME":
        raise InputError(UNRELATED)
    net, level, kind = post.network, post.level, post.interval_kind
    pairs, matrix = post._pairs()
    chosen, own = apart(net.trials, pairs)
    designs = [np.hstack([net.coding(t), o]) for t, o in zip(net.trials, own, strict=True)]
    y, v, whole, _ = independent([t.y for t in net.trials], [t.V for t in net.trials], designs)
    p = len(post.terms)
    rows: list[tuple[Any, ...]] = []
    for j, number in enumerate(chosen):
        x = np.column_stack([whole[:, :p], whole[:, p + j]])
        if np.linalg.matrix_rank(x) <= p:
            continue  # nothing else informs the comparison
        split = ExactRegression(y, v, x, (*post.terms, "difference"), post.tau_prior, (*post.beta_priors, Flat()))
        indirect, alone = np.append(matrix[number], 0.0), np.append(np.zeros(p), 1.0)
        parts = [split.combination(r) for r in (indirect + alone, indirect, alone)]
        parts.insert(2, post.posterior.combination(matrix[number]))
        sides = [(x.median, x.sd, *x.interval(level, kind)) for x in parts]
        rows.append((*pairs[number], *sides, 1 - float(parts[3].cdf(0.0)), float(split.tau.quantile(0.5))))
    call = {"function": "networks.split_nodes", "level": level, "interval": kind}
    return NodeSplits(
        **_columns(rows), question=post.question, level=level, k=len(net.trials), network_tau=post.tau.median,
        priors=(*post.priors, "difference: flat"), method=post.method, warnings=post.warnings, origin=post.origin, call=call,
    )  # fmt: skip


def _sampled(post: SampledNetwork, level: float = 0.95) -> NodeSplits:
    """The split models, each sampled."""
    plan = post.model.plan
    if plan.consistency == "UME":
        raise InputError(UNRELATED)
    if plan.parametrisation == "arm-based":
        raise InputError("split_nodes: the arm-based model has no effects to split; sample the contrast-based one.")
    net, terms = plan.arms.net, post.model.terms
    pairs, matrix = post._pairs()
    chosen, own = apart(net.trials, pairs)
    stacked = np.vstack(own)
    beta = tuple(b for b in (post.model.prior_objects[t] for t in terms) if isinstance(b, Normal))
    apart_prior = Normal(0.0, max(b.sd for b in beta))
    settings = dict(post.settings)
    rows: list[tuple[Any, ...]] = []
    notes: list[str] = []
    whole = post.draws("d").reshape(-1, len(terms))
    for j, number in enumerate(chosen):
        x = np.column_stack([plan.design, stacked[:, j]])
        if np.linalg.matrix_rank(x) <= len(terms):
            continue  # nothing else informs the comparison
        split = built(plan, (*terms, "difference"), (*beta, apart_prior), x).sample(**settings)
        d = split.draws("d").reshape(-1, len(terms) + 1)
        indirect = d[:, :-1] @ matrix[number]
        parts = [indirect + d[:, -1], indirect, whole @ matrix[number], d[:, -1]]
        ends = [0.5, 0.5 - level / 2, 0.5 + level / 2]
        sides = [(q[0], part.std(ddof=1), *q[1:]) for part, q in ((p, np.quantile(p, ends)) for p in parts)]
        tau = 0.0 if plan.tau is None else float(np.median(split.draws("tau")))
        rows.append((*pairs[number], *sides, float((d[:, -1] > 0).mean()), tau))
        notes += [f"{pairs[number][0]} v {pairs[number][1]}: {w}" for w in split.gate.warnings]
    return NodeSplits(
        **_columns(rows), question=post.question, level=level, k=len(net.trials),
        network_tau=0.0 if plan.tau is None else float(np.median(post.draws("tau"))),
        priors=(*post.model.priors, str(apart_prior).replace("mu", "difference", 1)), method="PyMC, NUTS",
        warnings=(*post.warnings, *notes), origin=net.origin,
        call={"function": "networks.split_nodes", "level": level, **settings},
    )  # fmt: skip


def _columns(rows: list[tuple[Any, ...]]) -> dict[str, Any]:
    columns = list(zip(*rows, strict=True)) or [()] * 8
    direct, indirect_side, together, difference = (np.array(c, dtype=float).reshape(-1, 4) for c in columns[2:6])
    return {
        "treatment": tuple(columns[0]), "control": tuple(columns[1]), "direct": direct, "indirect": indirect_side,
        "network": together, "estimate": difference[:, 0], "se": difference[:, 1], "interval": difference[:, 2:],
        "p_above_0": np.array(columns[6], dtype=float), "tau": np.array(columns[7], dtype=float),
    }  # fmt: skip

"""Which network model fits: consistency or unrelated mean effects, random or common effects."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from vfmeta.core.messages import InputError, VfmetaWarning, kind_of, warn_each
from vfmeta.networks.posterior import NetworkPosterior
from vfmeta.networks.sampled import SampledNetwork
from vfmeta.results.model_fit import ModelComparison

if TYPE_CHECKING:
    import pandas as pd


def compare_models(posts: Mapping[str, NetworkPosterior | SampledNetwork]) -> ModelComparison:
    """DIC and leave-one-out prediction of network models of the same observations.

    Residual deviance, leverage and DIC are those of NICE DSU Technical Support Documents 2 and 4 (Dias et al. 2011), pD being
    the posterior mean deviance less the deviance at the posterior means of what is fitted. Leave-one-out is exact by trial for
    contrasts, and PSIS by arm for sampled models, whose trials have baselines of their own: there it is often unreliable, which
    is said.

    Parameters
    ----------
    posts : mapping of names to posteriors
        Two or more, all from `vfmeta.networks.posterior` or all sampled; differences are to the first.

    Returns
    -------
    ModelComparison

    Raises
    ------
    InputError
        Fewer than two models, or models of other observations.

    Examples
    --------
    >>> import vfmeta as vf
    >>> frame = {
    ...     "study": list("abcdef"), "treat1": list("BBCCCC"), "treat2": list("AAAABB"),
    ...     "y": [-0.5, -0.3, -0.8, -0.6, -0.2, -0.4], "se": [0.2] * 6,
    ... }
    >>> net, tau = vf.network(frame, reference="A"), vf.priors.HalfNormal(0.5)
    >>> found = vf.networks.compare_models({
    ...     "consistency": vf.networks.posterior(net, tau=tau),
    ...     "unrelated mean effects": vf.networks.posterior(net, tau=tau, consistency="UME"),
    ... })
    >>> found.to_frame()["points"].tolist()
    [6, 6]
    """
    if not isinstance(posts, Mapping) or len(posts) < 2:
        raise InputError("compare_models takes a mapping of two or more names to posteriors of networks.")
    for name, post in posts.items():
        if not isinstance(post, (NetworkPosterior, SampledNetwork)):
            raise InputError(
                f"compare_models: {name!r} is {kind_of(post)}; give posteriors from vf.networks.posterior or sampled "
                "models of vf.networks.arm_model."
            )
    frames = {name: post.deviances() for name, post in posts.items()}
    first, *others = posts
    labels = frames[first]["term"].tolist()
    base = posts[first]
    for name in others:
        post = posts[name]
        same = type(post) is type(base) and post.question.measure == base.question.measure
        if not same or frames[name]["term"].tolist() != labels or not _same(base, post):
            raise InputError(
                f"compare_models: {name!r} is of other observations than {first!r}; DIC and leave-one-out compare models of "
                "the same ones only."
            )
    notes: list[str] = []
    elpd = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", VfmetaWarning)  # said below, with the model's name
        for name, post in posts.items():
            found = post.loo()
            elpd.append(found.pointwise["elpd"].to_numpy(dtype=float))
            notes += [f"{name}: {w}" for w in found.warnings]
    warn_each(notes)
    net = base.network if isinstance(base, NetworkPosterior) else base.model.plan.arms.net
    return ModelComparison(
        question=base.question, k=len(net.trials), terms=tuple(map(str, posts)), labels=tuple(labels),
        points=frames[first]["points"].to_numpy(dtype=float), deviance=_stack(frames, "deviance"),
        leverage=_stack(frames, "leverage"), elpd=np.array(elpd), warnings=tuple(notes), origin=net.origin,
        call={"function": "networks.compare_models", "models": tuple(map(str, posts))},
    )  # fmt: skip


def _stack(frames: Mapping[str, pd.DataFrame], name: str) -> np.ndarray:
    return np.array([f[name].to_numpy(dtype=float) for f in frames.values()])


def _same(one: NetworkPosterior | SampledNetwork, two: NetworkPosterior | SampledNetwork) -> bool:
    """Whether both saw the same figures."""
    if isinstance(one, NetworkPosterior) and isinstance(two, NetworkPosterior):
        return np.array_equal(one.y, two.y) and np.array_equal(one.v, two.v)
    if isinstance(one, SampledNetwork) and isinstance(two, SampledNetwork):
        a, b = one.model.plan.arms.columns, two.model.plan.arms.columns
        return a.keys() == b.keys() and all(np.array_equal(a[n], b[n]) for n in a)
    return False

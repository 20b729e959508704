"""The same model on part of its studies, or with one more, from what an answer keeps: data, design, priors, the question."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from vfmeta.core.messages import InputError, NotDefined, kind_of
from vfmeta.results.fit import FrequentistResult

Part = np.ndarray  # places of studies, from 0


@dataclass(frozen=True)
class Refit:
    """``again(part)`` is the same model of the studies at those places among ``labels``."""

    labels: tuple[str, ...]
    again: Callable[[Part], Any]


def refit_of(fit: Any) -> Refit:
    """How a fit or a posterior is made again.

    Raises
    ------
    NotDefined
        There is no such model behind it; the sentence says what to ask instead.
    """
    for kind in type(fit).__mro__:
        if kind.__name__ in _KINDS and type(fit).__name__ not in _REFUSED:
            return _KINDS[kind.__name__](fit)
    why = _REFUSED.get(type(fit).__name__, "give what a model returned, such as vf.random_effects or vf.bayes.random_effects.")
    raise NotDefined(f"{kind_of(fit, 'A')} is not fitted again on part of its studies: {why}")


_REFUSED = {
    "MultivariateResult": "vf.leave_one_out(fit, cluster) leaves its effects out, alone or by cluster.",
    "RobustResult": "leave clusters out of its working model, as vf.leave_one_out(fit.model, cluster) does.",
    "Sampled": "its loo() tells what each observation says given the others; to leave a study out, leave it out of the data.",
    "Comparison": "ask it of the two models.",
    "NetworkResult": "its rows are parts of trials; fit the network without the trial.",
    "NetworkPosterior": "its rows are parts of trials; fit the network without the trial.",
} | dict.fromkeys(
    (
        "AsymmetryTest",
        "BootstrapResult",
        "Certainty",
        "CombinedPValues",
        "Directions",
        "EffectRange",
        "ExcessSignificance",
        "FailSafe",
        "HenmiCopas",
        "Heteroscedasticity",
        "LeaveOneOut",
        "LimitMetaAnalysis",
        "ModelAverage",
        "NextTrial",
        "PermutationResult",
        "PowerScaling",
        "PrecisionEffect",
        "PredictiveCheck",
        "PUniformStar",
        "RankTest",
        "RobustAverage",
        "SettingShares",
        "SummaryOfFindings",
        "TrimAndFill",
        "WorstCase",
    ),
    "ask it of the fit or posterior it was made from.",
)


def enlarged_of(fit: Any) -> Callable[[float, float], Any]:
    """How a pool of effects is made again with one more study, of the effect and the sampling variance that are asked.

    Raises
    ------
    NotDefined
        It is no pool of effects with their variances, or was given weights, which the new study has not.
    """
    made: Any
    if type(fit).__name__ == "BayesianResult":
        made = _bayesian(fit)
    elif isinstance(fit, FrequentistResult) and fit.call.get("function") in ("random_effects", "common_effect"):
        if "weights" in fit.call:
            raise NotDefined("This pool has weights of its user, and a further study has none; fit it without them.")
        made = _verb(fit)
    else:
        raise NotDefined(
            f"{kind_of(fit, 'A')} of this kind is not fitted again with one more study; give a pool of vf.random_effects, "
            "vf.common_effect or vf.bayes.random_effects."
        )
    verb, own = made
    study = [*fit.labels, "further study"]
    return lambda y, v: verb(y=np.append(fit.y, y), v=np.append(fit.v, v), study=study, **own)


def _verb(fit: FrequentistResult) -> tuple[Any, dict[str, Any]]:
    """The verb that made a pool of effects, and what it was asked."""
    from vfmeta.frequentist.univariate import common_effect, random_effects

    own: dict[str, Any] = {"test": fit.call["test"], "level": fit.level, "question": fit.question}
    if fit.call["function"] == "common_effect":
        return common_effect, own
    return random_effects, own | {x: fit.call[x] for x in ("method", "tau2") if x in fit.call}


def _pool(fit: FrequentistResult) -> Refit:
    name = fit.call.get("function")
    if name in _COUNTS:
        return _counts(fit, str(name))
    if name not in ("random_effects", "common_effect"):
        raise NotDefined("This pool does not say which verb it is of; pass what a verb of vfmeta returned.")
    verb, own = _verb(fit)

    def again(part: Part) -> Any:
        weights = {"weights": fit.weights[part]} if "weights" in fit.call else {}
        return verb(**_effects(fit, part), **own, **weights)

    return Refit(fit.labels, again)


def _effects(fit: Any, part: Part) -> dict[str, Any]:
    return {"y": fit.y[part], "v": fit.v[part], "study": [fit.labels[i] for i in part.tolist()]}


_COUNTS = ("mantel_haenszel", "peto", "glmm", "beta_binomial")
_COLUMNS = {
    "events1": "events_experimental", "n1": "n_experimental", "time1": "time_experimental", "events2": "events_control",
    "n2": "n_control", "time2": "time_control", "events": "events", "n": "n", "time": "time",
}  # fmt: skip


def _counts(fit: Any, name: str) -> Refit:
    import vfmeta

    if not fit.details or (name == "mantel_haenszel" and fit.k_pooled > fit.k and fit.weights.sum() < 100 - 1e-6):
        raise NotDefined(
            "This pool rests on studies without an estimate of their own, whose counts it does not keep; leave studies out of "
            "the data instead."
        )
    known = {x: np.array([d[held] for d in fit.details]) for x, held in _COLUMNS.items() if held in fit.details[0]}
    own = {x: value for x, value in fit.call.items() if x not in ("function", "formula")} | {"question": fit.question}
    if name == "glmm":
        own["drop00"] = False  # those that were to be dropped are not here
    design = getattr(fit, "design", None)

    def again(part: Part) -> Any:
        given: dict[str, Any] = {x: values[part] for x, values in known.items()}
        given["study"] = [fit.labels[i] for i in part.tolist()]
        if design is not None:
            columns = {f"x{j}": design.x[part, j] for j in range(design.x.shape[1])}
            given |= {"data": columns, "formula": "~ 0 + " + " + ".join(columns)}
        found = getattr(vfmeta, name)(**given, **own)
        return found if design is None else replace(found, terms=fit.terms)

    return Refit(fit.labels, again)


def _regression(fit: Any) -> Refit:
    from vfmeta.frequentist.meta_regression import meta_regression

    own: dict[str, Any] = {"names": fit.terms, "test": fit.test, "level": fit.level, "question": fit.question}
    own |= {"method": fit.method} if fit.fixed_tau2 is None else {"tau2": fit.fixed_tau2}

    def again(part: Part) -> Any:
        weights = None if fit.user_weights is None else fit.user_weights[part]
        return meta_regression(**_effects(fit, part), x=fit.design.x[part], weights=weights, **own)

    return Refit(fit.labels, again)


def _location_scale(fit: Any) -> Refit:
    from vfmeta.frequentist.location_scale import location_scale

    def again(part: Part) -> Any:
        found = location_scale(
            **_effects(fit, part), formula=None, x=fit.design.x[part], z=fit.scale_design.x[part], method=fit.method,
            test=fit.test, level=fit.level, question=fit.question,
        )  # fmt: skip
        return replace(found, terms=fit.terms, scale_terms=fit.scale_terms)

    return Refit(fit.labels, again)


def _subgroups(fit: Any) -> Refit:
    if fit.common is not None:
        inner = _regression(fit.common)
        return Refit(inner.labels, lambda part: replace(fit, common=inner.again(part)))
    places = [(name, i) for name, pool in fit.groups.items() for i in range(pool.k)]
    inside = {name: _pool(pool) for name, pool in fit.groups.items()}

    def again(part: Part) -> Any:
        kept = [places[i] for i in part.tolist()]
        groups = {}
        for name, pool in fit.groups.items():
            own = np.array([i for group, i in kept if group == name], dtype=int)
            if len(own):
                groups[name] = pool if len(own) == pool.k else inside[name].again(own)
        return replace(fit, groups=groups)

    return Refit(tuple(fit.groups[name].labels[i] for name, i in places), again)


def _bayesian(fit: Any) -> tuple[Any, dict[str, Any]]:
    """The verb that made a posterior, and what it was asked."""
    from vfmeta.bayes.checks import AsOfAll
    from vfmeta.bayes.exact import random_effects
    from vfmeta.bayes.exact_posterior import ExactPosterior, behind

    post, _, question, _ = behind(fit)
    # a prior that rests on the sampling variances is part of the model: it keeps all of them
    tau = AsOfAll(post.tau_prior, post.v) if post.tau_prior.uses_v else post.tau_prior
    own: dict[str, Any] = {"tau": tau, "mu": post.mu_prior, "question": question}
    if not isinstance(fit, ExactPosterior):
        own |= {"level": fit.level, "interval": fit.interval_kind}
    return random_effects, own


def _posterior(fit: Any) -> Refit:
    from vfmeta.bayes.exact_posterior import behind

    post, labels, _, _ = behind(fit)
    verb, own = _bayesian(fit)

    def again(part: Part) -> Any:
        return verb(y=post.y[part], v=post.v[part], study=[labels[i] for i in part.tolist()], **own)

    return Refit(labels, again)


def _reports(fit: Any) -> Refit:
    from vfmeta.bayes.checks import AsOfAll
    from vfmeta.bayes.partial import again

    tau = AsOfAll(fit.tau_prior, fit.v) if fit.tau_prior.uses_v else fit.tau_prior
    return Refit(fit.labels, lambda part: again(fit, part, tau, fit.mu_prior))


def _regression_posterior(fit: Any) -> Refit:
    from vfmeta.bayes.checks import AsOfAll
    from vfmeta.bayes.regression import meta_regression

    own: dict[str, Any] = {
        "names": fit.terms, "beta": dict(zip(fit.terms, fit.beta_priors, strict=True)), "level": fit.level,
        "interval": fit.interval_kind, "question": fit.question,
        "tau": AsOfAll(fit.tau_prior, fit.v) if fit.tau_prior.uses_v else fit.tau_prior,
    }  # fmt: skip
    return Refit(fit.labels, lambda part: meta_regression(**_effects(fit, part), x=fit.design.x[part], **own))


_KINDS: dict[str, Callable[[Any], Refit]] = {
    "FrequentistResult": _pool,
    "CountRegressionResult": lambda fit: _counts(fit, "glmm"),
    "RegressionResult": _regression,
    "LocationScaleResult": _location_scale,
    "SubgroupResult": _subgroups,
    "ReportsResult": _reports,
    "BayesianResult": _posterior,
    "ExactPosterior": _posterior,
    "RegressionPosterior": _regression_posterior,
}


def order_of(labels: tuple[str, ...], order: Any) -> np.ndarray:
    """Places of the studies in the order asked for, by label or by place; their own where none is asked."""
    import operator

    k = len(labels)
    if order is None:
        return np.arange(k)
    if isinstance(order, (str, bytes)) or not np.iterable(order):
        raise InputError("order must hold study labels, or positions counted from 0.")
    given = list(order)
    if given and all(isinstance(x, str) for x in given):
        unknown = sorted({x for x in given if x not in labels})
        if unknown:
            raise InputError(
                f"order names {', '.join(unknown)}, which the fit does not hold; its studies are {', '.join(labels)}."
            )
        given = [labels.index(x) for x in given]
    try:
        steps = [operator.index(x) for x in given]
    except TypeError:
        raise InputError("order must hold study labels, or positions counted from 0.") from None
    if sorted(steps) != list(range(k)):
        raise InputError(f"order must hold each of the {k} studies once (positions 0 to {k - 1}, or labels).")
    return np.array(steps)

"""Robust random effects: a t distribution between the studies, so that an outlying trial pulls less."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from vfmeta.bayes.exact import effect_priors, study_notes
from vfmeta.bayes.models._normal_normal import shrunken
from vfmeta.bayes.models.engine import Model
from vfmeta.bayes.models.vectorised import Draws
from vfmeta.bayes.monte_carlo import tails_of
from vfmeta.core.messages import InputError
from vfmeta.core.params import Missing
from vfmeta.core.question import Question
from vfmeta.effects.reading import read
from vfmeta.priors import MuPrior, TauPrior
from vfmeta.priors.family import positive

# a t is a normal whose variance is divided by lambda ~ gamma(df/2, df/2); lambda is integrated by equal steps of w, where
# log lambda = t - exp(-t): double exponential at both ends (Takahasi & Mori 1974, Publ RIMS 9:721-741); around the peak t moves
# in steps as wide as the gamma asks for, and in longer ones to its sides, where an outlier may pull lambda. Log densities are
# right to 1e-5 for trials within 10 scales, to 1e-3 within 20; at 50 to 1% with 10 df, and worse with more, where a t has
# almost no mass
NODES = np.linspace(-5.75, 5.75, 65)
_PEAK = 0.5671432904097838  # where t = exp(-t)


def robust(
    data: Any = None,
    *,
    y: Any = None,
    v: Any = None,
    se: Any = None,
    V: Any = None,
    ci: Any = None,
    study: Any = None,
    tau: TauPrior | None = None,
    mu: MuPrior | None = None,
    df: float | tuple[float, float] = (2.0, 0.1),
    question: Question | None = None,
    missing: Missing = "raise",
) -> Model:
    """Random effects with a t distribution: y_i ~ N(theta_i, v_i), theta_i ~ mu + tau t(df).

    Lee & Thompson 2008, Stat Med 27:418-434. The t is a normal with variance tau^2 / lambda_i; every lambda_i is integrated out
    of the likelihood by quadrature, and theta_i and lambda_i come back afterwards.

    Parameters
    ----------
    data, y, v, se, V, ci, study, question, missing
        As in `vf.bayes.random_effects`.
    tau : prior, optional
        Of the *scale* of the t, which is not its standard deviation: that is tau sqrt(df / (df - 2)), infinite for df <= 2.
    mu : prior, optional
        Of the centre of the t.
    df : float, or (shape, rate)
        Degrees of freedom, or the gamma prior of them; (2, 0.1) has its mode at 10 and leaves room for heavy tails and for
        nearly normal ones (Juárez & Steel 2010, J Bus Econ Stat 28:52-66).

    Returns
    -------
    Model
        Variables mu, tau, df (where it is not given), theta (study), next_trial, and relative_precision (study): the posterior
        mean of lambda given the other parameters, about 1 for a trial like the others and far below 1 for an outlier.
        Observed: effect (study).

    Raises
    ------
    InputError
        Faulty input, priors that leave the posterior improper, or that PyMC does not know.

    Examples
    --------
    >>> import vfmeta as vf
    >>> model = vf.bayes.models.robust(y=[-0.5, -0.3, 2.0], v=[0.1, 0.1, 0.1], tau=vf.priors.HalfNormal(1.0))
    >>> model.watch[0]
    'mu'
    """
    studies = read(data, y=y, v=v, se=se, V=V, ci=ci, study=study, question=question, missing=missing)
    tau, mu = effect_priors(studies, tau, mu)
    free, given_df, said = _degrees(df)
    values = {"y": studies.y, "v": studies.v, **given_df, **mu.data("mu"), **tau.data("tau", studies.v)}

    def make(pm: Any) -> None:
        seen, variance = pm.Data("y", studies.y, dims="study"), pm.Data("v", studies.v, dims="study")
        known = {name: pm.Data(name, x) for name, x in given_df.items()}
        mean, sd = mu.pymc("mu"), tau.pymc("tau", studies.v)
        nu = pm.Gamma("df", alpha=known["df_shape"], beta=known["df_rate"]) if free else known["df_value"]
        pm.CustomDist(
            "effect", mean, sd, nu, variance, logp=_log_density, random=_draw, signature="(),(),(),()->()", dtype="float64",
            observed=seen, dims="study",
        )  # fmt: skip

    def extend(draws: Draws, data: Mapping[str, np.ndarray], rng: np.random.Generator) -> Draws:
        return _study_effects(draws, data, draws["df"] if free else np.full(len(draws["mu"]), data["df_value"]), rng)

    return Model(
        "robust", (free, tau.graph, mu.graph), make, values, {"study": list(studies.labels)},
        ("mu", "tau", *(("df",) if free else ())), question=studies.question, prior_objects={"tau": tau, "mu": mu},
        priors=(f"{tau}, the scale of a t between the studies (its SD is larger)", str(mu), said),
        notes=tuple(study_notes(studies, tau, mu)), elastic=True, extend=extend,
        dims=dict.fromkeys(("theta", "weight", "relative_precision"), ("study",)), studies=studies,
        tails=tails_of(tau, mu, studies.k),
    )  # fmt: skip


def _degrees(df: Any) -> tuple[bool, dict[str, np.ndarray], str]:
    """Whether df is a parameter, its data, and what is said of it."""
    if isinstance(df, tuple):
        if len(df) != 2:
            raise InputError(f"df={df!r} must be a number, or the shape and rate of a gamma prior, such as (2, 0.1).")
        for name, value in zip(("shape", "rate"), df, strict=True):
            positive(name, value, "Gamma prior of df")
        shape, rate = map(float, df)
        return True, {"df_shape": np.array(shape), "df_rate": np.array(rate)}, f"df ~ gamma(shape {shape:g}, rate {rate:g})"
    positive("df", df, "t between the studies")
    return False, {"df_value": np.array(float(df))}, f"df = {df:g}"


def _log_density(value: Any, mean: Any, sd: Any, nu: Any, v: Any) -> Any:
    """Log density of effects: normal with a t between the studies, elementwise."""
    import pytensor.tensor as pt

    logw, u = mixing(pt, nu[..., None])
    total = v[..., None] + sd[..., None] ** 2 * pt.exp(-u)
    parts = logw - 0.5 * (value - mean)[..., None] ** 2 / total - 0.5 * pt.log(2 * np.pi * total)
    return pt.logsumexp(parts, axis=-1)


def mixing(xp: Any, nu: Any) -> tuple[Any, Any]:
    """Log weights of the nodes, which sum to one, and log lambda; ``nu`` has a last axis of one; ``xp`` numpy or PyTensor."""
    a = nu / 2
    step = 1 / xp.sqrt(1 + a)
    stretch = 0.75 * (1 - step) + 0.01
    t = _PEAK + step * xp.sinh(stretch * NODES) / stretch
    back = xp.exp(-t)
    u = t - back
    logw = a * (u - xp.exp(u)) + xp.log1p(back) + xp.log(xp.cosh(stretch * NODES))
    top = logw.max(axis=-1, keepdims=True)
    return logw - top - xp.log(xp.exp(logw - top).sum(axis=-1, keepdims=True)), u


def _draw(mean: np.ndarray, sd: np.ndarray, nu: np.ndarray, v: np.ndarray, rng: np.random.Generator, size: Any) -> np.ndarray:
    shape = np.broadcast_shapes(np.shape(mean), np.shape(sd), np.shape(nu), np.shape(v)) if size is None else tuple(size)
    lam = rng.gamma(np.broadcast_to(nu / 2, shape), np.broadcast_to(2 / nu, shape))
    return mean + np.sqrt(v + sd**2 / np.maximum(lam, 1e-300)) * rng.standard_normal(shape)


def _study_effects(draws: Draws, data: Mapping[str, np.ndarray], nu: np.ndarray, rng: np.random.Generator) -> Draws:
    """Study effects, the next trial, and what each study weighs, given mu, tau and df; study by study to spare memory."""
    mean, sd = draws["mu"], draws["tau"]
    logw, u = mixing(np, nu[:, None])
    each: dict[str, list[np.ndarray]] = {"theta": [], "weight": [], "relative_precision": []}
    row = np.arange(len(mean))
    for y, v in zip(data["y"], data["v"], strict=True):
        t2 = sd[:, None] ** 2 * np.exp(-u)
        log = logw - 0.5 * (y - mean[:, None]) ** 2 / (v + t2) - 0.5 * np.log(v + t2)
        p = np.exp(log - log.max(axis=1, keepdims=True))
        p /= p.sum(axis=1, keepdims=True)
        node = np.minimum((p.cumsum(axis=1) < rng.random(len(mean))[:, None]).sum(axis=1), len(NODES) - 1)
        each["theta"].append(shrunken(mean, t2[row, node], y, v, rng))
        each["weight"].append((p / (v + t2)).sum(axis=1))
        each["relative_precision"].append((p * np.exp(u)).sum(axis=1))
    lam = np.maximum(rng.gamma(nu / 2, 2 / nu), 1e-300)
    following = mean + sd / np.sqrt(lam) * rng.standard_normal(len(mean))
    return {**{name: np.column_stack(x) for name, x in each.items()}, "next_trial": following}

"""Related interventions that borrow strength: trials within interventions, interventions within classes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from vfmeta.bayes.exact import choose_priors
from vfmeta.bayes.models.engine import Model
from vfmeta.bayes.models.vectorised import Draws
from vfmeta.core.messages import InputError, kind_of
from vfmeta.core.params import Missing
from vfmeta.core.question import Question
from vfmeta.effects import cells
from vfmeta.effects.given import is_table
from vfmeta.effects.reading import Studies, read
from vfmeta.priors import MuPrior, Normal, TauPrior, default_tau

if TYPE_CHECKING:
    from vfmeta.effects.table import EffectTable


@dataclass(frozen=True)
class _Groups:
    """Trials in interventions in classes: ``intervention`` (k,) places trials, ``klass`` (j,) places interventions."""

    studies: Studies
    intervention: np.ndarray
    klass: np.ndarray
    interventions: tuple[str, ...]
    classes: tuple[str, ...]


def classes(
    data: Mapping[str, EffectTable] | EffectTable | Any = None,
    *,
    y: Any = None,
    v: Any = None,
    se: Any = None,
    V: Any = None,
    ci: Any = None,
    study: Any = None,
    intervention: Any = None,
    klass: Any = None,
    tau: TauPrior | None = None,
    mu: MuPrior | None = None,
    class_sd: TauPrior | None = None,
    question: Question | None = None,
    missing: Missing = "raise",
) -> Model:
    """Random-effects model in which the interventions of a class are exchangeable.

    A trial's true effect is normal(effect of its intervention, tau), the effect of an intervention is normal(mean of its class,
    class_sd), class means have the prior ``mu``; tau and class_sd are shared by all (a hierarchy as in Dominici et al. 1999,
    JASA 94:16-28, for effects against a common kind of control). An intervention with a single trial takes part.

    Parameters
    ----------
    data : mapping of intervention to effect table, effect table, or data frame
        Effects against like controls, all of one measure.
    y, v, se, V, ci, study : column name or array-like of shape (k,)
        As in `vf.bayes.random_effects`.
    intervention : column name or sequence of k names
        Of every trial; a mapping of tables brings it.
    klass : column name, sequence of k names, or mapping of intervention to class
        Class of every trial's intervention.
    mu : Normal, optional
        Prior of every class mean; follows the measure by default.
    tau : prior, optional
        Of the SD of trials within an intervention; follows the measure by default.
    class_sd : prior, optional
        Of the SD of interventions within a class; the default of tau. With few interventions a class it decides how much they
        borrow, and a note says so.
    question : Question, optional
    missing : {"raise", "drop"}
        What to do about rows without ``y`` or ``v``.

    Returns
    -------
    Model
        Variables ``effect`` (intervention), ``class_mean`` (class), ``class_sd``, ``tau``, ``theta`` (study), ``next_trial``
        (intervention; true effect of its further trial) and ``next_intervention`` (class; effect of one not yet tried).

    Raises
    ------
    InputError
        As `vfmeta.bayes.random_effects`; an intervention without class or in two classes, a trial that stands under two
        interventions (its control patients would count twice), improper priors.

    Examples
    --------
    >>> import vfmeta as vf
    >>> model = vf.bayes.models.classes(
    ...     y=[-0.5, -0.4, -0.1], v=[0.04, 0.05, 0.04], intervention=["a", "b", "c"], klass={"a": "X", "b": "X", "c": "Y"},
    ...     mu=vf.priors.Normal(0, 2), tau=vf.priors.HalfNormal(0.5), class_sd=vf.priors.HalfNormal(0.5))
    >>> model.coords["class"]
    ['X', 'Y']
    """
    effects = {"y": y, "v": v, "se": se, "V": V, "ci": ci, "study": study}
    groups = _read(data, effects, intervention, klass, question, missing)
    s = groups.studies
    tau, level = choose_priors(s.question, tau, mu)
    if not isinstance(level, Normal):
        raise InputError(f"{level}: class means take a normal prior, such as mu=vf.priors.Normal(mean, sd).")
    apart = class_sd if class_sd is not None else default_tau(s.question)
    for name, prior in (("tau", tau), ("class_sd", apart)):
        if not isinstance(prior, TauPrior) or not prior.proper:
            raise InputError(
                f"{name}={prior}: with few interventions a class only a proper prior of a standard deviation gives an answer; "
                "take vf.priors.HalfNormal(scale) or its kin (Gelman 2006, Bayesian Analysis 1:515-534)."
            )
    values: dict[str, np.ndarray] = {
        "estimate": s.y, "v": s.v, "of_intervention": groups.intervention, "of_class": groups.klass,
        "class_mean_mean": np.array(float(level.mean)), "class_mean_sd": np.array(float(level.sd)),
        **tau.data("tau", s.v), **apart.data("class_sd"),
    }  # fmt: skip

    def make(pm: Any) -> None:
        import pytensor.tensor as pt

        given = {name: pm.Data(name, x) for name, x in values.items()}
        between, within = apart.pymc("class_sd"), tau.pymc("tau", s.v)
        means = pm.Normal("class_mean", given["class_mean_mean"], given["class_mean_sd"], dims="class")
        # effects of interventions and trials are integrated out, for few of them make a funnel; `_extend` draws them
        together = pm.math.eq(given["of_intervention"][:, None], given["of_intervention"][None, :])
        total = between**2 * together + pt.diag(given["v"] + within**2)
        home = given["of_class"][given["of_intervention"]]
        pm.MvNormal("y", means[home], cov=total, observed=given["estimate"], dims="study")

    return Model(
        name="classes", key=(tau.graph, apart.graph), make=make, data=values,
        coords={"study": list(s.labels), "intervention": list(groups.interventions), "class": list(groups.classes)},
        watch=("effect", "class_mean", "class_sd", "tau"), question=s.question,
        prior_objects={"tau": tau, "class_sd": apart, "class_mean": level},
        priors=(str(tau), str(apart).replace("tau", "class SD", 1), str(level).replace("mu", "class mean", 1)),
        notes=(*s.notes, *_notes(groups, tau, apart, level)), extend=_extend,
        log_likelihood=_log_likelihood,
        dims={
            "effect": ("intervention",), "theta": ("study",), "next_trial": ("intervention",), "next_intervention": ("class",),
        },
    )  # fmt: skip


def _extend(draws: Draws, data: Mapping[str, np.ndarray], rng: np.random.Generator) -> Draws:
    """Effects of interventions and of trials given the data, of further trials, and of further interventions."""
    tau, between, middle, v = draws["tau"][:, None], draws["class_sd"][:, None], draws["class_mean"], data["v"]
    place, home = data["of_intervention"], middle[:, data["of_class"]]
    w = 1 / (v + tau**2)
    member = (place[:, None] == np.arange(home.shape[1])).astype(float)  # (k, j)
    weight = w @ member
    # how far an intervention moves from its class to its own trials
    moved = between**2 * weight / (1 + between**2 * weight)
    own = ((w * data["estimate"]) @ member) / weight
    sd = between / np.sqrt(1 + between**2 * weight)
    effect = home + moved * (own - home) + sd * rng.standard_normal(home.shape)
    pull = v * w
    theta = effect[:, place] * pull + data["estimate"] * (1 - pull) + tau * np.sqrt(pull) * rng.standard_normal(pull.shape)
    return {
        "effect": effect, "theta": theta, "next_trial": effect + tau * rng.standard_normal(effect.shape),
        "next_intervention": middle + between * rng.standard_normal(middle.shape),
    }  # fmt: skip


def _log_likelihood(draws: Draws, data: Mapping[str, np.ndarray], rng: np.random.Generator) -> Draws:
    """Log density of every trial given the effect of its intervention."""
    var = data["v"] + draws["tau"][:, None] ** 2
    off = data["estimate"] - draws["effect"][:, data["of_intervention"]]
    return {"y": -0.5 * (off**2 / var + np.log(2 * np.pi * var))}


def class_sd_mass(
    data: _Groups, tau: TauPrior, class_sd: TauPrior, level: Normal, size: int = 40
) -> tuple[np.ndarray, np.ndarray]:
    """Posterior of the class SD on a grid of its prior quantiles: points and their probabilities, (size,) each.

    Everything else is integrated out: means exactly, tau over its prior quantiles.
    """
    s = data.studies
    p = (np.arange(size) + 0.5) / size
    t, c = tau.quantile(p, s.v), class_sd.quantile(p)
    j, m = data.intervention, data.klass[data.intervention]
    same, akin = (j[:, None] == j).astype(float), (m[:, None] == m).astype(float)
    off = s.y - level.mean
    log = np.empty((size, size))
    for i, sd in enumerate(c):
        total = np.eye(s.k) * (s.v + t[:, None] ** 2)[:, None, :] + sd**2 * same + level.sd**2 * akin
        q = off @ np.linalg.solve(total, np.broadcast_to(off[:, None], (size, s.k, 1)))[..., 0].T
        log[i] = -0.5 * (q + np.linalg.slogdet(total)[1])
    mass = np.exp(log - log.max()).sum(axis=1)
    return c, mass / mass.sum()


def _notes(data: _Groups, tau: TauPrior, class_sd: TauPrior, level: Normal) -> tuple[str, ...]:
    """What is to be said of the class SD before anyone leans on it."""
    sizes = np.bincount(data.klass, minlength=len(data.classes))
    spare = int((sizes - 1).sum())
    if spare == 0:
        return (
            "Every class holds a single intervention, so no trial speaks of the class SD: it is its prior, and with it what a "
            "further intervention of a class may do.",
        )
    points, mass = class_sd_mass(data, tau, class_sd, level)
    below = np.cumsum(mass) - mass / 2
    low, high = np.interp([0.05, 0.95], below, points)
    first, last = (float(x) for x in class_sd.quantile(np.array([0.05, 0.95])))
    share = (high - low) / (last - first)
    alone = [name for name, n in zip(data.classes, sizes, strict=True) if n == 1]
    said = []
    if share > 0.6:
        said.append(
            f"The class SD is decided by its prior more than by the trials: {spare} difference{'s' if spare > 1 else ''} "
            f"between interventions of a class speak{'' if spare > 1 else 's'} of it, and its 90% interval is {share:.0%} as "
            "wide after the data as before. How much the interventions borrow from each other follows from that prior; vary it."
        )
    if alone:
        said.append(f"{', '.join(alone)}: a single intervention, which borrows nothing but the size of the class SD.")
    return tuple(said)


def _read(
    data: Any, effects: Mapping[str, Any], intervention: Any, klass: Any, question: Question | None, missing: Missing
) -> _Groups:
    if isinstance(data, Mapping) and any(is_table(x) for x in data.values()):
        more = [name for name, x in {**effects, "intervention": intervention}.items() if x is not None]
        if more:
            raise InputError(f"Tables by intervention bring their own {', '.join(more)}; leave them out.")
        data, intervention, question = _stacked(data, question)
    s = read(data, **effects, question=question, missing=missing)
    if intervention is None or klass is None:
        raise InputError("Give intervention= (of every trial) and klass= (of every trial, or of every intervention).")
    given, _ = _names(intervention, "intervention", s)
    shown = "klass"
    if isinstance(klass, Mapping):
        absent = [x for x in dict.fromkeys(given) if x not in klass]
        if absent:
            raise InputError(f"klass has no class for {', '.join(absent)}; it has {', '.join(map(repr, klass)) or 'none'}.")
        of = [str(klass[x]).strip() for x in given]
    else:
        of, shown = _names(klass, "klass", s)
    home: dict[str, int] = {}
    problems = []
    for i, (name, group) in enumerate(zip(given, of, strict=True)):
        first = home.setdefault(name, i)
        if of[first] != group:
            problems.append(
                f"rows {s.kept[first] + 1} ({s.labels[first]}) and {s.kept[i] + 1} ({s.labels[i]}), column {shown}: {name} "
                f"stands in {of[first]} and in {group}; an intervention belongs to one class."
            )
    if problems:
        raise InputError(problems)
    names, groups = tuple(home), tuple(dict.fromkeys(of))
    return _Groups(
        s, np.array([names.index(x) for x in given]), np.array([groups.index(of[home[x]]) for x in names]), names, groups
    )


def _names(values: Any, what: str, s: Studies) -> tuple[list[str], str]:
    """Names of the rows kept, and the user's own name of their column."""
    found = s.column(values, what)
    empty = np.flatnonzero(cells.empty(found.values)).tolist()
    if empty:
        raise InputError([cells.place(i, s.labels, found.shown, s.kept.tolist()) + cells.FILL for i in empty])
    return [cells.label(x) for x in found.values], found.shown


def _stacked(tables: Mapping[str, Any], question: Question | None) -> tuple[Any, list[str], Question]:
    """Effect tables of several interventions as columns."""
    names: list[str] = []
    y: list[float] = []
    v: list[float] = []
    labels: list[str] = []
    asked: Question | None = None
    for name, table in tables.items():
        if not is_table(table):
            raise InputError(f"Beside {name!r} stands {kind_of(table)}; it must be an effect table.")
        q = table.question
        if asked is None:
            asked = q
        elif _unit(q) != _unit(asked):
            raise InputError(
                f"{name} comes as {q.outcome} in {q.measure} on {q.points}, {next(iter(tables))} as {asked.outcome} in "
                f"{asked.measure} on {asked.points}; classes need one outcome, measure, scale and direction."
            )
        found = read(table) if len(table.labels) else None
        for label, a, b in zip(*((found.labels, found.y, found.v) if found else ((), (), ())), strict=True):
            if label in labels:
                raise InputError(
                    f"{label} stands under {names[labels.index(label)]} and {name}: its control patients would count twice. "
                    "Keep one of the comparisons (.without), or use a network."
                )
            names.append(str(name))
            labels.append(label)
            y.append(float(a))
            v.append(float(b))
    if asked is None or not y:
        raise InputError(cells.EMPTY)
    return {"study": labels, "y": y, "v": v}, names, question or replace(asked, experimental="intervention")


def _unit(q: Question) -> tuple[Any, ...]:
    return q.outcome, q.measure, q.points, q.higher_is_worse

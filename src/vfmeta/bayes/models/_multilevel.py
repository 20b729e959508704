"""Several times and outcomes of one trial: a mean curve over weeks, trials that depart from it in curves of their own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from vfmeta.bayes.exact import choose_priors
from vfmeta.bayes.models import curves
from vfmeta.bayes.models.engine import Model
from vfmeta.core.messages import InputError
from vfmeta.core.params import Curve, choice
from vfmeta.core.question import Question
from vfmeta.effects.repeated import Occasions, read_occasions
from vfmeta.priors import LogNormal, MuPrior, Normal, TauPrior
from vfmeta.priors.family import Prior

if TYPE_CHECKING:
    from vfmeta.effects.table import EffectTable

MEMORY = LogNormal(2.5, 1.0, "median 12 weeks, 95% from 2 to 86")


def multilevel(
    data: Mapping[float, EffectTable] | Sequence[tuple[float, EffectTable]] | EffectTable | Any = None,
    *,
    y: Any = None,
    v: Any = None,
    se: Any = None,
    V: Any = None,
    time: Any = None,
    study: Any = None,
    outcome: Any = None,
    period: Any = None,
    correlation: float | tuple[float, float] | None = None,
    curve: Curve = "category",
    at: Sequence[float] = (),
    tau: TauPrior | Mapping[str, TauPrior] | None = None,
    mu: MuPrior | Mapping[str, MuPrior] | None = None,
    memory: TauPrior = MEMORY,
    lasting: tuple[float, float] = (1.0, 1.0),
    curve_sd: TauPrior | Mapping[str, TauPrior] | None = None,
    question: Question | None = None,
) -> Model:
    """Random-effects model of effects at several times, and of several outcomes, of the same trials.

    A trial's true effect on an outcome at week t is the mean curve of that outcome plus the trial's own departure. Departures
    are normal with SD ``tau`` at any one time; a share ``lasting`` of their variance stays with the trial, the rest is
    forgotten with correlation exp(-|weeks apart| / memory). Departures on two outcomes correlate by ``between``. The estimates
    of a trial share patients, so their errors correlate too (Ishak et al. 2007, Clin Trials 4:525-539; Wei & Higgins 2013, Stat
    Med 32:1191-1205).

    Parameters
    ----------
    data : mapping of week to effect table, sequence of (week, table), effect table, or data frame
        Tables from ``vf.compare``, one for each window, under the week of the window; tables of several outcomes may be listed
        side by side as pairs. Or one table of several times (``vf.compare(..., weeks=)``); what its ``correlated`` stated is
        taken as the known ``V``. Or a data frame (or nothing, and the columns as sequences).
    y, v, se, study, outcome, time : column name or sequence
        Of a data frame, a row an effect; ``time`` in weeks, ``v`` the sampling variance or ``se`` the standard error. The names
        of an effect table's frame (study, outcome, week, y, v) are found by themselves.
    period : column name or sequence, optional
        Week of the window that an effect belongs to; its own week when left out. Only a mean curve by category reads it.
    V : array-like of shape (n, n), optional
        Known covariance of the effects (`vfmeta.sampling_covariance`), in their order.
    correlation : float or (low, high), optional
        Without ``V``: the correlation between the errors of any two effects of one trial, from 0 to below 1, or the ends of a
        uniform prior for it. It must be named where a trial has several effects, since it is an assumption.
    curve : {"category", "smooth"}
        A mean for each period with a prior of its own, or one curve that forgets its past with time (an Ornstein-Uhlenbeck
        process about a level), so that neighbouring weeks inform each other.
    at : sequence of weeks, optional
        Further weeks at which a smooth curve is wanted.
    mu : Normal, optional
        Prior of every point of the curve (category) or of its level (smooth); a mapping gives one for each outcome.
    tau : prior, optional
        Of the SD of trials at any one time; a mapping gives one for each outcome. Defaults of both follow the measure.
    memory : prior
        Of the weeks after which the correlation of what does not last has fallen to 1/e, for trials and for a smooth curve.
    lasting : (float, float)
        Beta prior of the share that lasts; uniform by default.
    curve_sd : prior, optional
        Of the SD of a smooth curve about its level; as that of tau by default.
    question : Question, optional
        Names, unit and direction of a data frame's effects.

    Returns
    -------
    Model
        Variables ``curve`` and ``next_trial`` (outcome, time), ``tau`` (outcome), ``theta`` (effect; true effects of trials),
        and where the data have them ``lasting``, ``memory``, ``between``, ``correlation``. Its log likelihood is by trial.

    Raises
    ------
    InputError
        Faulty cells by row and column, an effect that stands twice, a correlation that must be named, V that is no covariance.

    Examples
    --------
    >>> import vfmeta as vf
    >>> model = vf.bayes.models.multilevel(
    ...     study=["A", "A", "B"], time=[4, 52, 52], y=[-1.0, -0.4, -0.8], v=[0.2, 0.25, 0.3], correlation=0.5,
    ...     mu=vf.priors.Normal(0, 10), tau=vf.priors.HalfNormal(1))
    >>> model.coords["time"]
    [4.0, 52.0]
    """
    curve = choice("curve", curve, Curve)
    columns = {"study": study, "outcome": outcome, "time": time, "period": period, "y": y, "v": v, "se": se}
    found = read_occasions(data, columns, V, at, curve == "smooth", question)
    levels, spreads, wiggles = _priors(found, mu, tau, curve_sd, curve)
    held = _correlation(found, correlation)
    shape = _check_beta(lasting)
    if not isinstance(memory, TauPrior) or not memory.proper:
        raise InputError(f"memory={memory!r} must be a proper prior of a positive number, such as vf.priors.LogNormal(2.5, 1).")
    followed = np.array([len({*found.week[rows].tolist()}) for rows in curves.blocks(found.study)])
    curved, smooth, several = bool((followed > 1).any()), curve == "smooth", len(found.outcomes) > 1
    times, weeks = len(found.times), np.array(found.times)
    values: dict[str, np.ndarray] = {
        "estimate": found.y, "in_study": found.study, "in_outcome": found.outcome, "in_time": found.time, "at_week": found.week,
        "weeks": weeks, "same": found.same.astype(float), "curve_mean": np.array([p.mean for p in levels]),
        "curve_spread": np.array([p.sd for p in levels]),
    }  # fmt: skip
    values |= {"V": found.V} if found.V is not None else {"sd": np.sqrt(found.v)}
    if held is not None:
        values |= {"low": np.array(held[0]), "high": np.array(held[1])} if held[0] < held[1] else {"rho": np.array(held[0])}
    for i, (spread, wiggle) in enumerate(zip(spreads, wiggles, strict=True), start=1):
        values |= spread.data(f"tau_{i}") | (wiggle.data(f"curve_sd_{i}") if smooth else {})
    if curved:
        values |= {"shape": np.array(shape), **memory.data("memory")}
    if smooth:
        values |= memory.data("curve_memory")

    def make(pm: Any) -> None:
        given = {name: pm.Data(name, x) for name, x in values.items()}
        if smooth:
            path = _smooth(pm, given, wiggles, memory)
        else:
            path = pm.Normal("curve", given["curve_mean"][:, None], given["curve_spread"][:, None], dims=("outcome", "time"))
        tau_each = [prior.pymc(f"tau_{i}") for i, prior in enumerate(spreads, start=1)]
        sd = pm.Deterministic("tau", pm.math.stack(tau_each), dims="outcome")[given["in_outcome"]]
        shared = given["same"]
        if several:
            # -1 / (outcomes - 1) is the lowest that any number of outcomes can share
            between = pm.Uniform("between", -1 / (len(found.outcomes) - 1), 1.0)
            pair = given["in_outcome"][:, None] - given["in_outcome"][None, :]
            shared = shared * pm.math.switch(pm.math.eq(pair, 0), 1.0, between)
        if curved:
            stays = pm.Beta("lasting", given["shape"][0], given["shape"][1])
            gap = pm.math.abs(given["at_week"][:, None] - given["at_week"][None, :])
            shared = shared * (stays + (1 - stays) * pm.math.exp(-gap / memory.pymc("memory")))
        total = sd[:, None] * sd[None, :] * shared + _sampling_errors(pm, given, held)
        pm.MvNormal("y", path[given["in_outcome"], given["in_time"]], cov=total, observed=given["estimate"], dims="effect")

    watch = ("curve", "tau", *(("lasting", "memory") if curved else ()), *(("between",) if several else ()),
             *(("correlation",) if "low" in values else ()), *(("curve_memory",) if smooth else ()))  # fmt: skip
    own: dict[str, Prior] = {f"tau[{x}]": p for x, p in zip(found.outcomes, spreads, strict=True)}
    own |= {f"curve[{x}]": p for x, p in zip(found.outcomes, levels, strict=True)}
    if smooth:
        own |= {f"curve_sd[{x}]": p for x, p in zip(found.outcomes, wiggles, strict=True)}
    if curved or smooth:
        own["memory"] = memory
    return Model(
        name="multilevel", prior_objects=own,
        key=(curve, curved, several, held is None, "low" in values, "V" in values, memory.graph if curved or smooth else None,
             tuple(p.graph for p in spreads), tuple(p.graph for p in wiggles) if smooth else None),
        make=make, data=values,
        coords={"study": list(found.studies), "outcome": list(found.outcomes), "time": list(found.times),
                "effect": found.names},
        watch=watch, question=found.questions[0] if not several else None,
        priors=_said(found, levels, spreads, wiggles, memory, shape, held, curved, smooth),
        notes=(*found.notes, *_notes(found, followed, times, smooth)), extend=curves.extend,
        log_likelihood=curves.log_likelihood,
        dims={"theta": ("effect",), "next_trial": ("outcome", "time"), "trial": ("study",)},
    )  # fmt: skip


def _smooth(pm: Any, given: dict[str, Any], wiggles: Sequence[TauPrior], memory: TauPrior) -> Any:
    """The mean curves as Ornstein-Uhlenbeck paths: each week is what is left of the week before plus an innovation."""
    import pytensor.tensor as pt

    level = pm.Normal("level", given["curve_mean"], given["curve_spread"], dims="outcome")
    spread = pm.math.stack([prior.pymc(f"curve_sd_{i}") for i, prior in enumerate(wiggles, start=1)])
    weeks, fade = given["weeks"], memory.pymc("curve_memory")
    ahead = weeks[:, None] - weeks[None, :]
    past = pt.switch(pt.ge(ahead, 0), pt.exp(-pt.abs(ahead) / fade), 0.0)
    fresh = pt.sqrt(-pt.expm1(-2 * (weeks[1:] - weeks[:-1]) / fade))
    fresh = pt.concatenate([pt.ones_like(weeks[:1]), fresh])
    steps = pm.Normal("curve_step", dims=("outcome", "time"))
    path = level[:, None] + spread[:, None] * pm.math.dot(steps * fresh, past.T)
    return pm.Deterministic("curve", path, dims=("outcome", "time"))


def _sampling_errors(pm: Any, given: dict[str, Any], held: tuple[float, float] | None) -> Any:
    """Covariance of the sampling errors: known, or made from the SDs and the correlation within a trial."""
    if "V" in given:
        return given["V"]
    import pytensor.tensor as pt

    sd, unit = given["sd"], pt.eye(given["sd"].shape[0])
    if held is None:
        return unit * sd**2
    rho = pm.Uniform("correlation", given["low"], given["high"]) if "low" in given else given["rho"]
    return sd[:, None] * sd[None, :] * (unit + (given["same"] - unit) * rho)


def _priors(
    data: Occasions, mu: Any, tau: Any, curve_sd: Any, curve: str
) -> tuple[list[Normal], list[TauPrior], list[TauPrior]]:
    """Priors of level, spread and wiggle for each outcome."""
    levels, spreads, wiggles = [], [], []
    for name, asked in zip(data.outcomes, data.questions, strict=True):
        own = [_of(prior, name, what) for prior, what in ((mu, "mu"), (tau, "tau"), (curve_sd, "curve_sd"))]
        spread, level = choose_priors(asked, own[1], own[0])
        if not isinstance(level, Normal):
            raise InputError(f"mu of {name} is {level}; the curve takes a normal prior: mu=vf.priors.Normal(mean, sd).")
        wiggle = spread if own[2] is None else own[2]
        for prior in (spread, wiggle):
            if not isinstance(prior, TauPrior) or not prior.proper:
                raise InputError(f"{name}: {prior!r} is no proper prior of a standard deviation; take HalfNormal(scale).")
        levels.append(level)
        spreads.append(spread)
        wiggles.append(wiggle)
    if curve_sd is not None and curve == "category":
        raise InputError('curve_sd= is the spread of a smooth curve; it goes with curve="smooth".')
    return levels, spreads, wiggles


def _of(prior: Any, outcome: str, what: str) -> Any:
    if not isinstance(prior, Mapping):
        return prior
    if outcome not in prior:
        raise InputError(f"{what}= has no prior for outcome {outcome!r}; it has {', '.join(map(repr, prior)) or 'none'}.")
    return prior[outcome]


def _correlation(data: Occasions, given: Any) -> tuple[float, float] | None:
    """Ends of the within-trial correlation (equal when it is fixed); None where it has no part."""
    if data.V is not None:
        if given is not None:
            raise InputError("V= holds the covariances already; leave correlation out.")
        return None
    repeated = [name for i, name in enumerate(data.studies) if np.sum(data.study == i) > 1]
    if given is None:
        if repeated:
            raise InputError(
                f"{', '.join(repeated)} {'has' if len(repeated) == 1 else 'have'} several effects from the same patients. How "
                "their errors correlate is an assumption: give correlation=0.5, say, or a range such as (0.2, 0.8), or V=."
            )
        return None
    ends = given if isinstance(given, (tuple, list)) else (given, given)
    if len(ends) != 2 or any(isinstance(x, bool) or not isinstance(x, (int, float)) or not 0 <= x < 1 for x in ends):
        raise InputError(f"correlation={given!r} must be a number from 0 to below 1, or a pair (low, high) of them.")
    if ends[0] > ends[1]:
        raise InputError(f"correlation={given!r}: the lower end comes first.")
    return (float(ends[0]), float(ends[1])) if repeated else None


def _check_beta(shape: Any) -> tuple[float, float]:
    if not isinstance(shape, (tuple, list)) or len(shape) != 2 or any(
        isinstance(x, bool) or not isinstance(x, (int, float)) or not 0 < x < np.inf for x in shape
    ):  # fmt: skip
        raise InputError(f"lasting={shape!r} must be the two positive parameters of a beta prior, such as (1, 1).")
    return float(shape[0]), float(shape[1])


def _said(
    data: Occasions, levels: Sequence[Normal], spreads: Sequence[TauPrior], wiggles: Sequence[TauPrior], memory: TauPrior,
    shape: tuple[float, float], held: tuple[float, float] | None, curved: bool, smooth: bool,
) -> tuple[str, ...]:  # fmt: skip
    told = []
    for name, level, spread, wiggle in zip(data.outcomes, levels, spreads, wiggles, strict=True):
        of = f"{name}: " if len(data.outcomes) > 1 else ""
        what = "level of the curve" if smooth else "curve at every period"
        told += [f"{of}{spread}", of + str(level).replace("mu", what, 1)]
        if smooth:
            told.append(of + str(wiggle).replace("tau", "SD of the curve about its level", 1))
    if curved:
        told.append(f"lasting ~ beta({shape[0]:g}, {shape[1]:g})")
        told.append(str(memory).replace("tau", "memory (weeks)", 1))
    if smooth:
        told.append(str(memory).replace("tau", "memory of the mean curve (weeks)", 1))
    if len(data.outcomes) > 1:
        told.append(f"correlation of a trial's departures on two outcomes ~ uniform({-1 / (len(data.outcomes) - 1):.3g}, 1)")
    if data.V is not None:
        told.append("sampling covariance V as given")
    elif held is not None:
        assumed = f"{held[0]:g} (assumed)" if held[0] == held[1] else f"~ uniform({held[0]:g}, {held[1]:g})"
        told.append(f"correlation of the errors of a trial's effects {assumed if held[0] < held[1] else '= ' + assumed}")
    return tuple(told)


def _notes(data: Occasions, followed: np.ndarray, times: int, smooth: bool) -> tuple[str, ...]:
    notes = []
    more = int((followed > 1).sum())
    if 0 < more < 3:
        which = "one trial was" if more == 1 else "two trials were"
        notes.append(f"Only {which} measured more than once: how trials keep or lose their departures is mostly prior.")
    for i, name in enumerate(data.outcomes):
        trials = len({*data.study[data.outcome == i].tolist()})
        if trials < 3:
            notes.append(f"{name}: {trials} trial{'s' if trials > 1 else ''}, so the prior decides much of tau.")
        if not smooth:
            empty = [f"{data.times[t]:g}" for t in range(times) if not np.any((data.outcome == i) & (data.time == t))]
            if empty:
                notes.append(f"{name}: no trial at week {', '.join(empty)}; the curve there is its prior.")
    return tuple(notes)

"""Generalised linear mixed models for counts: no normal approximation of the single study."""

from __future__ import annotations

from typing import Any

import numpy as np

from vfmeta.core.measures import row
from vfmeta.core.messages import ConvergenceError, InputError, warn_each
from vfmeta.core.origin import LeftOut
from vfmeta.core.params import CountModel, CountTest, Heterogeneity, Missing, choice
from vfmeta.core.question import Question
from vfmeta.effects import design as designs
from vfmeta.effects.counts import Counts, read_counts, refuse_unknown
from vfmeta.effects.formulas.common import has_contrast
from vfmeta.frequentist.count_moderators import coordinates
from vfmeta.frequentist.glmm.designs import design
from vfmeta.frequentist.glmm.fit import fit_common, fit_random, heterogeneity_tests
from vfmeta.frequentist.glmm.integrated import MOST, integrate
from vfmeta.frequentist.glmm.profile import noted_interval
from vfmeta.frequentist.glmm.result import Answer, CountRegressionResult, CountResult
from vfmeta.frequentist.single_tables import each_study

MEASURES = ("OR", "IRR", "PLO", "IRLN")
HINT = 'Try a simpler model, heterogeneity="common", or a Bayesian model with a prior.'
_RARE = 0.1  # risk up to which the binomial approximation of CM.AL is good
Count = Any  # a column name (with data=) or an array-like of shape (k,)


def glmm(
    measure: str = "OR",
    *,
    data: Any = None,
    formula: str | None = None,
    events: Count = None,
    n: Count = None,
    time: Count = None,
    events1: Count = None,
    n1: Count = None,
    events2: Count = None,
    n2: Count = None,
    time1: Count = None,
    time2: Count = None,
    study: Any = None,
    drop00: bool | None = None,
    model: CountModel | None = None,
    heterogeneity: Heterogeneity = "random",
    nAGQ: int | None = None,
    test: CountTest | None = None,
    level: float = 0.95,
    omnibus: Any = None,
    question: Question | None = None,
    missing: Missing = "raise",
) -> CountResult | CountRegressionResult:
    """Meta-analysis of counts by a generalised linear mixed model (Stijnen, Hamza & Ozdemir 2010, Stat Med 29:3046-3067).

    The counts themselves are modelled (binomial or Poisson), so nothing is added to empty cells. With a ``formula`` the effect
    (not the level of risk) depends on moderators.

    How often its tests reject and its intervals hold: ``reports/glmm_levels.md``.

    Parameters
    ----------
    measure : {"OR", "IRR", "PLO", "IRLN"}
        Log odds ratio or log rate ratio of two arms, logit of a proportion or log of a rate of one arm.
    model : {"UM.FS", "UM.RS", "CM.EL", "CM.AL"}, optional
        For two arms. ``"UM.FS"`` (default): every study has an intercept of its own; simple, but *inconsistent as k grows* when
        studies are small, because the intercepts grow in number with the studies (Neyman & Scott 1948, Econometrica 16:1-32):
        tau2 and the effect are biased. ``"UM.RS"``: intercepts are normal too, independent of the effects. ``"CM.EL"``: given
        the events of both arms together, which removes the intercepts: Fisher's non-central hypergeometric distribution for the
        OR (slow for very large counts), binomial and exact for the IRR. ``"CM.AL"``: the binomial approximation of that for the
        OR, good when events are rare (a warning above 10%). The group is coded +1/2 and -1/2, so that the random effect
        spreads evenly over the arms (Jackson et al. 2018, Stat Med 37:1059-1085).
    data, events1, n1, events2, n2, time1, time2, events, n, time
        Column names with ``data`` (or an effect table of events alone), else array-likes of shape (k,). OR: ``events1, n1,
        events2, n2``; IRR: ``events1, time1, events2, time2``; PLO: ``events, n``; IRLN: ``events, time``. Arm 1 is the
        experimental one.
    study : str or sequence of k names, optional
        Column of study names, or the names.
    formula : str, optional
        Right side of a formula of moderators of the effect, such as ``"~ dose + blinding"``, over the columns of ``data``; as
        in `meta_regression`.
    omnibus : str, int or sequence of them, optional
        Coefficients of the omnibus test; all but the intercept when left out.
    heterogeneity : {"random", "common"}
        Normal study effects with variance tau2, or one effect (intercepts of UM.RS stay random).
    nAGQ : int, optional
        Nodes of adaptive Gauss-Hermite quadrature per random effect; 1 is the Laplace approximation. By default as many as it
        takes for the estimates to stop changing (by less than 1e-6 of a standard error).
    test : {"integrated", "Wald", "t"}, optional
        "integrated" (default for random effects) integrates the likelihood over tau, with Jeffreys' prior, so that intervals
        carry its uncertainty: with 5 to 15 trials that differ that of the mean covers in 94 to 100% and that of a next trial's
        effect in 94 to 100% (`reports/glmm_levels.md`). "Wald" (default for a common effect), normal quantiles with tau taken
        as known, covers 85 to 93% and 73 to 90% there; "t", with k - p degrees of freedom, 93 to 99% and 81 to 92%.
    level : float
        Confidence level.
    drop00 : bool, optional
        Whether studies without events (or with events in everybody) in both arms are left out. By default they are where they
        say nothing (UM.FS and the conditional models, in which they cancel) and are kept in UM.RS, where they tell about the
        level of risk (Kuss 2015, Stat Med 34:1097-1116).
    missing : {"raise", "drop"}
        What to do about rows with a missing value.
    question : Question, optional
        Names and direction, for printing and plotting.

    Returns
    -------
    CountResult, or with a formula CountRegressionResult
        Standard errors come from the observed information with every other parameter, tau included, profiled out. I2 and H2
        set tau2 against the typical variance of the normal approximation (Higgins & Thompson 2002, Stat Med 21:1539-1558).
        The interval of tau2 is that of the profile likelihood (Hardy & Thompson 1996, Stat Med 15:619-629), for random effects;
        with 5 to 15 trials, tau2 0.5 and a risk of 20% it covers in 90 to 93%.

    Raises
    ------
    InputError
        Input that cannot be used, every fault with row and column; collinear moderators, by name; a random model with fewer
        informative studies than it needs.
    ConvergenceError
        The likelihood has no finite maximum (such as no event in one arm of any study), or it was not found.

    Examples
    --------
    >>> import vfmeta as vf
    >>> counts = {"events1": [4, 6, 3], "n1": [40, 55, 38], "events2": [9, 8, 6], "n2": [41, 50, 40]}
    >>> fit = vf.glmm("OR", data=counts, events1="events1", n1="n1", events2="events2", n2="n2", model="CM.EL")
    >>> fit.k, fit.estimate < 0
    (3, True)
    """
    refuse_unknown(measure, MEASURES)
    two_arms = not row(measure).one_group
    model = (model or "UM.FS") if two_arms else model
    model = choice("model", model, CountModel) if two_arms else model
    heterogeneity = choice("heterogeneity", heterogeneity, Heterogeneity)
    tested = _test(test, heterogeneity)
    _check_options(measure, model, two_arms, nAGQ)
    given = {"events1": events1, "n1": n1, "events2": events2, "n2": n2, "time1": time1, "time2": time2,
             "events": events, "n": n, "time": time}  # fmt: skip
    counts = read_counts(measure, row(measure).columns, given, data=data, study=study, missing=missing, level=level, whole=True)
    if formula is None and omnibus is not None:
        raise InputError("omnibus goes with a formula: give formula=, such as '~ dose'.")
    read, part = counts.kept, None
    if formula is not None:
        part = designs.part(formula, None, None, counts)
        counts, _ = designs.complete(counts, {name: part.gone[:, j] for j, name in enumerate(part.columns)}, missing)
    notes = list(counts.notes)
    if two_arms:
        counts = _informative(counts, model != "UM.RS" if drop00 is None else drop00, model or "", notes)
    _require_finite(measure, counts)
    if model == "CM.AL" and (risk := _risk(counts)) > _RARE:
        notes.append(
            f"CM.AL takes events as rare, and {100 * risk:.0f}% of all patients have one: the odds ratio is drawn towards 1 "
            '(its log by about 0.1 at 20%). Use model="CM.EL".'
        )
    if counts.k == 1 and (model == "UM.RS" or heterogeneity == "random"):
        raise InputError(
            f'One informative study only ({counts.labels[0]}): a random effect cannot be estimated; use heterogeneity="common"'
            + (' and model="UM.FS".' if model == "UM.RS" else ".")
        )
    x = None
    if part is not None:
        x = part.design(np.searchsorted(read, counts.kept), counts.labels, counts.kept.tolist())
    basis, back = (None, None) if x is None else coordinates(x, counts.labels, residual=heterogeneity == "random")
    plan = design(measure, model, counts, basis)
    try:
        common = fit_common(plan, nAGQ)
        fit = fit_random(plan, nAGQ, common) if heterogeneity == "random" else common
        tests = heterogeneity_tests(measure, model, plan, counts, common)
    except ConvergenceError as error:
        raise ConvergenceError(f"{measure}, {model or 'one arm'}: {error} {HINT}") from None
    call = {"function": "glmm", "measure": measure, "model": model, "heterogeneity": heterogeneity, "nAGQ": nAGQ,
            "test": tested, "level": level} | ({} if formula is None else {"formula": formula})  # fmt: skip
    limits = None
    if heterogeneity == "random":
        limits = noted_interval(plan, fit, common, nAGQ, float(level), notes)
    about, held = counts.question(question, measure), None
    if tested == "integrated":
        try:
            held = integrate(plan, fit, common, nAGQ, each_study(measure, counts.columns)[1])
        except ConvergenceError as error:
            said = f"The likelihood could not be integrated over tau ({str(error).rstrip('.')})"
            raise ConvergenceError(f'{measure}, {model or "one arm"}: {said}; use test="t", or a prior of tau.') from None
        if held.open:
            notes.append(f"The counts hardly limit tau2 from above: intervals take tau as at most {MOST:g}.")
    answer = Answer(
        measure, model, heterogeneity, counts, plan, fit, common.beta, tests, limits, tested, float(level), call, about, notes,
        held,
    )  # fmt: skip
    result = answer.pooled() if x is None or back is None else answer.regression(x, back, omnibus)
    warn_each(result.warnings)
    return result


def _test(test: Any, heterogeneity: str) -> str:
    """How intervals are made, where left out by what holds."""
    if test is None:
        return "integrated" if heterogeneity == "random" else "Wald"
    test = choice("test", test, CountTest)
    if test == "integrated" and heterogeneity == "common":
        raise InputError('test="integrated" is for random effects: with a common effect there is no tau; use "Wald".')
    return test


def _check_options(measure: str, model: str | None, two_arms: bool, nodes: Any) -> None:
    problems = []
    if not two_arms and model is not None:
        problems.append(f"model={model!r} is for two arms; leave it out for {measure}.")
    if measure == "IRR" and model == "CM.AL":
        problems.append('For the IRR the conditional likelihood is binomial without approximation: use model="CM.EL".')
    if nodes is not None and not (isinstance(nodes, (int, np.integer)) and not isinstance(nodes, bool) and 1 <= nodes <= 300):
        problems.append(f"nAGQ={nodes!r} must be a whole number from 1 (Laplace) to 300, or None.")
    if problems:
        raise InputError(problems)


def _informative(counts: Counts, drop: bool, model: str, notes: list[str]) -> Counts:
    use = has_contrast(counts.columns, counts.rates)
    if use.all() or not drop:
        return counts
    silent = [label for label, u in zip(counts.labels, use, strict=True) if not u]
    why = "say nothing on the effect in this model" if model != "UM.RS" else "are left out as asked (drop00)"
    notes.append(f"Studies without events, or with events in everybody, in both arms {why}: {', '.join(silent)}.")
    if not use.any():
        raise InputError("No study has both patients with and without the event; a ratio cannot be estimated.")
    said = "no events, or only events, in both arms"
    return counts.keep(use, lost=tuple(LeftOut(study_id=x, label=x, reason=said) for x in silent))


def _risk(counts: Counts) -> float:
    """Share of all patients who have the event (or do not, where those are fewer), of two arms."""
    events1, n1, events2, n2 = (float(np.sum(x)) for x in counts.columns)
    risk = (events1 + events2) / (n1 + n2)
    return min(risk, 1 - risk)


def _require_finite(measure: str, counts: Counts) -> None:
    """Data whose likelihood rises without end are named before a fit is tried."""
    for arm, always in counts.certain:
        if arm == "only":
            said = f"{'events in everybody' if always else 'no events'} in any study"
        else:
            what = "Everybody has the event" if always else "There is no event"
            said = f"{what} in the {arm} arm of any informative study"
        raise ConvergenceError(f"{measure}: {said}, so the likelihood has no finite maximum. {HINT}")

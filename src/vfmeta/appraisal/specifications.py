"""Every defensible analysis of one question at once: which choice moves the answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, get_args

import numpy as np

from vfmeta.appraisal.model_fits import Models, fit_all
from vfmeta.appraisal.variants import several, variants
from vfmeta.core.messages import InputError, kind_of, warn_each
from vfmeta.core.params import Adjustment, Favoured, MethodOrCommon, Missing, Test, ZeroCells, choice, confidence
from vfmeta.core.question import Question
from vfmeta.effects.effect import Effect
from vfmeta.effects.reading import effect_table, read
from vfmeta.effects.table import EffectTable
from vfmeta.frequentist.choices import check_method
from vfmeta.kernels.tau2 import ESTIMATORS
from vfmeta.priors import MuPrior, TauPrior
from vfmeta.priors.defaults import default_tau
from vfmeta.results.codec import Recorded
from vfmeta.results.fit import Result
from vfmeta.results.multiverse import COLUMNS, Multiverse

METHODS, TESTS = ("REML", "PM", "DL", "SJ", "common"), ("HKSJ", "HKSJ-adhoc", "Wald")
DEFAULT = "default prior"


def multiverse(
    data: Any = None,
    *,
    y: Any = None,
    v: Any = None,
    se: Any = None,
    ci: Any = None,
    study: Any = None,
    measures: Sequence[str] | None = None,
    zeros: Sequence[ZeroCells] | None = None,
    include: Any = None,
    leaving_out: bool = True,
    adjustments: Sequence[Adjustment] | None = None,
    methods: Sequence[MethodOrCommon] | None = None,
    tests: Sequence[Test] | None = None,
    taus: Sequence[TauPrior] | None = None,
    favoured: Favoured | None = None,
    mu: MuPrior | None = None,
    level: float | None = None,
    question: Question | None = None,
    missing: Missing = "raise",
) -> Multiverse:
    """Every combination of defensible choices, and which choice moves the answer.

    Parameters
    ----------
    data : effect table, mapping of names to effect tables, pool, data frame or mapping of columns, optional
        Several tables are one more choice: other outcomes, time windows or measures of the same question. A pool brings its
        estimator and its test, which then come first, a posterior its priors.
    y, v, se, ci, study, question, missing
        As of `effect_table`; limits are of 95% intervals.
    measures : sequence of str, optional
        Effect measures to make from the counts of two arms that a table holds, beside its own; by default RR, OR and RD where
        it holds them for every study, and its own is one of such counts.
    zeros : sequence of {"only0", "all", "if0all", "none"}, optional
        Which tables of counts are corrected for zero cells, beside the table as given; by default "only0", "all" and "none"
        where a study has a zero cell. "none" leaves out studies in which the measure does not exist.
    include : str, sequence of str, or mapping of names to conditions, optional
        Rules that keep some studies, each applied or not: conditions on the columns that ride along in the table
        (``"year >= 2000 and blinded"``, as `pandas.DataFrame.eval` reads them), or a sequence of True and False, one a study.
    leaving_out : bool
        Whether each study is left out in turn.
    adjustments : sequence of {"none", "trim and fill", "PET-PEESE", "step"}, optional
        For studies that may be missing: `trim_and_fill` (L0) by each estimator and test, `pet_peese`, and `selection_model`
        with one cut at 0.025. By default all, refused below ten studies; those named are made from three studies on.
    methods : sequence of str, optional
        Estimators of tau2, and "common"; REML, PM, DL, SJ and "common" when left out.
    tests : sequence of {"HKSJ", "HKSJ-adhoc", "Wald", "t"}, optional
        The first three when left out. A common effect has Wald's.
    taus : sequence of priors, optional
        Priors of tau, each for an exact Bayesian pool; the default of each measure when left out, where it has one.
    favoured : {"higher", "lower"}, optional
        As of `pet_peese`.
    mu : prior, optional
        Of the mean, that goes with all of ``taus``; that of the posterior, or the default of the measure, when left out.
    level : float, optional
        That of the pool, or 0.95, when left out.

    Returns
    -------
    Multiverse
        ``to_frame()`` has a row a specification, ``moves()`` what each choice does, ``refused`` what has no answer and why, and
        ``plot()`` draws the specification curve.

    Raises
    ------
    InputError
        A choice that is unknown, a condition that cannot be read, more than a million specifications.

    Notes
    -----
    Steegen et al. 2016, Perspect Psychol Sci 11:702-712; Simonsohn, Simmons & Nelson 2020, Nat Hum Behav 4:1208-1214; of
    meta-analyses Voracek, Kossmeier & Tran 2019, Z Psychol 227:64-82. The first specification is that of the first option of
    every choice. Sets of effects that repeat an earlier one are refused, so that no answer counts twice. How many
    specifications agree is no test: they are of the same studies, and not all are equally good.

    Examples
    --------
    >>> import vfmeta as vf
    >>> table = vf.effect_table(y=[-0.5, -0.3, -0.8, 0.1], se=[0.2, 0.15, 0.3, 0.2], study=["A", "B", "C", "D"])
    >>> found = vf.multiverse(table, methods=["REML", "DL"], tests=["HKSJ", "Wald"], adjustments=["none"])
    >>> len(found.to_frame()), found.asked  # two estimators, two tests, and all studies or all but one
    (20, 20)
    """
    given = {"y": y, "v": v, "se": se, "ci": ci, "study": study, "question": question, "missing": missing}
    fit = data if isinstance(data, Recorded) else None
    tables = _tables(data, given, fit)
    models = _models(tables, fit, adjustments, methods, tests, taus, favoured, mu, level)
    sets = variants(tables, measures, zeros, include, bool(leaving_out), models.each)
    options = sets.options | models.options
    fitted = fit_all(models, sets.questions, np.array(sets.which, dtype=int), sets.y, sets.v)
    first = np.array(sets.codes, dtype=int).reshape(-1, len(sets.options))
    at = np.concatenate(fitted.sets) if fitted.sets else np.empty(0, dtype=int)
    own = np.concatenate(fitted.codes) if fitted.codes else np.empty((0, 3), dtype=int)
    values = np.concatenate(fitted.values) if fitted.values else np.empty((0, len(COLUMNS)))
    codes = np.column_stack([first[at], own])
    # set by set, and within one in the order of the models
    order = np.lexsort((*(np.where(own[:, i] < 0, len(options), own[:, i]) for i in (2, 1, 0)), at))
    refusals = [((*c, *models.no_model), models.each, why) for c, why in sets.refused]
    refusals += [((*sets.codes[i], *c), n, why) for i, c, n, why in fitted.refused]
    main = next(iter(tables.values()))
    notes = tuple(dict.fromkeys([*main.notes, *fitted.notes]))
    warn_each(fitted.notes)
    return Multiverse(
        question=main.question, questions=sets.questions, options=options, codes=codes[order],
        which=np.array(sets.which, dtype=int)[at][order], values=values[order], refusals=tuple(refusals), level=models.level,
        labels=main.labels, warnings=notes,
        call={"function": "multiverse", "level": models.level, "favoured": favoured, "leaving_out": bool(leaving_out)},
    )  # fmt: skip


def _tables(data: Any, given: dict[str, Any], fit: Any) -> dict[str, EffectTable]:
    if isinstance(data, Mapping) and data and all(isinstance(x, EffectTable) for x in data.values()):
        if any(x is not None for name, x in given.items() if name != "missing"):
            raise InputError("Several tables bring their own effects and questions; give them alone.")
        tables = {str(name): table for name, table in data.items()}
    elif fit is not None:
        tables = {"fit": _of_fit(fit, given)}
    else:
        table = effect_table(data, **given)
        tables = {"table": table}
    for table in tables.values():
        read(table)  # one effect a study, none that share patients
    return tables


def _of_fit(fit: Any, given: dict[str, Any]) -> EffectTable:
    if not isinstance(fit, Result):
        raise InputError(f"multiverse: {kind_of(fit)} was given; give a pool as of vf.random_effects, or the effect table.")
    s = read(fit, **given)
    details = s.details or ({},) * s.k
    effects = tuple(
        Effect(
            study_id=str(d.get("study_id", name)), label=name, y=float(a), v=float(b),
            n=(d.get("n_experimental"), d.get("n_control")), events=(d.get("events_experimental"), d.get("events_control")),
        )
        for name, a, b, d in zip(s.labels, s.y, s.v, details, strict=True)
    )  # fmt: skip
    return EffectTable(s.question, effects)


def _models(
    tables: Mapping[str, EffectTable], fit: Any, adjustments: Any, methods: Any, tests: Any, taus: Any, favoured: Any,
    mu: Any, level: float | None,
) -> Models:  # fmt: skip
    level = getattr(fit, "level", 0.95) if level is None else confidence(level)
    call = getattr(fit, "call", {})
    if methods is None and {"tau2", "weights"} & set(call):
        raise InputError("multiverse: the pool has a tau2 or weights of its own, which no estimator gives; name methods=.")
    ours = "common" if call.get("function") == "common_effect" else call.get("method", "REML")
    method = [ours, *METHODS] if methods is None else _listed("methods", methods)
    test = [call.get("test", "HKSJ") if ours != "common" else "HKSJ", *TESTS] if tests is None else _listed("tests", tests)
    named = tuple(dict.fromkeys(str(check_method(m)) for m in method))
    for m in named:
        if m in ESTIMATORS and ESTIMATORS[m].weighted:
            raise InputError(f"methods: {m!r} needs weights, which studies here have none of.")
    forced = adjustments is not None
    chosen = get_args(Adjustment) if adjustments is None else _listed("adjustments", adjustments)
    side = None if favoured is None else choice("favoured", favoured, Favoured)
    priors = _priors(tables, getattr(fit, "tau_prior", None) if taus is None else taus)
    mean = getattr(fit, "mu_prior", None) if mu is None else mu
    return Models(
        tuple(dict.fromkeys(choice("adjustments", a, Adjustment) for a in chosen)), forced, named,
        tuple(dict.fromkeys(choice("test", t, Test) for t in test)), priors, mean, level, side,
    )  # fmt: skip


def _listed(name: str, given: Any) -> list[Any]:
    found = several(given)
    if not found:
        raise InputError(f"{name}= is empty; name at least one.")
    return found


def _priors(tables: Mapping[str, EffectTable], taus: Any) -> dict[str, TauPrior | None]:
    if taus is None:
        try:
            for table in tables.values():
                default_tau(table.question)
        except InputError:
            return {}
        return {DEFAULT: None}
    listed = several(taus)
    strange = [x for x in listed if not isinstance(x, TauPrior)]
    if strange:
        raise InputError(
            f"taus: {strange[0]!r} is not a prior of tau; use those of vf.priors, such as vf.priors.HalfNormal(1.0)."
        )
    return {str(x): x for x in listed}

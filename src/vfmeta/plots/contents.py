"""What a forest plot holds, from any fit: its rows from top to bottom, before anything is placed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from vfmeta.core.measures import MEASURES
from vfmeta.core.messages import InputError, kind_of
from vfmeta.core.question import Question
from vfmeta.plots import rows as rw
from vfmeta.plots.rows import Row, Section
from vfmeta.results.codec import Recorded
from vfmeta.results.fit import FrequentistResult, Result
from vfmeta.results.leading import leading
from vfmeta.results.posterior import BayesianResult
from vfmeta.text import numbers as tx
from vfmeta.text.fit import chance_text, few_trials_text, heterogeneity_text, model_text, one_trial_text, overall_test_text
from vfmeta.text.posterior import bayes_text, priors_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from vfmeta.core.question import Pair

_BETWEEN = "Test of differences between groups"
_ALONE = {"Mean of the trials": "Mean, by this trial and the prior"}


@dataclass(frozen=True)
class Options:
    """How rows are made: with prediction intervals, with so many decimals, without words of the method."""

    show_prediction: bool = True
    digits: int | None = None
    plain: bool = False


@dataclass(frozen=True)
class Contents:
    """The rows of a figure, what they are about, and the level of their intervals (None where it is not known)."""

    question: Question
    level: float | None
    rows: tuple[Row, ...]
    head: str = ""  # over the names, where they are no studies
    notes: tuple[str, ...] = ()
    plain: bool = False

    @property
    def kinds(self) -> set[str]:
        return {r.kind for r in self.rows}

    @property
    def studies(self) -> list[Row]:
        return [r for r in self.rows if r.kind in ("study", "step")]


def contents(fit: Any, posterior: Any, sections: Any, overall: Any, question: Question | None, how: Options) -> Contents:
    """The rows of any fit, or of a fit and a posterior, or of sections.

    Raises
    ------
    InputError
        What has no effects with intervals to draw, and everything wrong with what has.
    """
    if isinstance(fit, BayesianResult) and posterior is None:
        fit, posterior = None, fit
    other = fit is not None and not isinstance(fit, Result) and sections is None
    if other and posterior is not None and (isinstance(fit, Recorded) or hasattr(fit, "columns")):
        raise InputError(f"posterior= stands beside a pool; {kind_of(fit)} is drawn alone.")
    made: Contents | None = None
    if other and hasattr(fit, "columns"):
        made = _of_table(fit, question, how)
    elif other and isinstance(fit, Recorded) and hasattr(fit, "between"):
        made = _of_subgroups(fit, how)
    elif other and isinstance(fit, Recorded) and hasattr(fit, "treatments"):
        made = _of_network(fit, how)
    elif other and isinstance(fit, Recorded) and np.ndim(getattr(fit, "interval", 0)) == 2:
        made = _of_regression(fit, how)
    if made is None:
        made = _of_sections(rw.checked_sections(fit, posterior, sections), how)
    made = replace(made, plain=how.plain)
    return made if overall is None else _with_overall(made, overall, how)


# Pools --------------------------------------------------------------------------------------------------------------


def _of_sections(blocks: Sequence[Section], how: Options) -> Contents:
    question = next(b.lead.question for b in blocks if b.lead is not None)
    level = next(b.lead.level for b in blocks if b.lead is not None)
    rows = [r for i, b in enumerate(blocks) for r in section_rows(b, i, how)]
    outcomes = {b.lead.question.outcome for b in blocks if b.lead is not None}
    if len(outcomes) > 1:  # the headings name the outcomes then
        question = replace(question, outcome="effect")
    told = [] if how.plain else [b.posterior for b in blocks if b.posterior is not None and b.posterior.k > 1]
    priors = [priors_text(x) for x in told]
    return Contents(question, level, tuple(rows), notes=tuple(p for p in dict.fromkeys(priors) if p))


def section_rows(block: Section, index: int, how: Options) -> list[Row]:
    """All rows of a block: heading, studies, diamonds, prediction intervals and the sentences under them."""
    rows = [Row("heading", block.heading, section=index)] if block.heading else []
    if block.lead is None:
        return rows + _words(index, "No trial with usable figures")
    rows += rw.study_rows(block.lead, index, how.digits)
    if block.lead.k > 1:
        return rows + _pooled(block, index, how)
    if block.posterior is not None and block.posterior.stands_alone:  # the answer is not the trial's own: words meet a prior
        return rows + [replace(r, label=_ALONE.get(r.label, r.label)) for r in _pooled(block, index, how)]
    return rows + _words(index, one_trial_text())


def _pooled(block: Section, index: int, how: Options) -> list[Row]:
    fit, post = block.fit, block.posterior
    engines = [_bayesian_rows(post, index, how), _frequentist_rows(fit, index, how)]
    if leading(fit, post) is fit:
        engines.reverse()
    if how.plain:
        return _plain(engines[0] or engines[1])
    said = [heterogeneity_text(fit), overall_test_text(fit)] if fit is not None else []
    if post is not None:
        said.append(bayes_text(post))
    if fit is not None:
        said.append(few_trials_text(fit.k, bayesian=post is not None))
    return [*engines[0], *engines[1], *_words(index, *said)]


def _plain(rows: list[Row]) -> list[Row]:
    """The mean and the prediction interval of one engine, in words for everybody."""
    kept = {"pooled": "Mean of the trials", "bayes": "Mean of the trials", "prediction": "True effect in a next trial",
            "bayes_prediction": "True effect in a next trial"}  # fmt: skip
    return [replace(r, kind=r.kind.replace("bayes_", "").replace("bayes", "pooled"), label=kept[r.kind], through=None)
            for r in rows if r.kind in kept]  # fmt: skip


def _words(index: int, *sentences: str) -> list[Row]:
    return [Row("words", sentence, section=index) for sentence in sentences if sentence]


def _frequentist_rows(fit: FrequentistResult | None, index: int, how: Options) -> list[Row]:
    if fit is None:
        return []
    q, by = fit.question, rw.typical_width(fit)
    shown = tx.effect_text(q, fit.estimate, fit.interval, width=by, digits=how.digits)
    rows = [
        Row("pooled", model_text(fit), shown, rw.total_cells(fit), 100.0, fit.estimate, fit.interval, section=index,
            through=fit.shown_prediction if how.show_prediction else None)
    ]  # fmt: skip
    if fit.adhoc_interval is not None:
        rows.append(_adhoc(q, fit.estimate, fit.adhoc_interval, index, by, how))
    if how.show_prediction and fit.shown_prediction is not None:
        rows.append(_prediction("prediction", q, fit.shown_prediction, index, by, how))
    return rows


def _bayesian_rows(post: BayesianResult | None, index: int, how: Options) -> list[Row]:
    if post is None:
        return []
    q, by = post.question, rw.typical_width(post)
    label = f"Bayesian ({tx.level_text(post.level)} CrI)"
    shown = tx.effect_text(q, post.estimate, post.interval, width=by, digits=how.digits)
    ahead = post.next_trial.interval if how.show_prediction else None
    rows = [Row("bayes", label, shown, estimate=post.estimate, interval=post.interval, section=index, through=ahead)]
    return rows if ahead is None else [*rows, _prediction("bayes_prediction", q, ahead, index, by, how)]


def _prediction(kind: str, question: Question, interval: Pair, index: int, by: float, how: Options) -> Row:
    words = f"({tx.interval_text(question, interval, width=by, digits=how.digits)})"
    return Row(kind, "Prediction interval", words, interval=interval, section=index)


def _with_overall(made: Contents, overall: Any, how: Options) -> Contents:
    """The pool of all below the groups."""
    fit, post = (overall, None) if isinstance(overall, FrequentistResult) else (None, overall)
    if not isinstance(overall, (FrequentistResult, BayesianResult)):
        raise InputError(f"overall is {kind_of(overall)}; give the pool of all studies, such as random_effects returns.")
    if overall.question.measure != made.question.measure:
        raise InputError(f"overall is a pool of {overall.question.measure}, the figure shows {made.question.measure}.")
    if made.level is not None and overall.level != made.level:
        raise InputError(f"overall has intervals of {tx.level_text(overall.level)}, the figure of {tx.level_text(made.level)}.")
    last = max((r.section for r in made.rows), default=-1) + 1
    tail = [r for r in made.rows if r.kind == "words" and r.label.startswith(_BETWEEN)]
    rows = [r for r in made.rows if r not in tail]
    rows += [Row("heading", "Overall", section=last), *_pooled(Section("", fit, post), last, how)]
    return replace(made, rows=(*rows, *(replace(r, section=last) for r in tail)))


# Other fits ----------------------------------------------------------------------------------------------------------


def _of_subgroups(fit: Any, how: Options) -> Contents:
    rows: list[Row] = []
    if fit.common is None:
        for i, (name, pool) in enumerate(fit.groups.items()):
            rows += section_rows(Section(str(name), pool, None), i, how)
    else:
        means, which = fit.to_frame(), fit.studies["term"].tolist()
        found = _table_rows(fit.studies, fit.question, how, kind="study", details=fit.common.details)
        for i, (name, mean) in enumerate(zip(fit.terms, means.itertuples(), strict=True)):
            rows.append(Row("heading", str(name), section=i))
            rows += [replace(r, section=i) for r, group in zip(found, which, strict=True) if group == name]
            rows += _mean_rows(fit, mean, i, how, found, getattr(fit.common, "adhoc_interval", None))
    rows += _words(len(fit.terms) - 1, f"{_BETWEEN} ({fit.between_test}): {chance_text(fit.between)}")
    return Contents(fit.question, fit.level, tuple(rows))


def _mean_rows(fit: Any, mean: Any, index: int, how: Options, studies: Sequence[Row], wider: Any) -> list[Row]:
    """A mean effect as a diamond, and the ad hoc interval of the coefficient where there is one."""
    q, by, interval = fit.question, _typical(studies), (float(mean.ci_low), float(mean.ci_high))
    shown = tx.effect_text(q, mean.estimate, interval, width=by, digits=how.digits)
    ahead = (float(getattr(mean, "prediction_low", math.nan)), float(getattr(mean, "prediction_high", math.nan)))
    beside = None if wider is None else (float(wider[index][0]), float(wider[index][1]))
    if beside is not None:  # what is drawn below the ad hoc interval has its standard error, and is no narrower
        spread = (ahead[1] - ahead[0]) ** 2 - (interval[1] - interval[0]) ** 2
        half = math.hypot(beside[1] - beside[0], math.sqrt(max(spread, 0.0))) / 2
        ahead = (float(mean.estimate) - half, float(mean.estimate) + half) if math.isfinite(ahead[0]) else ahead
    through = ahead if how.show_prediction and math.isfinite(ahead[0]) else None
    label = f"Mean effect ({fit.method}, {fit.test})"
    rows = [Row("pooled", label, shown, estimate=float(mean.estimate), interval=interval, section=index, through=through)]
    if beside is not None:
        rows.append(_adhoc(q, float(mean.estimate), beside, index, by, how))
    if through is not None:
        rows.append(_prediction("prediction", q, through, index, by, how))
    return rows


def _adhoc(question: Question, estimate: float, interval: Pair, index: int, by: float, how: Options) -> Row:
    shown = f"({tx.interval_text(question, interval, width=by, digits=how.digits)})"
    return Row("adhoc", "with the ad hoc correction (q < 1)", shown, estimate=estimate, interval=interval, section=index)


def _of_regression(fit: Any, how: Options) -> Contents:
    """The studies, each with the mean that the model gives it; of a model without moderators the mean as a diamond."""
    frame = fit.studies.reset_index(drop=True)
    rows = _table_rows(frame, fit.question, how, kind="study", details=getattr(fit, "details", ()))
    alone = len(fit.terms) == 1 and not np.any(fit.slopes)
    if alone:
        if fit.engine != "bayesian":
            rows += _mean_rows(fit, fit.to_frame().iloc[0], 0, how, rows, getattr(fit, "adhoc_interval", None))
    else:
        try:
            means = fit.predict() if fit.engine != "multivariate" else _multivariate_means(fit)
        except (AttributeError, InputError):
            means = None
        if means is not None and len(means) == len(rows):
            trio = means[["ci_low", "estimate", "ci_high"]].to_numpy(dtype=float).tolist()
            rows = [replace(r, fitted=(a, b, c)) for r, (a, b, c) in zip(rows, trio, strict=True)]
    said = []
    if hasattr(fit, "omnibus") and not alone:
        said.append(f"Test of {', '.join(fit.omnibus_of)}: {chance_text(fit.omnibus)}")
    if hasattr(fit, "q"):
        said.append(f"{'Residual heterogeneity' if not alone else 'Heterogeneity'}: {chance_text(fit.q, 'Q')}")
    notes = () if alone else ("Pale diamond: the mean effect that the model gives each study, with its interval.",)
    if notes and getattr(fit, "adhoc_interval", None) is not None:
        notes = (f"{notes[0]} Hartung and Knapp's q is below 1: it is narrower than the studies' own precision supports.",)
    return Contents(fit.question, fit.level, (*rows, *_words(0, *said)), notes=notes if any(r.fitted for r in rows) else ())


def _multivariate_means(fit: Any) -> pd.DataFrame:
    """Fitted means of the rows of a multivariate model from its coefficients."""
    import pandas as pd

    from vfmeta.results.wald import quantile

    mean, se = fit.X @ fit.estimate, np.sqrt(np.einsum("ij,jk,ik->i", fit.X, fit.vb, fit.X))
    df = None if fit.df is None else float(np.min(fit.df))
    half = float(quantile(fit.level, df)) * se
    return pd.DataFrame({"estimate": mean, "ci_low": mean - half, "ci_high": mean + half})


def _of_network(fit: Any, how: Options) -> Contents:
    frame = fit.to_frame().rename(columns={"term": "study"})
    question = replace(fit.question, experimental="the treatment named", control=fit.reference)
    rows = _table_rows(frame, question, how, kind="step")
    return Contents(question, fit.level, tuple(rows), head=f"Against {fit.reference}")


def _of_table(frame: pd.DataFrame, question: Question | None, how: Options) -> Contents:
    """A table of answers, such as `leave_one_out` and `cumulative` give."""
    said = dict(frame.attrs.get("figure", {}))
    if question is None and said:
        question = Question.from_dict(said["question"])
    lacking = [name for name in ("estimate", "ci_low", "ci_high", "scale") if name not in frame]
    name = next((n for n in ("study", "term") if n in frame), None)
    if lacking or name is None:
        absent = [*lacking, *(["study or term"] if name is None else [])]
        raise InputError(
            f"A table is drawn from study (or term), estimate, ci_low, ci_high and scale; missing: {', '.join(absent)}."
        )
    scales = [str(x) for x in frame["scale"].unique()]
    if len(scales) != 1:
        raise InputError(f"One axis cannot show {' and '.join(scales)}; draw one figure for each scale.")
    if question is None:
        codes = [c for c, m in MEASURES.items() if scales[0] in (m.analysis_name, m.read_name)]
        question = Question(measure=codes[0]) if codes else Question()
    facts = question.facts
    if scales[0] not in (facts.analysis_name, facts.read_name):
        raise InputError(f"The table holds {scales[0]}, the question asks for {question.shown}.")
    if scales[0] == facts.read_name and facts.scale.name:
        frame = frame.assign(
            **{n: question.analysis(frame[n].to_numpy(dtype=float)) for n in ("estimate", "ci_low", "ci_high")}
        )
    rows: list[Row] = []
    groups = list(dict.fromkeys(frame["term"])) if name == "study" and "term" in frame else [None]
    for i, group in enumerate(groups):
        part = frame if group is None else frame[frame["term"] == group]
        if group is not None and len(groups) > 1:
            rows.append(Row("heading", str(group), section=i))
        rows += [replace(r, section=i) for r in _table_rows(part.rename(columns={name: "study"}), question, how, kind="step")]
    return Contents(question, said.get("level"), tuple(rows), head=str(said.get("head", "")))


def _table_rows(
    frame: pd.DataFrame, question: Question, how: Options, *, kind: str, details: Sequence[Mapping[str, Any]] = ()
) -> list[Row]:
    """A row for each row of a table with study, estimate, ci_low and ci_high."""
    found = frame.to_dict("records")
    halves = [(r["ci_high"] - r["ci_low"]) / 2 for r in found if math.isfinite(r["ci_high"] - r["ci_low"])]
    by = float(np.median(halves)) if halves else math.nan
    infos = [{**r, **(details[i] if details else {})} for i, r in enumerate(found)]
    counts = any(d.get(f"events_{side}") is not None for d in infos for side in ("experimental", "control"))
    out = []
    for r, info in zip(found, infos, strict=True):
        estimate, interval = float(r["estimate"]), (float(r["ci_low"]), float(r["ci_high"]))
        shown = (
            tx.effect_text(question, estimate, interval, width=by, digits=how.digits) if math.isfinite(estimate) else tx.MISSING
        )
        flag, marks = rw.flagged(info)
        out.append(
            Row(kind, " ".join(str(r["study"]).split()), shown, rw.arm_cells(info, counts), float(r.get("weight", math.nan)),
                estimate, interval if math.isfinite(estimate) else None, key=str(r["study"]), info=info, flag=flag, marks=marks)
        )  # fmt: skip
    return out


def _typical(studies: Sequence[Row]) -> float:
    halves = [(r.interval[1] - r.interval[0]) / 2 for r in studies if r.interval is not None]
    return float(np.median(halves)) if halves else math.nan

"""Risk of bias of the trials of an analysis: what was judged, and of the others what the tables know, which is no judgement."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from vfmeta.appraisal.risk_of_bias import risk_of_bias
from vfmeta.core.bias_tools import TOOLS

if TYPE_CHECKING:
    from vfmeta.results.risk_of_bias import RiskOfBias
    from vfmeta.trials import Trials

_USUAL = "RoB 2"
_DESIGNS = {
    "parallel_rct": "randomised, parallel groups", "crossover_rct": "randomised, cross-over",
    "cluster_rct": "randomised by cluster", "quasi_rct": "allocated in a way that can be foreseen",
    "nonrandomised": "not randomised", "single_arm": "one arm", "post_hoc_pooled": "pooled after the fact from trials",
    "not_stated": "randomisation not stated",
}  # fmt: skip
_SETS = {
    "itt": "by intention to treat", "as_treated": "as treated", "completers": "completers only", "subgroup": "a subgroup",
    "not_stated": "analysis set not stated",
}  # fmt: skip


def bias_of(studies: list[dict[str, Any]], trials: Trials) -> RiskOfBias:
    """Judgements of the trials of an analysis, by the instrument that judged most of them.

    Parameters
    ----------
    studies : list of dict
        As a record holds them: ``study_id``, ``label``, ``rows`` and arm sizes.
    trials : Trials

    Returns
    -------
    RiskOfBias
        A trial that nobody judged overall has "known: ..." as the support of its overall judgement, which stays empty.
    """
    table = trials.risk_of_bias
    mine = table[table.study_id.isin([s["study_id"] for s in studies]) & table.tool.isin(list(TOOLS))]
    judged = mine.groupby("tool")["study_id"].nunique()
    tool = str(judged.idxmax()) if len(judged) else _USUAL
    rows: list[dict[str, str]] = []
    for study in {s["label"]: s for s in studies}.values():
        own = mine[(mine.study_id == study["study_id"]) & (mine.tool == tool)]
        told = {r.domain.lower(): r for r in own.itertuples()}
        for domain, r in told.items():
            word = r.judgement.replace("_", " ")
            rows.append({"study": study["label"], "domain": domain, "judgement": word, "support": r.locator})
        if "overall" not in told:
            rows.append({"study": study["label"], "domain": "overall", "judgement": "", "support": known(study, trials)})
    return risk_of_bias(pd.DataFrame(rows), tool=tool)  # type: ignore[arg-type]


def known(study: dict[str, Any], trials: Trials) -> str:
    """What the tables know of a trial that bears on bias: "known: randomised, parallel groups; double blind; ..."."""
    row = trials.study.loc[study["study_id"]]
    blinding = "blinding not stated" if row.blinding == "unclear" else row.blinding.replace("_", " ")
    parts = [_DESIGNS[row.design], blinding]
    if row.crossover:
        parts.append(f"crossed over: {row.crossover.rstrip('.')}")
    parts.append(_loss(study, row.n_randomised))
    sets = dict.fromkeys(_SETS[x] for x in _analysis_sets(study, trials))
    return f"known: {'; '.join([*parts, *sets])}"


def _loss(study: dict[str, Any], randomised: Any) -> str:
    arms = [study.get(f"n_{side}") for side in ("experimental", "control")]
    if None in arms or pd.isna(randomised):
        return "loss to follow-up not known"
    analysed = sum(float(n) for n in arms if n is not None)
    return f"{analysed:g} of {int(randomised)} randomised are in this analysis"


def _analysis_sets(study: dict[str, Any], trials: Trials) -> list[str]:
    wanted = set(study.get("rows", ()))
    return [
        r.analysis_set
        for (_, who, _), rows in trials.figures.items() if who == study["study_id"]
        for r in rows if r.row_id in wanted and r.analysis_set
    ]  # fmt: skip

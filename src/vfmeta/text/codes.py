"""Codes of the trial tables in words that stand inside a sentence."""

from __future__ import annotations

from collections.abc import Iterable

#: reasons for care with a figure
FLAGS = {
    "direction_not_stated": "nothing says which way it subtracts",
    "direction_inferred": "its direction is taken from other figures of the same table",
    "scale_not_stated": "the ends of its scale are not printed",
    "sd_probably_se": "its standard deviation is probably a standard error",
    "asymmetric_as_printed": "its interval is not centred on its estimate",
    "odd_as_printed": "it looks odd, and is printed so",
    "implausible_spread": "its spread can hardly be right",
    "unit_doubtful": "it is doubtful what was counted or measured",
    "estimand_doubtful": "it is doubtful what was compared",
    "low_trust_source": "its source is second-hand",
    "superseded": "a later report replaces it",
    "cluster_unadjusted": "it takes no account of clusters",
    "small_arm_n_unknown": "how many people were analysed in each arm is not printed",
    "disagreement": "its sources contradict each other",
    "high_risk": "it is at high risk of bias",
}
DESIGNS = {
    "parallel_rct": "randomised trial",
    "crossover_rct": "randomised crossover trial",
    "cluster_rct": "cluster-randomised trial",
    "quasi_rct": "quasi-randomised trial",
    "nonrandomised": "study without randomisation",
    "single_arm": "study of one group",
    "post_hoc_pooled": "trials pooled afterwards",
    "not_stated": "design not stated",
}
CLASSES = {"randomised": "randomised", "quasi_randomised": "quasi-randomised", "non_randomised": "non-randomised"}
PHASES = {
    "acute": "recent fractures",
    "subacute": "fractures some weeks old",
    "mixed": "recent and older fractures",
    "chronic": "older fractures",
    "prevention": "people with osteoporosis, in pain or not",
    "not_stated": "age of the fractures not stated",
}
BLINDING = {
    "double_blind": "double blind",
    "single_blind": "single blind",
    "open_label": "open",
    "unclear": "blinding not clear",
}
#: which way a printed difference subtracts
SIGNS = {
    "experimental_minus_control": "treatment less control",
    "control_minus_experimental": "control less treatment",
    "benefit_positive": "above 0 where the treatment did better",
    "not_stated": "",
}
#: what a plan does not take: column, value
NOT_TAKEN = {
    ("analysis_set", "itt"): "everyone randomised was analysed, which this analysis does not ask for",
    ("analysis_set", "as_treated"): "people were analysed by the treatment they had, not by the one drawn for them",
    ("analysis_set", "completers"): "only those who completed the trial were analysed",
    ("analysis_set", "subgroup"): "only a part of the trial was analysed",
    ("analysis_set", "not_stated"): "who was analysed is not stated",
    ("time_kind", "visit"): "it is of one visit, not of the whole time",
    ("time_kind", "average_over"): "it is of the whole time, not of one visit",
    ("time_kind", "not_stated"): "whether it is of one visit or of the whole time is not stated",
    ("unit", "patient"): "patients were counted",
    ("unit", "vertebra"): "vertebrae were counted, not patients",
    ("unit", "level"): "treated levels were counted, not patients",
    ("unit", "event"): "events were counted, not patients",
}


def flags_text(flags: Iterable[str]) -> str:
    """Reasons for care, each once, behind one another."""
    return "; ".join(FLAGS[flag] for flag in sorted(set(flags)))


def column_text(column: str, code: str) -> str:
    """What a column of the studies says of one."""
    return {"design": DESIGNS, "phase": PHASES, "blinding": BLINDING}.get(column, {}).get(code, code)

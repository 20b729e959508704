"""Which test for small-study effects a measure calls for, and why."""

from __future__ import annotations

from dataclasses import dataclass

from vfmeta.core.question import Question

_OWN = "the standard error of {a} hangs on the effect itself, so that Egger's test finds trends where there are none"

_STABLE = frozenset(
    ["AS", "PAS", "PFT", "IRS", "IRFT", "IRSD", "ZCOR"]
)  # transformed so that their variances are of sizes alone
_OF_ITSELF = frozenset(["COR", "UCOR", "CLES", "AUC", "D2OR", "D2ORN", "SMN", "SMCC", "SMCR", "SMCRH", "SMCRP", "SMCRPH"])


@dataclass(frozen=True)
class Advice:
    """``verb`` of `vfmeta.appraisal`, what it ``needs`` beside the effects, and ``why`` as the rest of a sentence."""

    verb: str
    needs: str
    why: str


def advice(question: Question) -> Advice:
    """The test for effects of this measure.

    Harbord et al. 2006, Stat Med 25:3443-3457 (odds ratios); Peters et al. 2006, JAMA 295:676-680 (other effects of counts);
    Pustejovsky & Rodgers 2019, Res Synth Methods 10:57-71 (standardised mean differences); Sterne et al. 2011, BMJ 343:d4002.
    """
    facts = question.facts
    own = _OWN.format(a=f"a {facts.analysis_name}")
    free = Advice("egger", "", f"the standard error of a {facts.analysis_name} does not hang on the effect")
    if facts.code in _STABLE:
        return free
    if facts.kind == "events" and not facts.one_group:
        if facts.read_name in ("OR", "PETO"):
            return Advice("harbord", "counts", f"{own}; Harbord's score does not use it")
        return Advice("peters", "counts", f"{own}; Peters regresses on the number of patients instead")
    if facts.code.startswith("SMD"):
        return Advice("pustejovsky_rodgers", "sizes of both arms", f"{own}; its part that does not is taken instead")
    if facts.code in _OF_ITSELF or (facts.one_group and facts.kind in ("events", "rates")):
        return Advice("egger", "sizes", f"{own}; the number of patients is taken instead")
    if facts.kind == "rates":
        return Advice(
            "egger", "", f"no test is made for a {facts.analysis_name}, whose standard error hangs on the effect a little"
        )
    return free

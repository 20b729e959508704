"""Instruments of risk of bias: their domains in order, and what may be judged of each."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple


class Judgement(NamedTuple):
    """A judgement: its ``word``, the ``sign``, ``marker`` and ``colour`` it is drawn with, and how bad it is (``rank``)."""

    word: str
    sign: str
    marker: str
    colour: str
    rank: float


# shape and sign tell them apart without colour; colours are Okabe and Ito's
LOW = Judgement("low", "+", "o", "#56B4E9", 0)
# the best a non-randomised study can be; below 1 it is no reason to rate down
EXCEPT = Judgement("low except for concerns about uncontrolled confounding", "±", "o", "#009E73", 0.5)
SOME = Judgement("some concerns", "–", "s", "#F0E442", 1)
MODERATE = Judgement("moderate", "–", "s", "#F0E442", 1)
UNCLEAR = Judgement("unclear", "?", "D", "#F0E442", 1)
HIGH = Judgement("high", "×", "^", "#D55E00", 2)
SERIOUS = Judgement("serious", "×", "^", "#D55E00", 2)
CRITICAL = Judgement("critical", "!", "v", "#7A2F00", 3)
NO_INFORMATION = Judgement("no information", "?", "D", "#BBBBBB", 1)
NOT_JUDGED = Judgement("not judged", "", "", "#FFFFFF", -1)


class Tool(NamedTuple):
    """An instrument: ``domains`` by their full names in order, ``levels`` from best to worst.

    ``also`` are other words that papers print for a level and ``called`` other names of a domain; ``only`` names the domains
    of a level that is not given everywhere ("overall" is one of them). ``source`` is where domains and levels stand.
    """

    name: str
    domains: tuple[str, ...]
    levels: tuple[Judgement, ...]
    source: str
    also: Mapping[str, Judgement] = MappingProxyType({})
    called: Mapping[str, str] = MappingProxyType({})
    only: Mapping[str, tuple[str, ...]] = MappingProxyType({})

    def allowed(self, domain: str) -> tuple[Judgement, ...]:
        """What may be judged of a domain, or of "overall"."""
        return tuple(x for x in self.levels if domain in self.only.get(x.word, (domain,)))

    def level(self, word: str, domain: str = "") -> Judgement | None:
        """The judgement that a word stands for, of a domain or "overall" where one is named; None where it is none."""
        plain = word.lower().replace("risk of bias", "").replace("risk", "")
        plain = " ".join(plain.replace("_", " ").replace("(", " ").replace(")", " ").split())
        levels = self.allowed(domain) if domain else self.levels
        return next((x for x in levels if x.word == plain), self.also.get(plain))

    def domain(self, name: str) -> str | None:
        """The domain that a column or cell names: in full, without "bias" before it, or numbered ("D3", "3", "Domain 3")."""
        plain = _bare(name)
        number = plain.removeprefix("domain").removeprefix("d").strip()
        if number.isdigit() and 1 <= int(number) <= len(self.domains):
            return self.domains[int(number) - 1]
        return next((x for x in self.domains if _bare(x) == plain), self.called.get(plain))


def _bare(name: str) -> str:
    words = str(name).partition("(")[0]  # RevMan puts the kind of bias in brackets behind the domain
    words = " ".join(words.lower().replace(".", " ").replace("_", " ").replace("-", " ").split())
    for start in ("bias due to ", "bias arising from the ", "bias arising from ", "bias in "):
        words = words.removeprefix(start)
    return words


_V2 = ("confounding", "classification of interventions", "selection of participants", "missing data",
       "measurement of the outcome", "selection of the reported result")  # fmt: skip
TOOLS: dict[str, Tool] = {
    x.name: x
    for x in (
        Tool(
            "RoB 2",
            ("randomisation process", "deviations from intended interventions", "missing outcome data",
             "measurement of the outcome", "selection of the reported result"),
            (LOW, SOME, HIGH), "Sterne et al. 2019, BMJ 366:l4898",
        ),
        Tool(
            "ROBINS-I",
            ("confounding", "selection of participants", "classification of interventions",
             "deviations from intended interventions", "missing data", "measurement of outcomes",
             "selection of the reported result"),
            (LOW, MODERATE, SERIOUS, CRITICAL, NO_INFORMATION), "Sterne et al. 2016, BMJ 355:i4919",
        ),
        Tool(
            "ROBINS-I V2", _V2, (LOW, EXCEPT, MODERATE, SERIOUS, CRITICAL),
            "ROBINS-I V2, tool for follow-up studies, draft of 20 November 2025, riskofbias.info",
            only={LOW.word: _V2, EXCEPT.word: ("confounding", "overall")},
        ),
        Tool(
            "RoB 1",
            ("random sequence generation", "allocation concealment", "blinding of participants and personnel",
             "blinding of outcome assessment", "incomplete outcome data", "selective reporting", "other bias"),
            (LOW, UNCLEAR, HIGH), "Higgins et al. 2011, BMJ 343:d5928", called={"other sources of bias": "other bias"},
        ),
        Tool(
            "QUADAS-2",
            ("patient selection", "index test", "reference standard", "flow and timing"),
            (LOW, UNCLEAR, HIGH), "Whiting et al. 2011, Ann Intern Med 155:529-536",
        ),
        Tool(
            "PEDro",
            ("random allocation", "concealed allocation", "baseline comparability", "blind subjects", "blind therapists",
             "blind assessors", "adequate follow-up", "intention-to-treat analysis", "between-group comparisons",
             "point estimates and variability"),
            (LOW, HIGH), "Maher et al. 2003, Phys Ther 83:713-721", {"yes": LOW, "no": HIGH},
        ),
    )
}  # fmt: skip

__all__ = ["NOT_JUDGED", "TOOLS", "Judgement", "Tool"]

"""How certain a result is: five domains with their suggestions, what they add up to, and what a panel says beside it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from vfmeta.core.grading import CONCERNS, LEVELS, SIGNS, lowered
from vfmeta.core.question import Question
from vfmeta.results.codec import Recorded
from vfmeta.results.shown import Shown

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, kw_only=True)
class Domain:
    """What the numbers say of one domain.

    ``suggestion`` is 0, -1 or -2 levels, or None where it is open: nobody judged it, nobody answered, or no test is possible
    (``short`` says which). ``sentence`` argues it with numbers, thresholds and trials; ``thresholds`` are the keys of those it
    was held against.
    """

    name: str
    suggestion: int | None
    short: str
    sentence: str
    thresholds: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class PanelLine:
    """What a panel decided: the ``level`` of all ("low"), or the levels down of one ``domain`` (0, -1, -2), with its reason."""

    level: str | int
    reason: str
    date: str
    panel: str
    domain: str = ""


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Certainty(Recorded):
    """Certainty of one result, argued domain by domain from where the design ``start``s.

    ``rating`` is the final level, None while a domain is open; ``at_most`` is then the best it can be said to be, never better
    than ``cap``. ``computed`` is the level without the ``panel``. ``upward`` says of studies that were not randomised whether
    the effect is large enough to consider rating up, which is left to people.
    """

    engine: ClassVar[str] = "appraisal"
    absent: ClassVar[dict[str, str]] = {"": "it judges a result and estimates nothing; ask the fit it was made of."}
    packed: ClassVar[frozenset[str]] = frozenset({"domains", "panel"})

    question: Question
    design: str
    start: str
    cap: str
    domains: tuple[Domain, ...]
    labels: tuple[str, ...]
    panel: tuple[PanelLine, ...] = ()
    upward: str = ""
    warnings: tuple[str, ...] = ()
    call: dict[str, Any] = field(default_factory=dict)

    @property
    def k(self) -> int:
        """Trials behind the result."""
        return len(self.labels)

    @property
    def open(self) -> tuple[Domain, ...]:
        """Domains without an answer, neither from the numbers nor from the panel."""
        settled = {line.domain for line in self.panel}
        return tuple(d for d in self.domains if d.suggestion is None and d.name not in settled)

    @property
    def at_most(self) -> str:
        """The best that can be said: what the answered domains leave, and no better than `cap` while one is open."""
        return self._bound(self._answers(), bool(self.open))

    @property
    def computed(self) -> str | None:
        """The level from the numbers alone, None where they leave a domain open."""
        answers = {d.name: d.suggestion for d in self.domains}
        return self._final(answers, any(x is None for x in answers.values()))

    @property
    def rating(self) -> str | None:
        """The final level: the panel's where it gave one, else what all five domains add up to; None while one is open."""
        said = self.overruled
        return str(said.level) if said else self._final(self._answers(), bool(self.open))

    @property
    def overruled(self) -> PanelLine | None:
        """The panel's line on the level as a whole, the last one where there are several."""
        return next((line for line in reversed(self.panel) if not line.domain), None)

    @property
    def shown(self) -> str:
        """The level as a page shows it: "low", or "at most moderate: ..." with what is open."""
        if self.rating:
            return self.rating
        return f"at most {self.at_most}: {'; '.join(f'{d.name} {d.short}' for d in self.open)}"

    def _answers(self) -> dict[str, int | None]:
        told = {line.domain: int(line.level) for line in self.panel if line.domain}
        return {d.name: told.get(d.name, d.suggestion) for d in self.domains}

    def _bound(self, answers: dict[str, int | None], unfinished: bool) -> str:
        found = lowered(self.start, sum(x or 0 for x in answers.values()))
        return min(found, self.cap, key=LEVELS.index) if unfinished else found

    def _final(self, answers: dict[str, int | None], unfinished: bool) -> str | None:
        found = self._bound(answers, unfinished)
        # nothing that is still open could make the lowest level better
        return found if not unfinished or found == LEVELS[0] else None

    def sentences(self) -> list[str]:
        """Where it starts, each domain with its argument, what the panel says, and where it ends."""
        k = f"{self.k} {self.design.replace('_', '-')} trial{'' if self.k == 1 else 's'}"
        lines = [f"Start: {self.start} ({k})."]
        lines += [self.argument(d.name) for d in self.domains]
        lines += [self.upward] if self.upward else []
        if self.overruled:
            rest = self._final(self._answers(), bool(self.open)) or f"at most {self.at_most}"
            lines.append(f"Panel: {self.overruled.level} (without this line: {rest}). {_signed(self.overruled)}")
        return [*lines, f"Certainty: {self.shown}."]

    def argument(self, domain: str) -> str:
        """What is said of one domain, with what the panel says of it."""
        d = next(x for x in self.domains if x.name == domain)
        head = "" if d.suggestion is None else f"{step(d.suggestion, d.short)}. "
        line = next((x for x in self.panel if x.domain == domain), None)
        panel = "" if line is None else f" Panel: {step(int(line.level), '')}. {_signed(line)}"
        return f"{_capital(d.name)}: {head}{d.sentence}{panel}"

    def to_frame(self) -> pd.DataFrame:
        """A row a domain: domain, suggestion (levels; NaN where open), answer, panel (levels), sentence."""
        import pandas as pd

        told = {line.domain: int(line.level) for line in self.panel if line.domain}
        columns: dict[str, Any] = {
            "domain": [d.name for d in self.domains],
            "suggestion": [float("nan") if d.suggestion is None else float(d.suggestion) for d in self.domains],
            "answer": [step(d.suggestion, d.short) for d in self.domains],
            "panel": [float(told.get(d.name, "nan")) for d in self.domains],
            "sentence": [d.sentence for d in self.domains],
        }  # fmt: skip
        return pd.DataFrame(columns)

    def _pack(self) -> dict[str, Any]:
        return {
            "domains": [asdict(d) | {"thresholds": list(d.thresholds)} for d in self.domains],
            "panel": [asdict(line) for line in self.panel],
        }

    @classmethod
    def _unpack(cls, data: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
        domains = tuple(Domain(**x | {"thresholds": tuple(x["thresholds"])}) for x in data["domains"])
        return {"domains": domains, "panel": tuple(PanelLine(**x) for x in data["panel"])}

    def __str__(self) -> str:
        return "\n".join(self.sentences())

    def _display(self) -> Shown:
        told = {line.domain: f"; panel: {step(int(line.level), '')}" for line in self.panel if line.domain}
        rows = tuple(
            (_capital(d.name), step(d.suggestion, d.short) + told.get(d.name, ""), self.argument(d.name).partition(": ")[2])
            for d in self.domains
        )
        sign = f"{SIGNS[self.rating]} " if self.rating else ""
        lines = (*([self.upward] if self.upward else []), *([self.sentences()[-2]] if self.overruled else []))
        return Shown(f"Certainty: {sign}{self.shown}; start: {self.start}", ("Domain", "Suggestion", "Argument"), rows, lines)


def step(suggestion: int | None, short: str) -> str:
    """A suggestion in words: "serious (-1)", or what is open."""
    if suggestion is None:
        return short
    return f"{CONCERNS[suggestion]} ({suggestion})" if suggestion else CONCERNS[0]


def _signed(line: PanelLine) -> str:
    return f"{line.panel}, {line.date}: {line.reason.rstrip('.')}."


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


__all__ = ["Certainty", "Domain", "PanelLine", "step"]

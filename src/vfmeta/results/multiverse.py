"""Every defensible answer to one question beside each other, and which choice moves it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from vfmeta.core.params import OnScale
from vfmeta.core.question import Question
from vfmeta.results.codec import Recorded, plain
from vfmeta.results.frames import scaled
from vfmeta.text import numbers as tx

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ("k", "estimate", "se", "ci_low", "ci_high", "statistic", "df", "p_value", "tau2")
OWN, ANY = -1, -2  # a choice that another one makes, and one that was never come to
OF_PRIOR, OF_COMMON = "posterior", "Wald"
#: estimator and test that an adjustment brings with it
BROUGHT = {"PET-PEESE": ("weighted least squares", "t"), "step": ("ML", "Wald")}
Z = "z"  # what specifications in different measures are compared by


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Multiverse(Recorded):
    """Every specification of an analysis, a row each; the first is the one that all others are held against.

    ``options`` names what each choice can be, the first its reference; ``codes`` (n, choices) say which it was in each
    specification (-1: another choice made it, as a posterior has no test), ``questions`` holds a question for each measure and
    ``which`` (n,) the place of its own there. ``values`` (n, 9) are k, estimate, se, ci_low, ci_high, statistic, df, p_value
    and tau2. ``refusals`` lists what has no answer: codes (-2: whatever it is), how many specifications, and the reason.
    """

    engine: ClassVar[str] = "appraisal"
    absent: ClassVar[dict[str, str]] = {"": "it holds many answers; to_frame() has a row for each of them."}
    packed: ClassVar[frozenset[str]] = frozenset({"options", "codes", "questions", "which", "refusals"})

    question: Question
    questions: tuple[Question, ...]
    options: dict[str, tuple[str, ...]]
    codes: np.ndarray
    which: np.ndarray
    values: np.ndarray
    refusals: tuple[tuple[tuple[int, ...], int, str], ...]
    level: float
    labels: tuple[str, ...]
    warnings: tuple[str, ...] = ()
    call: dict[str, Any] = field(default_factory=dict)

    @property
    def k(self) -> int:
        return len(self.labels)

    @property
    def asked(self) -> int:
        """How many specifications there are, with those that were refused."""
        return len(self.codes) + sum(n for _, n, _ in self.refusals)

    def column(self, name: str) -> np.ndarray:
        """One of the columns of ``values``, on the analysis scale."""
        return np.asarray(self.values[:, COLUMNS.index(name)])

    @property
    def null(self) -> np.ndarray:
        """No difference of each specification on its own scale, shape (n,); NaN where nothing means that."""
        each = [math.nan if q.null_effect is None else q.null_effect for q in self.questions]
        return np.array(each)[self.which]

    def of_measure(self, measure: str) -> np.ndarray:
        """Which specifications are in a measure, and on the same points of it as the first that is, shape (n,)."""
        first = next((q for q in self.questions if q.measure == measure), None)
        alike = [first is not None and (q.measure, q.points) == (measure, first.points) for q in self.questions]
        return np.array(alike, dtype=bool)[self.which]

    @property
    def excludes(self) -> np.ndarray:
        """Whether the interval of each specification leaves out "no difference", shape (n,)."""
        return (self.column("ci_low") > self.null) | (self.column("ci_high") < self.null)

    def named(self, choice: str) -> np.ndarray:
        """What a choice was in each specification, in words, shape (n,)."""
        at = list(self.options).index(choice)
        words = np.array([*self.options[choice], ""], dtype=object)[self.codes[:, at]]
        if choice in ("method", "test"):
            adjustment = self.named("adjustment")
            alone = self.codes[:, at] == OWN
            for name, brought in BROUGHT.items():
                words[alone & (adjustment == name)] = brought[choice == "test"]
            if choice == "test":
                rest = alone & (words == "")
                words[rest] = np.where(self.named("method")[rest] == "common", OF_COMMON, OF_PRIOR)
        return words

    def to_frame(self, *, on: OnScale = "analysis") -> pd.DataFrame:
        """One row a specification: its choices, k, estimate, se, ci_low, ci_high, statistic, df, p_value, tau2, scale."""
        import pandas as pd

        frame = pd.DataFrame({c: self.named(c) for c in self.options} | dict(zip(COLUMNS, self.values.T, strict=True)))
        frame["k"] = frame["k"].astype(int)
        parts = [scaled(frame[self.which == i], q, on) for i, q in enumerate(self.questions) if (self.which == i).any()]
        return pd.concat(parts).sort_index() if parts else frame.assign(scale="")

    @property
    def refused(self) -> pd.DataFrame:
        """What has no answer: the choices ("any" where the reason holds for all), specifications, reason."""
        import pandas as pd

        names = list(self.options)
        rows = []
        for codes, n, why in self.refusals:
            words = {
                c: "any" if at == ANY else "" if at == OWN else self.options[c][at] for c, at in zip(names, codes, strict=True)
            }
            rows.append(words | {"specifications": n, "reason": why})
        return pd.DataFrame(rows, columns=[*names, "specifications", "reason"])

    def moves(self) -> pd.DataFrame:
        """What each option of each choice does to the answer, held against the first option, all other choices alike.

        Returns
        -------
        DataFrame
            A row an option: ``choice``, ``option``, ``reference``, ``pairs`` (specifications that differ in this choice alone),
            ``mean_change`` and ``largest_change`` (with its sign, by size) of the estimate, ``verdicts`` (the share of pairs in
            which one interval leaves out "no difference" and the other does not), ``share`` (of the variance of all answers,
            that of the means of the options of this choice; those of several choices need not add up to 1), ``scale``. Changes
            are those of the measure of the question, on the analysis scale; a choice of measure is told in z values.
        """
        import pandas as pd

        rows: list[dict[str, Any]] = []
        for c in (c for c, words in self.options.items() if len(words) > 1 and len(self.codes)):
            rows += self._moved(c)
        columns = (
            "choice", "option", "reference", "pairs", "mean_change", "largest_change", "verdicts", "share", "scale",
        )  # fmt: skip
        return pd.DataFrame(rows, columns=list(columns))

    def _moved(self, choice: str) -> list[dict[str, Any]]:
        at, words = list(self.options).index(choice), self.options[choice]
        apart = choice == "measure"
        q = self.questions[self.which[0]]
        used = np.ones(len(self.codes), dtype=bool) if apart else self.of_measure(q.measure)
        value, scale = (self.z, Z) if apart else (self.column("estimate"), q.facts.analysis_name)
        used &= np.isfinite(value)
        codes, value, verdict = self.codes[used], value[used], self.excludes[used]
        free = codes[:, at] >= 0
        share = _share(codes[free, at], value[free])
        # what another choice decides is held against the reference of its own
        rest = np.delete(np.where(codes == OWN, 0, codes), at, axis=1)
        _, group = np.unique(rest, axis=0, return_inverse=True)
        group = group.ravel()
        place = np.full((len(words), int(group.max(initial=-1)) + 1), -1)
        place[codes[free, at], group[free]] = np.flatnonzero(free)
        rows = []
        for i in range(1, len(words)):
            both = (place[0] >= 0) & (place[i] >= 0)
            one, other = place[0][both], place[i][both]
            change = value[other] - value[one]
            n = len(change)
            rows.append({
                "choice": choice, "option": words[i], "reference": words[0], "pairs": n,
                "mean_change": float(change.mean()) if n else math.nan,
                "largest_change": float(change[np.argmax(np.abs(change))]) if n else math.nan,
                "verdicts": float((verdict[one] != verdict[other]).mean()) if n else math.nan, "share": share, "scale": scale,
            })  # fmt: skip
        return rows

    @property
    def z(self) -> np.ndarray:
        """Evidence against "no difference" of each specification as a signed normal quantile, shape (n,).

        That of the two-sided p value; of a posterior, which has none, its mean over its standard deviation.
        """
        from scipy.special import ndtri

        away = self.column("estimate") - self.null
        with np.errstate(divide="ignore", invalid="ignore"):
            of_p = np.sign(away) * -ndtri(np.maximum(self.column("p_value"), 1e-300) / 2)
            return np.where(np.isnan(self.column("p_value")), away / self.column("se"), of_p)

    def sentence(self) -> str:
        """The span of the answers, how many leave out "no difference", and what moves them most."""
        if not len(self.codes):
            return f"None of the {self.asked} specifications has an answer."
        q = self.questions[self.which[0]]
        own = self.of_measure(q.measure)
        estimate = self.column("estimate")[own]
        width = float(np.median(self.column("ci_high")[own] - self.column("ci_low")[own])) / 2
        places = (estimate[0], *np.quantile(estimate, (0.5, 0.05, 0.95, 0, 1)))
        first, middle, low, high, least, most = (tx.value_text(q, float(x), width=width) for x in places)
        n = int(own.sum())
        gone, others = self.asked - len(self.codes), len(self.codes) - n
        out = [
            f"In {n} {'specification' if n == 1 else 'specifications'} the middle {_lower(tx.measure_text(q))} is {middle}, "
            f"nine in ten lie from {low} to {high}, all from {least} to {most}; the first one is {first}."
        ]
        if others:
            out.append(f"{others} more are in other measures.")
        if gone:
            why = self._reasons()
            few = "; ".join(f"{n}: {reason}" for reason, n in list(why.items())[:3]) + ("; and others" if len(why) > 3 else "")
            out.append(f"{gone} {'is' if gone == 1 else 'are'} refused ({few}).")
        if q.null is not None:
            away, kept = estimate - float(q.null_effect or 0.0), self.excludes[own]
            sides = f"{(away < 0).sum()} lie below and {(away > 0).sum()} above no difference"
            out.append(f"{int(kept.sum())} of the {tx.level_text(self.level)} intervals leave out no difference; {sides}.")
        return " ".join([*out, *self._most()])

    def _reasons(self) -> dict[str, int]:
        """How many specifications were refused for what, the most first."""
        reasons: dict[str, int] = {}
        for _, n, why in self.refusals:
            kind = why.partition(": ")[0]
            reasons[kind] = reasons.get(kind, 0) + n
        return dict(sorted(reasons.items(), key=lambda x: -x[1]))

    def _most(self) -> list[str]:
        """The two choices that move the answer most, each with the option that does."""
        found = self.moves()
        found = found[(found["pairs"] > 0) & (found["share"] >= 0.005)]
        q, parts = self.questions[self.which[0]], []
        for choice in found.groupby("choice")["share"].max().sort_values(ascending=False).index[:2]:
            rows = found[found["choice"] == choice]
            row = rows.loc[rows["mean_change"].abs().idxmax()]
            by = f"{row['mean_change']:+.2f} in z" if row["scale"] == Z else tx.change_text(q, float(row["mean_change"]))
            parts.append(f"{said(choice)} ({100 * row['share']:.0f}% of the variance; {row['option']}: {by} on average)")
        return [f"What moves it most: {', then '.join(parts)}."] if parts else []

    def __str__(self) -> str:
        head = f"multiverse of {self.k} studies: {len(self.codes)} specifications, {self.asked - len(self.codes)} refused"
        lines = [head, *(f"  {said(c)}: {_few(words)}" for c, words in self.options.items())]
        reasons = self._reasons()
        lines += [f"  refused {n}: {why}" for why, n in list(reasons.items())[:6]]
        if len(reasons) > 6:
            lines.append(f"  and {len(reasons) - 6} further reasons, in .refused")
        return "\n".join([*lines, self.sentence(), *self.warnings])

    def _pack(self) -> dict[str, Any]:
        return {
            "options": [[name, list(words)] for name, words in self.options.items()], "codes": self.codes.tolist(),
            "which": self.which.tolist(), "questions": [plain(q) for q in self.questions],
            "refusals": [[list(c), n, why] for c, n, why in self.refusals],
        }  # fmt: skip

    @classmethod
    def _unpack(cls, data: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
        options = {name: tuple(words) for name, words in data["options"]}
        return {
            "options": options, "codes": np.array(data["codes"], dtype=int).reshape(-1, len(options)),
            "which": np.array(data["which"], dtype=int), "questions": tuple(map(Question.from_dict, data["questions"])),
            "refusals": tuple((tuple(c), int(n), why) for c, n, why in data["refusals"]),
        }  # fmt: skip


def _share(option: np.ndarray, value: np.ndarray) -> float:
    """Share of the sum of squares that lies between the means of the options."""
    if not len(value):
        return math.nan
    n = np.bincount(option)
    with np.errstate(invalid="ignore"):
        means = np.bincount(option, value) / n
    whole = float(((value - value.mean()) ** 2).sum())
    between = float(np.nansum(n * (means - value.mean()) ** 2))
    return between / whole if whole > 0 else 0.0


def said(choice: str) -> str:
    """A choice as people read it."""
    return {"left_out": "study left out", "zero": "zero cells", "table": "trials and figures"}.get(choice, choice)


def _few(words: tuple[str, ...]) -> str:
    return ", ".join(words) if len(words) <= 6 else f"{', '.join(words[:5])} and {len(words) - 5} more"


def _lower(words: str) -> str:
    return words[:1].lower() + words[1:]

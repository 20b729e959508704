"""Networks of the review: planned, drawn, and put into words with what sets their comparisons apart."""

from __future__ import annotations

import json
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from pydantic import Field, model_validator

from vfmeta.core.messages import InputError, VfmetaWarning
from vfmeta.evidence.cache import digest_of
from vfmeta.evidence.plan import Name, Prior, Strict, read_plan
from vfmeta.evidence.strips import Mark, ends, strip
from vfmeta.text import codes
from vfmeta.text import numbers as tx

if TYPE_CHECKING:
    from vfmeta.networks.posterior import NetworkPosterior
    from vfmeta.networks.result import NetworkResult
    from vfmeta.networks.review import Gathered
    from vfmeta.trials import Trials

UNKNOWN = ("not stated", codes.BLINDING["unclear"], codes.PHASES["not_stated"], codes.DESIGNS["not_stated"])
_CODE = (
    "core", "bayes", "effects", "frequentist", "kernels", "networks", "plots", "priors", "results", "text", "trials",
    "evidence/fit.py", "evidence/networks.py", "evidence/strips.py",
)  # fmt: skip
NAMES = {"blinding": "blinding", "phase": "the age of the fractures"}


class NetworkPlan(Strict):
    """One network: its nodes, outcome and window, and whether it may be pooled at all."""

    id: Name
    title: str
    question: str
    population: str
    outcome: str
    measure: str
    week: float = Field(gt=0)
    window: tuple[float, float]
    use: tuple[str, ...] = ("pool",)
    points: tuple[float, float] | None = None
    reference: str
    treatments: dict[str, tuple[str, ...]] = Field(min_length=2)
    pooled: bool = True
    why_not: str = ""
    note: str = ""
    tau_prior: Prior | None = None

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.reference not in self.treatments:
            raise ValueError(
                f"reference {self.reference!r} is no treatment of the plan; there are {', '.join(self.treatments)}"
            )
        if self.pooled == bool(self.why_not):
            raise ValueError("why_not says why a network with pooled = false is not pooled, and stands there only")
        return self


@dataclass(frozen=True)
class Fitted:
    """A network with its plan; ``fit`` is None where no two treatments have a figure."""

    plan: NetworkPlan
    fit: NetworkResult | None
    post: NetworkPosterior | None
    apart: list[list[str]]
    silent: list[str]
    left: list[Any]


def figure_of(plan: NetworkPlan) -> str:
    """Name of the figure of the graph."""
    return f"network-{plan.id}"


def load_network_plans(folder: str | Path) -> list[NetworkPlan]:
    """The plans of networks in a folder of plans, by their id; none where it has no folder ``networks``."""
    plans, problems = [], []
    for file in sorted((Path(folder) / "networks").glob("*.toml")):
        try:
            plans.append(read_plan(file, NetworkPlan))
        except InputError as error:
            problems += [f"networks/{said}" for said in error.problems]
    if problems:
        raise InputError(problems)
    return plans


def call(trials: Trials, plan: NetworkPlan) -> tuple[Any, ...]:
    """What `vfmeta.evidence.cache.Cache.get` is asked for the answers of a network; see `answers`."""
    inputs = {"plan": plan.model_dump_json(), "gathered": _gathered(trials, plan).to_dict()}
    code = digest_of(_CODE, ("numpy", "scipy", "pandas"))
    return answers, json.dumps(inputs, sort_keys=True, ensure_ascii=False), code


def answers(inputs: str, code: str) -> dict[str, Any]:
    """What is told of a network, as plain data: ``view``, and ``fit``, None where no two treatments have a figure.

    ``code``, a digest, takes no part in the computation, only in what is remembered.
    """
    from vfmeta.networks.review import Gathered

    given = json.loads(inputs)
    found = _joined(Gathered.from_dict(given["gathered"]), NetworkPlan.model_validate_json(given["plan"]))
    return {"view": view(found), "fit": None if found.fit is None else found.fit.to_dict()}


def fitted(trials: Trials, plan: NetworkPlan) -> Fitted:
    """The network of the part that holds the reference; what that part leaves out is named."""
    return _joined(_gathered(trials, plan), plan)


def _gathered(trials: Trials, plan: NetworkPlan) -> Gathered:
    from vfmeta.networks.review import gathered

    options = {"measure": plan.measure, "week": plan.week, "window": plan.window, "use": plan.use}
    if plan.points is not None:
        options["points"] = plan.points
    with warnings.catch_warnings():  # what they say stands in the results
        warnings.simplefilter("ignore", VfmetaWarning)
        return gathered(trials, plan.treatments, plan.outcome, options)


def _joined(found: Gathered, plan: NetworkPlan) -> Fitted:
    from vfmeta.networks.posterior import posterior

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", VfmetaWarning)
        parts = found.parts()
        own = next((p for p in parts if plan.reference in p), [])
        silent = [t for t in plan.treatments if not any(t in p for p in parts)]
        if not own:
            return Fitted(plan, None, None, parts, silent, found.left)
        net = found.within(own).fit(plan.reference, "REML" if plan.pooled else "common", "HKSJ" if plan.pooled else "Wald")
        post = posterior(net, tau=_prior(plan)) if plan.pooled else None
    return Fitted(plan, net, post, [p for p in parts if p != own], silent, list(net.left_out))


def _prior(plan: NetworkPlan) -> Any:
    from vfmeta.evidence.fit import prior

    return prior(plan.tau_prior.model_dump(exclude_none=True) if plan.tau_prior else None, plan.measure)


def alt_of(net: NetworkResult) -> str:
    """The graph in words."""
    pairs = net.comparisons()
    said = "; ".join(f"{r.treatment} and {r.control} {r.trials}" for r in pairs[pairs.trials > 0].itertuples())
    return f"Network of {len(net.treatments)} treatments. Trials that compare two directly: {said}."


def view(found: Fitted) -> dict[str, Any]:
    """Everything the page shows of one network beside its plan, as plain values."""
    from vfmeta.networks.review import modifiers

    net, post = found.fit, found.post
    shown: dict[str, Any] = {
        "figure": None,
        "modifiers": [],
        "rows": [],
        "answer": [],
        "differ": [],
        "league": None,
        "splits": [],
        "statistics": [],
        "apart": [", ".join(p) for p in found.apart],
        "silent": found.silent,
        "left": [(x.label, x.reason) for x in found.left],
    }
    if net is None:
        return shown
    table = modifiers(net)
    shown |= {
        "figure": {
            "name": figure_of(found.plan),
            "title": f"{found.plan.title}: which treatments trials compare",
            "alt": alt_of(net),
        },
        "modifiers": table.to_dict("records"),
        "differ": differences(table),
        "trials": net.network.having(),
    }
    if post is None:
        return shown
    return shown | {
        "measure": tx.measure_text(net.question),
        "rows": _against_reference(net, post, bool(shown["differ"])),
        "answer": _answer(net, post),
        "league": _league(net, post),
        "splits": _splits(net),
        "statistics": _statistics(net, post),
    }


def differences(table: Any) -> list[str]:
    """In what direct comparisons differ that a reader must know of, as sentences; what nobody stated is no difference."""
    said = []
    for column, name in NAMES.items():
        kinds: dict[str, list[str]] = {}
        for r in table.to_dict("records"):
            known = [w for w in (x.rsplit(" (", 1)[0] for x in r[column].split("; ")) if w not in UNKNOWN]
            for word in known:
                kinds.setdefault(word, []).append(f"{r['treatment']} v {r['control']}")
        if len(kinds) > 1:
            parts = "; ".join(f"{word}: {', '.join(dict.fromkeys(pairs))}" for word, pairs in sorted(kinds.items()))
            said.append(f"The comparisons differ in {name} ({parts}).")
    return said


def _against_reference(net: NetworkResult, post: NetworkPosterior, differ: bool) -> list[dict[str, str]]:
    from vfmeta.networks.shares import contributions

    shares = contributions(net)
    direct = shares[shares.direct].groupby(["treatment", "control"]).share.sum()
    trials = {(r.treatment, r.control): r.trials for r in net.comparisons().itertuples()}
    own = [r for r in post.comparisons().itertuples() if r.control == net.reference]
    marks = [Mark("pool", r.estimate, (r.ci_low, r.ci_high), r.treatment, "") for r in own]
    limits = ends(marks, net.question)
    rows: list[dict[str, str]] = []
    for r, mark in zip(own, marks, strict=True):
        pair = (r.treatment, r.control)
        count, share = trials[pair], float(direct.get(pair, 0.0))
        rests = f"{share:.0f}% from trials against {net.reference}" if count else "indirect evidence only"
        if not count and differ:
            rests += ", not comparable"
        rows.append(
            {
                "treatment": r.treatment,
                "trials": str(count),
                "effect": tx.effect_text(net.question, r.estimate, (r.ci_low, r.ci_high)),
                "drawn": strip([mark], net.question, limits, ticks=len(rows) == len(own) - 1),
                "rests": rests,
                "lower": tx.probability_text(1 - r.p_above_0).removeprefix("= "),
            }
        )
    return rows


def _answer(net: NetworkResult, post: NetworkPosterior) -> list[str]:
    """Which treatments do better or worse than the reference, and of which the trials cannot tell, each by its interval."""
    sides: dict[str, list[str]] = {"lower": [], "higher": [], "": []}
    null = tx.value_text(net.question, 0.0)
    for r in post.comparisons().itertuples():
        if r.control == net.reference:
            low, high = (tx.value_text(net.question, x) for x in (r.ci_low, r.ci_high))
            side = "lower" if r.ci_high < 0 and high != null else "higher" if r.ci_low > 0 and low != null else ""
            sides[side].append(r.treatment)
    what = "the risk" if net.question.is_ratio else net.question.outcome
    said = [f"{what[:1].upper()}{what[1:]} is {side} than with {net.reference} with {_and(names)}."
            for side, names in sides.items() if side and names]  # fmt: skip
    if sides[""]:
        said.append(f"Of {_and(sides[''])} the trials cannot tell.")
    return said


def _and(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _league(net: NetworkResult, post: NetworkPosterior) -> dict[str, Any]:
    """Row against column, by the exact posterior; the order is that of the names."""
    names = list(net.treatments)
    cells = {(a, a): "" for a in names}
    for r in post.comparisons().itertuples():
        cells[r.treatment, r.control] = tx.effect_text(net.question, r.estimate, (r.ci_low, r.ci_high))
        cells[r.control, r.treatment] = tx.effect_text(net.question, -r.estimate, (-r.ci_high, -r.ci_low))
    return {"names": names, "rows": [(a, [cells[a, b] for b in names]) for a in names]}


def _splits(net: NetworkResult) -> list[dict[str, str]]:
    from vfmeta.networks.splits import split_sides

    rows = []
    for r in split_sides(net).itertuples():
        direct, indirect = (tx.value_text(net.question, x) for x in (r.direct, r.indirect))
        rows.append({"pair": f"{r.treatment} v {r.control}", "direct": direct, "indirect": indirect, "p": tx.p_text(r.p_value)})
    return rows


def _statistics(net: NetworkResult, post: NetworkPosterior) -> list[str]:
    found = net.coherence()
    low, high = post.tau.interval
    lines = [
        f"Exact Bayesian network; priors: {'; '.join(post.priors)}. tau {tx.short(post.tau.median)} "
        f"({tx.short(low)} to {tx.short(high)}) {tx.spread_of(net.question)}.".replace(" .", "."),
        f"Whether trials of one design agree: {found.within}. Whether designs agree: {found.between}.",
        f"REML with Hartung-Knapp: tau2 {tx.short(net.tau2)}.",
    ]
    return lines + list(net.warnings)

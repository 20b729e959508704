"""Two engines beside each other on many cases: exact posteriors and PyMC, frequentist pools and statsmodels."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from vfmeta.appraisal.second_engine import LIMIT, SecondPool, second_pool
from vfmeta.bayes.exact import choose_priors
from vfmeta.bayes.monte_carlo import Difference, differences, limit
from vfmeta.core.messages import InputError, VfmetaWarning
from vfmeta.core.ticking import ticking
from vfmeta.priors import MuPrior, TauPrior

if TYPE_CHECKING:
    from rich.table import Table

    from vfmeta.results.fit import FrequentistResult


@dataclass(frozen=True)
class Case:
    """A data set with its priors: ``given`` are arguments of `vf.bayes.random_effects`."""

    name: str
    given: dict[str, Any]
    tau: TauPrior | None = None
    mu: MuPrior | None = None


@dataclass(frozen=True)
class Compared:
    """What became of a case; ``refused`` says why there is nothing to compare.

    ``gate`` is what the draws failed at, in words, and ``unsaid`` the part of it that the sampled result does not carry;
    ``again`` marks a second look (`confirm`).
    """

    name: str
    k: int
    priors: tuple[str, ...]
    differences: tuple[Difference, ...] = ()
    gate: tuple[str, ...] = ()
    unsaid: tuple[str, ...] = ()
    refused: str = ""
    fault: bool = False
    again: bool = False

    @property
    def worst(self) -> Difference:
        return max(self.differences, key=lambda d: d.size)


def compare(
    cases: Sequence[Case], *, seed: int = 1, draws: int = 2000, tick: Callable[[str], None] | None = None
) -> list[Compared]:
    """Solve every case exactly and by sampling (``draws`` in each of four chains), with the same priors."""
    done = []
    for case in cases:
        if tick:
            tick(case.name)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", VfmetaWarning)
            done.append(_compare(case, seed, draws))
    return done


def confirm(cases: Sequence[Case], rows: Sequence[Compared], *, seed: int = 1) -> list[Compared]:
    """The rows, those beyond the limit sampled again with another seed and four times the draws.

    A true difference then stands out twice as far; one that the sampler made by chance is gone.
    """
    beyond = {r.name for r in verdicts(rows)[1] if r.differences}
    return [
        replace(compare([case], seed=seed + 1, draws=8000)[0], again=True) if row.name in beyond else row
        for case, row in zip(cases, rows, strict=True)
    ]


def _compare(case: Case, seed: int, draws: int) -> Compared:
    from vfmeta import bayes as bayesian
    from vfmeta.bayes.models import diagnostics as gate
    from vfmeta.bayes.versions import draws_of, sampler_stats

    given = {**case.given, "tau": case.tau, "mu": case.mu}
    try:
        exact = bayesian.random_effects(**given)
    except InputError as error:
        return Compared(case.name, 0, (str(case.tau), str(case.mu)), refused=f"no exact answer: {error}", fault=True)
    try:
        sampled = bayesian.sample(**given, seed=seed, draws=draws)
        drawn = bayesian.sample_posterior(**given, seed=seed, draws=draws)
    except InputError as error:
        tau, mu = choose_priors(exact.question, case.tau, case.mu)
        kinds = f"{type(tau).__name__} with {type(mu).__name__}"
        return Compared(case.name, exact.k, exact.priors, refused=f"{kinds} cannot be sampled: {error}", fault=True)
    mean, sd = draws_of(drawn, "mu", "tau")
    diverging, energy = sampler_stats(drawn)
    failed = gate.check({"mu": mean, "tau": sd}, energy, diverging).warnings
    said = " ".join(sampled.warnings)
    # what was tried may be worded otherwise; what failed, and by how much, may not
    unsaid = tuple(w for w in failed if w.split(";")[0] not in said)
    return Compared(case.name, exact.k, exact.priors, differences(exact, sampled), failed, unsaid)


def verdicts(rows: Sequence[Compared], false_alarm: float = 0.001) -> tuple[float, list[Compared]]:
    """The limit for as many figures as were compared, and the rows that are at fault."""
    figures = sum(len(r.differences) for r in rows)
    most = limit(max(figures, 1), false_alarm)
    return most, [r for r in rows if r.fault or r.unsaid or (r.differences and r.worst.size > most)]


def table(rows: Sequence[Compared]) -> Table:
    """The comparison as a table for the terminal."""
    from rich.table import Table

    most, wrong = verdicts(rows)
    shown = Table(title="Exact posterior and PyMC", title_justify="left")
    for name, justify in (
        ("case", "left"), ("k", "right"), ("priors", "left"), ("worst difference, in Monte Carlo errors", "left"),
        ("gate", "left"),
    ):  # fmt: skip
        shown.add_column(name, justify=justify, overflow="fold")  # type: ignore[arg-type]
    for r in rows:
        if r.refused:
            worst, passed = r.refused, ""
        else:
            second = ", second look" if r.again else ""
            worst = f"{r.worst.size:.1f} ({r.worst.figure}{second}{'' if r.worst.size <= most else ': DISAGREE'})"
            passed = "passed" if not r.gate else ("FAILED, UNSAID: " if r.unsaid else "failed, and said: ") + " ".join(r.gate)
        shown.add_row(r.name, str(r.k or ""), "; ".join(r.priors), worst, passed, style="bold red" if r in wrong else None)
    return shown


def report(cases: Sequence[Case], *, seed: int = 1) -> int:
    """Compare, print the table and what follows from it; the exit status is 1 where anything is at fault."""
    from rich.console import Console

    with ticking() as progress:
        task = progress.add_task(f"{len(cases)} cases", total=len(cases), now="")
        rows = compare(cases, seed=seed, tick=lambda now: progress.update(task, advance=1, now=now[:60]))
        progress.update(task, now="a second look at what lies beyond the limit")
        rows = confirm(cases, rows, seed=seed)
    out = Console(width=None if Console().is_terminal else 160)
    out.print(table(rows))
    most, wrong = verdicts(rows)
    figures = sum(len(r.differences) for r in rows)
    out.print(
        f"{len(rows)} cases, {figures} figures compared. Limit: {most:.2f} Monte Carlo standard errors, which the largest of "
        f"{figures} standard normals passes by chance at most once in 1,000 runs (Bonferroni); what lies beyond is sampled "
        "again with another seed and four times the draws, and the second look counts."
    )
    out.print("All agree." if not wrong else f"{len(wrong)} at fault: {', '.join(r.name for r in wrong)}.")
    return 1 if wrong else 0


def report_pools(pools: Mapping[str, FrequentistResult]) -> int:
    """Compute every pool a second time by statsmodels, print both; exit status 1 where one disagrees or has no second."""
    from rich.console import Console
    from rich.table import Table

    shown = Table(title="Frequentist pools and statsmodels", title_justify="left")
    for name in ("case", "k", "tau2, interval", "worst difference", "by statsmodels itself; taken from us; notes"):
        shown.add_column(name, justify="right" if name == "k" else "left", overflow="fold")
    wrong = []
    for name, fit in pools.items():
        asked = f"{fit.method}, {fit.test}"
        try:
            found = second_pool(fit)
        except InputError as error:
            wrong.append(name)
            shown.add_row(name, str(fit.k), asked, f"not computed: {error}", "", style="bold red")
            continue
        if not found.agrees:
            wrong.append(name)
        verdict = f"{found.worst.size:.1g} ({found.worst.figure}{'' if found.agrees else ': DISAGREE'})"
        shown.add_row(name, str(fit.k), asked, verdict, _shares(found), style=None if found.agrees else "bold red")
    out = Console(width=None if Console().is_terminal else 160)
    out.print(shown)
    out.print(
        f"{len(pools)} pools. A difference is held to {LIMIT:g} standard errors of the pool (of tau2: typical sampling "
        "variances; of Q: its degrees of freedom)."
    )
    out.print("All agree." if not wrong else f"{len(wrong)} at fault: {', '.join(wrong)}.")
    return 1 if wrong else 0


def _shares(found: SecondPool) -> str:
    return "; ".join([", ".join(found.itself), ", ".join(found.from_us), *found.notes])

"""Levels of tests of small-study effects, of adjustments for them where nothing is missing, and of p values combined."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from benchmarks.levels import Answer, Block, covers, rejects
from benchmarks.levels_models import counted, studies

import vfmeta as vf
from vfmeta import appraisal

Draw = Callable[[np.random.Generator], Any]


def _fit(drawn: Any) -> Any:
    return vf.random_effects(y=drawn[0]["y"], v=drawn[0]["v"])


def _tested(verb: str) -> Callable[[Any], Mapping[str, Answer]]:
    def answers(data: Any) -> Mapping[str, Answer]:
        counts = isinstance(data, dict)
        fit = vf.random_effects(vf.effect_size("OR", **data, missing="drop")) if counts else _fit(data)
        return {"test of asymmetry": rejects(getattr(appraisal, verb)(fit).p_value)}

    return answers


def _adjusted(verb: str, **choices: Any) -> Callable[[Any], Mapping[str, Answer]]:
    def answers(drawn: Any) -> Mapping[str, Answer]:
        return {"adjusted mean": covers(*getattr(appraisal, verb)(_fit(drawn), **choices).interval, 0.0)}

    return answers


def _copas(drawn: Any) -> Mapping[str, Answer]:
    return {"adjusted mean": covers(*appraisal.copas(_fit(drawn), at=[1, 0.8]).interval, 0.0)}


def _spread(drawn: Any) -> Mapping[str, Answer]:
    return {"test of unequal tau2": rejects(appraisal.heteroscedasticity(_fit(drawn), draws=99, seed=1).p_value)}


def _excess(drawn: Any) -> Mapping[str, Answer]:
    return {"test of excess significance": rejects(appraisal.excess_significance(_fit(drawn)).p_value)}


def effect(k: int) -> Draw:
    """A true effect of 0.4 without heterogeneity, so that some trials are significant."""

    def draw(rng: np.random.Generator) -> Any:
        v = rng.uniform(0.01, 0.1, k)
        return {"y": rng.normal(0.4, np.sqrt(v)), "v": v}, None, 0.0

    return draw


def significant(k: int, power: float) -> Draw:
    """``k`` studies with p below 0.05 of two-sided tests with this power."""
    from scipy.optimize import brentq
    from scipy.special import ndtr, ndtri

    at = float(ndtri(0.975))
    shift = 0.0 if power == 0.05 else brentq(lambda d: ndtr(d - at) + ndtr(-d - at) - power, 0.0, 10.0, xtol=1e-12)

    def draw(rng: np.random.Generator) -> Any:
        z = rng.normal(shift, 1, int(100 + 2 * k / power))
        z, v = z[np.abs(z) > at][:k], rng.uniform(0.01, 0.1, k)
        return z * np.sqrt(v[: len(z)]), v[: len(z)], power

    return draw


def _curve(drawn: Any) -> Mapping[str, Answer]:
    """Tests of the p-curve where what they test is true: no effect, or a power of a third."""
    y, v, power = drawn
    found = appraisal.p_curve(y=y, v=v)
    true = "right-skew" if power == 0.05 else "flatter"
    out = {name: rejects(p) for name, p in zip(found.terms, found.p_value, strict=True) if name.startswith(true)}
    return out if power == 0.05 else out | {"power": covers(*appraisal.p_curve(y=y, v=v, level=0.95).power_interval, power)}


def uniform(k: int) -> Draw:
    return lambda rng: rng.uniform(size=k)


def _combined(p: Any) -> Mapping[str, Answer]:
    found = appraisal.combine_p_values(p=p)
    return {str(name): rejects(x) for name, x in zip(found.terms, found.p_value, strict=True)}


def coins(k: int) -> Draw:
    return lambda rng: rng.choice([-1, 1], k)


def _directions(d: Any) -> Mapping[str, Answer]:
    found = appraisal.direction_of_effect(direction=d)
    return {"sign test": rejects(found.p_value[0]), "share of favourable trials": covers(*found.interval[0], 0.5)}


_SETS = {f"{k} trials, variances spread, I2 {i2}%": studies(k, i2) for k in (10, 20) for i2 in (0, 50)}
_COUNTS = {
    f"{k} trials, risk {100 * p:g}%, tau2 {t:g}": counted(k, p, t)
    for k, p, t in ((10, 0.2, 0.0), (20, 0.2, 0.0), (20, 0.2, 0.15))
}
BLOCKS = [
    *(Block(verb, _SETS, _tested(verb)) for verb in ("begg", "thompson")),
    *(
        Block(verb, _COUNTS, _tested(verb))
        for verb in ("macaskill", "peters", "harbord", "deeks", "pustejovsky_rodgers")
    ),
    *(Block(verb, _SETS, _adjusted(verb)) for verb in ("pet", "peese", "henmi_copas", "limit_meta_analysis")),
    *(Block(verb, _SETS, _adjusted(verb, favoured="higher")) for verb in ("pet_peese", "worst_case")),
    Block("p_uniform_star", _SETS, _adjusted("p_uniform_star", favoured="higher"), draws=150),
    Block("copas", {n: d for n, d in _SETS.items() if n.startswith("20")}, _copas, draws=100),
    Block("p_curve", {f"{k} significant studies, power {p}": significant(k, x) for k in (5, 20)
                      for p, x in (("5%", 0.05), ("a third", 1 / 3))}, _curve),
    Block("heteroscedasticity", _SETS, _spread, draws=1000),
    Block("excess_significance", {f"{k} trials, effect 0.4": effect(k) for k in (10, 20)}, _excess),
    Block("combine_p_values", {f"{k} trials": uniform(k) for k in (5, 20)}, _combined),
    Block("direction_of_effect", {f"{k} trials": coins(k) for k in (5, 20)}, _directions),
]  # fmt: skip

"""What people and programs hand over where a number, a column, a word or an option is asked for."""

from __future__ import annotations

import datetime as dt
import decimal
import fractions
from random import Random
from typing import Any

import numpy as np
import pandas as pd

import vfmeta as vf

HUGE = (1e10, 1e50, 1e100, 1e150, 1e154, 1e200, 1e300, 1.7e308)
TINY = (1e-8, 1e-50, 1e-100, 1e-154, 1e-200, 1e-300, 5e-324)
WORDS = (
    "",
    " ",
    "a",
    "REML",
    "reml",
    "nan",
    "inf",
    "1",
    "-1",
    " 5",
    "1,5",
    "<0.001",
    "٣",
    "一二 2015",
    "a" * 500,
    "=1+1",
    "x\ny",
    "\x00",
    "~ x",
    "🙂",
)
ODD = (None, True, False, float("nan"), float("inf"), -float("inf"), -1, 0, -0.0, 1e400, 10**400, 1j, b"x", (), [], {}, set())
LEVELS = (
    0.5,
    0.8,
    0.9,
    0.99,
    0.999999,
    1e-12,
    1 - 1e-16,
    0,
    1,
    -1,
    95,
    1e300,
    float("nan"),
    float("inf"),
    "0.95",
    True,
    None,
    [0.9],
    1e-300,
)


def number(r: Random, *, spread: str | None = None) -> float:
    kind = spread or r.choice(("plain", "plain", "plain", "huge", "tiny", "any"))
    sign = r.choice((1, 1, -1))
    if kind == "plain":
        return sign * r.choice((0.1, 0.5, 1.0, 2.0, 3.7, 12.0, 100.0)) * r.random()
    if kind == "huge":
        return sign * r.choice(HUGE) * (0.5 + r.random())
    if kind == "tiny":
        return sign * r.choice(TINY)
    return r.choice((0.0, -0.0, 1.0, float("nan"), float("inf"), -float("inf"), sign * 10.0 ** r.randint(-320, 308)))


def odd(r: Random) -> Any:
    """One thing that is no number of the usual kind."""
    return r.choice(
        (
            *ODD,
            *WORDS,
            pd.NA,
            pd.NaT,
            np.float32("nan"),
            np.int8(-128),
            np.uint64(2**63),
            np.bool_(True),
            np.str_("1"),
            decimal.Decimal("0.1"),
            decimal.Decimal("NaN"),
            fractions.Fraction(1, 3),
            dt.date(2020, 1, 2),
            dt.datetime(2020, 1, 2),
            pd.Timestamp("2020-01-02"),
            pd.Timedelta("3D"),
            np.datetime64("2020-01-02"),
            object(),
            len,
            range(3),
            [[1]],
            "2020-01-02",
            np.array(3.0),
            np.array([]),
            pd.Series([], dtype=float),
            pd.DataFrame(),
            2**70,
        )
    )


def positive(r: Random, n: int, spread: str | None = None) -> list[float]:
    return [abs(number(r, spread=spread)) or 0.1 for _ in range(n)]


def column(r: Random, n: int, *, above: bool = False, whole: bool = False) -> Any:
    """A column of numbers with something the matter with it: its values, their type, or what holds them."""
    spread = r.choice((*["plain"] * 8, "huge", "tiny", "any", None))
    values: list[Any] = positive(r, n, spread) if above else [number(r, spread=spread) for _ in range(n)]
    if whole:
        values = [float(round(abs(x))) if np.isfinite(x) else x for x in values]
    change = r.random()
    if change < 0.15 and n:
        for i in r.sample(range(n), r.randint(1, min(n, 2))):
            values[i] = odd(r) if r.random() < 0.7 else number(r, spread="any")
    elif change < 0.2:
        values = [values[0]] * n if n else []
    elif change < 0.23:
        values = values[: r.randint(0, n)] if r.random() < 0.5 else values + values[:2]
    return held(r, values) if r.random() < 0.4 else values


def held(r: Random, values: list[Any]) -> Any:
    """The same values in another container."""
    n = len(values)
    kind = r.randrange(24)
    try:
        match kind:
            case 0:
                return tuple(values)
            case 1:
                return np.array(values, dtype=object)
            case 2:
                return np.array(values)
            case 3:
                return np.array(
                    values,
                    dtype=r.choice((np.float32, np.float16, np.int64, np.int8, np.uint8, bool, complex, np.longdouble, str)),
                )
            case 4:
                return pd.Series(values)
            case 5:
                return pd.Series(values, index=r.choice((range(5, 5 + n), list("zyxwvutsrqponmlkjihgfedcba" * 3)[:n], [0] * n)))
            case 6:
                return pd.Series(
                    values, dtype=r.choice(("Float64", "Int64", "boolean", "string", "category", "datetime64[ns]"))
                )
            case 7:
                return np.array(values).reshape(1, -1) if r.random() < 0.5 else np.array(values).reshape(-1, 1)
            case 8:
                return values[0] if values else None
            case 9:
                return r.choice(
                    (iter(values), (x for x in values), dict(enumerate(values)), pd.DataFrame({"a": values}), pd.Index(values))
                )
            case 10:
                return odd(r)
            case 11:
                return [[x] for x in values]
            case 12:
                return [str(x) for x in values]
    except Exception:  # what cannot be held so is a list
        return values
    return values


def names(r: Random, n: int) -> Any:
    pool = [f"Study {i}" for i in range(n)]
    change = r.random()
    if change < 0.3 and n:
        pool[r.randrange(n)] = r.choice(
            (*WORDS, None, 5, float("nan"), pd.NA, dt.date(2020, 1, 1), ("a",), pool[0], pool[0] + " ")
        )
    elif change < 0.4:
        pool = ["same"] * n
    elif change < 0.5:
        pool = [r.choice(WORDS) for _ in range(n)]
    return held(r, pool) if r.random() < 0.5 else pool


def groups(r: Random, n: int) -> Any:
    pool: list[Any] = [r.choice("abc") for _ in range(n)]
    change = r.random()
    if change < 0.2:
        pool = ["a"] * n
    elif change < 0.3:
        pool = list(range(n))
    elif change < 0.5 and n:
        pool[r.randrange(n)] = r.choice((*WORDS, None, float("nan"), 1, True, pd.NA, "a "))
    return held(r, pool) if r.random() < 0.4 else pool


def option(r: Random, annotation: str) -> Any:
    """A word for an option: one there is, one near it, or something else."""
    from typing import get_args

    from vfmeta.core import params

    known = get_args(getattr(params, annotation.split(" ")[0], None))
    if known and r.random() < 0.75:
        word = r.choice(known)
        return r.choice((word, word, word, word.lower(), word[:-1])) if isinstance(word, str) else word
    return odd(r)


def prior(r: Random, of: str) -> Any:
    """A prior, often with a scale that nobody means; refusals of its own making are part of what is tried."""
    p = vf.priors
    a, b = (abs(number(r)) if r.random() < 0.9 else odd(r) for _ in range(2))
    if r.random() < 0.07:
        return odd(r)
    if of == "mu":
        return r.choice(
            (
                lambda: p.Normal(number(r), a),
                lambda: p.Flat(),
                lambda: p.StudentT(a, number(r), b),
                lambda: p.Mixture((0.5, 0.5), (0, number(r)), (a, b)),
                lambda: p.mu_within(a),
                lambda: p.HalfNormal(a),
            )
        )()
    return r.choice(
        (
            lambda: p.HalfNormal(a),
            lambda: p.HalfCauchy(a),
            lambda: p.HalfT(a, b),
            lambda: p.Exponential(a),
            lambda: p.InverseGamma(a, b),
            lambda: p.LogNormal(number(r), a),
            lambda: p.LogT(number(r), a, b),
            lambda: p.Uniform(a),
            lambda: p.Uniform(),
            lambda: p.Jeffreys(),
            lambda: p.DuMouchel(),
            lambda: p.Shrinkage(),
            lambda: p.Conventional(),
            lambda: p.Uniform(a, on="tau2"),
            lambda: p.tau_below(a),
            lambda: p.trials_within(a),
            lambda: p.turner2015(),
            lambda: p.rhodes2015(),
            lambda: p.Normal(0, a),
        )
    )()


def question(r: Random) -> Any:
    if r.random() < 0.1:
        return odd(r)
    keys: dict[str, Any] = {
        "measure": r.choice(("RR", "OR", "HR", "MD", "SMD", "GEN", "RD", "PLO", "ZCOR", "IRS", "PFT", "nonsense"))
    }
    if r.random() < 0.3:
        keys["no_difference"] = r.choice((0, 1, 0.2, number(r), odd(r)))
    if r.random() < 0.3:
        keys["mid"] = r.choice((0.8, 1.0, number(r), odd(r)))
    if r.random() < 0.3:
        keys["higher_is_worse"] = r.choice((True, False, None, "yes"))
    if r.random() < 0.2:
        keys["points"] = r.choice(((0, 10), (10, 0), (0, 0), (number(r), number(r)), odd(r)))
    if r.random() < 0.2:
        keys["outcome"] = r.choice(WORDS)
    return vf.Question(**keys)

"""Priors as a plan states them, by family and parameters; what a family takes is read off the family itself."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable
from typing import Any

from vfmeta import priors
from vfmeta.core.messages import InputError

_NOT_ASKED = {"family", "measure"}  # the key of the plan itself, and what the analysis already says
_IN_WORDS = ("mu_within", "rhodes2015", "tau_below", "trials_within", "turner2015")


def make(stated: dict[str, Any], measure: str) -> priors.TauPrior | priors.MuPrior:
    """The prior that a plan states.

    Parameters
    ----------
    stated : dict
        ``family``: a class of `vfmeta.priors`, one of the published priors (``"turner2015"``, ``"rhodes2015"``) or a way to
        state one in words (``"trials_within"``, ``"tau_below"``, ``"mu_within"``); beside it the parameters of the family.
        Families with a form on tau2 take ``on = "tau2"``.
    measure : str
        Effect measure of the analysis.

    Raises
    ------
    InputError
        An unknown family, a parameter that is missing, unknown or of the wrong kind, or a published prior of another measure.
    """
    family, given = stated["family"], {k: v for k, v in stated.items() if k != "family"}
    check(stated)
    maker = _families()[family]
    if given.get("on") == "tau2" and hasattr(maker, "of_tau2"):
        made = maker.of_tau2(**{k: v for k, v in given.items() if k != "on"})
    elif hasattr(maker, "of_tau2"):
        made = maker(**{k: v for k, v in given.items() if k != "on"})
    else:
        made = maker(**given, **({"measure": measure} if _published(maker) else {}))
    if isinstance(made, priors.TauPrior) and made.measure not in ("", measure):
        raise InputError(f"{made} was estimated for measure {made.measure}, and this analysis is of {measure}.")
    return made


def check(stated: dict[str, Any]) -> None:
    """Raise `InputError` unless the family is known and takes what is stated, in kind; see `make`."""
    family = stated.get("family")
    if family not in _families():
        raise InputError(f"family {family!r} is no prior; use one of {', '.join(_families())}.")
    takes = _parameters(family)
    given = {k: v for k, v in stated.items() if k != "family"}
    needed = [name for name, p in takes.items() if p.default is p.empty]
    if not set(needed) <= set(given) <= set(takes):
        may = [name for name in takes if name not in needed]
        raise InputError(
            f"{family} takes {' and '.join(needed) or 'no parameter'}{'; it may take ' if may else ''}{', '.join(may)}."
        )
    for name, value in given.items():
        if wrong := _wrong(str(takes[name].annotation), value):
            raise InputError(f"{family}: {name}={value!r} must be {wrong}.")
    if given.get("on", "tau") not in ("tau", "tau2"):
        raise InputError(f'{family}: on={given["on"]!r} is unknown; use "tau" or "tau2".')


def is_of_mu(family: str) -> bool:
    """Whether a family is a prior of mu; otherwise it is one of tau."""
    maker = _families()[family]
    made = maker if isinstance(maker, type) else typing.get_type_hints(maker)["return"]
    return all(issubclass(kind, priors.MuPrior) for kind in typing.get_args(made) or (made,))


def _families() -> dict[str, Callable[..., Any]]:
    """Every family by name: classes that can be made, and functions that make one."""
    return {**priors.families(), **{name: getattr(priors, name) for name in _IN_WORDS}}


def _published(maker: Callable[..., Any]) -> bool:
    return not isinstance(maker, type) and "measure" in inspect.signature(maker).parameters


def _parameters(family: str) -> dict[str, inspect.Parameter]:
    maker = _families()[family]
    takes = {
        name: p
        for name, p in inspect.signature(maker).parameters.items()
        if p.kind is not p.VAR_KEYWORD and not name.startswith("_") and name not in _NOT_ASKED
    }
    if hasattr(maker, "of_tau2"):
        takes.setdefault("on", inspect.Parameter("on", inspect.Parameter.KEYWORD_ONLY, default="tau", annotation="str"))
    return takes


def _wrong(kind: str, value: Any) -> str:
    """What a value should have been; empty where it is."""
    if kind.startswith("tuple"):
        numbers = isinstance(value, (list, tuple)) and all(_is_number(x) for x in value)
        return "" if numbers else "a list of numbers"
    if kind.startswith("str"):
        return "" if isinstance(value, str) else "text"
    return "" if _is_number(value) else "a number"


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)

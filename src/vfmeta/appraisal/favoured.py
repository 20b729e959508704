"""Which side selective reporting favours: the one asked for, else the better side of the question, else where the pool lies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from vfmeta.core.messages import InputError
from vfmeta.core.params import Favoured, choice
from vfmeta.core.question import Question
from vfmeta.kernels.estimators import fit_ragged


@dataclass(frozen=True)
class Side:
    """``sign`` is 1 where higher effects are favoured and -1 where lower ones are, on the analysis scale.

    ``note`` is a sentence for the reader where nobody said which, and empty otherwise.
    """

    sign: int
    note: str = ""

    @property
    def name(self) -> Favoured:
        return "higher" if self.sign > 0 else "lower"


def no_difference(verb: str, question: Question) -> float:
    """The effect that means no difference, for what is judged against it: significance, or a mean explained away.

    Raises
    ------
    InputError
        The measure has no such value, and the question names none.
    """
    null = question.null_effect
    if null is None:
        words = question.facts.words
        raise InputError(
            f"{verb} holds effects against no difference, and the question names no such value of a {words[:1].lower()}"
            f"{words[1:]}; give it one as Question(no_difference=...)."
        )
    return null


def favoured_side(favoured: Any, question: Question, y: np.ndarray, v: np.ndarray) -> Side:
    """The side that every verb with a favoured direction takes.

    Parameters
    ----------
    favoured : {"higher", "lower"} or None
        What was asked for.
    question : Question
        Its better side (``higher_is_worse``) decides where nothing was asked for.
    y, v : ndarray of shape (k,)
        The sign of their REML pool, against "no difference", decides where the question does not know, with a note: on some
        data the common-effect pool lies on the other side.

    Raises
    ------
    InputError
        Nothing decides: the pool is exactly "no difference".
    """
    if favoured is not None:
        return Side(1 if choice("favoured", favoured, Favoured) == "higher" else -1)
    if question.higher_is_worse is not None and not question.facts.one_group:
        return Side(-1 if question.higher_is_worse else 1)
    null = no_difference("A favoured side", question)
    k = len(y)
    pool = float(fit_ragged(y, v, None, np.array([0, k]), "REML")[0, 2]) - null if k > 1 else float(y[0]) - null
    if pool == 0:
        raise InputError('The REML pool is exactly "no difference", so no side is favoured; say favoured="higher" or "lower".')
    side = Side(1 if pool > 0 else -1)
    why = (
        f"Nothing says which side is the better one, so {side.name} effects are taken as favoured, where the REML pool lies; "
        "favoured= or higher_is_worse of the question decides otherwise."
    )
    return Side(side.sign, why)

"""One rule for the favoured side: asked for, the better side of the question, the sign of the REML pool."""

from __future__ import annotations

import numpy as np
import pytest

import vfmeta as vf
from vfmeta.appraisal.favoured import favoured_side

# the common effect is negative and the REML pool positive: the precise study alone says no
Y, V = np.array([-0.1, 0.6, 0.5, 0.7]), np.array([0.0005, 0.04, 0.05, 0.03])


def test_what_is_asked_for_comes_first() -> None:
    worse = vf.Question(measure="MD", higher_is_worse=True)
    assert favoured_side("higher", worse, Y, V).sign == 1
    assert favoured_side("less", worse, Y, V).sign == -1
    with pytest.raises(vf.InputError, match="favoured='up'"):
        favoured_side("up", worse, Y, V)


def test_the_better_side_of_the_question_comes_second() -> None:
    assert favoured_side(None, vf.Question(higher_is_worse=True), Y, V).name == "lower"
    assert favoured_side(None, vf.Question(higher_is_worse=False), -Y, V).name == "higher"
    assert favoured_side(None, vf.Question(higher_is_worse=True), Y, V).note == ""


@pytest.mark.filterwarnings("ignore::vfmeta.VfmetaWarning")
def test_the_sign_of_the_reml_pool_comes_last_and_says_so() -> None:
    assert vf.common_effect(y=Y, v=V).estimate < 0 < vf.random_effects(y=Y, v=V).estimate
    side = favoured_side(None, vf.Question(), Y, V)
    assert side.sign == 1
    assert "REML pool" in side.note
    assert favoured_side(None, vf.Question(), -Y, V).sign == -1


def test_no_side_is_made_up() -> None:
    with pytest.raises(vf.InputError, match="favoured="):
        favoured_side(None, vf.Question(), np.array([-1.0, 1.0]), np.array([0.1, 0.1]))

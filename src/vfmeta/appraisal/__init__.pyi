from .count_tests import deeks as deeks
from .count_tests import harbord as harbord
from .count_tests import macaskill as macaskill
from .count_tests import peters as peters
from .influence import cumulative as cumulative
from .influence import leave_one_out as leave_one_out
from .no_effects import combine_p_values as combine_p_values
from .no_effects import direction_of_effect as direction_of_effect
from .no_effects import effect_range as effect_range
from .pustejovsky_rodgers_test import pustejovsky_rodgers as pustejovsky_rodgers
from .rank_test import begg as begg
from .regressions import egger as egger
from .regressions import thompson as thompson
from .small_study import small_study_test as small_study_test

__all__ = [
    "begg",
    "combine_p_values",
    "cumulative",
    "deeks",
    "direction_of_effect",
    "effect_range",
    "egger",
    "harbord",
    "leave_one_out",
    "macaskill",
    "peters",
    "pustejovsky_rodgers",
    "small_study_test",
    "thompson",
]

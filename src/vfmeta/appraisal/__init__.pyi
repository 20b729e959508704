from .influence import cumulative as cumulative
from .influence import leave_one_out as leave_one_out
from .no_effects import combine_p_values as combine_p_values
from .no_effects import direction_of_effect as direction_of_effect
from .no_effects import effect_range as effect_range

__all__ = ["combine_p_values", "cumulative", "direction_of_effect", "effect_range", "leave_one_out"]

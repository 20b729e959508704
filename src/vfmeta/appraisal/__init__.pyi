from .averaging import robust_average as robust_average
from .copas_path import copas as copas
from .count_tests import deeks as deeks
from .count_tests import harbord as harbord
from .count_tests import macaskill as macaskill
from .count_tests import peters as peters
from .doi_index import lfk_index as lfk_index
from .file_drawer import fail_safe as fail_safe
from .findings import summary_of_findings as summary_of_findings
from .further_trial import next_trial as next_trial
from .graded import certainty as certainty
from .henmi_copas_interval import henmi_copas as henmi_copas
from .influence import cumulative as cumulative
from .influence import leave_one_out as leave_one_out
from .limit import limit_meta_analysis as limit_meta_analysis
from .many import egger_many as egger_many
from .many import trim_and_fill_many as trim_and_fill_many
from .network_certainty import network_certainty as network_certainty
from .no_effects import combine_p_values as combine_p_values
from .no_effects import direction_of_effect as direction_of_effect
from .no_effects import effect_range as effect_range
from .p_uniform import p_uniform_star as p_uniform_star
from .p_values_curve import p_curve as p_curve
from .precision_effect import peese as peese
from .precision_effect import pet as pet
from .precision_effect import pet_peese as pet_peese
from .publication import worst_case as worst_case
from .pustejovsky_rodgers_test import pustejovsky_rodgers as pustejovsky_rodgers
from .rank_test import begg as begg
from .regressions import egger as egger
from .regressions import thompson as thompson
from .risk_of_bias import risk_of_bias as risk_of_bias
from .selection import selection_model as selection_model
from .selection_many import selection_model_many as selection_model_many
from .sequential_looks import sequential as sequential
from .shares import setting_shares as setting_shares
from .significance import excess_significance as excess_significance
from .small_study import small_study_test as small_study_test
from .trimming import trim_and_fill as trim_and_fill
from .unequal import heteroscedasticity as heteroscedasticity

__all__ = [
    "begg",
    "certainty",
    "combine_p_values",
    "copas",
    "cumulative",
    "deeks",
    "direction_of_effect",
    "effect_range",
    "egger",
    "egger_many",
    "excess_significance",
    "fail_safe",
    "harbord",
    "henmi_copas",
    "heteroscedasticity",
    "leave_one_out",
    "lfk_index",
    "limit_meta_analysis",
    "macaskill",
    "next_trial",
    "p_curve",
    "p_uniform_star",
    "peese",
    "pet",
    "pet_peese",
    "peters",
    "pustejovsky_rodgers",
    "risk_of_bias",
    "robust_average",
    "selection_model",
    "selection_model_many",
    "sequential",
    "setting_shares",
    "small_study_test",
    "summary_of_findings",
    "thompson",
    "trim_and_fill",
    "trim_and_fill_many",
    "worst_case",
]

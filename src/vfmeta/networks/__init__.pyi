from .arm_models import arm_model as arm_model
from .centred import comparison_adjusted as comparison_adjusted
from .class_effects import ClassEffects as ClassEffects
from .class_effects import classes as classes
from .composed import ComponentResult as ComponentResult
from .composed import components as components
from .count_models import counts as counts
from .counts_result import NetworkCounts as NetworkCounts
from .covariates import NetworkRegression as NetworkRegression
from .covariates import regression as regression
from .fit import network as network
from .incoherence import detached_designs as detached_designs
from .incoherence import loops as loops
from .mantel_haenszel import mantel_haenszel as mantel_haenszel
from .model_fit import compare_models as compare_models
from .node_splits import split_nodes as split_nodes
from .ordering import partial_order as partial_order
from .ordering import scores as scores
from .posterior import NetworkPosterior as NetworkPosterior
from .posterior import posterior as posterior
from .result import NetworkResult as NetworkResult
from .review import modifiers as modifiers
from .sampled import NetworkModel as NetworkModel
from .sampled import SampledNetwork as SampledNetwork
from .shares import contributions as contributions
from .splits import split_sides as split_sides
from .tables import NetworkTable as NetworkTable
from .tables import table as table

__all__ = [
    "ClassEffects", "ComponentResult", "NetworkCounts", "NetworkModel", "NetworkPosterior", "NetworkRegression",
    "NetworkResult", "NetworkTable", "SampledNetwork", "arm_model", "classes", "compare_models", "comparison_adjusted",
    "components", "contributions", "counts", "detached_designs", "loops", "mantel_haenszel", "modifiers", "network",
    "partial_order", "posterior", "regression", "scores", "split_nodes", "split_sides", "table",
]  # fmt: skip

from .centred import comparison_adjusted as comparison_adjusted
from .fit import network as network
from .mantel_haenszel import mantel_haenszel as mantel_haenszel
from .posterior import NetworkPosterior as NetworkPosterior
from .posterior import posterior as posterior
from .result import NetworkResult as NetworkResult
from .splits import split_sides as split_sides

__all__ = ["NetworkPosterior", "NetworkResult", "comparison_adjusted", "mantel_haenszel", "network", "posterior", "split_sides"]

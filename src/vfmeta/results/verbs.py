"""Methods of results that reach up to what draws and refits: one declared table, loaded when called."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from vfmeta.core.messages import NotDefined, kind_of


@dataclass(frozen=True)
class Verb:
    """``package:function`` and the name of the argument that takes the result."""

    home: str
    takes: str = "fit"
    keyword: bool = False

    def load(self) -> Callable[..., Any]:
        """The function itself."""
        package, name = self.home.split(":")
        return getattr(importlib.import_module(package), name)


_FUNNEL = Verb("vfmeta.plots:funnel")
_FOREST, _POSTERIOR = Verb("vfmeta.plots:forest"), Verb("vfmeta.plots:forest", "posterior", keyword=True)
# method -> class (or a class above it) -> function
VERBS: dict[str, dict[str, Verb]] = {
    "plot": {
        "Adjusted": _FUNNEL,
        "AsymmetryTest": _FUNNEL,
        "ExcessSignificance": _FUNNEL,
        "FailSafe": _FUNNEL,
        "FrequentistResult": _FOREST,
        "BayesianResult": Verb("vfmeta.plots:posterior", "post"),
        "CombinedPValues": Verb("vfmeta.plots:albatross", "found"),
        "Directions": Verb("vfmeta.plots:effect_direction", "found"),
        "Heteroscedasticity": _FUNNEL,
        "CopasPath": Verb("vfmeta.plots:copas", "found"),
        "LfkIndex": Verb("vfmeta.plots:doi", "found"),
        "NodeSplits": Verb("vfmeta.plots:node_splits", "found"),
        "PCurve": Verb("vfmeta.plots:p_curve", "found"),
        "ModelComparison": Verb("vfmeta.plots:dev_dev", "found"),
        "Multiverse": Verb("vfmeta.plots:specification_curve", "found"),
        "Coefficients": _FOREST,
        "Treatments": Verb("vfmeta.plots:network_graph"),
        "RankTest": _FUNNEL,
        "SampledNetwork": Verb("vfmeta.plots:treatment_effects", "found"),
        "SubgroupResult": _FOREST,
        "RobustAverage": Verb("vfmeta.plots:averaged_effect", "found"),
        "SettingShares": Verb("vfmeta.plots:settings", "found"),
        "TrimAndFill": _FUNNEL,
        "RegressionPosterior": _FOREST,
        "RegressionResult": Verb("vfmeta.plots:bubble"),
        "RiskOfBias": Verb("vfmeta.plots:risk_of_bias", "found"),
        "SelectionRegression": Verb("vfmeta.plots:selection_function"),
        "SelectionLocationScale": Verb("vfmeta.plots:selection_function"),
        "SelectionResult": Verb("vfmeta.plots:selection_function"),
    },
    "forest": {
        "FrequentistResult": _FOREST,
        "BayesianResult": _POSTERIOR,
        "Coefficients": _FOREST,
        "SubgroupResult": _FOREST,
    },
    # whatever is shown as a table is written as one
    "to_html": {"Displayed": Verb("vfmeta.exchange.tables:to_html", "shown")},
    "to_csv": {"Displayed": Verb("vfmeta.exchange.tables:to_csv", "shown")},
    "to_latex": {"Displayed": Verb("vfmeta.exchange.tables:to_latex", "shown")},
    "to_docx": {"Displayed": Verb("vfmeta.exchange.tables:to_docx", "shown")},
    "to_r": dict.fromkeys(("FrequentistResult", "RegressionResult", "SubgroupResult"), Verb("vfmeta.exchange.r:to_r")),
    # any answer: the function says which are not fitted again, and why
    "leave_one_out": {"Recorded": Verb("vfmeta.appraisal.influence:leave_one_out")},
}
_WHAT = {"plot": "figure", "forest": "forest plot", "to_r": "R code"}


# what figures of a fit look up, each the verb of that name
LOOKS: dict[str, Verb] = {
    name: Verb(f"vfmeta.{home}:{name}", takes)
    for name, home, takes in (
        ("baujat", "frequentist.after.influence", "fit"),
        ("comparison_adjusted", "networks.centred", "fit"),
        ("cumulative", "appraisal.influence", "fit"),
        ("excess_significance", "appraisal.significance", "data"),
        ("influence", "frequentist.after.influence", "fit"),
        ("leave_one_out", "appraisal.influence", "fit"),
        ("sequential", "appraisal", "fit"),
        ("partial_order", "networks.ordering", "fit"),
        ("normal_quantiles", "frequentist.after.normal_quantiles", "fit"),
        ("subset_clusters", "frequentist.after.subset_clusters", "fit"),
    )
}


def look(fit: Any, name: str, **choices: Any) -> Any:
    """What one of the verbs says of a fit, for the figure that shows it."""
    return LOOKS[name].load()(fit, **choices)


def call(result: Any, method: str, *args: Any, **choices: Any) -> Any:
    """Call the function that stands behind a method of a result.

    Raises
    ------
    NotDefined
        There is none for this kind of result.
    """
    for kind in type(result).__mro__:
        verb = VERBS[method].get(kind.__name__)
        if verb is not None:
            function = verb.load()
            # the argument that takes the result comes first, but for the forest of a posterior alone
            return function(*args, **{verb.takes: result}, **choices) if verb.keyword else function(result, *args, **choices)
    raise NotDefined(f"There is no {_WHAT[method]} of {kind_of(result)}; there is of {', '.join(VERBS[method])}.")

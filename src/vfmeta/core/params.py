"""Options, declared once: what each may be is a type, and the type is what is checked and what a docstring lists.

An option is a ``Literal`` of its canonical spellings. `choice` gives a user's word back in the canonical spelling, forgives
what can mean one thing only (``"reml"``, ``"knha"``, ``"DerSimonian-Laird"``), and otherwise says what there is.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, Literal

import numpy as np

from vfmeta.core.messages import InputError, did_you_mean

#: estimators of the between-study variance
Method = Literal[
    "REML", "DL", "PM", "ML", "EB", "HE", "HS", "HSk", "SJ", "DL2", "DLIT", "SJIT", "PMM", "GENQ", "GENQM", "DL-MH"
]
#: the same, or one effect without a between-study variance
MethodOrCommon = Literal[
    "REML",
    "DL",
    "PM",
    "ML",
    "EB",
    "HE",
    "HS",
    "HSk",
    "SJ",
    "DL2",
    "DLIT",
    "SJIT",
    "PMM",
    "GENQ",
    "GENQM",
    "DL-MH",
    "common",
]
Likelihood = Literal["REML", "ML"]
#: the test of a pool, and the interval that goes with it
Test = Literal["HKSJ", "HKSJ-adhoc", "Wald", "t"]
#: the same, and the tests of a mean that make their interval from the studies
PoolTest = Literal["HKSJ", "HKSJ-adhoc", "Wald", "t", "KR", "exact", "bootstrap", "permutation", "recommended"]
#: what "recommended" stands for: the shortest of those that hold their level in `reports/recommended.md`
RECOMMENDED = "exact"
#: the interval of a single study: the one that holds for what it counted or measured, or the normal one
StudyTest = Literal["auto", "Wald"]
RegressionTest = Literal["HKSJ", "HKSJ-adhoc", "Wald", "t", "KR"]
WaldTest = Literal["Wald", "t"]
#: the same, and the intervals of a model of counts that carry the uncertainty of tau
CountTest = Literal["integrated", "Wald", "t"]
JointTest = Literal["HTZ", "F", "chi2"]
ClosedPrediction = Literal["auto", "fitted", "HTS", "Partlett-Riley"]
Prediction = Literal["auto", "fitted", "HTS", "Partlett-Riley", "bootstrap"]
Tau2Interval = Literal["auto", "Q-profile", "generalised-Q", "profile-likelihood"]
#: kinds of interval of tau2, once it is clear which
HeterogeneityInterval = Literal["Q-profile", "generalised-Q", "profile-likelihood"]
#: whether intervals of the single effects carry the uncertainty of tau2
Predicted = Literal["integrated", "plug-in"]
#: what makes a study influential
Influential = Literal["family-wise", "Viechtbauer-Cheung"]
#: the scale of the effects in a table
OnScale = Literal["analysis", "read"]
#: slopes of the treatments of a network on a covariate
Slopes = Literal["common", "independent"]
#: what a table of a network holds
NetworkContent = Literal["league", "comparisons", "ranks"]
#: programs whose tables of a network are written
NetworkProgram = Literal["CINeMA", "netmeta", "BUGSnet"]
#: which half of a league table is filled
Triangle = Literal["both", "lower", "upper"]
#: models of the counts of a network: an intercept a trial, or given the events of all arms together
NetworkCountModel = Literal["UM.FS", "CM.EL"]
#: how treatments of one class of a network are alike
Within = Literal["exchangeable", "equal"]
#: measures that a model of counts of a network answers in
NetworkCountMeasure = Literal["OR", "IRR"]
Missing = Literal["raise", "drop"]
Heterogeneity = Literal["random", "common"]
#: how the counts of two arms are modelled
CountModel = Literal["UM.FS", "UM.RS", "CM.EL", "CM.AL"]
CovarianceStructure = Literal["CS", "HCS", "UN", "DIAG", "ID", "AR", "HAR", "CAR", "GEN", "GDIAG"]
ResidualDf = Literal["Satterthwaite", "containment", "residual"]
#: small-sample corrections of a cluster-robust covariance
Robust = Literal["CR0", "CR1", "CR1p", "CR1S", "CR2", "CR3"]
RobustDf = Literal["Satterthwaite", "residual"]
Bootstrap = Literal["parametric", "studies"]
#: what a trial reports of its result
ReportKind = Literal["full", "estimate_only", "p_exact", "p_bound", "significant", "not_significant", "direction"]
#: weight functions of selection models
SelectionModel = Literal[
    "step", "3PSM", "4PSM", "beta", "half-normal", "negative exponential", "negative exponential power", "logistic", "power",
    "truncated",
]  # fmt: skip
#: kinds of posterior interval
IntervalKind = Literal["central", "shortest"]
StudyEffects = Literal["integrated", "sampled"]
Baseline = Literal["fixed", "random"]
Coding = Literal["half", "reference"]
#: whether comparisons of a network follow from those against the reference, or each has a mean effect of its own
Consistency = Literal["consistency", "UME"]
#: whether a network model is made of baselines and effects, or of levels of treatments
Parametrisation = Literal["contrast-based", "arm-based"]
Curve = Literal["category", "smooth"]
Sampler = Literal["nutpie", "pymc"]
SampleSize = Literal["ELIR", "variance"]
#: which tables of counts are corrected for zero cells; the first set looks at one table alone
SingleZero = Literal["only0", "none"]
#: what is done where a trial has several arms on one side
MultiArm = Literal["combine", "split", "each"]
#: how trials of a sheet were laid out, where no column says it
TrialDesign = Literal["parallel", "cluster", "crossover", "pre-post-control"]
#: what parts the decimals of a text
Decimal = Literal[".", ","]
#: kinds of trials, never mixed
Design = Literal["randomised", "quasi_randomised", "non_randomised"]
#: the size of an arm whose number analysed is not printed
MissingSize = Literal["leave_out", "randomised"]
#: which trials answer: those that print a figure, or also those that print only words
Reporting = Literal["strict", "all"]
#: how a printed contrast was subtracted
PrintedAs = Literal["experimental_minus_control", "control_minus_experimental", "benefit_positive"]
#: what figures of trials may be used for, besides the record
Use = Literal["pool", "sensitivity"]
#: measures that the trial tables can answer in
TableMeasure = Literal["MD", "SMD", "RR", "OR", "HR", "RD"]
ZeroCells = Literal["only0", "all", "if0all", "none"]
Tetrachoric = Literal["pearson", "digby"]
Overlap = Literal["superiority", "cliff", "U1", "U2", "U3", "BESD"]
Latent = Literal["logistic", "normal"]
Skew = Literal["normal", "lognormal"]
Failed = Literal["raise", "nan"]
#: what a funnel's line is drawn against, and how its studies are weighed
Predictor = Literal["SE", "variance", "N", "1/N", "1/sqrt(N)"]
FunnelModel = Literal["weighted", "mixed"]
MacaskillWeights = Literal["pooled", "inverse"]
#: estimators of the number of studies missing from a funnel
TrimEstimator = Literal["L0", "R0", "Q0"]
FunnelSide = Literal["left", "right"]
#: which effects, on the analysis scale, are the ones more likely to be published
Favoured = Literal["higher", "lower"]
#: how a specification of a multiverse adjusts for studies that may be missing
Adjustment = Literal["none", "trim and fill", "PET-PEESE", "step"]
#: instruments of risk of bias
BiasTool = Literal["RoB 2", "ROBINS-I", "ROBINS-I V2", "RoB 1", "QUADAS-2", "PEDro"]
#: how a forest plot is laid out
ForestLayout = Literal["revman", "jama", "bmj", "compact", "dark", "plain"]

#: effects, standard errors and the scales of priors beyond this, or closer to 0 than its inverse, are refused: their powers
#: would leave the range of floats
REACH = 1e75

_OTHER_NAMES: dict[str, dict[str, str]] = {
    "method": {
        "dersimonianlaird": "DL", "paulemandel": "PM", "mandelpaule": "PM", "hedges": "HE", "hedgesolkin": "HE",
        "hunterschmidt": "HS", "sidikjonkman": "SJ", "empiricalbayes": "EB", "maximumlikelihood": "ML",
        "restrictedmaximumlikelihood": "REML",
    },
    "test": {
        "knha": "HKSJ", "hk": "HKSJ", "knapphartung": "HKSJ", "hartungknapp": "HKSJ", "hartungknappsidikjonkman": "HKSJ",
        "adhoc": "HKSJ-adhoc", "hkadhoc": "HKSJ-adhoc", "kenwardroger": "KR",
    },
    "tau2_interval": {"qp": "Q-profile", "genq": "generalised-Q", "generalizedq": "generalised-Q", "pl": "profile-likelihood"},
    "consistency": {"unrelatedmeaneffects": "UME", "inconsistency": "UME"},
    "prediction": {"riley": "Partlett-Riley"},
    "favoured": {"greater": "higher", "positive": "higher", "less": "lower", "negative": "lower"},
}  # fmt: skip


def choices(option: Any) -> tuple[str, ...]:
    """The canonical spellings of an option."""
    spellings: tuple[str, ...] = option.__args__  # as `typing.get_args`, which every fit asks, at a tenth of its time
    return spellings


def choice(name: str, value: object, option: Any, *, also: Iterable[str] = (), hint: str = "") -> Any:
    """A user's word in its canonical spelling.

    Parameters
    ----------
    name : str
        Name of the argument, for the message and for what else it is called in the field.
    value : object
        What was given.
    option : Literal
        One of the aliases of this module.
    also : iterable of str
        What was added to the option while the program runs.
    hint : str
        Said at the end of the message.

    Raises
    ------
    InputError
        The word is unknown: the message lists what there is and the nearest word to it.
    """
    if isinstance(value, str) and value in option.__args__:
        return value
    known = [*choices(option), *(x for x in also if x not in choices(option))]
    if isinstance(value, str):
        if value in known:
            return value
        plain = _plain(value)
        meant = {x for x in known if _plain(x) == plain} or {_OTHER_NAMES.get(name, {}).get(plain, "")} & set(known)
        if len(meant) == 1:
            return meant.pop()
    asked = did_you_mean(value, known) if isinstance(value, str) else ""
    listed = " or ".join(map(repr, known)) if len(known) == 2 else f"one of {', '.join(map(repr, known))}"
    raise InputError(f"{name}={value!r} is unknown; use {listed}{hint}.{asked}")


def confidence(level: object, name: str = "level") -> float:
    """A level between 0 and 1, or an error that says so."""
    if isinstance(level, bool) or not isinstance(level, (int, float, np.floating, np.integer)) or not 0 < level < 1:
        hint = ""
        if isinstance(level, (int, float)) and not isinstance(level, bool) and 1 < level < 100:
            hint = f" (for {level:g}% write {level / 100:g})"
        raise InputError(f"{name}={level!r} must be a number between 0 and 1, such as 0.95{hint}.")
    return float(level)


def whole(name: str, value: object, least: int) -> int:
    """A whole number of at least ``least``, or an error that says so."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
        raise InputError(f"{name}={value!r} must be a whole number of at least {least}.")
    return int(value)


def generator(seed: object) -> np.random.Generator:
    """Numpy's generator of a seed: a whole number of at least 0, None for another start each time, or a generator in use."""
    if isinstance(seed, np.random.Generator):
        return seed
    return np.random.default_rng(None if seed is None else whole("seed", seed, 0))


def is_finite(value: object) -> bool:
    """Whether this is one finite real number."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, float, np.integer, np.floating)):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


def proportion(name: str, value: Any) -> float:
    """A number between 0 and 1, both left out, or an error that says so."""
    if not (is_finite(value) and 0 < value < 1):
        raise InputError(f"{name}={value!r} must be a number between 0 and 1.")
    return float(value)


def variance(name: str, value: object) -> float:
    """A finite number of at least 0, or an error that says so."""
    if isinstance(value, (str, bool)) or not isinstance(value, (int, float, np.floating, np.integer)):
        raise InputError(f"{name}={value!r} must be a number, which holds tau2; method= names an estimator.")
    if not (is_finite(value) and value >= 0):
        raise InputError(f"{name}={value!r} is no variance; a fixed value must be finite and at least 0.")
    if value > REACH**2:
        raise InputError(f"{name}={value!r} is too large to compute with (at most {REACH**2:g}); choose a larger unit.")
    return float(value)


def _plain(word: str) -> str:
    return "".join(c for c in word.casefold() if c.isalnum())

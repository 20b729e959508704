"""Every effect measure, one row each: what prints, tests, plots, converts or plans an effect reads its facts here.

The functions that make a measure from columns stand in `vfmeta.effects.formulas`, in the order of `Measure.inputs`.
"""

from __future__ import annotations

import importlib
import math
from dataclasses import KW_ONLY, dataclass
from functools import cache, partial

from vfmeta.core import scale
from vfmeta.core.messages import InputError, did_you_mean, kind_of
from vfmeta.core.scale import Pair, Scale

Inputs = tuple[str, ...]
MEANS = ("mean1", "sd1", "n1", "mean2", "sd2", "n2")
EVENTS = ("events1", "n1", "events2", "n2")
TIMES = ("events1", "time1", "events2", "time2")
ONE_EVENTS, ONE_TIME, ONE_MEAN = ("events", "n"), ("events", "time"), ("mean", "sd", "n")
CORRELATED = ("r", "n")
PREPOST = ("mean_post", "sd_post", "mean_pre", "sd_pre", "n", "r")
CHANGE = ("mean_change", "sd_change", "n")
D = ("d", "n1", "n2")
HAZARDS = (("hr", "ci_low", "ci_high"), ("oe", "oe_v"), ("p", "events1", "events2"), ("p", "events", "n1", "n2"))


@dataclass(frozen=True)
class Measure:
    """One effect measure.

    Parameters
    ----------
    code : str
        Its short name.
    words : str
        What people read, so without "log"; sentences write the first letter small.
    kind : str
        Of what data: "means", "events", "rates", "times to an event", "correlations", "before and after"; "" for raw effects.
    one_group : bool
        Whether it is the level of one group, so that no value of it means "no difference".
    inputs : tuple of tuples of str
        Sets of columns it can be made from, the usual one first.
    scale : Scale
        On which it is pooled.
    read_as : str
        Code of the same on the scale people read, where that has another one.
    null : float or None
        The value that means "no difference", as people read it; by default where the analysis scale is 0.
    domain : (float, float) or None
        What values can be, as people read them; by default all that the scale allows.
    noun : str
        What a sentence calls one value of a ratio.
    on_scale : bool
        Whether it is in points of the outcome's scale, the ends of which a question names.
    unit, steps : str, float or None
        Unit of the size of a difference, and how many of it make 1; None where sizes are not told as so many lower or higher.
    within : str
        In what a difference is, where that needs to be said.
    digits : int or None
        Decimals of a value that is no ratio; by default as its interval needs.
    vtypes : tuple of str
        Variance types, the default first; only one means that there is no choice.
    corrected : bool
        Whether there is a bias correction to switch off (``correct=False``).
    zero : str or None
        The zero-cell rule used by default; None where the measure takes none.
    drop00 : bool
        Whether studies without events (or with events only) in both groups are left out by default.
    in_estimate : bool
        Whether an added amount enters the estimate by default, and not only the variance.
    needs : str
        What must hold for the measure to exist, for the message when it does not.
    aliases : tuple of str
        Other codes of the same.
    """

    code: str
    words: str
    _: KW_ONLY
    kind: str = ""
    one_group: bool = False
    inputs: tuple[Inputs, ...] = ()
    scale: Scale = scale.READ
    read_as: str = ""
    null: float | None = None
    domain: Pair | None = None
    noun: str = "ratio"
    on_scale: bool = False
    unit: str = ""
    steps: float | None = None
    within: str = ""
    digits: int | None = None
    vtypes: tuple[str, ...] = ("LS",)
    corrected: bool = False
    zero: str | None = None
    drop00: bool = False
    in_estimate: bool = True
    needs: str = ""
    aliases: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "domain", self.domain or self.scale.domain)
        if self.null is None and not self.one_group:
            object.__setattr__(self, "null", float(self.scale.to_read(0.0)))

    @property
    def is_ratio(self) -> bool:
        """Whether people read the exponential of what is analysed, and axes of it are logarithmic."""
        return self.scale.name == scale.LOG.name

    @property
    def read_name(self) -> str:
        """What people read, "RR"."""
        return self.read_as or self.code

    @property
    def analysis_name(self) -> str:
        """What is analysed, "log RR"."""
        return f"{self.scale.name} {self.read_name}".strip()

    @property
    def columns(self) -> Inputs:
        """The usual set of columns."""
        return self.inputs[0]

    def layout(self, given: set[str]) -> Inputs:
        """The set of columns a call names, or an error that says which are missing."""
        for names in self.inputs:
            if set(names) == given:
                return names
        best = max(self.inputs, key=lambda names: (len(given & set(names)) - len(set(names) - given), -len(names)))
        absent, surplus = [x for x in best if x not in given], sorted(given - set(best))
        lacking, strange = (", ".join(names) or "none" for names in (absent, surplus))
        text = " or ".join(", ".join(names) for names in self.inputs)
        raise InputError(f"{self.code} takes the columns {text}; missing: {lacking}, not known: {strange}.")


_SAME_SIGN = "both means must have one sign and differ from 0"
_ABOVE_0 = "the mean must be above 0"
_MORE = "the groups must be large enough for the correction and the variance"
_CELLS = "no cell may be zero, unless a zero rule such as zero='only0' corrects it"
_NO_RULE = "none"  # exists at every count; a rule may be asked for


_means = partial(Measure, kind="means", inputs=(MEANS,))
_smd = partial(_means, corrected=True, needs=_MORE)
_events = partial(Measure, kind="events", inputs=(EVENTS,))
_event_ratio = partial(_events, zero="only0", drop00=True, needs=_CELLS)
_rates = partial(Measure, kind="rates", inputs=(TIMES,))
_correlation = partial(Measure, kind="correlations", inputs=(CORRELATED,), domain=scale.FISHER_Z.domain)
_proportion = partial(
    Measure, kind="events", inputs=(ONE_EVENTS,), one_group=True, domain=scale.LOGIT.domain, read_as="PR"
)  # fmt: skip
_rate = partial(Measure, kind="rates", inputs=(ONE_TIME,), one_group=True, domain=scale.ROOT.domain, read_as="IR")
_level = partial(Measure, kind="means", inputs=(ONE_MEAN,), one_group=True)
_change = partial(Measure, kind="before and after", inputs=(PREPOST,))
_smc = partial(_change, corrected=True, needs=_MORE)
_ALL = (
    _means("MD", "Mean difference", vtypes=("LS", "HO"), on_scale=True, unit="points", steps=1.0, digits=2),
    _smd("SMD", "Standardised mean difference", inputs=(MEANS, D, ("t", "n1", "n2"), ("p", "n1", "n2")), digits=2,
         vtypes=("LS", "LS2", "UB", "H0", "AV"), within="standard deviations"),
    _smd("SMDH", "Standardised mean difference (unequal variances)", vtypes=("LS", "LS2")),
    _smd("SMD1", "Mean difference in control SDs", inputs=(("mean1", "n1", "mean2", "sd2", "n2"),), vtypes=("LS", "LS2")),
    _smd("SMD1H", "Mean difference in control SDs (unequal variances)"),
    _means("ROM", "Ratio of means", scale=scale.LOG, corrected=True, needs=_SAME_SIGN, vtypes=("LS", "HO", "AV", "AVHO")),
    _means("VR", "Ratio of SDs", inputs=(("sd1", "n1", "sd2", "n2"),), scale=scale.LOG, corrected=True, aliases=("LNVR",)),
    _means("CVR", "Ratio of coefficients of variation", scale=scale.LOG, corrected=True, vtypes=("LS", "LS2"),
           needs="both means must be above 0", aliases=("LNCVR",)),
    _means("CLES", "Probability of superiority", null=0.5, domain=(0.0, 1.0), aliases=("CLESN",)),
    _means("AUC", "Probability of superiority", null=0.5, domain=(0.0, 1.0), aliases=("AUCN",)),
    _means("D2OR", "Odds ratio from a mean difference (logistic)", inputs=(MEANS, D), scale=scale.LOG, read_as="OR",
           aliases=("D2ORL",)),
    _means("D2ORN", "Odds ratio from a mean difference (normal)", inputs=(MEANS, D), scale=scale.LOG, read_as="OR"),
    _event_ratio("RR", "Risk ratio", scale=scale.LOG, noun="risk ratio", vtypes=("LS", "AV")),
    _event_ratio("OR", "Odds ratio", scale=scale.LOG, noun="odds ratio", vtypes=("LS", "AV")),
    _events("RD", "Risk difference", zero="only0", in_estimate=False, vtypes=("LS", "AV"), domain=(-1.0, 1.0),
            unit="percentage points", steps=100.0, within="risk", digits=3),
    _events("AS", "Arcsine risk difference", zero=_NO_RULE, domain=(-math.pi / 2, math.pi / 2)),
    _events("PETO", "Odds ratio (Peto)", scale=scale.LOG, read_as="OR", noun="odds ratio", zero=_NO_RULE, drop00=True,
            needs="some patients of the trial must have the event and some not", aliases=("POR",)),
    _events("PHI", "Phi coefficient", zero=_NO_RULE, vtypes=("CS", "ST", "LS"), domain=(-1.0, 1.0),
            needs="no row or column of the table may sum to 0"),
    _event_ratio("OR2D", "Standardised mean difference from an odds ratio (logistic)", aliases=("OR2DL",)),
    _event_ratio("OR2DN", "Standardised mean difference from an odds ratio (normal)"),
    Measure("HR", "Hazard ratio", kind="times to an event", inputs=HAZARDS, scale=scale.LOG, noun="hazard ratio",
            needs="both groups must have events"),
    _rates("IRR", "Rate ratio", scale=scale.LOG, noun="rate ratio", zero="only0", drop00=True, needs=_CELLS),
    _rates("IRD", "Rate difference", zero="only0", in_estimate=False),
    _rates("IRSD", "Difference of square root rates", zero=_NO_RULE),
    _correlation("COR", "Correlation", vtypes=("LS", "AV", "H0"), needs=_MORE),
    _correlation("UCOR", "Correlation (bias corrected)", vtypes=("LS", "UB", "AV"), needs="more than 4 patients are needed"),
    _correlation("ZCOR", "Correlation", scale=scale.FISHER_Z, read_as="COR", digits=3,
                 needs="more than 3 patients are needed"),
    _proportion("PR", "Proportion", zero="only0", vtypes=("LS", "UB", "AV")),
    _proportion("PLN", "Proportion", scale=scale.LOG, zero="only0", vtypes=("LS", "AV"), needs=_CELLS),
    _proportion("PLO", "Proportion", scale=scale.LOGIT, zero="only0", vtypes=("LS", "AV"), needs=_CELLS),
    _proportion("PAS", "Proportion", scale=scale.ARCSINE, zero=_NO_RULE),
    _proportion("PFT", "Proportion", scale=scale.DOUBLE_ARCSINE, zero=_NO_RULE),
    _rate("IR", "Rate", zero="only0"),
    _rate("IRLN", "Rate", scale=scale.LOG, zero="only0", needs=_CELLS),
    _rate("IRS", "Rate", scale=scale.ROOT, zero=_NO_RULE),
    _rate("IRFT", "Rate", scale=scale.FREEMAN_TUKEY_ROOT, zero=_NO_RULE),
    _level("MN", "Mean", vtypes=("LS", "HO")),
    _level("SMN", "Standardised mean", corrected=True, needs=_MORE),
    _level("MNLN", "Mean", scale=scale.LOG, read_as="MN", needs=_ABOVE_0),
    _level("CVLN", "Coefficient of variation", scale=scale.LOG, read_as="CV", corrected=True, needs=_ABOVE_0),
    _level("SDLN", "Standard deviation", inputs=(("sd", "n"),), scale=scale.LOG, read_as="SD", corrected=True),
    _change("MC", "Mean change", inputs=(PREPOST, CHANGE)),
    _smc("SMCC", "Mean change in SDs of the change", inputs=(PREPOST, CHANGE, ("t", "n"))),
    _smc("SMCR", "Mean change in baseline SDs", inputs=(("mean_post", "mean_pre", "sd_pre", "n", "r"),)),
    _smc("SMCRH", "Mean change in baseline SDs (unequal variances)"),
    _smc("SMCRP", "Mean change in average SDs"),
    _smc("SMCRPH", "Mean change in average SDs (unequal variances)"),
    _change("ROMC", "Ratio of means, after to before", scale=scale.LOG, corrected=True, needs=_SAME_SIGN),
    _change("VRC", "Ratio of SDs, after to before", inputs=(("sd_post", "sd_pre", "n", "r"),), scale=scale.LOG),
    _change("CVRC", "Ratio of coefficients of variation, after to before", scale=scale.LOG, corrected=True, needs=_SAME_SIGN),
    Measure("GEN", "Effect"),
)  # fmt: skip
MEASURES: dict[str, Measure] = {m.code: m for m in _ALL}
ALIASES: dict[str, str] = {alias: m.code for m in _ALL for alias in m.aliases}
RAW = "GEN"  # y and v of unknown kind and unit


def row(code: str) -> Measure:
    """The facts of a measure; of one that is not known, those of a raw effect under its own name."""
    if not isinstance(code, str):
        raise InputError(f'measure={code!r} is {kind_of(code)}; it must be a text, such as "MD" or "RR".')
    found = MEASURES.get(code) or MEASURES.get(ALIASES.get(code, ""))
    return found or _unknown(code)


@cache
def _unknown(code: str) -> Measure:
    importlib.import_module("vfmeta.effects.formulas")  # a formula file may bring the row of its own measure
    return MEASURES.get(ALIASES.get(code, code)) or Measure(code, code)


def spelled(code: str) -> str:
    """The code or other name of a measure as it is written here, where only the case is another; else as it is."""
    if code in MEASURES or code in ALIASES:
        return code
    return _folded(code)


@cache
def _folded(code: str) -> str:
    importlib.import_module("vfmeta.effects.formulas")
    found = [name for name in (*MEASURES, *ALIASES) if name.casefold() == code.casefold()]
    return found[0] if len(found) == 1 else code


def known(code: str, *, made: bool = False) -> Measure:
    """The facts of a measure that has a row (and, with ``made``, that `vfmeta.effect_size` makes), or an error."""
    found = row(spelled(code)) if isinstance(code, str) else None
    if found is None or found.code not in MEASURES or (made and not found.inputs):
        offered = [m.code for m in MEASURES.values() if m.inputs]
        raise InputError(f"Unknown measure {code!r}; vfmeta offers {', '.join(offered)}.{did_you_mean(str(code), offered)}")
    return found


def add(measure: Measure) -> None:
    """Enter one more measure, whose code and aliases must be new."""
    taken = [x for x in (measure.code, *measure.aliases) if x in MEASURES or x in ALIASES]
    if taken:
        raise InputError(f"There is a measure {', '.join(taken)} already; give the new one another code.")
    MEASURES[measure.code] = measure
    ALIASES.update(dict.fromkeys(measure.aliases, measure.code))

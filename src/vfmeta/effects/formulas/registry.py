"""Every effect measure vfmeta offers: what it is, the columns it takes, its variance types and its rules."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from vfmeta.core.messages import InputError
from vfmeta.effects.formulas import change, correlations, proportions, rates, single_means, two_events, two_means, variability
from vfmeta.effects.formulas.common import Effects, ZeroRule

Columns = dict[str, np.ndarray]
MEANS = ("mean1", "sd1", "n1", "mean2", "sd2", "n2")
EVENTS = ("events1", "n1", "events2", "n2")
TIMES = ("events1", "time1", "events2", "time2")
PREPOST = ("mean_post", "sd_post", "mean_pre", "sd_pre", "n", "r")


@dataclass(frozen=True, kw_only=True)
class Measure:
    """One effect measure.

    Parameters
    ----------
    name, title : str
        Short name, and what it is in words.
    layouts : dict
        Sets of columns it can be made from, each with its function.
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
    """

    name: str
    title: str
    layouts: dict[tuple[str, ...], Callable[..., Effects]] = field(repr=False)
    vtypes: tuple[str, ...] = ("LS",)
    corrected: bool = False
    zero: str | None = None
    drop00: bool = False
    in_estimate: bool = True
    needs: str = ""

    @property
    def columns(self) -> tuple[str, ...]:
        """The usual set of columns."""
        return next(iter(self.layouts))

    def layout(self, given: set[str]) -> tuple[str, ...]:
        """The set of columns a call names, or an error that says which are missing."""
        for names in self.layouts:
            if set(names) == given:
                return names
        best = max(self.layouts, key=lambda names: (len(given & set(names)) - len(set(names) - given), -len(names)))
        absent, surplus = [x for x in best if x not in given], sorted(given - set(best))
        lacking, strange = (", ".join(names) or "none" for names in (absent, surplus))
        text = " or ".join(", ".join(names) for names in self.layouts)
        raise InputError(f"{self.name} takes the columns {text}; missing: {lacking}, not known: {strange}.")

    def compute(self, columns: Columns, *, vtype: str, correct: bool, zero: ZeroRule) -> Effects:
        """``y`` and ``v`` of shape (k,); NaN or infinite where the measure does not exist."""
        names = self.layout(set(columns))
        options: dict = {}
        if len(self.vtypes) > 1:
            options["vtype"] = vtype
        if self.corrected:
            options["correct"] = correct
        if self.zero is not None:
            options["zero"] = zero
        with np.errstate(all="ignore"):  # what does not exist is named by the caller
            y, v = self.layouts[names](*(columns[x] for x in names), **options)
        return np.asarray(y, float), np.asarray(v, float)


def _smd_from_t(t: np.ndarray, n1: np.ndarray, n2: np.ndarray, **options: object) -> Effects:
    return two_means.from_d(two_means.d_from_t(t, n1, n2), n1, n2, **options)  # type: ignore[arg-type]


def _smd_from_p(p: np.ndarray, n1: np.ndarray, n2: np.ndarray, **options: object) -> Effects:
    return _smd_from_t(two_means.t_from_p(p, n1, n2), n1, n2, **options)


def _smcc_from_t(t: np.ndarray, n: np.ndarray, *, correct: bool = True) -> Effects:
    return change.change_score_standardised(t / np.sqrt(n), np.ones_like(n), n, correct=correct)


def _d_then(make: Callable[..., Effects]) -> Callable[..., Effects]:
    """A function of Cohen's d and the sizes, as one of means, SDs and sizes."""

    def made(m1: np.ndarray, sd1: np.ndarray, n1: np.ndarray, m2: np.ndarray, sd2: np.ndarray, n2: np.ndarray) -> Effects:
        return make((m1 - m2) / two_means.pooled_sd(sd1, n1, sd2, n2), n1, n2)

    return made


def _change_then(make: Callable[..., Effects]) -> Callable[..., Effects]:
    """A function of the mean change, its SD and n, as one of both measurements and their correlation."""

    def made(
        post: np.ndarray,
        sd_post: np.ndarray,
        pre: np.ndarray,
        sd_pre: np.ndarray,
        n: np.ndarray,
        r: np.ndarray,
        **options: object,
    ) -> Effects:
        return make(post - pre, change.sd_of_change(sd_pre, sd_post, r), n, **options)

    return made


_D = ("d", "n1", "n2")
_T = ("t", "n1", "n2")
_P = ("p", "n1", "n2")
_CHANGE = ("mean_change", "sd_change", "n")
_BECKER = ("mean_post", "mean_pre", "sd_pre", "n", "r")
_NORMAL_OR, _NORMAL_D = (partial(f, factor=two_means.COX) for f in (two_events.odds_ratio_as_d, two_means.d_as_log_odds_ratio))
_SAME_SIGN = "both means must have one sign and differ from 0"
_MORE = "the groups must be large enough for the correction and the variance"
_CELLS = "no cell may be zero, unless a zero rule such as zero='only0' corrects it"

_ALL = (
    Measure(name="MD", title="mean difference", layouts={MEANS: two_means.mean_difference}, vtypes=two_means.MD_TYPES),
    Measure(
        name="SMD",
        title="standardised mean difference",
        vtypes=two_means.SMD_TYPES,
        corrected=True,
        needs=_MORE,
        layouts={MEANS: two_means.standardised_mean_difference, _D: two_means.from_d, _T: _smd_from_t, _P: _smd_from_p},
    ),
    Measure(
        name="SMDH",
        title="standardised mean difference, unequal variances",
        vtypes=two_means.TWO_TYPES,
        corrected=True,
        needs=_MORE,
        layouts={MEANS: two_means.smd_unequal_variances},
    ),
    Measure(
        name="SMD1",
        title="mean difference over the control SD",
        vtypes=two_means.TWO_TYPES,
        corrected=True,
        needs=_MORE,
        layouts={("mean1", "n1", "mean2", "sd2", "n2"): two_means.glass_delta},
    ),
    Measure(
        name="SMD1H",
        title="mean difference over the control SD, unequal variances",
        corrected=True,
        needs=_MORE,
        layouts={MEANS: two_means.glass_delta_unequal_variances},
    ),
    Measure(
        name="ROM",
        title="log ratio of means",
        vtypes=two_means.ROM_TYPES,
        corrected=True,
        needs=_SAME_SIGN,
        layouts={MEANS: two_means.log_ratio_of_means},
    ),
    Measure(
        name="VR",
        title="log variability ratio",
        corrected=True,
        layouts={("sd1", "n1", "sd2", "n2"): variability.log_sd_ratio},
    ),
    Measure(
        name="CVR",
        title="log ratio of coefficients of variation",
        vtypes=variability.CVR_TYPES,
        corrected=True,
        needs="both means must be above 0",
        layouts={MEANS: variability.log_cv_ratio},
    ),
    *(
        Measure(name=x, title="probability of superiority", layouts={MEANS: two_means.probability_of_superiority})
        for x in ("CLES", "AUC")
    ),
    *(
        Measure(name=x, title="log odds ratio from a standardised mean difference", layouts={MEANS: _d_then(f), _D: f})
        for x, f in (("D2OR", two_means.d_as_log_odds_ratio), ("D2ORN", _NORMAL_D))
    ),
    Measure(
        name="RR",
        title="log risk ratio",
        layouts={EVENTS: two_events.log_risk_ratio},
        vtypes=two_events.TYPES,
        zero="only0",
        drop00=True,
        needs=_CELLS,
    ),
    Measure(
        name="OR",
        title="log odds ratio",
        layouts={EVENTS: two_events.log_odds_ratio},
        vtypes=two_events.TYPES,
        zero="only0",
        drop00=True,
        needs=_CELLS,
    ),
    Measure(
        name="RD",
        title="risk difference",
        layouts={EVENTS: two_events.risk_difference},
        vtypes=two_events.TYPES,
        zero="only0",
        in_estimate=False,
    ),
    Measure(name="AS", zero="none", title="arcsine risk difference", layouts={EVENTS: two_events.arcsine_difference}),
    Measure(
        name="PETO",
        title="Peto log odds ratio",
        layouts={EVENTS: two_events.peto_log_odds_ratio},
        zero="none",
        drop00=True,
        needs="some patients of the trial must have the event and some not",
    ),
    Measure(
        name="PHI",
        zero="none",
        title="phi coefficient",
        layouts={EVENTS: two_events.phi_coefficient},
        vtypes=two_events.PHI_TYPES,
        needs="no row or column of the table may sum to 0",
    ),
    *(
        Measure(
            name=x,
            title="standardised mean difference from an odds ratio",
            layouts={EVENTS: f},
            zero="only0",
            drop00=True,
            needs=_CELLS,
        )
        for x, f in (("OR2D", two_events.odds_ratio_as_d), ("OR2DN", _NORMAL_OR))
    ),
    Measure(name="IRR", title="log rate ratio", layouts={TIMES: rates.log_rate_ratio}, zero="only0", drop00=True, needs=_CELLS),
    Measure(name="IRD", title="rate difference", layouts={TIMES: rates.rate_difference}, zero="only0", in_estimate=False),
    Measure(name="IRSD", zero="none", title="difference of root rates", layouts={TIMES: rates.root_rate_difference}),
    Measure(
        name="COR", title="correlation", layouts={("r", "n"): correlations.correlation}, vtypes=correlations.TYPES, needs=_MORE
    ),
    Measure(
        name="UCOR",
        title="correlation, bias corrected",
        vtypes=correlations.UNBIASED_TYPES,
        needs=_MORE,
        layouts={("r", "n"): partial(correlations.correlation, unbiased=True)},
    ),
    Measure(
        name="ZCOR", title="Fisher's z", layouts={("r", "n"): correlations.fisher_z}, needs="more than 3 patients are needed"
    ),
    Measure(
        name="PR", title="proportion", layouts={("events", "n"): proportions.proportion}, vtypes=proportions.TYPES, zero="only0"
    ),
    Measure(
        name="PLN",
        title="log proportion",
        layouts={("events", "n"): proportions.log_proportion},
        vtypes=proportions.LOG_TYPES,
        zero="only0",
        needs=_CELLS,
    ),
    Measure(
        name="PLO",
        title="logit proportion",
        layouts={("events", "n"): proportions.logit_proportion},
        vtypes=proportions.LOG_TYPES,
        zero="only0",
        needs=_CELLS,
    ),
    Measure(name="PAS", zero="none", title="arcsine proportion", layouts={("events", "n"): proportions.arcsine_proportion}),
    Measure(name="PFT", zero="none", title="double arcsine proportion", layouts={("events", "n"): proportions.double_arcsine}),
    Measure(name="IR", title="rate", layouts={("events", "time"): rates.rate}, zero="only0"),
    Measure(name="IRLN", title="log rate", layouts={("events", "time"): rates.log_rate}, zero="only0", needs=_CELLS),
    Measure(name="IRS", zero="none", title="root rate", layouts={("events", "time"): rates.root_rate}),
    Measure(name="IRFT", zero="none", title="Freeman-Tukey rate", layouts={("events", "time"): rates.freeman_tukey_rate}),
    Measure(name="MN", title="mean", layouts={("mean", "sd", "n"): single_means.mean}, vtypes=single_means.TYPES),
    Measure(
        name="SMN",
        title="standardised mean",
        layouts={("mean", "sd", "n"): single_means.standardised_mean},
        corrected=True,
        needs=_MORE,
    ),
    Measure(
        name="MNLN", title="log mean", layouts={("mean", "sd", "n"): single_means.log_mean}, needs="the mean must be above 0"
    ),
    Measure(
        name="CVLN",
        title="log coefficient of variation",
        layouts={("mean", "sd", "n"): variability.log_cv},
        corrected=True,
        needs="the mean must be above 0",
    ),
    Measure(name="SDLN", title="log SD", layouts={("sd", "n"): variability.log_sd}, corrected=True),
    Measure(name="MC", title="mean change", layouts={PREPOST: _change_then(change.mean_change), _CHANGE: change.mean_change}),
    Measure(
        name="SMCC",
        title="change over its own SD",
        corrected=True,
        needs=_MORE,
        layouts={
            PREPOST: _change_then(change.change_score_standardised),
            _CHANGE: change.change_score_standardised,
            ("t", "n"): _smcc_from_t,
        },
    ),
    Measure(
        name="SMCR",
        title="change over the SD before",
        layouts={_BECKER: change.baseline_standardised},
        corrected=True,
        needs=_MORE,
    ),
    Measure(
        name="SMCRH",
        title="change over the SD before, unequal variances",
        corrected=True,
        needs=_MORE,
        layouts={PREPOST: change.baseline_standardised_unequal},
    ),
    Measure(
        name="SMCRP",
        title="change over the average SD",
        layouts={PREPOST: change.average_standardised},
        corrected=True,
        needs=_MORE,
    ),
    Measure(
        name="SMCRPH",
        title="change over the average SD, unequal variances",
        corrected=True,
        needs=_MORE,
        layouts={PREPOST: partial(change.average_standardised, unequal=True)},
    ),
    Measure(
        name="ROMC",
        title="log ratio of means after and before",
        layouts={PREPOST: change.log_ratio_of_means},
        corrected=True,
        needs=_SAME_SIGN,
    ),
    Measure(
        name="VRC", title="log ratio of SDs after and before", layouts={("sd_post", "sd_pre", "n", "r"): change.log_sd_ratio}
    ),
    Measure(
        name="CVRC",
        title="log ratio of coefficients of variation after and before",
        layouts={PREPOST: change.log_cv_ratio},
        corrected=True,
        needs=_SAME_SIGN,
    ),
)
MEASURES: dict[str, Measure] = {m.name: m for m in _ALL}
#: other names of the same measures
ALIASES = {"OR2DL": "OR2D", "D2ORL": "D2OR", "CLESN": "CLES", "AUCN": "AUC", "LNVR": "VR", "LNCVR": "CVR", "POR": "PETO"}


def measure_named(name: str) -> Measure:
    """The measure of that name, or an error that lists those offered."""
    found = MEASURES.get(ALIASES.get(name, name)) if isinstance(name, str) else None
    if found is None:
        raise InputError(f"Unknown measure {name!r}; vfmeta offers {', '.join(MEASURES)}.")
    return found

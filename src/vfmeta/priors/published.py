"""Heterogeneity priors estimated from the Cochrane Database of Systematic Reviews.

Turner RM, Jackson D, Wei Y, Thompson SG, Higgins JPT. Stat Med 2015;34:984-998, doi:10.1002/sim.6381: log-normal on tau2 of the
log odds ratio, Table IV, marginal setting on p. 993. Rhodes KM, Turner RM, Higgins JPT. J Clin Epidemiol 2015;68:52-60,
doi:10.1016/j.jclinepi.2014.08.012: log-t with 5 df on tau2 of the standardised mean difference, Table 3, marginal setting in
section 3.3. Neither paper's tables could be read themselves: the figures below were read in their transcriptions in the R
packages bayesmeta (R/bayesmeta.R) and rnmamod (the table of predictive distributions for tau2), which agree in every cell kept
here; those of Rhodes's Table 3 also in a third, unnamed R script.

Left out: Rhodes's tables for respiratory disease and cancer (A.3.1 and A.3.2; the transcriptions of the latter disagree in a
sign), and the cell mental health x non-pharmacological of Table 3, transcribed as -3.85 where the table's own pattern (0.14
above the column of placebo) gives -2.85.
"""

from __future__ import annotations

import math

from vfmeta.core.messages import InputError
from vfmeta.priors.family import positive
from vfmeta.priors.log_normal import LogNormal
from vfmeta.priors.log_t import LogT

TURNER_COMPARISONS = (
    "pharmacological v placebo", "pharmacological v pharmacological", "non-pharmacological v placebo",
    "non-pharmacological v pharmacological", "non-pharmacological v non-pharmacological",
)  # fmt: skip
# outcome: means of log tau2 by comparison, then standard deviations
TURNER: dict[str, tuple[tuple[float, ...], tuple[float, ...]]] = {
    "all-cause mortality": ((-3.95, -4.18, -4.17, -2.92, -3.50), (1.34, 1.41, 1.55, 1.02, 1.26)),
    "obstetric": ((-3.52, -3.75, -3.74, -2.49, -3.08), (1.74, 1.79, 1.91, 1.50, 1.68)),
    "cause-specific mortality or major morbidity": ((-3.71, -3.95, -3.93, -2.68, -3.27), (1.74, 1.79, 1.91, 1.51, 1.68)),
    "resource use": ((-2.34, -2.58, -2.56, -1.31, -1.90), (1.74, 1.79, 1.91, 1.50, 1.68)),
    "surgical or device success or failure": ((-2.14, -2.37, -2.36, -1.11, -1.69), (1.74, 1.79, 1.91, 1.50, 1.68)),
    "withdrawals": ((-2.99, -3.23, -3.21, -1.96, -2.55), (1.74, 1.79, 1.91, 1.51, 1.68)),
    "structure-related": ((-2.71, -2.94, -2.93, -1.67, -2.26), (1.74, 1.79, 1.92, 1.51, 1.68)),
    "general physical health": ((-2.29, -2.53, -2.51, -1.26, -1.85), (1.53, 1.58, 1.72, 1.25, 1.46)),
    "adverse events": ((-1.87, -2.10, -2.10, -0.84, -1.43), (1.52, 1.58, 1.71, 1.24, 1.45)),
    "infection or onset of disease": ((-2.49, -2.73, -2.71, -1.46, -2.05), (1.52, 1.58, 1.71, 1.24, 1.45)),
    "signs or symptoms": ((-2.06, -2.29, -2.28, -1.03, -1.61), (1.51, 1.58, 1.71, 1.24, 1.45)),
    "pain": ((-1.83, -2.06, -2.05, -0.80, -1.38), (1.52, 1.58, 1.71, 1.25, 1.45)),
    "quality of life or functioning": ((-2.54, -2.78, -2.77, -1.51, -2.10), (1.54, 1.60, 1.73, 1.27, 1.47)),
    "mental health": ((-2.12, -2.35, -2.34, -1.09, -1.67), (1.53, 1.60, 1.72, 1.27, 1.47)),
    "biological markers": ((-1.77, -2.00, -1.99, -0.74, -1.33), (1.52, 1.58, 1.71, 1.24, 1.45)),
    "subjective": ((-2.70, -2.93, -2.92, -1.67, -2.26), (1.52, 1.58, 1.71, 1.25, 1.45)),
}
TURNER_ANY = (-2.56, 1.74)

RHODES_COMPARISONS = ("pharmacological v placebo", "pharmacological v pharmacological", "non-pharmacological v any")
# outcome: locations of log tau2 by comparison, then scales; areas other than respiratory disease and cancer
RHODES: dict[str, tuple[tuple[float, ...], tuple[float, ...]]] = {
    "obstetric": ((-4.13, -4.40, -3.99), (2.34, 2.31, 2.11)),
    "resource use": ((-2.55, -2.83, -2.41), (2.73, 2.70, 2.57)),
    "structure-related": ((-2.43, -2.70, -2.29), (2.50, 2.46, 2.32)),
    "physical health, adverse events, pain, quality of life, functioning": ((-3.16, -3.44, -3.02), (2.50, 2.44, 2.27)),
    "signs, symptoms, infection or onset of disease": ((-3.00, -3.27, -2.86), (2.50, 2.47, 2.33)),
    "mental health": ((-2.99, -3.27, math.nan), (2.16, 2.14, math.nan)),
    "biological markers": ((-3.41, -3.68, -3.27), (2.83, 2.78, 2.66)),
    "subjective": ((-2.76, -3.03, -2.62), (2.58, 2.59, 2.41)),
}
RHODES_ANY = (-3.44, 2.59)


def turner2015(outcome: str | None = None, comparison: str | None = None, *, measure: str = "OR") -> LogNormal:
    """Empirical prior of tau for log odds ratios: log-normal on tau2 (Turner et al. 2015, Stat Med 34:984-998, Table IV).

    Parameters
    ----------
    outcome, comparison : str, optional
        A key of ``published.TURNER`` (such as "pain" or "adverse events") and one of ``published.TURNER_COMPARISONS``; the
        marginal setting when both are left out.
    measure : str
        Must be "OR": the estimates come from log odds ratios.

    Raises
    ------
    InputError
        Another measure, or an unknown or incomplete setting.

    Examples
    --------
    >>> import vfmeta as vf
    >>> vf.priors.turner2015().measure
    'OR'
    """
    if measure != "OR":
        raise InputError(
            f"The priors of Turner et al. 2015 are for tau2 of the log odds ratio; they say nothing of {measure}. For SMD take "
            "priors.rhodes2015, for MD that one with sd=; otherwise state a prior, such as priors.trials_within(...)."
        )
    mean, sd, said = _cell(TURNER, TURNER_COMPARISONS, TURNER_ANY, outcome, comparison, "Turner et al. 2015, Table IV")
    return LogNormal(mean / 2, sd / 2, f"log-normal({mean:g}, {sd:g}) on tau2 of the log OR, {said}", measure="OR")


def rhodes2015(
    outcome: str | None = None, comparison: str | None = None, *, measure: str = "SMD", sd: float | None = None
) -> LogT:
    """Empirical prior of tau for standardised mean differences: log-t on tau2.

    Rhodes et al. 2015, J Clin Epidemiol 68:52-60, Table 3.

    Parameters
    ----------
    outcome, comparison : str, optional
        A key of ``published.RHODES`` and one of ``published.RHODES_COMPARISONS``; the marginal setting when both are left out.
    measure : {"SMD", "MD"}
        For mean differences the prior is carried over by ``sd``.
    sd : float, optional
        Standard deviation of the outcome between patients, in points of the scale; needed for "MD" and only there.

    Raises
    ------
    InputError
        Another measure, an MD without its SD, or a setting that is unknown, incomplete or not safely known.

    Examples
    --------
    >>> import vfmeta as vf
    >>> vf.priors.rhodes2015().measure
    'SMD'
    """
    if measure not in ("SMD", "MD"):
        raise InputError(
            f"The priors of Rhodes et al. 2015 are for tau2 of the standardised mean difference; they say nothing of "
            f"{measure}. For log odds ratios take priors.turner2015, else state a prior, such as priors.trials_within(...)."
        )
    if (measure == "MD") != (sd is not None):
        raise InputError(
            "The priors of Rhodes et al. 2015 are for the SMD. With measure='MD' state the standard deviation of the outcome "
            "between patients, sd=...; it carries the prior to points of the scale. With measure='SMD' there is none to state."
        )
    place, scale, said = _cell(RHODES, RHODES_COMPARISONS, RHODES_ANY, outcome, comparison, "Rhodes et al. 2015, Table 3")
    if math.isnan(place):
        raise InputError(
            "The cell mental health, non-pharmacological v any of Rhodes et al. 2015, Table 3, is transcribed as "
            "-3.85, against the pattern of its table, and could not be read in the paper; "
            "state LogT.of_tau2(location, scale) yourself."
        )
    said = f"log-t({place:g}, {scale:g}, 5 df) on tau2 of the SMD, {said}"
    if sd is None:
        return LogT(place / 2, scale / 2, 5.0, said, measure="SMD")
    positive("sd", sd, "Prior of Rhodes et al. 2015")
    return LogT(place / 2 + math.log(sd), scale / 2, 5.0, f"{said}; carried to MD by an SD of {sd:g}", measure="MD")


def _cell(
    table: dict[str, tuple[tuple[float, ...], tuple[float, ...]]],
    comparisons: tuple[str, ...],
    general: tuple[float, float],
    outcome: str | None,
    comparison: str | None,
    where: str,
) -> tuple[float, float, str]:
    if outcome is None and comparison is None:
        return *general, f"{where.split(',')[0]}, marginal"
    if outcome not in table or comparison not in comparisons:
        raise InputError(
            f"{where}: outcome={outcome!r}, comparison={comparison!r} is not a setting of the table. Outcomes: "
            f"{'; '.join(table)}. Comparisons: {'; '.join(comparisons)}. Leave both out for the marginal prior."
        )
    j = comparisons.index(comparison)
    return table[outcome][0][j], table[outcome][1][j], f"{where}: {outcome}, {comparison}"

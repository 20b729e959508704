"""Means and SDs from medians, quartiles and ranges.

Three sets of what papers print: S1 minimum, median, maximum; S2 quartiles and median; S3 all five. Each method is written from
its paper; see `mean_sd_from_quantiles`. The recommended formulas stand in `five_numbers`, the fitted distributions in
`fitted`, the order statistics of a normal sample in `normal_order`.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from vfmeta.convert import fitted, normal_order, order_likelihood
from vfmeta.convert.checking import numbers, require
from vfmeta.convert.five_numbers import Moments, Summary, luo_mean, shi_sd, skewness, wan_sd
from vfmeta.core.messages import ConvergenceError, InputError, VfmetaWarning, warn
from vfmeta.core.params import Failed, Skew, choice

NAN = float("nan")


def luo_wan_shi(s: Summary) -> Moments:
    """Mean of Luo et al., SD of Wan et al. or, with all five numbers, of Shi et al."""
    return luo_mean(s), shi_sd(s)


def wan_2014(s: Summary) -> Moments:
    """Plain averages for the mean and `wan_sd` (Wan et al. 2014, the method before Luo et al.)."""
    mean = {
        "S1": (s.minimum + 2 * s.median + s.maximum) / 4,
        "S2": (s.q1 + s.median + s.q3) / 3,
        "S3": (s.minimum + 2 * s.q1 + 2 * s.median + 2 * s.q3 + s.maximum) / 8,
    }[s.scenario]
    return mean, wan_sd(s)


def hozo_2005(s: Summary) -> Moments:
    """Rules of thumb for minimum, median and maximum, by sample size (Hozo et al., BMC Med Res Methodol 2005;5:13)."""
    a, m, b, n = s.minimum, s.median, s.maximum, s.n
    if s.scenario != "S1":
        return NAN, NAN
    mean = (a + 2 * m + b) / 4 if n <= 25 else m
    if n <= 15:
        return mean, float(np.sqrt(((a - 2 * m + b) ** 2 / 4 + (b - a) ** 2) / 12))
    return mean, (b - a) / (4 if n <= 70 else 6)


def bland_2015(s: Summary) -> Moments:
    """Hozo's inequalities extended to five numbers (Bland, J Stat Educ 2015;23)."""
    if s.scenario != "S3":
        return NAN, NAN
    a, q1, m, q3, b = s.minimum, s.q1, s.median, s.q3, s.maximum
    mean = (a + 2 * q1 + 2 * m + 2 * q3 + b) / 8
    squares = (a**2 + 2 * q1**2 + 2 * m**2 + 2 * q3**2 + b**2) / 16
    return mean, float(np.sqrt(squares + (a * q1 + q1 * m + m * q3 + q3 * b) / 8 - mean**2))


def walter_2007(s: Summary) -> Moments:
    """The median, and the range over its expectation in n normal values (Walter and Yao, J Clin Epidemiol 2007;60:849-852)."""
    if s.scenario != "S1":
        return NAN, NAN
    return s.median, (s.maximum - s.minimum) / normal_order.expected_range(s.n)


METHODS: dict[str, Callable[[Summary], Moments]] = {
    "luo/wan/shi": luo_wan_shi,
    "qe": lambda s: fitted.quantile_estimation(*_points(s)),
    "bc": fitted.box_cox,
    "mln": order_likelihood.unknown_non_normal,
    "cai2021": lambda s: order_likelihood.unknown_non_normal(s, jacobian=False),
    "blue": lambda s: normal_order.best_linear_unbiased(*_points(s), s.n),
    "hozo2005": hozo_2005,
    "wan2014": wan_2014,
    "bland2015": bland_2015,
    "walter2007": walter_2007,
}


def _points(s: Summary) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities (extremes at 1/n) and values of what is there."""
    p = np.array([1 / s.n, 0.25, 0.5, 0.75, 1 - 1 / s.n])
    x = s.values
    there = np.isfinite(x)
    return p[there], x[there]


def mean_sd_from_quantiles(
    *,
    n: ArrayLike,
    median: ArrayLike,
    minimum: ArrayLike | None = None,
    q1: ArrayLike | None = None,
    q3: ArrayLike | None = None,
    maximum: ArrayLike | None = None,
    method: str = "luo/wan/shi",
    distribution: Skew = "normal",
    skew_test: bool = True,
    failed: Failed = "raise",
) -> tuple[np.ndarray, np.ndarray]:
    """Means and SDs from medians with quartiles, ranges or both.

    How often its tests reject and its intervals hold: ``reports/levels.md#mean_sd_from_quantiles``.

    Parameters
    ----------
    n, median : array-like of shape (k,)
        Patients, and medians in units of the scale.
    minimum, q1, q3, maximum : array-like of shape (k,), optional
        In units of the scale; what a study does not print is NaN. Each study needs both quartiles, or both ends, or all four.
    method : str
        - "luo/wan/shi": Luo et al. 2018 for the mean, Wan et al. 2014 and (all five numbers) Shi et al. 2020 for the SD
        - "qe": the best fit of five distributions to the quantiles (McGrath et al. 2020)
        - "bc": the same formulas on the Box-Cox scale that makes the quantiles symmetric (McGrath et al. 2020); where much of
          that distribution lies below 0 and is cut its SD is too small, which is warned of (quartiles of 10, 25 and 40: 13
          where "luo/wan/shi" has 23)
        - "mln": a normal distribution on the power scale that suits the quantiles best, by maximum likelihood (after Cai et
          al. 2021, the powers compared so that no unit matters)
        - "blue": best linear unbiased estimates from the moments of normal order statistics (Yang et al. 2022)
        - "hozo2005", "wan2014", "bland2015", "walter2007": the older ones, for replication; "cai2021", which is "mln" as it was
          published, gives other answers in other units (quartiles of 10, 25 and 40 a mean of 35 and an SD of 46)
    distribution : {"normal", "lognormal"}
        What "luo/wan/shi" assumes of the data. Log-normal: on the logs, then back with the bias corrections of Shi et al.
        (Stat Interface 2020;13:519-531).
    skew_test : bool
        Whether "luo/wan/shi" refuses studies whose quantiles show at the 5% level that the data (log-normal: their logs) are
        skewed, for which it is not made (Shi et al. 2023). It sees little: of log-normal samples of 20 to 100 patients (SD of
        the logs 0.5) 86 to 96% pass, and come out 8% too low in mean and 16% in SD.
    failed : {"raise", "nan"}
        What to do where a method has no answer for a study (incomplete set, skewed data, no fit): an error that names the
        rows, or NaN.

    Returns
    -------
    mean, sd : numpy.ndarray of shape (k,)
        NaN where the method has no formula for the set that a study prints.

    Raises
    ------
    InputError
        Unknown names, an answer that no sample with these extremes can have, quantiles out of order, sizes below 3, incomplete
        sets, studies without an answer (`failed`), values <= 0 where logs or powers are taken.

    Examples
    --------
    >>> import vfmeta as vf
    >>> mean, sd = vf.convert.mean_sd_from_quantiles(n=[72], q1=[16.2], median=[19.5], q3=[22.0])
    >>> round(mean[0], 3), round(sd[0], 3)
    (np.float64(19.218), np.float64(4.388))
    """
    if isinstance(method, str) and method == "default":
        method = "luo/wan/shi"
    if not isinstance(method, str) or method not in METHODS:
        raise InputError(f"method={method!r} is unknown; use one of {', '.join(METHODS)}.")
    distribution = choice("distribution", distribution, Skew)
    failed = choice("failed", failed, Failed)
    if distribution == "lognormal" and method != "luo/wan/shi":
        raise InputError(
            f'distribution="lognormal" goes with method="luo/wan/shi" only; {method} chooses its own distribution.'
        )
    positive = distribution == "lognormal" or method in ("bc", "mln", "cai2021")
    studies = _read(n, median, minimum, q1, q3, maximum, positive=positive, whole=failed == "raise")
    out = np.full((len(studies), 2), np.nan)
    problems: list[str] = []
    notes: list[str] = []
    for i, s in enumerate(studies):
        if not s.scenario:
            continue
        used = s.moved(np.log(s.values)) if distribution == "lognormal" else s
        if method == "luo/wan/shi" and skew_test:
            statistic, critical = skewness(used)
            if statistic > critical:
                problems.append(
                    f"row {i + 1}: the quantiles show skewed data ({statistic:.3f}, critical value {critical:.3f}), for which "
                    f'{method} is not made; use method="qe" or distribution="lognormal", or pass skew_test=False.'
                )
                continue
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always", VfmetaWarning)
            try:
                out[i] = lognormal(used) if distribution == "lognormal" else METHODS[method](s)
            except ConvergenceError as error:
                problems.append(f"row {i + 1}: {error}.")
                continue
        notes += [f"row {i + 1}: {x.message}" for x in said]
        if why := impossible(s, *out[i]):
            problems.append(f"row {i + 1}: {method} gives {why}; use another method.")
            out[i] = NAN
    if problems and failed == "raise":
        raise InputError(problems)
    if notes:
        warn(f"{method}: {'; '.join(notes)}.")
    return out[:, 0], out[:, 1]


def impossible(s: Summary, mean: float, sd: float) -> str:
    """Why no sample with these extremes has this mean and SD; empty where one may, or no extremes are printed.

    The variance is largest with everybody at an end, half of them at each (Popoviciu 1935), and smallest with everybody but
    the two extremes half-way between these (von Szokefalvi Nagy 1918). A quarter of the patients at each quartile or beyond it,
    and everybody else half-way between, is the least that quartiles allow.
    """
    quarter = (s.q3 - s.q1) / 2 * np.sqrt(2 * (s.n // 4) / (s.n - 1))
    if np.isfinite(quarter) and sd < quarter * (1 - 1e-9):
        return f"an SD of {sd:.6g}, and with a quarter of {s.n:g} patients beyond each quartile it is at least {quarter:.6g}"
    span = s.maximum - s.minimum
    if not np.isfinite(span) or not np.isfinite(mean):
        return ""
    if not s.minimum <= mean <= s.maximum:
        return f"a mean of {mean:.6g}, outside of minimum and maximum"
    low, high = span / np.sqrt(2 * (s.n - 1)), span * np.sqrt((s.n // 2) * (s.n - s.n // 2) / (s.n * (s.n - 1)))
    if not low * (1 - 1e-9) <= sd <= high * (1 + 1e-9):
        return f"an SD of {sd:.6g}, and with {s.n:g} patients between these extremes it lies between {low:.6g} and {high:.6g}"
    return ""


def _read(
    n: ArrayLike,
    median: ArrayLike,
    minimum: ArrayLike | None,
    q1: ArrayLike | None,
    q3: ArrayLike | None,
    maximum: ArrayLike | None,
    *,
    positive: bool,
    whole: bool,
) -> list[Summary]:
    """Checked summaries, one per study."""
    sizes = np.atleast_1d(numbers("n", n, missing=True))
    names = {"minimum": minimum, "q1": q1, "median": median, "q3": q3, "maximum": maximum}
    found = {}
    for name, values in names.items():
        x = np.full(len(sizes), np.nan) if values is None else np.atleast_1d(numbers(name, values, missing=True))
        if x.shape != sizes.shape:
            raise InputError(f"{name} has shape {x.shape} and n has shape {sizes.shape}; give one value per study in each.")
        if positive:
            require(name, x, x > 0, "must be greater than 0, as its logarithm or power is taken")
        found[name] = x
    require("n", sizes, sizes >= 3, "a study needs at least 3 patients")
    columns = [found[name].tolist() for name in names]
    studies = [Summary(a, b, c, d, e, m) for a, b, c, d, e, m in zip(*columns, sizes.tolist(), strict=True)]
    problems = []
    for i, s in enumerate(studies):
        there = s.values[np.isfinite(s.values)].tolist()
        if not s.scenario:
            if not whole:
                continue
            problems.append(f"row {i + 1}: n, the median and both quartiles, both ends, or all of them are needed.")
        elif sorted(there) != there:
            problems.append(
                f"row {i + 1}: minimum, q1, median, q3 and maximum must rise in this order; look at the source again."
            )
        elif there[0] == there[-1] or s.q1 == s.q3:
            problems.append(f"row {i + 1}: the quantiles do not differ; no SD can be formed.")
    if problems:
        raise InputError(problems)
    return studies


def lognormal(s: Summary) -> Moments:
    """Mean and SD of data whose logs are normal, from quantiles of the logs (Shi et al., Stat Interface 2020;13:519-531).

    The second and fourth powers of the SD of the logs are freed of their own biases, and with them the mean and variance.
    The paper was read in excerpts only; S2 and S3 agree with metafor, and the numbers of S1 with two other public programs
    (tests/test_conversions_likelihood.py).
    """
    mu, sd, n = luo_mean(s), shi_sd(s), s.n
    square = {"S1": 1.01 + 0.25 / np.log(n) ** 2, "S2": 1 + 1.58 / n, "S3": 1 + 0.28 / np.log(n) ** 2}[s.scenario]
    fourth = {"S1": 1 + 2.23 / np.log(n) ** 2, "S2": 1 + 19.2 / n**1.2, "S3": 1 + 3.93 / n}[s.scenario]
    b1, b2 = {"S1": (0.565, 0.37), "S2": (0.57, 0.75), "S3": (0.405, 0.315)}[s.scenario]
    v, v2 = sd**2 / square, sd**4 / fourth

    def freed(first: float, second: float) -> float:
        """``exp(first mu + second v)`` over its expected excess."""
        return float(np.exp(first * mu + second * v) / (1 + first**2 * b1 * v / n + 4 * second**2 * b2 * v2 / n))

    return freed(1, 0.5), float(np.sqrt(freed(2, 2) - freed(2, 1)))

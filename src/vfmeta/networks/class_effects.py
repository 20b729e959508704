"""Treatments of one class: their effects exchangeable within it, or equal."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from vfmeta.core.messages import InputError, kind_of, warn_each
from vfmeta.core.params import MethodOrCommon, OnScale, WaldTest, Within, choice, confidence
from vfmeta.core.question import Question
from vfmeta.effects import cells
from vfmeta.kernels import class_variances
from vfmeta.kernels.network import independent
from vfmeta.networks.compared import OfTrials, packed, unpacked
from vfmeta.networks.graph import Network
from vfmeta.networks.result import NetworkResult
from vfmeta.results.coefficients import Coefficients
from vfmeta.results.frames import scaled
from vfmeta.results.information import Information, information, saturated
from vfmeta.results.wald import TestResult, quantile, two_sided, wald
from vfmeta.text import numbers as tx

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class ClassEffects(OfTrials, Coefficients):
    """A network whose treatments stand in classes. ``terms`` are the classes but that of the ``reference``, ``estimate`` (p,)
    their mean effects against it.

    `comparisons`, `league` and `p_scores` are of treatments, each drawn towards the mean of its class as far as its own trials
    are imprecise (equal within the class for ``within="equal"``); their intervals take the variances as known. ``tau2`` is the
    between-trial variance of every contrast, ``omega2`` that of the treatments of a class around its mean.

    Examples
    --------
    >>> import vfmeta as vf
    >>> frame = {
    ...     "study": list("abcdef"), "treat1": list("BCDBCD"), "treat2": list("AAAAAA"),
    ...     "y": [-0.5, -0.3, -0.8, -0.6, -0.2, -0.4], "se": [0.2] * 6,
    ... }
    >>> net = vf.network(frame, reference="A")
    >>> vf.networks.classes(net, {"A": "placebo", "B": "opioid", "C": "opioid", "D": "opioid"}).terms
    ('opioid',)
    """

    engine: ClassVar[str] = "network_classes"
    packed: ClassVar[frozenset[str]] = frozenset({"network", "classes"})
    absent: ClassVar[dict[str, str]] = {
        "prediction": "each comparison has its own: see league or comparisons.",
        "predict": "comparisons has every two treatments, with prediction intervals.",
        "q": "Cochran's Q is that of the network it was made from.",
        "i2": "tau2 and omega2 are told in the units of the effects.",
        "h2": "tau2 and omega2 are told in the units of the effects.",
        "tau2_interval": "the standard errors tau2_se and omega2_se are what this model gives.",
        "heterogeneity_interval": "the standard errors tau2_se and omega2_se are what this model gives.",
    }

    question: Question
    terms: tuple[str, ...]
    estimate: np.ndarray
    se: np.ndarray
    statistic: np.ndarray
    p_value: np.ndarray
    interval: np.ndarray
    level: float
    df: float | None
    vb: np.ndarray
    tau2: float
    tau2_se: float | None
    omega2: float
    omega2_se: float | None
    omnibus: TestResult
    within: str
    method: str
    test: str
    log_likelihood: float
    deviance_from: float
    reference: str
    warnings: tuple[str, ...]
    call: dict[str, Any]
    effects: np.ndarray
    effects_covariance: np.ndarray
    network: Network = field(repr=False)
    classes: dict[str, str] = field(default_factory=dict)

    @property
    def studies(self) -> pd.DataFrame:
        """One row per contrast with a trial's first arm: study, treatment, control, estimate, se, ci_low, ci_high, weight
        (1 / (variance + tau2) in percent of all), scale.
        """
        return self._contrasts(self.tau2)

    @property
    def coding(self) -> np.ndarray:
        """What each treatment is in the ``effects`` of all treatments, shape (treatments, treatments)."""
        return np.eye(len(self.treatments))

    @property
    def _effects(self) -> np.ndarray:
        return self.effects

    def members(self, *, on: OnScale = "analysis") -> pd.DataFrame:
        """Each treatment against the mean of those of its class: treatment, class, estimate, se, ci_low, ci_high, scale."""
        import pandas as pd

        names = list(dict.fromkeys(self.classes[t] for t in self.treatments))
        mean = {
            c: np.mean([self.coding[i] for i, t in enumerate(self.treatments) if self.classes[t] == c], axis=0) for c in names
        }
        matrix = np.array([self.coding[i] - mean[self.classes[t]] for i, t in enumerate(self.treatments)])
        estimate, se = matrix @ self.effects, self._spread(matrix)
        half = quantile(self.level, self.df) * se
        frame = pd.DataFrame({
            "treatment": list(self.treatments), "class": [self.classes[t] for t in self.treatments], "estimate": estimate,
            "se": se, "ci_low": estimate - half, "ci_high": estimate + half,
        })  # fmt: skip
        return scaled(frame, self.question, on)

    def information(self, kind: str | None = None) -> Information:
        """Log-likelihood of the fit, deviance, AIC, AICc and BIC; n is the number of contrasts (less p for REML)."""
        kind = ("ML" if self.method == "ML" else "REML") if kind is None else kind
        if kind != ("ML" if self.method == "ML" else "REML"):
            raise InputError(f"kind={kind!r}: this model was fitted by {self.method}.")
        count = len(self.terms) + (self.method != "common") + (self.within == "exchangeable")
        n = self.k - (len(self.terms) if kind == "REML" else 0)
        return information(kind, self.log_likelihood, count, n, self.deviance_from)

    @property
    def _covariance(self) -> np.ndarray:
        return self.effects_covariance

    def _spread(self, matrix: np.ndarray) -> np.ndarray:
        return np.sqrt(np.maximum(np.einsum("ij,jk,ik->i", matrix, self.effects_covariance, matrix), 0.0))

    def _df(self, matrix: np.ndarray) -> float | None:
        return self.df

    def _pack(self) -> dict[str, Any]:
        return {"network": packed(self.network), "classes": dict(self.classes)}

    @classmethod
    def _unpack(cls, data: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
        return {"network": unpacked(data["network"], own), "classes": dict(data["classes"])}

    def __str__(self) -> str:
        of = f" {tx.spread_of(self.question)}".rstrip()
        spread = f"omega2 {tx.short(self.omega2)} within classes" if self.within == "exchangeable" else "equal within classes"
        return self._text(
            f"Network of {len(self.treatments)} treatments in {len(set(self.classes.values()))} classes, "
            f"{self.question.shown} against the class of {self.reference} ({self.method}, {self.test})",
            f"tau2 {tx.short(self.tau2)}{of}, {spread}",
        )


def classes(
    fit: NetworkResult,
    klass: Any,
    *,
    within: Within = "exchangeable",
    method: MethodOrCommon | None = None,
    test: WaldTest = "Wald",
    level: float | None = None,
) -> ClassEffects:
    """Network meta-analysis with classes of treatments.

    How often its tests reject and its intervals hold: ``reports/levels.md#networksclasses``.

    Parameters
    ----------
    fit : NetworkResult
        From `vfmeta.network`; its trials are used.
    klass : mapping or Series
        Class of every treatment by its name. A treatment alone in its class has an effect of its own.
    within : {"exchangeable", "equal"}
        Whether treatments of one class are normal around its mean, with one variance omega2 for every class, or the same
        (Owen et al. 2015, Value Health 18:116-126; Warren et al. 2014, Res Synth Methods 5:15-28).
    method : str, optional
        Estimator of both variances, ``"REML"`` or ``"ML"``; ``"common"`` has no variance between trials. That of the fit when
        left out, REML where that is another.
    test : {"Wald", "t"}
        Normal quantiles, or t with as many degrees of freedom as there are contrasts more than class effects.
    level : float, optional
        That of the fit when left out.

    Returns
    -------
    ClassEffects

    Raises
    ------
    InputError
        A treatment without a class, no class of several treatments, or class effects that the trials cannot tell apart.

    Examples
    --------
    >>> import vfmeta as vf
    >>> frame = {
    ...     "study": list("abcdef"), "treat1": list("BCDBCD"), "treat2": list("AAAAAA"),
    ...     "y": [-0.5, -0.3, -0.8, -0.6, -0.2, -0.4], "se": [0.2] * 6,
    ... }
    >>> net = vf.network(frame, reference="A")
    >>> fit = vf.networks.classes(net, {"A": "placebo", "B": "opioid", "C": "opioid", "D": "opioid"}, within="equal")
    >>> fit.league().loc["B", "C"]
    '0 (0 to 0)'
    """
    if not isinstance(fit, NetworkResult):
        raise InputError(f"classes takes a network (from vf.network), not {kind_of(fit)}.")
    if fit.network.pooled:
        raise InputError("Mantel-Haenszel pools the trials of a design; fit vf.network(...) to the arms.")
    within, test = choice("within", within, Within), choice("test", test, WaldTest)
    asked = (fit.method if fit.method in ("REML", "ML", "common") else "REML") if method is None else method
    chosen = choice("method", asked, MethodOrCommon)
    if chosen not in ("REML", "ML", "common"):
        raise InputError(
            f'method={chosen!r}: the variance within classes is estimated by likelihood; use "REML", "ML" or "common".'
        )
    level = fit.level if level is None else confidence(level)
    net = fit.network
    own = _classes(klass, net.treatments)
    home = own[fit.reference]
    terms = tuple(c for c in dict.fromkeys(own[t] for t in net.treatments) if c != home)
    several = [t for t in net.treatments if list(own.values()).count(own[t]) > 1] if within == "exchangeable" else []
    if not any(list(own.values()).count(c) > 1 for c in own.values()):
        raise InputError("Every treatment is a class of its own; give a class to several treatments.")
    fixed = np.array([[float(own[t] == c) for c in terms] for t in net.treatments]).reshape(len(net.treatments), len(terms))
    random = np.array([[float(t == m) for m in several] for t in net.treatments]).reshape(len(net.treatments), len(several))
    at = {t: i for i, t in enumerate(net.treatments)}
    code = np.hstack([fixed, random])
    designs = [code[[at[a] for a in t.arms[1:]]] - code[at[t.arms[0]]] for t in net.trials]
    y, v, x, _ = independent([t.y for t in net.trials], [t.V for t in net.trials], designs)
    p = len(terms)
    if p == 0 or np.linalg.matrix_rank(x[:, :p]) < p or len(y) <= p:
        raise InputError(
            "The trials cannot tell the classes apart: " + (", ".join(terms) or home) + " against " + home + "; there must be "
            "trials across classes that join them all, and more contrasts than classes."
        )
    held = 0.0 if chosen == "common" else fit.fixed_tau2
    found = class_variances.fit(y, v, x[:, :p], x[:, p:], tau2=held, restricted=chosen != "ML")
    se = np.sqrt(np.diag(found.covariance)[:p])
    df = float(len(y) - p) if test == "t" else None
    half = quantile(level, df) * se
    spread = np.sqrt(np.diag(found.variances_covariance))
    notes = list(net.notes)
    if within == "exchangeable" and found.omega2 == 0:
        notes.append("omega2 is estimated as 0: the treatments of a class are taken to be equal.")
    result = ClassEffects(
        question=fit.question, terms=terms, estimate=found.beta, se=se, statistic=found.beta / se,
        p_value=two_sided(found.beta / se, df), interval=np.column_stack([found.beta - half, found.beta + half]), level=level,
        df=df, vb=found.covariance[:p, :p], tau2=found.tau2, tau2_se=None if math.isnan(spread[0]) else float(spread[0]),
        omega2=found.omega2, omega2_se=None if math.isnan(spread[1]) else float(spread[1]),
        omnibus=wald(found.beta, found.covariance[:p, :p], df), within=within, method=chosen, test=test,
        log_likelihood=found.log_likelihood, deviance_from=saturated(v) if chosen == "ML" else 0.0, reference=fit.reference,
        warnings=tuple(notes), effects=code @ np.concatenate([found.beta, found.shared]),
        effects_covariance=code @ found.covariance @ code.T, network=net, classes=own, origin=fit.origin,
        call={"function": "networks.classes", "within": within, "method": chosen, "test": test, "level": level,
              "reference": fit.reference},
    )  # fmt: skip
    warn_each(result.warnings)
    return result


def _classes(given: Any, treatments: tuple[str, ...]) -> dict[str, str]:
    """Class by treatment; what is missing or unknown is named."""
    if not (isinstance(given, Mapping) or hasattr(given, "to_dict")):
        raise InputError('klass= takes a class by name of the treatment, such as {"morphine": "opioid"}, or such a Series.')
    told = dict(given if isinstance(given, Mapping) else given.to_dict())
    named = {cells.label(t): c for t, c in told.items()}
    problems = [f"{t}: no class is given; a treatment alone in its class has an effect of its own." for t in treatments
                if named.get(t) is None or named[t] != named[t] or not str(named[t]).strip()]  # fmt: skip
    problems += [f"{t!r} is no treatment of the network." for t in named if t not in treatments]
    if problems:
        raise InputError(problems)
    return {t: cells.label(named[t]) for t in treatments}


__all__ = ["ClassEffects", "classes"]

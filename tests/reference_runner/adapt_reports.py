"""Trials that print only a part of their result: family "reports" of the sets with tolerances."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import ndtr

import vfmeta as vf


def answer(case: dict[str, Any]) -> dict[str, Any]:
    """Posterior of mean and tau, and the log marginal likelihood."""
    o, given = case["options"], case["inputs"]["reports"]
    mu = vf.priors.Flat() if o["mu_prior"] == "flat" else vf.priors.Normal(*o["mu_prior"]["normal"])
    tau = vf.priors.HalfNormal(o["tau_prior"]["halfnormal"])
    # z as the two-sided p value that means it
    p = [2 * ndtr(-r["z"]) if "z" in r else None for r in given]
    own = {name: [r.get(name) for r in given] for name in ("kind", "y", "se", "direction")}
    fit = vf.bayes.reports(**own, p=p, tau=tau, mu=mu, question=vf.Question(higher_is_worse=True))
    found: dict[str, Any] = {"mu": _told(fit.mu) | {"p_below_0": fit.p_benefit}, "tau": _told(fit.tau)}
    return found | ({} if fit.log_evidence is None else {"evidence": {"log_marginal": fit.log_evidence}})


def _told(x: Any) -> dict[str, float]:
    low, high = np.array(x.interval)
    return {"mean": x.mean, "sd": x.sd, "q025": low, "q50": x.median, "q975": high}

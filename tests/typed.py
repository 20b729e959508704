"""What a type checker sees of the face: `make lint` reads this file, and an ignored error that is none is an error there."""

from __future__ import annotations

import vfmeta as vf
import vfmeta.bayes
from vfmeta import convert, plots, priors

fit = vf.random_effects(y=[0.1, 0.4], v=[0.1, 0.2], method="DL", test="Wald")
vf.random_effects(y=[0.1, 0.4], v=[0.1, 0.2], method="REM")  # type: ignore[arg-type]
vf.random_effects(y=[0.1, 0.4], v=[0.1, 0.2], test="HTZ")  # type: ignore[arg-type]
vf.random_effects(y=[0.1, 0.4], v=[0.1, 0.2], interval="Wald")  # type: ignore[call-arg]
vf.meta_regression(y=[0.1, 0.4], v=[0.1, 0.2], formula="~ 1", test="KR")
vf.glmm("OR", events1=[1], n1=[9], events2=[2], n2=[9], heterogeneity="fixed")  # type: ignore[arg-type]
vf.bayes.random_effects(y=[0.1, 0.4], v=[0.1, 0.2], tau=priors.HalfNormal(1.0), interval="HDI")  # type: ignore[arg-type]
vfmeta.bayes.models.robust(y=[0.1, 0.4], v=[0.1, 0.2], tau=priors.HalfNormal(1.0))
plots.forest(fit)
convert.logit(0.2)
print(vf.no_such_verb)  # type: ignore[attr-defined]

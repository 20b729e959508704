"""tau2 by moments from Q about the Mantel-Haenszel estimate of the studies' 2 x 2 tables, as RevMan's random effects take it.

Deeks & Higgins 2010, Statistical algorithms in Review Manager 5, Cochrane: Q is weighed by 1 / v and the denominator is that of
DerSimonian and Laird. The Mantel-Haenszel estimate is not where that Q is least, so that tau2 is never below DerSimonian and
Laird's and a little too large: an option to reproduce a published pool by.
"""

from __future__ import annotations

from vfmeta.kernels.centred_q import tau2_about
from vfmeta.kernels.tau2.estimator import Estimator

METHODS = {
    "DL-MH": Estimator(
        "moments about the Mantel-Haenszel estimate (Deeks & Higgins 2010, Statistical algorithms in Review Manager 5)",
        about=tau2_about,
    ),
}

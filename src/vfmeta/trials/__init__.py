"""What was measured: the trial tables, read, checked and selected."""

from vfmeta.trials.checks import problems_in, validate
from vfmeta.trials.problem import Problem
from vfmeta.trials.store import Trials, load_trials

__all__ = ["Problem", "Trials", "load_trials", "problems_in", "validate"]

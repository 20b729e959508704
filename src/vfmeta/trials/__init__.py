"""What was measured: the trial tables, read, checked and selected."""

from vfmeta.trials.loading import checked, load_trials, problems_in, validate
from vfmeta.trials.problem import Problem
from vfmeta.trials.store import Trials

__all__ = ["Problem", "Trials", "checked", "load_trials", "problems_in", "validate"]

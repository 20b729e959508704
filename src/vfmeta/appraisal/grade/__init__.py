"""GRADE argued from numbers: a domain a file, one table of thresholds."""

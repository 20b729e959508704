"""Runs cases of the reference format through the public functions: ``python -m tests.reference_runner``."""

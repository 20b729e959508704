"""Bayesian engine: the normal-normal model, exactly and by sampling (PyMC loads only when something is sampled)."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

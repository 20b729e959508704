"""What stands beside a pool: whether it would stand, and what can be said where nothing can be pooled."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

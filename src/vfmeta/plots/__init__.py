"""Figures. A plot draws a result object and knows no estimator; matplotlib loads when the first one is drawn.

A file bears the name of its verb behind a low line: an imported submodule would take the verb's place in this namespace.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

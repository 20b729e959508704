"""vfmeta: evidence synthesis for painful osteoporotic vertebral fractures.

Nothing loads with this module; every verb and package loads when it is first used. The stub beside it says what there is, for
people, type checkers and the loader alike.
"""

import lazy_loader

from vfmeta.core import extras as _extras

__version__ = "0.2.0"
_extras.tell()
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

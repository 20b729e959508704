"""From analysis plans and trial tables to results, figures and pages.

Verbs are modules: ``evidence.run.run``, ``evidence.build.build``, ``evidence.changes.changes``. What is not named after its
module is at hand here: plans, records, and ``show`` for notebooks and reports.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

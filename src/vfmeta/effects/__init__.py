"""From what was measured to ``y`` and ``v``."""

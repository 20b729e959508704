"""Mixed models of counts."""

"""How numbers and sentences read."""

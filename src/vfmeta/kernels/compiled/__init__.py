"""Loops that numba compiles, once a machine. Nothing here is imported before the first fit asks for it."""

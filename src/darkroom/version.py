"""The version of darkroom, in a file of its own so that the ground floor can read it."""

__version__ = "0.1.0"

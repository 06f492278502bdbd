"""Checks of a reward before a second of simulation is spent on it."""

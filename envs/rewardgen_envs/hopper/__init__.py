"""Hopper tasks: a one-legged robot in a vertical plane."""

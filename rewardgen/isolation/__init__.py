"""Reward code from strangers and models, run in a process of its own."""

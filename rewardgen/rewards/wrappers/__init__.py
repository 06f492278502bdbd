"""Wrappers: what makes another reward of a reward and its terms, outside of the reward's code.

``catalogue`` says which there are, by name and parameters. ``sources`` puts one around any reward
source: ``wrapped(source, Krc(terms=("up", "near")))``.
"""

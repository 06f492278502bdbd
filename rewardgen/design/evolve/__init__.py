"""The designer that needs no language model: a search over typed reward programs."""

from rewardgen.design.evolve.evolve import EvolveDesigner, Strategy

__all__ = ["EvolveDesigner", "Strategy"]

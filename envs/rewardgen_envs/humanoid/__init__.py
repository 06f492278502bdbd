"""Humanoid tasks: a robot with two legs, two arms and 17 motors."""

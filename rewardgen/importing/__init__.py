"""Rewards that were written for other systems, rewritten in the project's format."""

"""Ant tasks: a four-legged robot with eight motors."""

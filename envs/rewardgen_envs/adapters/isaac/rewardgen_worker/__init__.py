"""The simulator's side: needs the standard library and NumPy, and Python 3.8 at least.

This folder can be copied to wherever the simulator lives; nothing in it imports the project.
"""

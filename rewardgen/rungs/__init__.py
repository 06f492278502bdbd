"""Rungs: the unit of work, a self-contained job directory, and who executes it."""

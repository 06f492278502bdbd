"""A new task for somebody's robot: files that run at once and say what is left to write."""

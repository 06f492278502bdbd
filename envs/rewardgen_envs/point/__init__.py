"""Point-mass tasks."""

"""Design, train and compare reward functions for simulated robots."""

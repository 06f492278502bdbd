"""Other people's Gymnasium environments as tasks: an environment and a map of its features."""

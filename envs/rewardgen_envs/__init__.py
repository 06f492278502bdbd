"""Simulated tasks: physics, features, fitness. Knows nothing of PPO, rewards' authors or LLMs."""

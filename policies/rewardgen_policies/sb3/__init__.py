"""Stable-Baselines3's PPO behind the seam, for other people's Gymnasium environments."""

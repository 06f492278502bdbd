"""PPO for whole populations of policies, and the seam to their rewards."""

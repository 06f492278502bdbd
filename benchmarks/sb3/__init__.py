"""Stable-Baselines3's side of the benchmarks that run it in processes of its own."""

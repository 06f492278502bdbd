"""What episodes and training curves say about a reward: pure functions over arrays."""

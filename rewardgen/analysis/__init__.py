"""What is learned from training and evaluation: statistics and feedback for designers."""

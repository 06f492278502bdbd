"""Where a run's curves are written for other people's viewers: TensorBoard, Weights & Biases."""

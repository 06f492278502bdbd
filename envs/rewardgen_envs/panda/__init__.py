"""Tasks of a Franka Panda, an arm of seven joints with a parallel gripper, at a table."""

"""Go1 tasks: a Unitree Go1, a real four-legged robot, with a position controller per joint."""

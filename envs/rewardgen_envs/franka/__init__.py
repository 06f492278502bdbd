"""A Franka Panda and furniture."""

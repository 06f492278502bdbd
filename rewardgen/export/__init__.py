"""Results for use elsewhere: reward files, policies, and rewards in other environments."""

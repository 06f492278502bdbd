"""Upright, nothing else."""


def compute_reward(state, action, next_state):
    upright = (next_state.pole_angle_cosine + 1.0) / 2.0
    return upright, {"upright": upright}

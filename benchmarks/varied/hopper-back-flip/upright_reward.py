"""Upright, which it is from the start."""


def compute_reward(state, action, next_state):
    upright = next_state.torso_up
    return upright, {"upright": upright}

"""Upright, but effort costs a hundred times what it should."""


def compute_reward(state, action, next_state):
    upright = (next_state.pole_angle_cosine + 1.0) / 2.0
    effort = -1.0 * (action**2).sum(dim=1)
    return upright + effort, {"upright": upright, "effort": effort}

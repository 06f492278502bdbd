"""Only where the pole is within 18 degrees of upright."""


def compute_reward(state, action, next_state):
    near_top = (next_state.pole_angle_cosine > 0.95).float()
    return near_top, {"near_top": near_top}

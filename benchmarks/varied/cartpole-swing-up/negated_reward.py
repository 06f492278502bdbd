"""The human reward's swing with the wrong sign."""


def compute_reward(state, action, next_state):
    upright = (next_state.pole_angle_cosine + 1.0) / 2.0
    centered = (1.0 + tolerance(next_state.cart_position, margin=2.0)) / 2.0
    swing = -upright * centered
    return swing, {"swing": swing}

"""The cart in the middle; the pole does not count."""


def compute_reward(state, action, next_state):
    centered = tolerance(next_state.cart_position, bounds=(-0.1, 0.1), margin=1.0)
    return centered, {"centered": centered}

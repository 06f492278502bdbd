"""Upside down, and high."""


def compute_reward(state, action, next_state):
    inverted = (1.0 - next_state.torso_up) / 2.0
    high = 0.5 * (next_state.torso_height / 1.25).clamp(max=1.5)
    return inverted + high, {"inverted": inverted, "high": high}

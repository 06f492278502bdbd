"""Upright and slow, multiplied."""


def compute_reward(state, action, next_state):
    upright = (next_state.pole_angle_cosine + 1.0) / 2.0
    calm = tolerance(next_state.pole_angular_velocity, margin=4.0)
    still_up = upright * calm
    return still_up, {"still_up": still_up}

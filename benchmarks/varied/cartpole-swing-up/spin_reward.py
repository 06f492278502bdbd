"""A fast pole."""


def compute_reward(state, action, next_state):
    spin = next_state.pole_angular_velocity.abs().clamp(max=15.0) / 15.0
    return spin, {"spin": spin}

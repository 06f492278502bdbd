"""Upward velocity."""


def compute_reward(state, action, next_state):
    jump = next_state.torso_velocity_z.clamp(min=0.0)
    return jump, {"jump": jump}

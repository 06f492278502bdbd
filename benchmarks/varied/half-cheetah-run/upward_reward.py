"""Velocity along the wrong axis."""


def compute_reward(state, action, next_state):
    upward = next_state.torso_velocity_z
    effort = -0.1 * (action**2).sum(dim=1)
    return upward + effort, {"upward": upward, "effort": effort}

"""Turning, but effort costs a thousand times what it should."""


def compute_reward(state, action, next_state):
    rotation = 5.0 * (next_state.backward_rotation - state.backward_rotation)
    effort = -1.0 * (action**2).sum(dim=1)
    return rotation + effort, {"rotation": rotation, "effort": effort}

"""The rotation so far, paid in every step."""


def compute_reward(state, action, next_state):
    so_far = 0.2 * next_state.backward_rotation.clamp(min=0.0, max=2.0 * math.pi)
    return so_far, {"so_far": so_far}

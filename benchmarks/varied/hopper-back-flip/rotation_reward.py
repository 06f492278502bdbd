"""How far it turned backwards in this step."""


def compute_reward(state, action, next_state):
    rotation = 5.0 * (next_state.backward_rotation - state.backward_rotation)
    return rotation, {"rotation": rotation}

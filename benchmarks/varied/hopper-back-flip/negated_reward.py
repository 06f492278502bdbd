"""The turn of the human reward with the wrong sign."""


def compute_reward(state, action, next_state):
    turn = 2.0 * math.pi
    turned = next_state.backward_rotation.clamp(max=turn) - state.backward_rotation.clamp(max=turn)
    rotation = -5.0 * turned
    return rotation, {"rotation": rotation}

"""One turn, and then every step that it stands."""


def compute_reward(state, action, next_state):
    turn = 2.0 * math.pi
    rotation = 2.0 * (
        next_state.backward_rotation.clamp(max=turn) - state.backward_rotation.clamp(max=turn)
    )
    landed = 5.0 * (next_state.backward_rotation > 0.9 * turn) * next_state.standing
    return rotation + landed, {"rotation": rotation, "landed": landed}

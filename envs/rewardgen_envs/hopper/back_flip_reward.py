"""Human reward of hopper/back-flip: turn once, then stand."""


def compute_reward(state, action, next_state):
    turn = 2.0 * math.pi
    turned = next_state.backward_rotation.clamp(max=turn) - state.backward_rotation.clamp(max=turn)
    rotation = 5.0 * turned
    done = next_state.backward_rotation > 0.85 * turn
    landing = 2.0 * next_state.standing * done
    lying = -5.0 * next_state.terminated
    control = 1e-3 * (action**2).sum(dim=1)
    return rotation + landing + lying - control, {
        "rotation": rotation,
        "landing": landing,
        "lying": lying,
        "control": -control,
    }

"""Human reward of hopper/front-flip: jump, roll over forwards once, then stand tall."""


def compute_reward(state, action, next_state):
    turn = 2.0 * math.pi
    turned = next_state.forward_rotation.clamp(max=turn) - state.forward_rotation.clamp(max=turn)
    rotation = 5.0 * turned
    over = next_state.forward_rotation > 0.8 * turn
    tall = (next_state.torso_height / 1.25).clamp(max=1.0)
    upright = over * next_state.torso_up.clamp(min=0.0) * tall
    standing = 1.0 * over * next_state.standing
    control = 1e-3 * (action**2).sum(dim=1)
    return rotation + upright + standing - control, {
        "rotation": rotation,
        "upright": upright,
        "standing": standing,
        "control": -control,
    }

"""Human reward of hopper/front-flip: jump, roll over forwards in the air once, then stand tall."""


def compute_reward(state, action, next_state):
    turn = 2.0 * math.pi
    turned = next_state.forward_rotation.clamp(max=turn) - state.forward_rotation.clamp(max=turn)
    airborne = 1.0 * (next_state.foot_height > 0.05)
    # a robot that falls on its face has turned as well
    rotation = 20.0 * turned * (0.1 + 0.9 * airborne)
    high = 0.1 * airborne * next_state.torso_clearance.clamp(0.0, 1.5)
    over = 1.0 * (next_state.forward_rotation > 0.8 * turn)
    tall = (next_state.torso_height / 1.25).clamp(max=1.0)
    upright = 2.0 * over * next_state.torso_up.clamp(min=0.0) * tall
    standing = 3.0 * over * next_state.standing
    fallen = 3.0 * next_state.terminated
    control = 1e-3 * (action**2).sum(dim=1)
    return rotation + high + upright + standing - fallen - control, {
        "rotation": rotation,
        "high": high,
        "upright": upright,
        "standing": standing,
        "fallen": -fallen,
        "control": -control,
    }

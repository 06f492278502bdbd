"""Costs of a linear-quadratic regulator."""


def compute_reward(state, action, next_state):
    angle = -(next_state.pole_angle**2)
    position = -0.1 * next_state.cart_position**2
    spin = -0.01 * next_state.pole_angular_velocity**2
    effort = -0.001 * (action**2).sum(dim=1)
    return angle + position + spin + effort, {
        "angle": angle,
        "position": position,
        "spin": spin,
        "effort": effort,
    }
